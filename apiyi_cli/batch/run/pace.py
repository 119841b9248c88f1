"""How many requests of a batch are in flight, by what the gateway makes of them."""

from __future__ import annotations

import math
from typing import Final

from apiyi_cli.core.clock import CLOCK, Clock


class AimdLimit:
    """How many requests a batch keeps in flight: half as many after a 429, one more after
    every fifty successes, within 1 and `most`. Not locked; for one scheduling thread.

    Where answers take long fifty of them are many minutes: while any succeed, what is allowed
    rises with the time as well, to all of it 45 s after the last 429.
    """

    GROW_AFTER: Final = 50
    RECOVERED_S: Final = 45.0

    def __init__(self, most: int, clock: Clock = CLOCK) -> None:
        self.most = most
        self.allowed = most
        self._clock = clock
        self._halved_at = -math.inf
        self._successes = 0

    def succeeded(self) -> None:
        """Count a success."""
        self._successes += 1
        if self._successes >= self.GROW_AFTER:
            self._successes = 0
            self.allowed += 1
        quiet = min(1.0, (self._clock.monotonic() - self._halved_at) / self.RECOVERED_S)
        self.allowed = min(self.most, max(self.allowed, int(self.most * quiet)))

    def throttled(self, sent_at: float) -> None:
        """Halve, unless the refused request was sent (monotonic) before the last halving: one
        storm refuses many requests at once and says the same thing each time."""
        if sent_at <= self._halved_at:
            return
        self._halved_at = self._clock.monotonic()
        self._successes = 0
        self.allowed = max(1, self.allowed // 2)
