"""Faults inside paid answers of Anthropic's and Google's own APIs.

The words are those of `faults`; here they change the objects of /messages and of generateContent,
whole or streamed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiyi_cli.core.endpoints import MESSAGES
from apiyi_cli.core.jsontext import read_strict, write, write_text
from apiyi_cli.sandbox.faults.answer_faults import (
    THOUGHT,
    UNFIT_TEXT,
    Change,
    Fields,
    chat_reply,
    read_payload,
    set_counts,
)
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import ScriptedReply, frame
from apiyi_cli.sandbox.stream_events import content_events, message_events

_BUSY = "您已达到请求数限制：1分钟内最多请求100次"
_BROKEN = "[sandbox] the upstream channel broke off"


def _objects(reply: ScriptedReply) -> list[Fields]:
    """Return the objects of a reply's events, or its one object."""
    if isinstance(reply.body, tuple):
        return list(map(read_payload, reply.body))
    return [read_strict(reply.body)] if isinstance(reply.body, bytes) else []


def _outline(events: list[Fields]) -> Fields:
    """Return a stream's whole answer without its content, which every change replaces."""
    if events[0].get("type") == "message_start":
        message, last = events[0]["message"], events[-2]
        return {**message, **last["delta"], "usage": {**message["usage"], **last["usage"]}}
    ends = [item for event in events for item in event["candidates"] if "finishReason" in item]
    return {**events[-1], "candidates": ends}


def _rework(change: Callable[[Fields, ReceivedRequest, float | None], Fields]) -> Change:
    """Make the change of a whole answer; a stream is built anew from it."""

    def rework(reply: ScriptedReply, request: ReceivedRequest, at: float | None) -> ScriptedReply:
        objects = _objects(reply)
        if not isinstance(reply.body, tuple):
            return reply.replace(body=write(change(objects[0], request, at)))
        whole = change(_outline(objects), request, at)
        split = message_events if request.endpoint is MESSAGES else content_events
        return _with_objects(reply, list(split(whole)))

    return rework


def _empty(whole: Fields, request: ReceivedRequest, at: float | None) -> Fields:
    """Take the content out; `@1` makes it null, `@2` leaves its field out."""
    for holder, name in _contents(whole):
        holder[name] = None if at else []
        if at == 2:
            del holder[name]
    return _end_well(whole)


def _contents(whole: Fields) -> list[tuple[Fields, str]]:
    """Return the places of the content: an object and its field."""
    if "candidates" not in whole:
        return [(whole, "content")]
    return [(candidate.setdefault("content", {}), "parts") for candidate in whole["candidates"]]


def _end_well(whole: Fields) -> Fields:
    """Give an answer the finish of one without function calls."""
    if whole.get("stop_reason") == "tool_use":
        whole["stop_reason"] = "end_turn"
    return whole


def _reasoning_only(whole: Fields, request: ReceivedRequest, at: float | None) -> Fields:
    thinking = {"type": "thinking", "thinking": THOUGHT, "signature": "c2FuZGJveA=="}
    return _replace_content(whole, thinking, {"text": THOUGHT, "thought": True})


def _replace_content(whole: Fields, block: Fields, part: Fields) -> Fields:
    """Put a block of Anthropic's, or a part of Google's, in place of the content."""
    for holder, name in _contents(whole):
        holder[name] = [part if "candidates" in whole else block]
    return _end_well(whole)


def _misfit(reply: ScriptedReply, request: ReceivedRequest, at: float | None) -> ScriptedReply:
    """Answer with other JSON if a schema was requested, else in the form of chat."""
    config = request.fields.get("generationConfig") or {}
    wants = config.get("responseSchema") or config.get("responseJsonSchema")
    if wants or (request.fields.get("tool_choice") or {}).get("name"):
        return _rework(_unfit_content)(reply, request, at)
    return chat_reply(UNFIT_TEXT, streamed=isinstance(reply.body, tuple))


def _unfit_content(whole: Fields, request: ReceivedRequest, at: float | None) -> Fields:
    text = write_text([UNFIT_TEXT])
    return _replace_content(whole, {"type": "text", "text": text}, {"text": text})


