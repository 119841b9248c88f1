"""An error as the first event of a stream, and after another: whose it is, and who pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

LINES = {
    "chat": "chat hi -m gpt-4o",
    "chat --json": "chat hi -m gpt-4o --json",
    "complete": "complete hi -m gpt-3.5-turbo-instruct",
    "respond": "respond hi -m gpt-4o",
    "claude": "chat hi -m claude-opus-5 --protocol anthropic",
    "embed": "embed hi -m text-embedding-3-small",
    "speak": "speak hi -m gpt-4o-mini-tts -O stream_format=sse",
    "image": "image hi -m gpt-image-2 -o a.png",
    "transcribe": "transcribe a.wav -m gpt-4o-transcribe",
}


def error(message: str, type: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": type, "code": None}}


PASSED_ON = error("the server is overloaded", "server_error")
DEALT_WITH = error(
    "upstream overloaded (request id: 20261129193047881249013shKqsrFC)", "server_error"
)
OWN = error("系统繁忙，请稍后再试", "new_api_error")
OPENING = {
    "type": "response.created",
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}],
    "response": {"id": "r", "object": "response", "status": "in_progress", "output": []},
}
CLAUDE_OPENING = {"type": "message_start", "message": {"role": "assistant", "content": []}}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
@pytest.mark.parametrize(
    ("events", "code"),
    [((PASSED_ON,), 8), ((DEALT_WITH,), 5), ((OWN,), 5), ((OPENING, OWN), 8)],
    ids=["an upstream's", "dealt with", "the gateway's", "after another"],
)
@pytest.mark.off_schema
def test_an_error_event_is_free_only_in_the_gateways_voice(
    apiyi: Program, gateway: Gateway, line: str, events: tuple[dict[str, Any], ...], code: int
) -> None:
    (apiyi.work / "a.wav").write_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(30))
    if "anthropic" in line:
        events = tuple(CLAUDE_OPENING if event is OPENING else event for event in events)
    gateway.script(ScriptedReply.sse(*events))
    ran = apiyi(f"{line} --retries 0")
    assert ran.code == code, ran.err
    assert ("may have been billed" in ran.err) == (code == 8)
