"""Tables for a terminal, laid out by rich. Pipes get lines instead."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style
from rich.text import Text

from apiyi_cli.core.terminal_text import neutralize_line
from apiyi_cli.render.wrap import clip, cuts

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.measure import Measurement
    from rich.table import Table

Side = Literal["left", "center", "right"]
NARROWEST_CELL = 4
NARROWEST_TEXT = 24
_UNLIMITED = 10_000
_BOLD = Style(bold=True)


class Cell:
    """A text in a column: divided at `wrap.cuts`, or cut to one line with `…`."""

    def __init__(self, text: Text, *, one_line: bool = False, is_whole: bool = False) -> None:
        self.text = text
        self._one_line = one_line
        self.is_whole = is_whole

    @property
    def width(self) -> int:
        """Return the columns of its widest line."""
        return max(map(cell_len, self.text.plain.split("\n")))

    @property
    def narrowest(self) -> int:
        """Return the columns that it needs to be readable."""
        return self.width if self.is_whole else min(self.width, NARROWEST_CELL)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        return Measurement(self.narrowest, self.width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        if self._one_line:
            plain = clip(self.text.plain, options.max_width)
            yield self.text if plain == self.text.plain else Text(plain, self.text.style)
            return
        for line in self.text.split("\n", allow_blank=True):
            for piece in line.divide(cuts(line.plain, options.max_width)):
                piece.rstrip()
                yield piece


def format_table(
    rows: Iterable[Sequence[object]],
    headers: Sequence[str],
    *,
    width: int,
    color: bool,
    translate: Callable[[str], str] = str,
    figures: Collection[int] = (),
    whole: Collection[int] = (),
    spare: Sequence[int] = (),
) -> str:
    """Return the rows under their headers, one line each, every line with its end.

    A column of numbers is right-aligned, and those of `figures`, whatever they hold; None is
    an empty cell. Text beyond `width` columns is cut, widest columns first, and
    marked by `…`; columns of `whole` are not. Where they leave the others too little room, columns
    of `spare` are left out, one after the other. Cells are made safe for a terminal; those that
    are messages, and the headers, are translated.
    """
    values = [list(row) for row in rows]
    sides: list[Side] = [
        "right" if index in figures or _is_numeric([row[index] for row in values]) else "left"
        for index in range(len(headers))
    ]
    cells = [
        [
            Cell(Text(_cell_text(value, translate)), one_line=True, is_whole=index in whole)
            for index, value in enumerate(row)
        ]
        for row in (headers, *values)
    ]
    _leave_out(spare, cells, sides, width)
    for cell in cells[0]:
        cell.text.stylize(_BOLD)
    lines = list(layout(cells, sides, width if fits(cells, width, gap=2) else _UNLIMITED))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return "".join(paint(line, color) + "\n" for line in lines)


def _leave_out(
    spare: Sequence[int], cells: list[list[Cell]], sides: list[Side], width: int
) -> None:
    """Remove columns, the first named first, until the others fit."""
    left = [*spare]
    while left and not fits(cells, width, gap=2):
        del sides[left[0]]
        for row in cells:
            del row[left[0]]
        left = [index - (index > left[0]) for index in left[1:]]


def layout(
    rows: Sequence[Sequence[Cell]], sides: Sequence[Side], width: int, *, ruled: bool = False
) -> Iterator[Text]:
    """Yield the lines of a table, at most `width` columns wide, without line ends.

    `sides` says where the cells of each column are. `ruled` draws a line under the first row
    and between columns.
    """
    table = _build_table(rows, sides, ruled)
    console = plain_console()
    options = console.options.update(width=width)
    for segments in console.render_lines(table, options, pad=False):
        line = Text()
        for segment in segments:
            line.append(segment.text, segment.style)
        line.rstrip()
        yield line


def _build_table(rows: Sequence[Sequence[Cell]], sides: Sequence[Side], ruled: bool) -> Table:
    from rich.box import Box
    from rich.table import Table

    table = Table(
        box=Box("    \n  │ \n ─┼ \n  │ \n    \n    \n  │ \n    \n") if ruled else None,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1),
        show_header=ruled,
        header_style="",
        border_style="dim",
    )
    for index, side in enumerate(sides):
        header = rows[0][index] if ruled else ""
        # rich takes what is missing from columns that may wrap.
        table.add_column(header, justify=side, no_wrap=rows[0][index].is_whole)
    for row in rows[1:] if ruled else rows:
        table.add_row(*row)
    return table


def fits(rows: Sequence[Sequence[Cell]], width: int, *, gap: int) -> bool:
    """Return True if the columns, at their narrowest readable width, fit in `width`."""
    columns = zip(*rows, strict=True)
    narrowest = [max(cell.narrowest for cell in column) for column in columns]
    return bool(sum(narrowest) + gap * (len(narrowest) - 1) <= width)


def paint(line: Text, color: bool) -> str:
    """Return a line for the terminal, in the sixteen colours or plain."""
    if not color:
        return line.plain
    return "".join(
        segment.style.render(segment.text, color_system=ColorSystem.STANDARD)
        if segment.style
        else segment.text
        for segment in line.render(plain_console())
    )


@cache
def plain_console() -> Console:
    """Return a console with rich's styles, which prints nothing."""
    from rich.console import Console

    return Console(color_system=None, force_terminal=False)


def _cell_text(value: Any, translate: Callable[[str], str]) -> str:
    if value is None:
        return ""
    if _is_number(value):
        return f"{value:,}"
    return neutralize_line(translate(value) if isinstance(value, str) else str(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_numeric(column: list[object]) -> bool:
    values = [value for value in column if value is not None]
    return bool(values) and all(map(_is_number, values))