def _huge_usage(reply: ScriptedReply, request: ReceivedRequest, at: float | None) -> ScriptedReply:
    """Count 10**9 tokens of each kind, 10**K with `@K`, in every event that counts."""
    count = 10 ** (9 if at is None else int(at))
    return _with_objects(reply, [_set_usage(value, count) for value in _objects(reply)])


def _set_usage(value: Any, count: int) -> Any:
    if not isinstance(value, dict):
        return value
    change = {"usage": set_counts, "usageMetadata": set_counts}
    return {name: change.get(name, _set_usage)(inner, count) for name, inner in value.items()}


def _with_objects(reply: ScriptedReply, objects: list[Fields]) -> ScriptedReply:
    if not isinstance(reply.body, tuple):
        return reply.replace(body=write(objects[0]))
    return reply.replace(body=tuple(frame(value, named="type" in value) for value in objects))


def _restart(reply: ScriptedReply, request: ReceivedRequest, at: float | None) -> ScriptedReply:
    """Restart with another answer's id, as another channel does."""
    if not isinstance(reply.body, tuple):
        return reply
    objects = _objects(reply)
    half = len(objects) // 2 if at is None else int(at)
    first = [
        {**value, "responseId": f"{value['responseId']}-first"} if "responseId" in value else value
        for value in objects[:half]
    ]
    return _with_objects(reply, [*first, *objects])


def _error(reply: ScriptedReply, request: ReceivedRequest, at: float | None) -> ScriptedReply:
    return _break_off(reply, request, int(at or 0), _BUSY, 429)


def _error_after_role(
    reply: ScriptedReply, request: ReceivedRequest, at: float | None
) -> ScriptedReply:
    if not isinstance(reply.body, tuple) or request.endpoint is MESSAGES:
        return _break_off(reply, request, 1, _BROKEN, 500)
    opening = _objects(reply)[0]
    for holder, name in _contents(opening):
        holder[name] = [{"text": ""}]
    return _break_off(reply.replace(body=(frame(opening),)), request, 1, _BROKEN, 500)


def _break_off(
    reply: ScriptedReply, request: ReceivedRequest, after: int, message: str, status: int
) -> ScriptedReply:
    """Put the protocol's error after some events or in place of an answer."""
    if request.endpoint is MESSAGES:
        kind = "rate_limit_error" if status == 429 else "api_error"
        error: Fields = {"type": "error", "error": {"type": kind, "message": message}}
    else:
        kind = "RESOURCE_EXHAUSTED" if status == 429 else "INTERNAL"
        error = {"error": {"code": status, "message": message, "status": kind}}
    if not isinstance(reply.body, tuple):
        return ScriptedReply.json(error, billed=False)
    return reply.replace(body=(*reply.body[:after], frame(error, named="type" in error)))


def _drop_finish(reply: ScriptedReply, request: ReceivedRequest, at: float | None) -> ScriptedReply:
    if not isinstance(reply.body, tuple):
        return reply
    kept = [
        value
        for value in _objects(reply)
        if value.get("type") != "message_delta"
        and not any("finishReason" in item for item in value.get("candidates") or ())
    ]
    return _with_objects(reply, kept)


def _undone(reply: ScriptedReply, request: ReceivedRequest, at: float | None) -> ScriptedReply:
    """Leave out the event that ends a message; Google's streams have none."""
    if not isinstance(reply.body, tuple) or request.endpoint is not MESSAGES:
        return reply
    return reply.replace(body=reply.body[:-1])


NATIVE_CHANGES: dict[str, Change] = {
    "error-after-role": _error_after_role,
    "restart": _restart,
    "empty": _rework(_empty),
    "reasoning-only": _rework(_reasoning_only),
    "huge-usage": _huge_usage,
    "misfit": _misfit,
    "error": _error,
    "nofinish": _drop_finish,
    "nodone": _undone,
}
"""Faults with a form of their protocol; the others are the same everywhere."""
