"""Standard input, output and error as raw file descriptors.

Writing goes past `sys.stdout`: that object may be None, may be block-buffered, may encode in
the locale's charset and swallows what fails at interpreter exit. Here bytes are UTF-8 always,
each write is complete or an error, and a reader that went away ends the run as SIGPIPE
would. Nothing else in the program touches descriptors 1 and 2.

This is also the one place where output is made safe for a terminal: what is written to
stdout if that is a terminal, by the kind of its content; what is said on stderr always.
"""

from __future__ import annotations

import errno
import os
import select
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from apiyi_cli.core.terminal_text import (
    Content,
    TerminalEncoder,
    encode_for_terminal,
    neutralize,
    neutralize_json,
    neutralize_line,
)
from apiyi_cli.errors import Interrupted, OutputError
from apiyi_cli.output.rescue import SIGPIPE, Rescue, write_or_rescue
from apiyi_cli.output.window import Window
from apiyi_cli.text import Text, system_reason

STDIN, STDOUT, STDERR = 0, 1, 2
STDERR_PATIENCE_S = 2.0
_ERASE = "\r\x1b[K"
_STD_HANDLES = {1: -11, 2: -12}
_PROCESSED_OUTPUT = 0x1
_VIRTUAL_TERMINAL = 0x4


class Console:
    """The terminal, pipes or files that the process got at its start.

    `closed` are those that it got without; `stdout_closed` says that nothing can be written.
    `redact` removes secrets from messages on stderr; it is set once the settings are known.
    """

    def __init__(self, closed: frozenset[int] = frozenset()) -> None:
        self.stdout_closed = STDOUT in closed
        self.stdin_is_terminal, self.stdout_is_terminal, self.stderr_is_terminal = (
            fd not in closed and os.isatty(fd) for fd in (STDIN, STDOUT, STDERR)
        )
        self.redact: Callable[[str], str] = lambda text: text
        self._status = ""
        # Which stream has left the cursor of its terminal inside a line.
        self._answer_is_open = False
        self._speech_is_open = False
        self._lock = threading.RLock()
        self.window = Window()

    @classmethod
    def open(cls) -> Console:
        """Return the console; closed descriptors 0-2 become the null device.

        To be called before any file is opened: the lowest free number goes to the next file,
        and a journal on descriptor 1 would get the answer written into it.
        """
        closed = set()
        for fd in (STDIN, STDOUT, STDERR):
            try:
                os.fstat(fd)
            except OSError:
                closed.add(fd)
                # All lower numbers are taken, so this is `fd`; inherited like any of the three.
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if STDOUT not in closed and not _writable(STDOUT):
            closed.add(STDOUT)
        if os.name == "nt":
            import ctypes

            windows: Any = ctypes
            set_console_modes((STDOUT, STDERR), windows.windll.kernel32, ctypes)
        return cls(frozenset(closed))

    @property
    def width(self) -> int:
        """Return the columns of the terminal, 80 without one."""
        return self.window.width

    def require_stdout(self) -> None:
        """Raise OutputError, before sending, if no answer could be written."""
        if self.stdout_closed:
            raise _cannot_write(OSError(errno.EBADF, os.strerror(errno.EBADF)))

    def write(self, data: bytes, content: Content = "text") -> None:
        """Write all of `data`, a whole text or object, to stdout.

        Into a pipe or file the bytes go as they are; on a terminal they are made safe as
        `content` needs it. Waits for a slow reader. Raises Interrupted(SIGPIPE) when the
        reader went away, and OutputError naming what the system said about anything else.
        """
        self._write_bytes(encode_for_terminal(data, content) if self.stdout_is_terminal else data)

    def write_lines(
        self, lines: Iterable[bytes], rescue: Rescue | None = None, content: Content = "text"
    ) -> None:
        """Write each item as it arrives; unwritable data that was received is rescued.

        The items are pieces of one output: a character may be split over two of them. Raises
        what `write` and `lines` raise; see `rescue.write_or_rescue`.
        """
        if not self.stdout_is_terminal:
            write_or_rescue(lines, self._write_bytes, rescue)
            return
        self.window.watch_stops()
        encoder = TerminalEncoder(content)
        try:
            write_or_rescue(lines, lambda data: self._write_bytes(encoder.feed(data)), rescue)
        except OutputError:
            raise
        except BaseException:
            with suppress(OutputError, Interrupted):
                self._write_bytes(encoder.close())
            raise
        self._write_bytes(encoder.close())

    def _write_bytes(self, data: bytes) -> None:
        self.require_stdout()
        if not data:
            return
        self.end_speech()
        # Before it is written: a signal may come right after.
        self._answer_is_open = self._shares_terminal and not data.endswith(b"\n")
        try:
            if self._status and self.stdout_is_terminal:
                with self._lock:
                    self._draw(_ERASE)
                    _write(STDOUT, data, patience_s=None)
                    self._draw(self._status)
            else:
                _write(STDOUT, data, patience_s=None)
        except BrokenPipeError:
            raise Interrupted(SIGPIPE) from None
        except OSError as error:
            raise _cannot_write(error) from error

    @cached_property
    def _shares_terminal(self) -> bool:
        if not (self.stdout_is_terminal and self.stderr_is_terminal):
            return False
        return os.fstat(STDOUT).st_rdev == os.fstat(STDERR).st_rdev

    def finish(self) -> None:
        """Raise OutputError unless stdout took everything.

        A network file system may report a full disk only when a file is closed.
        """
        if self.stdout_closed:
            return
        try:
            os.close(os.dup(STDOUT))
        except OSError as error:
            raise _cannot_write(error) from error

    def say(
        self, text: str, *, end: str = "\n", style: str = "", content: Content = "text"
    ) -> None:
        """Print a text on stderr, redacted and made safe; never raises.

        `style` is the parameters of an SGR sequence ("2" is dim), for a terminal with
        colour only. `end` is empty for a piece of a longer text. No message shares
        a line with the answer, and no message one with the pieces before it. A stderr that
        is closed, full or stuck loses the text: what the exit code says about the answer
        must not depend on it.
        """
        make_safe = neutralize_json if content == "json" else neutralize
        message = make_safe(self.redact(text))
        styled = f"\x1b[{style}m{message}\x1b[0m" if style else message
        self._interrupt_answer(message)
        with self._lock:
            begin = _ERASE if self._status else ""
            if message and (self._answer_is_open or (self._speech_is_open and end)):
                begin += "\n"
            self._answer_is_open = False
            self._speech_is_open = self.stderr_is_terminal and not (message + end).endswith("\n")
            self._draw(begin + styled + end + self._status)

    @property
    def line_is_open(self) -> bool:
        """Return True if the terminal's cursor is inside a line."""
        return self._answer_is_open or self._speech_is_open

    def end_speech(self) -> None:
        """End a line that pieces of text left open on stderr; never raises."""
        if self._speech_is_open:
            with self._lock:
                self._speech_is_open = False
                self._draw("\n")

    def ask(self, question: str) -> str | None:
        """Ask a question on stderr and return the typed line, None at its end."""
        import sys

        self.say(question, end=" ")
        line = sys.stdin.readline()
        # The terminal has shown the end of the line.
        self._speech_is_open = not line and self.stderr_is_terminal
        return line.strip() if line else None

    def status(self, text: str) -> None:
        """Show a text as the last line of the terminal, replacing the one before.

        Output goes above it; "" removes it. It must fit in the terminal's width. Never raises.
        """
        line = neutralize_line(self.redact(text))
        if line == self._status:
            return
        if threading.current_thread() is threading.main_thread():
            self._interrupt_answer(line)
        with self._lock:
            before, self._status = self._status, line
            self._draw((_ERASE if before else "") + line)

    def _interrupt_answer(self, message: str) -> None:
        """Finish the open part of the answer before a message follows it."""
        if self.window.before_message is None or not message or not self._shares_terminal:
            return
        if threading.current_thread() is not threading.main_thread():
            self.window.messages_shown += 1
            return
        with _suppress_write_errors():
            self._write_bytes(encode_for_terminal(self.window.before_message(), "live"))

    def _draw(self, text: str) -> None:
        try:
            _write(STDERR, text.encode("utf-8", "replace"), patience_s=STDERR_PATIENCE_S)
        except OSError:
            return


