"""Every refusal that the gateway's pages list: the exit code, the words, and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from apiyi_cli.sandbox.drawing import png
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

CHAT = "chat hi"
DRAW = "image cat -m gpt-image-2 -o cat.png"
EDIT = "image snow -i a.png -m gpt-image-2 -o cat.png"
SEEDREAM = "image snow -i a.png -m seedream-5-0-260128 -o cat.png"
DEEPSEEK = "chat hi -m deepseek-v4-flash-ga-260731"
TOOL = """--tool '{"name": "f", "parameters": {"type": "object"}}'"""
NO_CHANNEL = "当前分组 default 下对于模型 {} 无可用渠道"
LOG = "it may have been billed; look at the log in the console before repeating it"
QUOTA = "user [12] quota [500] preConsumedQuota [90000] is not enough"


def error(
    status: int,
    message: str,
    code: str = "",
    kind: str = "shell_api_error",
    param: str | None = None,
) -> ScriptedReply:
    return ScriptedReply.error(status, message, code=code, type=kind, param=param)


def openai(message: str, code: str, param: str) -> ScriptedReply:
    return error(400, message, code, "invalid_request_error", param=param)


def page(status: int, title: str) -> ScriptedReply:
    return ScriptedReply.text(f"<html><title>{title}</title></html>", "text/html", status=status)


def claude(message: str) -> ScriptedReply:
    told = {"type": "invalid_request_error", "message": message}
    return ScriptedReply.json({"type": "error", "error": told}, 400)


class Refusal(NamedTuple):
    """What is typed, what comes, the exit code, the gateway's words, and the hint."""

    line: str
    reply: ScriptedReply
    code: int
    words: str
    hint: str


