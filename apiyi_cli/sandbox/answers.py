"""Dispatches requests to endpoints, checks the key, answers unknown paths.

The endpoints live in one module each, imported at their first use.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

from apiyi_cli.core import endpoints
from apiyi_cli.sandbox.faults.faults import HOME_PAGE
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import Refused, ScriptedReply

Handler = Callable[[ReceivedRequest, str], ScriptedReply]

_MODULES: dict[endpoints.Endpoint, str] = {
    endpoints.CHAT: "chat:chat",
    endpoints.COMPLETE: "completions:completions",
    endpoints.RESPOND: "responses:responses",
    endpoints.MESSAGES: "messages:messages",
    endpoints.GENERATE: "generate:generate",
    endpoints.GENERATE_STREAM: "generate:stream",
    endpoints.EMBED: "embeddings:embeddings",
    endpoints.IMAGE: "images:generations",
    endpoints.IMAGE_EDIT: "images:from_form",
    endpoints.IMAGE_VARIATION: "images:from_form",
    endpoints.TRANSCRIBE: "transcripts:transcripts",
    endpoints.TRANSLATE: "transcripts:transcripts",
    endpoints.SPEAK: "speech:speech",
    endpoints.SEEDANCE_SUBMIT: "videos:submit_seedance",
    endpoints.SEEDANCE_TASK: "videos:seedance_task",
    endpoints.WAN_SUBMIT: "videos:submit_wan",
    endpoints.WAN_TASK: "videos:wan_task",
    endpoints.VIDEO_SUBMIT: "videos:submit_grok",
    endpoints.VIDEO_TASK: "videos:grok_task",
    endpoints.VIDEO_CONTENT: "videos:content",
    endpoints.MODERATE: "judgements:moderations",
    endpoints.RERANK: "judgements:rerank",
    endpoints.MODELS: "catalogue:models",
    endpoints.MODEL: "catalogue:model",
    endpoints.PRICING: "catalogue:pricing",
    endpoints.CREDIT: "account:subscription",
    endpoints.CREDIT_USED: "account:usage",
    endpoints.ACCOUNT: "account:user",
    endpoints.ACCOUNT_LOG: "account:log",
    endpoints.KEY_LOG: "account:key_log",
}
_FILES = {
    "/model-registry.json": "catalogue:registry",
    "/files/": "images:file",
    "/videos/": "videos:file",
}
_GUARDED = ("/v1/", "/v1beta/", "/seedance/", "/wan/")
_NOT_IMPLEMENTED = ("/v1/files", "/v1/fine_tuning", "/v1/assistants", "/v1/threads")

_KEY_HEADERS = {"anthropic": "x-api-key", "google": "x-goog-api-key"}
"""The header in which each protocol's clients send the key; Bearer is accepted too."""

ANY_KEY = "*"


def answer(request: ReceivedRequest, finish: str = "stop") -> ScriptedReply:
    """Return the answer to a request; a model's answer ends with this finish_reason.

    Raises Refused for a malformed request or an unknown model.
    """
    return _find_handler(request)(request, finish)


def check_key(request: ReceivedRequest, key: str | None) -> None:
    """Raise Refused if the API is called with another key.

    A key of ANY_KEY accepts each, but not none; None accepts all.
    """
    if key is None or not request.path.startswith(_GUARDED):
        return
    given = request.headers.get("authorization", "")
    own = _KEY_HEADERS.get(request.endpoint.protocol if request.endpoint else "")
    if own is not None and own in request.headers:
        given = f"Bearer {request.headers[own]}"
    is_any = key == ANY_KEY and given.removeprefix("Bearer").strip() != ""
    if given != f"Bearer {key}" and not is_any:
        message = "无效的令牌" if given else "未提供令牌"
        raise Refused(ScriptedReply.error(401, message, code="invalid_api_key"))


def _find_handler(request: ReceivedRequest) -> Handler:
    method = "GET" if request.method == "HEAD" else request.method
    endpoint = endpoints.find_at_host(method, request.path)
    if endpoint in _MODULES:
        return _load(_MODULES[endpoint])
    for start, place in _FILES.items():
        if method == "GET" and request.path.startswith(start):
            return _load(place)
    return _unknown


@cache
def _load(place: str) -> Handler:
    module, name = place.split(":")
    handler: Handler = getattr(import_module(f"apiyi_cli.sandbox.endpoints.{module}"), name)
    return handler


def _unknown(request: ReceivedRequest, finish: str) -> ScriptedReply:
    if request.path.startswith(_NOT_IMPLEMENTED):
        return ScriptedReply.error(501, "API not implemented", code="api_not_implemented")
    if request.path.startswith("/v1/"):
        message = f"Invalid URL ({request.method} {request.path})"
        return ScriptedReply.error(404, message, type="invalid_request_error")
    # Whatever is not the API is the website, with status 200: the family's oddest habit.
    return ScriptedReply.text(HOME_PAGE, "text/html; charset=utf-8")
