"""Local commands that answer function calls: arguments on stdin, result from stdout.

No shell, no key in the environment, limited time and output. Arguments are checked before a
command runs; invalid ones become the result of the call, so that the model can correct them.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from apiyi_cli.core.events import ToolCall
from apiyi_cli.core.jsontext import write_text
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text, system_reason

if TYPE_CHECKING:
    from apiyi_cli.build.content import Attachment

COMMAND_TIMEOUT_S = 120.0
RESULT_MOST_BYTES = 256 * 1024
AT_ONCE = 8
MOST_STDERR_BYTES = 2000
JOIN_S = 0.1
EXIT_LINGER_S = 1.0
"""Seconds to wait for the output of a command that has exited: a process it left may hold
the pipe open."""

Refuse = Callable[[dict[str, Any], str], str | None]


class ToolResult(NamedTuple):
    """A function's result: text, and pictures for the model."""

    text: str
    pictures: tuple[Attachment, ...] = ()


class Tool(NamedTuple):
    """A function and its implementation: a command, or a `remote` tool of a server.

    `remote` is called with the arguments, the seconds and the bytes that it may take.
    """

    name: str
    argv: tuple[str, ...]
    parameters: dict[str, Any] | None
    remote: Callable[[str, float, int], ToolResult] | None = None

    @property
    def target(self) -> str:
        """Return what the permission question names: the command, or the server."""
        return shlex.join(self.argv) if self.remote is None else str(self.remote)


def parse_run_options(
    commands: Sequence[str], functions: Sequence[dict[str, Any]]
) -> dict[str, Tool]:
    """Return the tools of `--run NAME=COMMAND` values by name.

    COMMAND is split like a shell command, but run without a shell. Raises UsageError for a
    name without a `--tool`, a name given twice, and a COMMAND that cannot be split.
    """
    schemas = {tool["function"]["name"]: tool["function"].get("parameters") for tool in functions}
    tools: dict[str, Tool] = {}
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
                    "describe it: --tool {tool}", tool=quote_word(write_text({"name": name}))
                ),
            )
        if name in tools:
            raise UsageError(Text("cannot use --run {name}", name=name), Text("it is given twice"))
        tools[name] = Tool(name, argv, schemas[name])
    return tools


def run_tools(
    calls: Sequence[tuple[Tool, ToolCall]],
    *,
    environ: Mapping[str, str],
    refuse: Refuse,
    timeout_s: float = COMMAND_TIMEOUT_S,
    most_bytes: int = RESULT_MOST_BYTES,
) -> list[ToolResult]:
    """Run the commands, `AT_ONCE` at a time, and return the result of each call.

    `environ` is the whole environment of a command. `refuse` returns why the arguments do not
    fit the function's schema (the command is not run then), or None. The result of a command
    that fails, times out or cannot start is an error text with the end of its stderr. A
    command that writes more than `most_bytes` is killed and its output is cut. When this
    function ends, however that happens, no command or child of one is left running.
    """
    processes = _ToolProcesses(environ, timeout_s, most_bytes)
    results = [ToolResult("")] * len(calls)
    failures: list[Exception] = []
    room = threading.Semaphore(AT_ONCE)

    def answer(place: int, tool: Tool, call: ToolCall) -> None:
        with room:
            try:
                results[place] = processes.run(tool, call.arguments, refuse)
            except Exception as failure:
                # Raised by the waiting thread, because an empty result would be wrong.
                failures.append(failure)

    threads = [
        threading.Thread(target=answer, args=(place, *pair), daemon=True)
        for place, pair in enumerate(calls)
    ]
    try:
        _run_threads(threads)
    finally:
        processes.close()
    if failures:
        raise failures[0]
    return results


