"""Records which slot waits for which booking, to release bookings of killed processes.

A request that waits holds a concurrency slot, and its booking is recorded under the number of the
slot in the counters of `rates`. The kernel releases the slot however the process dies; the next
request that books then cancels the booking.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits.rates import (
    BOOKINGS,
    BOOKINGS_SIZE,
    FARTHEST_S,
    Booking,
    cancel_gone,
    refresh,
    repair,
)
from apiyi_cli.wire.limits.windows import Counters

_LATEST: Final = BOOKINGS
"""The latest start of a recorded booking: usually the only number that is read."""
_COUNT: Final = (BOOKINGS_SIZE - 1) // 4
_FIRST: Final = BOOKINGS + 1
"""The starts of all slots, 0 if no request waits; then each slot's other three numbers."""
_MOST_TOKENS: Final = 1e12


def record(counters: Counters, slot: int, booking: Booking) -> None:
    """Record the booking of a slot's holder; slots above the 512th are not recorded."""
    if 0 <= slot < _COUNT:
        for column, value in enumerate(booking):
            counters[_FIRST + column * _COUNT + slot] = value
        counters[_LATEST] = max(counters[_LATEST], booking.start)


def forget(counters: Counters, slot: int) -> None:
    """Record that the holder of a slot no longer waits."""
    if 0 <= slot < _COUNT:
        counters[_FIRST + slot] = 0.0


def release_gone(
    counters: Counters, limits: Limits, now: float, is_gone: Callable[[int], bool]
) -> None:
    """Cancel the bookings of processes that died while waiting.

    `is_gone(slot)` returns True if no request holds the slot. Only for callers that record
    their own bookings.
    """
    # Numbers that no clock of this boot can have given must not pass for a booking that waits.
    refresh(counters, now)
    if counters[_LATEST] <= now:
        # Every waiting request is recorded: bookings beyond now without one are damage.
        if limits.concurrency <= _COUNT:
            repair(counters, limits, now)
        return
    gone, waiting = [], []
    for slot, start in enumerate(list(counters[_FIRST : _FIRST + _COUNT])):
        if not start > now:
            continue
        booking = Booking(*(counters[_FIRST + column * _COUNT + slot] for column in range(4)))
        if not _is_sound(booking, now):
            forget(counters, slot)
        elif is_gone(slot):
            forget(counters, slot)
            gone.append(booking)
        else:
            waiting.append((booking, slot))
    waiting.sort()
    counters[_LATEST] = waiting[-1][0].start if waiting else now
    if gone:
        slots = [slot for _, slot in waiting]
        kept = cancel_gone(counters, limits, now, gone, [booking for booking, _ in waiting])
        for slot, booking in zip(slots, kept, strict=True):
            record(counters, slot, booking)


def _is_sound(booking: Booking, now: float) -> bool:
    return (
        booking.start <= now + FARTHEST_S
        and 0 <= booking.tokens <= _MOST_TOKENS
        and 0 <= booking.requests_s <= FARTHEST_S
        and 0 <= booking.tokens_s <= FARTHEST_S
    )
