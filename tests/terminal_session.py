"""A conversation on a terminal of its own, as its user sees it.

Nothing here sleeps for a time: each step waits for what the screen shows.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyte

if TYPE_CHECKING:
    from tests.conftest import Program

LIMIT_S = 30.0
PROMPT = "❯"
PASTED = "\x1b[200~", "\x1b[201~"
CTRL_C, CTRL_D, CTRL_J, CTRL_L, CTRL_O, CTRL_R = "\x03", "\x04", "\n", "\x0c", "\x0f", "\x12"
CTRL_Z = "\x1a"
UP, LEFT, BACKSPACE = "\x1b[A", "\x1b[D", "\x7f"


class TerminalSession:
    """A process on a terminal, what it has written there, and the screen that shows it."""

    def __init__(
        self,
        program: Program,
        line: str,
        *,
        columns: int = 100,
        rows: int = 40,
        env: Mapping[str, str | None] | None = None,
        script: str = 'exec "$@"',
    ) -> None:
        """Start the program by a shell's `script`, in which "$@" are its words."""
        self._program = program
        self._near, far = pty.openpty()
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        name = os.ttyname(far)
        self.resize(columns, rows)
        words, leads = program.terminal_words(line)
        self.process = subprocess.Popen(
            ["sh", "-c", f"exec <{name} >{name} 2>&1; {script}", "sh", *words],
            cwd=program.work,
            env=program.environment(env),
            start_new_session=leads,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._far: int | None = far

    def type(self, keys: str) -> None:
        """Press keys."""
        left = keys.encode()
        while left:
            left = left[os.write(self._near, left) :]
            self._read(0)

    def say(self, text: str, expected: str) -> None:
        """Send a prompt or command of one line; wait for what is expected, and for the prompt."""
        seen = len(self.raw)
        self.type(f"{text}\r")
        self.wait(lambda: expected in self.since(seen), expected)
        self.wait_for_prompt()

    def since(self, place: int) -> str:
        """Return what was written behind a place, without the sequences of the terminal.

        What the terminal has broken at its edge is one line here.
        """
        screen = pyte.HistoryScreen(self.screen.columns, self.screen.lines, history=5000)
        pyte.ByteStream(screen).feed(self.raw[place:])
        above = [
            "".join(line[at].data for at in range(screen.columns)) for line in screen.history.top
        ]
        rows = [*above, *screen.display]
        return "".join(row if row[-1:].strip() else f"{row.rstrip()}\n" for row in rows)

    def wait(self, ready: Callable[[], object], what: str = "") -> None:
        """Read until something is so."""
        ends = time.monotonic() + LIMIT_S
        while not ready():
            assert time.monotonic() < ends, f"{what!r} is not in\n{self.text}\n{self.raw[-2000:]!r}"
            self._read(0.5)

    def wait_for(self, text: str) -> None:
        """Read until the screen shows a text."""
        self.wait(lambda: text in self.text, text)

    def wait_for_prompt(self) -> None:
        """Read until the cursor is at the beginning of an empty prompt."""
        self.wait(self._is_at_empty_prompt, PROMPT)

    def _is_at_empty_prompt(self) -> bool:
        # What was typed is written once more when it is sent, from its first column on. A status
        # on the right leaves some columns free.
        before, after = self.at_cursor[:2], self.at_cursor[2:6]
        return before.startswith(PROMPT) and not after.strip() and self.screen.cursor.x == 2

    @property
    def at_cursor(self) -> str:
        """The line that the cursor is on."""
        return self.screen.display[self.screen.cursor.y].rstrip()

    @property
    def text(self) -> str:
        """The screen, without what is blank at the ends."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size, and tell the process."""
        self.screen.resize(rows, columns)
        fcntl.ioctl(self._near, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def end(self, keys: str = CTRL_D) -> int:
        """Press keys that end the conversation; return its exit code, negative for a signal."""
        if keys:
            self.type(keys)
        self._let_go()
        ends = time.monotonic() + LIMIT_S
        while self.process.poll() is None:
            assert time.monotonic() < ends, self.text
            self._read(0.05)
        while self._read(0):
            pass
        self._program.check_silence(self.raw)
        assert b"Traceback" not in self.raw, self.raw.decode()
        return self.process.returncode

    def kill(self, signum: int = signal.SIGKILL) -> int:
        """Send a signal to a process that waits; return how it ended."""
        self.wait_until_asleep()
        self.process.send_signal(signum)
        return self.end("")

    def interrupt_twice(self) -> int:
        """Press Ctrl-C, and again when the prompt says so or is new; return the exit code.

        On a busy machine the two may come more than a second apart, and count as first ones.
        """
        while self.process.poll() is None:
            self.wait_until_asleep()
            seen = len(self.raw)
            self.type(CTRL_C)
            self.wait(lambda seen=seen: self._shows_prompt(seen) or self.process.poll() is not None)  # type: ignore[misc]
        return self.end("")

    def wait_until_asleep(self) -> None:
        """Read until the process waits for something.

        A signal just before that would be noticed when a key is pressed: input() has no way to
        be told.
        """
        status = Path(f"/proc/{self.process.pid}/stat")
        self.wait(lambda: status.read_text().rpartition(")")[2].split()[0] in "SZ", "asleep")

    def _shows_prompt(self, place: int) -> bool:
        # The hint is not written again while it is there.
        return PROMPT in self.raw[place:].decode("utf-8", "replace") or "Ctrl-C again" in self.text

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._let_go()
        os.close(self._near)

    def _let_go(self) -> None:
        if self._far is not None:
            os.close(self._far)
            self._far = None

    def _read(self, wait_s: float) -> bytes:
        if not select.select([self._near], [], [], wait_s)[0]:
            return b""
        with contextlib.suppress(OSError):
            data = os.read(self._near, 65536)
            self.raw += data
            self._stream.feed(data)
            return data
        return b""
