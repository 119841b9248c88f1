"""A request shown instead of sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

PLAIN: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": "hi"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


def test_a_dry_run_prints_the_request_needs_no_key_and_sends_nothing(
    apiyi: Program, gateway: Gateway
) -> None:
    line = "chat hi --temperature 0 --dry-run -H 'X-Api-Key: secret-of-mine'"
    ran = apiyi(line, env={"APIYI_API_KEY": None})
    shown = ran.json
    assert ran.code == 0
    assert ran.out.count(b"\n") == 1
    assert list(shown) == ["method", "url", "headers", "body"]
    assert shown["method"] == "POST"
    assert shown["url"] == f"{gateway.base_url}/chat/completions"
    assert shown["body"] == {**PLAIN, "temperature": 0.0}
    assert shown["headers"]["Authorization"] == "Bearer ***"
    assert shown["headers"]["X-Api-Key"] == "***"
    assert shown["headers"]["Content-Type"] == "application/json"
    assert gateway.ledger == []


def test_a_dry_run_masks_the_users_own_authorization(apiyi: Program, gateway: Gateway) -> None:
    shown = apiyi("chat hi --dry-run -H 'authorization: Basic c2VjcmV0'").json["headers"]
    assert shown["authorization"] == "Basic ***"
    assert "Authorization" not in shown


def test_a_dry_run_shows_what_would_be_sent(apiyi: Program, gateway: Gateway) -> None:
    line = "chat hi --tool '{\"name\":\"f\"}' --schema 'a, b int' -O x=1 --no-stream"
    shown = apiyi(f"{line} --dry-run").json["body"]
    gateway.script(ScriptedReply.json({"choices": []}))
    apiyi(line)
    assert gateway.posts[0].json == shown


def test_several_models_are_shown_one_a_line(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi -m gpt-4o -m o3 --max-tokens 4 --dry-run")
    bodies = [json.loads(line)["body"] for line in ran.out.splitlines()]
    assert [body["model"] for body in bodies] == ["gpt-4o", "o3"]
    assert bodies[1]["max_completion_tokens"] == 4
    assert gateway.ledger == []


@pytest.mark.parametrize("language", ["curl", "python", "requests"])
def test_a_request_can_be_shown_as_a_program(
    apiyi: Program, gateway: Gateway, language: str
) -> None:
    ran = apiyi(f"chat hi --code {language}", env={"APIYI_API_KEY": None})
    assert ran.code == 0
    assert gateway.base_url in ran.text
    assert "APIYI_API_KEY" in ran.text
    assert gateway.ledger == []


def test_a_program_that_lacks_what_only_apiyi_does_says_so(apiyi: Program) -> None:
    ran = apiyi("chat hi -x --jq .id -o saved.txt --code ruby")
    assert ran.code == 0
    for name in ("--extract", "--jq", "--output"):
        assert f"apiyi: {name} is left out" in ran.err
    assert "left out" not in apiyi("chat hi --code ruby").err


def test_what_a_program_lacks_is_said_in_chinese(apiyi: Program) -> None:
    ran = apiyi("chat hi -H 'Cookie: a' --code node", env={"APIYI_LANG": "zh"})
    assert "请求头 Cookie 未写入程序" in ran.err
