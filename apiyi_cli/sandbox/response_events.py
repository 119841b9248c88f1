"""Splits a finished response into the typed events of its stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiyi_cli.sandbox.request_summary import deltas


def events(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
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
    empty: dict[str, Any] = {"content": [], "arguments": "", "summary": []}
    started = {name: empty.get(name, value) for name, value in item.items()}
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
