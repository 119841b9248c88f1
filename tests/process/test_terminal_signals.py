"""What a person keeps when a run on a terminal ends early: all that had come, and whole lines."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply, frame
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Screen

if TYPE_CHECKING:
    from tests.conftest import Program

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LIMIT_S = 20.0


class Terminal:
    """A process on a terminal of its own, and all that it has written there."""

    def __init__(self, program: Program, line: str, redirect: str = "") -> None:
        self._near, self._far = pty.openpty()
        fcntl.ioctl(self._far, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
        name = os.ttyname(self._far)
        script = f'exec "$@" <{name} >{name} 2>&1 {redirect}'
        words = ["sh", "-c", script, "sh", *program._words(line)]
        self.process = subprocess.Popen(
            words,
            cwd=program.work,
            env=program.environment(None),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.raw = b""

    def read_until(self, text: bytes) -> None:
        """Read until `text` has been seen."""
        ends = time.monotonic() + LIMIT_S
        while text not in self.raw:
            assert time.monotonic() < ends, self.raw
            self._read()

    def stop(self, signum: int) -> str:
        """Send a signal; return the text that was shown in all, its line ends as LF."""
        self.process.send_signal(signum)
        return self.end()

    def end(self) -> str:
        """Wait for the end; return the text that was shown in all."""
        self.process.wait(LIMIT_S)
        while select.select([self._near], [], [], 0.05)[0]:
            self._read()
        return self.raw.decode().replace("\r\n", "\n")

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for fd in (self._near, self._far):
            os.close(fd)

    def _read(self) -> None:
        if select.select([self._near], [], [], 0.5)[0]:
            with contextlib.suppress(OSError):
                self.raw += os.read(self._near, 65536)


@pytest.fixture
def on_terminal(apiyi: Program) -> Iterator[list[Terminal]]:
    running: list[Terminal] = []
    yield running
    for one in running:
        one.close()


def chunk(**delta: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta}]}


def stalled_reply(*texts: str) -> ScriptedReply:
    """Return a reply that says these texts, thinks MARK so that one sees them there, and waits."""
    said = [chunk(content=text) for text in texts]
    return ScriptedReply.sse(*said, chunk(reasoning_content="MARK")).stall(len(texts) + 1)


def waiting(text: str) -> tuple[ScriptedReply, threading.Event]:
    """Return a reply that says this and stalls, and what is set when it has been sent."""
    sent = threading.Event()

    def wait(piece: int) -> None:
        if piece == 1:
            sent.set()

    pieces = (frame(chunk(content=text)), b":\n\n")
    return ScriptedReply(body=pieces, content_type="text/event-stream", wait=wait).stall(2), sent


def await_reading(process: subprocess.Popen[bytes], gateway: Gateway) -> None:
    """Wait until a process has read all that the gateway has sent, and sleeps."""
    ends = time.monotonic() + LIMIT_S
    while not (has_read_all(gateway.port) and is_asleep(process.pid)):
        assert time.monotonic() < ends
        time.sleep(0.005)


def has_read_all(port: int) -> bool:
    """Return True if no client of a local port has bytes left to read."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    clients = [row for row in rows if row[2].endswith(f":{port:04X}")]
    return all(row[4].endswith(":00000000") for row in clients)


def is_asleep(pid: int) -> bool:
    stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.rpartition(")")[2].split()[0] == "S" for stat in stats)


def started(running: list[Terminal], program: Program, line: str, redirect: str = "") -> Terminal:
    terminal = Terminal(program, line, redirect)
    running.append(terminal)
    return terminal


def plain(text: str) -> str:
    """Return a text without colours, and without the break after the ^C."""
    return re.sub("\x1b\\[[0-9;]*m", "", text).removesuffix("\n")


@pytest.mark.parametrize("signum", STOPPING)
@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("chat hi", "done\n\nopen bold block\nMARK"),
        ("chat hi --no-markdown", "done\n\nopen **bold** block\nMARK"),
    ],
)
def test_a_signal_shows_what_had_come_and_ends_the_line(
    apiyi: Program,
    gateway: Gateway,
    on_terminal: list[Terminal],
    signum: signal.Signals,
    line: str,
    shown: str,
) -> None:
    gateway.script(stalled_reply("done\n\n", "open **bold**", " block"))
    terminal = started(on_terminal, apiyi, line)
    terminal.read_until(b"MARK")
    text = terminal.stop(signum)
    assert terminal.process.returncode == -signum
    assert text.endswith("\n")
    assert screen(terminal) == shown.split("\n")


def test_a_signal_ends_the_line_even_where_none_was_to_be_added(
    apiyi: Program, gateway: Gateway, on_terminal: list[Terminal]
) -> None:
    gateway.script(ScriptedReply.sse(chunk(content="half")).stall(1))
    terminal = started(on_terminal, apiyi, "chat hi --no-markdown --no-newline")
    terminal.read_until(b"half")
    assert terminal.stop(signal.SIGTERM) == "half\n"


