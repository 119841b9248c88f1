"""Reads token counts under any of the vendors' names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiyi_cli.core.events import Usage
from apiyi_cli.decode.frames.fields import read_count

BELIEVED_TOKENS = 100_000_000
"""No single request takes so many; what says more is a fault of the gateway, and would hold
up the rate limits and spoil the ledger."""


def usage(counts: object, *, raw: dict[str, Any] | None = None) -> Usage | None:
    """Return the counts in a `usage` object; None for anything else.

    `raw` is the gateway's object where `counts` were made of one in other words.

    A count that is missing, negative, not a number or beyond `BELIEVED_TOKENS` is None, "not told";
    so are all of them where the gateway filled in zeros. A missing total is the sum of its
    parts, and what a total leaves is the missing part: embeddings have no completion.
    """
    if not isinstance(counts, dict) or not counts:
        return None
    prompt = _count(counts, "prompt_tokens", "input_tokens")
    completion = _count(counts, "completion_tokens", "output_tokens")
    total = _count(counts, "total_tokens")
    if not prompt and not completion and not total:
        prompt = completion = total = None
    elif total is None and prompt is not None and completion is not None:
        total = prompt + completion
    elif completion is None and prompt is not None and total is not None and total >= prompt:
        completion = total - prompt
    output_details = _details(counts, "completion_tokens_details", "output_tokens_details")
    input_details = _details(counts, "prompt_tokens_details", "input_tokens_details")
    cached = _count(input_details, "cached_tokens")
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=total,
        reasoning_tokens=_count(output_details, "reasoning_tokens"),
        cached_tokens=cached if cached is not None else _count(counts, "prompt_cache_hit_tokens"),
        raw=counts if raw is None else raw,
    )


def _count(fields: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        if (count := read_count(fields.get(name), BELIEVED_TOKENS)) is not None:
            return count
    return None


def _details(fields: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        if isinstance(details := fields.get(name), dict):
            return details
    return {}
