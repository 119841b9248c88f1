"""Before a run of many is ended for the key or for money, the gateway is asked once for free."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program, Ran

BATCH = "batch rows.jsonl -o out.jsonl -j 1"
WRONG_KEY = ScriptedReply.error(401, "无效的令牌", type="new_api_error")
NO_MONEY = ScriptedReply.error(
    403, "用户额度不足", type="new_api_error", code="insufficient_user_quota"
)
NEEDS_MUCH = ScriptedReply.error(
    403, "user [7] quota [1000] preConsumedQuota [500000000] is not enough"
)
BY_MODEL = ScriptedReply.error(403, "该令牌无权使用模型：x", type="one_api_error")
SPENT = ScriptedReply.json({"object": "list", "total_usage": 10_000})
NOT_FOUND = ScriptedReply.error(404, "Invalid URL", type="invalid_request_error")


def run(apiyi: Program, options: str = "", rows: int = 6) -> Ran:
    lines = (json.dumps({"id": f"r{number}", "prompt": "hi"}) for number in range(rows))
    (apiyi.work / "rows.jsonl").write_text("\n".join(lines) + "\n")
    return apiyi(f"{BATCH} {options}")


def failed(apiyi: Program) -> list[str]:
    records = map(json.loads, (apiyi.work / "out.jsonl").read_text().splitlines())
    return [record["error"]["class"] for record in records if record["error"]]


def list_gets(gateway: Gateway) -> list[str]:
    """Return the paths of the free questions."""
    return [one.path.removeprefix("/v1/") for one in gateway.ledger if one.method == "GET"]


def posts(gateway: Gateway) -> int:
    return sum(one.method == "POST" for one in gateway.ledger)


def test_a_key_that_works_when_asked_is_tried_again(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(WRONG_KEY, path="/completions")
    assert run(apiyi).code == 0
    assert list_gets(gateway) == ["models"] and posts(gateway) == 7


def test_a_key_that_is_refused_when_asked_ends_the_run(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(WRONG_KEY, path="/completions")
    gateway.script(WRONG_KEY, path="/models")
    ran = run(apiyi)
    assert (ran.code, posts(gateway)) == (4, 1)
    assert "auth login" in ran.err


@pytest.mark.parametrize("refusal", [NO_MONEY, ScriptedReply.error(402, "m")])
def test_money_that_is_left_goes_on_and_none_ends_the_run(
    apiyi: Program, gateway: Gateway, refusal: ScriptedReply
) -> None:
    gateway.script(refusal, path="/completions")
    assert run(apiyi).code == 0
    assert list_gets(gateway) == ["dashboard/billing/subscription", "dashboard/billing/usage"]

    (apiyi.work / "out.jsonl").unlink()
    gateway.script(refusal, path="/completions")
    gateway.script(SPENT, path="/usage")
    before = posts(gateway)
    ran = run(apiyi, "--force")
    assert (ran.code, posts(gateway) - before) == (7, 1)
    assert "top up" in ran.err


def test_money_that_is_left_but_too_little_ends_the_run(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(NEEDS_MUCH, path="/completions")
    assert run(apiyi).code == 7


@pytest.mark.parametrize(
    ("refusal", "path", "code"), [(WRONG_KEY, "/models", 4), (NO_MONEY, "/subscription", 7)]
)
def test_without_an_answer_a_refusal_is_believed_until_a_row_was_answered(
    apiyi: Program, gateway: Gateway, refusal: ScriptedReply, path: str, code: int
) -> None:
    gateway.script(refusal, path="/completions")
    gateway.script(NOT_FOUND, path=path)
    assert (run(apiyi).code, posts(gateway)) == (code, 1)

    (apiyi.work / "out.jsonl").unlink()
    gateway.script(ScriptedReply.chat("fine"), refusal, path="/completions")
    gateway.script(NOT_FOUND, path=path)
    assert run(apiyi, "--force").code == 3
    assert len(failed(apiyi)) == 1

    (apiyi.work / "out.jsonl").unlink()
    gateway.script(ScriptedReply.chat("fine"), refusal, refusal, refusal, path="/completions")
    gateway.script(NOT_FOUND, path=path)
    assert run(apiyi, "--force").code == code
    assert len(failed(apiyi)) == 3


def test_what_a_working_key_may_not_do_is_a_matter_of_its_row(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(BY_MODEL, path="/completions")
    assert run(apiyi).code == 3
    assert failed(apiyi) == ["auth"]


def test_an_upstreams_refusal_asks_nothing(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.error(401, "m", type="invalid_request_error"), path="/completions")
    assert run(apiyi).code == 0
    assert list_gets(gateway) == []


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("embed --lines --batch-size 1 -j 1 -m text-embedding-3-small", "/embeddings"),
        ("image --lines -m dall-e-3 -o {n}-{index}.png -j 1", "/generations"),
    ],
)
def test_the_other_runs_of_many_ask_as_well(
    apiyi: Program, gateway: Gateway, line: str, path: str
) -> None:
    gateway.script(WRONG_KEY, path=path)
    assert apiyi(line, stdin=b"one\ntwo\nthree\n").code == 0
    gateway.script(WRONG_KEY, path=path)
    gateway.script(WRONG_KEY, path="/models")
    assert apiyi(line.replace("{n}", "again"), stdin=b"one\ntwo\nthree\n").code == 4


def test_several_recordings_ask_as_well(apiyi: Program, gateway: Gateway) -> None:
    apiyi("speak hi -o a.wav --format wav -m tts-1")
    (apiyi.work / "b.wav").write_bytes((apiyi.work / "a.wav").read_bytes())
    gateway.script(WRONG_KEY, path="/transcriptions")
    assert apiyi("transcribe a.wav b.wav -j 1 -m whisper-1").code == 0
    assert list_gets(gateway) == ["models"]


def test_one_request_alone_asks_nothing(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(WRONG_KEY)
    assert apiyi("image cat -m dall-e-3 -o cat.png").code == 4
    gateway.script(WRONG_KEY)
    assert apiyi("chat hi").code == 4
    assert list_gets(gateway) == []


def test_a_shortage_of_channels_passes_where_the_model_is_listed(
    apiyi: Program, gateway: Gateway
) -> None:
    shortage = ScriptedReply.error(
        503, "分组 a 下模型 b 无可用渠道（distributor）", code="model_not_found"
    )
    gateway.script(shortage, path="/completions")
    assert apiyi("chat hi").text != ""
    gateway.script(shortage, path="/completions")
    ran = apiyi("chat hi --retries 0")
    assert ran.code == 5 and "no channel for gpt-4o at the moment" in ran.err
    gateway.script(shortage, path="/completions")
    assert apiyi("chat hi -m no-such-model").code == 6


def test_a_hint_never_names_the_model_that_failed(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.error(404, "model not found", code="model_not_found"))
    ran = apiyi("chat hi -m gpt-4o")
    assert ran.code == 6 and "-m gpt-4o" not in ran.err
