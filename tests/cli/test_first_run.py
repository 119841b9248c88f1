"""The first two commands of a new user: `auth login`, then `chat hi`, without a keyring."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.cli.test_auth import KEY, Machine
from tests.cli.test_auth import gateway as gateway

if TYPE_CHECKING:
    from tests.quick import Warm

TABLES = {
    "embed": "text-embedding-3-small",
    "image": "gpt-image-2.5-flare",
    "transcribe": "whisper-1",
    "speak": "gpt-4o-mini-tts",
    "rank": "bge-reranker-v2-m3",
    "video": "wan2.7-t2v",
}


@pytest.fixture
def machine(tmp_path: Path, warm: Warm) -> Machine:
    """A machine without a configuration."""
    new = Machine(tmp_path, [], warm)
    (new.keys.parent / "config.toml").unlink()
    return new


def config(machine: Machine) -> dict[str, Any]:
    profiles: dict[str, Any] = tomllib.loads((machine.keys.parent / "config.toml").read_text())[
        "profile"
    ]
    return profiles


def test_a_script_gets_a_key_a_profile_and_models_in_one_line(
    machine: Machine, gateway: Gateway
) -> None:
    login = ("auth", "login", "--with-token", "--base-url", gateway.base_url)
    done = machine.run(*login, stdin=KEY)
    assert (done.returncode, done.stdout) == (0, "")
    assert "models: chat gpt-5.4-mini, embed text-embedding-3-small" in done.stderr
    assert done.stderr.endswith("try: apiyi chat hi\n")
    profile = config(machine)["default"]
    assert profile["base_urls"] == [gateway.base_url] and profile["model"] == "gpt-5.4-mini"
    assert {word: profile[word]["model"] for word in TABLES} == TABLES
    # Each model of the gateway serves its own endpoints only.
    sound = str(machine.folder / "a.wav")
    for line in (
        ("chat", "hi"),
        ("respond", "hi"),
        ("embed", "hi"),
        ("image", "a cat", "-o", str(machine.folder / "a.png")),
        ("speak", "hi", "-o", sound),
        ("transcribe", sound),
        ("rank", "hi", "--lines"),
    ):
        done = machine.run(*line, stdin="a\nb\n" if line[0] == "rank" else "")
        assert done.returncode == 0, (line, done.stderr)
    doctor = machine.run("doctor")
    assert doctor.returncode == 0 and "FAIL" not in doctor.stdout
    assert "ok   model        gpt-5.4-mini" in doctor.stdout
    assert "ok   keyring" in doctor.stdout


def test_a_person_is_led_to_the_first_answer(machine: Machine, gateway: Gateway) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "apiyi_cli", "auth", "login", "--base-url", gateway.base_url],
        env=machine.environ(),
        encoding="utf-8",
        timeout=20,
    )
    for awaited, typed in (
        (r"\[y/N\]", "y"),
        ("not shown", KEY),
        (r"chat \[gpt-5.4-mini\]:", "gpt-4p"),
        ("did you mean gpt-4.?", "gpt-4o"),
        (r"embed \[", "gpt-4o"),
        ("an embedding model|apiyi embed cannot use", ""),
        (r"image \[", "-"),
        (r"transcribe \[", ""),
        (r"speak \[", ""),
        (r"rank \[", ""),
        (r"video \[", ""),
    ):
        child.expect(awaited)
        child.sendline(typed)
    child.expect("try: apiyi chat hi")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    profile = config(machine)["default"]
    assert profile["model"] == "gpt-4o" and "image" not in profile
    assert profile["embed"]["model"] == "text-embedding-3-small"
    assert machine.run("chat", "hi").stdout == "[sandbox] You said: hi\n"


def test_a_new_profile_is_made_and_what_is_set_stays(machine: Machine, gateway: Gateway) -> None:
    login = ("auth", "login", "--with-token", "--profile", "work")
    done = machine.run(*login, "--base-url", gateway.base_url, stdin=KEY)
    assert done.returncode == 0 and "try: apiyi --profile work chat hi" in done.stderr
    assert machine.run("config", "set", "profile.work.model", "gpt-4o").returncode == 0
    again = machine.run(*login, stdin=KEY)
    assert "models: chat gpt-4o, embed" in again.stderr
    assert config(machine)["work"]["model"] == "gpt-4o"
    assert machine.run("--profile", "work", "chat", "hi").returncode == 0


def test_no_models_and_no_check_leave_the_models_alone(machine: Machine, gateway: Gateway) -> None:
    login = ("auth", "login", "--with-token", "--base-url", gateway.base_url)
    for option in ("--no-models", "--no-check"):
        done = machine.run(*login, option, stdin=KEY)
        assert done.returncode == 0
        assert done.stderr.endswith("try: apiyi chat -m gpt-5.4-mini hi\n")
        assert list(config(machine)["default"]) == ["base_urls"]


def test_a_node_is_written_and_replaces_an_address(machine: Machine, gateway: Gateway) -> None:
    login = ("auth", "login", "--with-token", "--no-check")
    assert machine.run(*login, "--node", "vip", stdin=KEY).returncode == 0
    assert config(machine)["default"] == {"node": "vip"}
    assert machine.run(*login, "--base-url", gateway.base_url, stdin=KEY).returncode == 0
    assert config(machine)["default"] == {"base_urls": [gateway.base_url]}
    assert machine.run("chat", "-m", "gpt-4o", "hi").returncode == 0


def test_a_server_with_one_model_of_its_own_gets_that(machine: Machine, gateway: Gateway) -> None:
    listed = {"object": "list", "data": [{"id": "llama3.2"}, {"id": "nomic-embed-text"}]}
    gateway.script(ScriptedReply.json(listed), path="/models")
    login = ("auth", "login", "--with-token", "--base-url", gateway.base_url)
    done = machine.run(*login, stdin=KEY)
    assert "models: chat llama3.2, embed nomic-embed-text\n" in done.stderr


@pytest.mark.parametrize("word", ["login", "set-key"])
def test_a_key_on_the_command_line_is_refused_with_the_way(
    machine: Machine, gateway: Gateway, word: str
) -> None:
    done = machine.run("auth", word, KEY)
    assert done.returncode == 2 and "--with-token < FILE" in done.stderr
    assert gateway.ledger == [] and not machine.keys.exists()


def test_what_cannot_be_the_key_is_told_what_to_do_and_goes_nowhere(
    machine: Machine, gateway: Gateway
) -> None:
    login = ("--profile", "work", "auth", "login", "--with-token")
    for typed, why in (
        ("", "it is empty"),
        (f"{KEY} {KEY}", "white space"),
        (f"Bearer {KEY}", "leave out `Bearer`"),
    ):
        done = machine.run(*login, stdin=typed)
        assert done.returncode == 4 and why in done.stderr
        assert "try: give it the key alone: apiyi --profile work auth login" in done.stderr
    # The key of somebody else is not the gateway's to see.
    done = machine.run(*login, stdin="sk-ant-0123456789abcdef")
    assert done.returncode == 4 and "it looks like a key of Anthropic" in done.stderr
    done = machine.run(*login, "--base-url", gateway.base_url, stdin="sk-ant-0123456789abcdef")
    assert "the gateway refused the key" in done.stderr
    assert len(gateway.ledger) == 1


def test_the_first_error_of_a_new_user_names_the_first_step(machine: Machine) -> None:
    done = machine.run("chat", "hi")
    assert done.returncode == 2 and "try: apiyi auth login chooses one, or -m MODEL" in done.stderr
    done = machine.run("--profile", "sandbox", "rank", "a", "--vectors", "none")
    assert done.returncode == 2 and "auth login" not in done.stderr
    done = machine.run("chat", "-m", "gpt-4o", "hi")
    assert done.returncode == 4 and "try: apiyi auth login, or set APIYI_API_KEY" in done.stderr
