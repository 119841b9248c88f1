"""Gives concurrency slots to the rows of a batch, by the gateway's answers."""

from __future__ import annotations

import math
import threading
from typing import Final

from apiyi_cli.batch.run.pace import Pace
from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.core.clock import CLOCK, Clock


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
