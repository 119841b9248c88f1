"""Gives concurrency slots and starts to the rows of a batch, by the gateway's answers.

A few refusals are the weather of single rows and change nothing. A share of them is a limit: the
pace is cut to what the gateway accepts, but at most halved, and comes back along the curve of the
TCP algorithm CUBIC: fast up to the limit that was found, slow around it, faster beyond. If
nothing is accepted any more, single requests try until one is.
"""

from __future__ import annotations

import math
import threading
from typing import Final

from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.core.clock import CLOCK, Clock

REFUSED_SHARE: Final = 0.2
LEAST_REFUSED: Final = 5
"""Fewer refusals in a window are ignored, whatever their share."""
SHORTEST_WINDOW_S: Final = 1.0
LEAST_STARTS: Final = 15
"""Half a window lasts until so many requests have started, if they start slowly."""
CLOSED_SHARE: Final = 0.6
"""From this share on, if nothing was accepted, the gateway accepts nothing."""
CUT: Final = 0.1
"""After a refusal the pace restarts this share below the limit that was found."""
OPENED_CUT: Final = 0.5
CURVE: Final = 1 / 54
"""The growth: from half of a limit to all of it in 3 s, to double of it in 7 s."""
MOST_CONFIRMED: Final = 4.0
GROWTH_STARTS: Final = 5
FORGOTTEN_AT: Final = 10.0
"""A limit that was exceeded by this factor without a refusal no longer applies."""
SLOWEST: Final = 0.2
FIRST_PROBE_S: Final = 0.5
LONGEST_PROBE_S: Final = 4.0
ACCEPTED_AFTER_S: Final = 2.0
"""After so many seconds without a refusal a request counts as accepted."""


class RefusalCount:
    """Starts and refusals of about the last two half windows."""

    __slots__ = ("_began", "_earlier", "_since", "refused", "starts")

    def __init__(self, now: float) -> None:
        self._began = self._since = now
        self._earlier = (0, 0)
        self.starts = self.refused = 0

    def add(self, now: float, starts: int, refused: int) -> None:
        """Count one event now; events older than two half windows are dropped."""
        older_starts, older_refused = self._earlier
        if now - self._since >= SHORTEST_WINDOW_S and self.starts - older_starts >= LEAST_STARTS:
            self._earlier = self.starts - older_starts, self.refused - older_refused
            self.starts, self.refused = self._earlier
            self._began, self._since = self._since, now
        self.starts += starts
        self.refused += refused

    def seconds(self, now: float) -> float:
        """Return the seconds that the counts cover."""
        return max(SHORTEST_WINDOW_S, now - self._began)


