"""What each odd reply of a gateway comes to: the exit code, what is printed, what is said."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pytest

from apiyi_cli.sandbox.scripted_reply import DONE, ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


class Case(NamedTuple):
    """A reply, and the run it must lead to; `said` are parts of stderr."""

    name: str
    play: ScriptedReply
    code: int
    said: tuple[str, ...] = ()
    out: str = ""
    options: str = ""


def delta(text: str, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish, **more}
    return {"id": "c", "choices": [choice]}


def call(id: str, arguments: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": None, "function": {"name": "f", "arguments": arguments}, **more}


def events(body: bytes, **how: Any) -> ScriptedReply:
    return ScriptedReply(body=body, content_type="text/event-stream", **how)


def whole(message: Any, finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    return {
        "id": "c",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        **more,
    }


HI = orjson.dumps(whole({"content": "hi"}))
PAIR = b"".join(
    b"data: %s\n\n" % orjson.dumps(delta("half", finish)).replace(b"half", half)
    for half, finish in ((rb"\ud83d", None), (rb"\ude00", "stop"))
)
BUSY = {
    "error": {"message": "当前分组上游负载已饱和 (request id: 2026x)", "type": "rate_limit_error"}
}
QUOTA = "user [7] quota [1000] preConsumedQuota [500000] is not enough"
PAGE = "<!doctype html><html><head><title>Just a moment</title></head></html>"
END = delta("", "stop")

ODDITIES = [
    Case(
        "1 home page",
        ScriptedReply.text(PAGE, "text/html"),
        6,
        ("Just a moment", "/v1/chat/completions", "apiyi doctor"),
    ),
    Case(
        "2 error in a whole 200",
        ScriptedReply.json({"error": {"message": "bad n", "code": "invalid_value"}}),
        6,
        ("bad n",),
        options="--json",
    ),
    Case(
        "3 success false",
        ScriptedReply.json({"success": False, "message": "无权进行此操作，access token 无效"}),
        4,
        ("access token",),
    ),
    Case("4 empty", ScriptedReply(), 8, ("the answer is empty",)),
    Case(
        "4 empty stream",
        ScriptedReply(content_type="text/event-stream", transfer="chunked"),
        8,
        ("the answer is empty",),
    ),
    Case(
        "5 mark and padding",
        ScriptedReply(body=b"\xef\xbb\xbf\n  \n " + HI),
        0,
        (),
        "hi\n",
        "--no-stream",
    ),
    Case("6 object though a stream was asked for", ScriptedReply(body=HI), 0, (), "hi\n"),
    Case(
        "7 stream though none was asked for",
        ScriptedReply.chat("h", "i"),
        0,
        (),
        "hi\n",
        "--no-stream",
    ),
    Case(
        "8 stream as text/plain", ScriptedReply.chat("hi", content_type="text/plain"), 0, (), "hi\n"
    ),
    Case(
        "8 stream as octets",
        ScriptedReply.chat("hi", content_type="application/octet-stream"),
        0,
        (),
        "hi\n",
    ),
    Case("8 stream without a type", ScriptedReply.chat("hi", content_type=None), 0, (), "hi\n"),
    Case("9 pings only, then data", ScriptedReply.chat("hi", pings=50), 0, (), "hi\n"),
    Case(
        "10 no space, CRLF, one byte at a time",
        events(
            b"data:%s\r\n\r\ndata:[DONE]\r\n\r\n" % orjson.dumps(delta("hi", "stop")), split="bytes"
        ),
        0,
        (),
        "hi\n",
    ),
    Case(
        "11 characters split over reads",
        ScriptedReply.chat("中文🤖é", split="bytes"),
        0,
        (),
        "中文🤖é\n",
    ),
    Case(
        "12 one event of 5 MB", ScriptedReply.chat("x" * 5_000_000), 0, (), "x" * 5_000_000 + "\n"
    ),
    Case(
        "13 empty, null and {} data",
        ScriptedReply.sse("", "null", {}, delta("hi", "stop"), DONE),
        0,
        (),
        "hi\n",
    ),
    Case(
        "14 usage without choices",
        ScriptedReply.sse(delta("hi"), END, {"choices": None, "usage": {"total_tokens": 4}}, DONE),
        0,
        ("= 4 tokens",),
        "hi\n",
        "-u",
    ),
    Case(
        "15 error as the first event", ScriptedReply.sse(BUSY, DONE), 5, ("当前分组上游负载已饱和",)
    ),
    Case(
        "16 error after a part",
        ScriptedReply.sse(delta("par"), delta("t"), BUSY, DONE),
        8,
        ("上游负载已饱和", "4 characters"),
        "part\n",
    ),
    Case(
        "16 named error event", events(b'event: error\ndata: {"message":"boom"}\n\n'), 5, ("boom",)
    ),
    Case("17 no DONE but a finish", ScriptedReply.chat("hi", done=False), 0, (), "hi\n"),
    Case(
        "18 DONE without a finish",
        ScriptedReply.chat("part", finish=None),
        8,
        ("without a sign that it is complete",),
        "part\n",
    ),
    Case("19 only DONE", ScriptedReply.sse(DONE), 8, ("the answer is empty",)),
    Case(
        "20 reset in the middle",
        ScriptedReply.chat("par", "t", "ial").reset(3),
        8,
        ("the answer was cut",),
        "part\n",
    ),
    Case(
        "20 cut in the middle",
        ScriptedReply.chat("par", "t", "ial").cut(3),
        8,
        ("the answer was cut",),
        "part\n",
    ),
    Case(
        "20 close-delimited and cut",
        ScriptedReply.chat("par", "t", finish=None, done=False, transfer="close"),
        8,
        ("without a sign",),
        "part\n",
    ),
    Case(
        "20 length too small",
        ScriptedReply.json(whole({"content": "hello"}), length_off=-20),
        8,
        ("the answer was cut",),
        "",
        "--json",
    ),
    Case(
        "20 length too large",
        ScriptedReply.json(whole({"content": "hello"}), length_off=20).cut(1),
        0,
        (),
        "hello\n",
        "--no-stream",
    ),
    Case(
        "21 calls without index",
        ScriptedReply.chat({"tool_calls": [call("a", "{}"), call("b", "{}")]}, finish="tool_calls"),
        0,
        (),
        '{"id":"a","name":"f","arguments":{}}\n{"id":"b","name":"f","arguments":{}}\n',
    ),
    Case(
        "22 arguments cut by length",
        ScriptedReply.chat({"tool_calls": [call("a", '{"x": "ab', index=0)]}, finish="length"),
        0,
        ("token limit",),
        '{"id":"a","name":"f","arguments":"{\\"x\\": \\"ab"}\n',
    ),
    Case(
        "23 index 1 alone",
        ScriptedReply.sse(
            {"choices": [{"index": 0, "delta": {"role": "assistant"}}]},
            {"choices": [{"index": 1, "delta": {"content": "hi"}, "finish_reason": "stop"}]},
            DONE,
        ),
        0,
        (),
        "hi\n",
    ),
    Case(
        "24 content in parts",
        ScriptedReply.json(
            whole({"content": [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]})
        ),
        0,
        (),
        "hi\n",
    ),
    Case(
        "25 all went into reasoning",
        ScriptedReply.json(whole({"content": None, "reasoning_content": "hm"}, "length")),
        8,
        ("all tokens went into reasoning",),
    ),
    Case(
        "26 filtered",
        ScriptedReply.json(whole({"content": "", "refusal": "I cannot."}, "content_filter")),
        0,
        ("content filter",),
        "I cannot.\n",
    ),
    Case(
        "27 odd usage",
        ScriptedReply.sse(
            delta("hi", "stop"),
            {"choices": [], "usage": {"prompt_tokens": "7", "total_tokens": -1}},
            DONE,
        ),
        0,
        ("unknown",),
        "hi\n",
        "-u",
    ),
    Case("28 empty 429", ScriptedReply(status=429, content_type=None), 5, ("HTTP 429",)),
    Case(
        "29 saturated, but quota by its code",
        ScriptedReply.error(
            429, "当前分组上游负载已饱和", type="insufficient_quota", code="insufficient_user_quota"
        ),
        7,
    ),
    Case(
        "29 quota in a 200",
        ScriptedReply.json({"error": {"message": "quota", "code": "insufficient_user_quota"}}),
        7,
    ),
    Case(
        "29 quota in a stream",
        ScriptedReply.sse({"error": {"message": "余额不足"}}),
        7,
        ("余额不足",),
    ),
    Case(
        "30 quota with numbers",
        ScriptedReply.error(403, QUOTA),
        7,
        ("$0.0020", "$1.0000", "--max-tokens"),
    ),
    Case(
        "30 quota at 429",
        ScriptedReply.error(429, "You exceeded your current quota", code="insufficient_quota"),
        7,
    ),
    Case(
        "31 a wait of a day",
        ScriptedReply.error(429, "slow", headers=(("Retry-After", "86400"),)),
        5,
        ("86400 s",),
        options="--retries 2",
    ),
    Case(
        "32 no channel",
        ScriptedReply.error(
            503, "当前分组 default 下对于模型 gpt4o 无可用渠道", code="model_not_found"
        ),
        5,
        ("无可用渠道",),
    ),
    Case(
        "33 Cloudflare 520",
        ScriptedReply.text(
            f"<html><title>520: Web server is returning an unknown error</title>{PAGE}",
            "text/html",
            status=520,
        ),
        5,
        ("HTTP 520", "unknown error"),
    ),
    Case(
        "33 Cloudflare 524",
        ScriptedReply.text(
            "<html><title>524: A timeout occurred</title></html>", "text/html", status=524
        ),
        8,
        ("HTTP 524",),
    ),
    Case(
        "35 two objects",
        ScriptedReply(
            status=429, body=b'{"error":{"message":"first"}}{"error":{"message":"second"}}'
        ),
        5,
        ("first",),
    ),
    Case(
        "36 an upstream status",
        ScriptedReply.json(
            {"error": {"message": "", "param": "502", "code": "bad_response_status_code"}}, 500
        ),
        5,
        ("502",),
    ),
    Case(
        "42 gzip that does not say so",
        ScriptedReply(body=gzip.compress(HI)),
        0,
        (),
        "hi\n",
        "--no-stream",
    ),
    Case(
        "42 says gzip and is not",
        ScriptedReply(body=HI, headers=(("Content-Encoding", "gzip"),)),
        0,
        (),
        "hi\n",
        "--no-stream",
    ),
    Case("42 gzip", ScriptedReply(body=HI, gzip=True), 0, (), "hi\n", "--no-stream"),
    Case(
        "42 brotli",
        ScriptedReply(body=b"\x8b\x06\x80\x03", headers=(("Content-Encoding", "br"),)),
        6,
        ("content-encoding br",),
    ),
    Case(
        "42 cut gzip",
        ScriptedReply(body=gzip.compress(bytes(range(256)) * 40)[:200]),
        8,
        ("cut",),
        "",
        "--no-stream",
    ),
    Case(
        "45 escapes in an error",
        ScriptedReply.error(400, "\x1b]0;title\x07bad\x1b[2J\u202e"),
        6,
        ("bad",),
    ),
    Case(
        "46 lone surrogates and 1e400",
        ScriptedReply(body=HI.replace(b'"hi"', b'"a\\ud83d","content":"b\\udc00","x":1e400')),
        0,
        (),
        "b\ufffd\n",
        "--no-stream",
    ),
    Case("46 a pair over two deltas", events(PAIR), 0, (), "😀\n"),
    Case(
        "raw text",
        ScriptedReply.text("upstream connect error", status=200),
        6,
        ("upstream connect error",),
    ),
    Case("not HTTP", ScriptedReply(raw=b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), 6, ("not HTTP",)),
    Case("half a status line", ScriptedReply(raw=b"HTTP/1.1 20"), 8),
    Case("interim answers first", ScriptedReply.chat("hi", interim=(103,)), 0, (), "hi\n"),
    Case("HTTP/1.0", ScriptedReply.chat("hi", version="1.0", transfer="close"), 0, (), "hi\n"),
    Case("204", ScriptedReply(status=204), 8, ("empty",)),
]


@pytest.mark.parametrize("case", ODDITIES, ids=lambda case: case.name)
def test_a_reply_leads_to_its_exit_code(apiyi: Program, gateway: Gateway, case: Case) -> None:
    gateway.script(case.play)
    ran = apiyi(f"chat hi --retries 0 {case.options}")
    assert (ran.code, ran.text) == (case.code, case.out), ran.err
    for part in case.said:
        assert part in ran.err
    if case.code == 0 and not case.said:
        assert not ran.err.startswith("apiyi: the")
    assert not {"\x1b", "\x9b", "\u202e"} & set(ran.err)
    assert [received.method for received in gateway.ledger].count("POST") == 1
