"""The words of the vendor's tool and of others: they work, or are answered with ours."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.server import Gateway
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.settings.secrets import find_key
from apiyi_cli.settings.system_token import find_system_token

if TYPE_CHECKING:
    from tests.conftest import Program

NOWHERE = "http://127.0.0.1:9/v1"


def test_check_says_in_one_line_or_object_whether_it_works(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi("check")
    assert ran.code == 0
    assert ran.text.startswith("ready: ") and ran.text.count("\n") == 1
    for line in ("check --json", "--json check", "doctor --brief --json"):
        report = apiyi(line).json
        assert list(report) == [
            "status",
            "node",
            "key_source",
            "model_count",
            "latency_ms",
            "balance_usd",
        ]
        assert report["status"] == "ready" and report["model_count"] > 50
        assert report["node"] == gateway.base_url.split("/")[2]
        assert report["key_source"] == "environment APIYI_API_KEY"
        assert report["balance_usd"] is None
    assert {one.path for one in gateway.ledger} == {"/v1/models"}
    env = {"APIYI_SYSTEM_TOKEN": "account-token-0123456789"}
    assert isinstance(apiyi("check --json", env=env).json["balance_usd"], float)
    assert apiyi("check --jq .status").text == "ready\n"


@pytest.mark.parametrize(
    ("env", "status", "code"),
    [
        ({"APIYI_API_KEY": None, "APIYI_BASE_URL": None}, "no_key", 4),
        ({"APIYI_API_KEY": "sk-wrong-0123456789abcdef"}, "invalid_key", 4),
        ({"APIYI_BASE_URL": NOWHERE}, "network_error", 5),
    ],
)
def test_check_names_what_is_wrong_in_the_vendors_words(
    apiyi: Program, env: dict[str, str | None], status: str, code: int
) -> None:
    ran = apiyi("check --json", env=env)
    assert (ran.code, ran.json["status"], ran.json["model_count"]) == (code, status, None)
    told = apiyi("check", env=env)
    assert told.code == code and told.text.startswith(status.replace("_", " ") + ": ")


def test_the_first_node_that_answers_is_reported(apiyi: Program, gateway: Gateway) -> None:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.write_text(f'[profile.default]\nbase_urls = ["{NOWHERE}", "{gateway.base_url}"]\n')
    report = apiyi("check --json", env={"APIYI_BASE_URL": None}).json
    assert report["node"] == gateway.base_url.split("/")[2] and report["status"] == "ready"


def test_responses_grep_and_options_before_the_command_work(apiyi: Program) -> None:
    assert "effort" in apiyi("responses hi --effort low -m gpt-5").text
    names = apiyi("models --grep CLAUDE").text.split()
    assert names and all("claude" in name for name in names)
    assert apiyi("models list claude sonnet").code == 0
    assert apiyi("--ndjson models show gpt-4o").json["id"] == "gpt-4o"
    assert apiyi("-m gpt-5 --quiet --timeout=9 chat hi --dry-run").json["body"]["model"] == "gpt-5"
    assert apiyi("auth show").text.startswith("profile  default\n")
    assert apiyi("help check").code == 0


def test_milliseconds_are_warned_about(apiyi: Program) -> None:
    assert "60000 is 16.7 hours" in apiyi("chat hi --timeout 60000").err
    assert "hours" not in apiyi("chat hi --timeout 3600").err


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (["why is the sky blue?"], "apiyi chat 'why is the sky blue?'"),
        (["天空为什么是蓝的"], "apiyi chat '天空为什么是蓝的'"),
        (["ask", "hi", "there"], "apiyi chat hi there"),
        (["login"], "apiyi auth login"),
        (["tts", "hello"], "apiyi speak hello"),
        (["translate", "a.wav"], "apiyi transcribe --translate a.wav"),
        (["chat", "--key", "x", "hi"], "set APIYI_API_KEY, or --key-file PATH"),
        (["--api-key", "x", "check"], "set APIYI_API_KEY, or --key-file PATH"),
        (["--system-token", "x", "balance"], "apiyi auth login --system-token"),
    ],
)
def test_a_foreign_word_is_answered_with_ours(
    apiyi: Program, gateway: Gateway, line: list[str], hint: str
) -> None:
    ran = apiyi(line)
    assert ran.code == 2 and hint in ran.err.split("try: ")[1]
    assert gateway.ledger == []


def test_a_switch_with_a_value_names_its_forms(apiyi: Program) -> None:
    assert "--stream / --no-stream" in apiyi("chat --stream=false hi").err


def test_the_vendors_key_files_are_read_last_and_only_when_private(
    apiyi: Program, home: Path
) -> None:
    ours = home / ".config" / "apiyi" / "config.json"
    claw = home / ".openclaw" / "openclaw.json"
    for path, document in (
        (claw, {"skills": {"entries": {"apiyi": {"apiKey": "sk-of-openclaw-0123"}}}}),
        (ours, {"apiKey": "sk-of-the-vendor-0123", "systemToken": "token-of-the-vendor"}),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(document))
        path.chmod(0o600)
    env = {"APIYI_API_KEY": None, "APIYI_BASE_URL": None, "HOME": str(home)}
    assert apiyi("auth token", env=env).text == "sk-of-the-vendor-0123\n"
    environ = {**os.environ, "HOME": str(home)}
    assert find_system_token(Settings(environ=environ)).value == "token-of-the-vendor"
    assert find_key(Settings(environ=environ)).source == str(ours)
    ours.chmod(0o644)
    assert apiyi("auth token", env=env).text == "sk-of-openclaw-0123\n"
    # Another host never gets it.
    assert apiyi("auth token", env={**env, "APIYI_BASE_URL": NOWHERE}).code == 4
    claw.write_text("{not json")
    assert apiyi("auth token", env=env).code == 4
    assert ours.stat().st_mode & 0o777 == 0o644


def test_doctor_tells_of_another_program_of_the_same_name(apiyi: Program, tmp_path: Path) -> None:
    other = tmp_path / "npm" / "apiyi"
    other.parent.mkdir()
    other.write_text("#!/usr/bin/env node\nrequire('./cli.js')\n")
    other.chmod(0o755)
    path = apiyi.environ["PATH"]

    def find(order: str) -> list[dict[str, str]]:
        checks = apiyi("doctor --json", env={"PATH": order}).json["checks"]
        return [check for check in checks if check["check"] == "path"]

    (behind,) = find(f"{path}:{other.parent}")
    assert behind["state"] == "ok" and str(other) in behind["told"]
    (before,) = find(f"{other.parent}:{path}")
    assert before["state"] == "warning" and "first in PATH" in before["advice"]
    assert find(path) == []
