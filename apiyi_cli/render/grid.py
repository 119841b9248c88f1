"""The arithmetic of columns: the cells of a Markdown row, the widths that fit."""

from __future__ import annotations

import re

_BAR = re.compile(r"(?<!\\)\|")
NARROWEST = 4


def split_row(line: str) -> list[str]:
    """Return the cells of one row of a Markdown table; `\\|` is a bar inside a cell."""
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [cell.strip().replace("\\|", "|") for cell in _BAR.split(inner)]


def fitted(natural: list[int], width: int, *, gap: int) -> list[int] | None:
    """Return column widths that together fit, taking from the widest columns first.

    `gap` columns stand between two. None when not even narrow columns fit.
    """
    room = width - gap * (len(natural) - 1)
    if sum(min(one, NARROWEST) for one in natural) > room:
        return None
    low, high = NARROWEST, max([NARROWEST, *natural])
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(one, middle) for one in natural) <= room:
            low = middle
        else:
            high = middle - 1
    widths = [min(one, low) for one in natural]
    spare = room - sum(widths)
    for at, one in enumerate(natural):
        if spare and widths[at] < one:
            widths[at] += 1
            spare -= 1
    return widths
