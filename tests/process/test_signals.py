"""How the process ends when it is told to: by the signal, with its request closed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply, frame
from apiyi_cli.sandbox.server import Gateway
from tests.process.test_terminal_signals import await_reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Program

Running = list[subprocess.Popen[bytes]]
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def read_until(process: subprocess.Popen[bytes], text: bytes) -> None:
    """Read stdout until `text` stands at its end."""
    assert process.stdout is not None
    seen = b""
    while not seen.endswith(text):
        piece = os.read(process.stdout.fileno(), 4096)
        assert piece, seen
        seen += piece


def endless() -> Iterator[bytes]:
    chunk = {"choices": [{"index": 0, "delta": {"content": "word " * 50}}]}
    while True:
        yield frame(chunk)


@pytest.mark.parametrize("signum", STOPPING)
def test_a_signal_in_the_middle_of_an_answer_ends_the_process_by_it(
    apiyi: Program, gateway: Gateway, stopped: Running, signum: signal.Signals
) -> None:
    gateway.script(ScriptedReply.chat("one ", "two").stall(3))
    process = apiyi.start("chat hi")
    stopped.append(process)
    read_until(process, b"one two")
    process.send_signal(signum)
    out, err = process.communicate(timeout=20)
    assert process.returncode == -signum
    assert out in (b"", b"\n")
    assert err == b""
    assert gateway.wait_for(lambda: gateway.ledger[0].closed_by_client_at)


@pytest.mark.parametrize("signum", STOPPING)
def test_a_signal_before_the_answer_ends_the_process_by_it(
    apiyi: Program, gateway: Gateway, stopped: Running, signum: signal.Signals
) -> None:
    gateway.script(ScriptedReply.chat("x").stall())
    process = apiyi.start("chat hi")
    stopped.append(process)
    assert gateway.wait_for(lambda: gateway.ledger)
    process.send_signal(signum)
    assert process.communicate(timeout=20) == (b"", b"")
    assert process.returncode == -signum
    assert gateway.wait_for(lambda: gateway.ledger[0].closed_by_client_at)


def test_a_signal_while_stdin_is_awaited_ends_the_process_by_it(
    apiyi: Program, gateway: Gateway, stopped: Running
) -> None:
    process = apiyi.start("chat", stdin=subprocess.PIPE)
    stopped.append(process)
    assert process.stderr is not None
    assert b"waiting for stdin" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20) == (b"", b"")
    assert process.returncode == -signal.SIGTERM
    assert gateway.ledger == []


def test_a_signal_between_two_attempts_ends_the_process_by_it(
    apiyi: Program, gateway: Gateway, stopped: Running
) -> None:
    gateway.script(ScriptedReply.error(429, "later", headers=(("Retry-After", "60"),)))
    process = apiyi.start("chat hi")
    stopped.append(process)
    assert process.stderr is not None
    assert b"retry 1 of 2" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == (b"", b"")
    assert process.returncode == -signal.SIGINT


def test_a_signal_while_an_error_is_told_ends_the_process_by_it(
    apiyi: Program, gateway: Gateway, stopped: Running
) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    gateway.script(ScriptedReply.error(401, "no"))
    process = apiyi.start("chat hi", stderr=writer)
    stopped.append(process)
    os.close(writer)
    assert gateway.wait_for(lambda: gateway.ledger and gateway.ledger[0].done)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == -signal.SIGTERM
    os.close(reader)


def test_an_interrupted_file_is_not_left_behind(
    apiyi: Program, gateway: Gateway, stopped: Running
) -> None:
    gateway.script(ScriptedReply.chat("one", "two").stall(3))
    process = apiyi.start("chat hi -o out.txt")
    stopped.append(process)
    assert gateway.wait_for(lambda: gateway.ledger)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert list(apiyi.work.iterdir()) == []


def test_ctrl_c_stops_a_loop_of_the_shell(
    apiyi: Program, gateway: Gateway, stopped: Running
) -> None:
    gateway.script(ScriptedReply.chat("x").stall())
    script = "for i in 1 2 3; do apiyi chat $i; done; echo went on"
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=apiyi.work,
        env=apiyi.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    stopped.append(process)
    assert gateway.wait_for(lambda: gateway.ledger)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (out, err) == (b"", b"")
    assert process.returncode == -signal.SIGINT
    assert len(gateway.ledger) == 1


@pytest.mark.parametrize("name", ["INT", "HUP", "TERM"])
def test_a_signal_that_was_ignored_stays_ignored(
    apiyi: Program, gateway: Gateway, stopped: Running, name: str
) -> None:
    go_on = threading.Event()
    gateway.script(ScriptedReply.chat("one ", "two", wait=lambda k: k < 2 or go_on.wait(20)))
    words = [sys.executable, "-m", "apiyi_cli", "chat", "hi"]
    process = subprocess.Popen(
        ["sh", "-c", f"trap '' {name}; exec \"$@\"", "sh", *words],
        cwd=apiyi.work,
        env=apiyi.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    stopped.append(process)
    read_until(process, b"one ")
    process.send_signal(getattr(signal, f"SIG{name}"))
    go_on.set()
    assert process.communicate(timeout=20) == (b"two\n", b"")
    assert process.returncode == 0


def test_a_reader_that_goes_away_ends_the_process_silently(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply(body=endless, content_type="text/event-stream"))
    ran = apiyi.shell('apiyi chat hi | head -c 4; echo " ${PIPESTATUS[*]}"')
    assert (ran.out, ran.err) == (b"word 141 0\n", "")
    assert gateway.wait_for(lambda: gateway.ledger[0].closed_by_client_at)


def test_ctrl_c_on_a_terminal_leaves_the_prompt_on_a_line_of_its_own(
    apiyi: Program, gateway: Gateway
) -> None:
    def typed(k: int) -> None:
        if k == 2:
            os.kill(children(apiyi)[0], signal.SIGINT)

    gateway.script(ScriptedReply.chat("one", "two", wait=typed).stall(3))
    screen = apiyi.terminal("chat hi --no-markdown")
    assert screen.code == -signal.SIGINT
    assert screen.raw.endswith(b"\r\n")
    assert b"Traceback" not in screen.raw


def children(apiyi: Program) -> list[int]:
    """Return the processes that run `apiyi` in the test's own folder."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                if os.readlink(f"/proc/{entry.name}/cwd") == str(apiyi.work):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def test_rank_prints_what_was_ranked_before_it_dies_of_the_signal(
    started: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    rows = [{"index": k, "relevance_score": k / 100} for k in range(100)]
    gateway.script(ScriptedReply.json({"results": rows}), ScriptedReply.json({}).stall())
    (started.work / "docs").write_bytes(b"".join(b"text %d\n" % number for number in range(150)))
    with (started.work / "docs").open("rb") as stdin:
        process = started.start("rank q -n 2 -j 1", stdin=stdin)
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) >= 2)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    while b"under way" not in (line := process.stderr.readline()):
        assert line
    # Until the answer that has come was taken.
    await_reading(process, gateway)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (-signal.SIGTERM, b"text 99\ntext 98\n")


