"""`apiyi auth` as a process, against the offline gateway on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest

from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.quick import Warm

ROOT = Path(__file__).parents[2]
KEY = "sk-CANARY9f3c0123456789abcdef"
OTHER = "sk-OTHER9f3c0123456789uvwxyz"


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(key=KEY) as made:
        yield made


class Machine:
    """A user's machine: a home folder, a configuration, and no keyring."""

    def __init__(self, folder: Path, base_urls: list[str], warm: Warm) -> None:
        self.folder = folder
        self.warm = warm
        self.keys = folder / "config" / "apiyi" / "keys.json"
        self.keys.parent.mkdir(parents=True)
        config = f"[profile.default]\nbase_urls = {json.dumps(base_urls)}\n"
        (self.keys.parent / "config.toml").write_text(config)

    def environ(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            **more,
        }

    def run(self, *argv: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command line; no key may come out where it was not asked for."""
        done = self.warm.text(argv, self.folder, self.environ(**environ), stdin)
        assert "CANARY" not in done.stderr
        assert "CANARY" not in done.stdout or argv[-1] == "token"
        return done


@pytest.fixture
def machine(tmp_path: Path, gateway: Gateway, warm: Warm) -> Machine:
    return Machine(tmp_path, [gateway.base_url], warm)


LOGIN = ("auth", "login", "--with-token", "--insecure-storage")


def test_login_checks_the_key_and_the_next_command_uses_it(
    machine: Machine, gateway: Gateway
) -> None:
    done = machine.run(*LOGIN, stdin=f"{KEY}\n")
    assert (done.returncode, done.stdout) == (0, "")
    assert "the key …cdef of profile default is kept in" in done.stderr
    assert [one.path for one in gateway.ledger] == ["/v1/models"]
    assert machine.run("auth", "token").stdout == f"{KEY}\n"
    assert "gpt-4o\n" in machine.run("models", "gpt-4o").stdout


def test_login_keeps_nothing_that_the_gateway_refuses(machine: Machine) -> None:
    done = machine.run(*LOGIN, stdin=OTHER)
    assert done.returncode == 4
    assert "copy the key again; nothing was kept" in done.stderr
    assert not machine.keys.exists()


def test_login_without_check_asks_nobody(machine: Machine, gateway: Gateway) -> None:
    assert machine.run(*LOGIN, "--no-check", stdin=OTHER).returncode == 0
    assert machine.run("auth", "token").stdout == f"{OTHER}\n"
    assert gateway.ledger == []


@pytest.mark.parametrize("backend", ["fail", "null"])
def test_a_script_without_a_keyring_gets_the_file_and_is_told(
    machine: Machine, backend: str
) -> None:
    named = f"keyring.backends.{backend}.Keyring"
    done = machine.run("auth", "login", "--with-token", stdin=KEY, PYTHON_KEYRING_BACKEND=named)
    assert done.returncode == 0
    assert "no keyring" in done.stderr and str(machine.keys) in done.stderr
    assert machine.keys.stat().st_mode & 0o777 == 0o600
    assert machine.run("auth", "token").stdout == f"{KEY}\n"


@pytest.mark.parametrize(("answer", "kept"), [("y", True), ("n", False), ("", False)])
def test_a_person_is_asked_for_the_place_before_the_key(
    machine: Machine, answer: str, kept: bool
) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "apiyi_cli", "auth", "login", "--no-models"],
        env=machine.environ(),
        encoding="utf-8",
        timeout=20,
    )
    child.expect("no keyring")
    child.expect(r"\[y/N\]")
    child.sendline(answer)
    if kept:
        child.expect("not shown")
        child.sendline(KEY)
        child.expect("is kept in")
    child.expect(pexpect.EOF)
    child.close()
    shown = child.before or ""
    assert machine.keys.exists() == kept
    assert child.exitstatus == (0 if kept else 4)
    if not kept:
        assert "APIYI_API_KEY" in shown and "auth login" not in shown


def test_login_refuses_what_cannot_be_a_key_before_asking(
    machine: Machine, gateway: Gateway
) -> None:
    done = machine.run(*LOGIN, stdin=f"Bearer {KEY}")
    assert done.returncode == 4
    assert "leave out `Bearer`" in done.stderr
    assert gateway.ledger == []


def test_login_without_a_terminal_names_the_option_for_stdin(machine: Machine) -> None:
    done = machine.run("auth", "login", stdin=KEY)
    assert done.returncode == 2
    assert "--with-token" in done.stderr


def test_login_warns_that_the_variable_wins(machine: Machine) -> None:
    done = machine.run(*LOGIN, stdin=KEY, APIYI_API_KEY=OTHER)
    assert "APIYI_API_KEY is set and is used before it" in done.stderr


def test_the_sandbox_profile_needs_no_login(machine: Machine) -> None:
    done = machine.run("--profile", "sandbox", *LOGIN, stdin=KEY)
    assert (done.returncode, "needs no key" in done.stderr) == (2, True)


def test_the_prompt_does_not_show_the_key(machine: Machine) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "apiyi_cli", "auth", "login", "--insecure-storage", "--no-models"],
        env=machine.environ(),
        encoding="utf-8",
        timeout=20,
    )
    child.expect("Keys are made in the console of 127")
    child.expect(r"Key for profile default \(not shown\): ")
    child.waitnoecho()
    child.sendline(KEY)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert "CANARY" not in str(child.before)
    assert machine.run("auth", "token").stdout == f"{KEY}\n"


def test_status_tells_source_tail_and_hosts(machine: Machine, gateway: Gateway) -> None:
    host = gateway.base_url.removeprefix("http://").removesuffix("/v1")
    done = machine.run("auth", "status", APIYI_API_KEY=KEY)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[:2] == ["profile  default", "key      …cdef from environment APIYI_API_KEY"]
    assert lines[2].startswith(f"host     {host}  reachable, ")


def test_status_asks_every_host_and_a_dead_one_is_no_failure(
    tmp_path: Path, gateway: Gateway, warm: Warm
) -> None:
    machine = Machine(tmp_path, ["http://127.0.0.1:9/v1", gateway.base_url], warm)
    done = machine.run("auth", "status", "--json", APIYI_API_KEY=KEY)
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert (told["profile"], told["key"]) == ("default", "…cdef")
    assert [one["reachable"] for one in told["hosts"]] == [False, True]
    assert "models" in told["hosts"][1]
    assert len(gateway.ledger) == 1


def test_status_without_a_key_and_with_a_refused_one_exits_4(machine: Machine) -> None:
    none = machine.run("auth", "status")
    assert none.returncode == 4
    assert "key      none" in none.stdout
    assert all(way in none.stderr for way in ("auth login", "APIYI_API_KEY", "--key-file"))
    refused = machine.run("auth", "status", APIYI_API_KEY=OTHER)
    assert refused.returncode == 4
    assert "answers: " in refused.stdout


def test_status_in_detail_names_every_place(machine: Machine) -> None:
    machine.run(*LOGIN, stdin=KEY)
    done = machine.run("auth", "status", "-v")
    assert done.returncode == 0
    assert "* environment APIYI_API_KEY: no key" in done.stderr
    assert "* keyring: cannot tell (this machine has none)" in done.stderr
    assert f"* {machine.keys}: has a key" in done.stderr


def test_a_stored_key_never_reaches_another_server(machine: Machine) -> None:
    machine.run(*LOGIN, stdin=KEY)
    with Gateway() as other:
        done = machine.run("models", APIYI_BASE_URL=other.base_url)
        assert done.returncode == 4
        assert other.ledger == []


def test_logout_removes_the_key_and_says_what_is_left(machine: Machine) -> None:
    machine.run(*LOGIN, stdin=KEY)
    done = machine.run("auth", "logout", APIYI_API_KEY=OTHER)
    assert done.returncode == 0
    assert f"was removed from {machine.keys}" in done.stderr
    assert "APIYI_API_KEY is still set" in done.stderr
    assert "CANARY" not in machine.keys.read_text()
    again = machine.run("auth", "logout")
    assert (again.returncode, "no key was stored" in again.stderr) == (0, True)
