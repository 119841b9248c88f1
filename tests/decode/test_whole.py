"""Answers read to the end: what kind they are, what they hold, and when they are none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from apiyi_cli.core.call import Reply
from apiyi_cli.core.jsontext import one_line, read_first
from apiyi_cli.decode.answers.assemble import assemble_completion
from apiyi_cli.decode.frames.reply_body import detect_kind, read_body, read_json
from apiyi_cli.errors import (
    ApiyiError,
    AuthError,
    FundsError,
    IncompleteError,
    LimitError,
    RejectedError,
    TemporaryError,
    UnknownModelError,
)


def reply(*chunks: bytes, status: int = 200, kind: str = "application/json", **rest: Any) -> Reply:
    headers = {"content-type": kind} if kind else {}
    return Reply(status, headers | rest.pop("headers", {}), chunks, host="api.test", **rest)


def broken(chunks: Iterable[bytes], error: ApiyiError) -> Iterator[bytes]:
    yield from chunks
    raise error


def reset() -> ApiyiError:
    return TemporaryError("the connection broke", "reset by peer").add_facts(kind="reset")


def failure(answer: Reply) -> ApiyiError:
    with pytest.raises(ApiyiError) as caught:
        read_json(answer)
    return caught.value


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"a":1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'\n\n  \r\n{"a":1}\n', {"a": 1}),
        (b'\n\xef\xbb\xbf\n{"a":1}', {"a": 1}),
        (b'{"a":1}{"b":2}', {"a": 1}),
        (b'{"a":1}\ntrailing', {"a": 1}),
        (b'{"a":"\\ud83d"}', {"a": "\ud83d"}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
        (b'{"a":1180591620717411303424}', {"a": 2**70}),
        (b'{"a":[1,-1180591620717411303424]}', {"a": [1, -(2**70)]}),
        (b'{"a":18446744073709551615}', {"a": 2**64 - 1}),
        (b'{"a":18446744073709551616}', {"a": 2**64}),
        (b'{"a":1e400}', {"a": float("inf")}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":"\xff"}', {"a": "\ufffd"}),
        (b"[]", []),
        (b"null", None),
    ],
)
def test_json_is_read_as_servers_write_it(raw: bytes, expected: Any) -> None:
    assert read_first(raw) == expected


def test_a_number_that_is_none_is_read() -> None:
    assert str(read_first(b'{"a":NaN}')["a"]) == "nan"


@pytest.mark.parametrize(
    "raw", [b"", b" \n", b"{", b'{"a":', b'{"a":1', b"<html>", b"hello", b"[" * 100_000]
)
def test_what_is_not_json_or_is_cut_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        read_first(raw)


@pytest.mark.parametrize(
    ("raw", "kind", "expected"),
    [
        (b"data: x\n\n", "text/event-stream", "sse"),
        (b"data: x\n\n", "text/plain", "sse"),
        (b"event: x\n", "application/octet-stream", "sse"),
        (b"event: x\n", "application/json", "sse"),
        (b": PING\n\n", "", "sse"),
        (b":", "", "sse"),
        (b"id: 1\n", "", "sse"),
        (b"retry: 1\n", "", "sse"),
        (b"[DONE]", "", "sse"),
        (b"\xef\xbb\xbfdata: x\n", "", "sse"),
        (b"\n\ndata: x\n", "", "sse"),
        (b"dat", "", "sse"),
        (b"unknown: x\n", "text/event-stream", "sse"),
        (b'{"a":1}', "application/json", "json"),
        (b'{"a":1}', "text/event-stream", "json"),
        (b'{"a":1}', "text/plain", "json"),
        (b'[{"a":1}]', "", "json"),
        (b"[", "", "json"),
        (b"[1", "text/event-stream", "json"),
        (b" \n\xef\xbb\xbf {}", "", "json"),
        (b"7", "application/json", "json"),
        (b"<!DOCTYPE html>", "text/html", "html"),
        (b"<html>", "application/json", "html"),
        (b"\n <html>", "text/event-stream", "html"),
        (b"", "application/json", "empty"),
        (b" \r\n\t", "text/event-stream", "empty"),
        (b"\xef\xbb\xbf", "", "empty"),
        (b"hello", "text/plain", "text"),
        (b"dear reader", "text/plain", "text"),
        (b"1\n00:00:00,000", "", "text"),
    ],
)
def test_the_kind_of_an_answer_is_known_wherever_it_is_cut(
    raw: bytes, kind: str, expected: str
) -> None:
    for cut in range(len(raw) + 1):
        found, chunks = detect_kind(reply(raw[:cut], raw[cut:], kind=kind))
        assert found == expected, raw[:cut]
        assert b"".join(chunks) == raw
    found, chunks = detect_kind(reply(*(bytes([byte]) for byte in raw), kind=kind))
    assert found == expected
    assert b"".join(chunks) == raw


def test_an_answer_is_not_read_further_than_its_kind_needs() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"data: x\n\n"
        raise AssertionError("read on")

    assert detect_kind(Reply(200, {}, chunks()))[0] == "sse"


def test_a_body_is_read_to_its_end_and_closed() -> None:
    closed: list[bool] = []

    assert read_body(reply(b"a", b"", b"b", close=lambda: closed.append(True))) == b"ab"
    assert closed


def test_a_broken_body_is_incomplete_and_keeps_how_it_broke() -> None:
    with pytest.raises(IncompleteError, match="reset by peer; 3 bytes had come") as caught:
        read_body(Reply(200, {}, broken([b'{"a'], reset())))
    assert (caught.value.facts.kind, caught.value.facts.phase) == ("reset", "content")

    with pytest.raises(IncompleteError) as caught:
        read_body(Reply(200, {}, broken([], reset())))
    assert caught.value.facts.phase == "opened"


def test_a_complete_object_is_taken_though_the_connection_breaks_after_it() -> None:
    assert read_body(Reply(200, {}, broken([b'{"a":', b"1}"], reset()))) == b'{"a":1}'


def test_a_limit_of_the_user_stays_a_limit() -> None:
    with pytest.raises(LimitError):
        read_body(Reply(200, {}, broken([b"{"], LimitError("--max-time"))))


def test_a_body_beyond_the_limit_is_refused() -> None:
    assert read_body(reply(b"x" * 10), limit=10) == b"x" * 10
    with pytest.raises(RejectedError, match="larger than"):
        read_body(reply(b"x" * 10, b"x"), limit=10)


def test_a_value_comes_with_its_bytes() -> None:
    raw = b'\n{"object": "list", "data": []}\n'

    assert read_json(reply(raw[:5], raw[5:])) == ({"object": "list", "data": []}, raw)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(b'{"error":{"message":"m","code":"insufficient_quota"}}', status=429), FundsError),
        (reply(b'{"error":{"message":"m"}}', status=401), AuthError),
        (reply(b'{"error":{"message":"m","code":"model_not_found"}}'), UnknownModelError),
        (reply(b'{"success":false,"message":"\xe6\x97\xa0\xe6\x9d\x83"}'), AuthError),
        (reply(b"", status=302, headers={"location": "https://x.test"}), RejectedError),
        (reply(b"<html><title>Home</title>", kind="text/html"), RejectedError),
        (reply(b"<html><title>Home</title>"), RejectedError),
        (reply(b""), IncompleteError),
        (reply(b"", status=204), IncompleteError),
        (reply(b"\n \n"), IncompleteError),
        (reply(b'{"a":[1,'), IncompleteError),
        (reply(b"hello", kind="text/plain"), RejectedError),
        (reply(b'"hello"'), RejectedError),
        (reply(b"7"), RejectedError),
        (reply(b"null"), RejectedError),
        (reply(b'data: {"error":{"message":"m","code":"insufficient_quota"}}\n\n'), FundsError),
        (reply(b"data: [DONE]\n\n"), IncompleteError),
        (Reply(200, {}, broken([b'{"a"'], reset())), IncompleteError),
        (Reply(200, {}, broken([], reset())), IncompleteError),
        (Reply(500, {}, broken([b'{"err'], reset())), TemporaryError),
        (Reply(403, {}, broken([], reset())), AuthError),
    ],
)
def test_what_is_not_an_answer_raises_its_class(answer: Reply, kind: type[ApiyiError]) -> None:
    assert type(failure(answer)) is kind


def test_a_page_in_place_of_the_api_names_its_address() -> None:
    error = failure(reply(b"<html><title>Home</title>", url="https://api.test/rerank"))

    assert "HTML page “Home” instead of JSON, from https://api.test/rerank" in str(error)
    assert error.hint is not None
    assert "/v1" in error.hint


def test_a_refusal_of_many_megabytes_is_not_read_to_its_end() -> None:
    read = 0

    def chunks() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 2**16

    with pytest.raises(TemporaryError):
        read_json(Reply(500, {}, chunks()))
    assert read <= 16


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"a":1}', b'{"a":1}'),
        (b'\xef\xbb\xbf\n{\n "a": 1,\r\n "b": "\\n"\n}\n', b'{ "a": 1, "b": "\\n"}'),
        (b'{"a": "\xe2\x80\xa8 \xff"}', b'{"a": "\xe2\x80\xa8 \xff"}'),
        (b'{"a": 1.0e+2 , "a": 2}', b'{"a": 1.0e+2 , "a": 2}'),
    ],
)
def test_a_json_text_on_one_line_keeps_its_other_bytes(raw: bytes, expected: bytes) -> None:
    assert one_line(raw) == expected


def chunk(index: int = 0, finish: str | None = None, **delta: Any) -> bytes:
    return json.dumps(
        {
            "id": "i1",
            "object": "chat.completion.chunk",
            "created": 7,
            "model": "m1",
            "choices": [{"index": index, "delta": delta, "finish_reason": finish}],
        }
    ).encode()


def test_chunks_make_the_object_that_was_not_streamed() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    last = json.dumps({"id": "i2", "choices": [], "usage": usage, "obfuscation": "x"}).encode()
    chunks = [
        chunk(role="assistant", content="", refusal=None),
        chunk(reasoning_content="h"),
        chunk(reasoning_content="m"),
        chunk(content="Hel"),
        chunk(1, role="assistant", content="b"),
        chunk(content="lo"),
        chunk(1, "length"),
        chunk(0, "stop"),
        last,
    ]

    assert assemble_completion(chunks) == {
        "id": "i1",
        "object": "chat.completion",
        "created": 7,
        "model": "m1",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hello",
                    "refusal": None,
                    "reasoning_content": "hm",
                },
                "logprobs": None,
                "finish_reason": "stop",
            },
            {
                "index": 1,
                "message": {"role": "assistant", "content": "b"},
                "logprobs": None,
                "finish_reason": "length",
            },
        ],
        "usage": usage,
    }


def test_tool_calls_log_probabilities_and_sound_are_put_together() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}
    more = {"index": 0, "function": {"arguments": "}"}}
    with_logprobs = [
        json.dumps({"choices": [{"index": 0, "delta": {}, "logprobs": {"content": [n]}}]}).encode()
        for n in (1, 2)
    ]
    whole = assemble_completion(
        [
            chunk(role="assistant", content=None, tool_calls=[call]),
            chunk(tool_calls=[more], audio={"id": "a", "data": "QQ=="}),
            chunk(audio={"data": "Qg==", "transcript": "x"}),
            *with_logprobs,
            chunk(0, "tool_calls"),
        ]
    )

    [choice] = whole["choices"]
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"] == [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]
    assert choice["message"]["audio"] == {"id": "a", "data": "QQ==Qg==", "transcript": "x"}
    assert choice["logprobs"] == {"content": [1, 2]}
    assert choice["finish_reason"] == "tool_calls"


def test_pieces_of_a_completion_and_of_a_response_are_put_together() -> None:
    texts = [
        json.dumps({"object": "text_completion", "choices": [{"index": 0, "text": text}]}).encode()
        for text in ("a", "b")
    ]
    response = {"id": "r", "object": "response", "output": []}
    event = json.dumps({"type": "response.completed", "response": response}).encode()
    delta = b'{"type":"response.output_text.delta","delta":"a"}'

    assert assemble_completion(texts)["choices"][0]["text"] == "ab"
    assert assemble_completion([event]) == response
    made = assemble_completion([delta, event])
    assert made["output"][0]["content"] == [{"type": "output_text", "text": "a", "annotations": []}]
    assert {**made, "output": []} == response


def test_a_character_that_two_chunks_tear_apart_is_whole_again() -> None:
    whole = assemble_completion([chunk(content="\ud83d"), chunk(content="\ude00")])

    assert whole["choices"][0]["message"]["content"] == "😀"


def test_what_is_not_a_chunk_is_passed_over() -> None:
    assert assemble_completion([b"", b"oops", b"null", b"{}", b"[]", b'{"choices":null}']) == {}


def test_events_that_nobody_asked_for_become_a_value() -> None:
    raw = b"".join(b"data: " + one + b"\n\n" for one in (chunk(content="a"), chunk(0, "stop")))

    found, _ = read_json(reply(raw + b"data: [DONE]\n\n", kind="text/event-stream"))

    assert isinstance(found, dict)
    assert found["choices"][0]["message"]["content"] == "a"
