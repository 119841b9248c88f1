"""Amounts of the last window, summed up in rings of cells, in a row of numbers that is shared.

A ring is the number of its newest cell and after it `CELL_COUNT` cells of 1/128 window each.
What the rings count is up to `rates`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, Protocol, overload

CELLS_IN_WINDOW: Final = 128
# A started request may still be late on the network. As much of the spacing's reserve is kept
# for that as lets even traffic pass: (1 + network + 1 cell) / (1 + jitter + burst) < 1.
NETWORK: Final = 0.025
# A window may begin and end inside a cell.
CELL_COUNT: Final = math.ceil(CELLS_IN_WINDOW * (1 + NETWORK)) + 2
_MOST_COUNTED: Final = 2.0**53


class Row(Protocol):
    """The numbers: an `array` or a shared memory view of doubles."""

    @overload
    def __getitem__(self, index: int, /) -> float: ...
    @overload
    def __getitem__(self, index: slice, /) -> Iterable[float]: ...
    def __setitem__(self, index: int, value: float, /) -> None: ...


def cells_of(row: Row, ring: int, window_s: float, moment: float, more_s: float = 0.0) -> range:
    """Return the numbers of the ring's cells that a window ending at `moment` touches."""
    first = cell_at(window_s, moment - window_s - more_s)
    newest = int(row[ring])
    return range(max(first, newest - CELL_COUNT + 1), newest + 1)


def cell_at(window_s: float, moment: float) -> int:
    """Return the number of the cell that a moment is in."""
    return math.floor(moment * CELLS_IN_WINDOW / window_s)


def index(ring: int, cell: int) -> int:
    """Return where a cell of the ring is in the row."""
    return ring + 1 + cell % CELL_COUNT


def fitting(
    row: Row,
    ring: int,
    window_s: float,
    moment: float,
    amount: int,
    limit: int,
    more_s: float = 0.0,
) -> float:
    """Return the first moment from `moment` on at which a window has room for `amount`.

    The window is taken `more_s` longer than it is.
    """
    # Most of the time all cells together have room, those too that have left the window.
    if sum(row[ring + 1 : ring + 1 + CELL_COUNT]) + amount <= limit:
        return moment
    cells = cells_of(row, ring, window_s, moment, more_s)
    counts = [row[index(ring, cell)] for cell in cells]
    used = sum(counts)
    for cell, there in zip(cells, counts, strict=True):
        if used <= 0 or used + amount <= limit:
            break
        if there:
            used -= there
            leaves = (cell + 1) * window_s / CELLS_IN_WINDOW + window_s + more_s
            moment = max(moment, leaves)
    return moment


def count(row: Row, ring: int, window_s: float, moment: float, amount: float) -> None:
    """Count an amount at a moment; what is older than the ring's newest cell goes there."""
    newest = int(row[ring])
    cell = max(newest, cell_at(window_s, moment))
    for passed in range(max(newest + 1, cell - CELL_COUNT + 1), cell + 1):
        row[index(ring, passed)] = 0.0
    row[ring] = cell
    row[index(ring, cell)] += amount


def count_at(row: Row, ring: int, window_s: float, moment: float, amount: float) -> None:
    """Count an amount at a moment that may be before the newest cell, as long as the ring
    reaches back to it."""
    cell = cell_at(window_s, moment)
    if row[ring] - CELL_COUNT < cell < row[ring]:
        row[index(ring, cell)] += amount
    else:
        count(row, ring, window_s, moment, amount)


def trim(row: Row, ring: int, window_s: float, now: float) -> None:
    """Forget what was counted for later than now, and amounts that nothing can have made."""
    last, newest = cell_at(window_s, now), int(row[ring])
    for cell in range(last + 1, min(newest, last + CELL_COUNT) + 1):
        row[index(ring, cell)] = 0.0
    row[ring] = min(newest, last)
    if not all(0 <= amount <= _MOST_COUNTED for amount in row[ring + 1 : ring + 1 + CELL_COUNT]):
        for at in range(ring + 1, ring + 1 + CELL_COUNT):
            row[at] = 0.0


def uncount(row: Row, ring: int, window_s: float, moment: float, amount: float) -> None:
    """Take back what was counted at a moment, as far as it is still there."""
    cell = cell_at(window_s, moment)
    if row[ring] - CELL_COUNT < cell <= row[ring]:
        at = index(ring, cell)
        row[at] = max(0.0, row[at] - amount)


def give_back(
    row: Row, ring: int, window_s: float, now: float, moment: float, amount: float
) -> None:
    """Take an amount out again that was counted at `moment`, or before."""
    # Where it was counted: given back from older cells it would leave with them, and estimates
    # that are too high would be all that ever counts. What is not there comes from older ones,
    # so that no later window looks emptier than it is.
    last = cell_at(window_s, moment)
    for cell in reversed(cells_of(row, ring, window_s, now)):
        if cell <= last:
            less = min(row[index(ring, cell)], amount)
            row[index(ring, cell)] -= less
            amount -= less
