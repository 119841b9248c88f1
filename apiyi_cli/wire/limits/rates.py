"""The arithmetic of the rate limits, on counters that several processes may share.

Requests and tokens each follow the generic cell rate algorithm (GCRA): one number, the moment until
which all that was booked is paid off, moves ahead by the cost of every booking. In *every*
window of `window_s` seconds, ends included, no more than the limit is started:

    spacing = (window + jitter + burst) / limit        seconds for one request or token
    starts in a window <= floor((window + burst) / spacing) + 1 <= limit

`burst` is how far a start may run ahead of its payment, `jitter` what a request may be late
on its way to the gateway; both are small parts of the window, so that 96.6 % of the limit
can be used and traffic is even from the first request on.

One number cannot bound a window in which one request is a large part of the token limit, so
tokens are also counted in sliding windows (`windows`). A request that costs more than the burst
waits until all before it is paid; one above the whole limit waits for an empty window.

A booking reserves a start in the future; the start itself is counted when it happens (`admit`).
A request that wakes up late keeps its turn and its payment: it starts as soon as the window
that ends now has room, which is at once unless many are late together.

`limiter` stores the numbers and waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, NamedTuple

from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits.windows import (
    BUCKET_COUNT,
    BUCKETS_PER_WINDOW,
    NETWORK,
    Counters,
    SlidingWindow,
)

Cause = Literal["pause", "requests", "tokens", "slots"]
"""The reason of a wait: the gateway's request to pause, or a limit of the key."""

OnWait = Callable[[float, Cause], None]
"""Gets the seconds that a request will wait, and the reason."""

JITTER: Final = 0.03
BURST: Final = 0.005
TOKENS_COUNT_S: Final = 60.0
"""Seconds after a 429 for tokens in which a single request waits for tokens too."""
LATE_SHARE: Final = 0.1
"""The share of a window after which a late start must be booked again."""


def burst_s(limits: Limits) -> float:
    """Return how many seconds a start may run ahead of its payment."""
    return BURST * limits.window_s


def spacing_s(limits: Limits, limit: int) -> float:
    """Return the seconds of one unit of `limit` (requests or tokens)."""
    # The last factor keeps a rounding error from completing one unit too many.
    return limits.window_s * (1 + JITTER + BURST) / limit * (1 + 1e-9)


_SEEN, _LAST, _REQUESTS, _TOKENS, _PAUSE, _THROTTLED, _STARTED = range(1, 8)
# Each window begins with the number of its newest bucket.
_BOOKED_TOKENS, _STARTED_TOKENS, _STARTED_REQUESTS = (
    8 + window * (BUCKET_COUNT + 1) for window in range(3)
)
_WINDOWS: Final = (_BOOKED_TOKENS, _STARTED_TOKENS, _STARTED_REQUESTS)
BOOKINGS: Final = _STARTED_REQUESTS + BUCKET_COUNT + 1
"""Index of the numbers that `bookings` keeps, `BOOKINGS_SIZE` of them."""
BOOKINGS_SIZE: Final = 1 + 4 * 512
MEANS: Final = BOOKINGS + BOOKINGS_SIZE
MEAN_COUNT: Final = 64
SIZE: Final = MEANS + 3 * MEAN_COUNT
"""The size of the counters. The first number belongs to their store."""

_BOOT_SLACK_S: Final = 1.0
FARTHEST_S: Final = 7 * 86_400.0
LONGEST_PAUSE_S: Final = 600.0
_MOST_BUCKETS: Final = 2.0**52


def refresh(counters: Counters, now: float) -> None:
    """Note the time; clear all bookings that cannot be of this clock.

    The monotonic clock restarts at boot: numbers written "later" than now are from before it.
    Numbers far in the future are damage.
    """
    if counters[_SEEN] == now:
        # The same step has looked already.
        return
    moments = (counters[_LAST], counters[_REQUESTS], counters[_TOKENS])
    # Comparisons in this direction are False for NaN.
    is_sound = (
        counters[_SEEN] <= now + _BOOT_SLACK_S
        and all(moment <= now + FARTHEST_S for moment in moments)
        and counters[_PAUSE] <= now + LONGEST_PAUSE_S + _BOOT_SLACK_S
        and counters[_THROTTLED] <= now + _BOOT_SLACK_S
        and counters[_STARTED] <= now + FARTHEST_S
        and all(abs(counters[window]) <= _MOST_BUCKETS for window in _WINDOWS)
    )
    if not is_sound:
        for index in range(_SEEN, MEANS):
            counters[index] = 0.0
    counters[_SEEN] = now