def test_other_choices_that_wait_for_the_first_are_shown_on_a_signal(
    apiyi: Program, gateway: Gateway, on_terminal: list[Terminal]
) -> None:
    second = {"choices": [{"index": 1, "delta": {"content": "second"}}]}
    mark = chunk(reasoning_content="MARK")
    gateway.script(ScriptedReply.sse(chunk(content="first"), second, mark).stall(3))
    terminal = started(on_terminal, apiyi, "chat hi --n 2 --no-markdown")
    terminal.read_until(b"MARK")
    assert plain(terminal.stop(signal.SIGTERM)) == "first\nMARK\n\n\nsecond"


@pytest.mark.parametrize("signum", STOPPING)
def test_comparing_prints_finished_and_partial_answers_on_a_signal(
    apiyi: Program, gateway: Gateway, on_terminal: list[Terminal], signum: signal.Signals
) -> None:
    waits, sent = waiting("half an answer")
    gateway.script(waits, ScriptedReply.chat("a whole answer"))
    terminal = started(on_terminal, apiyi, "chat hi -m gpt-4o -m gpt-4.1 --color never")
    assert gateway.wait_for(lambda: any(one.done for one in gateway.ledger))
    assert sent.wait(LIMIT_S)
    await_reading(terminal.process, gateway)
    text = terminal.stop(signum)
    assert terminal.process.returncode == -signum
    assert "a whole answer" in text and "half an answer" in text
    assert text.endswith("\n")


def test_comparing_in_a_pipe_leaves_a_line_for_each_model_that_said_something(
    apiyi: Program, gateway: Gateway, on_terminal: list[Terminal]
) -> None:
    waits, sent = waiting("half")
    gateway.script(ScriptedReply.chat("whole"), waits)
    terminal = started(on_terminal, apiyi, "chat hi -m gpt-4o -m gpt-4.1", ">out")
    out = apiyi.work / "out"
    assert sent.wait(LIMIT_S)
    ends = time.monotonic() + LIMIT_S
    while not out.read_bytes().endswith(b"\n"):
        assert time.monotonic() < ends
        time.sleep(0.005)
    await_reading(terminal.process, gateway)
    terminal.stop(signal.SIGTERM)
    first, second = map(json.loads, out.read_bytes().splitlines())
    assert (first["text"], first["error"]) == ("whole", None)
    assert second["text"] == "half" and "stopped" in second["error"]["message"]


@pytest.mark.parametrize(
    "line", ["chat hi -o out.txt", "chat hi -x -o out.txt", "chat hi --json --stream -o out.txt"]
)
def test_a_file_that_a_signal_keeps_from_appearing_is_in_the_rescue_folder(
    apiyi: Program, gateway: Gateway, on_terminal: list[Terminal], line: str
) -> None:
    waits, sent = waiting("half of it")
    gateway.script(waits)
    terminal = started(on_terminal, apiyi, line)
    assert sent.wait(LIMIT_S)
    await_reading(terminal.process, gateway)
    text = plain(terminal.stop(signal.SIGINT))
    (kept,) = (apiyi.home / "state" / "apiyi" / "rescue").iterdir()
    assert str(kept) in text.replace("\n", "")
    assert b"half of it" in kept.read_bytes()
    assert list(apiyi.work.iterdir()) == []


@pytest.mark.parametrize("redirect", ["", ">out"])
def test_reasoning_and_answer_never_share_a_line(
    apiyi: Program, gateway: Gateway, on_terminal: list[Terminal], redirect: str
) -> None:
    stop = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    events = [chunk(reasoning_content="think"), chunk(content="say"), stop]
    again = [chunk(reasoning_content="more"), chunk(content="end"), stop]
    gateway.script(ScriptedReply.sse(events[0], events[1], again[0], again[1], stop, "[DONE]"))
    terminal = started(on_terminal, apiyi, "chat hi --no-markdown", redirect)
    shown = plain(terminal.end())
    if redirect:
        assert shown == "think\nmore"
        assert (apiyi.work / "out").read_bytes() == b"sayend\n"
    else:
        assert shown == "think\nsay\nmore\nend"


def test_each_character_is_on_the_terminal_before_the_next_is_sent(
    apiyi: Program, gateway: Gateway, on_terminal: list[Terminal]
) -> None:
    said = "Plain, **bold** 中文 and 🎉\n\n- one\n- two"
    seen = threading.Semaphore(0)

    def wait(piece: int) -> None:
        # Piece 0 is the role; the first character is piece 1.
        if piece > 1:
            seen.acquire(timeout=LIMIT_S)

    gateway.script(ScriptedReply.chat(*said, wait=wait))
    terminal = started(on_terminal, apiyi, "chat hi --color always")
    for count in range(1, len(said) + 1):
        ends = time.monotonic() + LIMIT_S
        while letters("".join(screen(terminal))) != letters(said[:count]):
            assert time.monotonic() < ends, screen(terminal)
            terminal._read()
        seen.release()
    seen.release(9)
    terminal.end()
    assert screen(terminal) == ["Plain, bold 中文 and 🎉", "", "• one", "• two"]


def screen(terminal: Terminal) -> list[str]:
    return Screen(0, terminal.raw, 80).lines


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))
