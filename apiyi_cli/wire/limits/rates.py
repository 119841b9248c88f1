"""The arithmetic of the rate limits, on a row of numbers that several processes may share.

Requests and tokens each follow the generic cell rate algorithm: one number, the moment until
which all that was booked is paid off, moves ahead by the cost of every booking. In *every*
window of `window_s` seconds, ends included, no more than the limit is started:

    spacing = (window + jitter + burst) / limit        seconds for one request or token
    starts in a window <= floor((window + burst) / spacing) + 1 <= limit

`burst` is how far a start may run ahead of its payment, `jitter` what a request may be late
on its way to the gateway; both are small parts of the window, so that 96.6 % of the limit
can be used and traffic is even from the first request on. In other words rate x window +
burst <= limit, with the jitter as the reserve.

One number cannot bound a window in which one request is a large part of the token limit, so
tokens are also summed up in rings of cells of 1/128 window. A request that costs more than the
burst waits until all before it is paid; one above the whole limit waits for an empty window.

A booking is a promise for the future; what really started is counted when it does (`admit`).
A request that wakes up late keeps its place and its payment: it starts as soon as the window
that ends now has room, which is at once unless many are late together.

Where the numbers live, and who waits, is left to `limits`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

from apiyi_cli.build.tokens import FIRST_ANSWER
from apiyi_cli.errors import SetupError
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.text import Text
from apiyi_cli.wire.limits import windows as rings
from apiyi_cli.wire.limits.windows import Row

Cause = Literal["pause", "requests", "tokens", "slots"]
"""What a request waits for: the gateway asked for it, or a limit of the key is reached."""

JITTER: Final = 0.03
BURST: Final = 0.005
FIRST_MEAN: Final = FIRST_ANSWER
HIGHEST_MEAN: Final = 1e7
TOKENS_COUNT_S: Final = 60.0
"""How long after a 429 for tokens a single request waits for tokens, too."""
LATE: Final = 0.1
"""The part of a window after which a start is so late that it has to be booked again."""

_RANGES: Final = {
    "rpm": (1, 10**12),
    "tpm": (1, 10**12),
    "concurrency": (1, 10_000),
    "window_s": (0.01, 86_400),
}


def checked(limits: Limits) -> Limits:
    """Return the limits if they can be kept to; raises SetupError naming the one that cannot."""
    for name, (low, high) in _RANGES.items():
        value = getattr(limits, name)
        kinds = (int, float) if name == "window_s" else (int,)
        if type(value) not in kinds or not low <= value <= high:
            told = Text("a number") if float in kinds else Text("a whole number")
            raise SetupError(
                Text("the rate limits cannot be used"),
                Text(
                    "{name} is {value}, not {message} from {low} to {high}",
                    name=name,
                    value=repr(value),
                    message=told,
                    low=low,
                    high=high,
                ),
                hint=f"apiyi config unset limits.{name}",
            )
    return limits


def burst_s(limits: Limits) -> float:
    """Return how many seconds a start may be ahead of its payment."""
    return BURST * limits.window_s


def spacing_s(limits: Limits, limit: int) -> float:
    """Return the seconds that one unit of `limit` (requests or tokens) takes."""
    # The last factor keeps a rounding error from completing one unit too many.
    return limits.window_s * (1 + JITTER + BURST) / limit * (1 + 1e-9)


_SEEN, _LAST, _REQUESTS, _TOKENS, _PAUSE, _THROTTLED, _STARTED = range(1, 8)
# Each ring begins with the number of its newest cell.
_BOOKED_TOKENS, _STARTED_TOKENS, _STARTED_REQUESTS = (
    8 + ring * (rings.CELL_COUNT + 1) for ring in range(3)
)
_RINGS: Final = (_BOOKED_TOKENS, _STARTED_TOKENS, _STARTED_REQUESTS)
WAITING: Final = _STARTED_REQUESTS + rings.CELL_COUNT + 1
"""Where the numbers of `waiting` begin, as many as `WAITING_SIZE`."""
WAITING_SIZE: Final = 1 + 4 * 512
_MEANS: Final = WAITING + WAITING_SIZE
_MEAN_COUNT: Final = 64
_LONGEST_MEMORY: Final = 50
SIZE: Final = _MEANS + 3 * _MEAN_COUNT
"""How many numbers a row has. The first one belongs to the keeper of the row."""

_BOOT_SLACK_S: Final = 1.0
FARTHEST_S: Final = 7 * 86_400.0
LONGEST_PAUSE_S: Final = 600.0
_MOST_CELLS: Final = 2.0**52


def refresh(row: Row, now: float) -> None:
    """Forget all bookings when they cannot be of this clock, and note the time.

    The monotonic clock starts anew at boot: a row that was written "later" than now is from
    before it. Numbers far in the future are damage.
    """
    moments = (row[_LAST], row[_REQUESTS], row[_TOKENS])
    # Written so that a NaN is not sound.
    is_sound = (
        row[_SEEN] <= now + _BOOT_SLACK_S
        and all(moment <= now + FARTHEST_S for moment in moments)
        and row[_PAUSE] <= now + LONGEST_PAUSE_S + _BOOT_SLACK_S
        and row[_THROTTLED] <= now + _BOOT_SLACK_S
        and row[_STARTED] <= now + FARTHEST_S
        and all(abs(row[ring]) <= _MOST_CELLS for ring in _RINGS)
    )
    if not is_sound:
        for index in range(_SEEN, _MEANS):
            row[index] = 0.0
    row[_SEEN] = now


def mend(row: Row, limits: Limits, now: float) -> None:
    """Bring numbers that no booking explains back to what one can have left.

    For rows in which nobody is noted as waiting: nothing is booked for later than now then,
    and nobody owes more than one window.
    """
    refresh(row, now)
    row[_LAST] = min(row[_LAST], now)
    most_ahead_s = burst_s(limits) + spacing_s(limits, limits.rpm)
    row[_REQUESTS] = min(row[_REQUESTS], now + most_ahead_s)
    row[_STARTED] = min(row[_STARTED], now + most_ahead_s)
    row[_TOKENS] = min(row[_TOKENS], now + _most_owed_s(limits))
    for ring in _RINGS:
        rings.trim(row, ring, limits.window_s, now)


def book(row: Row, limits: Limits, now: float, tokens: int) -> float:
    """Book one request of `tokens` tokens and return the moment at which it may start.

    Moments never go back: who books first starts first. A request counts one window at most.
    """
    refresh(row, now)
    tokens = min(tokens, limits.tpm)
    tokens_s = tokens * spacing_s(limits, limits.tpm)
    start = max(now, row[_PAUSE], row[_LAST], row[_REQUESTS] - burst_s(limits))
    if tokens:
        ahead_s = burst_s(limits) if tokens_s <= burst_s(limits) else 0.0
        start = max(start, row[_TOKENS] - ahead_s)
        start = rings.fitting(row, _BOOKED_TOKENS, limits.window_s, start, tokens, limits.tpm)
        rings.count(row, _BOOKED_TOKENS, limits.window_s, start, tokens)
    _pay(row, limits, start, tokens)
    row[_LAST] = start
    return start


def cause_of(row: Row, limits: Limits, now: float) -> Cause:
    """Return what the next booking has to wait for."""
    if row[_PAUSE] > now:
        return "pause"
    return "tokens" if row[_TOKENS] > row[_REQUESTS] - burst_s(limits) else "requests"


def start_alone(row: Row, limits: Limits, now: float, tokens: int) -> tuple[float, Cause]:
    """Start a single request now and return 0, or the seconds that it has to wait, and for what.

    It books nothing ahead: the tokens that a run of many requests has booked do not hold it
    up. Its own count towards the limit, but are waited for only after the gateway has
    answered 429 for tokens, and then for what was really started.
    """
    refresh(row, now)
    tokens = min(tokens, limits.tpm)
    window_s = limits.window_s
    late_s = rings.NETWORK * window_s
    fits = rings.fitting(row, _STARTED_REQUESTS, window_s, now, 1, limits.rpm, late_s)
    waits: list[tuple[float, Cause]] = [
        (row[_PAUSE] - now, "pause"),
        (max(row[_STARTED] - burst_s(limits), fits) - now, "requests"),
    ]
    if tokens and is_throttled(row, now):
        fits = rings.fitting(row, _STARTED_TOKENS, window_s, now, tokens, limits.tpm)
        waits.append((fits - now, "tokens"))
    longest = max(waits)
    if longest[0] > 0:
        return longest
    _pay(row, limits, now, tokens)
    if tokens:
        rings.count_at(row, _BOOKED_TOKENS, window_s, now, tokens)
    _count_started(row, limits, now, tokens)
    return 0.0, longest[1]


def _count_started(row: Row, limits: Limits, now: float, tokens: float) -> None:
    row[_STARTED] = max(row[_STARTED], now) + spacing_s(limits, limits.rpm)
    rings.count(row, _STARTED_REQUESTS, limits.window_s, now, 1)
    if tokens:
        rings.count(row, _STARTED_TOKENS, limits.window_s, now, tokens)


def note_throttled(row: Row, now: float) -> None:
    """Note that the gateway has answered 429 for tokens."""
    refresh(row, now)
    row[_THROTTLED] = now


def is_throttled(row: Row, now: float) -> bool:
    """Return True if the gateway answered 429 for tokens within the last minute."""
    return row[_THROTTLED] > 0 and now - row[_THROTTLED] < TOKENS_COUNT_S


def _pay(row: Row, limits: Limits, start: float, tokens: float) -> None:
    if tokens:
        row[_TOKENS] = _owed(limits, row[_TOKENS], start, tokens)
    row[_REQUESTS] = max(row[_REQUESTS], start) + spacing_s(limits, limits.rpm)


def _owed(limits: Limits, paid_until: float, start: float, tokens: float) -> float:
    """Return until when tokens are paid after a request that starts; one window at most."""
    paid_until = max(paid_until, start)
    after = paid_until + tokens * spacing_s(limits, limits.tpm)
    return min(after, max(paid_until, start + _most_owed_s(limits)))


def _most_owed_s(limits: Limits) -> float:
    """Return how long anybody waits for the tokens of one request: a window and its last cell."""
    return limits.window_s * (1 + 1 / rings.CELLS_IN_WINDOW)


class Before(NamedTuple):
    """What a booking found: the last start, until when requests and tokens were paid, and the
    newest cell of booked tokens."""

    last: float
    requests: float
    tokens: float
    cell: float


def before(row: Row, now: float) -> Before:
    """Return what `cancel` needs to know of the moment before a booking."""
    refresh(row, now)
    return Before(row[_LAST], row[_REQUESTS], row[_TOKENS], row[_BOOKED_TOKENS])


def cancel(row: Row, limits: Limits, now: float, start: float, tokens: int, found: Before) -> None:
    """Take back the booking for `start` of a request that is given up before it started.

    As if it had never been, when nobody has booked since; who has keeps the place behind it,
    and the payment alone is given back. What really starts is counted in `admit` either way.
    """
    refresh(row, now)
    tokens = min(tokens, limits.tpm)
    tokens_s = tokens * spacing_s(limits, limits.tpm)
    rings.uncount(row, _BOOKED_TOKENS, limits.window_s, start, tokens)
    paid = max(found.requests, start) + spacing_s(limits, limits.rpm)
    if row[_LAST] == start and row[_REQUESTS] == paid:
        row[_LAST], row[_REQUESTS] = found.last, found.requests
        if tokens:
            # Others may have settled meanwhile.
            row[_TOKENS] += found.tokens - _owed(limits, found.tokens, start, tokens)
            row[_BOOKED_TOKENS] = found.cell
    else:
        row[_REQUESTS] -= spacing_s(limits, limits.rpm)
        row[_TOKENS] -= tokens_s


class Booking(NamedTuple):
    """A request that waits for its `start`, and by how many seconds it moved the moments until
    which requests and tokens are paid."""

    start: float
    tokens: float
    requests_s: float
    tokens_s: float


def booked(row: Row, start: float, tokens: int, found: Before) -> Booking:
    """Return what a booking that has just been made has changed."""
    return Booking(start, tokens, row[_REQUESTS] - found.requests, row[_TOKENS] - found.tokens)


def forsake(
    row: Row, limits: Limits, now: float, gone: Iterable[Booking], waiting: Sequence[Booking]
) -> list[Booking]:
    """Take back the bookings of those who are `gone`, as if they had never been.

    All the others still `waiting`, in the order of their starts, keep these; returns them as
    they are booked now.
    """
    for one in (*gone, *waiting):
        row[_REQUESTS] -= one.requests_s
        row[_TOKENS] -= one.tokens_s
    kept = []
    for one in waiting:
        found = before(row, now)
        _pay(row, limits, one.start, one.tokens)
        kept.append(booked(row, one.start, int(one.tokens), found))
    for one in gone:
        tokens = min(one.tokens, limits.tpm)
        rings.uncount(row, _BOOKED_TOKENS, limits.window_s, one.start, tokens)
    row[_LAST] = min(row[_LAST], waiting[-1].start if waiting else now)
    newest, cell = int(row[_BOOKED_TOKENS]), rings.cell_at(limits.window_s, row[_LAST])
    later = range(max(cell, newest - rings.CELL_COUNT) + 1, newest + 1)
    if not any(row[rings.index(_BOOKED_TOKENS, one)] for one in later):
        row[_BOOKED_TOKENS] = min(newest, cell)
    return kept


def admit(row: Row, limits: Limits, now: float, start: float, tokens: int) -> float | None:
    """Count a request that was booked for `start` as started now and return 0.

    Returns the seconds to wait where the window that ends now has no room because others were
    late, and None where the booking is void: it is over by more than a tenth of the window (the
    process was stopped), or nothing may start at present.
    """
    refresh(row, now)
    tokens = min(tokens, limits.tpm)
    window_s = limits.window_s
    if now < row[_PAUSE] or now > start + LATE * window_s:
        return None
    late_s = rings.NETWORK * window_s
    fits = rings.fitting(row, _STARTED_REQUESTS, window_s, now, 1, limits.rpm, late_s)
    if tokens:
        fits = max(fits, rings.fitting(row, _STARTED_TOKENS, window_s, now, tokens, limits.tpm))
    if fits > now:
        return fits - now
    _count_started(row, limits, now, tokens)
    return 0.0


def leave(row: Row, limits: Limits, now: float, tokens: int, late_s: float) -> None:
    """Count a request that was admitted `late_s` ago as started now, which it is only now."""
    refresh(row, now)
    tokens = min(tokens, limits.tpm)
    for ring, amount in ((_STARTED_REQUESTS, 1), (_STARTED_TOKENS, tokens)):
        rings.uncount(row, ring, limits.window_s, now - late_s, amount)
        rings.count(row, ring, limits.window_s, now, amount)


def settle(
    row: Row, limits: Limits, now: float, estimated: int, actual: int, ago_s: float = 0.0
) -> None:
    """Replace the estimate of a request that started `ago_s` seconds ago by what was counted.

    Neither counts more than one window, and what is owed is owed for one window from now: the
    gateway's number cannot hold up others for longer.
    """
    refresh(row, now)
    more: float = min(actual, limits.tpm) - min(estimated, limits.tpm)
    owed = row[_TOKENS] + more * spacing_s(limits, limits.tpm)
    row[_TOKENS] = min(owed, max(row[_TOKENS], now + _most_owed_s(limits)))
    for ring in (_BOOKED_TOKENS, _STARTED_TOKENS):
        if more >= 0:
            rings.count_at(row, ring, limits.window_s, now, more)
        else:
            rings.give_back(row, ring, limits.window_s, now, now - ago_s, -more)


def pause(row: Row, now: float, wait_s: float) -> None:
    """Let nothing start for `wait_s` seconds. Pauses do not add up."""
    refresh(row, now)
    row[_PAUSE] = max(row[_PAUSE], now + wait_s)


def mean(row: Row, model: str) -> float:
    """Return the mean length of the model's answers in tokens, 256 while none is known."""
    at = _place_of(row, _fingerprint(model))
    if row[at] != _fingerprint(model) or not 0 <= row[at + 2] <= HIGHEST_MEAN:
        return FIRST_MEAN
    return row[at + 2]


def learn(row: Row, model: str, tokens: int) -> None:
    """Count an answer of the model; the mean follows about the last fifty."""
    tokens = max(0, min(tokens, int(HIGHEST_MEAN)))
    name = _fingerprint(model)
    at = _place_of(row, name)
    is_sound = 0 <= row[at + 1] <= _LONGEST_MEMORY and 0 <= row[at + 2] <= HIGHEST_MEAN
    if row[at] != name or not is_sound:
        row[at], row[at + 1], row[at + 2] = name, 0.0, 0.0
    row[at + 1] = min(row[at + 1] + 1, _LONGEST_MEMORY)
    row[at + 2] += (tokens - row[at + 2]) / row[at + 1]


def _fingerprint(model: str) -> float:
    import hashlib

    # 48 bits are exact in a double; 0 marks a free place.
    return float(int.from_bytes(hashlib.sha256(model.encode()).digest()[:6], "big") | 1)


def _place_of(row: Row, name: float) -> int:
    """Return where the model's mean is, else a free place, else one to be taken over."""
    home = int(name) >> 1
    places = [_MEANS + 3 * ((home + step) % _MEAN_COUNT) for step in range(8)]
    for at in places:
        if row[at] in (name, 0.0):
            return at
    return places[0]
