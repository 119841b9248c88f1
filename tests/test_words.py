"""Plain English: words of the old dialect, which CONTRIBUTING lists, do not come back."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.source import SOURCES, nodes, relative

CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"
FIELD_TERMS = {"wire/limits/": "burst"}
"""Words that are the field's own in some places: rate limiters have a burst."""


@cache
def dialect() -> tuple[re.Pattern[str], frozenset[str]]:
    """Return what finds the words of texts, and the names: both columns of the list's tables."""
    _, _, section = CONTRIBUTING.read_text("utf-8").partition("\n## Words")
    rows = re.findall(r"^\| ([a-z ,]+) \| ", section.partition("\n## ")[0], re.M)
    words = [word for row in rows if row != "was" for word in row.split(", ")]
    names = re.search(r"No names: `([a-z_, ]+)`", section)
    assert words and names
    # "There is no cache" and "is no longer open" are plain.
    pattern = re.compile(rf"(?<!\bthere )\b(?:{'|'.join(words)})\b(?! longer)", re.I)
    return pattern, frozenset(names[1].split(", "))


def texts(path: Path) -> Iterator[str]:
    """Yield the comments and the docstrings of a file, those of constants as well."""
    with io.StringIO(path.read_text("utf-8")) as source:
        for token in tokenize.generate_tokens(source.readline):
            if token.type == tokenize.COMMENT:
                yield token.string
    for node in nodes(path):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield " ".join(str(node.value.value).split())


def definitions(path: Path) -> Iterator[str]:
    yield path.stem
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name.strip("_").lower()


def dialect_words(path: Path) -> Iterator[str]:
    """Yield the words and names of the old dialect that a file has."""
    pattern, names = dialect()
    own = [word for place, word in FIELD_TERMS.items() if relative(path).startswith(place)]
    for text in texts(path):
        yield from (word for word in pattern.findall(text) if word.lower() not in own)
    yield from (name for name in definitions(path) if name in names)


def test_no_file_has_words_of_the_old_dialect() -> None:
    words = {relative(path): list(dialect_words(path)) for path in SOURCES}
    found = {name: in_file for name, in_file in words.items() if in_file}
    assert not found, f"see CONTRIBUTING, Words: {found}"


def test_the_words_are_found_in_docstrings_and_comments() -> None:
    pattern, names = dialect()
    assert pattern.search("Tell whether it is done.") and pattern.search("# What became of it.")
    assert pattern.search("It is no file.") and not pattern.search("There is no file.")
    assert not pattern.search("Return True if it is done.")
    assert "told" in names and "tell" not in names


FIRST_SENTENCE_MOST = 15
COMMANDS = "cli/commands/"
"""Docstrings of commands are their line in the help, which people read."""


def long_first_sentences(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            docstring = " ".join((ast.get_docstring(node) or "").split())
            first, _, _ = docstring.partition(". ")
            is_help = isinstance(node, ast.FunctionDef) and relative(path).startswith(COMMANDS)
            if len(first.split()) > FIRST_SENTENCE_MOST and not is_help:
                yield first


def test_a_docstring_begins_with_a_sentence_of_at_most_fifteen_words() -> None:
    found = {relative(path): list(long_first_sentences(path)) for path in SOURCES}
    assert not {name: sentences for name, sentences in found.items() if sentences}
