"""A process that has imported the program, and becomes it whenever it is asked to.

A run then costs what the run does, not another start of the interpreter. What depends on how
an interpreter starts (locale, modules imported, signals) needs a real process.

Each request is a line on a socket, a Python literal: the words, the environment, the folder,
the umask, the numbers that the descriptors sent beside it shall have, whether to measure, and
whether the run leads the session of the terminal that it is on.
The answers are a line with the number of the process, and one with its wait status and the most
memory that it had, in kB. The first
argument is the number of a socket for one run after the other, the second is the path at which
others connect, one for each run; a run is told to end when its connection is closed before.

A third argument is the coverage data file of the session, where the branches of the runs go.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import functools
import gc
import importlib
import os
import pickle
import pkgutil
import selectors
import signal
import socket
import sys
import termios
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from coverage import Coverage

LEFT_OUT = ("apiyi_cli.__main__", "apiyi_cli.cli.help.generate")


def imported() -> None:
    """Import the program, and what it imports only when it needs it."""
    import apiyi_cli

    for module in pkgutil.walk_packages(apiyi_cli.__path__, "apiyi_cli."):
        if module.name not in LEFT_OUT:
            importlib.import_module(module.name)
    for name in ("jsonschema", "sqlite3", "typer", "httpcore", "jq"):
        importlib.import_module(name)
    # Typer reads its settings and makes its commands at the first use.
    from apiyi_cli.cli import app

    app.command = functools.cache(app.command)
    for name in app.COMMANDS:
        app.command(name)


def become(request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Turn this process into a run of the program."""
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
    from apiyi_cli.main import run

    run()


class Measured:
    """The branches that the runs took: each run tells those that no earlier one has taken.

    They are read where coverage collects them, packed as it packs them: its public interface
    takes them through a database, which would cost as much as the run.
    """

    def __init__(self, data_file: str) -> None:
        import coverage

        self._data_file = data_file
        # Of this process, and by fork of each run. `include`, because for a source coverage
        # looks for the files that did not run, and does so in each run.
        self._folder = str(Path(__file__).parents[1] / "apiyi_cli") + os.sep
        self._coverage: Coverage = coverage.Coverage(
            data_file=None, config_file=False, branch=True, include=[f"{self._folder}*"]
        )
        self._coverage.start()
        collector: Any = self._coverage._collector
        assert collector.core.packed_arcs
        self._collector = collector
        self._known: dict[str, set[int]] = {}

    def _told(self, pid: int) -> Path:
        return Path(f"{self._data_file}.{pid}.told")

    def _done(self) -> dict[str, set[int]]:
        """Return the branches taken that are not known yet."""
        done = self._collector.data.copy()
        return {
            path: new
            for path, arcs in done.items()
            if (new := arcs.copy() - self._known.get(path, set()))
        }

    def _learn(self, taken: dict[str, set[int]]) -> None:
        for path, arcs in taken.items():
            self._known.setdefault(path, set()).update(arcs)

    def began(self) -> None:
        """Count what was done before the first run; have coverage decide on all files now."""
        self._learn(self._done())
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None) or ""
            if path.endswith(".py") and not path.startswith(self._folder):
                exec(compile("(lambda: None)()", path, "exec"), {})

    def ended(self) -> None:
        """Tell what this process has done."""
        self._told(os.getpid()).write_bytes(pickle.dumps(self._done()))

    def learn(self, pid: int) -> None:
        """Read what a process has told; one that was killed tells nothing."""
        told = self._told(pid)
        with contextlib.suppress(FileNotFoundError):
            self._learn(pickle.loads(told.read_bytes()))
            told.unlink()

    def save(self) -> None:
        """Leave a data file of this process beside the session's, for it to combine."""
        from coverage import CoverageData

        data = CoverageData(self._data_file, suffix=f"preloaded.{os.getpid()}")
        data.add_arcs({path: list(map(unpacked, arcs)) for path, arcs in self._known.items()})
        data.write()


def unpacked(arc: int) -> tuple[int, int]:
    """Return the two lines of a branch, negative where it enters or leaves a function."""
    low, high = arc & (1 << 28) - 1, arc >> 28 & (1 << 28) - 1
    return -low if arc >> 56 & 1 else low, -high if arc >> 57 & 1 else high


def ran(request: dict[str, Any], descriptors: list[int], measured: Measured | None) -> int:
    """Be a run, in the process that was forked for it; return its exit code when it is told."""
    try:
        if measured:
            # The program then leaves by the exception that others leave by.
            request["env"] = {**request["env"], b"COVERAGE_RUN": b"true"}
        become(request, descriptors)
    except SystemExit as end:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        if measured:
            measured.ended()
        return end.code if isinstance(end.code, int) else 0
    except BaseException:
        return 70


class Server:
    """Starts the runs that are asked for and tells how each ended."""

    def __init__(self, channel: socket.socket, path: str, measured: Measured | None) -> None:
        self._channel = channel
        self._measured = measured
        self._asked: dict[int, socket.socket] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(64)
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._selector = selectors.DefaultSelector()
        for one in (channel, self._listener, self._woken):
            self._selector.register(one, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def serve(self) -> None:
        """Serve until the channel closes."""
        while True:
            for key, _ in self._selector.select():
                ready = key.fileobj
                assert isinstance(ready, socket.socket)
                if ready is self._woken:
                    ready.recv(4096)
                    self._reap()
                elif ready is self._listener:
                    self._selector.register(ready.accept()[0], selectors.EVENT_READ)
                elif not self._asked_by(ready):
                    if ready is self._channel:
                        return
                    self._forget(ready)

    def _asked_by(self, asking: socket.socket) -> bool:
        """Start the run that is asked for; return False when nobody asks any more."""
        try:
            data, descriptors, _, _ = socket.recv_fds(asking, 1 << 16, 64)
        except ConnectionError:
            return False
        if not data:
            return False
        while not data.endswith(b"\n"):
            data += asking.recv(1 << 16)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            request = ast.literal_eval(data.decode())
            measured = self._measured if request["measured"] else None
            if measured is None:
                sys.settrace(None)
                threading.settrace(None)
            os._exit(ran(request, descriptors, measured))
        for descriptor in descriptors:
            os.close(descriptor)
        self._asked[pid] = asking
        asking.sendall(b"%d\n" % pid)
        return True

    def _reap(self) -> None:
        while self._asked:
            pid, status, used = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            if self._measured:
                self._measured.learn(pid)
            asking = self._asked.pop(pid)
            with contextlib.suppress(OSError):
                asking.sendall(b"%d %d\n" % (status, used.ru_maxrss))

    def _forget(self, gone: socket.socket) -> None:
        for pid, asking in self._asked.items():
            if asking is gone:
                os.kill(pid, signal.SIGTERM)
        self._selector.unregister(gone)
        gone.close()


def served(channel: socket.socket, path: str, data_file: str | None = None) -> None:
    """Serve until the far end closes; measure if there is a file for it."""
    measured = Measured(data_file) if data_file else None
    os.environ["TYPER_USE_RICH"] = "0"
    imported()
    server = Server(channel, path, measured)
    if measured:
        measured.began()
    gc.freeze()
    server.serve()
    if measured:
        measured.save()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    served(socket.socket(fileno=int(sys.argv[1])), *sys.argv[2:])
