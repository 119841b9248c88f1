"""Local commands that answer function calls: arguments on stdin, result from stdout.

No shell, no key in the environment, bounded in time and output. What the model wrote is
checked before anything runs; what it wrote wrongly becomes the call's result, for the model
to correct.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, NamedTuple

from apiyi_cli.core.events import ToolCall
from apiyi_cli.core.jsontext import write_text
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text, system_reason

TIMEOUT_S = 120.0
MOST_BYTES = 256 * 1024
AT_ONCE = 8
MOST_SAID = 2000
GLANCE_S = 0.1
LINGER_S = 1.0
"""How long the output of a command that has ended is waited for: it may have left something
behind that holds the pipe open."""

Refuse = Callable[[dict[str, Any], str], str | None]


class Tool(NamedTuple):
    """A function of the model and the command that answers for it."""

    name: str
    argv: tuple[str, ...]
    parameters: dict[str, Any] | None


def runnable(commands: Sequence[str], functions: Sequence[dict[str, Any]]) -> dict[str, Tool]:
    """Read `--run NAME=COMMAND` values; COMMAND is split as a shell would and run without one.

    Raises UsageError for a name that no `--tool` has, one that comes twice, and what cannot
    be split.
    """
    schemas = {tool["function"]["name"]: tool["function"].get("parameters") for tool in functions}
    found: dict[str, Tool] = {}
    for value in commands:
        name, equals, command = value.partition("=")
        try:
            argv = tuple(shlex.split(command))
        except ValueError as failure:
            raise UsageError(
                Text("cannot use --run {value}", value=value), str(failure).lower()
            ) from None
        if not equals or not name or not argv:
            raise UsageError(
                Text("cannot use --run {value}", value=value),
                Text("it is not NAME=COMMAND"),
                hint="--run 'now=date -Is'",
            )
        if name not in schemas:
            raise UsageError(
                Text("cannot use --run {name}", name=name),
                Text(
                    "no --tool describes it (there are: {schemas})",
                    schemas=", ".join(schemas) or "none",
                ),
                hint=Text(
                    "describe it: --tool {tool}", tool=shlex.quote(write_text({"name": name}))
                ),
            )
        if name in found:
            raise UsageError(Text("cannot use --run {name}", name=name), Text("it is given twice"))
        found[name] = Tool(name, argv, schemas[name])
    return found


def results(
    calls: Sequence[tuple[Tool, ToolCall]],
    *,
    environ: Mapping[str, str],
    refuse: Refuse,
    timeout_s: float = TIMEOUT_S,
    most_bytes: int = MOST_BYTES,
) -> list[str]:
    """Run the commands, `AT_ONCE` of them at a time; return what the model is told of each call.

    `environ` is the whole environment of a command. `refuse` says why the arguments must not
    be used with the function's schema, None when they may; else nothing runs. A command that
    fails, is late or cannot start is told as such, with the end of its stderr. One that writes more
    than `most_bytes` is ended, what it wrote is cut, and that is said. Whatever ends this
    function ends the commands and all that they started.
    """
    running = _Running(environ)
    told = [""] * len(calls)
    failures: list[Exception] = []
    room = threading.Semaphore(AT_ONCE)

    def answer(place: int, tool: Tool, call: ToolCall) -> None:
        with room:
            try:
                told[place] = _told(running, tool, call, refuse, timeout_s, most_bytes)
            except Exception as failure:
                # Raised in the thread that waits: an empty result would be a lie.
                failures.append(failure)

    threads = [
        threading.Thread(target=answer, args=(place, *pair), daemon=True)
        for place, pair in enumerate(calls)
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                # A signal that comes just before an endless wait would not end it.
                thread.join(GLANCE_S)
    finally:
        running.close()
    if failures:
        raise failures[0]
    return told


def _told(
    running: _Running,
    tool: Tool,
    call: ToolCall,
    refuse: Refuse,
    timeout_s: float,
    most_bytes: int,
) -> str:
    if why := refuse(tool.parameters or {"type": "object"}, call.arguments):
        return f"error: the arguments were not used: {why}"
    try:
        command = running.started(tool.argv, most_bytes)
    except OSError as failure:
        return f"error: {tool.argv[0]} cannot be run: {system_reason(failure)}"
    if command is None:
        return "error: the run was stopped"
    ended = command.ended(call.arguments.encode("utf-8", "replace"), timeout_s)
    result = command.out.text
    if command.out.is_full:
        return f"{result}\n[cut: a result may have {most_bytes} bytes]"
    if not ended:
        return f"error: {tool.name} did not end within {timeout_s:g} s"
    if status := command.process.returncode:
        return f"error: exit status {status}: {command.err.text.strip()}\n{result}".rstrip("\n")
    return result


class _Running:
    """The commands that run now; once closed it starts no more."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._commands: list[_Command] = []
        self._lock = threading.Lock()
        self._closed = False

    def started(self, argv: Sequence[str], most_bytes: int) -> _Command | None:
        with self._lock:
            if self._closed:
                return None
            command = _Command(argv, self._environ, most_bytes)
            self._commands.append(command)
            return command

    def close(self) -> None:
        with self._lock:
            self._closed = True
        for command in self._commands:
            if command.process.poll() is None:
                command.kill()


class _Command:
    """One process in a group of its own, so that what it starts can be ended with it."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], most_bytes: int) -> None:
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            bufsize=0,
            start_new_session=True,
        )
        assert self.process.stdout is not None and self.process.stderr is not None
        self.out = _Drain(self.process.stdout, most_bytes, self.kill)
        self.err = _Drain(self.process.stderr, MOST_SAID, None)

    def ended(self, arguments: bytes, timeout_s: float) -> bool:
        """Wait for the end; return False, with everything killed, when it comes too late."""
        threading.Thread(target=self._feed, args=(arguments,), daemon=True).start()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()
            return False
        finally:
            for drain in (self.out, self.err):
                if not drain.waited(LINGER_S):
                    self.kill()
        return True

    def kill(self) -> None:
        """End the process and all that is left of its group."""
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()

    def _feed(self, arguments: bytes) -> None:
        assert self.process.stdin is not None
        # Not every command reads its arguments.
        with suppress(OSError), self.process.stdin as stdin:
            stdin.write(arguments)


class _Drain:
    """Reads a pipe to its end and keeps `most_bytes`: of an output the first ones, and then
    `full` is called; without `full` (what is said on stderr) the last ones."""

    def __init__(self, pipe: IO[bytes], most_bytes: int, full: Callable[[], None] | None) -> None:
        self._pipe = pipe
        self._most_bytes = most_bytes
        self._full = full
        self._pieces: list[bytes] = []
        self.is_full = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        kept = b"".join(self._pieces)
        shown = kept[-self._most_bytes :] if self._full is None else kept[: self._most_bytes]
        return shown.decode("utf-8", "replace")

    def waited(self, timeout_s: float) -> bool:
        """Wait for the end of the pipe; tell whether it came in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _read(self) -> None:
        size = 0
        with self._pipe:
            while not self.is_full and (piece := self._pipe.read(1 << 16)):
                size += len(piece)
                if self._full is None:
                    self._pieces = [b"".join((*self._pieces, piece))[-self._most_bytes :]]
                else:
                    self._pieces.append(piece)
                    self.is_full = size > self._most_bytes
        if self.is_full and self._full is not None:
            self._full()
