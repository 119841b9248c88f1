"""Keys are in nothing that is shown or written, and no program that is started gets them."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from apiyi_cli.sandbox.drawing import png
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.source import PACKAGE, SOURCES, nodes

if TYPE_CHECKING:
    from tests.conftest import Program

OWN = "my-gateway-key-0a1b2c3d"
SPELLINGS = (OWN, quote(OWN, safe=""), b64encode(f"u:{OWN}".encode()).decode())
LANGUAGES = ("curl", "python", "requests", "node", "java", "csharp", "go", "php", "ruby")
HEADERS = (
    "Authorization: Bearer {}",
    "Authorization: {}",
    "X-Own: {}",
    "x-own: prefix-{}-suffix",
    "Proxy-Authorization: Basic {}",
    "Cookie: session={}; other=1",
    "CF-Access-Client-Secret: {}",
    "X-Auth-Token: {}",
    "apikey: {}",
)


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_with_a_key_is_shown_without_it(
    apiyi: Program, gateway: Gateway, header: str
) -> None:
    for spelling in SPELLINGS:
        words = ["-H", header.format(spelling), "hi"]
        shown = apiyi(["chat", *words, "--dry-run"], env={"APIYI_API_KEY": OWN})
        assert shown.code == 0
        name = header.partition(":")[0]
        assert shown.json["headers"][name] in ("***", "Bearer ***", "Basic ***")
        for part in (spelling, OWN):
            assert part not in shown.text + shown.err
    for language in LANGUAGES:
        shown = apiyi(["chat", *words, "--code", language], env={"APIYI_API_KEY": OWN})
        assert shown.code == 0
        assert SPELLINGS[-1] not in shown.text + shown.err
        assert "left out" in shown.err


def test_a_key_that_nobody_knows_is_known_by_its_look(apiyi: Program) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLW9mLWl0"
    for value in ("sk-abcdefghijklmnopqrstuvwx", f"Bearer {token}", token, "AIza" + "x" * 35):
        header = f"X-Passed-On: {value}"
        shown = apiyi(["chat", "hi", "-H", header, "--dry-run"], env={"APIYI_API_KEY": None})
        assert value.split(" ")[-1] not in shown.text
        shown = apiyi(["chat", "hi", "-H", header, "--code", "curl"], env={"APIYI_API_KEY": None})
        assert value.split(" ")[-1] not in shown.text


def test_what_is_not_a_secret_is_shown_as_it_is(apiyi: Program) -> None:
    words = ["-H", "X-Max-Tokens: 5", "-H", "X-Title: a key of C major", "-H", "X-Trace: task-1234"]
    headers = apiyi(["chat", "hi", *words, "--dry-run"]).json["headers"]
    assert headers["X-Max-Tokens"] == "5"
    assert headers["X-Title"] == "a key of C major"
    assert headers["X-Trace"] == "task-1234"
    assert "X-Title" in apiyi(["chat", "hi", *words, "--code", "curl"]).text


def test_a_key_in_an_address_is_masked(apiyi: Program, gateway: Gateway) -> None:
    shown = apiyi(["api", "GET", f"/v1beta/models?alt=sse&key={OWN}", "--dry-run"])
    assert OWN not in shown.text and "alt=sse&key=***" in shown.json["url"]
    ran = apiyi(["api", "GET", f"/v1/models?key={OWN}", "-v"])
    assert OWN not in ran.err and "key=***" in ran.err


@pytest.mark.parametrize("header", ["Authorization Bearer {}", "X {}", "{}"])
def test_a_header_that_is_none_is_refused_without_its_value(apiyi: Program, header: str) -> None:
    value = "hunter2-hunter2-hunter2"
    ran = apiyi(["chat", "hi", "-H", header.format(f"x {value}")])
    assert ran.code == 2
    assert value not in ran.err


def test_verbose_runs_do_not_tell_the_key(apiyi: Program) -> None:
    with Gateway(key=OWN) as own:
        env: dict[str, str | None] = {"APIYI_API_KEY": OWN, "APIYI_BASE_URL": own.base_url}
        for header in HEADERS:
            ran = apiyi(["chat", "hi", "-v", "-H", header.format(OWN)], env=env)
            assert OWN not in ran.text + ran.err
        ran = apiyi(["chat", "hi", "-v", "-H", "X-Auth-Token: hunter2-hunter2"], env=env)
        assert ran.code == 0 and "hunter2" not in ran.err and "X-Auth-Token: ***" in ran.err


def repeating(key: str) -> ScriptedReply:
    """A gateway that repeats the key of a request in every place that it can."""
    error = {"message": f"no such token: {key}", "code": f"bad_{key}", "type": "x"}
    return ScriptedReply.json({"error": error, "request_id": key}, status=400)


@pytest.mark.parametrize(
    "line",
    [
        "doctor --json",
        "doctor --ndjson",
        "doctor",
        "doctor --jq .",
        "auth status --json",
        "auth status",
        "chat hi --json --retries 0",
        "chat hi --ndjson --no-stream",
        "chat hi -m a -m b",
        "image cat -o a.png --ndjson",
        "image cat -o a.png --json",
        "models --json",
        "embed a --json",
        "usage --json",
    ],
)
def test_a_server_that_repeats_the_key_is_not_repeated(apiyi: Program, line: str) -> None:
    for key in (OWN, "a-key-that-ends-in-\\x", "sk-" + "b" * 30):
        with Gateway(key=key) as strange:
            strange.script(*[repeating(key)] * 4)
            env = {"APIYI_API_KEY": key, "APIYI_BASE_URL": strange.base_url}
            ran = apiyi(line, env=env)
            for spelling in (key, json.dumps(key)[1:-1], quote(key, safe="")):
                assert spelling not in ran.text + ran.err
            for text in (ran.text if "json" in line else "").splitlines():
                json.loads(text)


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\nenv > {folder}/{name}.env\n{script}\n")
    (folder / name).chmod(0o755)


def started_with(folder: Path, name: str) -> str:
    return (folder / f"{name}.env").read_text()


KEYS = {
    "APIYI_SYSTEM_TOKEN": "system-token-1234",
    "OPENAI_API_KEY": "openai-key-12345",
    "OTHER_NAME": f"Bearer {OWN}",
    "PACKED": SPELLINGS[2],
    "KEPT": "of no interest",
}


def environment(apiyi: Program, folder: Path, base_url: str) -> dict[str, str | None]:
    path = f"{folder}:{apiyi.environ['PATH']}"
    return {**KEYS, "APIYI_API_KEY": OWN, "APIYI_BASE_URL": base_url, "PATH": path}


def holds_no_key(text: str) -> None:
    assert "KEPT=of no interest" in text
    for name in ("APIYI_API_KEY", *KEYS):
        assert f"\n{name}=" not in f"\n{text}" or name == "KEPT"
    for value in (OWN, *SPELLINGS, *list(KEYS.values())[:2]):
        assert value not in text


def test_no_program_that_is_started_gets_a_key(apiyi: Program, tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    calls = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    with Gateway(key=OWN) as own:
        env = environment(apiyi, folder, own.base_url)
        program(folder, "tool", "echo done")
        own.script(ScriptedReply.json({"id": "c", **calls}))
        words = ["chat", "hi", "--no-stream", "--tool", '{"name":"f"}', "--run", "f=tool", "--yes"]
        assert apiyi(words, env=env).code == 0
        holds_no_key(started_with(folder, "tool"))
        program(folder, "editor", "true")
        assert apiyi("config edit", env={**env, "EDITOR": "editor", "VISUAL": None}).code == 0
        # What needs no key has not looked for one: its environment is cleaned by what it holds.
        holds_no_key(started_with(folder, "editor"))
        program(folder, "ffmpeg", "exit 1")
        (apiyi.work / "long.mp3").write_bytes(b"ID3\x04" + bytes(26 << 20))
        apiyi("transcribe long.mp3 --split -m whisper-1", env=env)
        holds_no_key(started_with(folder, "ffmpeg"))


def test_chafa_gets_no_key(apiyi: Program, tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    program(folder, "chafa", "echo drawn")
    with Gateway(key=OWN) as own:
        env = environment(apiyi, folder, own.base_url)
        screen = apiyi.terminal("image cat -m gpt-image-1 --preview -o a.png", env=env)
    assert b"drawn" in screen.raw
    holds_no_key(started_with(folder, "chafa"))


def test_a_key_command_gets_no_key(apiyi: Program, tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    program(folder, "getkey", f"echo {OWN}")
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    with Gateway(key=OWN) as own:
        config.write_text(
            f'[profile.default]\nbase_urls = ["{own.base_url}"]\n'
            f'key_command = ["{folder}/getkey"]\n'
        )
        config.chmod(0o600)
        env = {**environment(apiyi, folder, own.base_url), "APIYI_API_KEY": None}
        env |= {"APIYI_BASE_URL": None, "OTHER_NAME": None, "PACKED": None}
        assert apiyi("chat hi", env=env).code == 0
    text = started_with(folder, "getkey")
    assert "KEPT=" in text and "system-token" not in text and "openai-key" not in text


def test_every_program_is_started_with_an_environment_of_its_own() -> None:
    for path in SOURCES:
        for node in nodes(path):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = getattr(node.func.value, "id", "")
            if owner == "subprocess" and node.func.attr in ("Popen", "run", "call", "check_output"):
                names = [keyword.arg for keyword in node.keywords]
                assert "env" in names, f"{path.name}:{node.lineno}"
            is_other = owner == "os" and node.func.attr in ("system", "popen", "posix_spawn")
            assert not is_other, f"{path.name}:{node.lineno}"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has it")
def test_memory_with_a_key_in_it_is_closed_to_others() -> None:
    script = (
        "import ctypes; from apiyi_cli.settings.secrets import check_key;"
        "get = lambda: ctypes.CDLL(None).prctl(3, 0, 0, 0, 0);"
        "before = get(); check_key('sk-of-the-test', 'a test'); print(before, get())"
    )
    environ = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, check=True
    )
    assert ran.stdout.split()[-1] == b"0"


def test_a_key_is_in_no_file_that_a_run_leaves(apiyi: Program) -> None:
    """Caches, ledgers, journals, outputs and rescued answers, whatever a server repeats."""
    with Gateway(key=OWN) as own:
        env: dict[str, str | None] = {"APIYI_API_KEY": OWN, "APIYI_BASE_URL": own.base_url}
        (apiyi.work / "rows").write_text("one\ntwo\n")
        own.script(*[repeating(OWN)] * 2)
        apiyi("batch rows --lines -o out.jsonl --errors bad.jsonl --summary s.json", env=env)
        apiyi("chat hi --cache -H 'X-Own: my-gateway-key-0a1b2c3d'", env=env)
        own.script(repeating(OWN), ScriptedReply.json({"data": [{"b64_json": "AA"}], "id": OWN}))
        apiyi("chat hi --session s", env=env)
        apiyi("image cat -o a.png", env=env)
        apiyi("batch rows --lines -o out.jsonl --retry-failed", env=env)
    picture = png(b"x" * 64, 8, 8)
    for folder in (apiyi.work, apiyi.home):
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert content != picture
                for spelling in SPELLINGS:
                    assert spelling.encode() not in content, path
