"""Sliding windows that count amounts in buckets, in numbers that several processes share.

A window is stored as the number of its newest bucket, then `BUCKET_COUNT` buckets of 1/128 of its
length each; `window` is the index of the first of these numbers. `rates` decides what is counted.
"""

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


def buckets_of(
    counters: Counters, window: int, window_s: float, moment: float, more_s: float = 0.0
) -> range:
    """Return the bucket numbers that a window ending at `moment` touches."""
    first = bucket_at(window_s, moment - window_s - more_s)
    newest = int(counters[window])
    return range(max(first, newest - BUCKET_COUNT + 1), newest + 1)


def bucket_at(window_s: float, moment: float) -> int:
    """Return the number of the bucket that a moment is in."""
    return math.floor(moment * BUCKETS_PER_WINDOW / window_s)


def index(window: int, bucket: int) -> int:
    """Return the index of a bucket in the counters."""
    return window + 1 + bucket % BUCKET_COUNT


def first_fit(
    counters: Counters,
    window: int,
    window_s: float,
    moment: float,
    amount: int,
    limit: int,
    more_s: float = 0.0,
) -> float:
    """Return the first moment from `moment` on at which the window has room for `amount`.

    The window is counted as `more_s` seconds longer.
    """
    # Usually all buckets together have room, even those that have left the window.
    if sum(counters[window + 1 : window + 1 + BUCKET_COUNT]) + amount <= limit:
        return moment
    buckets = buckets_of(counters, window, window_s, moment, more_s)
    counts = [counters[index(window, bucket)] for bucket in buckets]
    used = sum(counts)
    for bucket, amount_there in zip(buckets, counts, strict=True):
        if used <= 0 or used + amount <= limit:
            break
        if amount_there:
            used -= amount_there
            leaves = (bucket + 1) * window_s / BUCKETS_PER_WINDOW + window_s + more_s
            moment = max(moment, leaves)
    return moment


def count(counters: Counters, window: int, window_s: float, moment: float, amount: float) -> None:
    """Count an amount at a moment, at the earliest in the newest bucket."""
    newest = int(counters[window])
    bucket = max(newest, bucket_at(window_s, moment))
    for passed in range(max(newest + 1, bucket - BUCKET_COUNT + 1), bucket + 1):
        counters[index(window, passed)] = 0.0
    counters[window] = bucket
    counters[index(window, bucket)] += amount


def count_at(
    counters: Counters, window: int, window_s: float, moment: float, amount: float
) -> None:
    """Count an amount at a moment, also in an older bucket that is still kept."""
    bucket = bucket_at(window_s, moment)
    if counters[window] - BUCKET_COUNT < bucket < counters[window]:
        counters[index(window, bucket)] += amount
    else:
        count(counters, window, window_s, moment, amount)


def trim(counters: Counters, window: int, window_s: float, now: float) -> None:
    """Remove what was counted for later than now, and impossible amounts."""
    last, newest = bucket_at(window_s, now), int(counters[window])
    for bucket in range(last + 1, min(newest, last + BUCKET_COUNT) + 1):
        counters[index(window, bucket)] = 0.0
    counters[window] = min(newest, last)
    if not all(
        0 <= amount <= _MOST_COUNTED for amount in counters[window + 1 : window + 1 + BUCKET_COUNT]
    ):
        for at in range(window + 1, window + 1 + BUCKET_COUNT):
            counters[at] = 0.0


def uncount(counters: Counters, window: int, window_s: float, moment: float, amount: float) -> None:
    """Subtract an amount that was counted at a moment, as far as it is still there."""
    bucket = bucket_at(window_s, moment)
    if counters[window] - BUCKET_COUNT < bucket <= counters[window]:
        at = index(window, bucket)
        counters[at] = max(0.0, counters[at] - amount)


def give_back(
    counters: Counters, window: int, window_s: float, now: float, moment: float, amount: float
) -> None:
    """Subtract an amount that was counted at `moment` or before."""
    # First where it was counted: older buckets leave the window sooner, and estimates that are too
    # high would stay in it. What is missing there comes from older buckets, so that no later
    # window looks emptier than it is.
    last = bucket_at(window_s, moment)
    for bucket in reversed(buckets_of(counters, window, window_s, now)):
        if bucket <= last:
            less = min(counters[index(window, bucket)], amount)
            counters[index(window, bucket)] -= less
            amount -= less
