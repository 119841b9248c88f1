"""Locks: only one run at a time may append to an output."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from apiyi_cli.batch.state.files import is_replaced
from apiyi_cli.core.disk import BINARY, EXCLUSIVE, write_all
from apiyi_cli.core.jsontext import InvalidJSON, read, write
from apiyi_cli.core.processes import is_running
from apiyi_cli.core.shells import quote_word
from apiyi_cli.decode.frames.fields import read_object
from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.output.files import cannot_write
from apiyi_cli.text import Text, system_reason

WAIT_FOR_IT: Final = Text("wait for it, or give this run an output of its own")
LOCK_SUFFIX: Final = ".apiyi-lock"
_LOCKLESS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)


class LockedFile:
    """A file that only this process may append to, until it is closed.

    The kernel's lock on the file is used where there is one; else (NFS without locks, other
    systems) a file beside it that names host, process and boot. `find_holder` returns the
    process that has it, because the kernel's lock does not name it.
    """

    def __init__(self, path: Path, find_holder: Callable[[], int | None]) -> None:
        self.path = path
        self._lock_file: Path | None = None
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | BINARY, 0o666)
        except OSError as failure:
            raise cannot_write(path, failure) from failure
        try:
            self._lock(find_holder)
        except BaseException:
            os.close(self.fd)
            raise

    def close(self) -> None:
        """Release the lock and close the file."""
        if self._lock_file is not None:
            with suppress(OSError):
                self._lock_file.unlink()
            self._lock_file = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @property
    def replaced(self) -> bool:
        """Return True if the name leads to another file than the one that is written."""
        return is_replaced(self.path, self.fd)

    def _lock(self, find_holder: Callable[[], int | None]) -> None:
        try:
            import fcntl
        except ImportError:
            self._make_lock_file()
            return
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as failure:
            if failure.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise in_use_error(self.path, find_holder()) from None
            if failure.errno not in _LOCKLESS:
                raise _cannot_lock(self.path, failure) from failure
            self._make_lock_file()

    def _make_lock_file(self) -> None:
        lock, ours = _lock_path(self.path), describe_process()
        for _ in range(2):
            try:
                fd = os.open(lock, EXCLUSIVE, 0o600)
            except FileExistsError:
                theirs = _read_lock(lock)
                if not is_stale(theirs, ours):
                    raise in_use_error(self.path, theirs.get("pid"), theirs.get("host")) from None
                with suppress(OSError):
                    lock.unlink()
                continue
            except OSError as failure:
                raise _cannot_lock(self.path, failure) from failure
            write_all(fd, write(ours))
            os.close(fd)
            self._lock_file = lock
            return
        raise in_use_error(self.path, None)


def break_lock(path: Path) -> tuple[object, object]:
    """Remove the lock file of a run that has ended; return its process and machine.

    Raises UsageError if there is none, SetupError if the run is known to live.
    """
    lock = _lock_path(path)
    if not lock.exists():
        why = Text("no machine has left a lock file beside it")
        raise UsageError(Text("cannot unlock {path}", path=path), why)
    theirs = _read_lock(lock)
    if theirs.get("host") == socket.gethostname() and not is_stale(theirs, describe_process()):
        raise in_use_error(path, theirs.get("pid"), theirs.get("host"))
    lock.unlink(missing_ok=True)
    return theirs.get("pid"), theirs.get("host")


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + LOCK_SUFFIX)


def describe_process() -> dict[str, Any]:
    """Return a description of this process for other machines."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "boot": _boot_id()}


def _read_lock(lock: Path) -> dict[str, Any]:
    try:
        return parse_holder(lock.read_bytes())
    except OSError:
        return {}


def parse_holder(text: bytes | str) -> dict[str, Any]:
    """Return what `describe_process` returned for a lock's holder, {} if it is unreadable."""
    try:
        return read_object(read(text))
    except InvalidJSON:
        return {}


def is_stale(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Return True if the process that made a lock file is known to be gone."""
    if theirs.get("host") != ours["host"] or not isinstance(theirs.get("pid"), int):
        return False
    if theirs.get("boot") != ours["boot"]:
        return True
    return not is_running(theirs["pid"])


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _cannot_lock(path: Path, failure: OSError) -> SetupError:
    return SetupError(Text("cannot lock {path}", path=path), system_reason(failure))


def in_use_error(path: Path, pid: object, host: object = None) -> SetupError:
    """Return the error for an output that another process writes to."""
    who = Text("process {pid}", pid=pid) if pid else Text("another process")
    why, hint = Text("{who} is writing to it", who=who), WAIT_FOR_IT
    if host:
        why = Text("{who} on {host} is writing to it", who=who, host=host)
    if host not in (None, socket.gethostname()):
        quoted = quote_word(str(path))
        hint = Text("if that machine is gone: apiyi batch unlock {path}", path=quoted)
    return SetupError(Text("{path} is in use", path=path), why, hint=hint)
