"""Odd JSON values in every field of every answer: no exit 1, and no paid answer lost.

The values stand in real shapes of answers and go through what a run has: the endpoint's decoder
and the renderers of text and of JSON. Only an ApiyiError may come out, and an answer that is
whole JSON is printed before it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from apiyi_cli.core.call import Reply
from apiyi_cli.core.events import Event, Usage
from apiyi_cli.core.jsontext import read, write
from apiyi_cli.decode import chat, complete, embed, image, respond, speak, transcribe
from apiyi_cli.decode.assemble import assemble_completion
from apiyi_cli.decode.reply_body import read_json
from apiyi_cli.decode.usage import BELIEVED_TOKENS
from apiyi_cli.errors import ApiyiError
from apiyi_cli.render.ndjson import ndjson
from apiyi_cli.render.text import text
from apiyi_cli.render.whole import whole

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
    "nested lists": "[" * 2000 + "]" * 2000,
    "nested objects": '{"text":' * 2000 + "1" + "}" * 2000,
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
MESSAGE_EVENTS = [
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
    for changed in with_odd_field(answer):
        events = changed if isinstance(changed, list) else [changed]
        texts = [json.dumps(event).replace(json.dumps(MARK), odd) for event in events]
        if isinstance(answer, dict):
            yield texts[0].encode()
        else:
            yield "".join(f"data: {one}\n\n" for one in texts).encode()


def reply_of(body: bytes, *, streams: bool) -> Callable[[], Reply]:
    kind = "text/event-stream" if streams else "application/json"
    return lambda: Reply(200, {"content-type": kind}, (body,))


def test_the_cells_are_as_many_as_the_contract_wants() -> None:
    fields = sum(1 for answer, _ in SHAPES.values() for _ in with_odd_field(answer))
    assert fields * len(ODD) > 3000


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_odd_value_in_any_field_is_no_defect(shape: str, odd: str) -> None:
    answer, run = SHAPES[shape]
    found = list(bodies(answer, odd))
    if len(odd) > 4000 and odd[0] in "[{":
        # They are slow to read: every third place, another one in each shape.
        found = found[len(shape) % 3 :: 3]
    for body in found:
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
    body = next(iter(bodies(answer, dice.choice(list(ODD.values())))))
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
