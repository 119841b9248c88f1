"""Starts that a process reserves in the shared counters, for its threads.

Far below the limits each request would otherwise take the file's lock several times, and many
threads would wait for each other. A block holds only what may start at this very moment, so it
is counted as started when it is reserved, and is used within a fraction of the time that `rates`
allows a request to be late on the network. Unused starts are given back with the next block;
that of a process that died counts until the window has passed, like requests that were sent.
"""

from __future__ import annotations

import threading
from math import inf
from typing import Final

from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits import rates
from apiyi_cli.wire.limits.windows import NETWORK, Counters

MOST_STARTS: Final = 64
LONGEST_S: Final = 0.1
LATENESS_SHARE: Final = 1 / 8
"""The share of a request's permitted delay that it may spend in a block."""


class StartBlock:
    """The reserved starts of a process, about as many as it uses during a block."""

    def __init__(self, limits: Limits) -> None:
        self.lasts_s = min(LONGEST_S, LATENESS_SHARE * NETWORK * limits.window_s)
        self._limits = limits
        self._lock = threading.Lock()
        self._reserved_at = -inf
        self._size = self._count = 0
        self._each = self._spare_tokens = 0

    def take(self, tokens: int, now: float) -> bool:
        """Use one reserved start for so many tokens; return False if there is none."""
        with self._lock:
            return self._take(tokens, now)

    def renew(self, counters: Counters, tokens: int, now: float) -> bool:
        """Reserve a block and use its first start; return False if it must wait."""
        with self._lock:
            if self._take(tokens, now):
                return True
            wanted = self._choose_size(now)
            if self._count or self._spare_tokens:
                spare = self._count * self._each + self._spare_tokens
                rates.give_back_starts(
                    counters, self._limits, now, self._reserved_at, self._count, spare
                )
            self._reserved_at, self._each, self._spare_tokens = now, tokens, 0
            self._count = 0
            while self._count < wanted and _start(counters, self._limits, now, tokens):
                self._count += 1
            self._size = self._count
            return self._take(tokens, now)

    def _take(self, tokens: int, now: float) -> bool:
        is_valid = self._reserved_at <= now <= self._reserved_at + self.lasts_s
        if not is_valid or not self._count or tokens > self._each:
            return False
        self._count -= 1
        self._spare_tokens += self._each - tokens
        return True

    def _choose_size(self, now: float) -> int:
        """Return twice the last block if it was used up, else its used part."""
        if now <= self._reserved_at + self.lasts_s:
            return max(1, min(MOST_STARTS, 2 * self._size))
        return max(1, self._size - self._count)


def _start(counters: Counters, limits: Limits, now: float, tokens: int) -> bool:
    """Count one request as started now; return False, counting nothing, if it must wait."""
    earlier = rates.snapshot(counters, now)
    start = rates.book(counters, limits, now, tokens)
    if start <= now and rates.admit(counters, limits, now, start, tokens) == 0.0:
        return True
    rates.cancel(counters, limits, now, start, tokens, earlier)
    return False
