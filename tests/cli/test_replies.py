"""What each odd reply of a gateway comes to: the exit code, what is printed, what is said."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from apiyi_cli.sandbox.play import DONE, Play
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


class Case(NamedTuple):
    """A reply, and the run it must lead to; `said` are parts of stderr."""

    name: str
    play: Play
    code: int
    said: tuple[str, ...] = ()
    out: str = ""
    options: str = ""


def delta(text: str, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish, **more}
    return {"id": "c", "choices": [choice]}


def whole(message: Any, finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    return {
        "id": "c",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        **more,
    }


BUSY = {
    "error": {"message": "当前分组上游负载已饱和 (request id: 2026x)", "type": "rate_limit_error"}
}
QUOTA = "user [7] quota [1000] preConsumedQuota [500000] is not enough"
PAGE = "<!doctype html><html><head><title>Just a moment</title></head></html>"
END = delta("", "stop")

STATUSES = [
    Case("400", Play.error(400, "bad seed", code="invalid_value", param="seed"), 6, ("HTTP 400", "bad seed", "seed")),
    Case("401", Play.error(401, "无效的令牌", code="invalid_api_key"), 4, ("无效的令牌", "apiyi auth login", "APIYI_API_KEY")),
    Case("402", Play.error(402, "pay"), 7, ("top up",)),
    Case("403", Play.error(403, "无权访问 default 分组"), 4, ("无权访问", "group")),
    Case("403 firewall", Play.text(PAGE, "text/html", status=403), 4, ("Just a moment", "firewall")),
    Case("404", Play.error(404, "Invalid URL (POST /v1/x)", type="invalid_request_error"), 6, ("should end in /v1",)),
    Case("405", Play.error(405, "method"), 6),
    Case("408", Play.error(408, "slow"), 5),
    Case("409", Play.error(409, "conflict"), 5),
    Case("413", Play.text("<html><title>413 Request Entity Too Large</title>", "text/html", status=413), 6, ("Too Large", "send less")),
    Case("415", Play.error(415, "type"), 6),
    Case("422", Play(status=422, body=b'{"detail":[{"loc":["body","n"],"msg":"too big"}]}'), 6, ("too big",)),
    Case("425", Play.error(425, "early"), 5),
    Case("429", Play.error(429, "rate", code="rate_limit_exceeded"), 5, ("HTTP 429", "rate_limit_exceeded")),
    Case("451", Play.error(451, "[x] rejected by the safety system", code="content_policy_violation"), 6, ("change the prompt",)),
    Case("500", Play.error(500, "Panic detected, error: x", type="one_api_panic"), 5, ("Panic",)),
    Case("501", Play.error(501, "API not implemented", code="api_not_implemented"), 6, ("does not offer this",)),
    Case("502", Play.error(502, "upstream"), 5),
    Case("503", Play.error(503, "overloaded"), 5),
    Case("504", Play.text("<html><title>504 Gateway Time-out</title></html>", "text/html", status=504), 8, ("504 Gateway Time-out", "billed")),
    Case("529", Play.error(529, "Overloaded", type="overloaded_error"), 5),
]  # fmt: skip

ODDITIES = [
    Case("1 home page", Play.text(PAGE, "text/html"), 6, ("Just a moment", "/v1/chat/completions", "should end in /v1")),
    Case("2 error in a whole 200", Play.json({"error": {"message": "bad n", "code": "invalid_value"}}), 6, ("bad n",), options="--json"),
    Case("3 success false", Play.json({"success": False, "message": "无权进行此操作，access token 无效"}), 4, ("access token",)),
    Case("4 empty", Play(), 8, ("the answer is empty",)),
    Case("4 empty stream", Play(content_type="text/event-stream", transfer="chunked"), 8, ("the answer is empty",)),
    Case("5 mark and padding", Play(body=b"\xef\xbb\xbf\n  \n " + Play.json(whole({"content": "hi"})).body), 0, (), "hi\n", "--no-stream"),  # type: ignore[operator]
    Case("6 object though a stream was asked for", Play.json(whole({"content": "hi"})), 0, (), "hi\n"),
    Case("7 stream though none was asked for", Play.chat("h", "i"), 0, (), "hi\n", "--no-stream"),
    Case("8 stream as text/plain", Play.chat("hi", content_type="text/plain"), 0, (), "hi\n"),
    Case("8 stream as octets", Play.chat("hi", content_type="application/octet-stream"), 0, (), "hi\n"),
    Case("8 stream without a type", Play.chat("hi", content_type=None), 0, (), "hi\n"),
    Case("9 pings only, then data", Play.chat("hi", pings=50), 0, (), "hi\n"),
    Case("10 no space, CRLF, one byte at a time", Play(body=b'data:{"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}\r\n\r\ndata:[DONE]\r\n\r\n', content_type="text/event-stream", split="bytes"), 0, (), "hi\n"),
    Case("11 characters split over reads", Play.chat("中文🤖é", split="bytes"), 0, (), "中文🤖é\n"),
    Case("12 one event of 5 MB", Play.chat("x" * 5_000_000), 0, (), "x" * 5_000_000 + "\n"),
    Case("13 empty, null and {} data", Play.sse("", "null", {}, delta("hi", "stop"), DONE), 0, (), "hi\n"),
    Case("14 usage without choices", Play.sse(delta("hi"), END, {"choices": None, "usage": {"total_tokens": 4}}, DONE), 0, ("= 4 tokens",), "hi\n", "-u"),
    Case("15 error as the first event", Play.sse(BUSY, DONE), 5, ("当前分组上游负载已饱和",)),
    Case("16 error after a part", Play.sse(delta("par"), delta("t"), BUSY, DONE), 8, ("上游负载已饱和", "4 characters"), "part\n"),
    Case("16 named error event", Play(body=b'event: error\ndata: {"message":"boom"}\n\n', content_type="text/event-stream"), 5, ("boom",)),
    Case("17 no DONE but a finish", Play.chat("hi", done=False), 0, (), "hi\n"),
    Case("18 DONE without a finish", Play.chat("part", finish=None), 8, ("without a sign that it is complete",), "part\n"),
    Case("19 only DONE", Play.sse(DONE), 8, ("the answer is empty",)),
    Case("20 reset in the middle", Play.chat("par", "t", "ial").reset(3), 8, ("the answer was cut",), "part\n"),
    Case("20 cut in the middle", Play.chat("par", "t", "ial").cut(3), 8, ("the answer was cut",), "part\n"),
    Case("20 close-delimited and cut", Play.chat("par", "t", finish=None, done=False, transfer="close"), 8, ("without a sign",), "part\n"),
    Case("20 length too small", Play.json(whole({"content": "hello"}), length_off=-20), 8, ("the answer was cut",), "", "--json"),
    Case("20 length too large", Play.json(whole({"content": "hello"}), length_off=20).cut(1), 0, (), "hello\n", "--no-stream"),
    Case("21 calls without index", Play.chat({"tool_calls": [{"id": "a", "type": None, "function": {"name": "f", "arguments": "{}"}}, {"id": "b", "function": {"name": "g", "arguments": "{}"}}]}, finish="tool_calls"), 0, (), '{"id":"a","name":"f","arguments":{}}\n{"id":"b","name":"g","arguments":{}}\n'),
    Case("22 arguments cut by length", Play.chat({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": "ab'}}]}, finish="length"), 0, ("token limit",), '{"id":"a","name":"f","arguments":"{\\"x\\": \\"ab"}\n'),
    Case("23 index 1 alone", Play.sse({"choices": [{"index": 0, "delta": {"role": "assistant"}}]}, {"choices": [{"index": 1, "delta": {"content": "hi"}, "finish_reason": "stop"}]}, DONE), 0, (), "hi\n"),
    Case("24 content in parts", Play.json(whole({"content": [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]})), 0, (), "hi\n"),
    Case("25 all went into reasoning", Play.json(whole({"content": None, "reasoning_content": "hm"}, "length")), 0, ("all tokens went into reasoning",)),
    Case("26 filtered", Play.json(whole({"content": "", "refusal": "I cannot."}, "content_filter")), 0, ("content filter",), "I cannot.\n"),
    Case("27 odd usage", Play.sse(delta("hi", "stop"), {"choices": [], "usage": {"prompt_tokens": "7", "total_tokens": -1}}, DONE), 0, ("unknown",), "hi\n", "-u"),
    Case("28 empty 429", Play(status=429, content_type=None), 5, ("HTTP 429",)),
    Case("29 saturated, but quota by its code", Play.error(429, "当前分组上游负载已饱和", type="insufficient_quota", code="insufficient_user_quota"), 7),
    Case("29 quota in a 200", Play.json({"error": {"message": "quota", "code": "insufficient_user_quota"}}), 7),
    Case("29 quota in a stream", Play.sse({"error": {"message": "余额不足"}}), 7, ("余额不足",)),
    Case("30 quota with numbers", Play.error(403, QUOTA), 7, ("$0.0020", "$1.0000", "--max-tokens")),
    Case("30 quota at 429", Play.error(429, "You exceeded your current quota", code="insufficient_quota"), 7),
    Case("31 a wait of a day", Play.error(429, "slow", headers=(("Retry-After", "86400"),)), 5, ("86400 s",), options="--retries 2"),
    Case("32 no channel", Play.error(503, "当前分组 default 下对于模型 gpt4o 无可用渠道", code="model_not_found"), 6, ("无可用渠道",)),
    Case("33 Cloudflare 520", Play.text(f"<html><title>520: Web server is returning an unknown error</title>{PAGE}", "text/html", status=520), 5, ("HTTP 520", "unknown error")),
    Case("33 Cloudflare 524", Play.text("<html><title>524: A timeout occurred</title></html>", "text/html", status=524), 8, ("HTTP 524",)),
    Case("35 two objects", Play(status=429, body=b'{"error":{"message":"first"}}{"error":{"message":"second"}}'), 5, ("first",)),
    Case("36 an upstream status", Play.json({"error": {"message": "", "param": "502", "code": "bad_response_status_code"}}, 500), 5, ("502",)),
    Case("42 gzip that does not say so", Play(body=gzip.compress(Play.json(whole({"content": "hi"})).body)), 0, (), "hi\n", "--no-stream"),  # type: ignore[arg-type]
    Case("42 says gzip and is not", Play.json(whole({"content": "hi"}), headers=(("Content-Encoding", "gzip"),)), 0, (), "hi\n", "--no-stream"),
    Case("42 gzip", Play.json(whole({"content": "hi"}), gzip=True), 0, (), "hi\n", "--no-stream"),
    Case("42 brotli", Play.text("x", headers=(("Content-Encoding", "br"),)), 6, ("content-encoding br",)),
    Case("42 cut gzip", Play(body=gzip.compress(bytes(range(256)) * 40)[:200]), 8, ("cut",), "", "--no-stream"),
    Case("45 escapes in an error", Play.error(400, "\x1b]0;title\x07bad\x1b[2J\u202e"), 6, ("bad",)),
    Case("46 lone surrogates and 1e400", Play(body=b'{"x":1e400,"choices":[{"message":{"content":"a\\ud83d","content":"b\\udc00"},"finish_reason":"stop"}]}'), 0, (), "b\ufffd\n", "--no-stream"),
    Case("46 a pair over two deltas", Play(body=b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\ndata: {"choices":[{"delta":{"content":"\\ude00"},"finish_reason":"stop"}]}\n\n', content_type="text/event-stream"), 0, (), "😀\n"),
    Case("raw text", Play.text("upstream connect error", status=200), 6, ("upstream connect error",)),
    Case("not HTTP", Play(raw=b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), 6, ("not HTTP",)),
    Case("half a status line", Play(raw=b"HTTP/1.1 20"), 8),
    Case("interim answers first", Play.chat("hi", interim=(103,)), 0, (), "hi\n"),
    Case("HTTP/1.0", Play.chat("hi", version="1.0", transfer="close"), 0, (), "hi\n"),
    Case("204", Play(status=204), 8, ("empty",)),
]  # fmt: skip


@pytest.mark.parametrize("case", [*STATUSES, *ODDITIES], ids=lambda case: case.name)
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


def test_an_error_names_status_code_request_id_and_host(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(Play.error(400, "no", code="odd", headers=(("X-Request-Id", "r-7"),)))
    err = apiyi("chat hi").err
    assert "(HTTP 400, code odd, request id " in err
    assert "host 127.0.0.1)" in err


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(apiyi: Program, gateway: Gateway, status: int) -> None:
    with Gateway() as other:
        target = f"{other.base_url}/chat/completions"
        gateway.script(Play(status=status, headers=(("Location", target),)))
        ran = apiyi("chat hi")
        assert ran.code == 6
        assert target in ran.err
        assert len(gateway.ledger) == 1
        assert other.connections == 0


def test_an_unknown_model_comes_with_the_nearest_names(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi -m gpt4o")
    assert ran.code == 6
    assert "try: -m gpt-4o" in ran.err
    posts = [received for received in gateway.ledger if received.method == "POST"]
    assert len(posts) == 1
    assert apiyi("chat hi -m claude-sonet-4").err.rstrip().endswith("-m claude-sonnet-4") or (
        "-m claude-sonnet-4 " in apiyi("chat hi -m claude-sonet-4").err
    )


def test_an_unknown_model_like_nothing_points_at_the_list(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi -m zzzzzz")
    assert (ran.code, ran.err.splitlines()[-1].strip()) == (6, "try: apiyi models")


def test_a_wrong_key_is_told_with_its_source(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi", env={"APIYI_API_KEY": "sk-wrong-one-of-the-user"})
    assert ran.code == 4
    assert "APIYI_API_KEY" in ran.err
    assert "sk-wrong-one" not in ran.err


def test_a_key_that_the_server_echoes_is_redacted(apiyi: Program, gateway: Gateway) -> None:
    key = apiyi.environ["APIYI_API_KEY"]
    gateway.script(Play.error(401, f"Incorrect API key provided: {key}."))
    ran = apiyi("chat hi")
    assert ran.code == 4
    assert "Incorrect API key provided: " in ran.err
    assert not any(part in ran.err for part in (key[3:10], "5b8a"))


def test_without_a_key_the_ways_to_give_one_are_told(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi", env={"APIYI_API_KEY": None})
    assert ran.code == 4
    assert "apiyi auth login" in ran.err and "APIYI_API_KEY" in ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize(
    "key", ["sk-a b-secret", "sk-a\nb-secret", "sk-ключ-secret", '"sk-secret"']
)
def test_a_key_that_cannot_be_one_is_refused_unseen(
    apiyi: Program, gateway: Gateway, key: str
) -> None:
    ran = apiyi("chat hi", env={"APIYI_API_KEY": key})
    assert ran.code == 4
    assert "secret" not in ran.err
    assert gateway.ledger == []


def test_a_key_file_is_used_and_must_be_private(apiyi: Program, gateway: Gateway) -> None:
    path = apiyi.work.with_name("key")
    path.write_text(apiyi.environ["APIYI_API_KEY"] + "\n")
    path.chmod(0o644)
    unset = {"APIYI_API_KEY": None}
    refused = apiyi(["chat", "hi", "--key-file", str(path)], env=unset)
    assert refused.code == 10
    assert "chmod 600" in refused.err
    assert gateway.ledger == []
    path.chmod(0o600)
    assert apiyi(["chat", "hi", "--key-file", str(path)], env=unset).code == 0
    assert apiyi(["chat", "hi", "--key-file", str(path)]).code == 0
