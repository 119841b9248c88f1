"""Starts that a process reserves in the shared counters, for its threads.

Far below the limits each request would otherwise take the file's lock several times, and many
threads would wait for each other. A block holds only what may start at this very moment, so it
is counted as started when it is reserved, and is used within a fraction of the time that `rates`
allows a request to be late on the network. Unused starts and tokens are given back with the next
block; that of a process that died counts until the window has passed, like requests that were
sent.
"""

from __future__ import annotations

from contextlib import suppress
from math import ceil, inf
from typing import Final

from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits import rates
from apiyi_cli.wire.limits.windows import NETWORK, Counters

MOST_STARTS: Final = 128
LARGE: Final = 8
"""Blocks of so many starts are renewed before they are used up, so that nobody waits for it."""
LONGEST_S: Final = 0.1
LATENESS_SHARE: Final = 1 / 8
"""The share of a request's permitted delay that it may spend in a block."""


class StartBlock:
    """The reserved starts of a process, about as many as it uses during a block.

    `take` may be called by all threads at once, `renew` by one.
    """

    def __init__(self, limits: Limits) -> None:
        self.lasts_s = min(LONGEST_S, LATENESS_SHARE * NETWORK * limits.window_s)
        self._limits = limits
        self._block = _Block(-inf, 0, 0)

    def take(self, tokens: int, now: float) -> bool:
        """Use one reserved start for so many tokens; return False if there is none."""
        block = self._block
        if tokens > block.each or not block.at <= now <= block.at + self.lasts_s:
            return False
        try:
            block.left.append(block.starts.pop() - tokens)
        except IndexError:
            return False
        return True

    def is_low(self, now: float) -> bool:
        """Return True if a large block will soon be used up or too old."""
        block = self._block
        is_old = now > block.at + self.lasts_s / 2
        return block.size >= LARGE and (is_old or 2 * len(block.starts) < block.size)

    def renew(self, counters: Counters, now: float, first: int | None) -> bool:
        """Reserve a block; a `first` start of so many tokens is used at once.

        Returns False if no request may start now.
        """
        block, limits = self._block, self._limits
        starts, left = _empty(block.starts), _empty(block.left)
        if starts or left:
            unused = sum(starts) + sum(left)
            rates.give_back_starts(counters, limits, now, block.at, len(starts), unused)
        size = self._choose_size(now, block.size - len(starts))
        each = _round_up(block.each - min(left) if left else first or block.each)
        more = 0 if first is None else first - each
        while size and not start_now(counters, limits, now, size * each + more, size):
            size //= 2
        self._block = _Block(now, size, each)
        if size and first is not None:
            self._block.starts.pop()
        return size > 0

    def _choose_size(self, now: float, used: int) -> int:
        """Return how many starts a block's time takes at the last pace.

        It is at least half and at most twice the last size: answers come many at once.
        """
        size = self._block.size
        share = min(1.0, (now - self._block.at) / self.lasts_s)
        most = max(1, min(MOST_STARTS, 2 * size))
        return most if used >= share * most else max(1, size // 2, ceil(used / share))


class _Block:
    """Starts reserved `at` a moment with `each` tokens.

    The lists are changed by their atomic `append` and `pop` alone: threads that take a lock for
    each request wait for each other. `left` are the tokens that the used starts left over.
    """

    __slots__ = ("at", "each", "left", "size", "starts")

    def __init__(self, at: float, size: int, each: int) -> None:
        self.at, self.size, self.each = at, size, each
        self.starts = [each] * size
        self.left: list[int] = []


def start_now(counters: Counters, limits: Limits, now: float, tokens: int, count: int) -> bool:
    """Count `count` requests of `tokens` in all as started now.

    Returns False, counting nothing, if one of them must wait.
    """
    earlier = rates.snapshot(counters, now)
    start = rates.book(counters, limits, now, tokens, count)
    if start <= now and rates.admit(counters, limits, now, start, tokens, count) == 0.0:
        return True
    rates.cancel(counters, limits, now, start, tokens, earlier, count)
    return False


def _empty(numbers: list[int]) -> list[int]:
    """Remove all numbers from a list that other threads use, and return them."""
    found = []
    with suppress(IndexError):
        while True:
            found.append(numbers.pop())
    return found


def _round_up(tokens: int) -> int:
    """Return the next power of two, which serves slightly larger requests as well."""
    return 1 << (tokens - 1).bit_length() if tokens else 0