REFUSALS = {
    # 1
    "the web site": Refusal(
        CHAT, page(200, "API易"), 6, "HTML page “API易” instead of JSON", "apiyi doctor"
    ),
    # 3.3
    "pre-deduction at 403": Refusal(
        CHAT, error(403, QUOTA, "insufficient_user_quota", "new_api_error"), 7, QUOTA, "needs $0.18"
    ),
    "pre-deduction at 429": Refusal(
        CHAT, error(429, QUOTA, "insufficient_user_quota", "new_api_error"), 7, QUOTA, "has $0.0010"
    ),
    # 5.2, 5.3
    "unknown parameter": Refusal(
        f"{DRAW} -O response_format=url",
        openai("Unknown parameter: 'response_format'.", "unknown_parameter", "response_format"),
        6,
        "Unknown parameter: 'response_format'",
        "leave out -O response_format, or choose another model",
    ),
    "a parameter that the user did not give": Refusal(
        DRAW,
        openai("Unknown parameter: 'response_format'.", "unknown_parameter", "response_format"),
        6,
        "Unknown parameter: 'response_format'",
        "another model, or look at what is sent: --dry-run",
    ),
    "invalid value": Refusal(
        f"{DRAW} --quality hd",
        openai("Invalid value: 'hd'.", "invalid_value", "quality"),
        6,
        "Invalid value: 'hd'",
        "change or leave out --quality",
    ),
    "invalid image file": Refusal(
        EDIT,
        openai("Invalid image file or mode for image 1.", "invalid_image_file", "image"),
        6,
        "Invalid image file",
        "ffmpeg -i PICTURE picture.png",
    ),
    "the safety system": Refusal(
        DRAW,
        error(400, "Your request was rejected. safety_violations=[sexual]", "moderation_blocked"),
        6,
        "the content was refused: Your request was rejected. safety_violations=[sexual]",
        "change the prompt",
    ),
    "moderation at 403": Refusal(
        DRAW, error(403, "Blocked by moderation"), 6, "Blocked by moderation", "change the prompt"
    ),
    "an upstream's trouble": Refusal(
        DRAW,
        error(500, "Upstream model service error. Try again later."),
        5,
        "Upstream model service error. Try again later.",
        "run it again in a minute",
    ),
    "inputs too large": Refusal(
        EDIT,
        error(500, "Unknown error", "shell_api_error"),
        5,
        "Unknown error",
        "the files may be too large",
    ),
    "an upload that took too long": Refusal(
        SEEDREAM,
        error(400, "Error when parsing request"),
        6,
        "Error when parsing request",
        "the files may be too large",
    ),
    "a body that was not passed on": Refusal(
        DRAW,
        error(500, "write_response_body_failed", "write_response_body_failed"),
        8,
        "the gateway could not read the answer of the model",
        LOG,
    ),
    "a URL that cannot be fetched": Refusal(
        SEEDREAM,
        error(404, "InvalidParameter: Error while downloading: https://x/y.png"),
        6,
        "Error while downloading",
        "the gateway could not fetch a URL of the request: give the file in its place",
    ),
    "a group that is given on request": Refusal(
        "image cat -m grok-imagine-image -o cat.png",
        error(503, NO_CHANNEL.format("grok-imagine-image"), "model_not_found"),
        6,
        "无可用渠道",
        "only keys of the group (分组) Grok_imagine have it",
    ),
    # 7
    "wrong key": Refusal(CHAT, error(401, "无效的令牌"), 4, "无效的令牌", "apiyi auth login"),
    "a busy database": Refusal(
        CHAT, error(401, "令牌验证失败"), 5, "令牌验证失败", "run it again in a minute"
    ),
    "no funds": Refusal(CHAT, error(401, "该令牌额度已用尽"), 7, "额度已用尽", "top up at"),
    "an upstream's quota": Refusal(
        CHAT,
        error(429, "You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
        5,
        "an upstream channel of the gateway has no funds",
        "it is not your balance",
    ),
    "a permanent 500": Refusal(
        CHAT, error(500, "bad field", "convert_request_failed"), 6, "bad field", ""
    ),
    # 8
    "saturated": Refusal(
        CHAT,
        error(429, "当前分组上游负载已饱和，请稍后再试", "content-type-not-allowed"),
        5,
        "the model's upstream channels are full: 当前分组上游负载已饱和",
        "add a fallback group",
    ),
    "a model that there is not": Refusal(
        "chat hi -m gpt-4x",
        error(503, NO_CHANNEL.format("gpt-4x")),
        6,
        "no such model for this key",
        "-m gpt-4",
    ),
    "a passing shortage of channels": Refusal(
        CHAT,
        error(503, NO_CHANNEL.format("gpt-4o")),
        5,
        "there is no channel for gpt-4o at the moment",
        "run it again in a minute",
    ),
    "no channel in English": Refusal(
        "chat hi -m gpt-4x",
        error(503, "no available channel for this model"),
        6,
        "no such model for this key",
        "-m gpt-4",
    ),
    "timed out upstream": Refusal(
        CHAT, error(504, "Upstream model timed out"), 8, "Upstream model timed out", LOG
    ),
    "exhausted": Refusal(
        CHAT, error(429, "RESOURCE_EXHAUSTED"), 5, "too busy for this request", "wait a little"
    ),
    "tools and reasoning": Refusal(
        f"chat hi -m gpt-5.6-luna --effort low {TOOL}",
        openai(
            "Function tools with reasoning_effort are not supported for gpt-5.6-luna in"
            " /v1/chat/completions. To use function tools, use /v1/responses or set"
            " reasoning_effort to 'none'.",
            "",
            "reasoning_effort",
        ),
        6,
        "Function tools with reasoning_effort are not supported",
        "--reasoning-effort none, or the same with apiyi respond",
    ),
    "a number for a text": Refusal(
        CHAT,
        error(
            400,
            "parse_request_failed: json: cannot unmarshal number into Go struct field X.seconds of"
            " type string",
            "parse_request_failed",
        ),
        6,
        "cannot unmarshal number",
        "",
    ),
    "retired": Refusal(
        "chat hi -m gemini-2.5-pro",
        error(404, "fail_to_fetch_task: model gemini-2.5-pro is no longer available"),
        6,
        "no such model for this key: fail_to_fetch_task",
        "-m gemini-3.6-flash (it replaces the retired one)",
    ),
    "an input too long": Refusal(
        DEEPSEEK,
        error(400, "Input length 1048999 exceeds the maximum length 1048570"),
        6,
        "exceeds the maximum length 1048570",
        "shorten the input",
    ),
    "a limit too large": Refusal(
        f"{DEEPSEEK} --max-tokens 500000",
        openai(
            "integer above maximum value, expected a value <= 393216",
            "integer_above_max_value",
            "max_tokens",
        ),
        6,
        "expected a value <= 393216",
        "a smaller --max-tokens",
    ),
    "a budget for thinking": Refusal(
        "chat hi -m claude-opus-4-8 --protocol anthropic"
        ' -O \'thinking={"type":"enabled","budget_tokens":2000}\'',
        claude('"thinking.type.enabled" is not supported for this model.'),
        6,
        '"thinking.type.enabled" is not supported',
        "--effort high",
    ),
    "stop": Refusal(
        "chat hi -m gpt-5.6-luna --stop END",
        openai("Unsupported parameter: 'stop'", "unsupported_parameter", "stop"),
        6,
        "Unsupported parameter: 'stop'",
        "leave out --stop, or choose another model",
    ),
    "a picture for a model that does not see": Refusal(
        f"{DEEPSEEK} -a a.png",
        openai("Model do not support image input", "invalid_value", "messages"),
        6,
        "Model do not support image input",
        "leave the pictures out",
    ),
    "a restart": Refusal(CHAT, page(502, "502 Bad Gateway"), 5, "502 Bad Gateway", "in a minute"),
    "a node that cuts": Refusal(CHAT, page(524, "A timeout occurred"), 8, "A timeout", LOG),
    "an upstream's key": Refusal(
        CHAT, error(401, "Invalid token", kind="invalid_request_error"), 5, "Invalid token", "not"
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_leads_to_its_exit_code_words_and_way_out(
    apiyi: Program, gateway: Gateway, name: str
) -> None:
    case = REFUSALS[name]
    (apiyi.work / "a.png").write_bytes(png(b"seed" * 8, 16, 16))
    gateway.script(case.reply)
    ran = apiyi(f"{case.line} --retries 0")
    assert (ran.code, ran.out) == (case.code, b""), ran.err
    assert case.words in ran.err
    hint = ran.err.partition("\n  try: ")[2]
    assert case.hint in hint and bool(hint) == bool(case.hint), ran.err
    assert [sent.method for sent in gateway.ledger].count("POST") == 1


@pytest.mark.parametrize("name", ["retired", "saturated", "moderation at 403", "stop"])
def test_the_same_is_said_in_chinese(apiyi: Program, gateway: Gateway, name: str) -> None:
    case = REFUSALS[name]
    gateway.script(case.reply)
    ran = apiyi(f"{case.line} --retries 0", env={"LANG": "zh_CN.UTF-8"})
    assert ran.code == case.code
    hint = ran.err.partition("\n  试试：")[2] or ran.err.rpartition("：")[2]
    assert any("一" <= char <= "鿿" for char in hint), ran.err


def test_a_retired_model_is_said_before_it_is_sent(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi -m gemini-2.5-flash --dry-run")
    assert ran.code == 0
    assert "gemini-2.5-flash was retired; gemini-3.6-flash replaces it" in ran.err
    assert "was retired" not in apiyi("chat hi -m gemini-3.6-flash --dry-run").err


def test_a_picture_that_the_token_limit_cut_says_so(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.json({"candidates": [{"finishReason": "MAX_TOKENS"}]}))
    ran = apiyi("image cat -m gemini-3-pro-image -o cat.png")
    assert ran.code == 8
    assert "the model reached its limit of tokens (MAX_TOKENS)" in ran.err
