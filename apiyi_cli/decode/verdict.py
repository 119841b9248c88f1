"""What a complaint comes to: the class of the error, so the exit code, and how to go on.

One gateway reports one trouble in several ways (an exhausted quota has been seen as 403, 429 and
200), so the code and the type decide first, then the words, and the status last.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from apiyi_cli.core.call import Cost
from apiyi_cli.decode.complaint import Complaint
from apiyi_cli.errors import (
    ApiyiError,
    AuthError,
    FundsError,
    IncompleteError,
    RejectedError,
    TemporaryError,
    UnknownModelError,
    describe_billing,
)
from apiyi_cli.text import Text

_UNITS_PER_DOLLAR = 500_000

_FUNDS_CODES = frozenset(
    (
        "insufficient_quota",
        "insufficient_user_quota",
        "pre_consume_token_quota_failed",
        "quota_not_enough",
        "billing_hard_limit_reached",
        "billing_not_active",
        "insufficient_balance",
        "insufficient_credits",
        "credit_balance_too_low",
        "billing_error",
    )
)
_FUNDS = re.compile(
    r"额度不足|额度已用尽|余额不足|额度失败|欠费|quota\b.*\bnot enough|TokenStatusExhausted"
    r"|exceeded your current quota|insufficient (?:user )?(?:quota|balance|credits?|funds)"
    r"|credit balance is too low",
    re.IGNORECASE,
)
_CONTENT_CODES = frozenset(
    (
        "moderation_blocked",
        "content_filter",
        "content_policy_violation",
        "responsibleaipolicyviolation",
        "sensitive_words_detected",
        "prompt_blocked",
        "no_image",
        "invalid_prompt",
    )
)
_CONTENT = re.compile(
    r"rejected by (?:the|our) safety system|content[ _]policy|content management policy"
    r"|safety_violations|敏感词|内容审核|内容安全",
    re.IGNORECASE,
)
_MODEL_CODES = frozenset(("model_not_found", "model_not_exist", "unknown_model"))
_MODEL = re.compile(
    r"无可用渠道|no available channels?|模型不存在|不支持的模型|model not exist"
    r"|model\b.{0,80}\b(?:does not exist|not found)",
    re.IGNORECASE,
)
_AUTH_CODES = frozenset(
    ("invalid_api_key", "authentication_error", "unauthorized", "unauthenticated")
)
_AUTH = re.compile(
    r"无效的令牌|令牌无效|未提供令牌|该令牌已过期|该令牌状态不可用|access token 无效"
    r"|invalid token\b|incorrect api key|invalid api key",
    re.IGNORECASE,
)
_PERMISSION_CODES = frozenset(("permission_error", "permission_denied", "access_denied"))
_PERMISSION = re.compile(r"无权|已被封禁|令牌允许访问的列表|不支持指定渠道")
_BUSY_CODES = frozenset(
    (
        "rate_limit_exceeded",
        "rate_limit_error",
        "resource_exhausted",
        "overloaded_error",
        "too_many_requests",
    )
)
_BUSY = re.compile(r"负载已饱和|请求数限制|rate limit|too many requests|overloaded", re.IGNORECASE)
_BAD_CODES = frozenset(
    (
        "invalid_request_error",
        "invalid_request",
        "invalid_argument",
        "invalid_value",
        "unknown_parameter",
        "unsupported_parameter",
        "invalid_image_file",
        "context_length_exceeded",
        "not_found_error",
        "api_not_implemented",
        "request_too_large",
    )
)
_LATE_CODES = frozenset(("timeout_error", "deadline_exceeded", "gateway_timeout"))
_LENGTH = re.compile(r"context.?length|maximum context|too many tokens|prompt is too long", re.I)
_CHAT_MODEL = re.compile(r"this is a chat model|not supported in the v1/completions", re.I)

_REJECTED = frozenset((400, 404, 405, 413, 415, 422, 451, 501))
_LATE = frozenset((504, 524, 598, 599))


_AMOUNT = r"\s*[:：=\[]?\s*([$＄]?)\s*([\d,]+(?:\.\d+)?)"
_HAS = re.compile(rf"(?:剩余额度|remaining quota|remaining balance|\bquota){_AMOUNT}", re.I)
_NEEDS = re.compile(
    rf"(?:需要预扣费额度|预扣费额度|preConsumedQuota|required quota|need(?:s|ed)?){_AMOUNT}", re.I
)


class Verdict(NamedTuple):
    """The error's class, what failed in a few words, and the hint (None: the class's own)."""

    error: type[ApiyiError]
    what: str
    hint: str | None = None


def verdict(told: Complaint, status: int, cost: Cost, model: str | None) -> Verdict:
    """Judge a complaint that came with this status; 200 means that the status tells nothing."""
    words = {(word or "").lower() for word in (told.code, told.type)}
    text = told.message

    def says(codes: frozenset[str], pattern: re.Pattern[str] | None = None) -> bool:
        return bool(words & codes) or (pattern is not None and bool(pattern.search(text)))

    if status == 402 or says(_FUNDS_CODES, _FUNDS):
        return Verdict(FundsError, Text("the quota is used up"), _funds_hint(text))
    if says(_CONTENT_CODES, _CONTENT):
        return Verdict(
            RejectedError,
            Text("the content was refused"),
            Text("change the prompt; repeating it will not help"),
        )
    if status == 401 or (status in (200, 403) and says(_AUTH_CODES, _AUTH)):
        return Verdict(AuthError, Text("the gateway refused the key"))
    if status == 403 or (status == 200 and says(_PERMISSION_CODES, _PERMISSION)):
        return Verdict(
            AuthError,
            Text("the key may not do this"),
            Text("check the key's group, models and allowed addresses in the console"),
        )
    if status in (200, 400, 404, 500, 503) and says(_MODEL_CODES, _MODEL):
        name = (
            Text("no such model for this key: {model}", model=model)
            if model
            else Text("no such model for this key")
        )
        return Verdict(UnknownModelError, name)
    if status == 429 or says(_BUSY_CODES, _BUSY):
        return Verdict(
            TemporaryError,
            Text("the gateway is too busy for this request"),
            Text("wait a little, or send less at once (-j, --rpm)"),
        )
    if status == 200 and says(_LATE_CODES):
        status = 504
    elif status == 200 and says(_BAD_CODES):
        status = 400
    return _by_status(told, status, cost)


def _by_status(told: Complaint, status: int, cost: Cost) -> Verdict:
    if status in _LATE or (status == 408 and cost == "heavy"):
        return Verdict(
            IncompleteError,
            Text("the gateway stopped waiting for the answer"),
            describe_billing("maybe", Text("look at the log in the console before repeating it")),
        )
    temporary = status == 200 or status >= 500 or status in (408, 409, 425)
    if temporary and status not in _REJECTED:
        return Verdict(
            TemporaryError, Text("the gateway has a problem"), Text("run it again in a minute")
        )
    return Verdict(RejectedError, Text("the gateway refused the request"), _fix(told, status))


def _fix(told: Complaint, status: int) -> str | None:
    """Return what to change in a request that was refused, where that is known."""
    if _LENGTH.search(f"{told.code} {told.message}"):
        return Text("shorten the input, or choose a model with a longer context")
    if _CHAT_MODEL.search(told.message):
        return "apiyi chat"
    if status == 413:
        return Text("send less: shorten the input, or compress the files")
    if status == 501:
        return Text("the gateway does not offer this; use another command or model")
    if status in (404, 405):
        return Text("check the base URL: it should end in /v1")
    if told.param and not told.param.isdigit():
        return Text("change or leave out {param}", param=told.param)
    return None


def _funds_hint(text: str) -> str | None:
    """Return a hint with both amounts in dollars, where the message has both."""
    has, needs = _dollars(_HAS, text), _dollars(_NEEDS, text)
    if has is None or needs is None:
        return None
    return Text(
        "has ${has}, needs ${needs} at most: lower --max-tokens, shorten "
        "the input, or top up at https://api.apiyi.com",
        has=f"{has:.4f}",
        needs=f"{needs:.4f}",
    )


def _dollars(amount: re.Pattern[str], text: str) -> float | None:
    """Return an amount in dollars: as told, or converted from quota units (no `$` before it)."""
    found = amount.search(text)
    if not found:
        return None
    number = float(found[2].replace(",", "") or "0")
    return number if found[1] else number / _UNITS_PER_DOLLAR
