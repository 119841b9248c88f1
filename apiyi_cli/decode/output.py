"""The items of a response, as the Responses API wants them back in the next request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiyi_cli.core.jsontext import read_first


def output_items(chunks: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the `output` of the last whole response among a reply's JSON objects, [] if none.

    Looked for in the final event of a stream (`response.completed` has the whole response
    inside) and in a body that is one.
    """
    for chunk in reversed(chunks):
        try:
            value = read_first(chunk)
        except ValueError:
            continue
        response = value.get("response", value) if isinstance(value, dict) else None
        output = response.get("output") if isinstance(response, dict) else None
        if isinstance(output, list) and output:
            return [item for item in output if isinstance(item, dict)]
    return []
