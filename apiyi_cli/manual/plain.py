"""Formats blocks of a hand-written section as plain text."""

from __future__ import annotations

from collections.abc import Iterable

from apiyi_cli.manual import markdown
from apiyi_cli.manual.wrap import WIDEST, columns, fill_lines


def page(blocks: Iterable[markdown.Block], width: int, *, bold: bool = False) -> str:
    """Return the blocks as lines of at most `width` columns, ending in a newline.

    Code is never broken. `bold` marks the headings for a terminal that can show it.
    """
    width = max(20, min(width, WIDEST))
    parts = []
    for block in blocks:
        lines = _lines(block, width)
        if bold and isinstance(block, markdown.Heading):
            lines = [f"\x1b[1m{line}\x1b[22m" for line in lines]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _lines(block: markdown.Block, width: int) -> list[str]:
    match block:
        case markdown.Heading(_, title):
            return fill_lines(title, width)
        case markdown.Paragraph(spans):
            return fill_lines(markdown.plain(spans, quoted=True), width)
        case markdown.Code(lines):
            return [f"    {line}".rstrip() for line in lines]
        case markdown.Items(items, numbered):
            return _items([markdown.plain(item, quoted=True) for item in items], numbered, width)
        case markdown.Definitions(terms):
            return [line for item in terms for line in _definition(*item, width)]
        case markdown.Table(rows):
            return _table([[markdown.plain(cell) for cell in row] for row in rows], width)


def _definition(term: markdown.Spans, explanation: markdown.Spans, width: int) -> list[str]:
    return [
        *fill_lines(markdown.plain(term), width, "  "),
        *fill_lines(markdown.plain(explanation, quoted=True), width, " " * 6),
    ]


def _items(items: list[str], numbered: bool, width: int) -> list[str]:
    lines = []
    for count, item in enumerate(items, 1):
        mark = f"  {count}. " if numbered else "  - "
        lines += fill_lines(item, width, mark, " " * len(mark))
    return lines


def _table(rows: list[list[str]], width: int) -> list[str]:
    """Return a table whose last column wraps in the remaining width."""
    before = [max(columns(row[at]) for row in rows) for at in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        left = "  "
        for cell, wide in zip(row, before, strict=False):
            left += cell + " " * (wide - columns(cell) + 2)
        lines += fill_lines(row[-1], max(width, len(left) + 20), left, " " * columns(left))
    return lines
