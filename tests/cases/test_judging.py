"""Refusals by raw replies: who speaks, what was billed, what is tried again, and what is said."""

from __future__ import annotations

import pytest

from tests.cases.raw import DONE, Case, chunk, completion, http, json_reply, sse

SATURATED = {"error": {"message": "当前分组上游负载已饱和，请稍后再试", "type": "upstream_error"}}
ROLE = chunk({"role": "assistant", "content": ""})
BROKE = {"error": {"message": "the channel broke", "type": "upstream_error"}}
FINE = json_reply(completion("fine"))


def refusal(status: str, message: str, type: str, code: str = "") -> bytes:
    error = {"message": message, "type": type, "code": code}
    return json_reply({"error": error}, status)


@pytest.mark.parametrize(
    ("reply", "code", "asked"),
    [
        (refusal("401 No", "Incorrect API key", "invalid_request_error", "invalid_api_key"), 0, 2),
        (refusal("402 No", "Insufficient Balance", "unknown_error"), 0, 2),
        (refusal("429 No", "quota", "insufficient_quota", "insufficient_quota"), 0, 2),
        (refusal("401 No", "令牌验证失败", "one_api_error"), 0, 2),
        (refusal("403 No", "Country not supported", "request_forbidden"), 0, 2),
        (refusal("401 No", "无效的令牌", "new_api_error"), 4, 1),
        (refusal("403 No", "预扣费额度失败", "new_api_error"), 7, 1),
        (refusal("500 No", "bad schema", "new_api_error", "convert_request_failed"), 6, 1),
        (refusal("429 No", "Request too large for m", "tokens", "rate_limit_exceeded"), 6, 1),
    ],
)
def test_only_what_may_pass_is_asked_again(case: Case, reply: bytes, code: int, asked: int) -> None:
    case.reply(reply, FINE)
    ran = case("chat -m m --no-stream hi")

    assert (ran.code, len(case.posts)) == (code, asked), ran.err


@pytest.mark.parametrize("code", ["bad_response_body", "read_response_body_failed", "bad_response"])
def test_a_lost_answer_is_asked_for_once_more_and_counted(case: Case, code: str) -> None:
    case.reply(refusal("500 No", "m", "new_api_error", code))
    ran = case("chat -m m --no-stream hi --retries 5")

    assert (ran.code, len(case.posts)) == (8, 2)
    assert "possibly billed twice: 1" in ran.err and "may have been billed" in ran.err


def test_a_lost_picture_is_never_paid_twice(case: Case) -> None:
    case.reply(refusal("500 No", "m", "one_api_error", "unmarshal_response_body_failed"))
    ran = case("image -m dall-e-3 cat -o cat.png")

    assert (ran.code, len(case.posts)) == (8, 1)


def test_full_channels_have_a_schedule_of_their_own(case: Case) -> None:
    case.reply(json_reply(SATURATED, "429 No"))
    ran = case("chat -m m hi --max-retry-time 4")

    assert (ran.code, len(case.posts)) == (5, 1)
    assert "no time for another attempt in 4 s" in ran.err
    assert case("chat -m m hi --retries 0").code == 5


def test_an_error_after_an_opening_chunk_is_tried_again_and_may_have_been_billed(
    case: Case,
) -> None:
    case.reply(sse(ROLE, BROKE, DONE), sse(ROLE, chunk("hi"), chunk({}, "stop"), DONE))
    ran = case("chat -m m hi")
    assert (ran.code, ran.text, len(case.posts)) == (0, "hi\n", 2)
    assert "possibly billed twice: 1" in ran.err


@pytest.mark.parametrize("options", ["", "-o out.txt", "-x", "--ndjson"])
@pytest.mark.parametrize(
    "error",
    [
        BROKE,
        {"error": {"message": "m", "type": "insufficient_quota"}},
        {"error": {"message": "m", "code": "invalid_api_key"}},
        {"error": {"message": "m", "code": "invalid_request"}},
    ],
)
def test_an_error_in_a_stream_that_has_begun_exits_8(
    case: Case, options: str, error: dict[str, object]
) -> None:
    case.reply(sse(ROLE, error, DONE))
    ran = case(f"chat -m m hi --retries 0 {options}")
    assert ran.code == 8
    assert "may have been billed" in ran.err


def test_a_cut_after_an_opening_chunk_is_tried_again(case: Case) -> None:
    case.reply(sse(ROLE), sse(ROLE, chunk("hi"), chunk({}, "stop"), DONE))
    assert case("chat -m m hi").text == "hi\n"


