"""Odd JSON values in every field of every answer: no exit 1, and no paid answer lost.

The values stand in real shapes of answers and go through what a run has: the endpoint's decoder
and the renderers of text and of JSON. Only an ApiyiError may come out, and an answer that is
whole JSON is printed before it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.events import Event, Usage
from apiyi_cli.core.jsontext import as_line, read, write
from apiyi_cli.decode import (
    account,
    chat,
    complete,
    embed,
    image,
    rank,
    respond,
    speak,
    transcribe,
    video,
)
from apiyi_cli.decode.answers.assemble import assemble_completion
from apiyi_cli.decode.chat import find_events
from apiyi_cli.decode.frames.fields import BELIEVED_TOKENS
from apiyi_cli.decode.frames.reply_body import read_json
from apiyi_cli.errors import ApiyiError
from apiyi_cli.render.json_line import ndjson, whole
from apiyi_cli.render.text import text

MARK = "\x00odd\x00"
ODD = {
    "lone surrogate": '"\\ud83d"',
    "surrogate inside": '"a\\udc00b"',
    "infinity": "Infinity",
    "minus infinity": "-Infinity",
    "beyond a double": "1e400",
    "1e300": "1e300",
    "nan": "NaN",
    "400 digits": "9" * 400,
    "5000 digits": "-" + "9" * 5000,
    "2^63": str(2**63),
    "negative": "-1",
    "fraction": "0.5",
    "null": "null",
    "true": "true",
    "empty text": '""',
    "digits as text": '"' + "9" * 5000 + '"',
    "empty list": "[]",
    "empty object": "{}",
    "list of odd": '[null,1,"a",{"a":[]}]',
    # Deeper than orjson (1024) and than Python's stack.
    "nested lists": "[" * 1100 + "]" * 1100,
    "nested objects": '{"text":' * 1100 + "1" + "}" * 1100,
}

COUNTS = {
    "prompt_tokens": 3,
    "completion_tokens": 4,
    "total_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 1},
}
CALL = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "hello",
                "reasoning_content": "hm",
                "refusal": None,
                "tool_calls": [CALL],
                "audio": {"transcript": "x", "data": "AAAA"},
                "images": [{"image_url": {"url": "https://example.com/a.png"}}],
            },
            "logprobs": {"content": [{"token": "a", "logprob": -0.1}]},
            "finish_reason": "stop",
        }
    ],
    "usage": COUNTS,
}
DELTA = {"role": "assistant", "content": "hello", "reasoning_content": "hm", "tool_calls": [CALL]}
CHUNK = {
    "id": "c",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "delta": DELTA, "finish_reason": None}],
    "usage": COUNTS,
}
STOP = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
ITEMS = [
    {"type": "reasoning", "id": "s", "summary": [{"type": "summary_text", "text": "hm"}]},
    {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "{}"},
    {
        "type": "message",
        "id": "m1",
        "content": [{"type": "output_text", "text": "hello", "annotations": []}],
    },
]
RESPONSE = {
    "id": "r",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "m",
    "output": ITEMS,
    "incomplete_details": None,
    "usage": {"input_tokens": 1, "output_tokens": 2, "output_tokens_details": {}},
}
PLACE = {"item_id": "m1", "output_index": 0, "content_index": 0}
RESPONSE_EVENTS = [
    {"type": "response.created", "response": {**RESPONSE, "output": []}},
    {"type": "response.output_item.added", "output_index": 0, "item": ITEMS[1]},
    {"type": "response.output_text.delta", **PLACE, "delta": "hello"},
    {"type": "response.output_text.done", **PLACE, "text": "hello"},
    {"type": "response.function_call_arguments.delta", "item_id": "f", "delta": "{}"},
    {"type": "response.completed", "response": {**RESPONSE, "output": []}},
]
MESSAGE_EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"id": "a", "model": "m", "usage": {"input_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
]
EMBEDDINGS = {
    "object": "list",
    "model": "e",
    "data": [{"object": "embedding", "index": n, "embedding": [0.1, 0.2]} for n in range(2)],
    "usage": {"prompt_tokens": 2, "total_tokens": 2},
}
PICTURES = {
    "created": 1,
    "data": [{"b64_json": "iVBORw0KGgo=", "revised_prompt": "a"}, {"url": "https://x.example/a"}],
    "usage": COUNTS,
}
TRANSCRIPT = {
    "task": "transcribe",
    "language": "en",
    "duration": 1.5,
    "text": "hello",
    "segments": [{"id": 0, "start": 0.0, "end": 1.5, "text": "hello", "speaker": "A"}],
    "words": [{"word": "hello", "start": 0.0, "end": 1.5}],
    "usage": {"type": "duration", "seconds": 2},
}
TRANSCRIPT_EVENTS = [
    {"type": "transcript.text.delta", "delta": "hello"},
    {"type": "transcript.text.done", "text": "hello", "usage": {"total_tokens": 3}},
]
SPOKEN = [{"type": "speech.audio.delta", "audio": "AAAA"}, {"type": "speech.audio.done"}]

MESSAGE: dict[str, Any] = {
    "id": "a",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "hello"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
    ],
    "stop_reason": "end_turn",
    "stop_details": {"type": "refusal", "explanation": "x"},
    "usage": {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 3},
}
MESSAGE_STREAM: list[dict[str, Any]] = [
    *MESSAGE_EVENTS[:3],
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": MESSAGE["content"][2]},
    {"type": "content_block_delta", "index": 1}
    | {"delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_details": {"type": "x"}}},
    {"type": "message_stop"},
]
CANDIDATE = {
    "content": {
        "role": "model",
        "parts": [
            {"text": "hm", "thought": True},
            {"text": "hello", "thoughtSignature": "s"},
            {"functionCall": {"name": "f", "args": {"a": 1}, "id": "c"}},
            {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
            {"fileData": {"fileUri": "https://example.com/a.png"}},
            {"executableCode": {"code": "1"}},
            {"codeExecutionResult": {"output": "1"}},
        ],
    },
    "index": 0,
    "finishMessage": "m",
}
GENERATED = {
    "candidates": [{**CANDIDATE, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "thoughtsTokenCount": 3},
    "modelVersion": "m",
    "responseId": "r",
}
GENERATED_EVENTS: list[dict[str, Any]] = [
    {**GENERATED, "candidates": [CANDIDATE]},
    {**GENERATED, "candidates": [{"content": {"parts": [{"text": "you"}]}}]},
    {"candidates": [{"finishReason": "STOP"}], "responseId": "r"},
]
BLOCKED = {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "no"}}
SCORES = {
    "model": "r",
    "results": [{"index": n, "relevance_score": 0.5, "document": {"text": "a"}} for n in range(2)],
    "usage": {"prompt_tokens": 2, "total_tokens": 2},
}
SUBMITTED = {"request_id": "q", "output": {"task_id": "t", "task_status": "PENDING"}, "id": "t"}
TASK = {
    "id": "t",
    "status": "completed",
    "progress": "100%",
    "content": {"video_url": "https://example.com/v.mp4"},
    "result_url": "https://example.com/v.mp4",
    "usage": {"completion_tokens": 3},
    "completed_at": 1_700_000_000,
}
FAILED_TASK = {"status": "failed", "error": {"code": "c", "message": "m"}, "fail_reason": "why"}
BALANCE = {
    "success": True,
    "data": {"quota": 1, "used_quota": 2, "request_count": 3, "group": "default"},
}
LOG = {
    "success": True,
    "data": {
        "items": [
            {
                "request_id": "r",
                "created_at": 1_700_000_000,
                "model_name": "m",
                "quota": 5,
                "prompt_tokens": 1,
                "completion_tokens": 2,
            }
        ],
        "total": 1,
    },
}

Answer = dict[str, Any] | list[dict[str, Any]]
Reader = Callable[[Reply], Iterator[Any]]


def quiet(event: Event) -> None:
    """Take what goes aside; counts that are told are within reason."""
    if isinstance(event, Usage):
        counts = (event.prompt_tokens, event.completion_tokens, event.total_tokens)
        assert all(one is None or 0 <= one <= 2 * BELIEVED_TOKENS for one in counts)


def shown(events: Any, choices: int = 1) -> Callable[[Callable[[], Reply], bool], None]:
    """Return what prints a reply in every form."""

    def run(reply: Callable[[], Reply], is_whole: bool) -> None:
        for form in ("text", "ndjson", "json"):
            lines: list[bytes] = []
            try:
                batches = events(reply(), choices=choices, verbatim=form != "text")
                if form == "text":
                    printed = text(batches, on_event=quiet)
                elif form == "ndjson":
                    printed = ndjson(batches, on_event=quiet)
                else:
                    printed = whole(batches, on_event=quiet, assemble=assemble_completion)
                for line in printed:
                    lines.append(line)
            except ApiyiError as error:
                # What is no answer of this API is told; an answer is printed all the same.
                assert lines or form == "text" or not is_whole or error.exit_code == 6
            for line in lines if form != "text" else ():
                for one in line.splitlines():
                    read(one)

    return run


def chat_of(protocol: Any) -> Any:
    return find_events(Call("POST", "/", protocol=protocol))


def vectors_of(reply: Callable[[], Reply], is_whole: bool) -> None:
    try:
        found = embed.vectors(reply(), 2, keep_body=True)
    except ApiyiError:
        return
    read(embed.merge_replies([found.raw, found.raw], [[0, 1], [2, 3]]))


def pictures_of(reply: Callable[[], Reply], is_whole: bool) -> None:
    image.pictures(reply())


def transcript_of(reply: Callable[[], Reply], is_whole: bool) -> None:
    found = transcribe.transcript(reply())
    for form in ("text", "json", "verbose_json", "srt", "vtt"):
        try:
            transcribe.format_transcript(found, form)
            transcribe.format_transcript(
                transcribe.join_transcripts([(found, 0.0), (found, 60.0)]), form
            )
        except ApiyiError:
            continue
    assert found.lines is not None
    assert found.usage is None or found.usage.total_tokens is None or found.usage.total_tokens >= 0


def speech_of(reply: Callable[[], Reply], is_whole: bool) -> None:
    list(speak.audio(reply()))


def scores_of(reply: Callable[[], Reply], is_whole: bool) -> None:
    found = rank.scores(reply(), 2, keep_body=True)
    read(rank.merge_scores([((0, 1), found.raw)], list(found.by_index.items())))
    read(rank.merge_scores([((2, 3), found.raw), ((0, 1), found.raw)], [(0, 0.5), (2, 0.5)]))


def task_of(reply: Callable[[], Reply], is_whole: bool) -> None:
    found, raw = video.read_task(reply())
    read(as_line(raw))  # as --json prints it
    assert found.finished is None or found.finished < 1e11


def submitted_of(reply: Callable[[], Reply], is_whole: bool) -> None:
    video.task_id(read_json(reply())[0]).encode()


def balance_of(reply: Callable[[], Reply], is_whole: bool) -> None:
    write(list(account.read_balance(read_json(reply())[0])))


def charges_of(reply: Callable[[], Reply], is_whole: bool) -> None:
    for charge in account.read_charges(read_json(reply())[0]):
        write(list(charge))
        datetime.fromtimestamp(charge.created_at, UTC)


def value_of(reply: Callable[[], Reply], is_whole: bool) -> None:
    read_json(reply())


Run = Callable[[Callable[[], Reply], bool], None]
SHAPES: dict[str, tuple[Any, Run]] = {
    "chat": (CHAT, shown(chat.events)),
    "chat, two choices": (CHAT, shown(chat.events, 2)),
    "chat stream": ([CHUNK, STOP], shown(chat.events)),
    "complete": (
        {"id": "c", "choices": [{"text": "hello", "index": 0, "finish_reason": "stop"}]},
        shown(complete.events),
    ),
    "respond": (RESPONSE, shown(respond.events)),
    "respond stream": (RESPONSE_EVENTS, shown(respond.events)),
    "messages": (MESSAGE_EVENTS, shown(chat.events)),
    "message": (MESSAGE, shown(chat_of("anthropic"))),
    "message stream": (MESSAGE_STREAM, shown(chat_of("anthropic"))),
    "generate": (GENERATED, shown(chat_of("google"))),
    "generate stream": (GENERATED_EVENTS, shown(chat_of("google"))),
    "blocked": (BLOCKED, shown(chat_of("google"))),
    "rank": (SCORES, scores_of),
    "video submitted": (SUBMITTED, submitted_of),
    "video task": (TASK, task_of),
    "failed video": (FAILED_TASK, task_of),
    "balance": (BALANCE, balance_of),
    "charges": (LOG, charges_of),
    "pictures from chat": (PICTURES, shown(chat.events)),
    "embed": (EMBEDDINGS, vectors_of),
    "image": (PICTURES, pictures_of),
    "transcribe": (TRANSCRIPT, transcript_of),
    "transcribe stream": (TRANSCRIPT_EVENTS, shown(transcribe.events)),
    "speak": (SPOKEN, speech_of),
    "models": ({"object": "list", "data": [{"id": "m", "object": "model"}]}, value_of),
    "error": ({"error": {"message": "m", "type": "t", "code": "c", "param": None}}, value_of),
}


def with_odd_field(node: Any) -> Iterator[Any]:
    """Yield copies of a value in which one field or item is the mark, each place once."""
    if isinstance(node, dict):
        for name, inner in node.items():
            yield {**node, name: MARK}
            for other in with_odd_field(inner):
                yield {**node, name: other}
    elif isinstance(node, list):
        for place, inner in enumerate(node):
            yield [*node[:place], MARK, *node[place + 1 :]]
            for other in with_odd_field(inner):
                yield [*node[:place], other, *node[place + 1 :]]


def bodies(answer: Answer, odd: str) -> Iterator[bytes]:
    """Yield the bodies of an answer with the odd value in each place."""
    return (body_with(changed, odd) for changed in with_odd_field(answer))


def body_with(answer: Answer, odd: str) -> bytes:
    """Return the body of an answer, with the odd value where its mark is."""
    events = answer if isinstance(answer, list) else [answer]
    texts = [json.dumps(event).replace(json.dumps(MARK), odd) for event in events]
    if isinstance(answer, dict):
        return texts[0].encode()
    return "".join(f"data: {one}\n\n" for one in texts).encode()


def reply_of(body: bytes, *, streams: bool) -> Callable[[], Reply]:
    kind = "text/event-stream" if streams else "application/json"
    return lambda: Reply(200, {"content-type": kind}, (body,))


def test_the_cells_are_as_many_as_the_contract_wants() -> None:
    fields = sum(1 for answer, _ in SHAPES.values() for _ in with_odd_field(answer))
    assert fields * len(ODD) > 3000


@pytest.mark.parametrize("shape", SHAPES)
def test_an_odd_value_in_any_field_is_no_defect(shape: str) -> None:
    places = len(list(with_odd_field(SHAPES[shape][0])))
    # Each place has three of the values, each value its places.
    step = max(1, len(ODD) // 3)
    for number, odd in enumerate(ODD.values()):
        check(shape, odd, range((number + len(shape)) % step, places, step))


@pytest.mark.nightly
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_odd_value_in_every_field_is_no_defect(shape: str, odd: str) -> None:
    places = len(list(with_odd_field(SHAPES[shape][0])))
    check(shape, odd, range(places))


def check(shape: str, odd: str, places: range) -> None:
    """Read the bodies of an answer that has the odd value in these of its places."""
    answer, run = SHAPES[shape]
    changed = list(with_odd_field(answer))
    for body in (body_with(changed[place], odd) for place in places):
        try:
            run(reply_of(body, streams=isinstance(answer, list)), isinstance(answer, dict))
        except ApiyiError:
            continue


def mutate(body: bytes, dice: random.Random) -> bytes:
    """Return a reply as a bad line or a bad gateway may make it."""
    data = bytearray(body)
    for _ in range(dice.randrange(1, 5)):
        at = dice.randrange(len(data) + 1)
        kind = dice.randrange(6)
        if kind == 0:
            del data[at : at + dice.randrange(1, 40)]
        elif kind == 1:
            data[at:at] = data[dice.randrange(len(data) + 1) :][: dice.randrange(1, 200)]
        elif kind == 2 and data:
            data[at % len(data)] = dice.randrange(256)
        elif kind == 3:
            data[at:at] = dice.choice((b"{", b"]", b'"', b"\n\n", b"data: ", b"null", b"\\ud800"))
        elif kind == 4:
            odd = dice.choice(list(ODD.values())).encode()
            data[at : at + dice.randrange(4)] = odd
        else:
            data = data[:at] or data
    return bytes(data)


def fuzz(seed: int) -> None:
    dice = random.Random(seed)
    answer, run = SHAPES[dice.choice(list(SHAPES))]
    streams = isinstance(answer, list)
    body = next(bodies(answer, dice.choice(list(ODD.values()))))
    if dice.random() < 0.7:
        events = answer if isinstance(answer, list) else [answer]
        texts = [write(event) for event in events]
        body = b"".join(b"data: %s\n\n" % one for one in texts) if streams else texts[0]
    body = mutate(body, dice)
    size = dice.choice((1 << 20, 1, 7, 100))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    kind = dice.choice(("text/event-stream", "application/json", "text/plain", ""))
    status = dice.choice((200, 200, 200, 400, 500, 503))
    try:
        run(lambda: Reply(status, {"content-type": kind}, tuple(pieces)), False)
    except ApiyiError:
        return


@pytest.mark.parametrize("hundred", range(4))
def test_mutated_replies_are_no_defect(hundred: int) -> None:
    for seed in range(100 * hundred, 100 * (hundred + 1)):
        fuzz(seed)


@pytest.mark.nightly
@pytest.mark.parametrize("thousand", range(20))
def test_twenty_thousand_mutated_replies_are_no_defect(thousand: int) -> None:
    for seed in range(1000 * thousand, 1000 * (thousand + 1)):
        fuzz(seed)