MESSAGE_BEGUN = ScriptedReply.sse(
    {"type": "message_start", "message": {"id": "m", "model": "c", "content": []}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "one two"}},
    {"type": "ping"},
    named=True,
).stall(3)
GENERATED_BEGUN = ScriptedReply.sse(
    {"candidates": [{"content": {"parts": [{"text": "one two"}]}}]}, {"candidates": []}
).stall(1)
CHAT_BEGUN = ScriptedReply.chat("one ", "two").stall(3)
CLAUDE = "-m claude-opus-5 --protocol anthropic"
GEMINI = "-m gemini-3.6-flash --protocol google"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("chat hi -m gpt-4o --json", CHAT_BEGUN),
        (f"chat hi {CLAUDE} --json", MESSAGE_BEGUN),
        # The text is held back until it is known whether the function is called.
        (f"chat hi {CLAUDE} --schema a", MESSAGE_BEGUN),
        (f"chat hi {GEMINI} --json", GENERATED_BEGUN),
    ],
)
def test_a_signal_loses_nothing_that_came_in_any_protocol(
    apiyi: Program, gateway: Gateway, stopped: Running, line: str, reply: ScriptedReply
) -> None:
    gateway.script(reply)
    process = apiyi.start(line)
    stopped.append(process)
    assert gateway.wait_for(lambda: gateway.ledger)
    # Nothing is printed before the end, and nothing tells when the last piece was read.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM
    assert b"one two" in out