def test_an_error_as_the_first_event_keeps_its_class(case: Case) -> None:
    case.reply(sse({"error": {"message": "余额不足"}}))
    assert case("chat -m m hi").code == 7


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            {"object": "error", "message": "5012 tokens", "type": "BadRequestError", "code": 400},
            6,
            "5012 tokens",
        ),
        ({"code": 400, "message": "bad n"}, 6, "bad n"),
        ({"success": False, "message": "参数错误"}, 6, "参数错误"),
        ({"code": "insufficient_user_quota", "message": "m"}, 7, "quota"),
    ],
)
@pytest.mark.parametrize(
    "line",
    [
        "chat -m m --no-stream hi",
        "chat -m m hi",
        "complete -m m hi",
        "respond -m m hi",
        "embed -m e a b",
        "image -m dall-e-3 cat -o cat.png",
        "speak hi -m tts-1 -o hi.mp3",
    ],
)
def test_an_envelope_without_an_error_member_is_read(
    case: Case, line: str, error: dict[str, object], code: int, said: str
) -> None:
    case.reply(json_reply(error))
    ran = case(f"{line} --retries 0")
    assert ran.code == code, ran.err
    assert said in ran.err

    if line == "chat -m m hi":
        case.reply(sse(error))
        ran = case(f"{line} --retries 0")
        assert (ran.code, said in ran.err) == (code, True)


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", "text/plain"])
@pytest.mark.parametrize("line", ["chat -m m hi", "chat -m m --json hi", "embed -m e a"])
def test_plain_words_are_told_whatever_they_are_called(
    case: Case, line: str, content_type: str
) -> None:
    case.reply(http("upstream request failed", content_type))
    ran = case(line)
    assert ran.code == 6
    assert "text instead of JSON: upstream request failed" in ran.err


def test_events_behind_a_line_that_is_none_are_read(case: Case) -> None:
    body = sse(chunk("hi"), chunk({}, "stop"), DONE).split(b"\r\n\r\n", 1)[1]
    case.reply(http(b"please wait\n\n" + body, "text/event-stream"))
    assert case("chat -m m hi").text == "hi\n"


def test_a_page_is_read_in_the_charset_that_it_names(case: Case) -> None:
    page = "<html><head><title>网关错误</title></head><body>稍后再试</body></html>"
    case.reply(http(page.encode("gbk"), "text/html; charset=GBK", "502 X"))
    assert "网关错误" in case("chat -m m --retries 0 hi").err


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        ("403 X", "error code: 1020", "text/plain; charset=UTF-8"),
        ("401 X", "Access denied by policy", "text/plain"),
        ("403 X", "<html><title>Attention Required!</title></html>", "text/html"),
        ("401 X", "<html><title>Login</title></html>", "text/html"),
    ],
)
def test_a_firewall_is_named_in_place_of_the_key(
    case: Case, status: str, body: str, kind: str
) -> None:
    case.reply(http(body, kind, status, {"Server": "cloudflare", "CF-RAY": "8a1b-HKG"}))
    ran = case("chat -m m hi")
    assert ran.code == 4
    assert "a firewall answered" in ran.err
    assert "auth login" not in ran.err and "group" not in ran.err


def test_the_gateways_request_id_wins_over_the_upstreams(case: Case) -> None:
    ids = {"X-Request-Id": "upstream", "X-Oneapi-Request-Id": "own"}
    case.reply(json_reply({"error": {"message": "m"}}, "400 No", **ids))
    assert "request id own" in case("chat -m m hi").err

    case.reply(json_reply(completion("hi"), **ids))
    case.write("rows.jsonl", '{"prompt": "a"}\n')
    case("batch -m m rows.jsonl -o out.jsonl")
    assert case.records("out.jsonl")[0]["response"]["request_id"] == "own"


def test_a_base_url_that_ends_in_v1_is_not_told_to(case: Case) -> None:
    case.reply(json_reply({"error": {"message": "Invalid URL"}}, "404 No"))
    ran = case("chat -m m hi")
    assert ran.code == 6 and "should end in /v1" not in ran.err


def test_a_retry_at_200_says_its_reason(case: Case) -> None:
    case.reply(json_reply({"error": {"message": "the channel broke"}}), FINE)
    ran = case("chat -m m --no-stream hi")
    assert ran.code == 0 and "the channel broke" in ran.err and "HTTP 200" not in ran.err


@pytest.mark.parametrize("status", ["504 X", "524 X"])
def test_a_list_is_never_said_to_be_billed(case: Case, status: str) -> None:
    case.reply(http("late", "text/plain", status))
    ran = case("models --retries 0")
    assert ran.code == 8 and "not billed" in ran.err


@pytest.mark.parametrize(
    "line",
    [
        "chat hi -m m -o 'no $(touch pwned)/x'",
        """chat hi -m m -o "no';touch pwned;'/x" """,
        "chat hi -m m -a 'https://x.invalid/$(touch pwned).svg'",
        """models show "g';touch pwned;'" """,
        """image cat -m dall-e-3 --n 2 -o "a';touch pwned;'.png" """,
    ],
)
def test_a_hint_pasted_into_a_shell_runs_nothing_of_its_values(case: Case, line: str) -> None:
    case.reply(json_reply({"object": "list", "data": [{"id": "gpt';touch pwned;'"}]}))
    ran = case(line)
    for hint in (row.split("try: ", 1)[1] for row in ran.err.splitlines() if "try: " in row):
        case.apiyi.shell(f"true {hint} || true")
        case.apiyi.shell(f": ; echo {hint} >/dev/null 2>&1 || true")
    assert not (case.work / "pwned").exists()
