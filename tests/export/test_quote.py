"""Literals mean in each language what they meant here."""

from __future__ import annotations

import ast
import json
import random
import shutil
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiyi_cli.export import quote
from apiyi_cli.export.pieces import FilePiece, SplitString

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PIECES = [
    "'", '"', "\\", "$", "${x}", "$x", "$(id)", "`", "#{x}", "#$0", "#@a", "{", "}", "{$x}", "%s",
    "\n", "\r", "\t", "\x01", "\x1b", "\x7f", "\x85", "\xad", "\u2028", "\u202e", "\ufeff", "0",
    "a", "\\u0041", "\\n", "<?php", "?>", "EOF", "中", "é", "👩‍👧", "\U000e0041", "*/", "//", "-->",
]  # fmt: skip


def mixed_texts(count: int) -> list[str]:
    chosen = random.Random(7)
    return PIECES + ["".join(chosen.choices(PIECES, k=12)) for _ in range(count)]


EVALUATE: dict[str, tuple[Callable[[str], str], Callable[[str], list[str]]]] = {
    "node": (
        quote.javascript,
        lambda list_: ["node", "-e", f"process.stdout.write(JSON.stringify([{list_}]))"],
    ),
    "php": (
        quote.php,
        lambda list_: ["php", "-r", f"echo json_encode([{list_}], JSON_THROW_ON_ERROR);"],
    ),
    "ruby": (
        quote.ruby,
        lambda list_: ["ruby", "-rjson", "-e", f"# coding: utf-8\nprint JSON.generate([{list_}])"],
    ),
}


@pytest.mark.parametrize("tool", EVALUATE)
def test_a_literal_is_read_back_as_the_text(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    literal, command = EVALUATE[tool]
    texts = mixed_texts(300)
    ran = subprocess.run(command(",\n".join(map(literal, texts))), capture_output=True, check=True)
    assert json.loads(ran.stdout) == texts


def test_a_shell_word_is_read_back_as_the_text() -> None:
    texts = mixed_texts(300)
    words = " ".join(map(quote.shell, texts))
    script = ["bash", "-c", f"printf '%s\\0' {words}"]
    ran = subprocess.run(script, capture_output=True, check=True)
    assert ran.stdout.decode().split("\0")[:-1] == texts


@given(TEXT)
def test_a_python_literal_is_read_back_as_the_text(text: str) -> None:
    assert ast.literal_eval(quote.python(text)) == text


@given(TEXT)
def test_a_json_string_is_read_back_as_the_text_without_the_escaped_characters(text: str) -> None:
    written = quote.json_string(text, "`$")
    assert json.loads(written) == text
    assert not set(written) & set("`$")


@pytest.mark.parametrize(
    "literal",
    [
        quote.csharp,
        quote.go,
        quote.java,
        quote.javascript,
        quote.json_string,
        quote.php,
        quote.python,
        quote.ruby,
        quote.shell,
    ],
)
def test_a_literal_is_one_line_of_visible_characters(literal: Callable[[str], str]) -> None:
    written = literal("".join(PIECES))
    assert not set(written) & set("\n\r\t\x01\x1b\x7f\x85\xad\u2028\u202e\ufeff\U000e0041")
    assert "中" in written
    assert "👩‍👧" in written


def test_java_controls_are_octal_because_unicode_escapes_are_resolved_too_early() -> None:
    assert quote.java('\x01\u2028\\u0022"') == '"\\001\\u2028\\\\u0022\\""'


def test_a_lone_surrogate_becomes_a_replacement_where_a_language_has_no_way_to_write_it() -> None:
    assert quote.go("\ud800") == '"\\ufffd"'
    assert quote.python("\ud800") == '"\\ud800"'


NOTATION = quote.Notation(
    string=quote.python,
    key=lambda key: f"{quote.python(key)}: ",
    format_pieces=lambda pieces: " + ".join(map(repr, pieces)),
    null="None",
    true="True",
    false="False",
    indent="    ",
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=12,
)


@given(VALUES)
def test_a_laid_out_value_is_read_back_as_the_value(value: object) -> None:
    assert ast.literal_eval(quote.layout(value, NOTATION)) == value
    assert json.loads(quote.json_text(value, lambda piece: "")) == value


def test_short_values_stay_on_one_line_and_long_ones_are_broken() -> None:
    value = {"a": [1, {"b": None}], "c": ["x" * 50, "y" * 50]}
    assert quote.layout(value, NOTATION) == (
        '{\n    "a": [1, {"b": None}],\n    "c": [\n'
        f'        "{"x" * 50}",\n        "{"y" * 50}",\n    ],\n}}'
    )


def test_json_text_leaves_a_place_for_a_file_inside_its_string() -> None:
    value = {"url": SplitString(('say "', FilePiece("a.png"), "`"))}
    text = quote.json_text(value, lambda piece: f"<{piece.path}>", "`")
    assert text == '{\n  "url": "say \\"<a.png>\\u0060"\n}'


def test_a_number_that_json_lacks_is_null() -> None:
    assert quote.layout([float("inf"), float("nan")], NOTATION, top=False) == "[None, None]"