@pytest.mark.parametrize(
    ("line", "reply", "printed"),
    [
        (
            "embed --lines -m text-embedding-3-small --batch-size 1 -j 1",
            {"data": [{"index": 0, "embedding": [1.0, 0.0]}]},
            rb'\{"index":0,.*\}\n\{"index":1,.*\}\n',
        ),
        (
            "embed --lines -m text-embedding-3-small --batch-size 1 -j 1 --json",
            {"data": [{"index": 0, "embedding": [1.0, 0.0]}]},
            rb'\{.*"index": ?0.*"index": ?1.*\}\n',
        ),
        (
            "complete --lines -m gpt-3.5-turbo-instruct --batch-size 1",
            {"choices": [{"index": 0, "text": "good", "finish_reason": "stop"}]},
            rb'\{"index":0,"text":"good".*\}\n\{"index":1,"text":"good".*\}\n',
        ),
    ],
    ids=["embed", "embed --json", "complete"],
)
def test_what_is_under_way_is_printed_before_the_run_dies_of_the_signal(
    apiyi: Program, gateway: Gateway, stopped: Running, line: str, reply: object, printed: bytes
) -> None:
    told = threading.Event()
    late = ScriptedReply.json(reply).replace(wait=lambda k: told.wait(20))
    gateway.script(ScriptedReply.json(reply), late)
    (apiyi.work / "lines").write_bytes(b"one\ntwo\nthree\nfour\n")
    with (apiyi.work / "lines").open("rb") as stdin:
        process = apiyi.start(line, stdin=stdin)
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) >= 2)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    while b"under way" not in (said := process.stderr.readline()):
        assert said
    told.set()
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, len(gateway.ledger)) == (-signal.SIGTERM, 2)
    assert re.fullmatch(printed, out, re.DOTALL), out


FINALIZED = """
import os, signal, sys, threading
from apiyi_cli import main

class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)

def run(argv, process):
    Dying()
    threading.Event().wait(20)
    return 0

main._run_command = run
sys.exit(main.main(["chat", "hi"]))
"""


def test_a_signal_in_a_finalizer_is_not_lost() -> None:
    ran = subprocess.run([sys.executable, "-c", FINALIZED], capture_output=True, timeout=25)
    assert (ran.returncode, ran.stderr) == (-signal.SIGTERM, b"")


ELSEWHERE = """
import os, signal, sys, threading
from apiyi_cli.main import main

def take_signal():
    os.read(int(sys.argv[1]), 1)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

threading.Thread(target=take_signal, daemon=True).start()
sys.exit(main(["chat", "hi"]))
"""
"""As if the signal had come just before the main thread's wait: it is noted, and ends no wait."""


@pytest.mark.parametrize(
    "reply",
    [
        ScriptedReply.chat("x").stall(),
        ScriptedReply.error(429, "busy", headers=(("Retry-After", "30"),)),
    ],
    ids=["for an answer", "for another attempt"],
)
def test_a_signal_just_before_a_wait_ends_it(
    apiyi: Program, gateway: Gateway, stopped: Running, reply: ScriptedReply
) -> None:
    gateway.script(reply)
    far, near = os.pipe()
    words = [sys.executable, "-c", ELSEWHERE, str(far)]
    environ = apiyi.environment(None)
    process = subprocess.Popen(words, env=environ, pass_fds=[far], stderr=subprocess.DEVNULL)
    stopped.append(process)
    assert gateway.wait_for(lambda: gateway.ledger)
    await_reading(process, gateway)
    os.write(near, b"x")
    assert process.wait(10) == -signal.SIGTERM
    for descriptor in (far, near):
        os.close(descriptor)
