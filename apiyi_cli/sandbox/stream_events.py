"""Splits whole answers of responses, messages and generateContent into their streams' events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiyi_cli.core.jsontext import write
from apiyi_cli.sandbox.request_summary import MARK, deltas


def message_events(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the events from which the message is built."""
    counts = {**whole["usage"], "output_tokens": 1}
    opened = {**whole, "content": [], "stop_reason": None, "usage": counts}
    opened.pop("stop_details", None)
    yield {"type": "message_start", "message": opened}
    yield {"type": "ping"}
    for k, block in enumerate(whole.get("content") or ()):
        place = {"index": k}
        yield {"type": "content_block_start", **place, "content_block": _begin_block(block)}
        for delta in _deltas(block):
            yield {"type": "content_block_delta", **place, "delta": delta}
        yield {"type": "content_block_stop", **place}
    names = ("stop_reason", "stop_sequence", "stop_details")
    delta = {name: whole[name] for name in names if name in whole}
    counts = {"output_tokens": whole["usage"]["output_tokens"]}
    yield {"type": "message_delta", "delta": delta, "usage": counts}
    yield {"type": "message_stop"}


def _begin_block(block: dict[str, Any]) -> dict[str, Any]:
    return _blank(block, {"text": "", "thinking": "", "signature": "", "input": {}})


def _blank(item: dict[str, Any], empty: dict[str, Any]) -> dict[str, Any]:
    return {name: empty.get(name, value) for name, value in item.items()}


def _deltas(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] == "tool_use":
        for piece in deltas(write(block["input"]).decode()):
            yield {"type": "input_json_delta", "partial_json": piece}
    elif block["type"] == "thinking":
        for piece in deltas(block["thinking"]):
            yield {"type": "thinking_delta", "thinking": piece}
        yield {"type": "signature_delta", "signature": block["signature"]}
    else:
        for piece in deltas(block["text"]):
            yield {"type": "text_delta", "text": piece}


def content_events(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield whole responses, each with the next part; the last has the finish reason."""
    frame = {name: value for name, value in whole.items() if name != "candidates"}
    early = {**frame, "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1}}
    for candidate in whole["candidates"]:
        parts = candidate["content"].get("parts") or ()
        pieces = [piece for part in parts for piece in _pieces(part)]
        for piece in pieces:
            content = {"role": "model", "parts": [piece]}
            yield {"candidates": [{"content": content, "index": candidate["index"]}], **early}
        ended = {name: candidate[name] for name in ("finishReason", "index")}
        if candidate["finishReason"] == "SAFETY":
            ended["finishMessage"] = f"{MARK} I will not."
        yield {"candidates": [ended], **frame}


def _pieces(part: dict[str, Any]) -> list[dict[str, Any]]:
    if "text" not in part:
        return [part]
    return [{**part, "text": text} for text in deltas(part["text"])]


def response_events(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the typed, numbered events from which the response is built."""
    opened = {**whole, "status": "in_progress", "output": [], "usage": None}
    opened["incomplete_details"] = None
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": opened},
        {"type": "response.in_progress", "response": opened},
    ]
    for k, item in enumerate(whole["output"]):
        place = {"output_index": k, "item_id": item["id"]}
        started = _announce_item(item)
        events.append({"type": "response.output_item.added", "output_index": k, "item": started})
        events += _ITEM_EVENTS[item["type"]](item, place)
        events.append({"type": "response.output_item.done", "output_index": k, "item": item})
    events.append({"type": f"response.{whole['status']}", "response": whole})
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}


def _announce_item(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as it is announced: without content."""
    started = _blank(item, {"content": [], "arguments": "", "summary": []})
    return {**started, "status": "in_progress"} if "status" in item else started


def _message_events(item: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    part = item["content"][0]
    place = {**place, "content_index": 0}
    name = "text" if part["type"] == "output_text" else "refusal"
    event = f"response.{part['type']}"
    blank = {**part, name: ""}
    if "annotations" in part:
        blank["annotations"] = []
    logprobs: dict[str, Any] = {"logprobs": []} if name == "text" else {}
    yield {"type": "response.content_part.added", **place, "part": blank}
    for piece in deltas(part[name]):
        yield {"type": f"{event}.delta", **place, "delta": piece, **logprobs}
    for k, note in enumerate(part.get("annotations", ())):
        added = "response.output_text.annotation.added"
        yield {"type": added, **place, "annotation_index": k, "annotation": note}
    yield {"type": f"{event}.done", **place, name: part[name], **logprobs}
    yield {"type": "response.content_part.done", **place, "part": part}


def _call_events(item: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    event = "response.function_call_arguments"
    for piece in deltas(item["arguments"]):
        yield {"type": f"{event}.delta", **place, "delta": piece}
    yield {"type": f"{event}.done", **place, "arguments": item["arguments"], "name": item["name"]}


def _reasoning_events(item: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    event = "response.reasoning_summary"
    for k, part in enumerate(item["summary"]):
        where = {**place, "summary_index": k}
        yield {"type": f"{event}_part.added", **where, "part": {**part, "text": ""}}
        for piece in deltas(part["text"]):
            yield {"type": f"{event}_text.delta", **where, "delta": piece}
        yield {"type": f"{event}_text.done", **where, "text": part["text"]}
        yield {"type": f"{event}_part.done", **where, "part": part}


def _search_events(item: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for step in ("in_progress", "searching", "completed"):
        yield {"type": f"response.web_search_call.{step}", **place}


_ITEM_EVENTS = {
    "message": _message_events,
    "function_call": _call_events,
    "reasoning": _reasoning_events,
    "web_search_call": _search_events,
}
