"""Plain English: words of the old dialect, which CONTRIBUTING lists, do not come back."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.source import SOURCES, parsed, relative

# It runs nothing of the program.
pytestmark = pytest.mark.no_cover

CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"
KNOWN = {
    "batch": 25,
    "build": 12,
    "cli": 16,
    "core": 2,
    "output": 12,
    "wire": 17,
}
"""How many of them a package still has: numbers may only fall."""


@cache
def dialect() -> tuple[re.Pattern[str], frozenset[str]]:
    """Return what finds the words of texts, and the names: both columns of the list's tables."""
    _, _, section = CONTRIBUTING.read_text("utf-8").partition("\n## Words")
    rows = re.findall(r"^\| ([a-z ,]+) \| ", section.partition("\n## ")[0], re.M)
    words = [word for row in rows if row != "was" for word in row.split(", ")]
    names = re.search(r"No names: `([a-z_, ]+)`", section)
    assert words and names
    pattern = re.compile(rf"\b(?:{'|'.join(words)})\b", re.I)
    return pattern, frozenset(names[1].split(", "))


def texts(path: Path) -> Iterator[str]:
    """Yield the comments and the docstrings of a file, those of constants as well."""
    with io.StringIO(path.read_text("utf-8")) as source:
        for token in tokenize.generate_tokens(source.readline):
            if token.type == tokenize.COMMENT:
                yield token.string
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield " ".join(str(node.value.value).split())


def definitions(path: Path) -> Iterator[str]:
    yield path.stem
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name.strip("_").lower()


def found() -> Counter[str]:
    """Return how many such words and names each package has."""
    pattern, names = dialect()
    counts: Counter[str] = Counter()
    for path in SOURCES:
        words = sum(len(pattern.findall(text)) for text in texts(path))
        package = relative(path).partition("/")[0].removesuffix(".py")
        counts[package] += words + sum(name in names for name in definitions(path))
    return counts


def test_no_package_gains_words_of_the_old_dialect() -> None:
    counts = found()
    more = {name: (KNOWN.get(name, 0), n) for name, n in counts.items() if n > KNOWN.get(name, 0)}
    assert not more, f"allowed, found: {more}; see CONTRIBUTING, Words"
    clean = {name for name in KNOWN if not counts[name]}
    assert not clean, f"clean now, take out of the list: {clean}"


def test_the_words_are_found_in_docstrings_and_comments() -> None:
    pattern, names = dialect()
    assert pattern.search("Tell whether it is done.") and pattern.search("# What became of it.")
    assert not pattern.search("Return True if it is done.")
    assert "told" in names and "tell" not in names
