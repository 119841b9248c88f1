"""Regular expression searches in a separate process that is killed at a time limit.

Python's `re` cannot be interrupted, in no thread, once it searches. The process knows nothing
but `re` and `json` (about 20 ms to start), gets no environment, and is used again; on systems
without SIGALRM the thread that waits for it ends it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Final, NamedTuple

from apiyi_cli.core.jsontext import write_ascii

_MOST_AT_ONCE: Final = 4
_PROGRAM: Final = """
import json, re, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
limit = getattr(signal, "setitimer", None)
for line in sys.stdin.buffer:
    seconds, pattern, text = json.loads(line)
    if limit:
        # Its default is to end the process, in the middle of a search as well.
        limit(signal.ITIMER_REAL, seconds)
    found = re.search(pattern, text) is not None
    if limit:
        limit(signal.ITIMER_REAL, 0)
    sys.stdout.write("1\\n" if found else "0\\n")
    sys.stdout.flush()
"""


class SearchTimeout(Exception):
    """A search did not end in time, or its process could not start."""


class _Worker(NamedTuple):
    process: subprocess.Popen[bytes]
    owner: int


_idle: list[_Worker] = []
_room = threading.BoundedSemaphore(_MOST_AT_ONCE)


def search(pattern: str, text: str, limit_s: float) -> bool:
    """Return True if the pattern is found in the text. Raises SearchTimeout after `limit_s`."""
    ends_at = time.monotonic() + limit_s
    if not _room.acquire(timeout=max(0.0, limit_s)):
        raise SearchTimeout
    try:
        return _search(_take_worker(), pattern, text, ends_at - time.monotonic())
    finally:
        _room.release()


def _search(worker: _Worker, pattern: str, text: str, limit_s: float) -> bool:
    process = worker.process
    assert process.stdin is not None and process.stdout is not None
    if limit_s <= 0:
        _end(process)
        raise SearchTimeout
    line = write_ascii([limit_s, pattern, text]).encode() + b"\n"
    # A little later than the process ends itself, where it can.
    killer = threading.Timer(limit_s + 0.1, process.kill)
    killer.daemon = True
    killer.start()
    answer = b""
    try:
        with suppress(OSError):
            process.stdin.write(line)
            process.stdin.flush()
            answer = process.stdout.readline()
    finally:
        killer.cancel()
        if answer:
            _idle.append(worker)
        else:
            # Killed, or this thread was interrupted: the search must not continue without a reader.
            _end(process)
    if not answer:
        raise SearchTimeout
    return answer == b"1\n"


def _take_worker() -> _Worker:
    while _idle:
        worker = _idle.pop()
        # After a fork the pipes are shared with the parent.
        if worker.owner == os.getpid():
            return worker
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-X", "utf8", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ},
        )
    except (OSError, ValueError, TypeError):
        raise SearchTimeout from None
    return _Worker(process, os.getpid())


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    with suppress(OSError):
        process.kill()
    process.wait()
