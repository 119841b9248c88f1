"""How many rows of a batch have a concurrency slot, by what the gateway answers."""

from __future__ import annotations

import math
import threading
from typing import Final

from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.core.clock import CLOCK, Clock


class AimdLimit:
    """How many requests may be in flight: half after a 429, one more per fifty successes.

    Never less than 1 nor more than `most`. If answers are slow, fifty of them take minutes:
    while any succeed, the limit rises with time as well, to `most` 45 s after the last 429.
    Not locked.
    """

    GROW_AFTER: Final = 50
    RECOVERED_S: Final = 45.0

    def __init__(self, most: int, clock: Clock = CLOCK) -> None:
        self.most = most
        self.allowed = most
        self._clock = clock
        self._halved_at = -math.inf
        self._successes = 0

    def note_succeeded(self) -> None:
        """Count a success."""
        self._successes += 1
        if self._successes >= self.GROW_AFTER:
            self._successes = 0
            self.allowed += 1
        quiet = min(1.0, (self._clock.monotonic() - self._halved_at) / self.RECOVERED_S)
        self.allowed = min(self.most, max(self.allowed, int(self.most * quiet)))

    def note_throttled(self, sent_at: float) -> None:
        """Halve the limit for a 429 of a request that was sent at this monotonic time.

        Requests sent before the last halving do not count: one overload refuses many at once.
        """
        if sent_at <= self._halved_at:
            return
        self._halved_at = self._clock.monotonic()
        self._successes = 0
        self.allowed = max(1, self.allowed // 2)


class Halted(Exception):
    """The run stops, so a row that waits must give up."""


class ConcurrencyGate:
    """Bounds the rows with a concurrency slot: fewer after a 429, then slowly more.

    A row has its slot from its claim until its record is durable, so that no more rows than
    slots are billed twice if the process dies.
    """

    def __init__(self, most: int, clock: Clock = CLOCK) -> None:
        self._limit = AimdLimit(most, clock)
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = threading.Event()

    @property
    def allowed(self) -> int:
        """Return how many slots there are at present."""
        return self._limit.allowed

    @property
    def is_closed(self) -> bool:
        """Return True once the run stops."""
        return self._closed.is_set()

    def enter(self) -> None:
        """Wait for a concurrency slot. Raises Halted once the gate is closed."""
        with self._changed:
            while not self.is_closed and self._inside >= self._limit.allowed:
                self._changed.wait()
            if self.is_closed:
                raise Halted
            self._inside += 1

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

    def note_throttled(self, sent_at: float) -> None:
        """Reduce the slots, because a request that was sent at that time got a 429."""
        with self._changed:
            self._limit.note_throttled(sent_at)

    def close(self) -> None:
        """Close the gate: waiting workers raise Halted."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()