@contextmanager
def _suppress_write_errors() -> Iterator[None]:
    """Suppress the errors of a write to stdout; let signals through."""
    try:
        yield
    except OutputError:
        return
    except Interrupted as stop:
        if stop.signum != SIGPIPE:
            raise


def set_console_modes(descriptors: Iterable[int], kernel: Any, ctypes: Any) -> None:
    """Make Windows consoles obey colours and cursor movements; `kernel` is kernel32."""
    for descriptor in descriptors:
        handle = kernel.GetStdHandle(_STD_HANDLES[descriptor])
        mode = ctypes.c_ulong()
        if kernel.GetConsoleMode(handle, ctypes.byref(mode)):
            kernel.SetConsoleMode(handle, mode.value | _PROCESSED_OUTPUT | _VIRTUAL_TERMINAL)


def write_unseen(console: Console, sequence: bytes) -> None:
    """Send the terminal a sequence that shows nothing and does not move the cursor."""
    console.require_stdout()
    try:
        _write(STDOUT, sequence, patience_s=None)
    except OSError as error:
        raise _cannot_write(error) from error


def find_console_encoding(fd: int) -> str | None:
    """Return the encoding of a Windows console that is not UTF-8, else None."""
    if os.name != "nt":
        return None
    encoding = os.device_encoding(fd)
    return None if encoding in (None, "cp65001", "utf-8", "UTF-8") else encoding


def encode_for_console(data: bytes, encoding: str | None) -> bytes:
    """Return UTF-8 in a console's encoding, with ? for missing characters."""
    return data if encoding is None else data.decode("utf-8", "replace").encode(encoding, "replace")


def _write(fd: int, data: bytes, *, patience_s: float | None) -> None:
    left = memoryview(encode_for_console(data, find_console_encoding(fd)))
    while left:
        try:
            left = left[os.write(fd, left) :]
        except BlockingIOError:
            # The descriptor is shared with the process that set O_NONBLOCK: waiting is ours to
            # do, clearing the flag is not.
            if not select.select([], [fd], [], patience_s)[1]:
                raise TimeoutError from None
        except OSError as error:
            if os.name == "nt" and error.errno == errno.EINVAL:
                # So Windows says that the reader of a pipe went away.
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from None
            raise


def _writable(fd: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


def _cannot_write(error: OSError) -> OutputError:
    why = system_reason(error)
    return OutputError(Text("cannot write to standard output"), why, hint=_ADVICE.get(error.errno))


_ADVICE: dict[int | None, str] = {
    errno.EBADF: Text("give it an output: > FILE, or -o FILE"),
    errno.ENOSPC: Text("free some space, or write to another disk with -o FILE"),
    getattr(errno, "EDQUOT", None): Text(
        "raise the disk quota, or write to another disk with -o FILE"
    ),
}