class Pace:
    """Decides when the next request may start. Not locked; times are monotonic."""

    def __init__(self, clock: Clock = CLOCK) -> None:
        self._clock = clock
        now = clock.monotonic()
        self._limit = math.inf
        self._next_at = self._cut_at = -math.inf
        self._depth = CUT
        self._confirmed = 1.0
        self._count = RefusalCount(now)
        self._has_accepted = False
        self._probe_s = 0.0
        self._probe_at: float | None = None

    @property
    def rate(self) -> float:
        """Return the allowed starts per second, infinity while no limit is known."""
        if self._limit == math.inf:
            return math.inf
        unit_s = max(self._confirmed, GROWTH_STARTS / self._limit)
        units = (self._clock.monotonic() - self._cut_at) / unit_s
        flat: float = (self._depth / CURVE) ** (1 / 3)
        grown = 1 + CURVE * (units - flat) ** 3
        if grown >= FORGOTTEN_AT:
            self._limit, self._confirmed = math.inf, 1.0
            return math.inf
        return max(SLOWEST, self._limit * grown)

    def wait_s(self) -> float:
        """Return the seconds until the next request may start."""
        return max(0.0, self._next_at - self._clock.monotonic())

    def start(self) -> None:
        """Reserve the start of a request now."""
        now = self._clock.monotonic()
        if self._probe_s:
            self._next_at = max(self._next_at, now) + self._probe_s
        elif (rate := self.rate) < math.inf:
            # A request that could not start at its moment does not let later ones crowd.
            self._next_at = max(self._next_at, now - 1 / rate) + 1 / rate

    def note_sent(self) -> None:
        """Count a request that is sent now."""
        now = self._clock.monotonic()
        if self._probe_s:
            probe_at, self._probe_at = self._probe_at, now
            if probe_at is not None and now - probe_at >= ACCEPTED_AFTER_S:
                self._open(now)
        self._count.add(now, 1, 0)

    def note_answered(self, sent_at: float) -> None:
        """Note that the request that was sent at this moment was not refused."""
        if sent_at <= self._cut_at:
            return
        self._has_accepted = True
        if self._probe_s:
            self._open(self._clock.monotonic())

    def note_refused(self, sent_at: float, retry_after_s: float = 0.0) -> tuple[bool, float]:
        """Count a refusal. Return True if a part is accepted only, and how long all should pause.

        Requests sent before the last cut do not count: one overload refuses many at once. A
        `Retry-After` concerns its row alone while others are accepted.
        """
        if sent_at <= self._cut_at:
            return False, 0.0
        now = self._clock.monotonic()
        if self._probe_s:
            self._next_at = max(self._next_at, now + retry_after_s)
            # Requests that waited for the rate limits meanwhile say nothing new.
            if now >= self._cut_at + self._probe_s:
                self._close(now, retry_after_s)
            return False, retry_after_s
        self._count.add(now, 0, 1)
        refused, starts = self._count.refused, max(1, self._count.starts)
        if refused < LEAST_REFUSED or refused < REFUSED_SHARE * starts:
            return False, 0.0
        if not self._has_accepted and refused >= CLOSED_SHARE * starts:
            self._close(now, retry_after_s)
            return False, retry_after_s
        if now - self._cut_at < SHORTEST_WINDOW_S:
            return False, 0.0
        self._cut(now)
        return True, 0.0

    def _cut(self, now: float) -> None:
        """Reduce the pace to what was accepted, at most to half."""
        seconds, starts = self._count.seconds(now), self._count.starts
        accepted = max(starts - self._count.refused, starts / 2) / seconds
        if 0.7 < accepted / self._limit < 1.4:
            # The same limit again: it is approached more slowly.
            self._confirmed = min(MOST_CONFIRMED, 1.5 * self._confirmed)
            accepted = (accepted + self._limit) / 2
        else:
            self._confirmed = 1.0
        self._limit = max(SLOWEST, accepted)
        self._restart(now, CUT)

    def _close(self, now: float, retry_after_s: float) -> None:
        """Let single requests probe the gateway, at growing intervals."""
        if self._limit == math.inf:
            self._limit = max(SLOWEST, self._count.starts / self._count.seconds(now))
        probe_s = min(LONGEST_PROBE_S, max(FIRST_PROBE_S, 2 * self._probe_s))
        self._restart(now, OPENED_CUT)
        self._probe_s, self._probe_at = probe_s, None
        self._next_at = now + max(probe_s, retry_after_s)

    def _open(self, now: float) -> None:
        """Continue at half of the known limit, because a request was accepted."""
        self._restart(now, OPENED_CUT)
        self._has_accepted = True
        self._probe_s = 0.0
        self._next_at = now

    def _restart(self, now: float, depth: float) -> None:
        self._cut_at, self._depth = now, depth
        self._has_accepted = False
        self._count = RefusalCount(now)