def _run_threads(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            # Polls, because a signal just before an endless wait would not end it.
            thread.join(JOIN_S)


def kill_group(process: Any) -> None:
    """Kill a process, if it runs, and the rest of its group."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        elif process.returncode is None:
            process.kill()


def cut_result(text: str, most_bytes: int) -> str:
    """Return a result, cut with a note if it has more than `most_bytes`."""
    content = text.encode("utf-8", "replace")
    if len(content) <= most_bytes:
        return text
    return f"{content[:most_bytes].decode('utf-8', 'ignore')}\n{_cut_note(most_bytes)}"


def _cut_note(most_bytes: int) -> str:
    return f"[cut: a result may have {most_bytes} bytes]"


class _ToolProcesses:
    """The running commands; after `close` none can start."""

    def __init__(self, environ: Mapping[str, str], timeout_s: float, most_bytes: int) -> None:
        self._environ = dict(environ)
        self._timeout_s = timeout_s
        self._most_bytes = most_bytes
        self._processes: list[_ToolProcess] = []
        self._lock = threading.Lock()
        self._closed = False

    def run(self, tool: Tool, arguments: str, refuse: Refuse) -> ToolResult:
        """Call a remote tool, or run a command to its end; return the result."""
        if why := refuse(tool.parameters or {"type": "object"}, arguments):
            return ToolResult(f"error: the arguments were not used: {why}")
        if tool.remote is not None:
            return tool.remote(arguments, self._timeout_s, self._most_bytes)
        return ToolResult(self._run_command(tool, arguments))

    def _run_command(self, tool: Tool, arguments: str) -> str:
        try:
            with self._lock:
                if self._closed:
                    return "error: the run was stopped"
                process = _ToolProcess(tool.argv, self._environ, self._most_bytes)
                self._processes.append(process)
        except OSError as failure:
            return f"error: {tool.argv[0]} cannot be run: {system_reason(failure)}"
        status = process.wait(arguments.encode("utf-8", "replace"), self._timeout_s)
        result = process.stdout.text
        if process.stdout.is_full:
            return f"{result}\n{_cut_note(self._most_bytes)}"
        if status is None:
            return f"error: {tool.name} did not end within {self._timeout_s:g} s"
        if status:
            why = f"error: exit status {status}: {process.stderr.text.strip()}"
            return f"{why}\n{result}".rstrip("\n")
        return result

    def close(self) -> None:
        """Kill all running commands."""
        with self._lock:
            self._closed = True
        for process in self._processes:
            process.kill_running()


class _ToolProcess:
    """A command in its own process group, to be killed with its children."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], most_bytes: int) -> None:
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        self.stdout = _PipeReader(self._process.stdout, most_bytes, self.kill)
        self.stderr = _PipeReader(self._process.stderr, MOST_STDERR_BYTES, None)

    def wait(self, arguments: bytes, timeout_s: float) -> int | None:
        """Feed the arguments and return the exit status, negative for a signal.

        After `timeout_s` kill everything and return None.
        """
        threading.Thread(target=self._feed, args=(arguments,), daemon=True).start()
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
            return None
        finally:
            for reader in (self.stdout, self.stderr):
                if not reader.wait(EXIT_LINGER_S):
                    self.kill()

    def kill_running(self) -> None:
        """Kill the command unless it has exited."""
        if self._process.poll() is None:
            self.kill()

    def kill(self) -> None:
        """Kill the process and the rest of its group."""
        kill_group(self._process)

    def _feed(self, arguments: bytes) -> None:
        assert self._process.stdin is not None
        # Not every command reads its arguments.
        with suppress(OSError), self._process.stdin as stdin:
            stdin.write(arguments)


class _PipeReader:
    """Reads a pipe to its end in a thread and keeps at most `most_bytes`.

    With `on_full` the first bytes are kept, and it is called when there are more; without it
    the last bytes are kept.
    """

    def __init__(
        self, pipe: IO[bytes], most_bytes: int, on_full: Callable[[], None] | None
    ) -> None:
        self._pipe = pipe
        self._most_bytes = most_bytes
        self._on_full = on_full
        self._pieces: list[bytes] = []
        self.is_full = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """Return the kept output as text."""
        content = b"".join(self._pieces)
        most = self._most_bytes
        kept = content[-most:] if self._on_full is None else content[:most]
        return kept.decode("utf-8", "replace")

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end of the pipe. Return False if it did not come in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _read(self) -> None:
        size = 0
        with self._pipe:
            while not self.is_full and (piece := self._pipe.read(1 << 16)):
                size += len(piece)
                if self._on_full is None:
                    self._pieces = [b"".join((*self._pieces, piece))[-self._most_bytes :]]
                else:
                    self._pieces.append(piece)
                    self.is_full = size > self._most_bytes
        if self.is_full and self._on_full is not None:
            self._on_full()
