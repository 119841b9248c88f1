"""How fast requests arrive at a gateway, where other programs delay some of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations


def find_best_rate(arrivals: Sequence[float], least_s: float) -> float:
    """Return the highest rate, in arrivals a second, over a span of at least `least_s`.

    A busy machine delays requests now and then; a limiter that is too slow is so all the time.
    """
    times = sorted(arrivals)
    spans = combinations(enumerate(times), 2)
    rates = [(k - n) / (end - start) for (n, start), (k, end) in spans if end - start >= least_s]
    return max(rates)
