"""Which endpoint answers a request, who may ask, and what an unknown path gets.

The endpoints live in modules of their own, imported at their first use.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from apiyi_cli.sandbox.faults import HOME_PAGE
from apiyi_cli.sandbox.play import Play, Refused
from apiyi_cli.sandbox.received import Received

Endpoint = Callable[[Received, str], Play]

_POST = {
    "/v1/chat/completions": "chat:chat",
    "/v1/completions": "completions:completions",
    "/v1/responses": "responses:responses",
    "/v1/embeddings": "embeddings:embeddings",
    "/v1/images/generations": "images:generations",
    "/v1/images/edits": "images:edits",
    "/v1/images/variations": "images:variations",
    "/v1/audio/transcriptions": "transcripts:transcriptions",
    "/v1/audio/translations": "transcripts:translations",
    "/v1/audio/speech": "speech:speech",
    "/v1/moderations": "judgements:moderations",
    "/v1/rerank": "judgements:rerank",
}
_GET = {
    "/v1/models": "catalogue:models",
    "/api/pricing": "catalogue:pricing",
    "/v1/dashboard/billing/subscription": "account:subscription",
    "/v1/dashboard/billing/usage": "account:usage",
}
_GET_BELOW = {
    "/v1/models/": "catalogue:model",
    "/files/": "images:file",
}
_NOT_IMPLEMENTED = ("/v1/files", "/v1/fine_tuning", "/v1/assistants", "/v1/threads")

_loaded: dict[str, Endpoint] = {}


def answer(request: Received, finish: str = "stop") -> Play:
    """Return the answer to a request; a model's answer ends with this finish_reason.

    Raises Refused for a malformed request or an unknown model.
    """
    return _endpoint(request)(request, finish)


def refused_key(request: Received, key: str | None) -> None:
    """Raise Refused when the API is asked with another key than this one; None fits all."""
    if key is None or not request.path.startswith("/v1/"):
        return
    given = request.headers.get("authorization", "")
    if given != f"Bearer {key}":
        message = "无效的令牌" if given else "未提供令牌"
        raise Refused(Play.error(401, message, code="invalid_api_key"))


def _endpoint(request: Received) -> Endpoint:
    method = "GET" if request.method == "HEAD" else request.method
    table = {"POST": _POST, "GET": _GET}.get(method, {})
    if place := table.get(request.path):
        return _load(place)
    if method == "GET":
        for start, place in _GET_BELOW.items():
            if request.path.startswith(start):
                return _load(place)
    return _unknown


def _load(place: str) -> Endpoint:
    if place not in _loaded:
        module, name = place.split(":")
        found: Endpoint = getattr(import_module(f"apiyi_cli.sandbox.{module}"), name)
        _loaded[place] = found
    return _loaded[place]


def _unknown(request: Received, finish: str) -> Play:
    if request.path.startswith(_NOT_IMPLEMENTED):
        return Play.error(501, "API not implemented", code="api_not_implemented")
    if request.path.startswith("/v1/"):
        message = f"Invalid URL ({request.method} {request.path})"
        return Play.error(404, message, type="invalid_request_error")
    # Whatever is not the API is the website, with status 200: the family's oddest habit.
    return Play.text(HOME_PAGE, "text/html; charset=utf-8")