def repair(counters: Counters, limits: Limits, now: float) -> None:
    """Reduce numbers without a booking to the most that one can leave.

    Only if no booking waits: then nothing is booked for later than now, and nobody owes more
    than one window.
    """
    refresh(counters, now)
    counters[_LAST] = min(counters[_LAST], now)
    most_ahead_s = burst_s(limits) + spacing_s(limits, limits.rpm)
    counters[_REQUESTS] = min(counters[_REQUESTS], now + most_ahead_s)
    counters[_STARTED] = min(counters[_STARTED], now + most_ahead_s)
    counters[_TOKENS] = min(counters[_TOKENS], now + _most_owed_s(limits))
    for window in _WINDOWS:
        SlidingWindow(counters, window, limits.window_s).trim(now)


def book(counters: Counters, limits: Limits, now: float, tokens: int, count: int = 1) -> float:
    """Book one request of `tokens` tokens and return the moment at which it may start.

    Moments never go back: the first booking starts first. A request counts one window at most.
    `count` requests of `tokens` in all start when the last of them may.
    """
    refresh(counters, now)
    tokens = min(tokens, limits.tpm)
    start = max(now, counters[_PAUSE], counters[_LAST])
    others_s = (count - 1) * spacing_s(limits, limits.rpm)
    start = max(start, max(now, counters[_REQUESTS]) + others_s - burst_s(limits))
    if tokens:
        each_s = tokens / count * spacing_s(limits, limits.tpm)
        ahead_s = burst_s(limits) if each_s <= burst_s(limits) else 0.0
        start = max(start, max(now, counters[_TOKENS]) + (count - 1) * each_s - ahead_s)
        window = SlidingWindow(counters, _BOOKED_TOKENS, limits.window_s)
        start = window.first_fit(start, tokens, limits.tpm)
        window.add(start, tokens)
    _pay(counters, limits, start, tokens, count)
    counters[_LAST] = start
    return start


def cause_of(counters: Counters, limits: Limits, now: float) -> Cause:
    """Return the reason for the next booking's wait."""
    if counters[_PAUSE] > now:
        return "pause"
    return "tokens" if counters[_TOKENS] > counters[_REQUESTS] - burst_s(limits) else "requests"


def start_single(
    counters: Counters, limits: Limits, now: float, tokens: int
) -> tuple[float, Cause]:
    """Start a single request now and return 0, or return the wait and its reason.

    It books nothing ahead, so the tokens that a run of many requests has booked do not hold it
    up. Its own tokens count towards the limit, but it waits for them only after the gateway has
    answered 429 for tokens, and then only for requests that really started.
    """
    refresh(counters, now)
    tokens = min(tokens, limits.tpm)
    fits = _first_request_fit(counters, limits, now)
    waits: list[tuple[float, Cause]] = [
        (counters[_PAUSE] - now, "pause"),
        (max(counters[_STARTED] - burst_s(limits), fits) - now, "requests"),
    ]
    if tokens and is_throttled(counters, now):
        waits.append((_first_token_fit(counters, limits, now, tokens) - now, "tokens"))
    longest = max(waits)
    if longest[0] > 0:
        return longest
    _pay(counters, limits, now, tokens)
    if tokens:
        SlidingWindow(counters, _BOOKED_TOKENS, limits.window_s).add_at(now, tokens)
    _count_started(counters, limits, now, tokens)
    return 0.0, longest[1]


def _first_request_fit(counters: Counters, limits: Limits, now: float, count: int = 1) -> float:
    window = SlidingWindow(counters, _STARTED_REQUESTS, limits.window_s)
    return window.first_fit(now, count, limits.rpm, NETWORK * limits.window_s)


