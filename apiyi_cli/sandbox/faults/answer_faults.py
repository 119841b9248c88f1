"""Faults inside a paid answer: empty, restarted, unfit, endless, absurd token counts.

Each change takes a whole, well-formed answer and makes the like of it that the gateway family
has been seen to send. What an endpoint cannot suffer (a picture has no reasoning) it suffers
in the nearest way: `reasoning-only` is there `empty`, and a reply that does not stream is
never begun anew.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import Any

from apiyi_cli.core import endpoints
from apiyi_cli.core.jsontext import read_strict, write, write_text
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.request_summary import MARK, deltas
from apiyi_cli.sandbox.scripted_reply import DONE, ScriptedReply, error_body, frame
from apiyi_cli.sandbox.stream_events import response_events

Change = Callable[[ScriptedReply, ReceivedRequest, float | None], ScriptedReply]
"""(good answer, its request, the number after `@`) -> faulty answer"""

Fields = dict[str, Any]

HUGE = 10**9
_BLANKS = b" " * 4095 + b"\n"
_PLACES_OFF = 1000
UNFIT_TEXT = f"{MARK} this is not what was asked for"
_NO_PICTURE = "W3NhbmRib3hdIG5vIHBpY3R1cmU="
THOUGHT = f"{MARK} thinking, and nothing else."


def _error_after_role(
    reply: ScriptedReply, request: ReceivedRequest, at: float | None
) -> ScriptedReply:
    error = error_body(
        "[sandbox] the upstream channel broke off", code="upstream_error", type="upstream_error"
    )
    if not isinstance(reply.body, tuple):
        # Sent before any answer: the gateways give back what it had taken.
        return ScriptedReply.json(error, billed=False)
    opening = [piece for piece in reply.body if _opens(read_payload(piece))]
    return reply.replace(body=(*opening, frame(error), frame(DONE)))


def _opens(event: Fields) -> bool:
    """Return True for an event before the answer: a role, `response.created`."""
    if event.get("type") in ("response.created", "response.in_progress"):
        return True
    delta = (event.get("choices") or [{}])[0].get("delta", {})
    return "role" in delta and not any(v for k, v in delta.items() if k != "role")


def _restart(reply: ScriptedReply, request: ReceivedRequest, at: float | None) -> ScriptedReply:
    if not isinstance(reply.body, tuple):
        return reply
    half = len(reply.body) // 2 if at is None else int(at)
    return reply.replace(body=(*reply.body[:half], *reply.body))


def _empty(reply: ScriptedReply, request: ReceivedRequest, at: float | None) -> ScriptedReply:
    """Take the content out; `@1` makes it null, `@2` leaves its field out."""
    if isinstance(reply.body, bytes) and not _is_json(reply):
        return reply.replace(body=b"")
    return _rework(
        reply, request, lambda whole: _empty_answer(whole, int(at or 0)), _without_content
    )


def _empty_answer(whole: Fields, form: int = 0) -> Fields:
    for choice in whole.get("choices") or ():
        if "message" in choice:
            message = _blank_field({"role": "assistant"}, "content", "", form)
            choice |= {"message": message, "finish_reason": "stop"}
        elif "text" in choice:
            _blank_field(choice, "text", "", form)
    for name in ("output", "data", "results", "segments", "words"):
        if name in whole:
            _blank_field(whole, name, [], form)
    for name in ("text", "b64_json"):
        if isinstance(whole.get(name), str):
            _blank_field(whole, name, "", form)
    return whole


def _blank_field(fields: Fields, name: str, blank: Any, form: int) -> Fields:
    fields[name] = blank if form == 0 else None
    if form >= 2:
        del fields[name]
    return fields


def _without_content(event: Fields) -> Fields | None:
    if str(event.get("type", "")).endswith((".delta", ".partial_image")):
        return None
    choices = event.get("choices") or ()
    for choice in choices:
        if choice.get("finish_reason") is None and not _opens(event):
            return None
        if choice.get("finish_reason") == "tool_calls":
            choice["finish_reason"] = "stop"
    return event if choices else _empty_answer(event)


def _reasoning_only(
    reply: ScriptedReply, request: ReceivedRequest, at: float | None
) -> ScriptedReply:
    if request.endpoint not in (endpoints.CHAT, endpoints.RESPOND):
        return _empty(reply, request, at)
    return _rework(reply, request, _only_thought, _only_thinking)


def _only_thought(whole: Fields) -> Fields:
    for choice in whole.get("choices") or ():
        message = {"role": "assistant", "content": "", "reasoning_content": THOUGHT}
        choice |= {"message": message, "finish_reason": "stop"}
    if "output" in whole:
        summary = [{"type": "summary_text", "text": THOUGHT}]
        whole["output"] = [{"id": "rs_sandbox", "type": "reasoning", "summary": summary}]
    return whole


def _only_thinking(event: Fields) -> Fields | None:
    for choice in event.get("choices") or ():
        delta = choice.get("delta", {})
        if delta.get("tool_calls") or delta.get("refusal"):
            return None
        if delta.get("content"):
            delta["reasoning_content"] = delta.pop("content")
        if choice.get("finish_reason") == "tool_calls":
            choice["finish_reason"] = "stop"
    return event


def _huge_usage(reply: ScriptedReply, request: ReceivedRequest, at: float | None) -> ScriptedReply:
    """Count 10**9 tokens of each kind, 10**K with `@K`, even unasked."""
    count = HUGE if at is None else 10 ** int(at)

    def change(event: Fields) -> Fields:
        choice = (event.get("choices") or [{}])[0]
        if event.get("usage"):
            event["usage"] = set_counts(event["usage"], count)
        elif choice.get("finish_reason") or ("created" in event and "choices" not in event):
            names = ("prompt_tokens", "completion_tokens", "total_tokens")
            event["usage"] = dict.fromkeys(names, count)
        return event

    return _rework(reply, request, change, change)


def set_counts(value: Any, count: int) -> Any:
    """Return an object with every integer in it replaced by the count."""
    if isinstance(value, dict):
        return {name: set_counts(inner, count) for name, inner in value.items()}
    return count if type(value) is int else value


def _misfit(reply: ScriptedReply, request: ReceivedRequest, at: float | None) -> ScriptedReply:
    """Answer well-formed and whole, but with the wrong content."""
    endpoint = request.endpoint
    if endpoint in _MISFITS:
        change = _MISFITS[endpoint]
        return _rework(reply, request, change, change)
    if endpoint in (endpoints.TRANSCRIBE, endpoints.TRANSLATE):
        return ScriptedReply.json({"transcript": UNFIT_TEXT}, tokens=reply.tokens)
    if endpoint is endpoints.SPEAK:
        return ScriptedReply.json({"sound": UNFIT_TEXT}, tokens=reply.tokens)
    wanted = request.fields.get("response_format") or request.fields.get("text") or {}
    kind = wanted.get("format", wanted).get("type", "text") if isinstance(wanted, dict) else "text"
    # Other JSON if a schema was requested, no JSON if JSON was; else the other protocol's form.
    text = write_text([UNFIT_TEXT]) if kind == "json_schema" else UNFIT_TEXT
    answer = _response_reply if (endpoint is endpoints.RESPOND) != (kind == "text") else chat_reply
    return answer(text, streamed=isinstance(reply.body, tuple))


def chat_reply(text: str, *, streamed: bool) -> ScriptedReply:
    """Return a chat completion with this text."""
    if streamed:
        return ScriptedReply.chat(*deltas(text))
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
    about = {"id": "chatcmpl-sandbox", "object": "chat.completion", "model": "sandbox-1"}
    return ScriptedReply.json({**about, "choices": [choice], "usage": usage})


def _response_reply(text: str, *, streamed: bool) -> ScriptedReply:
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": "msg_sandbox", "type": "message", "status": "completed", "role": "assistant"}
    usage = {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}
    about = {"id": "resp_sandbox", "object": "response", "status": "completed"}
    output = [{**item, "content": [part]}]
    whole = {**about, "model": "sandbox-1", "output": output, "usage": usage}
    return (
        ScriptedReply.sse(*response_events(whole), named=True)
        if streamed
        else ScriptedReply.json(whole)
    )


def _other_vectors(whole: Fields) -> Fields:
    """Return one vector more than inputs, each of half the dimensions, all with index 0."""
    data = whole["data"]
    for item in data:
        vector = item["embedding"]
        half = len(vector) // 2 if isinstance(vector, list) else len(vector) // 32 * 16
        item |= {"embedding": vector[:half], "index": 0}
    whole["data"] = [*data, data[-1]]
    return whole


def _no_pictures(whole: Fields) -> Fields:
    for item in whole.get("data", [whole]):
        item.pop("url", None)
        item["b64_json"] = _NO_PICTURE
    return whole


def _other_places(whole: Fields) -> Fields:
    for result in whole["results"]:
        result["index"] += _PLACES_OFF
    return whole


def _missing_rows(
    reply: ScriptedReply, request: ReceivedRequest, at: float | None
) -> ScriptedReply:
    """Leave out the last row of a list, as some relays do."""
    if request.endpoint not in _MISFITS:
        return _misfit(reply, request, at)

    def shorten(whole: Fields) -> Fields:
        for name in ("results", "data"):
            if isinstance(whole.get(name), list):
                whole[name] = whole[name][:-1]
        return whole

    return _rework(reply, request, shorten, shorten)


def _other_count(whole: Fields) -> Fields:
    whole["results"] = whole["results"] * 2
    return whole


_MISFITS: dict[endpoints.Endpoint, Callable[[Fields], Fields]] = {
    endpoints.EMBED: _other_vectors,
    endpoints.IMAGE: _no_pictures,
    endpoints.IMAGE_EDIT: _no_pictures,
    endpoints.IMAGE_VARIATION: _no_pictures,
    endpoints.RERANK: _other_places,
    endpoints.MODERATE: _other_count,
}


def _rework(
    reply: ScriptedReply,
    request: ReceivedRequest,
    change: Callable[[Fields], Fields],
    change_event: Callable[[Fields], Fields | None],
) -> ScriptedReply:
    """Return the reply with its object changed, or each event of its stream. None drops one."""
    body = reply.body
    if isinstance(body, bytes):
        return reply.replace(body=write(change(read_strict(body)))) if _is_json(reply) else reply
    if not isinstance(body, tuple):
        return reply
    if request.endpoint is endpoints.RESPOND:
        whole = change(read_payload(body[-1])["response"])
        return reply.replace(
            body=tuple(frame(event, named=True) for event in response_events(whole))
        )
    pieces = []
    for piece in body:
        event = read_payload(piece)
        changed = change_event(event) if event else None
        if changed is not None:
            pieces.append(frame(changed, named=piece.startswith(b"event:")))
        elif not event:
            pieces.append(piece)
    return reply.replace(body=tuple(pieces))


def _is_json(reply: ScriptedReply) -> bool:
    return (reply.content_type or "").startswith("application/json") and bool(reply.body)


def read_payload(piece: bytes) -> Fields:
    """Return the object of an event; `[DONE]` is an empty one."""
    data = piece.partition(b"data: ")[2]
    return read_strict(data) if data.startswith(b"{") else {}


CHANGES: dict[str, Change] = {
    "error-after-role": _error_after_role,
    "restart": _restart,
    "empty": _empty,
    "reasoning-only": _reasoning_only,
    "huge-usage": _huge_usage,
    "blanks": lambda reply, request, at: reply.replace(body=lambda: repeat(_BLANKS)),
    "misfit": _misfit,
    "missing-rows": _missing_rows,
}
