"""The rows of the table of refusals, each by replies that the gateway family really sends."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from apiyi_cli.core.call import Cost, Reply
from apiyi_cli.decode.errors.error_table import RULES
from apiyi_cli.decode.errors.fault import classify_event, classify_reply
from apiyi_cli.errors import ApiyiError, IncompleteError
from apiyi_cli.settings.defaults import BATCH, INTERACTIVE
from apiyi_cli.wire.retry.decision import decide, is_saturated, is_throttled

OWN = "new_api_error"
PASSED_ON = "upstream_error"


class Sample(NamedTuple):
    """A refusal, the row that judges it, its exit code and whether a text is asked for again."""

    cause: str | None
    status: int
    error: dict[str, Any]
    code: int
    again: bool


def error_fields(message: str = "m", type: str | None = OWN, **rest: Any) -> dict[str, Any]:
    return {"message": message, **({} if type is None else {"type": type}), **rest}


SAMPLES = (
    # What stands between here and the gateway.
    Sample("login", 407, error_fields(type=None), 10, False),
    Sample("login", 511, error_fields(type=None), 10, False),
    # The gateway's own word about the money.
    Sample("own-quota", 403, error_fields(code="insufficient_user_quota"), 7, False),
    Sample("own-quota", 403, error_fields(code="pre_consume_token_quota_failed"), 7, False),
    Sample("own-quota", 429, error_fields(type="x", code="insufficient_user_quota"), 7, False),
    Sample("own-quota", 403, error_fields(code="entitlement_daily_limit_exceeded"), 7, False),
    Sample("own-quota", 401, error_fields("该令牌额度已用尽", "one_api_error"), 7, False),
    Sample("own-quota", 401, error_fields("令牌 work（#7）额度已用尽", "one_api_error"), 7, False),
    Sample(
        "own-quota", 401, error_fields("该令牌额度已用尽 TokenStatusExhausted[sk-a***b]"), 7, False
    ),
    Sample("own-quota", 402, error_fields(), 7, False),
    Sample("own-quota", 402, error_fields(type=None), 7, False),
    Sample("own-quota", 429, error_fields(code="insufficient_quota"), 7, False),
    # An upstream channel's lack of money, passed on.
    Sample("upstream-quota", 429, error_fields(type="insufficient_quota"), 5, True),
    Sample("upstream-quota", 402, error_fields(type=PASSED_ON), 5, True),
    Sample("upstream-quota", 402, error_fields("Insufficient Balance", "unknown_error"), 5, True),
    Sample(
        "upstream-quota",
        403,
        error_fields("用户额度不足", PASSED_ON, code="bad_response_status_code"),
        5,
        True,
    ),
    Sample(
        "upstream-quota",
        400,
        error_fields("Your credit balance is too low to access the API", "invalid_request_error"),
        5,
        True,
    ),
    Sample(
        "upstream-quota",
        429,
        error_fields(
            "You exceeded your current quota", "insufficient_quota", code="insufficient_quota"
        ),
        5,
        True,
    ),
    # What a database that was busy made of a good key.
    Sample("database", 401, error_fields("令牌验证失败", "one_api_error"), 5, True),
    Sample("database", 500, error_fields("数据库错误，请稍后重试"), 5, True),
    Sample("database", 401, error_fields("无效的令牌，数据库查询出错，请联系管理员"), 5, True),
    Sample("database", 500, error_fields(code="get_user_quota_failed"), 5, True),
    Sample("database", 500, error_fields(code="query_data_error"), 5, True),
    Sample("not-now", 401, error_fields("系统繁忙，请稍后再试"), 5, True),
    Sample("not-now", 403, error_fields("Please try again later"), 5, True),
    # A channel of the gateway, not this key.
    Sample("channel", 401, error_fields(code="channel:invalid_key"), 5, True),
    Sample("channel", 500, error_fields(code="channel:no_available_key"), 5, True),
    Sample("channel", 500, error_fields("x", code="get_channel_failed"), 5, True),
    Sample("channel", 503, error_fields("获取分组 a 下模型 b 的可用渠道失败（retry）"), 5, True),
    Sample("upstream-key", 401, error_fields(type="invalid_request_error"), 5, True),
    Sample("upstream-key", 401, error_fields(type="authentication_error"), 5, True),
    Sample("upstream-key", 401, error_fields("Invalid token", PASSED_ON), 5, True),
    Sample("upstream-key", 401, error_fields("no", "unknown_error", code="401"), 5, True),
    Sample("upstream-key", 400, error_fields("API key not valid.", "INVALID_ARGUMENT"), 5, True),
    Sample("upstream-key", 403, error_fields("Your access was terminated", "forbidden"), 5, True),
    Sample("key", 401, error_fields("无效的令牌"), 4, False),
    Sample("key", 401, error_fields("Invalid token", "one_api_error"), 4, False),
    Sample("key", 401, error_fields("m", None), 4, False),
    Sample("key", 403, error_fields("x", "shell_api_error", code="invalid_api_key"), 4, False),
    Sample("upstream-permission", 403, error_fields(type="permission_error"), 5, True),
    Sample(
        "upstream-permission",
        403,
        error_fields("Country not supported", "request_forbidden"),
        5,
        True,
    ),
    Sample("permission", 403, error_fields("该令牌无权使用模型：x", "one_api_error"), 4, False),
    Sample("permission", 403, error_fields("无权访问 vip 分组"), 4, False),
    # What is wrong with the request itself, at statuses that say otherwise.
    Sample("content", 500, error_fields(code="sensitive_words_detected"), 6, False),
    Sample("content", 403, error_fields(type=PASSED_ON, code="violation_fee.grok.csam"), 6, False),
    Sample(
        "too-large",
        429,
        error_fields(
            "Request too large for m on tokens per min (TPM)", "tokens", code="rate_limit_exceeded"
        ),
        6,
        False,
    ),
    Sample(
        "too-large",
        429,
        error_fields("The input or output tokens must be reduced", "tokens"),
        6,
        False,
    ),
    Sample("too-large", 429, error_fields("请求过大", "one_api_error"), 6, False),
    Sample(
        "too-large", 500, error_fields("maximum context length is 8192 tokens", PASSED_ON), 6, False
    ),
    Sample("wrong-request", 500, error_fields(code="invalid_request"), 6, False),
    Sample("wrong-request", 500, error_fields(type="convert_request_failed"), 6, False),
    Sample("wrong-request", 500, error_fields(code="count_token_failed"), 6, False),
    Sample("wrong-request", 500, error_fields(code="convert_image_request_failed"), 6, False),
    Sample("wrong-request", 500, error_fields(code="parse_request_failed"), 6, False),
    Sample("wrong-request", 500, error_fields(code="read_request_body_failed"), 6, False),
    Sample("wrong-request", 500, error_fields(code="model_price_error"), 6, False),
    # Full channels, and a key that asks too often.
    Sample(
        "saturated", 429, error_fields("当前分组上游负载已饱和，请稍后再试", PASSED_ON), 5, True
    ),
    Sample("saturated", 429, error_fields("当前分组负载已饱和，请稍后再试，或升级账户"), 5, True),
    Sample(
        "saturated",
        429,
        error_fields("m", "rate_limit_error", code="content-type-not-allowed"),
        5,
        True,
    ),
    Sample("saturated", 503, error_fields("当前分组上游负载已饱和，请稍后再试"), 5, True),
    Sample("saturated", 429, error_fields("The upstream load of this group is saturated"), 5, True),
    Sample("throttled", 429, error_fields("您已达到请求数限制：1分钟内最多请求60次"), 5, True),
    Sample("throttled", 429, error_fields("m", None), 5, True),
    Sample(
        "throttled", 429, error_fields("Too many tokens, please wait before trying again."), 5, True
    ),
    Sample("throttled", 529, error_fields("Overloaded", "overloaded_error"), 5, True),
    # Paid answers that the gateway lost, and work that may go on.
    *(
        Sample("unread", 500, error_fields(type=kind, code=code), 8, True)
        for code in (
            "unmarshal_response_body_failed",
            "bad_response_body",
            "read_response_body_failed",
            "get_text_from_body_err",
            "bad_response",
            "copy_response_body_failed",
            "empty_response",
            "unexpected_response_format",
        )
        for kind in ("one_api_error", code)
    ),
    Sample(
        "unread", 500, error_fields("invalid character '<' looking for beginning of value"), 8, True
    ),
    Sample("late", 504, error_fields("upstream timed out"), 8, True),
    Sample("late", 524, error_fields("upstream timed out", PASSED_ON), 8, True),
    Sample("late", 500, error_fields(type="timeout_error"), 8, True),
    Sample(
        "late", 500, error_fields(code="channel_response_timeout", type="response_timeout"), 8, True
    ),
    Sample("model", 503, error_fields("分组 a 下模型 b 无可用渠道（distributor）"), 6, False),
    Sample(
        "model", 404, error_fields(type="invalid_request_error", code="model_not_found"), 6, False
    ),
    # No row: the status decides.
    Sample(None, 500, error_fields(code="do_request_failed"), 5, True),
    Sample(None, 500, error_fields(type=PASSED_ON, code="bad_response_status_code"), 5, True),
    Sample(None, 500, error_fields("Panic detected", "new_api_panic"), 5, True),
    Sample(None, 400, error_fields(code="invalid_value"), 6, False),
    Sample(None, 503, error_fields("no healthy upstream"), 5, True),
)


def judged(sample: Sample, cost: Cost = "text") -> ApiyiError:
    raw = json.dumps({"error": sample.error}, ensure_ascii=False).encode()
    return classify_reply(Reply(sample.status, {}, ()), raw, cost=cost)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: f"{one.status} {one.error}")
def test_a_refusal_is_judged_by_its_row(sample: Sample) -> None:
    error = judged(sample)

    assert (error.facts.cause, error.exit_code) == (sample.cause, sample.code)
    verdict = decide(error, "text", INTERACTIVE, shown=False, attempt=1)
    assert verdict.retry is sample.again
    assert verdict.possibly_billed is (sample.code == 8)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: f"{one.status} {one.error}")
def test_heavy_work_that_may_have_been_billed_is_never_repeated(sample: Sample) -> None:
    error = judged(sample, "heavy")

    verdict = decide(error, "heavy", BATCH, shown=False, attempt=1)
    assert verdict.retry is (sample.again and error.exit_code != 8)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: f"{one.status} {one.error}")
def test_what_may_have_been_billed_is_said_to_be_and_what_is_free_never(sample: Sample) -> None:
    assert ("may have been billed" in (judged(sample).hint or "")) is (sample.code == 8)
    assert "may have been billed" not in (judged(sample, "free").hint or "")


def test_every_row_has_a_sample_and_sources() -> None:
    assert {rule.cause for rule in RULES} == {sample.cause for sample in SAMPLES} - {None}
    assert all(rule.sources for rule in RULES)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_what_is_free_is_answered_by_the_gateway_itself(status: int) -> None:
    sample = Sample(None, status, error_fields(type="invalid_request_error"), 0, False)

    assert judged(sample, "free").exit_code in (4, 7)
    assert judged(sample, "text").exit_code == 5


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (error_fields(code="bad_response_body"), 8),
        (error_fields(type="insufficient_quota"), 5),
        (error_fields(code="insufficient_quota"), 7),
        (error_fields(code="count_token_failed"), 6),
        (error_fields("令牌验证失败", code="x"), 5),
        (error_fields("当前分组上游负载已饱和"), 5),
        (error_fields("无效的令牌"), 4),
    ],
)
def test_an_error_inside_a_200_is_judged_by_the_same_rows(error: dict[str, Any], code: int) -> None:
    found = classify_event({"error": error})

    assert found is not None and found.exit_code == code


def test_only_the_keys_own_limit_holds_up_its_other_requests() -> None:
    throttled = judged(Sample(None, 429, error_fields("请求数限制"), 5, True))
    saturated = judged(Sample(None, 429, error_fields("上游负载已饱和"), 5, True))
    foreign = judged(Sample(None, 429, error_fields(type="insufficient_quota"), 5, True))

    assert [is_throttled(one) for one in (throttled, saturated, foreign)] == [True, False, False]
    assert [is_saturated(one) for one in (throttled, saturated, foreign)] == [False, True, False]


def test_a_408_of_heavy_work_may_have_been_billed() -> None:
    error = judged(Sample(None, 408, error_fields(), 8, False), "heavy")

    assert isinstance(error, IncompleteError) and "billed" in (error.hint or "")
