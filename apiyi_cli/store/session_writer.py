"""Appends the current turn to its conversation while the answer streams.

The line of the answer is written piece by piece and closed at its end, so that a finished
conversation is one message a line, and one whose process was killed ends inside a line: what
came is in the file, and `read_cut_line` reads it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from apiyi_cli.core.disk import make_private_folder, open_regular, write_all
from apiyi_cli.core.jsontext import InvalidJSON, read, whole_characters, write
from apiyi_cli.errors import OutputError
from apiyi_cli.text import Text, system_reason

OPENING = b'{"role":"assistant","content":"'
_LONGEST_TORN = 12
"""Bytes of the longest escape or character that a power failure may have torn, a pair of
surrogates."""


class TurnWriter:
    """Appends one turn to a conversation's file: the question, then the answer's pieces.

    Nothing is written before the first piece of the answer. Another process may add to the file
    meanwhile: then the answer moves to a new line behind that. Raises OutputError.
    """

    def __init__(self, path: Path, asked: Sequence[dict[str, Any]]) -> None:
        self._path = path
        self._asked = b"".join(write(message) + b"\n" for message in asked)
        self._pieces: list[str] = []
        self._half = ""
        self._fd: int | None = None
        # Where the answer's line begins and how large the file is, while that line is open.
        self._line_start = self._size = -1

    def add(self, text: str) -> None:
        """Append a piece of the answer."""
        text = self._half + text
        # The other half of a character comes with the next piece.
        is_half = "\ud800" <= text[-1:] <= "\udbff"
        self._half = text[-1:] if is_half else ""
        text = whole_characters(text[: len(text) - is_half])
        if text:
            self._pieces.append(text)
            self._append(_escape(text), lambda: OPENING + _escape("".join(self._pieces)))

    def restart(self) -> None:
        """Remove the answer so far: the gateway restarts it."""
        self._pieces, self._half = [], ""
        if self._size >= 0:
            self._take_back()

    def end(self, messages: Sequence[dict[str, Any]]) -> None:
        """Append the finished answer and later messages, sync and close the file."""
        answer, *more = messages
        if self._size >= 0 and answer.get("content") != "".join(self._pieces):
            self._take_back()
        rest = b"".join(write(message) + b"\n" for message in more)
        try:
            self._append(_close_line(answer) + rest, lambda: write(answer) + b"\n" + rest)
            if self._fd is not None:
                os.fsync(self._fd)
        except OSError as failure:
            raise cannot_keep(self._path, failure) from None
        finally:
            self.close()

    def close(self) -> None:
        """Close the file; its content stays."""
        if self._fd is not None:
            fd, self._fd, self._size = self._fd, None, -1
            with suppress(OSError):
                os.close(fd)

    def _append(self, more: bytes, whole: Callable[[], bytes]) -> None:
        """Append `more` to the answer's open line; without one write a new line, `whole`."""
        try:
            if self._fd is None:
                make_private_folder(self._path.parent)
                self._fd = _open_to_append(self._path)
            with lock_file(self._fd):
                size = os.fstat(self._fd).st_size
                data, start = more, self._line_start
                if size != self._size:
                    before = (b"" if _ends_line(self._fd, size) else b"\n") + self._asked
                    data, start = before + whole(), size + len(before)
                _write_at_end(self._fd, size, data)
                if size != self._size:
                    self._blank_line()
                self._asked, self._line_start, self._size = b"", start, size + len(data)
        except OSError as failure:
            raise cannot_keep(self._path, failure) from None

    def _blank_line(self) -> None:
        """Overwrite the answer's open line, which another process has ended, with blanks."""
        if self._size < 0:
            return
        # A file opened to append cannot be written in place.
        fd = open_regular(self._path, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            os.lseek(fd, self._line_start, os.SEEK_SET)
            write_all(fd, b" " * (self._size - self._line_start))
        finally:
            os.close(fd)

    def _take_back(self) -> None:
        """Remove the answer's open line, or blank it where other lines follow."""
        assert self._fd is not None
        try:
            with lock_file(self._fd):
                if os.fstat(self._fd).st_size == self._size:
                    os.ftruncate(self._fd, self._line_start)
                else:
                    self._blank_line()
                self._size = -1
        except OSError as failure:
            raise cannot_keep(self._path, failure) from None


def read_cut_line(line: bytes) -> dict[str, Any] | None:
    """Return the cut answer in an unfinished line, marked `cut`; None for other lines."""
    if not line.startswith(OPENING):
        return None
    for torn in range(min(_LONGEST_TORN, len(line) - len(OPENING)) + 1):
        try:
            message = read(line[: len(line) - torn].decode() + '","cut":true}')
        except (InvalidJSON, UnicodeDecodeError):
            continue
        if isinstance(message, dict):
            return message
    return None


def append_lines(path: Path, lines: bytes, *, synced: bool = False) -> None:
    """Append whole lines to a private file, all or nothing. Raises OSError."""
    make_private_folder(path.parent)
    fd = _open_to_append(path)
    try:
        with lock_file(fd):
            size = os.fstat(fd).st_size
            _write_at_end(fd, size, lines if _ends_line(fd, size) else b"\n" + lines)
            if synced:
                os.fsync(fd)
    finally:
        os.close(fd)


def _open_to_append(path: Path) -> int:
    return open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0))


def _write_at_end(fd: int, size: int, data: bytes) -> None:
    """Append `data` to a file of `size` bytes, all or nothing. Raises OSError."""
    written = os.write(fd, data)
    if written != len(data):
        # The disk is full: half a line would be a broken one for the next run.
        if os.fstat(fd).st_size == size + written:
            os.ftruncate(fd, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def lock_file(fd: int) -> Iterator[None]:
    """Lock the file against our other processes, if the system can."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    except OSError:
        # A file system without locks: one write call is whole on its own.
        yield
        return
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def cannot_keep(path: Path, failure: OSError) -> OutputError:
    """Return the error for a conversation that cannot be written."""
    return OutputError(
        Text("cannot keep the conversation in {path}", path=path), system_reason(failure)
    )


def _ends_line(fd: int, size: int) -> bool:
    """Return False if an editor or a kill left the last line incomplete."""
    if size == 0:
        return True
    os.lseek(fd, size - 1, os.SEEK_SET)
    return os.read(fd, 1) == b"\n"


def _escape(text: str) -> bytes:
    return write(text)[1:-1]


def _close_line(answer: dict[str, Any]) -> bytes:
    more = {name: value for name, value in answer.items() if name not in ("role", "content")}
    return b'",' + write(more)[1:] + b"\n" if more else b'"}\n'
