"""The child processes of the page: the program itself, at most four at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, NamedTuple

from apiyi_cli.errors import SetupError
from apiyi_cli.text import Text, system_reason

MOST_CHILDREN: Final = 4
SOFT_END_S: Final = 3.0
"""Seconds for a child to end after Ctrl-C, and again after SIGTERM."""


class TooManyChildren(Exception):
    """All slots are taken by the user's requests."""


class ChildCommand(NamedTuple):
    """What a child runs. A side run (a preview, a list) gives its slot to the user's own."""

    argv: Sequence[str]
    folder: Path
    environ: Mapping[str, str]
    stdin: str | None = None
    is_side: bool = False


class ChildProcess:
    """One run of the program, with its output as pipes."""

    def __init__(self, command: ChildCommand) -> None:
        self.is_side = command.is_side
        self.was_stopped = False
        try:
            # -P: uploads lie in the folder of the run, and none of them shall be imported.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "apiyi_cli", *command.argv],
                stdin=subprocess.DEVNULL if command.stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=command.folder,
                env={**command.environ},
                start_new_session=os.name != "nt",
            )
        except OSError as failure:
            raise SetupError(Text("cannot start apiyi"), system_reason(failure)) from None
        assert self._process.stdout is not None and self._process.stderr is not None
        self.stdout: IO[bytes] = self._process.stdout
        self.stderr: IO[bytes] = self._process.stderr
        if command.stdin is not None:
            threading.Thread(target=self._feed, args=(command.stdin,), daemon=True).start()

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Return the exit code, negative for a signal; None if it still runs."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def read_all(self) -> bytes:
        """Return its whole answer; call it after the end."""
        return self._process.communicate()[0]

    def stop(self) -> None:
        """End the child as Ctrl-C would, then by force; return after its end."""
        self.was_stopped = self.was_stopped or self._process.poll() is None
        for name in ("SIGINT", "SIGTERM"):
            self._signal(getattr(signal, name, signal.SIGTERM))
            if self.wait(SOFT_END_S) is not None:
                return
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        self._process.wait()

    def close(self) -> None:
        """Close the pipes of a child that has ended."""
        for pipe in filter(None, (self._process.stdin, self.stdout, self.stderr)):
            with suppress(OSError):
                pipe.close()

    def _signal(self, number: int) -> None:
        if self._process.poll() is not None:
            return
        with suppress(OSError):
            if os.name == "nt":
                self._process.terminate()
            else:
                os.killpg(self._process.pid, number)

    def _feed(self, text: str) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        # A child that has ended does not want the rest.
        with suppress(OSError, ValueError), pipe:
            pipe.write(text.encode())


class ChildSlots:
    """Starts children while there are slots; thread-safe."""

    def __init__(self) -> None:
        self._running: list[ChildProcess] = []
        self._lock = threading.Condition()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._running)

    def start(self, command: ChildCommand) -> ChildProcess:
        """Start a child. Raises TooManyChildren when all slots are taken."""
        with self._lock:
            if len(self._running) >= MOST_CHILDREN and not command.is_side:
                self._end_side_run()
            if self._is_closed or len(self._running) >= MOST_CHILDREN:
                raise TooManyChildren
            child = ChildProcess(command)
            self._running.append(child)
            return child

    def finish(self, child: ChildProcess) -> None:
        """End the child if it runs, and release its slot."""
        child.stop()
        child.close()
        with self._lock:
            if child in self._running:
                self._running.remove(child)
            self._lock.notify_all()

    def close(self) -> None:
        """End all children; no further one can start."""
        with self._lock:
            self._is_closed = True
            threads = [threading.Thread(target=child.stop) for child in self._running]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _end_side_run(self) -> None:
        """End a side run and wait for its slot. The caller holds the lock."""
        side = next((child for child in self._running if child.is_side), None)
        if side is not None:
            threading.Thread(target=side.stop, daemon=True).start()
            self._lock.wait_for(lambda: len(self._running) < MOST_CHILDREN, 2 * SOFT_END_S)
