"""A request for embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from apiyi_cli.build.body import apply_options, family_warnings, option_fields, post
from apiyi_cli.core.call import Call
from apiyi_cli.core.endpoints import EMBED
from apiyi_cli.core.families import Overrides, find_family
from apiyi_cli.core.jsontext import InvalidJSON, read_strict
from apiyi_cli.core.options.embed import EmbedOptions
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

T = TypeVar("T")

MOST_INPUTS = 2048
MOST_TOKENS = 300_000
"""What the API takes in one request, inputs and their tokens in sum."""
BATCH_SIZE = 128
"""Inputs in one request, where nobody says how many."""
# Bytes are a safe measure of tokens: no tokenizer makes more than one token of a byte.
TEXT_MOST_BYTES = MOST_TOKENS


class RequestSize:
    """Counts the inputs of one request against what the API takes in one."""

    def __init__(self, most_inputs: int | None = None) -> None:
        self._most_inputs = min(most_inputs or BATCH_SIZE, MOST_INPUTS)
        self._count = self._weight = 0

    def takes(self, count: int, size: int) -> bool:
        """Return True if more inputs of `size` bytes fit; the first always do."""
        fits = self._weight + size <= TEXT_MOST_BYTES and self._count + count <= self._most_inputs
        return fits or not self._count

    def add(self, count: int, size: int) -> None:
        """Count inputs."""
        self._count += count
        self._weight += size

    def clear(self) -> None:
        """Begin with the next request."""
        self._count = self._weight = 0


def measure_text(text: str) -> int:
    """Return the most bytes that a text can have in UTF-8, without encoding it."""
    return len(text) if text.isascii() else 4 * len(text)


def divide_refused(
    items: Sequence[T], measure: Callable[[T], int], *, any_accepted: bool
) -> list[list[T]]:
    """Return the parts in which to ask again for items that were refused together: halves.

    Where nothing was accepted so far the shortest alone comes first, which shows whether the
    texts are the reason.
    """
    if any_accepted or len(items) <= 2:
        return _halves(items)
    shortest = min(items, key=measure)
    return [[shortest], *_halves([item for item in items if item is not shortest])]


def _halves(items: Sequence[T]) -> list[list[T]]:
    middle = len(items) // 2
    return [list(half) for half in (items[:middle], items[middle:]) if half]


def embed_call(
    *,
    model: str,
    inputs: Sequence[str],
    embed_options: EmbedOptions,
    options: Sequence[str] | None = None,
    families: Overrides | None = None,
) -> Call:
    """Return the request for one vector for each input. A single input is sent as a string."""
    body = {
        "model": model,
        "input": inputs[0] if len(inputs) == 1 else list(inputs),
        **option_fields(embed_options),
    }
    if embed_options.base64:
        body["encoding_format"] = "base64"
    apply_options(body, options)
    return post(EMBED, body, notes=family_warnings(body, find_family(model, families)))


def read_text_field(line: bytes, place: str, field: str) -> str:
    """Return the text to embed of a JSON object: its `field`.

    Raises UsageError naming the place (`stdin:7`) of a line that is not an object or
    lacks the text.
    """
    try:
        value = read_strict(line)
    except InvalidJSON as failure:
        raise UsageError(
            Text("cannot read {place}:{colno}", place=place, colno=failure.colno),
            Text("not valid JSON: {msg}", msg=failure.msg),
        ) from None
    if not isinstance(value, dict):
        raise UsageError(
            Text("cannot read {place}", place=place), Text("the line is not a JSON object")
        )
    text = value.get(field)
    if not isinstance(text, str) or not text.strip():
        near = f" (its fields: {', '.join(list(value)[:8])})" if text is None else ""
        raise UsageError(
            Text("cannot use {place}", place=place),
            Text("its field {field} is no text{near}", field=repr(field), near=near),
        )
    return text
