"""Books a request with a limiter that is only looked at."""

from __future__ import annotations

from apiyi_cli.wire.limits import rates
from apiyi_cli.wire.limits.limiter import Limiter


def reserve(limiter: Limiter, tokens: int = 0) -> float:
    """Book one request of about `tokens` tokens; return the seconds until it may start."""
    with limiter._counters as counters:
        now = limiter._clock.monotonic()
        return rates.book(counters, limiter.limits, now, tokens) - now
