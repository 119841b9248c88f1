"""Reads a stream as it arrives; detects what stdin is."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator

from apiyi_cli.core.disk import read_at
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text, system_reason

STDIN = 0
NOTICE_AFTER_S = 2.0
MAX_ENDLESS_BYTES = 16 << 20
"""The most that is read from a device, which may be endless, such as /dev/zero."""
PIECE_BYTES = 1 << 20
QUIET_S = 0.1


def find_stdin_kind() -> str:
    """Return what stdin is: terminal, pipe, file, part-read file, device, or nothing."""
    try:
        mode = os.fstat(STDIN).st_mode
    except OSError:
        return "nothing"
    if stat.S_ISREG(mode):
        return "part-read" if os.lseek(STDIN, 0, os.SEEK_CUR) > 0 else "file"
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        return "pipe"
    return "terminal" if os.isatty(STDIN) else "device"


def refuse_endless(name: str) -> UsageError:
    """Return the error for an endless device."""
    return UsageError(
        Text("cannot read {name}", name=name),
        Text("it is a device that gives more than {size} MB", size=MAX_ENDLESS_BYTES >> 20),
    )


def refuse_unreadable(path: str, failure: OSError) -> UsageError:
    """Return the error for a file that the system refuses to read."""
    from apiyi_cli.core.encodings import show_name

    return UsageError(Text("cannot read {path}", path=show_name(path)), system_reason(failure))


def read_beginning(arriving: Iterator[bytes]) -> tuple[list[bytes], bool]:
    """Return the first pieces: up to 64 kB, or until a moment's silence.

    The silence is the empty piece at its end. The second value says that the stream has ended.
    """
    from apiyi_cli.core.encodings import SAMPLE_BYTES

    begun: list[bytes] = []
    size = 0
    for piece in arriving:
        if piece or begun:
            begun.append(piece)
            size += len(piece)
        # Windows does not say if a pipe has more.
        if begun and (not piece or size >= SAMPLE_BYTES or os.name == "nt"):
            return begun, False
    return begun, True


def reread(fd: int, begun: list[bytes]) -> Iterator[bytes]:
    """Yield a file from where its reading began, without moving its offset."""
    at = os.lseek(fd, 0, os.SEEK_CUR) - sum(map(len, begun))
    while piece := read_at(fd, PIECE_BYTES, at):
        at += len(piece)
        yield piece


def read_arriving(
    notice: Callable[[str], None],
    linger_s: float | None = None,
    fd: int = STDIN,
    name: str = "stdin",
) -> Iterator[bytes]:
    """Yield a stream to its end; if nothing comes at first, report what is awaited.

    With `linger_s` an empty piece is yielded when that long nothing has come.
    """
    waiting = Text("waiting for stdin to end (-n: do not read it)")
    if fd != STDIN:
        from apiyi_cli.core.encodings import show_name

        waiting = Text("waiting for {name} to end", name=show_name(name))
    notice_timer = threading.Timer(NOTICE_AFTER_S, notice, (waiting,))
    notice_timer.daemon = True
    try:
        if not _has_data(fd):
            notice_timer.start()
        while True:
            if linger_s is not None and not _has_data(fd, linger_s):
                yield b""
            piece = os.read(fd, PIECE_BYTES)
            notice_timer.cancel()
            if not piece:
                return
            yield piece
    except OSError as failure:
        raise refuse_unreadable(name, failure) from None
    finally:
        notice_timer.cancel()


def _has_data(fd: int, wait_s: float = 0.0) -> bool:
    import select

    try:
        return bool(select.select([fd], [], [], wait_s)[0])
    except (OSError, ValueError):
        return True
