"""The Markdown of the hand-written sections: read, set as roff, set as plain text."""

from __future__ import annotations

import pytest

from apiyi_cli.manual.markdown import (
    Block,
    Code,
    Definitions,
    Heading,
    Items,
    Paragraph,
    Span,
    Table,
    blocks,
    text,
)
from apiyi_cli.manual.plain import page
from apiyi_cli.manual.roff import escape, roff


def span(words: str) -> tuple[Span, ...]:
    return (Span(words),)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("# One\n## Two", [Heading(1, "One"), Heading(2, "Two")]),
        ("a\nb\n\nc", [Paragraph(span("a b")), Paragraph(span("c"))]),
        ("- a\n  b\n- c", [Items((span("a b"), span("c")))]),
        ("- a\n\n- b\n\nc", [Items((span("a"), span("b"))), Paragraph(span("c"))]),
        ("1. a\n2. b", [Items((span("a"), span("b")), numbered=True)]),
        ("term\n: said\n  more", [Definitions(((span("term"), span("said more")),))]),
        (
            "a\n: b\n\nc\n: d\n\ne",
            [Definitions(((span("a"), span("b")), (span("c"), span("d")))), Paragraph(span("e"))],
        ),
        (
            "| a | b |\n|---|---|\n| c | d \\| e |",
            [Table(((span("a"), span("b")), (span("c"), span("d | e"))))],
        ),
        ("```\n  x\n\n# y\n```\nz", [Code(("  x", "", "# y")), Paragraph(span("z"))]),
    ],
)
def test_a_source_is_read_as_these_blocks(source: str, expected: list[Block]) -> None:
    assert list(blocks(source)) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a `b c` d", [("a ", "plain"), ("b c", "code"), (" d", "plain")]),
        ("**a** *b*", [("a", "bold"), (" ", "plain"), ("b", "italic")]),
        ("2 * 3 * 4", [("2 * 3 * 4", "plain")]),
        ("`*` and **", [("*", "code"), (" and **", "plain")]),
    ],
)
def test_text_is_read_as_these_spans(source: str, expected: list[tuple[str, str]]) -> None:
    assert [(span.text, span.style) for span in text(source)] == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (".start of a line", [".PP", r"\&.start of a line"]),
        ("`'quoted'`", [".PP", r"\fB\(aqquoted\(aq\fR"]),
        ("a \\ b", [".PP", r"a \e b"]),
        ("see --no-stream, self-made", [".PP", r"see \-\-no\-stream, self-made"]),
        ("`-o PATH`", [".PP", r"\fB\-o PATH\fR"]),
        ("易", [".PP", r"\[u6613]"]),
        ("# A\nb", [".SH A", "b"]),
        ("a\n: b", [".TP", "a", "b"]),
        ("- a", [r".IP \(bu 3", "a"]),
        ("1. a", [".IP 1. 4", "a"]),
        ("```\n.x -y\n```", [".PP", ".RS 4", ".EX", r"\&.x \-y", ".EE", ".RE"]),
    ],
)
def test_a_source_is_set_as_this_roff(source: str, expected: list[str]) -> None:
    assert list(roff(blocks(source))) == expected


def test_a_table_is_set_for_tbl_with_its_last_column_wrapped() -> None:
    lines = list(roff(blocks("| a | b |\n|---|---|\n| c | d |")))
    assert lines == [
        ".PP", ".TS", "tab(\t);", "lB lB", "l lx.",
        "a\tT{", "b", "T}", "c\tT{", "d", "T}", ".TE",
    ]  # fmt: skip


def test_escaped_text_keeps_what_a_reader_copies() -> None:
    assert escape("-x 'a' `b` ~ ^", literal=True) == r"\-x \(aqa\(aq \(gab\(ga \(ti \(ha"


def test_plain_text_is_wrapped_and_code_is_not() -> None:
    source = (
        "# T\nsome words that go on\n\n```\na line of code that is long\n```\n\n- one two three"
    )
    assert page(blocks(source), 20) == (
        "T\n\nsome words that go\non\n\n    a line of code that is long\n\n  - one two three\n"
    )


def test_plain_text_marks_headings_on_a_terminal_only() -> None:
    assert page(blocks("# T\nx"), 20, bold=True) == "\x1b[1mT\x1b[22m\n\nx\n"


def test_definitions_and_tables_are_aligned_in_plain_text() -> None:
    source = "`a b`\n: said `c d`\n\n| x | y |\n|---|---|\n| long | z |"
    assert page(blocks(source), 40) == "  a b\n      said `c d`\n\n  x     y\n  long  z\n"
