"""Files of a batch: repairs their last line, reads their lines, and reports failures.

A run that was killed leaves at most one torn line, the last. It becomes a record again if
only its end is missing, and else goes to `FILE.torn`; the good part is never rewritten.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from apiyi_cli.core.disk import BINARY, write_all
from apiyi_cli.errors import OutputError
from apiyi_cli.output.files import cannot_write
from apiyi_cli.text import Text

RUN_AGAIN: Final = Text("make room, then run the same line again: it goes on where it stopped")
END_OTHER_RUN: Final = Text(
    "end the other run; then run this line again: it goes on where it stopped"
)
CHECK_INTERVAL_S: Final = 1.0
"""How often a run looks whether somebody else changes its files."""
_BLOCK_BYTES: Final = 1 << 16


def is_replaced(path: Path, fd: int) -> bool:
    """Return True if the path no longer leads to the open file of this descriptor."""
    try:
        now, ours = path.stat(), os.fstat(fd)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return (now.st_dev, now.st_ino) != (ours.st_dev, ours.st_ino)


def removed_error(path: object) -> OutputError:
    """Return the error for a file that was removed while this run wrote to it."""
    why = Text("nothing more can be recorded in it")
    return OutputError(Text("{path} was removed or replaced", path=path), why)


def open_errors_file(path: Path, *, fresh: bool) -> int:
    """Open a file for the records of failures; a `fresh` one must be empty."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | BINARY, 0o666)
    except OSError as failure:
        raise cannot_write(path, failure) from failure
    if fresh and os.fstat(fd).st_size:
        os.close(fd)
        what, why = Text("cannot write {path}", path=path), Text("it exists")
        raise OutputError(what, why, hint=Text("another name, or --force"))
    return fd


def repair_tail(path: Path, is_record: Callable[[bytes], bool]) -> str | None:
    """Make the last line of a file whole; return a message if something was repaired."""
    with open(path, "r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        end = _last_line_end(file, size)
        if end == size:
            return None
        tail = _read_from(file, end)
        if is_record(tail):
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
            os.fsync(file.fileno())
            return Text("the last line of {path} lacked its end; it is whole now", path=path)
        _move_to_torn(path, tail)
        file.truncate(end)
        os.fsync(file.fileno())
    return Text(
        "the last line of {path} was torn; its {count} bytes are in {path}.torn now",
        path=path,
        count=len(tail),
    )


def blank_lines(path: Path, places: list[tuple[int, bytes]]) -> None:
    """Move broken lines to `FILE.torn` and leave spaces, so that all offsets stay valid."""
    with open(path, "r+b", buffering=0) as file:
        for offset, line in places:
            _move_to_torn(path, line)
            file.seek(offset)
            file.write(b" " * len(line.removesuffix(b"\n")))
        os.fsync(file.fileno())


def truncate_at(path: Path, size: int) -> bool:
    """Move the bytes after `size` to `FILE.torn`; return True if there were any."""
    with open(path, "r+b", buffering=0) as file:
        if file.seek(0, os.SEEK_END) <= size:
            return False
        _move_to_torn(path, _read_from(file, size))
        file.truncate(size)
    return True


def read_raw_lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, offset and bytes (LF included) of each line that is not blank."""
    offset = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, offset, line
            offset += len(line)


def _read_from(file: Any, offset: int) -> bytes:
    file.seek(offset)
    data = b""
    while piece := file.read(_BLOCK_BYTES):
        data += piece
    return data


def _move_to_torn(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | BINARY
    fd = os.open(path.with_name(path.name + ".torn"), flags, 0o600)
    try:
        write_all(fd, data.removesuffix(b"\n") + b"\n")
    finally:
        os.close(fd)


def _last_line_end(file: Any, size: int) -> int:
    at = size
    while at > 0:
        start = max(0, at - _BLOCK_BYTES)
        file.seek(start)
        newline = file.read(at - start).rfind(b"\n")
        if newline >= 0:
            return int(start + newline + 1)
        at = start
    return 0