def _first_token_fit(counters: Counters, limits: Limits, now: float, tokens: int) -> float:
    window = SlidingWindow(counters, _STARTED_TOKENS, limits.window_s)
    return window.first_fit(now, tokens, limits.tpm)


def _count_started(
    counters: Counters, limits: Limits, now: float, tokens: float, count: int = 1
) -> None:
    counters[_STARTED] = max(counters[_STARTED], now) + count * spacing_s(limits, limits.rpm)
    SlidingWindow(counters, _STARTED_REQUESTS, limits.window_s).add(now, count)
    if tokens:
        SlidingWindow(counters, _STARTED_TOKENS, limits.window_s).add(now, tokens)


def note_throttled(counters: Counters, now: float) -> None:
    """Note that the gateway has answered 429 for tokens."""
    refresh(counters, now)
    counters[_THROTTLED] = now


def is_throttled(counters: Counters, now: float) -> bool:
    """Return True if the gateway answered 429 for tokens within the last minute."""
    return counters[_THROTTLED] > 0 and now - counters[_THROTTLED] < TOKENS_COUNT_S


def _pay(counters: Counters, limits: Limits, start: float, tokens: float, count: int = 1) -> None:
    if tokens:
        counters[_TOKENS] = _pay_until(limits, counters[_TOKENS], start, tokens)
    requests_s = count * spacing_s(limits, limits.rpm)
    counters[_REQUESTS] = max(counters[_REQUESTS], start) + requests_s


def _pay_until(limits: Limits, paid_until: float, start: float, tokens: float) -> float:
    """Return when the tokens of a start are paid, at most one window later."""
    paid_until = max(paid_until, start)
    after = paid_until + tokens * spacing_s(limits, limits.tpm)
    return min(after, max(paid_until, start + _most_owed_s(limits)))


def _most_owed_s(limits: Limits) -> float:
    """Return the longest wait for the tokens of one request: a window and one bucket."""
    return limits.window_s * (1 + 1 / BUCKETS_PER_WINDOW)


class RateSnapshot(NamedTuple):
    """The state before a booking, to undo it.

    The last start, until when requests and tokens were paid, the newest bucket of booked tokens.
    """

    last: float
    requests: float
    tokens: float
    bucket: float


def snapshot(counters: Counters, now: float) -> RateSnapshot:
    """Return the state before a booking, for `cancel`."""
    refresh(counters, now)
    return RateSnapshot(
        counters[_LAST], counters[_REQUESTS], counters[_TOKENS], counters[_BOOKED_TOKENS]
    )


def cancel(
    counters: Counters,
    limits: Limits,
    now: float,
    start: float,
    tokens: int,
    earlier: RateSnapshot,
    count: int = 1,
) -> None:
    """Cancel the booking for `start` of a request, or of `count`, that will not start.

    If there is no later booking, the state is restored. Later bookings keep their turn, and only
    the payment is given back. Real starts are counted in `admit` either way.
    """
    refresh(counters, now)
    tokens = min(tokens, limits.tpm)
    SlidingWindow(counters, _BOOKED_TOKENS, limits.window_s).subtract_at(start, tokens)
    requests_s = count * spacing_s(limits, limits.rpm)
    paid = max(earlier.requests, start) + requests_s
    if counters[_LAST] == start and counters[_REQUESTS] == paid:
        counters[_LAST], counters[_REQUESTS] = earlier.last, earlier.requests
        if tokens:
            # Other requests may have settled since.
            counters[_TOKENS] += earlier.tokens - _pay_until(limits, earlier.tokens, start, tokens)
            counters[_BOOKED_TOKENS] = earlier.bucket
    else:
        counters[_REQUESTS] -= requests_s
        counters[_TOKENS] -= tokens * spacing_s(limits, limits.tpm)


class Booking(NamedTuple):
    """A request that waits for its `start`.

    `requests_s` and `tokens_s` are how far it moved the moments until which each is paid.
    """

    start: float
    tokens: float
    requests_s: float
    tokens_s: float


def read_booking(counters: Counters, start: float, tokens: int, earlier: RateSnapshot) -> Booking:
    """Return what the booking just made has changed."""
    return Booking(
        start, tokens, counters[_REQUESTS] - earlier.requests, counters[_TOKENS] - earlier.tokens
    )


