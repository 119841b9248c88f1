"""A stream that loses an event is no whole answer, though its end came: exit 8, in every form."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import DONE, ScriptedReply
from tests.matrix.commands import RECORDING

if TYPE_CHECKING:
    from apiyi_cli.sandbox.server import Gateway
    from tests.conftest import Program

TORN = b'{"id": "c", "choices": [{"delta": {"content": "lost'


def chunk(text: str, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {"id": "c", "choices": [choice]}


def piece(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "text": text, "finish_reason": finish}]}


def block(text: str) -> dict[str, Any]:
    delta = {"type": "text_delta", "text": text}
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def candidate(text: str, **more: str) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [{"text": text}]}, **more}]}


def delta(text: str) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "item_id": "m", "delta": text}


CHAT = [chunk("kept "), TORN, chunk("end", "stop"), DONE]
COMPLETION = [piece("kept "), TORN, piece("end", "stop"), DONE]
MESSAGES = [
    {"type": "message_start", "message": {"id": "a", "model": "m"}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    *(block("kept "), b'{"type": "content_block_delta", "delta": {"text": "los'),
    *(block("end"), {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
    {"type": "message_stop"},
]
GOOGLE = [candidate("kept "), b'{"candidates": [{"con', candidate("end", finishReason="STOP")]
RESPONSES = [
    {"type": "response.created", "response": {"id": "r", "output": []}},
    *(delta("kept "), b'{"type": "response.output_text.delta", "del', delta("end")),
    {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}},
]
SPEECH = [
    {"type": "speech.audio.delta", "audio": "SUQzBAAAAAAAAA=="},
    *(b'{"type": "speech.audio.delta", "au', {"type": "speech.audio.done"}),
]
SPOKEN = [
    {"type": "transcript.text.delta", "delta": "kept "},
    b'{"type": "transcript.text.delta", "de',
    {"type": "transcript.text.done", "text": ""},
]
CLAUDE = "-m claude-opus-5 --protocol anthropic"
GEMINI = "-m gemini-3.6-flash --protocol google"
LINES: dict[str, list[Any]] = {
    "chat hi": CHAT,
    "chat hi --json --stream": CHAT,
    "chat hi --ndjson": CHAT,
    "chat hi -x": CHAT,
    "chat hi -o -": CHAT,
    "complete hi": COMPLETION,
    f"chat hi {CLAUDE}": MESSAGES,
    f"chat hi {GEMINI}": GOOGLE,
    "respond hi": RESPONSES,
    "transcribe talk.wav --stream": SPOKEN,
    "speak hi -o -": SPEECH,
}


@pytest.mark.parametrize("line", LINES)
def test_an_event_that_was_torn_is_missed(apiyi: Program, gateway: Gateway, line: str) -> None:
    (apiyi.work / "talk.wav").write_bytes(RECORDING)
    gateway.script(ScriptedReply.sse(*LINES[line]))
    ran = apiyi(f"{line} --retries 0")
    assert ran.code == 8 and "a part of the answer is missing" in ran.err, ran.err
    assert b"kept " in ran.out or b"ID3" in ran.out


def test_what_was_torn_is_named(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.sse(*CHAT))
    assert '"content": "lost' in apiyi("chat hi --retries 0").err


def test_an_event_without_its_field_name_is_missed(apiyi: Program, gateway: Gateway) -> None:
    frames = [b"data: " + json.dumps(one).encode() for one in (chunk("a"), chunk("c", "stop"))]
    torn = b"da" + json.dumps(chunk("b")).encode()
    body = b"\n\n".join((frames[0], torn, frames[1], b""))
    gateway.script(ScriptedReply(body=body, content_type="text/event-stream"))
    ran = apiyi("chat hi --retries 0")
    assert (ran.code, ran.out) == (8, b"ac\n")


@pytest.mark.parametrize(
    "line", ["batch rows.jsonl -o out.jsonl", f"batch rows.jsonl -o out.jsonl {CLAUDE}"]
)
def test_a_row_that_lost_an_event_is_asked_again_once(
    apiyi: Program, gateway: Gateway, line: str
) -> None:
    (apiyi.work / "rows.jsonl").write_text('{"id": "a", "prompt": "hi"}\n')
    gateway.script(*[ScriptedReply.sse(*(MESSAGES if CLAUDE in line else CHAT))] * 9)
    ran = apiyi(line)
    assert ran.code == 3 and len(gateway.posts) == 2
    (record,) = map(json.loads, (apiyi.work / "out.jsonl").read_text().splitlines())
    assert record["error"]["class"] == "incomplete"
    assert "kept " in record["response"]["body"]


def test_noise_and_what_is_torn_after_the_finish_lose_nothing(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply.sse(chunk("a"), b"oops", chunk("b", "stop"), TORN, DONE))
    ran = apiyi("chat hi")
    assert (ran.code, ran.text) == (0, "ab\n") and "passed over" in ran.err


def test_a_response_that_repeats_its_text_at_the_end_lacks_nothing(
    apiyi: Program, gateway: Gateway
) -> None:
    events = [*RESPONSES[:3], RESPONSES[-1]]
    content = [{"type": "output_text", "text": "kept lost"}]
    item = {"type": "message", "id": "m", "content": content}
    whole = {"id": "r", "status": "completed", "output": [item]}
    events[-1] = {"type": "response.completed", "response": whole}
    gateway.script(ScriptedReply.sse(*events))
    ran = apiyi("respond hi")
    assert (ran.code, ran.text) == (0, "kept lost\n")
    gateway.script(ScriptedReply.sse(*RESPONSES[:-1], events[-1]))
    assert apiyi("respond hi --retries 0").code == 8


def test_a_transcript_that_repeats_its_text_at_the_end_lacks_nothing(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "talk.wav").write_bytes(RECORDING)
    done = {"type": "transcript.text.done", "text": "kept lost"}
    gateway.script(ScriptedReply.sse(*SPOKEN[:2], done))
    ran = apiyi("transcribe talk.wav --stream")
    assert (ran.code, ran.text) == (0, "kept lost\n")
    other = {"type": "transcript.text.done", "text": "another"}
    gateway.script(ScriptedReply.sse(SPOKEN[0], other))
    assert "what was shown differs" in apiyi("transcribe talk.wav --stream").err


@pytest.mark.parametrize("line", ["chat hi", "chat hi -o out.txt", "chat hi --ndjson"])
@pytest.mark.parametrize("shown", [0, 1])
def test_a_long_event_that_was_torn_is_kept(
    apiyi: Program, gateway: Gateway, line: str, shown: int
) -> None:
    torn = json.dumps(chunk("lost " * 2000 + "words"))[:-9].encode()
    gateway.script(ScriptedReply.sse(*[chunk("kept ")] * shown, torn, chunk("", "stop"), DONE))
    ran = apiyi(f"{line} --retries 0")
    assert ran.code == 8 and len(ran.err) < 9000, ran.err
    folder = apiyi.home / "state" / "apiyi" / "rescue"
    assert any(b"lost words" in path.read_bytes() for path in folder.iterdir())


@pytest.mark.parametrize("output", ["NaN", "0.5", "true", '"x"', "{}", "[null]", "[]", "null"])
@pytest.mark.parametrize("line", ["respond hi --json", "respond hi"])
def test_a_response_keeps_its_text_whatever_its_output_is(
    apiyi: Program, gateway: Gateway, line: str, output: str
) -> None:
    end = '{"type": "response.completed", "response": {"status": "completed", "output": %s}}'
    events = [RESPONSES[0], delta("the text"), end % output]
    gateway.script(ScriptedReply.sse(*events))
    ran = apiyi(f"{line} --stream")
    assert ran.code == 0 and "the text" in ran.text


def test_an_item_without_its_text_gets_what_came_before(apiyi: Program, gateway: Gateway) -> None:
    item: dict[str, Any] = {"type": "message", "id": "m", "content": []}
    end = {"type": "response.completed", "response": {"status": "completed", "output": [item]}}
    gateway.script(ScriptedReply.sse(RESPONSES[0], delta("the text"), end))
    (made,) = apiyi("respond hi --json --stream").json["output"]
    assert made["content"][0]["text"] == "the text"
