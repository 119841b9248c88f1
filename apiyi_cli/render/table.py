"""Rows in columns for a person at a terminal. A pipe gets lines for programs instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(
    rows: Iterable[Sequence[object]], headers: Sequence[str], *, width: int, color: bool
) -> str:
    """Return the rows under their headers, one line each, every line with its end.

    A column in which all cells are numbers stands to the right; None is an empty cell. What
    does not fit in `width` columns is cut, widest columns first, and marked by `…`: a row
    never takes two lines. Cells are made safe for a terminal.
    """
    from apiyi_cli.render.grid import fitted
    from apiyi_cli.render.wrap import clipped, padded

    values = [list(row) for row in rows]
    cells = [[_cell(value) for value in row] for row in values]
    columns = range(len(headers))
    right = [_is_numeric([row[at] for row in values]) for at in columns]
    titles = [_cell(header) for header in headers]
    natural = [widest([titles[at], *(row[at] for row in cells)]) for at in columns]
    widths = fitted(natural, width, gap=2) or natural

    def line(row: Sequence[str]) -> str:
        fields = (
            padded(clipped(row[at], widths[at]), widths[at], right=right[at]) for at in columns
        )
        return clipped("  ".join(fields).rstrip(), width)

    head = line(titles)
    if color:
        head = f"\x1b[1m{head}\x1b[0m"
    return "".join(text + "\n" for text in (head, *map(line, cells)))


def _cell(value: object) -> str:
    from apiyi_cli.core.terminal_text import neutralize_line

    if value is None:
        return ""
    return neutralize_line(f"{value:,}" if _is_number(value) else str(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_numeric(column: list[object]) -> bool:
    given = [value for value in column if value is not None]
    return bool(given) and all(map(_is_number, given))


def widest(texts: Iterable[str]) -> int:
    """Return how many columns of a terminal the widest text takes."""
    from rich.cells import cell_len

    return max(map(cell_len, texts))
