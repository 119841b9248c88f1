"""The program where the modules and functions are missing that POSIX alone has."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

HIDDEN = """
import ctypes, os, pathlib, select, signal, sys
# The standard library may use what is hidden below, as it does not on Windows.
import asyncio, getpass, multiprocessing, platform, selectors, shutil, socket, subprocess, tempfile
import typer
{imports}
for name in ("fcntl", "resource", "termios", "pwd", "grp", "tty", "pty"):
    sys.modules[name] = None
for module, names in (
    (os, "killpg getuid geteuid getgid getsid ttyname pread pwrite fchmod fchown chown O_NOFOLLOW"
         " O_NONBLOCK O_CLOEXEC O_DIRECTORY sysconf getpgid setsid mkfifo fork uname statvfs"
         " getloadavg tcgetpgrp sched_getaffinity"),
    (signal, "setitimer SIGALRM SIGHUP SIGUSR1 SIGPIPE SIGQUIT SIGWINCH SIGTSTP SIGCONT"
             " pthread_sigmask sigwait"),
    (select, "poll epoll"),
):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
os.supports_follow_symlinks.discard(os.link)

class Kernel:
    def OpenProcess(self, rights, inherits, pid):
        return pid if os.path.exists(f"/proc/{pid}") else 0

    def __getattr__(self, name):
        return lambda *values: 0

ctypes.windll = type("Libraries", (), {"kernel32": Kernel()})()
pathlib.WindowsPath = pathlib.PosixPath
os.name, sys.platform = "nt", "win32"
{more}
from apiyi_cli.main import main
sys.exit(main(sys.argv[1:]))
"""
# What libraries do on import for the platform that is faked is theirs.
LIBRARIES = """
import babel.messages.catalog, httpcore, httpx, jsonschema, keyring, orjson, tomlkit
import rich.console, rich.markdown
"""
EVERY_MODULE = """
import importlib, pkgutil, apiyi_cli
for module in pkgutil.walk_packages(apiyi_cli.__path__, "apiyi_cli."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


@pytest.fixture
def bare(started: Program) -> Any:
    """Run a line as on Windows, without what POSIX alone has; it must not end in a defect."""
    folders = {
        "USERPROFILE": str(started.home),
        "APPDATA": str(started.home / "config"),
        "LOCALAPPDATA": str(started.home / "state"),
    }

    def run(*words: str, stdin: bytes | None = None, code: int = 0, more: str = "") -> str:
        script = HIDDEN.replace("{imports}", LIBRARIES if more else "").replace("{more}", more)
        feed: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        done = subprocess.run(
            [sys.executable, "-c", script, *words],
            cwd=started.work,
            env={**started.environ, **folders},
            capture_output=True,
            check=False,
            timeout=60,
            **feed,
        )
        assert done.returncode == code, done.stderr.decode()
        assert b"Traceback" not in done.stderr
        return str(done.stdout, "utf-8")

    return run


def test_every_module_can_be_imported(bare: Any) -> None:
    assert "hi" in bare("chat", "hi", more=EVERY_MODULE)


def test_consent_is_asked_for_on_the_console(bare: Any, gateway: Gateway, started: Program) -> None:
    tool = '{"name":"now","parameters":{"type":"object"}}'
    line = ("chat", "hi", "--tool", tool, "--run", "now=echo noon")
    bare(*line, code=2)
    for typed, result in (("y\n", "noon"), ("\n", "the user did not allow this call")):
        (started.work / "CONIN$").write_text(typed)
        (started.work / "CONOUT$").write_text("")
        bare(*line)
        assert (started.work / "CONOUT$").read_text().endswith("run now({}) -> echo noon? [y/N] ")
        assert result in gateway.ledger[-1].json["messages"][-1]["content"]


def test_text_tools_and_kept_conversations_work(bare: Any, gateway: Gateway) -> None:
    assert "one" in bare("chat", "--session", "s", "one")
    assert "two" in bare("chat", "--session", "s", "two")
    assert [message["role"] for message in gateway.ledger[1].json["messages"]] == [
        "user",
        "assistant",
        "user",
    ]
    tool = '{"name":"now","parameters":{"type":"object"}}'
    assert "noon" in bare("chat", "hi", "--tool", tool, "--run", "now=echo noon", "--yes")
    assert "piped" in bare("chat", stdin="piped 你好".encode())
    assert json.loads(bare("usage", "--json"))


def test_a_batch_is_recorded_locked_and_resumed(
    bare: Any, gateway: Gateway, started: Program
) -> None:
    (started.work / "rows.txt").write_bytes(b"one\ntwo\n")
    bare("batch", "rows.txt", "--lines", "-o", "out.jsonl")
    assert not list(started.work.glob("*.apiyi-lock"))
    with (started.work / "rows.txt").open("ab") as file:
        file.write(b"three\n")
    bare("batch", "rows.txt", "--lines", "-o", "out.jsonl")
    assert len(gateway.ledger) == 3
    raw = (started.work / "out.jsonl").read_bytes()
    assert (raw.count(b"\n"), raw.count(b"\r")) == (3, 0)
    # The lock file of a process that runs is respected, one of a process that is gone is not.
    ours = {"host": socket.gethostname(), "pid": os.getpid()}
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    lock = started.work / "out.jsonl.apiyi-lock"
    lock.write_text(json.dumps({**ours, "boot": boot}))
    bare("batch", "rows.txt", "--lines", "-o", "out.jsonl", code=10)
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    lock.write_text(json.dumps({**ours, "pid": gone.pid, "boot": boot}))
    bare("batch", "rows.txt", "--lines", "-o", "out.jsonl")
    assert len(gateway.ledger) == 3


def test_files_vectors_and_checks_work(bare: Any, gateway: Gateway, started: Program) -> None:
    assert bare("image", "a cat", "-o", "cat.png") == "cat.png\n"
    assert (started.work / "cat.png").read_bytes().startswith(b"\x89PNG")
    bare("image", "a cat", "-o", "cat.png", code=11)
    bare("embed", "--lines", "-o", "v.ndjson", stdin=b"a\nb\n")
    assert len((started.work / "v.ndjson").read_bytes().splitlines()) == 2
    assert bare("rank", "a", "--vectors", "v.ndjson", "-n", "1") == "a\n"
    assert "gpt-4o" in bare("models")
    assert bare("doctor")
