"""Refusals in shapes and words of other vendors: the server's reason is said, and judged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cases.raw import Case, json_reply

INNER = {"error": {"message": "the deep reason", "type": "invalid_request_error", "code": "c"}}
SHAPES = {
    "a list": {"error": [{"message": "the deep reason", "code": "x"}]},
    "a list of texts": {"error": ["the deep reason", "and more"]},
    "an error in an error": {"error": INNER},
    "an error in three": {"error": {"error": INNER}},
    "JSON in a text": {"error": {"message": json.dumps(INNER), "type": "upstream_error"}},
    "JSON in the error": {"error": json.dumps(INNER)},
    "errors": {"errors": [{"message": "the deep reason"}]},
    "errors as texts": {"errors": ["the deep reason"]},
    "errors by field": {"title": "Bad", "errors": {"model": ["the deep reason"]}},
    "detail as an object": {"detail": {"message": "the deep reason"}},
    "detail as texts": {"detail": ["the deep reason"]},
    "message by language": {"message": {"zh": "参数错误", "en": "the deep reason"}},
    "capitals": {"Code": "C", "Message": "the deep reason", "RequestId": "r"},
    "metadata": {"ResponseMetadata": {"Error": {"Code": "C", "Message": "the deep reason"}}},
    "base_resp": {"base_resp": {"status_code": 2013, "status_msg": "the deep reason"}},
    "errmsg": {"errcode": 4, "errmsg": "the deep reason"},
    "error_msg": {"error_code": 336000, "error_msg": "the deep reason", "id": "as-1"},
    "problem": {"title": "the deep reason", "status": 400},
    "unknown names": {"reason": "the deep reason", "hint": 3},
    "unknown list": [{"reason": "the deep reason"}],
    "only a list": ["the deep reason"],
}
LINES = [
    "chat -m m hi",
    "embed -m e a",
    "image -m gpt-image-1 cat",
    "models",
    "rank q -m bge-reranker-v2-m3 -f a -f a",
    "chat -m m --json hi",
]


@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES)
def test_the_reason_is_said_whatever_its_shape(case: Case, body: Any) -> None:
    case.write("a", "text")
    case.reply(json_reply(body, "400 Bad Request"))
    for line in LINES:
        ran = case(f"{line} --retries 0")
        assert ran.code == 6 and "the deep reason" in ran.err, (line, ran.err)
        assert "no reason given" not in ran.err and len(ran.err.splitlines()) <= 2


NO_ERRORS = ("unknown", "only", "problem", "message by", "detail as an")
IN_ANSWERS = [name for name in SHAPES if not name.startswith(NO_ERRORS)]


@pytest.mark.parametrize("name", IN_ANSWERS)
def test_an_error_at_200_is_one_whatever_its_shape(case: Case, name: str) -> None:
    case.reply(json_reply(SHAPES[name]))
    for line in ("chat -m m hi", "embed -m e a", "chat -m m --ndjson hi"):
        ran = case(f"{line} --retries 0")
        assert ran.code in (5, 6) and "the deep reason" in ran.err, (line, ran.err)
        assert "not the API" not in ran.err


def test_a_code_of_success_is_no_error(case: Case) -> None:
    choice = {"index": 0, "message": {"content": "fine"}, "finish_reason": "stop"}
    for base in ({"status_code": 0, "status_msg": "success"}, {"status_code": 1027}):
        case.reply(json_reply({"choices": [choice], "base_resp": base}))
        assert case("chat -m m --no-stream hi").text == "fine\n"


WORDS = [
    (7, "您的账户余额不足，请充值后使用", "403"),
    (7, "额度已用完", "429"),
    (7, "积分不足，请先购买套餐", "400"),
    (7, "账户余额为0", "401"),
    (7, "Insufficient account balance", "400"),
    (4, "API Key 无效或已过期", "401"),
    (4, "密钥不存在", "403"),
    (4, "令牌已被禁用", "403"),
    (4, "身份验证失败", "403"),
    (4, "您没有访问该模型的权限", "403"),
    (4, "权限不足", "403"),
    (5, "该渠道已被禁用", "403"),
    (5, "渠道不可用，请联系管理员", "403"),
    (5, "上游渠道异常", "400"),
    (6, "输入内容涉及违规，请修改后重试", "500"),
    (6, "内容含有敏感信息", "500"),
    (6, "当前模型 m 已下线，请更换模型", "500"),
    (6, "没有可用的渠道", "503"),
    (6, "不支持该模型", "500"),
]


@pytest.mark.parametrize(("code", "words", "status"), WORDS)
def test_chinese_words_are_judged(case: Case, code: int, words: str, status: str) -> None:
    error = {"error": {"message": words, "type": "new_api_error", "code": ""}}
    case.reply(json_reply(error, f"{status} X"))
    for line in ("chat -m m hi", "image -m gpt-image-1 cat"):
        ran = case(f"{line} --retries 0")
        assert ran.code == code and words in ran.err, ran.err
    case.reply(json_reply({"error": words}, f"{status} X"))
    assert case("embed -m e a --retries 0").code == code


def test_a_refusal_in_a_refusal_tells_who_speaks(case: Case) -> None:
    upstream = {"error": {"message": "Incorrect API key", "type": "invalid_request_error"}}
    told = {"error": {"message": json.dumps(upstream), "type": "new_api_error"}}
    case.reply(json_reply(told, "401 Unauthorized"))
    ran = case("chat -m m hi --retries 0")
    assert ran.code == 5 and "auth login" not in ran.err
