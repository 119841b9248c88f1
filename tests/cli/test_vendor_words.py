"""The words of the vendor's tool and of others: they work, or are answered with ours."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.server import Gateway
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.settings.secrets import find_key, find_system_token

if TYPE_CHECKING:
    from tests.conftest import Program

NODES = {
    "api": "https://api.apiyi.com/v1/",
    "vip": "https://vip.apiyi.com/v1/",
    "b": "https://b.apiyi.com/v1/",
    "cf": "https://api-cf.apiyi.com/v1/",
}
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


KEY_WAY = "try: set APIYI_API_KEY, or --key-file PATH, or apiyi auth login"
TOKEN_WAY = "try: set APIYI_SYSTEM_TOKEN, or apiyi auth login --system-token"
SECRET = "sk-typed-0123456789abcdef"

# Every word and flag of reference page 9: the line, the exit code, what is on stdout, on stderr.
VENDOR_LINES = [
    ("check", 0, "ready: ", ""),
    ("check --json", 0, '{"status":"ready"', ""),
    ("chat hi", 0, "[sandbox] You said: hi", ""),
    ("chat hi --json", 0, '{"object":"chat.completion"', ""),
    ("chat --json hi", 0, '{"object":"chat.completion"', ""),
    ("--json chat hi", 0, '{"object":"chat.completion"', ""),
    ("chat hi --model gpt-5.4-mini --json", 0, '"model":"gpt-5.4-mini"', ""),
    ("responses hi --effort low -m gpt-5", 0, 'reasoning={"effort":"low"}', ""),
    ("responses hi --json -m gpt-5", 0, '"object":"response"', ""),
    ("models", 0, "gpt-4o\n", ""),
    ("models --json", 0, '"object":"list"', ""),
    ("models --grep CLAUDE", 0, "claude-sonnet-5\n", ""),
    ("models --grep=claude --json", 0, '"id":"claude-sonnet-5"', ""),
    ("models --grep", 2, "", "try: apiyi models --help"),
    ("models list claude sonnet", 0, "claude-sonnet-5\n", ""),
    ("--ndjson models show gpt-4o", 0, '"id":"gpt-4o"', ""),
    ("image 'a cat' -m gpt-image-2 -o a.png --size 1024x1024 --n 1", 0, "a.png\n", ""),
    ("image 'a cat' --json -o b.png", 0, '"data":', ""),
    # Theirs overwrites silently.
    ("image 'a cat' -o there.png", 11, "", "--force"),
    ("balance", 4, "", "auth login --system-token"),
    ("auth show", 0, "profile  default\n", ""),
    ("auth show --json", 0, '"profile":"default"', ""),
    ("auth --json show", 0, '"profile":"default"', ""),
    ("auth set-key", 2, "", "auth login --with-token < FILE"),
    (f"auth set-key {SECRET}", 2, "", "apiyi auth login asks for it"),
    (f"auth set-key --system-token {SECRET}", 2, "", "apiyi auth login --system-token asks for it"),
    (f"auth set-key --api-key {SECRET}", 2, "", KEY_WAY),
    (f"auth --api-key {SECRET} set-key", 2, "", KEY_WAY),
    ("auth clear", 0, "", "no key was stored for profile default"),
    (f"--api-key {SECRET} check", 2, "", KEY_WAY),
    (f"check --api-key {SECRET}", 2, "", KEY_WAY),
    (f"chat hi --api-key={SECRET}", 2, "", KEY_WAY),
    (f"--system-token {SECRET} balance", 2, "", TOKEN_WAY),
    (f"balance --system-token={SECRET}", 2, "", TOKEN_WAY),
    *((f"chat hi --node {node} --dry-run", 0, host, "") for node, host in NODES.items()),
    ("--node vip chat hi --dry-run", 0, "https://vip.apiyi.com/v1/", ""),
    ("auth --node vip show --proxy http://127.0.0.1:9", 0, "vip.apiyi.com  not reachable", ""),
    ("check --node us", 2, "", "'us' is none of api, vip, b, cf"),
    ("check --base-url {bare}", 0, "ready: ", "the base URL gets its /v1"),
    ("--base-url {bare} check", 0, "ready: ", "the base URL gets its /v1"),
    ("check --base-url vip.apiyi.com", 2, "", "try: https://vip.apiyi.com/v1"),
    ("check --base-url localhost:81", 2, "", "try: http://localhost:81/v1"),
    ("check --timeout 60000", 0, "ready: ", "60000 is 16.7 hours"),
    ("chat hi --profile sandbox --timeout 60000", 0, "[sandbox]", "60000 is 16.7 hours"),
    ("--timeout=60000 check", 0, "ready: ", "60000 is 16.7 hours"),
    ("check --quiet", 0, "ready: ", ""),
    ("--quiet check", 0, "ready: ", ""),
    ("-m gpt-5 --quiet --timeout=9 chat hi --dry-run", 0, '"model":"gpt-5"', ""),
    ("help check", 0, "Usage: apiyi doctor", ""),
    ("help exit-codes", 0, "THE VENDOR'S TOOL", ""),
    ("--json", 2, "", "it needs a command behind it"),
]


@pytest.mark.parametrize(
    ("line", "code", "out", "err"), VENDOR_LINES, ids=[line for line, *_ in VENDOR_LINES]
)
def test_every_word_and_flag_works_or_is_answered_with_the_right_word(
    apiyi: Program, gateway: Gateway, line: str, code: int, out: str, err: str
) -> None:
    (apiyi.work / "there.png").write_bytes(b"")
    env = {"APIYI_BASE_URL": None} if "vip.apiyi" in out else {}
    ran = apiyi(line.replace("{bare}", gateway.base_url.removesuffix("/v1")), env=env)
    assert ran.code == code, ran.err
    assert out in ran.text if out else ran.out == b""
    assert err in ran.err.replace("\\n  ", " ") and SECRET not in ran.err
    assert "60000" in line or err or ran.err == ""
    if code == 2:
        assert gateway.ledger == []


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (["why is the sky blue?"], "apiyi chat 'why is the sky blue?'"),
        (["天空为什么是蓝的"], "apiyi chat '天空为什么是蓝的'"),
        (["ask", "hi", "there"], "apiyi chat hi there"),
        (["login"], "apiyi auth login"),
        (["playgrund"], "apiyi playground"),
        (["hello"], "apiyi help, or apiyi chat hello"),
        (["tts", "hello"], "apiyi speak hello"),
        (["translate", "a.wav"], "apiyi transcribe --translate a.wav"),
        (["chat", "--key", "x", "hi"], "set APIYI_API_KEY, or --key-file PATH"),
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
