"""A server that has imported the program and forks into a run of it for each connection.

Why not a start for each run: the suite makes thousands of runs in 13,500 tests. A start takes
200 ms of a processor (`chat hi`, with what it imports on the way), such a fork 23 ms: started
runs alone would take more than the six minutes that the suite has on two cores, which xdist
keeps busy already. Runs inside pytest would share its descriptors, signals and threads.
What differs between both ways of starting is tested in `tests/process/test_warm.py`.

A request is one line, a Python literal: the words, the environment, the folder, the umask, the
numbers that the descriptors sent beside it shall have, whether to measure, and whether the run
leads the session of the terminal that it is on. The answer is one line: the wait status and the
most memory that the run had, in kB. A run whose connection is closed before is told to end.

Arguments: the path of the socket, and the coverage data file of the session, if it measures.
A measured run takes 51 ms instead of 23: coverage's own files, which pytest-cov combines.
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
import select
import signal
import socket
import socketserver
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coverage import Coverage

LEFT_OUT = ("apiyi_cli.__main__", "apiyi_cli.cli.help.generate")
IMPORTED_LATER = (
    "jsonschema",
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
)
"""What the program imports from outside only when it needs it; h11 alone takes 15 ms of a run."""
GRACE_S = 5.0


def import_program() -> None:
    """Import the program, and what it imports only when it needs it."""
    import apiyi_cli

    os.environ["TYPER_USE_RICH"] = "0"
    for module in pkgutil.walk_packages(apiyi_cli.__path__, "apiyi_cli."):
        if module.name not in LEFT_OUT:
            importlib.import_module(module.name)
    for name in IMPORTED_LATER:
        importlib.import_module(name)
    # Typer reads its settings and makes its commands at the first use.
    from apiyi_cli.cli import app
    from apiyi_cli.cli.command_table import COMMANDS

    app.load_command = functools.cache(app.load_command)
    for name in COMMANDS:
        app.load_command(name)


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


def run(request: dict[str, Any], descriptors: list[int], coverage: Coverage | None) -> int:
    """Run the program in the process that was forked for it; return its exit code."""
    from apiyi_cli.main import main

    if coverage and not request["measured"]:
        coverage.stop()
    try:
        enter(request, descriptors)
        code = main(sys.argv[1:])
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        if coverage and request["measured"]:
            coverage.stop()
            coverage.save()
        return code
    except BaseException:
        return 70


class Handler(socketserver.BaseRequestHandler):
    """Forks the run that one connection asks for, and answers how it ended."""

    server: Server
    request: socket.socket

    def handle(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self.request, 1 << 16, 64)
        while data and not data.endswith(b"\n"):
            data += self.request.recv(1 << 16)
        if not data:
            return
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(run(ast.literal_eval(data.decode()), descriptors, self.server.coverage))
        for descriptor in descriptors:
            os.close(descriptor)
        ended, connection = os.pidfd_open(pid), self.request.fileno()
        if ended not in select.select([ended, connection], [], [])[0]:
            os.kill(pid, signal.SIGTERM)
            if not select.select([ended], [], [], GRACE_S)[0]:
                os.kill(pid, signal.SIGKILL)
        _, status, used = os.wait4(pid, 0)
        with contextlib.suppress(OSError):
            self.request.sendall(b"%d %d\n" % (status, used.ru_maxrss))


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Listens on a socket; a process of its own handles each connection."""

    request_queue_size = 64
    # Beyond as many it would wait until one of them ends.
    max_children = 1000

    def __init__(self, path: str, coverage: Coverage | None) -> None:
        self.coverage = coverage
        self._parent = os.getppid()
        super().__init__(path, Handler)

    def service_actions(self) -> None:
        """End with the process that started it, whatever killed that."""
        super().service_actions()
        if os.getppid() != self._parent:
            sys.exit()


def measure_imports(data_file: str) -> Coverage:
    """Import the program; return the measuring that each run goes on with for itself."""
    from coverage import Coverage

    # `include`, because for a source coverage looks in each run for the files that did not run.
    package = Path(__file__).parents[1] / "apiyi_cli"
    coverage = Coverage(
        data_file, data_suffix=True, config_file=False, branch=True, include=[f"{package}/*"]
    )
    coverage.start()
    import_program()
    coverage.stop()
    coverage.save()
    coverage.start()
    return coverage


def serve(path: str, data_file: str | None = None) -> None:
    """Serve until the process that started this one ends it, or ends itself."""
    if data_file:
        coverage = measure_imports(data_file)
    else:
        coverage = None
        import_program()
    gc.freeze()
    with Server(path, coverage) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    serve(*sys.argv[1:])
