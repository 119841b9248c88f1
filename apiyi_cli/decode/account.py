"""The balance of a key, in the shape that OpenAI's dashboard once had."""

from __future__ import annotations

from typing import Any

from apiyi_cli.decode.fields import read_number, read_object

UNLIMITED_USD = 1e7
"""A key without its own limit is reported with 100,000,000: the balance is not known."""


def left_usd(subscription: Any, usage: Any) -> float | None:
    """Return the dollars that are left, None if they are not known.

    `total_usage` counts cents. A key without a limit draws on its account, which these answers
    do not show.
    """
    given = read_number(read_object(subscription).get("hard_limit_usd"))
    used = read_number(read_object(usage).get("total_usage"))
    if given is None or used is None or given >= UNLIMITED_USD:
        return None
    return given - used / 100
