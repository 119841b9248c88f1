"""Sliding windows that count amounts in buckets, in numbers that several processes share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, Protocol, overload

BUCKETS_PER_WINDOW: Final = 128
# A started request may still be late on the network. As much of the spacing's reserve is kept
# for that as lets even traffic pass: (1 + network + 1 bucket) / (1 + jitter + burst) < 1.
NETWORK: Final = 0.025
# A window may begin and end inside a bucket.
BUCKET_COUNT: Final = math.ceil(BUCKETS_PER_WINDOW * (1 + NETWORK)) + 2
_MOST_COUNTED: Final = 2.0**53


class Counters(Protocol):
    """The numbers: an `array` or a shared memory view of doubles."""

    @overload
    def __getitem__(self, index: int, /) -> float: ...
    @overload
    def __getitem__(self, index: slice, /) -> Iterable[float]: ...
    def __setitem__(self, index: int, value: float, /) -> None: ...


class SlidingWindow:
    """A window of `length_s` seconds, `BUCKET_COUNT` + 1 numbers from index `at` on.

    The first number is that of the newest bucket; the buckets, 1/128 of the window each, follow.
    """

    __slots__ = ("_at", "_counters", "_first", "_length_s")

    def __init__(self, counters: Counters, at: int, length_s: float) -> None:
        self._counters = counters
        self._at = at
        self._first = at + 1
        self._length_s = length_s

    def first_fit(self, moment: float, amount: int, limit: int, more_s: float = 0.0) -> float:
        """Return the first moment from `moment` on at which the window has room for `amount`.

        The window is counted as `more_s` seconds longer.
        """
        # Usually all buckets together have room, even those that have left the window.
        if sum(self._all()) + amount <= limit:
            return moment
        buckets = self._buckets(moment, more_s)
        counts = [self._counters[self._index(bucket)] for bucket in buckets]
        used = sum(counts)
        for bucket, there in zip(buckets, counts, strict=True):
            if used <= 0 or used + amount <= limit:
                break
            if there:
                used -= there
                end = (bucket + 1) * self._length_s / BUCKETS_PER_WINDOW
                moment = max(moment, end + self._length_s + more_s)
        return moment

    def add(self, moment: float, amount: float) -> None:
        """Count an amount at a moment, at the earliest in the newest bucket."""
        newest = int(self._counters[self._at])
        bucket = max(newest, self._bucket_at(moment))
        for passed in range(max(newest + 1, bucket - BUCKET_COUNT + 1), bucket + 1):
            self._counters[self._index(passed)] = 0.0
        self._counters[self._at] = bucket
        self._counters[self._index(bucket)] += amount

    def add_at(self, moment: float, amount: float) -> None:
        """Count an amount at a moment, also in an older bucket that is still kept."""
        bucket, newest = self._bucket_at(moment), self._counters[self._at]
        if newest - BUCKET_COUNT < bucket < newest:
            self._counters[self._index(bucket)] += amount
        else:
            self.add(moment, amount)

    def subtract_at(self, moment: float, amount: float) -> None:
        """Subtract an amount counted at a moment, as far as it remains."""
        bucket, newest = self._bucket_at(moment), self._counters[self._at]
        if newest - BUCKET_COUNT < bucket <= newest:
            index = self._index(bucket)
            self._counters[index] = max(0.0, self._counters[index] - amount)

    def give_back(self, now: float, moment: float, amount: float) -> None:
        """Subtract an amount that was counted at `moment` or before."""
        # First where it was counted: older buckets leave the window sooner, and estimates that
        # are too high would stay in it. The rest comes from older buckets, so that
        # no later window looks emptier than it is.
        buckets = self._buckets(now)
        last = min(self._bucket_at(moment), buckets.stop - 1)
        for bucket in range(last, buckets.start - 1, -1):
            if amount <= 0:
                break
            less = min(self._counters[self._index(bucket)], amount)
            self._counters[self._index(bucket)] -= less
            amount -= less

    def trim(self, now: float) -> None:
        """Remove what was counted for later than now, and impossible amounts."""
        last, newest = self._bucket_at(now), int(self._counters[self._at])
        for bucket in range(last + 1, min(newest, last + BUCKET_COUNT) + 1):
            self._counters[self._index(bucket)] = 0.0
        self._counters[self._at] = min(newest, last)
        amounts = list(self._all())
        # The sum finds NaN, which `min` and `max` may miss.
        if not (sum(amounts) >= 0 and min(amounts) >= 0 and max(amounts) <= _MOST_COUNTED):
            for index in range(self._first, self._first + BUCKET_COUNT):
                self._counters[index] = 0.0

    def end_at(self, moment: float) -> None:
        """Make the bucket of a moment the newest one if all later ones are empty."""
        newest, bucket = int(self._counters[self._at]), self._bucket_at(moment)
        later = range(max(bucket, newest - BUCKET_COUNT) + 1, newest + 1)
        if not any(self._counters[self._index(number)] for number in later):
            self._counters[self._at] = min(newest, bucket)

    def _buckets(self, moment: float, more_s: float = 0.0) -> range:
        """Return the numbers of the buckets that a window ending at `moment` touches."""
        first = self._bucket_at(moment - self._length_s - more_s)
        newest = int(self._counters[self._at])
        return range(max(first, newest - BUCKET_COUNT + 1), newest + 1)

    def _bucket_at(self, moment: float) -> int:
        return math.floor(moment * BUCKETS_PER_WINDOW / self._length_s)

    def _index(self, bucket: int) -> int:
        return self._first + bucket % BUCKET_COUNT

    def _all(self) -> Iterable[float]:
        return self._counters[self._first : self._first + BUCKET_COUNT]