class AimdLimit:
    """The number of requests in flight: at least halved when the gateway refuses too many.

    Never less than 1 nor more than `most`. It grows by one per fifty successes and, because fifty
    slow answers take minutes, with time while any succeed: to `most` 15 s after the last cut.
    Not locked.
    """

    GROW_AFTER: Final = 50
    RECOVERED_S: Final = 15.0

    def __init__(self, most: int, clock: Clock = CLOCK) -> None:
        self.most = most
        self.allowed = most
        self._clock = clock
        self._cut_at = -math.inf
        self._successes = 0

    def note_succeeded(self) -> None:
        """Count a success."""
        if self.allowed == self.most:
            return
        self._successes += 1
        if self._successes >= self.GROW_AFTER:
            self._successes = 0
            self.allowed += 1
        quiet = min(1.0, (self._clock.monotonic() - self._cut_at) / self.RECOVERED_S)
        self.allowed = min(self.most, max(self.allowed, int(self.most * quiet)))

    def cut(self, in_flight: int) -> None:
        """Reduce the limit to the other requests in flight, at most to half."""
        self._cut_at = self._clock.monotonic()
        self._successes = 0
        self.allowed = max(1, self.allowed // 2, min(self.allowed, in_flight - 1))


class Halted(Exception):
    """The run stops: a waiting row must give up."""


class ConcurrencyGate:
    """Bounds the rows with a concurrency slot, and their pace, by the gateway's refusals.

    A row has its slot from its claim until its record is durable, so that no more rows than
    slots are billed twice if the process dies.
    """

    def __init__(self, most: int, clock: Clock = CLOCK) -> None:
        self._limit = AimdLimit(most, clock)
        self._pace = Pace(clock)
        self._changed = threading.Condition()
        self._inside = 0
        self._has_timer = False
        self._closed = threading.Event()

    @property
    def allowed(self) -> int:
        """Return how many slots there are at present."""
        return self._limit.allowed

    @property
    def is_closed(self) -> bool:
        """Return True after the run was stopped."""
        return self._closed.is_set()

    def enter(self) -> None:
        """Wait for a concurrency slot and the pace. Raises Halted once the gate is closed."""
        with self._changed:
            while not self.is_closed:
                has_slot = self._inside < self._limit.allowed
                if has_slot and not (wait_s := self._pace.wait_s()):
                    self._inside += 1
                    self._pace.start()
                    # A thread that enters wakes the next, which enters too or waits for the pace.
                    if self._inside < self._limit.allowed:
                        self._changed.notify()
                    return
                if has_slot and not self._has_timer:
                    self._wait_with_timer(wait_s)
                else:
                    self._changed.wait()
            raise Halted

    def _wait_with_timer(self, wait_s: float) -> None:
        """Wait for the pace. One thread waits for all, so that a start wakes only one."""
        self._has_timer = True
        try:
            self._changed.wait(wait_s)
        finally:
            self._has_timer = False

    def sleep(self, wait_s: float) -> None:
        """Wait, with or without a slot. Raises Halted if the gate is closed meanwhile."""
        if self._closed.wait(wait_s):
            raise Halted

    def leave(self, outcome: RowOutcome) -> None:
        """Release the slot of an outcome, if it has one."""
        if not outcome.holds_slot:
            return
        with self._changed:
            self._inside -= 1
            if outcome.error is None and not outcome.unsent:
                self._limit.note_succeeded()
            # The released slot, and those that a success has added.
            self._changed.notify(max(1, self._limit.allowed - self._inside))

    def pause(self) -> None:
        """Release a slot while its row waits for a retry; `enter` takes one again."""
        with self._changed:
            self._inside -= 1
            self._changed.notify()

    def note_sent(self) -> None:
        """Count a request that is being sent."""
        with self._changed:
            self._pace.note_sent()

    def note_answered(self, sent_at: float) -> None:
        """Note that the request that was sent at that time was not refused."""
        with self._changed:
            self._pace.note_answered(sent_at)
            if self._has_timer:
                self._changed.notify()

    def note_refused(self, sent_at: float, retry_after_s: float) -> float:
        """Count a request that was refused for the key; return the seconds that all pause."""
        with self._changed:
            is_cut, pause_s = self._pace.note_refused(sent_at, retry_after_s)
            if is_cut:
                self._limit.cut(self._inside)
            return pause_s

    def close(self) -> None:
        """Close the gate: waiting workers raise Halted."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()
