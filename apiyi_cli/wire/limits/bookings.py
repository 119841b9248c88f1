"""Who waits for a turn that is booked, so that a process killed meanwhile holds nobody up.

Who waits holds a place in flight, and the booking is noted at the place's number in the row of
`rates`. The kernel gives the place back however its process dies: then the booking is nobody's,
and the next one that books takes it back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits.rates import FARTHEST_S, WAITING, WAITING_SIZE, Booking, forsake, mend
from apiyi_cli.wire.limits.windows import Row

_LATEST: Final = WAITING
"""No booking that is noted is for a later moment: mostly this alone is looked at."""
_COUNT: Final = (WAITING_SIZE - 1) // 4
_FIRST: Final = WAITING + 1
"""The starts of all places, zero where nobody waits; then the other three numbers of each."""
_MOST_TOKENS: Final = 1e12


def note(row: Row, place: int, booking: Booking) -> None:
    """Note what the holder of a place waits for. Places above the 512th go unnoted."""
    if 0 <= place < _COUNT:
        for column, value in enumerate(booking):
            row[_FIRST + column * _COUNT + place] = value
        row[_LATEST] = max(row[_LATEST], booking.start)


def forget(row: Row, place: int) -> None:
    """Note that the holder of a place waits no more."""
    if 0 <= place < _COUNT:
        row[_FIRST + place] = 0.0


def take_back(row: Row, limits: Limits, now: float, is_gone: Callable[[int], bool]) -> None:
    """Take back what those booked who died waiting; `is_gone` tells it of a place's holder.

    To be called by those who note what they wait for.
    """
    if row[_LATEST] <= now:
        # Whoever waits is noted: what is booked beyond now without anybody waiting is damage.
        if limits.concurrency <= _COUNT:
            mend(row, limits, now)
        return
    gone, waiting = [], []
    for place, start in enumerate(list(row[_FIRST : _FIRST + _COUNT])):
        if not start > now:
            continue
        booking = Booking(*(row[_FIRST + column * _COUNT + place] for column in range(4)))
        if not _is_sound(booking, now):
            forget(row, place)
        elif is_gone(place):
            forget(row, place)
            gone.append(booking)
        else:
            waiting.append((booking, place))
    waiting.sort()
    row[_LATEST] = waiting[-1][0].start if waiting else now
    if gone:
        places = [place for _, place in waiting]
        kept = forsake(row, limits, now, gone, [booking for booking, _ in waiting])
        for place, booking in zip(places, kept, strict=True):
            note(row, place, booking)


def _is_sound(booking: Booking, now: float) -> bool:
    return (
        booking.start <= now + FARTHEST_S
        and 0 <= booking.tokens <= _MOST_TOKENS
        and 0 <= booking.requests_s <= FARTHEST_S
        and 0 <= booking.tokens_s <= FARTHEST_S
    )
