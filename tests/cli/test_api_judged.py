"""What `api` says of an answer that it prints as it came: whose it is, and whether it is whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

PAGE = b"<!doctype html>\n<html><head><title>API</title></head><body>log in</body></html>"


def events(*values: object) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(value).encode() for value in values)


def chunk(text: str, reason: str | None = None) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}


GOOGLE = {"candidates": [{"content": {"parts": [{"text": "hi"}]}}]}
BODIES: dict[str, tuple[bytes, str, int]] = {
    "page": (PAGE, "text/html", 6),
    "page as JSON": (PAGE, "application/json", 6),
    "refusal": (b'{"success":false,"message":"no"}', "application/json", 6),
    "error": (b'{"error":{"message":"no","code":"invalid_api_key"}}', "application/json", 4),
    "success": (b'{"success":true,"message":"","data":{"x":1}}', "application/json", 0),
    "words": (b"plain words", "text/plain", 0),
    "nothing": (b"", "application/json", 0),
    "whole": (events(chunk("hi"), chunk("", "stop")), "text/event-stream", 0),
    "cut": (events(chunk("hi")), "text/event-stream", 8),
    "cut and done": (events(chunk("hi")) + b"data: [DONE]\n\n", "text/event-stream", 8),
    "a text that says it": (events(chunk('"finish_reason":"stop"')), "text/event-stream", 8),
    "messages": (
        events({"type": "message_start"}, {"type": "message_stop"}),
        "text/event-stream",
        0,
    ),
    "messages cut": (events({"type": "message_start"}), "text/event-stream", 8),
    "responses": (
        events({"type": "response.created"}, {"type": "response.completed"}),
        "text/event-stream",
        0,
    ),
    "responses cut": (events({"type": "response.created"}), "text/event-stream", 8),
    "google": (
        events({"candidates": [{**GOOGLE["candidates"][0], "finishReason": "STOP"}]}),
        "text/event-stream",
        0,
    ),
    "google cut": (events(GOOGLE), "text/event-stream", 8),
    "other events": (events({"tick": 1}), "text/event-stream", 0),
}


@pytest.mark.parametrize("name", BODIES)
def test_the_answer_is_printed_as_it_came_and_judged(
    apiyi: Program, gateway: Gateway, name: str
) -> None:
    body, kind, code = BODIES[name]
    gateway.script(*[ScriptedReply(body=body, content_type=kind)] * 3)
    ran = apiyi("api odd/path --retries 0")
    assert (ran.code, ran.out) == (code, body), ran.err
    assert len(gateway.ledger) == 1


@pytest.mark.parametrize("path", ["/", "//x", "/console", "/x/y"])
def test_a_path_of_the_web_site_is_not_the_api(apiyi: Program, gateway: Gateway, path: str) -> None:
    ran = apiyi(["api", path])
    assert ran.code == 6 and b"<html" in ran.out and "not the API" in ran.err
