"""Formats several models' answers side by side, or one below the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.style import Style
from rich.text import Text

from apiyi_cli.core.terminal_text import neutralize, neutralize_line
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.render.markdown_stream import BlockRenderer
from apiyi_cli.render.table import NARROWEST_TEXT, paint
from apiyi_cli.render.wrap import clip, cuts

_GAP = 2
_BOLD = Style(bold=True)
_DIM = Style(dim=True)


class Column(PlainValue):
    """One model's answer under its title; `note` is printed below it."""

    title: str
    text: str
    note: str = ""


class ColumnStyle(PlainValue):
    """How answers are formatted: with colours, with rendered Markdown."""

    color: bool
    markdown: bool


def has_room(count: int, width: int) -> bool:
    """Return True if so many answers fit side by side."""
    return width // max(count, 1) >= NARROWEST_TEXT


def format_beside(columns: Sequence[Column], width: int, style: ColumnStyle) -> list[str]:
    """Return the rows of answers side by side, no wider than `width`."""
    room = (width - _GAP * (len(columns) - 1)) // len(columns)
    parts = [[*_format_column(column, room, style)] for column in columns]
    rows = []
    for number in range(max(map(len, parts))):
        row = Text()
        for place, part in enumerate(parts):
            if number < len(part):
                row.append(" " * (place * (room + _GAP) - row.cell_len))
                row.append_text(part[number])
        rows.append(paint(row, style.color))
    return rows


def format_below(column: Column, width: int, style: ColumnStyle) -> list[str]:
    """Return the rows of one answer in full width, and an empty row."""
    return [*(paint(row, style.color) for row in _format_column(column, width, style)), ""]


def _format_column(column: Column, width: int, style: ColumnStyle) -> Iterator[Text]:
    yield Text().append(clip(neutralize_line(column.title), width), _BOLD)
    text = neutralize(column.text)
    if style.markdown:
        rendered = BlockRenderer(width, style.color)
        text = rendered.feed(column.text) + rendered.close()
    for line in text.removesuffix("\n").split("\n") if text else ():
        # Code is not broken by the renderer; here it would run into the next column.
        yield from _wrap(Text.from_ansi(line, end=""), width)
    if column.note:
        yield from _wrap(Text().append(neutralize_line(column.note), _DIM), width)


def _wrap(line: Text, width: int) -> Iterator[Text]:
    line.expand_tabs(4)
    for piece in line.divide(cuts(line.plain, width)):
        piece.rstrip()
        yield piece
