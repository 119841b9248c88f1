"""A request for embeddings."""

from __future__ import annotations

from collections.abc import Sequence

from apiyi_cli.build.body import apply_options, family_warnings, option_fields, post
from apiyi_cli.core.call import Call
from apiyi_cli.core.endpoints import EMBED
from apiyi_cli.core.families import Overrides, find_family
from apiyi_cli.core.jsontext import InvalidJSON, read_strict
from apiyi_cli.core.options.embed import EmbedOptions
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

MOST_INPUTS = 2048
MOST_TOKENS = 300_000
"""The API's limits for one request: inputs, and tokens in sum."""


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
