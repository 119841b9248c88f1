"""Refusals of every shape and status, and the error that each becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiyi_cli.core.call import Cost, Reply
from apiyi_cli.decode.errors.fault import classify_event, classify_reply, retry_after_s
from apiyi_cli.errors import (
    ApiyiError,
    AuthError,
    FundsError,
    IncompleteError,
    RejectedError,
    TemporaryError,
    UnknownModelError,
)


def refused(
    status: int,
    body: Any = b"",
    headers: dict[str, str] | None = None,
    *,
    cost: Cost = "text",
    model: str | None = None,
) -> ApiyiError:
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    reply = Reply(status, headers or {}, (), host="api.test")
    return classify_reply(reply, raw, cost=cost, model=model)


def error_fields(message: str = "m", **rest: Any) -> dict[str, Any]:
    return {"error": {"message": message, **rest}}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RejectedError),
        (401, AuthError),
        (402, FundsError),
        (403, AuthError),
        (404, RejectedError),
        (405, RejectedError),
        (406, RejectedError),
        (408, TemporaryError),
        (409, TemporaryError),
        (410, RejectedError),
        (413, RejectedError),
        (415, RejectedError),
        (418, RejectedError),
        (422, RejectedError),
        (425, TemporaryError),
        (429, TemporaryError),
        (451, RejectedError),
        (500, TemporaryError),
        (501, RejectedError),
        (502, TemporaryError),
        (503, TemporaryError),
        (504, IncompleteError),
        (520, TemporaryError),
        (521, TemporaryError),
        (522, TemporaryError),
        (523, TemporaryError),
        (524, IncompleteError),
        (529, TemporaryError),
        (530, TemporaryError),
        (599, IncompleteError),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"upstream connect error",
        b"<html><title>Oops</title></html>",
        {},
        error_fields(),
        error_fields("", code=None, param=""),
        {"error": "m"},
        {"message": "m"},
        [{"error": {"code": 418, "message": "m"}}],
        b'{"error":{"message":"m"}}{"error":{"message":"second"}}',
        b"null",
        b"[]",
        b'"m"',
        b"\xef\xbb\xbf \n{}",
        b"\xff\xfe",
        b"{" * 100_000,
    ],
)
def test_a_status_alone_decides_where_the_body_says_nothing_known(
    status: int, kind: type[ApiyiError], body: Any
) -> None:
    error = refused(status, body)

    assert type(error) is kind
    assert error.facts.status == status
    assert error.facts.phase == "status"
    assert error.facts.host == "api.test"
    assert error.why


def test_a_408_is_incomplete_where_the_work_is_expensive() -> None:
    assert type(refused(408, cost="heavy")) is IncompleteError
    for cost in ("free", "light", "text"):
        assert type(refused(408, cost=cost)) is TemporaryError


QUOTA_BODIES = [
    error_fields("m", code="insufficient_quota"),
    error_fields(
        "当前分组上游负载已饱和", type="insufficient_quota", code="insufficient_user_quota"
    ),
    error_fields("m", code="pre_consume_token_quota_failed"),
    error_fields("m", code="quota_not_enough"),
    error_fields("m", code="billing_hard_limit_reached"),
    error_fields("用户额度不足, 剩余额度: 0"),
    error_fields("该令牌额度已用尽 TokenStatusExhausted[sk-abcdefgh***xyz]"),
    error_fields("账户余额不足"),
    error_fields("user [7] quota [1200] preConsumedQuota [500000] is not enough"),
    error_fields("You exceeded your current quota, please check your plan", type="shell_api_error"),
    error_fields("Your credit balance is too low"),
    {"error": "insufficient balance"},
    {"code": "insufficient_user_quota", "message": "m"},
]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 429, 500, 503, 529])
@pytest.mark.parametrize("body", QUOTA_BODIES)
def test_a_quota_that_is_used_up_is_known_at_any_status(status: int, body: Any) -> None:
    assert type(refused(status, body)) is FundsError


@pytest.mark.parametrize("body", QUOTA_BODIES)
def test_a_quota_that_is_used_up_is_known_inside_a_200(body: Any) -> None:
    assert type(classify_event(body)) is FundsError


@pytest.mark.parametrize(
    ("message", "has", "needs"),
    [
        ("user [7] quota [250000] preConsumedQuota [1000000] is not enough", "$0.5000", "$2.0000"),
        (
            "预扣费额度失败, 用户剩余额度: ＄0.123456, 需要预扣费额度: ＄0.500000",
            "$0.1235",
            "$0.5000",
        ),
        ("用户额度不足, 剩余额度: 5,000, 需要预扣费额度: 1,000,000", "$0.0100", "$2.0000"),
    ],
)
def test_both_amounts_are_shown_in_dollars(message: str, has: str, needs: str) -> None:
    hint = refused(403, error_fields(message, code="insufficient_user_quota")).hint

    assert hint is not None
    assert f"has {has}, needs {needs}" in hint


def test_one_amount_alone_gives_the_usual_hint() -> None:
    assert refused(403, error_fields("用户额度不足, 剩余额度: 5")).hint == FundsError.default_hint


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (503, error_fields("当前分组 default 下对于模型 gpt4o 无可用渠道"), UnknownModelError),
        (503, error_fields("分组 vip 下模型 x 无可用渠道（distributor）"), UnknownModelError),
        (
            503,
            error_fields("Current group default has no available channels for model "),
            UnknownModelError,
        ),
        (
            404,
            error_fields("The model `gpt-9` does not exist or you do not have access"),
            UnknownModelError,
        ),
        (404, error_fields("m", code="model_not_found"), UnknownModelError),
        (400, error_fields("m", code="model_not_found"), UnknownModelError),
        (503, error_fields("获取分组 default 下模型 x 的可用渠道失败（retry）"), TemporaryError),
        (
            400,
            error_fields("Unsupported parameter: 'stop' is not supported with this model."),
            RejectedError,
        ),
        (
            404,
            error_fields("Invalid URL (POST /v1/x)", type="invalid_request_error"),
            RejectedError,
        ),
        (400, error_fields("m", code="moderation_blocked"), RejectedError),
        (403, error_fields("m", code="content_policy_violation"), RejectedError),
        (500, error_fields("m", code="sensitive_words_detected"), RejectedError),
        (429, error_fields("Your request was rejected by the safety system"), RejectedError),
        (500, error_fields("m", code="prompt_blocked"), RejectedError),
        (401, error_fields("无效的令牌"), AuthError),
        (401, error_fields("该令牌已过期"), AuthError),
        (403, error_fields("该令牌无权访问模型 gpt-4o"), AuthError),
        (403, error_fields("用户已被封禁"), AuthError),
        (500, error_fields("用户已被封禁"), AuthError),
        (403, error_fields("您的 IP 不在令牌允许访问的列表中"), AuthError),
        (400, error_fields("Invalid token in logit_bias"), RejectedError),
        (429, error_fields("当前分组上游负载已饱和，请稍后再试"), TemporaryError),
        (
            429,
            error_fields("您已达到总请求数限制：1分钟内最多请求100次，包括失败次数"),
            TemporaryError,
        ),
        (
            400,
            [{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}],
            RejectedError,
        ),
        (
            429,
            {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}},
            TemporaryError,
        ),
        (500, error_fields("Panic detected, error: nil", type="one_api_panic"), TemporaryError),
        (502, error_fields("", param="502", code="bad_response_status_code"), TemporaryError),
        (
            529,
            {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
            TemporaryError,
        ),
        (
            501,
            error_fields("API not implemented", code="api_not_implemented", param=""),
            RejectedError,
        ),
    ],
)
def test_code_and_words_decide_before_the_status(
    status: int, body: Any, kind: type[ApiyiError]
) -> None:
    assert type(refused(status, body)) is kind


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (error_fields("first"), "first"),
        (error_fields("", localized_message="local"), "local"),
        (error_fields("m", localized_message="local"), "m"),
        ({"error": "text"}, "text"),
        (
            {"type": "error", "error": {"type": "t", "message": "claude"}, "request_id": "r"},
            "claude",
        ),
        ([{"error": {"code": 400, "message": "google", "details": []}}], "google"),
        ({"success": False, "message": "family"}, "family"),
        ({"code": "c", "message": "coded"}, "coded"),
        ({"msg": "short"}, "short"),
        ({"err": "shorter"}, "shorter"),
        ({"error_msg": "baidu"}, "baidu"),
        ({"header": {"message": "spark"}}, "spark"),
        ({"detail": "fast"}, "fast"),
        (
            {"detail": [{"loc": ["body", "n", 0], "msg": "too big"}, {"msg": "and more"}]},
            "body.n.0: too big; and more",
        ),
        ({"description": "task", "type": "t", "code": "c"}, "task"),
        (b'{"message":"one"}{"message":"two"}', "one"),
        (b"upstream connect error or\n disconnect", "upstream connect error or disconnect"),
        (b'"just a string"', "just a string"),
        (b"", "no reason given"),
        (b"{}", "no reason given"),
        (error_fields("", param="502"), "upstream status 502"),
        (b"<html><head><title>502 Bad  Gateway</title>", "HTML page “502 Bad Gateway”"),
        (b"<html><h1>413 Request<br>Entity</h1>", "HTML page “413 Request Entity”"),
        (b"<!DOCTYPE html><body>", "an HTML page"),
        ("<title>网关错误</title>".encode("gbk"), "HTML page “网关错误”"),
        ('<meta charset="big5"><title>閘道錯誤</title>'.encode("big5"), "HTML page “閘道錯誤”"),
        ("上游超时".encode("gbk"), "上游超时"),
        (
            json.dumps({"error": {"message": "网关错误"}}, ensure_ascii=False).encode("gbk"),
            "网关错误",
        ),
        (b"<title>a &amp; b</title>", "HTML page “a & b”"),
        (error_fields("令牌 \u202e 中文"), "令牌 \u202e 中文"),
        (b'{"error":{"message":"half \\ud83d"}}', "half \ufffd"),
        (b'{"error":{"message":"bad \xff"}}', "bad \ufffd"),
        (error_fields("x" * 600), "x" * 499 + "…"),
        (error_fields("two\nlines"), "two lines"),
    ],
)
def test_the_message_is_found_in_every_shape(body: Any, message: str) -> None:
    assert refused(400, body).why == message


def test_keys_in_messages_are_masked() -> None:
    key = "sk-proj-abcDEF123456"
    for body in (
        error_fields(f"Incorrect API key: {key}."),
        f"no {key}".encode(),
        {"detail": f"<{key}>"},
    ):
        error = refused(401, body, {})
        assert key not in f"{error} {error.facts}"
        assert "sk-…" in error.why
    assert refused(400, error_fields("a task-force-of-ten")).why == "a task-force-of-ten"


@pytest.mark.parametrize(
    ("headers", "body", "request_id"),
    [
        ({"x-request-id": "h1"}, error_fields("m (request id: b1)"), "h1"),
        ({"x-request-id": "upstream", "x-oneapi-request-id": "own"}, error_fields(), "own"),
        ({}, error_fields("m (request id: upstream) (request id: own)"), "own"),
        ({"x-oneapi-request-id": "h2"}, error_fields(), "h2"),
        ({}, error_fields("m (request id: 2026b1)"), "2026b1"),
        ({}, error_fields("m（request id：2026b2）"), "2026b2"),
        ({}, error_fields("m (request id: )"), None),
        ({}, {"type": "error", "error": {"message": "m"}, "request_id": "b3"}, "b3"),
        ({"cf-ray": "ray1"}, error_fields("m (request id: b4)"), "b4"),
        ({"cf-ray": "ray1"}, error_fields(), "ray1"),
        ({}, b"<html>Ray ID: <strong>8f1c2d3e4a5b6c7d</strong>", "8f1c2d3e4a5b6c7d"),
    ],
)
def test_the_request_id_is_found(
    headers: dict[str, str], body: Any, request_id: str | None
) -> None:
    error = refused(500, body, headers)

    assert error.facts.request_id == request_id
    assert "request id" not in error.why


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (error_fields(code="c", type="t"), "c"),
        (error_fields(code="", type="t"), "t"),
        (error_fields(code=None, type="t"), "t"),
        (error_fields(code=1002), "1002"),
        (error_fields(), None),
        ([{"error": {"code": 400, "status": "INVALID_ARGUMENT"}}], "400"),
    ],
)
def test_the_code_is_kept(body: Any, code: str | None) -> None:
    assert refused(400, body).facts.code == code


@pytest.mark.parametrize(
    ("value", "meant"), [("true", True), ("false", False), ("TRUE", True), ("maybe", None)]
)
def test_the_gateways_word_on_retrying_is_kept(value: str, meant: bool | None) -> None:
    assert refused(500, error_fields(), {"x-should-retry": value}).facts.should_retry is meant
    assert refused(500, error_fields()).facts.should_retry is None


DATE = {"date": "Wed, 21 Oct 2026 07:28:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": " 3 "}, 3),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "86400"}, 86400),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "abc"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", **DATE}, 30),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", **DATE}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "garbage"}, None),
        ({"retry-after": "5, 9, x"}, 9),
        ({"retry-after": "5,Wed, 21 Oct 2026 07:28:30 GMT", **DATE}, 30),
        (
            {"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT, Wed, 21 Oct 2026 07:28:40 GMT", **DATE},
            40,
        ),
        ({"retry-after": "Wednesday, 21-Oct-26 07:28:30 GMT", **DATE}, 30),
        ({"retry-after": "Wed Oct 21 07:28:30 2026", **DATE}, 30),
        ({"retry-after": "Wed, 99 Oct 2026 07:28:30 GMT"}, None),
        ({"x-ratelimit-reset-requests": "1s"}, 1),
        ({"x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-reset-tokens": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-reset-tokens": "soon"}, None),
        ({"x-ratelimit-reset-tokens": ""}, None),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "5s"}, 5),
        ({"x-ratelimit-reset-requests": "9s", "x-ratelimit-remaining-requests": "7"}, None),
        ({"x-ratelimit-reset-requests": "9s", "x-ratelimit-remaining-requests": "0"}, 9),
        ({"retry-after": "1", "x-ratelimit-reset-requests": "6m0s"}, 1),
    ],
)
def test_the_wait_that_is_asked_for(headers: dict[str, str], wait_s: float | None) -> None:
    assert retry_after_s(headers) == wait_s


def test_a_date_means_nothing_without_a_clock() -> None:
    assert retry_after_s({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}) is None


def test_only_a_rate_limit_waits_for_its_renewal() -> None:
    headers = {"x-ratelimit-reset-tokens": "6m0s"}

    assert refused(429, error_fields(), headers).facts.retry_after_s == 360
    assert refused(500, error_fields(), headers).facts.retry_after_s is None
    assert refused(500, error_fields(), {"retry-after": "2"}).facts.retry_after_s == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_names_its_target(status: int) -> None:
    error = refused(status, b"", {"location": "http://evil.test/v1"})

    assert type(error) is RejectedError
    assert "http://evil.test/v1" in str(error)
    assert type(refused(status)) is RejectedError


def test_a_refusal_names_the_field_that_it_is_about() -> None:
    assert refused(400, error_fields(param="temperature")).facts.param == "temperature"
    assert refused(400, error_fields("no")).facts.param is None


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (refused(401), "apiyi auth login"),
        (refused(404, error_fields(code="model_not_found")), "apiyi models"),
        (refused(413, b"<html><title>413</title>"), "compress"),
        (
            refused(400, error_fields("This model's maximum context length is 8192 tokens")),
            "shorten",
        ),
        (
            refused(
                404, error_fields("This is a chat model and not supported in the v1/completions")
            ),
            "chat",
        ),
        (refused(502), "proxy"),
        (refused(403, b"<html><title>Attention Required!</title>"), "firewall"),
        (refused(429), "--rpm"),
        (refused(504), "billed"),
        (refused(400, error_fields(code="content_filter")), "prompt"),
    ],
)
def test_hints_say_what_to_do(error: ApiyiError, hint: str) -> None:
    assert error.hint is not None
    assert hint in error.hint


def test_a_502_with_the_gateways_id_is_not_blamed_on_a_proxy() -> None:
    assert "proxy" not in str(refused(502, b"", {"x-request-id": "r"}).hint)


def test_an_unknown_model_is_named() -> None:
    error = refused(503, error_fields("no available channels for model "), model="gpt4o")

    assert "gpt4o" in error.what


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "text",
        [],
        [1, 2],
        {},
        {"error": None, "id": "r"},
        {"error": "", "choices": []},
        {"error": {}, "data": [1]},
        {"object": "list", "data": []},
        {"success": True, "message": "", "data": [1]},
        {"success": True, "message": "done"},
        {"code": True, "message": "ok", "data": {"total_used": 1}},
        {"code": 0, "msg": "success"},
        {"code": "success", "message": "", "data": None},
        {"message": "OK"},
        {"type": "ping"},
        {"status": "processing"},
        {"text": "said", "message": "m"},
        {"choices": [{"message": {"content": "a"}}]},
        {"type": "response.completed", "response": {"error": None}},
    ],
)
def test_an_answer_is_not_taken_for_an_error(value: Any) -> None:
    assert classify_event(value) is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (error_fields("boom"), TemporaryError),
        (error_fields("boom", code="bad_response_status_code", param="502"), TemporaryError),
        (error_fields("m", code=400), RejectedError),
        ({**error_fields("m"), "status_code": 401}, AuthError),
        (error_fields("m", code="504"), IncompleteError),
        (error_fields("m", type="timeout_error"), IncompleteError),
        (error_fields("m", type="invalid_request_error"), RejectedError),
        (error_fields("m", code="model_not_found"), UnknownModelError),
        (error_fields("m", code="invalid_api_key"), AuthError),
        (error_fields("m", type="permission_error"), TemporaryError),
        (error_fields("m", code="permission_denied"), AuthError),
        (
            {"object": "error", "message": "m", "type": "BadRequestError", "code": 400},
            RejectedError,
        ),
        ({"object": "error", "message": "m"}, TemporaryError),
        (error_fields("m", type="rate_limit_error"), TemporaryError),
        (error_fields("rejected by the safety system"), RejectedError),
        ({"success": False, "message": "无权进行此操作，access token 无效"}, AuthError),
        ({"success": False, "message": "参数错误"}, RejectedError),
        ({"success": False}, RejectedError),
        ({"code": 500, "msg": "busy"}, TemporaryError),
        ({"message": "Not Found"}, TemporaryError),
        ([error_fields("boom")], TemporaryError),
        ({"type": "error", "message": "m", "code": "rate_limit_exceeded"}, TemporaryError),
        ({"error": True}, TemporaryError),
        ({"error": ["a"]}, TemporaryError),
    ],
)
def test_an_error_inside_a_200_is_classified(value: Any, kind: type[ApiyiError]) -> None:
    reply = Reply(200, {"x-request-id": "r"}, (), host="h")
    error = classify_event(value, reply, phase="content")

    assert type(error) is kind
    assert (error.facts.status, error.facts.phase, error.facts.request_id) == (200, "content", "r")
