"""Reads values and token counts of a server's JSON, tolerating wrong types."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from apiyi_cli.core.events import Usage

_WORD_CHARS = 60
_MOST_INDEX = 1 << 31
_LATEST_S = 1e11
"""The year 5138: larger numbers are milliseconds."""
BELIEVED_TOKENS = 100_000_000
"""No single request takes so many; what says more is a fault of the gateway, and would hold
up the rate limits and spoil the ledger."""


def read_string(value: object) -> str:
    """Return a text, "" for anything else."""
    return value if isinstance(value, str) else ""


def read_word(value: object) -> str:
    """Return a text cut to 60 characters, for a line; "" for anything else."""
    return read_string(value)[:_WORD_CHARS]


def read_object(value: object) -> dict[str, Any]:
    """Return an object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def read_objects(value: object) -> list[dict[str, Any]]:
    """Return the objects of an array, none for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def read_count(value: object, most: int) -> int | None:
    """Return a whole number from 0 to `most`, also from 1.0 or "1"."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= most and value == int(value) else None


def read_number(value: object) -> float | None:
    """Return a finite number, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def read_amount(value: object) -> float | None:
    """Return a finite number, also from a text, None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return read_number(value)


def read_moment(value: object) -> float | None:
    """Return a time in seconds since 1970, also where it counts milliseconds; else None."""
    number = read_number(value)
    if number is None or not 0 <= number < _LATEST_S * 1000:
        return None
    return number / 1000 if number >= _LATEST_S else number


def find_places(items: Sequence[dict[str, Any]]) -> list[int] | None:
    """Return the input that each item belongs to by `index`, None if unknown.

    Some servers count from 1, and some give every item the same number, or none: their order is
    that of the inputs.
    """
    indexes = [read_count(item.get("index"), _MOST_INDEX) for item in items]
    if len(set(indexes)) == 1:
        return list(range(len(items)))
    numbers = [index for index in indexes if index is not None]
    least = min(numbers, default=0)
    if least not in (0, 1) or sorted(numbers) != list(range(least, least + len(items))):
        return None
    return [number - least for number in numbers]


def is_markup(text: bytes) -> bool:
    """Return True for HTML or XML, which the API never sends."""
    return text[:1] == b"<"


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
    counts = (read_count(fields.get(name), BELIEVED_TOKENS) for name in names)
    return next((count for count in counts if count is not None), None)


def _details(fields: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next(filter(None, (read_object(fields.get(name)) for name in names)), {})
