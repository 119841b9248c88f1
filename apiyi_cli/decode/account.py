"""What the gateway says of a key's money, in the shape that OpenAI's dashboard once had."""

from __future__ import annotations

import math
from typing import Any

UNLIMITED_USD = 1e7
"""A key without a limit of its own is said to have 100,000,000: that tells nothing."""


def left_usd(subscription: Any, usage: Any) -> float | None:
    """Return the dollars that are left; None where the two answers do not tell.

    `total_usage` counts cents. A key without a limit draws on its account, which these answers
    do not show.
    """
    given = _number(subscription, "hard_limit_usd")
    used = _number(usage, "total_usage")
    if given is None or used is None or given >= UNLIMITED_USD:
        return None
    return given - used / 100


def _number(value: Any, name: str) -> float | None:
    number = value.get(name) if isinstance(value, dict) else None
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    try:
        return float(number) if math.isfinite(number) else None
    except OverflowError:
        return None
