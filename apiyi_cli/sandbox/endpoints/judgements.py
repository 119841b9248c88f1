"""POST /v1/moderations and POST /v1/rerank: judge texts by their words."""

from __future__ import annotations

import re
from array import array
from typing import Any

from apiyi_cli.sandbox import checks
from apiyi_cli.sandbox.endpoints.catalogue import model_of
from apiyi_cli.sandbox.endpoints.embeddings import unit_vector
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.request_summary import tokens
from apiyi_cli.sandbox.scripted_reply import ScriptedReply, invalid

CATEGORIES = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening"),
    *("illicit", "illicit/violent"),
    *("self-harm", "self-harm/instructions", "self-harm/intent"),
    *("sexual", "sexual/minors", "violence", "violence/graphic"),
)
_VIOLENT = re.compile(r"\b(?:kill|murder|attack|bomb)\w*", re.IGNORECASE)
PAIR_TOKENS_MAX = 8192
_RERANK_DIMENSIONS = 1024


def moderations(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer with one result per input; words of violence are flagged."""
    fields = checks.json_fields(request)
    model = model_of(fields, "moderate", "text-moderation-stable")
    given = checks.require_field(fields, "input")
    inputs = given if isinstance(given, list) else [given]
    if all(isinstance(item, dict) for item in inputs):
        inputs = ["\n".join(item.get("text", "") for item in inputs)]
    elif not all(isinstance(item, str) for item in inputs):
        raise invalid("Invalid 'input': texts or content parts", "input", "invalid_type")
    name = f"modr-sandbox{request.digest}"
    results = [_moderate(text) for text in inputs]
    return ScriptedReply.json({"id": name, "model": model, "results": results})


def _moderate(text: str) -> dict[str, Any]:
    violent = bool(_VIOLENT.search(text))
    scores = dict.fromkeys(CATEGORIES, 0.0001)
    if violent:
        scores["violence"] = 0.9
    return {
        "flagged": violent,
        "categories": {category: score > 0.5 for category, score in scores.items()},
        "category_scores": scores,
        "category_applied_input_types": {category: ["text"] for category in CATEGORIES},
    }


def rerank(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer with the documents' places, most relevant first."""
    fields = checks.json_fields(request)
    model = model_of(fields, "rank")
    query = checks.require_field(fields, "query")
    documents = checks.require_field(fields, "documents")
    checks.check_bounds(fields, {"top_n": (int, 1, 1 << 31)})
    if not isinstance(query, str):
        raise invalid("Invalid 'query': a string", "query", "invalid_type")
    if not isinstance(documents, list) or not all(isinstance(item, str) for item in documents):
        raise invalid("Invalid 'documents': strings only", "documents", "invalid_type")
    _check_lengths(query, documents)
    wanted = unit_vector(query, _RERANK_DIMENSIONS)
    scored = [(_likeness(wanted, text), k, text) for k, text in enumerate(documents)]
    scored.sort(key=lambda item: (-item[0], item[1]))
    used = tokens(query) * len(documents) + sum(tokens(text) for text in documents)
    results = [
        {"index": k, "relevance_score": score, "document": {"text": text}}
        for score, k, text in scored[: fields.get("top_n")]
    ]
    usage = {"prompt_tokens": used, "total_tokens": used}
    return ScriptedReply.json({"model": model, "results": results, "usage": usage}, tokens=used)


def _check_lengths(query: str, documents: list[str]) -> None:
    """Refuse the request for a pair that is too long. The message does not say which."""
    longest = tokens(query) + max(map(tokens, documents), default=0)
    if longest > PAIR_TOKENS_MAX:
        raise invalid(
            f"Input is too long: {longest} tokens, the model takes {PAIR_TOKENS_MAX} for a query "
            f"and a document",
            "documents",
            "context_length_exceeded",
        )


def _likeness(query: array[float], text: str) -> float:
    vector = unit_vector(text, _RERANK_DIMENSIONS)
    return round(max(0.0, sum(a * b for a, b in zip(query, vector, strict=True))), 6)
