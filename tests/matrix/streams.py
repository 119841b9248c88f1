"""Faults 9-17 and 31-34: between the headers and the end of an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any

import orjson

from apiyi_cli.sandbox.scripted_reply import DONE, ScriptedReply, error_body, frame
from tests.matrix.commands import TYPED, WORDS, Command, completion, response, whole_chat
from tests.matrix.scenes import EVENTS, OBJECTS, STREAMS, Fault, Made

# How many events come before the first word.
OPENING = {"chat": 1, "chat-joined": 1, "respond": 1, "complete": 0}


def words(count: int) -> bytes:
    """Return what is printed when so many words came, and a line end."""
    return "".join(WORDS[:count]).encode() + b"\n" if count > 0 else b""


def after_events(k: int) -> dict[str, bytes]:
    """Return what each command has printed after so many events."""
    return {name: words(k - before) for name, before in OPENING.items()}


def pieces(command: Command) -> tuple[bytes, ...]:
    """Return the events of the right answer."""
    assert isinstance(command.well.body, tuple)
    return command.well.body


def torn(command: Command) -> ScriptedReply:
    if isinstance(command.well.body, bytes):
        return command.well.reset(at=len(command.body) // 2)
    return command.well.reset(2)


def torn_once(command: Command) -> Sequence[ScriptedReply]:
    return torn(command), command.well


def reset_after(k: int) -> Made:
    return lambda command: command.well.reset(k)


def closed_early(command: Command) -> ScriptedReply:
    if command.reads == "object":
        half = command.body[: len(command.body) // 2]
        return command.well.replace(body=half, transfer="close")
    return command.well.replace(body=pieces(command)[:3], transfer="close")


def not_done(command: Command) -> ScriptedReply:
    return command.well.replace(body=tuple(one for one in pieces(command) if one != frame(DONE)))


def not_finished(command: Command) -> ScriptedReply:
    ends = (b'"finish_reason":"', b"response.completed")
    kept = (one for one in pieces(command) if not any(end in one for end in ends))
    return command.well.replace(body=(*kept, frame(DONE)))


def held(command: Command) -> ScriptedReply:
    body = command.well.body
    return command.well.replace(body=(body,) if isinstance(body, bytes) else body).hold()


def dripping(command: Command) -> ScriptedReply:
    return command.well.replace(drip_head=True, gap_s=0.1)


def split(**how: Any) -> Made:
    return lambda command: command.well.replace(**how)


def endless(body: Callable[[], Iterator[bytes]], content_type: str, gap_s: float = 0.02) -> Made:
    return lambda command: ScriptedReply(body=body, content_type=content_type, gap_s=gap_s)


def endless_words(command: Command) -> ScriptedReply:
    one = pieces(command)[OPENING[command.name]]
    first = pieces(command)[: OPENING[command.name]]

    def body() -> Iterator[bytes]:
        yield from first
        yield from repeat(one)

    return command.well.replace(body=body, gap_s=0.02)


def error_after(k: int) -> Made:
    error = error_body("上游负载已饱和", code="rate_limit_exceeded", type="rate_limit_error")
    return lambda command: command.well.replace(
        body=(*pieces(command)[:k], frame(error)), billed=k > 0
    )


def text_of(text: str) -> Made:
    """Play an answer with this text in two pieces."""
    half = len(text) // 2

    def made(command: Command) -> ScriptedReply:
        two = (text[:half], text[half:])
        if command.name == "respond":
            return response(*two)
        if command.name == "complete":
            return completion(*two)
        return (
            ScriptedReply.chat(*two)
            if command.reads == "events"
            else ScriptedReply.json(whole_chat(text))
        )

    return made


def bytewise(made: Made) -> Made:
    def cut(command: Command) -> ScriptedReply:
        reply = made(command)
        assert isinstance(reply, ScriptedReply)
        return reply.replace(split="bytes")

    return cut


def chunk(**choice: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}


def chat(*events: Any) -> Made:
    """Play a chat stream of these events, then a finish."""
    end = chunk(delta={}, finish_reason="stop")
    return lambda command: ScriptedReply.sse(*events, end, DONE)


def spelled(change: Callable[[bytes], bytes]) -> Made:
    """Play the right events, spelled otherwise."""
    return lambda command: command.well.replace(body=change(b"".join(pieces(command))))


SAID = [chunk(delta={"content": word}) for word in WORDS]
RAW_HALVES = b"".join(
    b"data: " + orjson.dumps(chunk(delta={"content": "half"})).replace(b"half", half) + b"\n\n"
    for half in (rb"\ud83d", rb"\ude00")
)
NASTY = "é中🤖\u2028\u2029\x85\x0b\x1c\x00\ufeff\r\n\ttail"

CUTS = tuple(
    Fault(
        10,
        f"reset after event {k}",
        on,
        8,
        reset_after(k),
        out=after_events(k),
    )
    for k, on in (
        (0, "chat"),
        (1, "chat respond"),
        (2, EVENTS),
        (4, "chat complete"),
        (6, "chat respond"),
    )
)
FAULTS = (
    Fault(9, "reset in the body", f"chat {OBJECTS} speak api", 8, torn),
    Fault(
        9,
        "reset in the body, once",
        "chat chat-joined chat-whole embed image models api",
        {"shown": 8, "heavy": 8, "else": 0},
        torn_once,
        options="--retries 1",
        asked={"shown": 1, "heavy": 1, "else": 2},
    ),
    *CUTS,
    Fault(11, "the end without a sign of it", EVENTS, 8, closed_early, out=after_events(3)),
    Fault(11, "half an object, and the end", OBJECTS, 8, closed_early, out=b""),
    Fault(12, "finished, and not done", "chat chat-joined complete", 0, not_done),
    Fault(12, "done, and not finished", EVENTS, 8, not_finished, out=TYPED),
    Fault(13, "done, and left open", STREAMS, 0, held),
    Fault(
        13,
        "a whole object that is left open",
        "chat-whole image models",
        0,
        held,
        options="--timeout 0.5",
    ),
    Fault(
        14,
        "headers one byte at a time",
        "chat chat-whole embed image speak models",
        {"free": 5, "else": 8},
        dripping,
        options="--timeout 0.4 --retries 0",
        said=("no answer within",),
    ),
    Fault(15, "one byte at a time", "chat respond embed image", 0, split(split="bytes")),
    Fault(15, "all in one piece", "respond", 0, split(split="one")),
    Fault(15, "cut at random", "complete embed", 0, split(split="random", seed=7)),
    Fault(
        16,
        "comments without end",
        "chat respond",
        8,
        endless(lambda: repeat(b": PING\n\n"), "text/event-stream"),
        options="--timeout 0.4 --retries 0",
        said=("no event for",),
    ),
    Fault(
        17,
        "words without end",
        "chat complete",
        9,
        endless_words,
        options="--max-time 1",
        truth=WORDS[0].encode() * 10_000,
        said=("--max-time",),
    ),
    Fault(
        17,
        "padding without end",
        "chat-whole image",
        9,
        endless(lambda: repeat(b" \n"), "application/json"),
        options="--max-time 1",
        said=("--max-time",),
    ),
    Fault(
        31,
        "an error before the first word",
        STREAMS,
        5,
        error_after(0),
        said=("上游负载已饱和",),
    ),
    Fault(31, "an error after a part", EVENTS, 8, error_after(3), out=after_events(3)),
    Fault(
        31,
        "an error before the first word, once",
        "chat respond",
        0,
        lambda command: (error_after(0)(command), command.well),  # type: ignore[arg-type,return-value]
        options="--retries 1",
        asked=2,
    ),
    Fault(
        32,
        "characters of all kinds",
        "complete chat-joined chat-whole",
        0,
        text_of(NASTY),
        truth=NASTY.encode() + b"\n",
    ),
    Fault(
        32,
        "characters in pieces",
        "chat respond",
        0,
        bytewise(text_of(NASTY)),
        truth=NASTY.encode() + b"\n",
    ),
    Fault(
        32,
        "bytes that are not UTF-8",
        "chat chat-whole",
        0,
        lambda command: command.well.replace(body=command.body.replace(b"sea", b"s\xffa")),
        truth="Rivers run to the s\ufffda.\n".encode(),
    ),
    Fault(
        32,
        "the halves of a surrogate pair",
        "chat",
        0,
        lambda command: ScriptedReply(
            body=RAW_HALVES + b"".join(pieces(command)[-3:]), content_type="text/event-stream"
        ),
        truth="😀\n".encode(),
    ),
    Fault(
        32,
        "a mark before the first byte",
        "chat chat-whole embed models",
        0,
        lambda command: command.well.replace(body=b"\xef\xbb\xbf" + command.body),
    ),
    Fault(
        33,
        "no choices",
        "chat",
        8,
        lambda command: ScriptedReply.sse({"id": "c", "choices": []}, DONE),
    ),
    Fault(
        33,
        "no choices in a whole answer",
        "chat-whole",
        8,
        lambda command: ScriptedReply.json({**whole_chat(), "choices": []}),
    ),
    Fault(33, "deltas of null", "chat", 0, chat(chunk(delta=None), *SAID)),
    Fault(
        33,
        "usage of null and numbers as texts",
        "chat",
        0,
        chat({**SAID[0], "usage": None, "created": "x"}, *SAID[1:]),
    ),
    Fault(
        33,
        "huge numbers and keys that come twice",
        "chat chat-joined",
        0,
        chat(
            orjson.dumps(SAID[0])[:-1] + b',"created":1180591620717411303424,"created":1}',
            *SAID[1:],
        ),
    ),
    Fault(33, "what is not JSON among events", "chat chat-joined", 0, chat("{oops", *SAID)),
    Fault(
        33,
        "an object of another endpoint",
        "chat-whole respond embed image transcribe models",
        {"text": 6, "else": 8},
        lambda command: ScriptedReply.json({"hello": "world"}),
    ),
    Fault(
        34,
        "lines that end in CRLF",
        "chat respond",
        0,
        spelled(lambda raw: raw.replace(b"\n", b"\r\n")),
    ),
    Fault(
        34, "lines that end in CR", "complete", 0, spelled(lambda raw: raw.replace(b"\n", b"\r"))
    ),
    Fault(
        34,
        "ids, waits and names of events",
        "chat",
        0,
        spelled(lambda raw: raw.replace(b"data:", b"id: 7\nretry: 10\nevent: message\ndata:")),
    ),
    Fault(
        34,
        "no space and no last blank line",
        "chat respond",
        0,
        spelled(lambda raw: raw.replace(b"data: ", b"data:").rstrip(b"\n")),
    ),
)
