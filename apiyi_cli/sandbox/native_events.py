"""Splits whole answers of /messages and generateContent into their stream's events."""

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
    empty: dict[str, Any] = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {name: empty.get(name, value) for name, value in block.items()}


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


def stream_events(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
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
