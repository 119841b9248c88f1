"""The table of refusals: the meaning of a status, type, code and words, with sources.

Read from the top, the first row that fits counts; `decode.errors.error_class` reads it. One gateway
reports one trouble in several ways (an exhausted quota has been seen as 401, 403, 429 and 200),
so codes and words decide first, and the status last. Who speaks matters as much: the gateway
knows this key and this account, while an upstream channel that refuses speaks of the gateway's
own key.

`sources` name where a row comes from: files of the gateway software (new-api, one-api), the
gateway's pages by section (gateway-8), or a run against that software (measured).
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from apiyi_cli.errors import (
    ApiyiError,
    AuthError,
    Billed,
    FundsError,
    IncompleteError,
    RejectedError,
    SetupError,
    TemporaryError,
    UnknownModelError,
)
from apiyi_cli.text import Text

Speaker = Literal["gateway", "upstream"]

IN_ANSWER = 200
"""The status of an error inside a 2xx that has none itself."""

BROKEN = frozenset((IN_ANSWER, *range(500, 504)))
"""Statuses that do not decide the class: the code does."""

LATE = frozenset((504, 524, 598, 599))


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


class Rule(NamedTuple):
    """One row: the condition, and its result.

    Matches an error body if `speaker` and `statuses` (None: any) do and one of these: `always` has
    the status, `codes` is the whole of the code or the type, `code` the whole of the code (or
    of the type, without a code), `words` occur in the message. `billed` "maybe" means that a
    retry may pay twice; a TemporaryError with "no" is repeated for free.
    """

    cause: str
    error: type[ApiyiError]
    what: str
    sources: tuple[str, ...]
    hint: str | None = None
    billed: Billed = "no"
    speaker: Speaker | None = None
    statuses: frozenset[int] | None = None
    always: frozenset[int] = frozenset()
    codes: re.Pattern[str] | None = None
    code: re.Pattern[str] | None = None
    words: re.Pattern[str] | None = None


_FUNDS_CODES = _pattern(
    r"insufficient_(?:quota|balance|credits?|funds)|quota_(?:exceeded|exhausted|not_enough)"
    r"|billing_\w+|credit_balance_\w+|payment_required|account_overdue\w*|arrearage"
)
_FUNDS_WORDS = _pattern(
    r"(?:额度|余额|配额|点数|积分)(?:已?[用耗](?:完|尽|光)|不足|不够|为 ?[0零])|额度失败|欠费"
    r"|quota\b.*\bnot enough|TokenStatusExhausted|not enough (?:balance|credits?|funds)"
    r"|exceeded your current quota|insufficient (?:user |account )?(?:quota|balance|credits?|funds)"
    r"|credit balance is too low|quota (?:is )?exhausted"
)
_AUTH_CODES = _pattern(
    r"invalid_api_key|invalid_token|invalid_key|authentication_error|unauthori[sz]ed"
    r"|unauthenticated|account_deactivated|auth_\w*invalid|token_expired"
)
_FORBIDDEN_CODES = _pattern(r"permission_(?:error|denied)|access_denied|forbidden")
_WRONG_REQUEST_CODES = _pattern(
    r"invalid_(?!api_key|token|key|response)\w+|bad_request(?:_\w+)?|unsupported_\w+"
    r"|(?:convert|parse|marshal|unmarshal|read|bind|validate|new|build|close)_(?:\w+_)?request"
    r"(?:_\w+)?_(?:failed|error|err)|count_tokens?_(?:failed|error)|gen_relay_info_failed"
    r"|model_price_error|unknown_parameter|missing_\w+|(?:api_)?not_implemented"
    r"|context_length_exceeded|string_above_max_length|not_found_error|request_too_large"
)

_FULL = Text(
    "run it again in a minute, choose another model, or add a fallback group to the key in the "
    "console"
)
_LATER = Text("run it again in a minute")
_OTHER_CHANNEL = Text(
    "it is not your key: run it again; if it stays, choose another model, or the key's group in "
    "the console"
)
_CHECK_LOG = Text("look at the log in the console before repeating it")

RULES: tuple[Rule, ...] = (
    Rule(
        "login",
        SetupError,
        Text("something between here and the gateway wants a login"),
        ("rfc9110:15.5.8", "rfc6585:6"),
        Text("give the proxy's in its URL: --proxy http://USER:PASSWORD@HOST:PORT"),
        always=frozenset((407, 511)),
    ),
    Rule(
        "own-quota",
        FundsError,
        Text("the quota is used up"),
        ("new-api:types/error.go", "one-api:relay/controller/helper.go", "gateway-3.3"),
        codes=_pattern(
            r"insufficient_user_quota|pre_consume_token_quota_failed|quota_not_enough"
            r"|entitlement_\w+|(?:token|user)_quota_(?!failed)\w+"
        ),
    ),
    Rule(
        "own-quota",
        FundsError,
        Text("the quota is used up"),
        ("one-api:model/token.go", "new-api:i18n/locales/zh-CN.yaml", "gateway-7"),
        speaker="gateway",
        always=frozenset((402,)),
        codes=_FUNDS_CODES,
        words=_FUNDS_WORDS,
    ),
    Rule(
        "upstream-quota",
        TemporaryError,
        Text("an upstream channel of the gateway has no funds"),
        ("one-api:monitor/manage.go", "new-api:types/error.go", "gateway-7", "measured"),
        Text(
            "it is not your balance: run it again; if it stays, choose another model, or the key's "
            "group in the console"
        ),
        speaker="upstream",
        always=frozenset((402,)),
        codes=_FUNDS_CODES,
        words=_FUNDS_WORDS,
    ),
    Rule(
        "content",
        RejectedError,
        Text("the content was refused"),
        ("new-api:types/error.go", "gateway-5.3"),
        Text("change the prompt; repeating it will not help"),
        codes=_pattern(
            r"moderation(?:_blocked)?|content_(?:filter|policy|moderation)\w*|responsibleaipolicyviolation"
            r"|sensitive_words_detected|prompt_blocked|no_image|invalid_prompt|violation_fee\.\S+"
            r"|data_inspection_failed"
        ),
        words=_pattern(
            r"rejected by (?:the|our) safety system|content[ _]policy|content management policy"
            r"|safety_violations|敏感(?:词|内容|信息)|内容审核|内容安全|违规内容|内容\S{0,6}违规|涉[及嫌]违规"
        ),
    ),
    Rule(
        "content",
        RejectedError,
        Text("the content was refused"),
        ("gateway-5.3",),
        Text("change the prompt; repeating it will not help"),
        statuses=frozenset((403,)),
        words=_pattern(r"\bmoderation\b|审核|违规"),
    ),
    Rule(
        "database",
        TemporaryError,
        Text("the gateway has a problem"),
        ("one-api:model/token.go", "new-api:middleware/auth.go", "gateway-7"),
        _LATER,
        statuses=frozenset((IN_ANSWER, 401, 403, 500, 503)),
        codes=_pattern(
            r"(?:query|update)_data_error|(?:get|decrease)_user_quota_failed|auth_internal_error"
        ),
        words=_pattern(
            r"令牌(?:验证|校验)(?:失败|出错)|获取令牌信息失败|数据库(?:错误|一致性|查询|连接|繁忙|异常)"
            r"|database (?:error|is locked|is busy|query|connection)"
            r"|fail\w* to (?:verify|validate|check) (?:the )?token"
            r"|token (?:verification|validation) failed"
        ),
    ),
    Rule(
        "not-now",
        TemporaryError,
        Text("the gateway has a problem"),
        ("new-api:i18n/locales/zh-CN.yaml",),
        _LATER,
        statuses=frozenset((401, 403)),
        words=_pattern(r"稍[后候]再?[试重]|(?:try|retry) (?:it )?again later|系统繁忙|服务繁忙"),
    ),
    Rule(
        "channel",
        TemporaryError,
        Text("the gateway's upstream channel has a problem"),
        ("new-api:types/error.go", "new-api:controller/relay.go"),
        _LATER,
        codes=_pattern(r"channel:\S+|get_channel_failed"),
        words=_pattern(r"渠道\S{0,12}[（(]retry[)）]|渠道(?:已?被?禁用|已?停用|不可用|异常|维护)"),
    ),
    Rule(
        "upstream-key",
        TemporaryError,
        Text("an upstream channel refused the gateway's own key"),
        ("gateway-7", "gateway-8", "one-api:monitor/manage.go", "measured"),
        _OTHER_CHANNEL,
        speaker="upstream",
        always=frozenset((401,)),
        codes=_AUTH_CODES,
        words=_pattern(
            r"your access was terminated|api[- ]key (?:not valid|expired)"
            r"|organization has been (?:disabled|restricted)"
            r"|account (?:is |has been )?(?:deactivated|suspended|disabled|not active)"
        ),
    ),
    Rule(
        "key",
        AuthError,
        Text("the gateway refused the key"),
        ("one-api:model/token.go", "new-api:middleware/auth.go", "gateway-7"),
        speaker="gateway",
        statuses=frozenset((IN_ANSWER, 401, 403)),
        always=frozenset((401,)),
        codes=_AUTH_CODES,
        words=_pattern(
            r"无效的? ?(?:令牌|密钥|api[- ]?key|token)|未提供(?:令牌|密钥)|该令牌状态不可用"
            r"|(?:令牌|密钥|api[- ]?key|token)"
            r" ?(?:无效|错误|不正确|不存在|已?过期|已?失效|已?被?禁用)"
            r"|鉴权失败|身份(?:验证|认证)失败|认证失败"
            r"|invalid token\b|incorrect api key|invalid (?:x-)?api[- ]key"
        ),
    ),
    Rule(
        "upstream-permission",
        TemporaryError,
        Text("an upstream channel does not let the gateway do this"),
        ("one-api:monitor/manage.go", "gateway-7"),
        _OTHER_CHANNEL,
        speaker="upstream",
        statuses=frozenset((IN_ANSWER, 403)),
        always=frozenset((403,)),
        codes=_FORBIDDEN_CODES,
    ),
    Rule(
        "permission",
        AuthError,
        Text("the key may not do this"),
        ("one-api:middleware/auth.go", "new-api:i18n/locales/zh-CN.yaml"),
        Text("check the key's group, models and allowed addresses in the console"),
        speaker="gateway",
        statuses=frozenset((*BROKEN, 403)),
        always=frozenset((403,)),
        codes=_FORBIDDEN_CODES,
        words=_pattern(
            r"无权|(?:没有|无|缺少)\S{0,8}权限|权限不足|已被封禁|令牌允许访问的列表|不支持指定渠道"
            r"|只能在指定网段使用"
        ),
    ),
    Rule(
        "too-large",
        RejectedError,
        Text("the gateway refused the request"),
        ("openai:guides/rate-limits", "gateway-8"),
        Text("shorten the input, or choose a model with a longer context"),
        statuses=frozenset((*BROKEN, 429, 529)),
        codes=_pattern(r"context_length_exceeded|request_too_large|string_above_max_length"),
        words=_pattern(
            r"request (?:is |was )?too large|tokens must be reduced|请求(?:体|内容)?(?:过大|太大)"
            r"|context.?length|maximum context|prompt is too long"
        ),
    ),
    Rule(
        "saturated",
        TemporaryError,
        Text("the model's upstream channels are full"),
        (
            "one-api:controller/relay.go",
            "new-api:i18n/locales/zh-CN.yaml",
            "gateway-2",
            "gateway-8",
        ),
        _FULL,
        statuses=frozenset((*BROKEN, 429)),
        words=_pattern(r"负载已?饱和|上游\S{0,8}饱和|\bsaturat(?:ed|ion)\b"),
    ),
    Rule(
        "saturated",
        TemporaryError,
        Text("the model's upstream channels are full"),
        ("gateway-8",),
        _FULL,
        statuses=frozenset((429,)),
        codes=_pattern(r"content-type-not-allowed"),
    ),
    Rule(
        "unread",
        IncompleteError,
        Text("the gateway could not read the answer of the model"),
        ("one-api:relay/adaptor/openai/main.go", "new-api:types/error.go", "measured"),
        _CHECK_LOG,
        "maybe",
        statuses=BROKEN,
        codes=_pattern(
            r"(?!bad_response_status_code$)"
            r"(?:read|unmarshal|marshal|parse|decode|close|copy|write|convert|get|scan|handle|process"
            r"|unexpected|invalid|empty|bad)_(?:\w+_)?response(?:_\w+)?"
            r"|get_text_from_body_\w+|\w+_response_(?:failed|error|err|invalid)"
        ),
    ),
    Rule(
        "wrong-request",
        RejectedError,
        Text("the gateway refused the request"),
        ("new-api:types/error.go", "new-api:controller/relay.go", "measured"),
        statuses=frozenset((500,)),
        code=_WRONG_REQUEST_CODES,
    ),
    Rule(
        "wrong-request",
        RejectedError,
        Text("the gateway refused the request"),
        ("openai:guides/error-codes", "vllm:entrypoints/openai/protocol.py"),
        statuses=frozenset((IN_ANSWER,)),
        codes=_WRONG_REQUEST_CODES,
    ),
    Rule(
        "unread",
        IncompleteError,
        Text("the gateway could not read the answer of the model"),
        ("one-api:relay/adaptor/openai/main.go",),
        _CHECK_LOG,
        "maybe",
        statuses=BROKEN,
        words=_pattern(
            r"looking for beginning of value|unexpected end of json input"
            r"|cannot unmarshal \w+ into go"
        ),
    ),
    Rule(
        "late",
        IncompleteError,
        Text("the gateway stopped waiting for the answer"),
        ("new-api:setting/operation_setting", "gateway-3.3", "gateway-8"),
        _CHECK_LOG,
        "maybe",
        statuses=frozenset((*BROKEN, *LATE)),
        always=LATE,
        codes=_pattern(
            r"timeout_error|deadline_exceeded|(?:gateway|upstream|response)_timeout"
            r"|response_time_exceeded"
        ),
    ),
    Rule(
        "model",
        UnknownModelError,
        Text("no such model for this key"),
        ("one-api:middleware/distributor.go", "new-api:middleware/distributor.go", "gateway-8"),
        statuses=frozenset((IN_ANSWER, 400, 404, 500, 503)),
        codes=_pattern(r"model_not_found|model_not_exist|unknown_model"),
        words=_pattern(
            r"(?:无|没有)可用的?渠道|可用渠道(?:失败|不存在)|no available channels?"
            r"|模型.{0,40}(?:不存在|已下[线架])|不支持(?:的|该)模型"
            r"|model not exist|model\b.{0,80}\b(?:does not exist|not found|is no longer available)"
        ),
    ),
    Rule(
        "throttled",
        TemporaryError,
        Text("the gateway is too busy for this request"),
        ("new-api:middleware/model-rate-limit.go", "gateway-3.1"),
        Text("wait a little, then run it again; --rpm sends fewer a minute"),
        always=frozenset((429,)),
        codes=_pattern(
            r"rate_limit_\w+|resource_exhausted|overloaded_error|too_many_requests"
            r"|token_concurrency_\w+"
        ),
        words=_pattern(r"请求数限制|rate limit|too many requests|overloaded"),
    ),
)