def cancel_gone(
    counters: Counters,
    limits: Limits,
    now: float,
    gone: Iterable[Booking],
    waiting: Sequence[Booking],
) -> list[Booking]:
    """Cancel the bookings whose processes are `gone`; return the others as booked now.

    Those `waiting`, in the order of their starts, keep their starts.
    """
    for booking in (*gone, *waiting):
        counters[_REQUESTS] -= booking.requests_s
        counters[_TOKENS] -= booking.tokens_s
    kept = []
    for booking in waiting:
        earlier = snapshot(counters, now)
        _pay(counters, limits, booking.start, booking.tokens)
        kept.append(read_booking(counters, booking.start, int(booking.tokens), earlier))
    window = SlidingWindow(counters, _BOOKED_TOKENS, limits.window_s)
    for booking in gone:
        window.subtract_at(booking.start, min(booking.tokens, limits.tpm))
    counters[_LAST] = min(counters[_LAST], waiting[-1].start if waiting else now)
    window.end_at(counters[_LAST])
    return kept


def admit(
    counters: Counters, limits: Limits, now: float, start: float, tokens: int, count: int = 1
) -> float | None:
    """Count a request, or `count`, booked for `start` as started now and return 0.

    Returns the seconds to wait if the window that ends now has no room because others were late,
    and None if the request must book again: it is late by more than a tenth of the window (the
    process was stopped), or the gateway asked to pause.
    """
    refresh(counters, now)
    tokens = min(tokens, limits.tpm)
    if now < counters[_PAUSE] or now > start + LATE_SHARE * limits.window_s:
        return None
    fits = _first_request_fit(counters, limits, now, count)
    if tokens:
        fits = max(fits, _first_token_fit(counters, limits, now, tokens))
    if fits > now:
        return fits - now
    _count_started(counters, limits, now, tokens, count)
    return 0.0


def count_late(counters: Counters, limits: Limits, now: float, tokens: int, late_s: float) -> None:
    """Count a request as started now that was admitted `late_s` ago."""
    refresh(counters, now)
    tokens = min(tokens, limits.tpm)
    for at, amount in ((_STARTED_REQUESTS, 1), (_STARTED_TOKENS, tokens)):
        window = SlidingWindow(counters, at, limits.window_s)
        window.subtract_at(now - late_s, amount)
        window.add(now, amount)


def give_back_starts(
    counters: Counters, limits: Limits, now: float, at: float, count: int, tokens: int
) -> None:
    """Give back starts counted `at` a moment whose requests were not sent, and their tokens."""
    refresh(counters, now)
    for index in (_REQUESTS, _STARTED):
        # Only payments later than now: earlier ones delay no request.
        less = counters[index] - count * spacing_s(limits, limits.rpm)
        counters[index] = max(less, min(counters[index], now))
    SlidingWindow(counters, _STARTED_REQUESTS, limits.window_s).subtract_at(at, count)
    settle(counters, limits, now, tokens, 0, now - at)


def settle(
    counters: Counters, limits: Limits, now: float, estimated: int, actual: int, ago_s: float = 0.0
) -> None:
    """Replace the estimate of a request that started `ago_s` seconds ago by the real count.

    Neither counts as more than one window, and the debt ends one window from now: the gateway's
    number cannot hold up others for longer.
    """
    refresh(counters, now)
    more: float = min(actual, limits.tpm) - min(estimated, limits.tpm)
    owed = counters[_TOKENS] + more * spacing_s(limits, limits.tpm)
    counters[_TOKENS] = min(owed, max(counters[_TOKENS], now + _most_owed_s(limits)))
    for at in (_BOOKED_TOKENS, _STARTED_TOKENS):
        window = SlidingWindow(counters, at, limits.window_s)
        if more >= 0:
            window.add_at(now, more)
        else:
            window.give_back(now, now - ago_s, -more)


def pause(counters: Counters, now: float, wait_s: float) -> None:
    """Allow no start for `wait_s` seconds. Pauses do not add up."""
    refresh(counters, now)
    counters[_PAUSE] = max(counters[_PAUSE], now + wait_s)
