"""The files of a batch as files: held by one run at a time, and whole to the last line.

A run that was killed leaves at most one torn line, the last. It becomes a record again when
only its end is missing, and else goes to `FILE.torn`; the good part is never rewritten.
"""

from __future__ import annotations

import errno
import os
import shlex
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from apiyi_cli.core.disk import write_all
from apiyi_cli.core.jsontext import InvalidJSON, read, write
from apiyi_cli.errors import OutputError, SetupError, UsageError
from apiyi_cli.text import Text, system_reason

LOCK_SUFFIX: Final = ".apiyi-lock"
_BLOCK = 1 << 16
_LOCKLESS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)


class LockedFile:
    """An output that this process alone may append to, until it is closed or the process dies.

    The kernel's lock on the file is used where there is one; else (NFS without locks, other
    systems) a file beside it that names host, process and boot. `find_holder` tells which process
    has it, when the lock itself does not.
    """

    def __init__(self, path: Path, find_holder: Callable[[], int | None]) -> None:
        self.path = path
        self._lock_file: Path | None = None
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        try:
            self.fd = os.open(path, flags, 0o666)
        except OSError as failure:
            raise OutputError(
                Text("cannot write {path}", path=path), system_reason(failure)
            ) from failure
        try:
            self._take(find_holder)
        except BaseException:
            os.close(self.fd)
            raise

    def close(self) -> None:
        """Let others have the file."""
        if self._lock_file is not None:
            with suppress(OSError):
                self._lock_file.unlink()
            self._lock_file = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @property
    def replaced(self) -> bool:
        """Tell whether the name no longer stands for the file that is being written."""
        return is_replaced(self.path, self.fd)

    def _take(self, find_holder: Callable[[], int | None]) -> None:
        try:
            import fcntl
        except ImportError:
            self._take_file()
            return
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as failure:
            if failure.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise _in_use(self.path, find_holder()) from None
            if failure.errno not in _LOCKLESS:
                raise SetupError(
                    Text("cannot lock {path}", path=self.path), system_reason(failure)
                ) from failure
            self._take_file()

    def _take_file(self) -> None:
        lock = self.path.with_name(self.path.name + LOCK_SUFFIX)
        ours = _own_lock()
        for _ in range(2):
            try:
                fd = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                theirs = _lock_content(lock)
                if not _is_stale(theirs, ours):
                    raise _in_use(self.path, theirs.get("pid"), theirs.get("host")) from None
                with suppress(OSError):
                    lock.unlink()
                continue
            except OSError as failure:
                raise SetupError(
                    Text("cannot lock {path}", path=self.path), system_reason(failure)
                ) from failure
            write_all(fd, write(ours))
            os.close(fd)
            self._lock_file = lock
            return
        raise _in_use(self.path, None)


def break_lock(path: Path) -> tuple[object, object]:
    """Remove the lock file of a run that is gone; return its process and machine.

    Raises UsageError when there is none, SetupError when the run is known to live.
    """
    lock = path.with_name(path.name + LOCK_SUFFIX)
    if not lock.exists():
        raise UsageError(
            Text("cannot unlock {path}", path=path),
            Text("no machine has left a lock file beside it"),
        )
    theirs = _lock_content(lock)
    if theirs.get("host") == socket.gethostname() and not _is_stale(theirs, _own_lock()):
        raise _in_use(path, theirs.get("pid"), theirs.get("host"))
    lock.unlink(missing_ok=True)
    return theirs.get("pid"), theirs.get("host")


def _own_lock() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "boot": _boot_id()}


def is_replaced(path: Path, fd: int) -> bool:
    """Return True if a name no longer stands for the file that a descriptor is open on."""
    try:
        now, ours = path.stat(), os.fstat(fd)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return (now.st_dev, now.st_ino) != (ours.st_dev, ours.st_ino)


def _lock_content(lock: Path) -> dict[str, Any]:
    try:
        value = read(lock.read_bytes())
    except (OSError, InvalidJSON):
        return {}
    return value if isinstance(value, dict) else {}


def _is_stale(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Tell whether the process that made a lock file is known to be gone."""
    if theirs.get("host") != ours["host"] or not isinstance(theirs.get("pid"), int):
        return False
    if theirs.get("boot") != ours["boot"]:
        return True
    try:
        os.kill(theirs["pid"], 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _in_use(path: Path, pid: object, host: object = None) -> SetupError:
    who = Text("process {pid}", pid=pid) if pid else Text("another process")
    return SetupError(
        Text("{path} is in use", path=path),
        (
            Text("{who} on {host} is writing to it", who=who, host=host)
            if host
            else Text("{who} is writing to it", who=who)
        ),
        hint=(
            Text("if that machine is gone: apiyi batch unlock {path}", path=shlex.quote(str(path)))
            if host not in (None, socket.gethostname())
            else Text("wait for it, or give this run an output of its own")
        ),
    )


def repair_tail(path: Path, is_record: Callable[[bytes], bool]) -> str | None:
    """Make the last line of a file whole; tell what was done, None when nothing had to be."""
    with open(path, "r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        end = _last_line_end(file, size)
        if end == size:
            return None
        file.seek(end)
        tail = b""
        while piece := file.read(_BLOCK):
            tail += piece
        if is_record(tail):
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
            os.fsync(file.fileno())
            return Text("the last line of {path} lacked its end; it is whole now", path=path)
        _set_aside(path, tail)
        file.truncate(end)
        os.fsync(file.fileno())
    return Text(
        "the last line of {path} was torn; its {count} bytes are in {path}.torn now",
        path=path,
        count=len(tail),
    )


def blank_lines(path: Path, places: list[tuple[int, bytes]]) -> None:
    """Put broken lines aside and leave blanks in their place, so that all else stays put."""
    with open(path, "r+b", buffering=0) as file:
        for offset, line in places:
            _set_aside(path, line)
            file.seek(offset)
            file.write(b" " * len(line.removesuffix(b"\n")))
        os.fsync(file.fileno())


def truncate_at(path: Path, size: int) -> bool:
    """Put what stands after `size` bytes aside; tell whether there was anything."""
    with open(path, "r+b", buffering=0) as file:
        if file.seek(0, os.SEEK_END) <= size:
            return False
        file.seek(size)
        tail = b""
        while piece := file.read(_BLOCK):
            tail += piece
        _set_aside(path, tail)
        file.truncate(size)
    return True


def read_raw_lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield the lines of a file, LF included, with number and offset; blank ones are left out."""
    offset = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, offset, line
            offset += len(line)


def _set_aside(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    fd = os.open(path.with_name(path.name + ".torn"), flags, 0o600)
    try:
        write_all(fd, data.removesuffix(b"\n") + b"\n")
    finally:
        os.close(fd)


def _last_line_end(file: Any, size: int) -> int:
    """Return the offset behind the last LF, 0 without any."""
    at = size
    while at > 0:
        start = max(0, at - _BLOCK)
        file.seek(start)
        found = file.read(at - start).rfind(b"\n")
        if found >= 0:
            return int(start + found + 1)
        at = start
    return 0
