"""Values of wrong types in every place: decoders may refuse them, but never break."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from apiyi_cli.core.call import Reply
from apiyi_cli.core.events import EventBatch
from apiyi_cli.decode import chat, complete, respond
from apiyi_cli.decode.answers.assemble import assemble_completion
from apiyi_cli.decode.errors.fault import classify_event, classify_reply
from apiyi_cli.decode.frames.reply_body import read_json
from apiyi_cli.errors import ApiyiError
from tests.sampled import sampled

JUNK: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    7,
    2**70,
    0.5,
    "",
    "x",
    "\ud83d",
    [],
    {},
    [None],
    [[1]],
]
JUNK += [{"a": 1}, [{"a": {}}], {"text": 1}, {"type": "x"}, {"message": []}, {"error": "e"}]

ANY_JUNK = sampled(((junk,) for junk in JUNK), 3, map(ascii, JUNK))

CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
DELTA = {
    "role": "assistant",
    "content": [{"type": "text", "text": "a"}],
    "reasoning_content": "r",
    "refusal": "n",
    "audio": {"transcript": "t", "data": "QQ=="},
    "tool_calls": [CALL, CALL],
    "function_call": {"name": "f", "arguments": "{}"},
}
CHUNK = {
    "id": "i",
    "object": "chat.completion.chunk",
    "model": "m",
    "choices": [
        {"index": 0, "delta": DELTA, "logprobs": {"content": [1]}, "finish_reason": "stop"},
        {"index": 1, "message": DELTA, "text": "t", "usage": USAGE, "finish_reason": "error"},
    ],
    "usage": USAGE,
}
ITEMS = [
    {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "a"}]},
    {"type": "reasoning", "id": "s", "summary": [{"type": "summary_text", "text": "a"}]},
    {"type": "function_call", "id": "f", "call_id": "c", "name": "n", "arguments": "{}"},
]
RESPONSE = {
    "id": "r",
    "object": "response",
    "model": "m",
    "status": "incomplete",
    "incomplete_details": {"reason": "max_output_tokens"},
    "output": ITEMS,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
PLACE = {"item_id": "m", "output_index": 0, "content_index": 0, "summary_index": 0}
EVENTS = [
    {"type": "response.created", "response": RESPONSE},
    {"type": "response.output_item.added", "output_index": 0, "item": ITEMS[2]},
    {"type": "response.output_text.delta", "delta": "a", **PLACE},
    {"type": "response.output_text.done", "text": "ab", **PLACE},
    {"type": "response.reasoning_summary_text.delta", "delta": "a", **PLACE},
    {"type": "response.function_call_arguments.done", "arguments": "{}", **PLACE},
    {"type": "response.output_item.done", "output_index": 0, "item": ITEMS[1]},
    {"type": "response.incomplete", "response": RESPONSE},
]
ERROR = {
    "error": {"message": "m", "type": "t", "code": "c", "param": "p", "status": "S"},
    "success": False,
    "status_code": 500,
    "request_id": "r",
    "header": {"message": "m"},
    "detail": [{"loc": ["a", 1], "msg": "m"}],
}


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    names = (
        value if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0)
    )
    for name in names:
        yield from places(value[name], (*at, name))


def insert_junk(value: Any, at: tuple[Any, ...], junk: Any) -> Any:
    """Return the value with junk in one place."""
    if not at:
        return junk
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = insert_junk(value[at[0]], at[1:], junk)
    return copy


def survives(read: Callable[..., Iterator[EventBatch]], raw: bytes, **how: Any) -> None:
    try:
        for batch in read(Reply(200, {}, [raw]), **how):
            for event in batch:
                for name in ("text", "id", "name", "arguments", "reason", "model"):
                    str(getattr(event, name, "")).encode()
    except ApiyiError as error:
        str(error).encode()


@pytest.mark.parametrize("junk", ANY_JUNK)
def test_a_chat_with_junk_in_any_place_is_read_or_refused(junk: Any) -> None:
    for at in places(CHUNK):
        raw = json.dumps(insert_junk(CHUNK, at, junk)).encode()
        for read in (chat.events, complete.events):
            survives(read, b"data: " + raw + b"\n\ndata: " + raw + b"\n\n", verbatim=True)
            survives(read, raw, choices=2)
        assemble_completion([raw, raw])


@pytest.mark.parametrize("junk", ANY_JUNK)
def test_a_response_with_junk_in_any_place_is_read_or_refused(junk: Any) -> None:
    for at in places(RESPONSE):
        survives(respond.events, json.dumps(insert_junk(RESPONSE, at, junk)).encode())
    for at in places(EVENTS):
        if at:
            stream = [json.dumps(event).encode() for event in insert_junk(EVENTS, at, junk)]
            survives(respond.events, b"".join(b"data: " + one + b"\n\n" for one in stream))
            assemble_completion(stream)


@pytest.mark.parametrize("junk", ANY_JUNK)
def test_an_error_with_junk_in_any_place_is_an_error_or_none(junk: Any) -> None:
    for at in places(ERROR):
        spoilt = insert_junk(ERROR, at, junk)
        for part in (spoilt, [spoilt], {"error": spoilt}):
            raw = json.dumps(part).encode()
            told = classify_reply(Reply(500, {}, ()), raw, cost="text")
            str(told).encode()
            json.dumps(told.as_json()).encode()
            if (found := classify_event(part)) is not None:
                str(found).encode()
            try:
                read_json(Reply(200, {}, [raw]))
            except ApiyiError as error:
                str(error).encode()


def test_bytes_at_random_are_read_or_refused() -> None:
    seeded = random.Random(7)
    good = b"data: " + json.dumps(CHUNK).encode() + b"\n\n"
    for _ in range(1_000):
        raw = bytearray(good * 2)
        for _ in range(seeded.randrange(1, 6)):
            raw[seeded.randrange(len(raw))] = seeded.randrange(256)
        survives(chat.events, bytes(raw))
        survives(chat.events, bytes(raw[6:]))


def test_what_is_nested_too_deeply_is_passed_over() -> None:
    deep = b"data: " + b"[" * 100_000 + b"\n\n"

    survives(chat.events, deep)
    survives(chat.events, deep.replace(b"\n\n", b"\n") + deep)
    survives(chat.events, deep[6:])
