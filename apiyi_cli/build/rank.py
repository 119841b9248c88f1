"""A request for the scores of documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from apiyi_cli.build.body import apply_options, post
from apiyi_cli.core.call import Call
from apiyi_cli.core.endpoints import RERANK

MAX_DOCUMENTS: Final = 100
"""How many documents the gateway's page advises for one request."""


def rank_call(
    *, model: str, query: str, documents: Sequence[str], options: Sequence[str] | None = None
) -> Call:
    """Return the request for one score for each document."""
    body = {"model": model, "query": query, "documents": list(documents)}
    return post(RERANK, apply_options(body, options))
