"""Runs command lines in forks of one warm process, each killed after the k-th byte it records.

A child's `os.write` to an output or a journal counts bytes; at byte k the rest is left out
and the process kills itself, as a machine would in the middle of a write. Commands come as
JSON lines on stdin: `{"argv", "folder", "env", "kill_at", "fail_at", "error", "sync"}`; their
stdout and stderr are files of that name in the folder. With `fail_at` that byte is refused with
the named error instead, and so is every later one, and with `sync` only the disk itself refuses,
when it is asked to keep the bytes. Each is answered by the exit code (negative: the signal) and
the bytes recorded.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import signal
import sys
import threading
import time
from typing import Any

from apiyi_cli.main import main
from tests.warm import import_program

RECORDED = (".out", ".csv", ".apiyi-journal")


def is_recorded(fd: int) -> bool:
    """Tell whether a descriptor is an output's or a journal's; others get the same number later."""
    return os.readlink(f"/proc/self/fd/{fd}").endswith(RECORDED)


class Recording:
    """Stands in for `os.write`."""

    def __init__(self, kill_at: int | None, fail_at: int | None, error: int, counter: int) -> None:
        self._write = os.write
        self._error = error
        self._kill_at = kill_at
        self._fail_at = fail_at
        self._counter = counter
        self._count = 0
        self._lock = threading.Lock()

    def __call__(self, fd: int, data: bytes) -> int:
        if not is_recorded(fd):
            return self._write(fd, data)
        with self._lock:
            return self._recorded(fd, data)

    def _recorded(self, fd: int, data: bytes) -> int:
        size = len(data)
        if self._kill_at is not None and self._count + size >= self._kill_at:
            self._write(fd, bytes(data)[: self._kill_at - self._count])
            os.kill(os.getpid(), signal.SIGKILL)
            # The signal may reach another thread first.
            time.sleep(60)
        if self._fail_at is not None and self._count + size > self._fail_at:
            room = self._fail_at - self._count
            if room <= 0:
                raise OSError(self._error, os.strerror(self._error))
            self._count += room
            return self._write(fd, bytes(data)[:room])
        self._count += size
        os.pwrite(self._counter, b"%d" % self._count, 0)
        return self._write(fd, data)


def refused(fd: object, error: int) -> None:
    """Stand in for `os.fsync`: fail for an output or a journal."""
    if isinstance(fd, int) and is_recorded(fd):
        raise OSError(error, os.strerror(error))


def run(command: dict[str, Any], counter: int) -> None:
    """Be the child: run one command line to its end."""
    os.setsid()
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["env"])
    for fd, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), fd)
    kill_at, fail_at = command["kill_at"], command["fail_at"]
    error = getattr(errno, str(command["error"]))
    if command["sync"]:
        os.fsync = lambda fd: refused(fd, error)
    os.write = Recording(kill_at, fail_at, error, counter)  # type: ignore[assignment]
    code = main(command["argv"])
    os._exit(code)


def serve() -> None:
    """Answer commands until stdin ends."""
    import_program()
    gc.freeze()
    counter = os.memfd_create("counter")
    for line in sys.stdin:
        os.pwrite(counter, b"0" * 9, 0)
        os.ftruncate(counter, 0)
        pid = os.fork()
        if pid == 0:
            run(json.loads(line), counter)
        _, status = os.waitpid(pid, 0)
        recorded = os.pread(counter, 20, 0)
        answer = {"code": os.waitstatus_to_exitcode(status), "recorded": int(recorded or 0)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
