"""Chat replies: the same events from streams and whole bodies, and proof that they are complete."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from apiyi_cli.core.call import Cost, Reply
from apiyi_cli.core.events import (
    About,
    Chunk,
    Delta,
    Empty,
    Event,
    Finish,
    Notice,
    Reasoning,
    Refusal,
    ToolCall,
    Usage,
)
from apiyi_cli.decode.answers.answer import finish_reason
from apiyi_cli.decode.chat import events
from apiyi_cli.errors import ApiyiError, IncompleteError, LimitError, TemporaryError

DONE = b"data: [DONE]\n\n"
SSE = {"content-type": "text/event-stream"}


def data(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def piece(index: int = 0, finish: str | None = None, **delta: Any) -> bytes:
    return data({"choices": [{"index": index, "delta": delta, "finish_reason": finish}]})


def stop(index: int = 0, reason: str = "stop") -> bytes:
    return piece(index, reason)


def call(index: int | None, id: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    told: dict[str, Any] = {"id": id, "type": "function", "function": function}
    return told if index is None else {"index": index, **told}


def reply(chunks: Iterable[bytes], headers: dict[str, str] | None = None, **rest: Any) -> Reply:
    return Reply(200, SSE if headers is None else headers, chunks, **rest)


def read(
    chunks: Iterable[bytes], *, choices: int = 1, verbatim: bool = False, cost: Cost = "text"
) -> tuple[list[Event], ApiyiError | None]:
    """Return all events of a stream and the error that it ended with."""
    found: list[Event] = []
    try:
        for batch in events(reply(chunks), choices=choices, verbatim=verbatim, cost=cost):
            assert batch, "a batch is never empty"
            found += batch
    except ApiyiError as error:
        return found, error
    return found, None


def text_of(found: list[Event]) -> str:
    return "".join(event.text for event in found if isinstance(event, Delta))


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
COUNTED = Usage(3, 2, 5, raw=USAGE)
CALL = ToolCall("c1", "f", '{"x": 1}')

STREAMS: dict[str, tuple[list[bytes], list[Event]]] = {
    "text": (
        [piece(role="assistant", content=""), piece(content="Hel"), piece(content="lo"), stop()],
        [Delta("Hel"), Delta("lo"), Finish("stop")],
    ),
    "null content first": (
        [piece(role="assistant", content=None), piece(content="a"), stop()],
        [Delta("a"), Finish("stop")],
    ),
    "finish with the last text": (
        [piece(content="a", finish="stop")],
        [Delta("a"), Finish("stop")],
    ),
    "missing, null and empty deltas": (
        [
            data({"choices": [{"index": 0}]}),
            data({"choices": [{"index": 0, "delta": None}]}),
            piece(),
            piece(content="a"),
            stop(),
        ],
        [Delta("a"), Finish("stop")],
    ),
    "usage without choices": (
        [piece(content="a"), stop(), data({"choices": [], "usage": USAGE})],
        [Delta("a"), Finish("stop"), COUNTED],
    ),
    "usage with null choices": (
        [piece(content="a"), stop(), data({"choices": None, "usage": USAGE})],
        [Delta("a"), Finish("stop"), COUNTED],
    ),
    "usage with no field choices": (
        [piece(content="a"), stop(), data({"usage": USAGE})],
        [Delta("a"), Finish("stop"), COUNTED],
    ),
    "the last usage wins": (
        [
            data({"choices": [{"delta": {"content": "a"}}], "usage": {"prompt_tokens": 1}}),
            data({"choices": [{"finish_reason": "stop"}], "usage": USAGE}),
            data({"choices": [], "usage": None}),
        ],
        [Delta("a"), Finish("stop"), COUNTED],
    ),
    "usage in the choice": (
        [
            piece(content="a"),
            data({"choices": [{"delta": {}, "finish_reason": "stop", "usage": USAGE}]}),
        ],
        [Delta("a"), Finish("stop"), COUNTED],
    ),
    "filter results first": (
        [data({"choices": [], "prompt_filter_results": [{}]}), piece(content="a"), stop()],
        [Delta("a"), Finish("stop")],
    ),
    "obfuscation": (
        [data({"choices": [{"delta": {"content": "a"}}], "obfuscation": "xyz"}), stop()],
        [Delta("a"), Finish("stop")],
    ),
    "reasoning_content": (
        [piece(reasoning_content="hm"), piece(content="a"), stop()],
        [Reasoning("hm"), Delta("a"), Finish("stop")],
    ),
    "reasoning": (
        [piece(reasoning="hm", content=""), piece(content="a"), stop()],
        [Reasoning("hm"), Delta("a"), Finish("stop")],
    ),
    "both reasonings are one": (
        [piece(reasoning="hm", reasoning_content="hm"), piece(content="a"), stop()],
        [Reasoning("hm"), Delta("a"), Finish("stop")],
    ),
    "reasoning beside empty reasoning_content": (
        [piece(reasoning="hm", reasoning_content=""), piece(content="a"), stop()],
        [Reasoning("hm"), Delta("a"), Finish("stop")],
    ),
    "reasoning only, cut by length": (
        [piece(reasoning_content="hm"), stop(reason="length")],
        [
            Reasoning("hm"),
            Empty("all tokens went into reasoning: raise --max-tokens"),
            Finish("length"),
        ],
    ),
    "role in each delta": (
        [piece(role="assistant", content="a"), piece(role="assistant", content="b"), stop()],
        [Delta("a"), Delta("b"), Finish("stop")],
    ),
    "finish twice and text after it": (
        [piece(content="a"), stop(), piece(content="b"), stop(reason="length")],
        [Delta("a"), Delta("b"), Finish("length")],
    ),
    "first id and last model": (
        [
            data({"id": "i1", "model": "m1", "choices": [{"delta": {"content": "a"}}]}),
            data({"id": "i2", "model": "m2", "choices": [{"finish_reason": "stop"}]}),
        ],
        [Delta("a"), Finish("stop"), About("i1", "m2")],
    ),
    "content as parts": (
        [piece(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), stop()],
        [Delta("ab"), Finish("stop")],
    ),
    "content as an object": (
        [piece(content={"type": "text", "text": "a"}), stop()],
        [Delta("a"), Finish("stop")],
    ),
    "thinking parts are not the answer": (
        [
            piece(content=[{"type": "thinking", "text": "hm"}, {"type": "text", "text": "a"}]),
            stop(),
        ],
        [Delta("a"), Finish("stop")],
    ),
    "content of a wrong type": (
        [piece(content=7), piece(content="a"), stop()],
        [Delta("a"), Finish("stop")],
    ),
    "refusal": (
        [piece(refusal="I "), piece(refusal="won't"), stop()],
        [Refusal("I "), Refusal("won't"), Finish("stop")],
    ),
    "filtered": (
        [piece(role="assistant"), stop(reason="content_filter")],
        [Empty("a content filter withheld it"), Finish("content_filter")],
    ),
    "an empty answer that is complete": (
        [piece(content=""), stop()],
        [Empty("its content is empty"), Finish("stop")],
    ),
    "audio with a transcript": (
        [piece(audio={"id": "x", "transcript": "hi"}), piece(audio={"data": "AAAA"}), stop()],
        [Delta("hi"), Finish("stop")],
    ),
    "other index than 0": (
        [piece(0, reasoning_content="hm"), piece(1, content="a"), stop(1)],
        [Reasoning("hm"), Delta("a"), Finish("stop")],
    ),
    "message in a chunk": (
        [data({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]})],
        [Delta("a"), Finish("stop")],
    ),
    "message that repeats the text": (
        [
            piece(content="a"),
            data({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}),
        ],
        [Delta("a"), Finish("stop")],
    ),
    "tool call in pieces": (
        [
            piece(tool_calls=[call(0, "c1", "f", "")]),
            piece(tool_calls=[call(0, None, None, '{"x"')]),
            piece(tool_calls=[{"index": 0, "function": {"arguments": ": 1}"}}]),
            stop(reason="tool_calls"),
        ],
        [CALL, Finish("tool_calls")],
    ),
    "two tool calls, interleaved by index": (
        [
            piece(tool_calls=[call(0, "c1", "f", "")]),
            piece(tool_calls=[call(1, "c2", "g", "")]),
            piece(tool_calls=[call(0, "", "", '{"x": 1}'), call(1, "", "", '{"y": 2}')]),
            stop(reason="tool_calls"),
        ],
        [CALL, ToolCall("c2", "g", '{"y": 2}'), Finish("tool_calls")],
    ),
    "tool calls without index, ids repeated and alternating": (
        [
            piece(tool_calls=[call(None, "c1", "f", '{"x"')]),
            piece(tool_calls=[call(None, "c2", "g", '{"y"')]),
            piece(tool_calls=[call(None, "c1", None, ": 1}")]),
            piece(tool_calls=[call(None, "c2", None, ": 2}")]),
            stop(reason="tool_calls"),
        ],
        [CALL, ToolCall("c2", "g", '{"y": 2}'), Finish("tool_calls")],
    ),
    "tool call without index, later pieces without id": (
        [
            piece(tool_calls=[call(None, "c1", "f", '{"x"')]),
            piece(tool_calls=[call(None, "", None, ": 1}")]),
            stop(reason="tool_calls"),
        ],
        [CALL, Finish("tool_calls")],
    ),
    "several calls in one delta without index or id": (
        [
            piece(tool_calls=[call(None, None, "f", '{"x"'), call(None, None, "g", '{"y"')]),
            piece(tool_calls=[call(None, None, None, ": 1}"), call(None, None, None, ": 2}")]),
            stop(reason="tool_calls"),
        ],
        [
            ToolCall("call_0_0", "f", '{"x": 1}'),
            ToolCall("call_0_1", "g", '{"y": 2}'),
            Finish("tool_calls"),
        ],
    ),
    "whole calls one after another without index or id": (
        [
            piece(tool_calls=[call(None, None, "f", '{"x": 1}')]),
            piece(tool_calls=[call(None, None, "f", '{"x": 2}')]),
            stop(reason="tool_calls"),
        ],
        [
            ToolCall("call_0_0", "f", '{"x": 1}'),
            ToolCall("call_0_1", "f", '{"x": 2}'),
            Finish("tool_calls"),
        ],
    ),
    "two whole calls, both numbered 0": (
        [
            piece(tool_calls=[call(0, "c1", "f", '{"x": 1}')]),
            piece(tool_calls=[call(0, "c2", "g", '{"y": 2}')]),
            stop(reason="tool_calls"),
        ],
        [CALL, ToolCall("c2", "g", '{"y": 2}'), Finish("tool_calls")],
    ),
    "the id and name repeated in every piece": (
        [
            piece(tool_calls=[call(0, "c1", "f", '{"x"')]),
            piece(tool_calls=[call(0, "c1", "f", ": 1}")]),
            stop(reason="tool_calls"),
        ],
        [CALL, Finish("tool_calls")],
    ),
    "arguments as an object": (
        [piece(tool_calls=[call(0, "c1", "f", {"x": 1})]), stop(reason="tool_calls")],
        [ToolCall("c1", "f", '{"x":1}'), Finish("tool_calls")],
    ),
    "arguments empty or null": (
        [
            piece(tool_calls=[call(0, "c1", "f", "")]),
            piece(tool_calls=[call(1, "c2", "g", None)]),
            stop(reason="tool_calls"),
        ],
        [ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "{}"), Finish("tool_calls")],
    ),
    "arguments that are not JSON": (
        [piece(tool_calls=[call(0, "c1", "f", '{"x": ')]), stop(reason="length")],
        [ToolCall("c1", "f", '{"x":'), Finish("length")],
    ),
    "function_call of old": (
        [
            piece(function_call={"name": "f", "arguments": '{"x"'}),
            piece(function_call={"arguments": ": 1}"}),
            stop(reason="function_call"),
        ],
        [ToolCall("call_0_0", "f", '{"x": 1}'), Finish("tool_calls")],
    ),
    "a custom tool": (
        [
            piece(tool_calls=[{"index": 0, "id": "c1", "custom": {"name": "f", "input": "1+"}}]),
            piece(tool_calls=[{"index": 0, "custom": {"input": "1"}}]),
            stop(reason="tool_calls"),
        ],
        [ToolCall("c1", "f", "1+1"), Finish("tool_calls")],
    ),
    "garbage in the place of tool calls": (
        [piece(tool_calls="x"), piece(tool_calls=[None, 7]), piece(content="a"), stop()],
        [Delta("a"), Finish("stop")],
    ),
    "nulls and empty objects between": (
        [b"data: null\n\n", b"data: {}\n\n", b"data: 7\n\n", piece(content="a"), stop()],
        [Delta("a"), Finish("stop")],
    ),
    "comments and pings between": (
        [b": PING\n\n", piece(content="a"), b'event: ping\ndata: {"type":"ping"}\n\n', stop()],
        [Delta("a"), Finish("stop")],
    ),
    "something that is not JSON": (
        [piece(content="a"), b"data: oops\n\n", b"data: oops\n\n", stop()],
        [
            Delta("a"),
            Notice("a part of the stream that is not JSON was passed over"),
            Finish("stop"),
        ],
    ),
    "choices that are not objects": (
        [
            data({"choices": [None, 1, "x"]}),
            data({"choices": {"a": 1}}),
            piece(content="a"),
            stop(),
        ],
        [Delta("a"), Finish("stop")],
    ),
    "index as a string": (
        [data({"choices": [{"index": "0", "delta": {"content": "a"}}]}), stop()],
        [Delta("a"), Finish("stop")],
    ),
    "duplicate keys, NaN, 1e400 and 2^70": (
        [
            b'data: {"choices":[{"delta":{"content":"x","content":"a"}}],"n":NaN,"e":1e400,'
            b'"i":1180591620717411303424}\n\n',
            stop(),
        ],
        [Delta("a"), Finish("stop")],
    ),
    "CRLF and names": (
        [
            piece(content="a").replace(b"\n", b"\r\n"),
            b"event: chunk\r\nid: 1\r\n" + stop().replace(b"\n", b"\r\n"),
        ],
        [Delta("a"), Finish("stop")],
    ),
    "line separators in the text": (
        [
            b'data: {"choices":[{"delta":{"content":"' + "a\u2028b\u0085c".encode() + b'"}}]}\n\n',
            stop(),
        ],
        [Delta("a\u2028b\u0085c"), Finish("stop")],
    ),
    "NUL and escapes in the text": (
        [piece(content="a\x00\x1b[31m\u202e"), stop()],
        [Delta("a\x00\x1b[31m\u202e"), Finish("stop")],
    ),
    "a character in two deltas": (
        [
            b'data: {"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n',
            b'data: {"choices":[{"delta":{"content":"\\ude00b"}}]}\n\n',
            stop(),
        ],
        [Delta("a"), Delta("😀b"), Finish("stop")],
    ),
    "a lone half in the middle": (
        [
            b'data: {"choices":[{"delta":{"content":"a\\ud83db"}}]}\n\n',
            b'data: {"choices":[{"delta":{"content":"\\ude00c"}}]}\n\n',
            stop(),
        ],
        [Delta("a\ufffdb"), Delta("\ufffdc"), Finish("stop")],
    ),
    "a lone half at the end": (
        [b'data: {"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n', stop()],
        [
            Delta("a"),
            Delta("\ufffd"),
            Notice("a character that came only in half was replaced by U+FFFD"),
            Finish("stop"),
        ],
    ),
    "bytes that are not UTF-8": (
        [b'data: {"choices":[{"delta":{"content":"a\xffb"}}]}\n\n', stop()],
        [
            Notice("bytes that are not UTF-8 were replaced by U+FFFD"),
            Delta("a\ufffdb"),
            Finish("stop"),
        ],
    ),
    "the text of a completion": (
        [data({"choices": [{"index": 0, "text": "a", "finish_reason": "stop"}]})],
        [Delta("a"), Finish("stop")],
    ),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("end", [DONE, b"", b"data: [DONE]\n", b"[DONE]"])
def test_a_stream_means_the_same_wherever_it_is_cut(name: str, end: bytes) -> None:
    parts, expected = STREAMS[name]
    raw = b"".join(parts) + end

    assert read([*parts, end]) == (expected, None)
    # Another end makes a difference near the end alone.
    first = 1 if end == DONE else len(raw) - len(end) - 12
    for cut in range(first, len(raw)):
        assert read([raw[:cut], raw[cut:]]) == (expected, None), raw[:cut]


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_ends_early_keeps_its_text_and_exits_8(name: str, step: int) -> None:
    parts, expected = STREAMS[name]
    raw = b"".join(parts)
    full = text_of(expected)

    for end in range(0, len(raw) - 2, step):
        found, error = read([raw[:end]])
        text = text_of(found).removesuffix("\ufffd")
        assert full.startswith(text), raw[:end]
        finished = any(isinstance(event, Finish) for event in found)
        assert finished or (error is not None and error.exit_code == 8), raw[:end]


def test_every_split_of_a_multilingual_stream_gives_the_same_text() -> None:
    text = "Grüße, мир, 世界, שלום, नमस्ते, 🙂👩‍👩‍👧 e\u0301 \u2028\u0085 end" * 2
    raw = b"".join(
        b'data: {"choices":[{"index":0,"delta":{"content":'
        + json.dumps(text[at : at + 9], ensure_ascii=False).encode()
        + b"}}]}\n\n"
        for at in range(0, len(text), 9)
    )
    raw += stop() + DONE

    for cut in range(len(raw)):
        found, error = read([raw[:cut], raw[cut:]])
        assert text_of(found) == text
        assert error is None


def test_surrogates_split_anywhere_are_joined() -> None:
    text = "a😀b👩‍👩c🏳️‍🌈"
    units = [
        text.encode("utf-16-le")[at : at + 2].decode("utf-16-le", "surrogatepass")
        for at in range(0, len(text.encode("utf-16-le")), 2)
    ]
    for cut in range(len(units) + 1):
        first, second = "".join(units[:cut]), "".join(units[cut:])
        found, _ = read([piece(content=first), piece(content=second), stop()])
        assert text_of(found) == text
    found, _ = read([*(piece(content=unit) for unit in units), stop()])
    assert text_of(found) == text


def test_the_halves_of_two_choices_are_kept_apart() -> None:
    chunks = [
        piece(0, content="\ud83d"),
        piece(1, content="\ud83d"),
        piece(1, content="\ude01"),
        piece(0, content="\ude00"),
        stop(0),
        stop(1),
    ]

    found, error = read(chunks, choices=2)

    assert found[:2] == [Delta("😁", 1), Delta("😀", 0)]
    assert error is None


def test_a_cut_after_every_event_of_forty_exits_8_and_counts_what_came() -> None:
    events_of_forty = [piece(content=f"{number:02} ") for number in range(40)]
    for kept in range(1, 40):
        found, error = read(events_of_forty[:kept])
        assert text_of(found) == "".join(f"{number:02} " for number in range(kept))
        assert isinstance(error, IncompleteError)
        pieces = "piece" if kept == 1 else "pieces"
        assert f"{3 * kept} characters in {kept} {pieces} had come" in error.why
        assert error.facts.phase == "content"


def test_done_without_a_finish_reason_is_a_cut() -> None:
    for reason in (None, "", "null"):
        found, error = read([piece(content="a"), piece(0, reason), DONE])
        assert found == [Delta("a")]
        assert isinstance(error, IncompleteError)
        assert "without a sign that it is complete" in str(error)


@pytest.mark.parametrize(
    "raw", [b"", b"\n\n", DONE, b": PING\n\n" * 3 + DONE, b"data: {}\n\n" + DONE]
)
def test_a_stream_without_an_answer_is_an_empty_reply(raw: bytes) -> None:
    found, error = read([raw])

    assert found == []
    assert isinstance(error, IncompleteError)
    assert error.what == "the answer is empty"
    assert error.facts.phase == "opened"


def test_reading_stops_at_done_and_closes_the_connection() -> None:
    closed: list[bool] = []

    def chunks() -> Iterator[bytes]:
        yield piece(content="a") + stop()
        yield DONE
        raise AssertionError("read on after the end")

    batches = list(events(reply(chunks(), close=lambda: closed.append(True))))

    assert batches == [[Delta("a")], [Finish("stop")]]
    assert closed


def test_the_connection_is_closed_when_the_consumer_stops() -> None:
    closed: list[bool] = []
    stream = events(reply([piece(content="a"), stop()], close=lambda: closed.append(True)))

    assert next(stream) == [Delta("a")]
    assert not closed
    stream.close()  # type: ignore[attr-defined]
    assert closed


def test_one_burst_for_each_read() -> None:
    reads = [piece(content="a") + piece(content="b"), b": PING\n\n", piece(content="c"), stop()]

    assert list(events(reply(reads))) == [[Delta("a"), Delta("b")], [Delta("c")], [Finish("stop")]]


def test_usage_behind_the_finish_is_still_taken() -> None:
    found, error = read([piece(content="a"), stop(), data({"choices": [], "usage": USAGE}), DONE])

    assert COUNTED in found
    assert error is None


def test_all_choices_are_kept_apart_and_must_finish() -> None:
    chunks = [piece(0, content="a"), piece(1, content="x"), piece(0, content="b"), stop(1)]

    found, error = read([*chunks, stop(0)], choices=2)
    assert found == [
        Delta("a", 0),
        Delta("x", 1),
        Delta("b", 0),
        Finish("stop", 0),
        Finish("stop", 1),
    ]
    assert error is None

    found, error = read(chunks, choices=2)
    assert error is not None
    assert "1 of 2 choices are complete" in str(error)
    assert error.exit_code == 8


def test_fewer_choices_than_asked_for_are_not_complete() -> None:
    _, error = read([piece(0, content="a"), stop(0), DONE], choices=2)

    assert isinstance(error, IncompleteError)


def test_the_tools_of_two_choices_are_kept_apart() -> None:
    chunks = [
        piece(1, tool_calls=[call(0, "c2", "g", '{"y"')]),
        piece(0, tool_calls=[call(0, "c1", "f", '{"x"')]),
        piece(1, tool_calls=[call(0, None, None, ": 2}")]),
        piece(0, tool_calls=[call(0, None, None, ": 1}")]),
        stop(0, "tool_calls"),
        stop(1, "tool_calls"),
    ]

    found, _ = read(chunks, choices=2)

    assert found[:2] == [CALL, ToolCall("c2", "g", '{"y": 2}', 1)]


def test_a_call_that_was_cut_is_not_handed_on() -> None:
    found, error = read([piece(tool_calls=[call(0, "c1", "f", '{"x": ')])])

    assert found == []
    assert error is not None
    assert (error.exit_code, error.facts.phase) == (8, "content")


BUSY = {
    "error": {"message": "当前分组上游负载已饱和 (request id: 2026abc)", "type": "rate_limit_error"}
}


def test_an_error_before_any_content_keeps_its_class() -> None:
    found, error = read([piece(role="assistant", content=""), data(BUSY), DONE])

    assert found == []
    assert isinstance(error, TemporaryError)
    assert error.facts.phase == "opened"
    assert error.facts.request_id == "2026abc"
    assert error.why == "当前分组上游负载已饱和"


def test_an_error_after_content_keeps_the_text_and_exits_8() -> None:
    found, error = read([piece(content="a") + piece(content="b") + data(BUSY), DONE])

    assert found == [Delta("a"), Delta("b")]
    assert isinstance(error, IncompleteError)
    assert "负载已饱和" in error.why
    assert error.facts.phase == "content"
    assert error.facts.code == "rate_limit_error"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (data({"error": {"message": "m", "code": "insufficient_quota"}}), 7),
        (data({"error": "quota is not enough"}), 7),
        (b'event: error\ndata: {"message":"m","code":"invalid_api_key"}\n\n', 4),
        (b"event: error\ndata: upstream exploded\n\n", 5),
        (
            data({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            5,
        ),
        (data({"type": "error", "code": "context_length_exceeded", "message": "m"}), 6),
        (data([{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}]), 6),
        (data({"success": False, "message": "无权进行此操作"}), 4),
        (b'{"error":{"message":"m","code":"model_not_found"}}\n\n', 6),
        (data({"choices": [{"delta": {}, "finish_reason": "error", "error": {"code": 502}}]}), 5),
        (data({"choices": [{"delta": {}, "finish_reason": "error"}]}), 5),
    ],
)
def test_errors_inside_a_stream_are_classified_like_statuses(raw: bytes, code: int) -> None:
    found, error = read([b": PING\n\n", raw, DONE])
    assert found == []
    assert error is not None
    assert error.exit_code == code

    found, error = read([piece(content="a"), raw, DONE])
    assert found == [Delta("a")]
    assert error is not None
    assert error.exit_code == 8


def test_an_error_behind_a_complete_answer_is_only_told() -> None:
    found, error = read([piece(content="a"), stop(), data(BUSY)])

    assert found == [
        Delta("a"),
        Notice("after its answer the gateway reported: 当前分组上游负载已饱和"),
        Finish("stop"),
    ]
    assert error is None


def broken(chunks: Iterable[bytes], error: ApiyiError) -> Iterator[bytes]:
    yield from chunks
    raise error


def reset() -> ApiyiError:
    failure = TemporaryError("the connection broke", "reset by peer")
    return failure.add_facts(kind="reset", after_s=1.5)


def test_a_broken_connection_before_the_end_exits_8_and_says_how() -> None:
    found, error = read(broken([piece(content="a")], reset()))

    assert found == [Delta("a")]
    assert isinstance(error, IncompleteError)
    assert "reset by peer" in str(error)
    assert (error.facts.kind, error.facts.phase, error.facts.after_s) == ("reset", "content", 1.5)


def test_a_broken_connection_before_any_content_exits_8_too() -> None:
    for chunks in ([], [b": PING\n\n"]):
        found, error = read(broken(chunks, reset()))
        assert found == []
        assert isinstance(error, IncompleteError)
        assert (error.facts.kind, error.facts.phase) == ("reset", "opened")


def test_a_connection_that_breaks_behind_the_finish_is_no_failure() -> None:
    found, error = read(broken([piece(content="a"), stop()], reset()))

    assert found == [Delta("a"), Finish("stop")]
    assert error is None


def test_a_limit_of_the_user_stays_a_limit() -> None:
    _, error = read(broken([piece(content="a")], LimitError("--max-time reached")))

    assert isinstance(error, LimitError)
    assert error.facts.phase == "content"


def test_verbatim_gives_each_object_before_its_meaning() -> None:
    first, last = piece(content="a"), stop()
    pretty = b'data: {"choices":\ndata: [{"delta":{"content":"b"}}]}\n\n'

    found, _ = read([first, b": PING\n\n", b"data: {}\n\n", pretty, last, DONE], verbatim=True)

    assert found == [
        Chunk(first[6:-2]),
        Delta("a"),
        Chunk(b'{"choices":[{"delta":{"content":"b"}}]}'),
        Delta("b"),
        Chunk(last[6:-2]),
        Finish("stop"),
    ]


def test_verbatim_leaves_errors_and_garbage_out() -> None:
    found, error = read([b"data: oops\n\n", data(BUSY)], verbatim=True)

    assert not any(isinstance(event, Chunk) for event in found)
    assert error is not None


WHOLE = {
    "id": "i1",
    "object": "chat.completion",
    "model": "m1",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "reasoning_content": "hm",
                "content": "Hello",
                "refusal": None,
                "tool_calls": [call(None, "c1", "f", '{"x": 1}')],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": USAGE,
}
MEANT = [Reasoning("hm"), Delta("Hello"), CALL, Finish("tool_calls"), About("i1", "m1"), COUNTED]


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "text/plain", ""])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n\n \n", b" " * 40])
def test_an_answer_in_one_piece_gives_the_same_events(kind: str, before: bytes) -> None:
    raw = before + json.dumps(WHOLE, indent=1).encode() + b"\n"
    for cut in (0, 1, 2, 5, 50, len(raw)):
        batches = list(events(reply([raw[:cut], raw[cut:]], {"content-type": kind})))
        assert batches == [MEANT]


def test_an_answer_in_one_piece_is_one_verbatim_line() -> None:
    raw = json.dumps(WHOLE, indent=1).encode()

    [batch] = events(reply([b"\n", raw], {}), verbatim=True)

    assert batch[0] == Chunk(raw.replace(b"\n", b""), whole=True)


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "application/json", ""])
def test_events_are_known_whatever_the_content_type_says(kind: str) -> None:
    raw = b": PING\n\n" + piece(content="a") + stop() + DONE
    for cut in range(12):
        batches = events(reply([raw[:cut], raw[cut:]], {"content-type": kind}))
        assert [event for batch in batches for event in batch] == [Delta("a"), Finish("stop")]


def test_a_whole_answer_without_a_finish_reason_is_not_proved() -> None:
    raw = json.dumps({"choices": [{"message": {"content": "a"}}]}).encode()

    found, error = read([raw])

    assert found == [Delta("a")]
    assert isinstance(error, IncompleteError)


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("stop", "stop"),
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("STOP", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("tool_calls", "tool_calls"),
        ("tool_use", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("refusal", "content_filter"),
        ("SAFETY", "content_filter"),
        ("pause_turn", "pause_turn"),
        ("Something_new", "Something_new"),
        ("", None),
        ("null", None),
        (None, None),
        (7, None),
    ],
)
def test_finish_reasons_are_said_in_the_words_of_the_api(told: object, meant: str | None) -> None:
    assert finish_reason(told) == meant


def test_events_that_show_nothing_end_the_silence_too() -> None:
    """A long function call comes in pieces for minutes, and nothing is shown until it ends."""
    ticks: list[int] = []
    pieces = (
        piece(tool_calls=[call(0, "c1", "search", '{"a": ')]),
        piece(tool_calls=[call(0, None, None, "1")]),
        b": keep-alive\n\n",
        piece(tool_calls=[call(0, None, None, "}")]),
        stop(reason="tool_calls"),
    )
    list(events(reply(pieces, tick=lambda: ticks.append(1))))
    assert len(ticks) == 4
