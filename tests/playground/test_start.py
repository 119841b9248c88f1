"""How the playground is started, reached and ended."""

from __future__ import annotations

import os
import re
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import LIMIT_S, Program
from tests.playground.client import Playground
from tests.playground.test_runs import HISTORY, children, history


def test_it_ends_when_nobody_uses_it_and_leaves_no_file(started: Program, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = started.start("playground --idle 1s", env={"TMPDIR": str(scratch)})
    page = Playground.started(process)
    page.open()
    page.upload("a.txt", b"text")
    assert len(list(scratch.rglob("*"))) >= 3
    assert process.wait(LIMIT_S) == 0
    page.close()
    assert list(scratch.iterdir()) == []


def test_who_is_not_let_in_does_not_keep_it_running(started: Program) -> None:
    process = started.start("playground --idle 1s --no-open")
    assert process.stdout is not None
    port = int(process.stdout.readline().decode().partition("127.0.0.1:")[2].partition("/")[0])
    while process.poll() is None:
        # Each is answered before the next: a second without any is what ends it otherwise.
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), LIMIT_S) as stranger:
            stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
            stranger.recv(1)
    process.communicate()
    assert process.returncode == 0


@pytest.mark.off_schema
def test_ctrl_c_ends_it_by_the_signal_with_its_children_and_files(
    started: Program, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = started.start("playground", env={"TMPDIR": str(scratch)})
    page = Playground.started(process)
    page.open()
    own = page.begin(command="chat", prompt="x", options={"model": ["fault:stall@3"]})
    (child,) = children(page)
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT_S) == -signal.SIGINT
    own.close()
    page.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert list(scratch.iterdir()) == []
    (entry,) = history(started)
    assert entry["stopped"] and entry["billed"] == "maybe"


def test_without_a_history_nothing_is_kept(started: Program) -> None:
    page = Playground.started(started.start("playground --no-open --no-history --profile sandbox"))
    page.open()
    events = page.run(command="chat", prompt="hi", profile="sandbox")
    assert events[0][1]["line"]["bash"] == "apiyi chat --profile=sandbox -- hi"
    assert page.get("/api/history").value["entries"] == []
    page.close()
    assert not (started.home / HISTORY).parent.exists()


def test_over_ssh_it_says_how_to_reach_the_page(started: Program) -> None:
    env = {"SSH_CONNECTION": "192.0.2.7 5000 192.0.2.9 22", "USER": "anna", "DISPLAY": ":0"}
    process = started.start("playground --idle 1s sandbox", env=env)
    out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 2 and not out
    process = started.start("playground --idle 1s image", env=env)
    out, err = process.communicate(timeout=LIMIT_S)
    port = out.decode().partition("127.0.0.1:")[2].partition("/")[0]
    assert out.count(b"\n") == 1
    assert f"ssh -L {port}:127.0.0.1:{port} anna@192.0.2.9" in err.decode()


def test_on_a_terminal_it_opens_the_browser(started: Program, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    env = {"BROWSER": f"{browser} %s", "DISPLAY": ":0"}
    for more, opens in (("", True), (" --no-open", False)):
        screen = started.terminal(f"playground --idle 1s{more}", env=env, columns=120)
        assert screen.code == 0 and "Ctrl-C ends it" in "\n".join(screen.lines)
        opened = tmp_path / "opened"
        assert opened.exists() is opens
        if opens:
            assert opened.read_text() == screen.lines[0]
            opened.unlink()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("playground --idle soon", "'soon' is not a time"),
        ("playground nothing", "the page has no command 'nothing'"),
        ("playground --port 70000", "70000 is not between 0 and 65535"),
        ("playground --profile nobody", "there is no profile 'nobody'"),
        (
            "playground --host 0.0.0.0",
            "try: it serves this machine alone; on another",
        ),
        ("sandbox --bind 0.0.0.0", "on another one: ssh -L PORT:127.0.0.1:PORT HOST"),
    ],
)
def test_a_wrong_start_is_refused_with_a_line_that_works(
    apiyi: Program, line: str, why: str
) -> None:
    ran = apiyi(line)
    assert ran.code in (2, 10) and why in ran.err


@pytest.mark.parametrize("command", ["playground --no-open", "sandbox"])
def test_a_port_that_is_taken_is_refused_with_one_that_is_free(
    apiyi: Program, command: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = apiyi(f"{command} --port {port}")
    assert (ran.code, ran.out) == (10, b"")
    assert f"cannot listen on port {port}: Address already in use\n" in ran.err
    assert "try: --port 0" in ran.err


def test_stdout_has_the_address_alone_and_the_command_begins_there(started: Program) -> None:
    process = started.start("playground image --idle 1s", env={"DISPLAY": ":0"})
    out, err = process.communicate(timeout=LIMIT_S)
    # Not on a terminal: no browser is opened, and nobody has to answer.
    assert process.returncode == 0
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?t=[\w-]{40,}\n", out.decode())
    assert err.decode().splitlines() == [
        "apiyi: the playground is running; Ctrl-C ends it",
        "apiyi: nobody used the page: the playground ends",
    ]
