"""A request for embeddings."""

from __future__ import annotations

from collections.abc import Sequence

from apiyi_cli.build.body import extended, wired
from apiyi_cli.core.call import Call
from apiyi_cli.core.groups import Embedding

MOST_INPUTS = 2048
MOST_TOKENS = 300_000
"""What the API takes in one request, inputs and their tokens in sum."""


def embed_call(
    *,
    model: str,
    inputs: Sequence[str],
    embedding: Embedding,
    options: Sequence[str] | None = None,
) -> Call:
    """Return the request for one vector for each input; a single input is sent as a string."""
    body = {
        "model": model,
        "input": inputs[0] if len(inputs) == 1 else list(inputs),
        **wired(embedding),
    }
    if embedding.base64:
        body["encoding_format"] = "base64"
    extended(body, options)
    return Call("POST", "/embeddings", json=body, cost="light", model=body["model"])
