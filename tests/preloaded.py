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
    from apiyi_cli.cli.app import COMMANDS, command

    for name in COMMANDS:
        command(name)


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
    """The branches that the runs took: each run tells those that no earlier one has taken."""

    def __init__(self, data_file: str) -> None:
        import coverage

        self._data_file = data_file
        self._told = Path(f"{data_file}.{os.getpid()}.told")
        self._known: set[tuple[str, int, int]] = set()
        # Of this process, and by fork of each run. `include`, because for a source coverage
        # looks for the files that did not run, and does so in each run.
        program = Path(__file__).parents[1] / "apiyi_cli" / "*"
        self._coverage: Coverage = coverage.Coverage(
            data_file=None, config_file=False, branch=True, include=[str(program)]
        )
        self._coverage.start()

    def _done(self) -> set[tuple[str, int, int]]:
        """Return what was done since the last time, and forget it: the next run starts anew."""
        data = self._coverage.get_data()
        done = {(path, *arc) for path in data.measured_files() for arc in data.arcs(path) or ()}
        data.erase()
        return done

    def began(self) -> None:
        """Count what was done before the first run."""
        self._known |= self._done()

    def ended(self) -> None:
        """Tell what this process has done."""
        self._told.write_bytes(pickle.dumps(self._done() - self._known))

    def learn(self) -> None:
        """Read what a process has told; one that was killed tells nothing."""
        with contextlib.suppress(FileNotFoundError):
            self._known |= pickle.loads(self._told.read_bytes())
            self._told.unlink()

    def save(self) -> None:
        """Leave a data file of this process beside the session's, for it to combine."""
        from coverage import CoverageData

        arcs: dict[str, list[tuple[int, int]]] = {}
        for path, start, end in self._known:
            arcs.setdefault(path, []).append((start, end))
        data = CoverageData(self._data_file, suffix=f"preloaded.{os.getpid()}")
        data.add_arcs(arcs)
        data.write()


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
