"""Replies that gateways have been seen to send, and what a chat makes of each of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pytest

from apiyi_cli.core.call import Reply
from apiyi_cli.core.events import Delta, Empty, Reasoning, Refusal, ToolCall, Usage
from apiyi_cli.decode.chat import events
from apiyi_cli.errors import ApiyiError, TemporaryError

PAGE = b"<!DOCTYPE html><html><head><title>API</title></head></html>"
DONE = b"data: [DONE]\n\n"
SATURATED = "当前分组上游负载已饱和，请稍后再试 (request id: 20260819)"


def data(value: Any) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def say(text: str, index: int = 0) -> bytes:
    return data({"choices": [{"index": index, "delta": {"content": text}}]})


def stop(reason: str = "stop", index: int = 0) -> bytes:
    return data({"choices": [{"index": index, "delta": {}, "finish_reason": reason}]})


def whole(finish: str = "stop", **message: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"choices": [choice]}).encode()


def error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def resets(*chunks: bytes) -> Iterator[bytes]:
    yield from chunks
    raise TemporaryError("the connection broke", "reset")


class Row(NamedTuple):
    """A reply, and the text, exit code and words of the error that must come of it."""

    chunks: Iterable[bytes]
    text: str = ""
    code: int = 0
    words: str = ""
    status: int = 200
    kind: str = "text/event-stream"


HTML = "text/html; charset=utf-8"
JSON = "application/json"
BODY_32 = json.dumps(error("当前分组 default 下对于模型 gpt4o 无可用渠道")).encode()

REPLIES = {
    "1 the home page of the website": Row([PAGE], "", 6, "HTML page “API”", 200, HTML),
    "2 an error with 200": Row(
        [json.dumps(error("no", code="insufficient_quota")).encode()], "", 7, "no", 200, JSON
    ),
    "3 success is false": Row(
        [json.dumps({"success": False, "message": "无权进行此操作，access token 无效"}).encode()],
        code=4,
        words="无权",
        kind=JSON,
    ),
    "4 an empty body": Row([], "", 8, "empty", 200, JSON),
    "5 padding and a mark": Row([b"\n \n", b"\xef\xbb\xbf" + whole(content="a")], "a", kind=JSON),
    "6 an object though events were asked for": Row([whole(content="a")], "a", kind=JSON),
    "8 events as plain text": Row([say("a"), stop(), DONE], "a", kind="text/plain"),
    "8 events as a download": Row([say("a"), stop()], "a", kind="application/octet-stream"),
    "9 nothing but pings for long": Row([b": PING\n\n"] * 20 + [say("a"), stop()], "a"),
    "10 no space, CRLF, torn": Row(
        [say("a").replace(b"data: ", b"data:").replace(b"\n", b"\r\n")[:-1], b"\n", stop()], "a"
    ),
    "11 a character in two reads": Row([say("世")[:-8], say("世")[-8:], stop()], "世"),
    "12 one event of 3 MB": Row([say("x" * 3_000_000), stop()], "x" * 3_000_000),
    "13 empty, null, {}": Row([b"data: \n\ndata: null\n\ndata: {}\n\n", say("a"), stop()], "a"),
    "14 usage with null choices": Row([say("a"), stop(), data({"choices": None})], "a"),
    "15 an error as the first event": Row(
        [data(error(SATURATED, type="rate_limit_error")), DONE], "", 5, "request id 20260819"
    ),
    "16 an error after text": Row([say("a"), data(error(SATURATED)), DONE], "a", 8, "负载已饱和"),
    "17 no done but a finish": Row([say("a"), stop()], "a"),
    "18 done without a finish": Row([say("a"), DONE], "a", 8, "cut"),
    "19 only done": Row([DONE], "", 8, "empty"),
    "20 a reset": Row(resets(say("a")), "a", 8, "reset"),
    "23 choice 1 alone": Row([say("a", 1), stop("stop", 1)], "a"),
    "24 content as parts": Row([whole(content=[{"type": "text", "text": "a"}])], "a", kind=JSON),
    "24 content as an object": Row([whole(content={"text": "a"})], "a", kind=JSON),
    "28 an empty 429": Row([], "", 5, "HTTP 429", 429),
    "29 saturated, but a quota": Row(
        [json.dumps(error(SATURATED, code="insufficient_user_quota")).encode()], "", 7, "", 429
    ),
    "30 a quota as 403": Row(
        [json.dumps(error("user [7] quota [1] preConsumedQuota [2] is not enough")).encode()],
        code=7,
        status=403,
    ),
    "32 no channel as 503": Row([BODY_32], "", 6, "gpt4o", 503, JSON),
    "33 Cloudflare's 502": Row([b"<title>502: Bad gateway</title>"], "", 5, "502", 502, HTML),
    "33 Cloudflare's 520": Row([PAGE], "", 5, "520", 520, HTML),
    "33 Cloudflare's 524": Row([PAGE], "", 8, "524", 524, HTML),
    "34 nginx's 413": Row([b"<h1>413 Too Large</h1>"], "", 6, "413", 413, HTML),
    "35 two objects back to back": Row(
        [json.dumps(error("one")).encode() + json.dumps(error("two")).encode()], "", 5, "one", 429
    ),
    "36 an empty message": Row(
        [json.dumps(error("", param="502", code="bad_response_status_code")).encode()],
        code=5,
        words="upstream status 502",
        kind=JSON,
    ),
    "44 a redirect": Row([], "", 6, "", 307),
    "45 escapes and NUL": Row([say("\x1b[2J\u202e\x00"), stop()], "\x1b[2J\u202e\x00"),
    "46 lone surrogates, 1e400, twice the same key": Row(
        [b'{"n":1e400,"n":1,"choices":[{"message":{"content":"\\ud83d"},"finish_reason":"stop"}]}'],
        "\ufffd",
    ),
    "48 complete, but never closed": Row(resets(whole(content="a")), "a", kind=JSON),
    "48 finished, but never closed": Row(resets(say("a"), stop()), "a"),
}


def read(row: Row) -> tuple[list[Any], ApiyiError | None]:
    found: list[Any] = []
    reply = Reply(row.status, {"content-type": row.kind}, row.chunks, host="api.test")
    try:
        for batch in events(reply):
            found += batch
    except ApiyiError as failure:
        return found, failure
    return found, None


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_gives_its_text_and_its_exit_code(name: str) -> None:
    row = REPLIES[name]

    found, failure = read(row)

    assert "".join(event.text for event in found if isinstance(event, Delta)) == row.text
    assert (failure.exit_code if failure else 0) == row.code
    assert row.words in str(failure)


def test_21_22_tools_without_index_and_with_broken_arguments_are_shown_raw() -> None:
    def call(id: str, name: str | None, arguments: str) -> bytes:
        told = {"id": id, "type": None, "function": {"name": name, "arguments": arguments}}
        return data({"choices": [{"delta": {"tool_calls": [told]}}]})

    found, failure = read(
        Row([call("1", "f", "{"), call("2", "g", "["), call("1", None, "}"), stop("length")])
    )

    assert found[:2] == [ToolCall("1", "f", "{}"), ToolCall("2", "g", "[")]
    assert failure is None


def test_25_an_answer_of_reasoning_only_says_so() -> None:
    found, failure = read(Row([whole("length", content=None, reasoning_content="hm")], kind=JSON))

    assert found[0] == Reasoning("hm")
    assert isinstance(found[1], Empty)
    assert failure is None


def test_26_a_refusal_is_handed_on() -> None:
    found, failure = read(Row([whole("content_filter", content="", refusal="no")], kind=JSON))

    assert found[0] == Refusal("no")
    assert failure is None


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 2}, (3, 2, 5)),
        ({"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}, (3, 2, 5)),
        ({"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}, (3, 0, 3)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (None, None, None)),
        ({"prompt_tokens": -1, "completion_tokens": 2}, (None, 2, None)),
        ({"prompt_tokens": "3", "completion_tokens": 2.0}, (3, 2, 5)),
        ({"prompt_tokens": "many", "completion_tokens": 2.5}, (None, None, None)),
        ({"prompt_tokens": True, "completion_tokens": None}, (None, None, None)),
        ({"prompt_tokens": 2**70}, (None, None, None)),
    ],
)
def test_27_counts_that_are_none_are_unknown_and_never_0(
    told: dict[str, Any], counts: tuple[int | None, ...]
) -> None:
    found, _ = read(Row([say("a"), stop(), data({"choices": [], "usage": told})]))

    usage = found[-1]
    assert isinstance(usage, Usage)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == counts


def test_27_details_of_usage_are_read_by_any_name() -> None:
    shapes: list[dict[str, Any]] = [
        {
            "prompt_tokens_details": {"cached_tokens": 7},
            "completion_tokens_details": {"reasoning_tokens": 9},
        },
        {
            "input_tokens_details": {"cached_tokens": 7},
            "output_tokens_details": {"reasoning_tokens": 9},
        },
        {"prompt_cache_hit_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 9}},
    ]
    for details in shapes:
        told = {"prompt_tokens": 10, "completion_tokens": 10, **details}
        found, _ = read(Row([say("a"), stop(), data({"usage": told})]))
        assert (found[-1].cached_tokens, found[-1].reasoning_tokens) == (7, 9)
        assert found[-1].raw == told


@pytest.mark.parametrize("told", [None, {}, [], "5", 5])
def test_27_usage_that_is_no_object_is_none(told: Any) -> None:
    found, _ = read(Row([say("a"), stop(), data({"choices": [], "usage": told})]))

    assert not any(isinstance(event, Usage) for event in found)
