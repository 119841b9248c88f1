"""A process that has imported the program, and becomes it whenever it is asked to.

A run then costs what the run does, not another start of the interpreter. Each request is a
line of JSON on the socket whose number is the only argument: the words, the environment and
the folder, with stdin, stdout and stderr beside it; the answers are a line with the number
of the process, and one with its wait status. What depends on how an
interpreter starts (locale, modules imported, signals, terminals) needs a real process.

A second argument is the coverage data file of the session, where the branches of the runs go.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import pickle
import pkgutil
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from coverage import Coverage

LEFT_OUT = ("apiyi_cli.__main__", "apiyi_cli.cli.generate")


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
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
    os.closerange(3, 64)
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["cwd"])
    sys.argv = ["apiyi", *request["words"]]
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
        self._told = Path(f"{data_file}.{os.getpid()}.told")
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
        self._told.write_bytes(pickle.dumps(self._done()))

    def learn(self) -> None:
        """Read what a process has told; one that was killed tells nothing."""
        with contextlib.suppress(FileNotFoundError):
            self._learn(pickle.loads(self._told.read_bytes()))
            self._told.unlink()

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
            request["env"]["COVERAGE_RUN"] = "true"
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


def serve(channel: socket.socket, measured: Measured | None) -> None:
    while True:
        data, descriptors, _, _ = socket.recv_fds(channel, 1 << 16, 3)
        if not data:
            return
        while not data.endswith(b"\n"):
            data += channel.recv(1 << 16)
        pid = os.fork()
        if pid == 0:
            os._exit(ran(json.loads(data), descriptors, measured))
        for descriptor in descriptors:
            os.close(descriptor)
        channel.sendall(b"%d\n" % pid)
        status = os.waitpid(pid, 0)[1]
        if measured:
            measured.learn()
        channel.sendall(b"%d\n" % status)


def served(channel: socket.socket, data_file: str | None = None) -> None:
    """Serve until the far end closes; measure if there is a file for it."""
    measured = Measured(data_file) if data_file else None
    os.environ["TYPER_USE_RICH"] = "0"
    imported()
    if measured:
        measured.began()
    gc.freeze()
    serve(channel, measured)
    if measured:
        measured.save()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    served(socket.socket(fileno=int(sys.argv[1])), *sys.argv[2:])
