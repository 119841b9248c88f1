"""A server that has imported the program and forks into a run of it for each connection.

Why not a start for each run: the suite makes thousands of runs in 13,500 tests. A start takes
200 ms of a processor (`chat hi`, with what it imports on the way), such a fork 20 ms: started
runs alone would take more than the six minutes that the suite has on two cores, which xdist
keeps busy already. Runs inside pytest would share its descriptors, signals and threads.
What differs between both ways of starting is tested in `tests/process/test_warm.py`.

A request is one line, a Python literal: the words, the environment, the folder, the umask, the
numbers that the descriptors sent beside it shall have, and whether the run leads the session of
the terminal that it is on. The answer is one line: the wait status and the
most memory that the run had, in kB. A run whose connection is closed before is told to end.

Arguments: the path of the socket, and the names of what is to be imported besides.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import functools
import gc
import importlib
import os
import pkgutil
import selectors
import signal
import socket
import sys
import tempfile
import termios
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

KEY = "sk-CANARY-9f3c+7d1e/5b8a=c04f3c2a"
"""The key of the tests; here, because the pattern of its spellings takes 3 ms to compile."""
LEFT_OUT = ("apiyi_cli.__main__",)
IMPORTED_LATER = (
    "jsonschema",
    "httpx",
    "sqlite3",
    "typer",
    "httpcore._sync.connection_pool",
    "httpcore._sync.http_proxy",
    "jq",
    "rich.console",
    "rich.pager",
    "keyring",
    "keyring.backends.SecretService",
    "importlib_metadata",
    "ctypes.util",
    "mmap",
    "tomllib",
    "tomlkit",
    "keyring.backends.null",
    "encodings.utf_8_sig",
    "encodings.utf_16_le",
)
"""What the program imports from outside only when it needs it; h11 alone takes 15 ms of a run."""
REHEARSED = (
    "chat -m gpt-4o hi",
    "chat -m gpt-4o --json hi",
    "respond -m gpt-4o hi",
    "embed -m text-embedding-3-small hi",
    "batch rows -m gpt-4o -o out{number}",
)
REHEARSALS = 12
"""CPython specializes a function that was called eight times."""
GRACE_S = 5.0
HUGE_PAGE = 1 << 21
MADV_COLLAPSE = 25
"""Linux 6.1 and later; the number is the same on all processors."""


def import_program(*more: str) -> None:
    """Import the program, what it imports only when it needs it, and more."""
    import apiyi_cli

    os.environ["TYPER_USE_RICH"] = "0"
    for module in pkgutil.walk_packages(apiyi_cli.__path__, "apiyi_cli."):
        if module.name not in LEFT_OUT:
            importlib.import_module(module.name)
    for name in (*IMPORTED_LATER, *more):
        importlib.import_module(name)
    # Typer reads its settings at the first use, and makes its commands at each.
    from typer import main

    from apiyi_cli.cli import app
    from apiyi_cli.cli.command_table import COMMANDS

    app.load_command = functools.cache(app.load_command)
    main.get_command = functools.cache(main.get_command)
    for name in COMMANDS:
        app.load_command(name)


def rehearse() -> None:
    """Run the commonest commands in this process, before anything is forked.

    Code that has run often is faster (PEP 659), and what is made on first use is there: a run
    takes 20 ms instead of 29. Nothing that depends on a run's surroundings may be kept by it;
    `tests/process/test_warm.py` compares forks with starts.
    """
    from apiyi_cli.main import main
    from apiyi_cli.sandbox.server import Gateway

    kept = [os.dup(number) for number in range(3)]
    environ, folder = dict(os.environ), os.getcwd()
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    with tempfile.TemporaryDirectory() as home, Gateway(key=KEY) as gateway:
        os.chdir(home)
        Path("rows").write_text('{"prompt": "one"}\n{"prompt": "two"}\n')
        os.environ.clear()
        os.environ.update(HOME=home, APIYI_BASE_URL=gateway.base_url, APIYI_API_KEY=KEY)
        codes = {
            (line, main(line.format(number=number).split()))
            for number in range(REHEARSALS)
            for line in REHEARSED
        }
        os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    for number, descriptor in enumerate((*kept, null)):
        if descriptor != null:
            os.dup2(descriptor, number)
        os.close(descriptor)
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()
    assert {code for _, code in codes} == {0}, codes


def enter(request: dict[str, Any], descriptors: list[int]) -> None:
    """Give this process the descriptors, environment and folder of a run."""
    targets = request["fds"]
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 256) for descriptor in descriptors]
    os.closerange(0, 256)
    for target, descriptor in zip(targets, moved, strict=True):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update({os.fsdecode(k): os.fsdecode(v) for k, v in request["env"].items()})
    time.tzset()
    if request["leads"]:
        os.setsid()
        fcntl.ioctl(next(filter(os.isatty, (0, 1, 2))), termios.TIOCSCTTY, 0)
    os.umask(request["umask"])
    os.chdir(request["cwd"])
    sys.argv = ["apiyi", *request["words"]]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if number not in targets:
            setattr(sys, name, None)


def run_program(request: dict[str, Any], descriptors: list[int]) -> int:
    """Run the program in the process that was forked for it; return its exit code."""
    from apiyi_cli.main import main

    try:
        enter(request, descriptors)
        code = main(sys.argv[1:])
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        return code
    except BaseException:
        return 70


class Run(NamedTuple):
    """A run that goes on: its process, who waits for its end, and what tells that end."""

    pid: int
    connection: socket.socket
    ended: int


class Server:
    """Forks a run for each connection to a socket, until its own stdin is closed."""

    def __init__(self, path: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(64)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, self._fork)
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._runs: set[Run] = set()
        self._kill_at: dict[Run, float] = {}

    def serve(self) -> None:
        """Serve; end the runs that are left, as their connections are closed."""
        while True:
            for key, _ in self._selector.select(GRACE_S if self._kill_at else None):
                if key.data is None:
                    for run in self._runs:
                        os.kill(run.pid, signal.SIGTERM)
                    return
                key.data()
            for run, at in self._kill_at.items():
                if time.monotonic() >= at:
                    os.kill(run.pid, signal.SIGKILL)

    def _fork(self) -> None:
        connection, _ = self._listener.accept()
        data, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 64)
        while data and not data.endswith(b"\n"):
            data += connection.recv(1 << 16)
        if not data:
            connection.close()
            return
        pid = os.fork()
        if pid == 0:
            os._exit(run_program(ast.literal_eval(data.decode()), descriptors))
        for descriptor in descriptors:
            os.close(descriptor)
        run = Run(pid, connection, os.pidfd_open(pid))
        self._runs.add(run)
        self._selector.register(run.ended, selectors.EVENT_READ, partial(self._answer, run))
        self._selector.register(connection, selectors.EVENT_READ, partial(self._end, run))

    def _end(self, run: Run) -> None:
        """Tell a run to end that nobody waits for."""
        self._selector.unregister(run.connection)
        self._kill_at[run] = time.monotonic() + GRACE_S
        os.kill(run.pid, signal.SIGTERM)

    def _answer(self, run: Run) -> None:
        _, status, used = os.wait4(run.pid, 0)
        with contextlib.suppress(OSError):
            run.connection.sendall(b"%d %d\n" % (status, used.ru_maxrss))
        self._selector.unregister(run.ended)
        if self._kill_at.pop(run, None) is None:
            self._selector.unregister(run.connection)
        run.connection.close()
        os.close(run.ended)
        self._runs.remove(run)


def join_pages() -> None:
    """Move what the forks share into huge pages: a fork takes a tenth less of a processor.

    It has a few entries to copy instead of ten thousand. Where the system has none, nothing
    changes.
    """
    import ctypes

    advise = getattr(ctypes.CDLL(None), "madvise", None)
    if advise is None or not os.path.exists("/proc/self/maps"):
        return
    advise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, access, _, _, inode, *name = line.split()
        if access != "rw-p" or inode != "0" or name == ["[stack]"]:
            continue
        start, end = (int(address, 16) for address in span.split("-"))
        start, end = -(-start // HUGE_PAGE) * HUGE_PAGE, end // HUGE_PAGE * HUGE_PAGE
        if start < end:
            advise(start, end - start, MADV_COLLAPSE)


def serve(path: str, *modules: str) -> None:
    """Serve until the process that started this one closes its stdin, or ends itself."""
    import_program(*modules)
    rehearse()
    gc.collect()
    gc.freeze()
    join_pages()
    server = Server(path)
    print("ready", flush=True)
    server.serve()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    serve(*sys.argv[1:])
