"""`apiyi mcp`: the commands as tools of an MCP server over stdin and stdout.

Each call runs the program's own command as a child process: the same options, limits, ledger and
cache, nothing of a failure or a signal reaches another call, and what is cancelled ends with its
process. Stdout carries the protocol alone. The official `mcp` package is imported here only.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from apiyi_cli.agents.served_tools import (
    SERVED,
    ServedTool,
    answer_without_output,
    make_line,
    tool_schema,
)
from apiyi_cli.core.exit_codes import EXIT_CODES
from apiyi_cli.core.jsontext import write_text
from apiyi_cli.core.language import Translate
from apiyi_cli.errors import Interrupted
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from anyio.abc import ByteReceiveStream, Process

MOST_ANSWER_BYTES: Final = 16 << 20
MOST_NOTES_BYTES: Final = 16 << 10
PROGRESS_S: Final = 5.0
END_PATIENCE_S: Final = 5.0


class ServerOptions(NamedTuple):
    """Options that apply to every call of a session.

    `shared` are options that go on every line, `max_usd` bounds the estimated cost of all calls
    together, `folder` is where files go and paths begin, `scratch` a folder for private files.
    `cost_report` is the variable that names the file into which a command writes what
    `--max-cost` has counted.
    """

    shared: tuple[str, ...]
    max_usd: float | None
    folder: Path
    scratch: Path
    environ: Mapping[str, str]
    cost_report: str


class _EndedCommand(NamedTuple):
    """The end of a command: its exit code (negative: the signal) and its output."""

    code: int
    out: str
    notes: str


def serve(
    options: ServerOptions, commands: Mapping[str, Any], version: str, say: Translate
) -> None:
    """Serve until the client closes stdin. `commands` are the described commands by name."""
    import anyio

    try:
        anyio.run(_serve, _Session(options, commands, say), version)
    except _StoppedBySignal as stop:
        raise Interrupted(stop.signum) from None


class _StoppedBySignal(KeyboardInterrupt):
    """What ends the event loop: of all exceptions it lets this one and SystemExit through."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def _end_loop_on_signals() -> None:
    """End the loop between two steps when a signal ends the program.

    An exception of a signal handler would be that of the task whose step it interrupts, and the
    server would go on without that task.
    """
    import asyncio

    def stop(signum: int) -> None:
        raise _StoppedBySignal(signum)

    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signum = getattr(signal, name, None)
        if signum is not None and signal.getsignal(signum) is not signal.SIG_IGN:
            # Loops on Windows have none.
            with suppress(NotImplementedError):
                loop.add_signal_handler(signum, stop, signum)


async def _serve(session: _Session, version: str) -> None:
    _end_loop_on_signals()
    from mcp.server.lowlevel import Server
    from mcp.server.stdio import stdio_server

    server: Server[Any] = Server(
        "apiyi",
        version=version,
        instructions=session.instructions,
        on_list_tools=session.list_tools,
        on_call_tool=session.call_tool,
    )
    async with stdio_server() as (received, sent):
        await server.run(received, sent, server.create_initialization_options())


class _Session:
    """The tools of one client, and the estimated cost of its calls so far."""

    def __init__(self, options: ServerOptions, commands: Mapping[str, Any], say: Translate) -> None:
        import anyio

        self._options = options
        self._say = say
        self._tools = {tool.name: tool for tool in SERVED}
        self._schemas = {
            tool.name: tool_schema(tool, commands[tool.command], say) for tool in SERVED
        }
        self._spent_usd = 0.0
        self._count = 0
        # With a limit one call that costs runs at a time: what the others cost is not known yet.
        self._turn = anyio.Semaphore(1)

    @property
    def instructions(self) -> str:
        """Return the instructions that an agent reads before its first call."""
        return self._say(
            Text(
                "Tools run the commands of apiyi. Files are paths, relative ones below {folder}."
                " An error names the exit code of the command: 5 may be called again for free,"
                " 8 may have been billed already.",
                folder=str(self._options.folder),
            )
        )

    async def list_tools(self, context: Any, params: Any) -> Any:
        """Return all tools."""
        from mcp.types import ListToolsResult, Tool, ToolAnnotations

        return ListToolsResult(
            tools=[
                Tool(
                    name=tool.name,
                    description=self._say(tool.help),
                    input_schema=self._schemas[tool.name],
                    annotations=ToolAnnotations(
                        read_only_hint=not tool.costs, destructive_hint=False
                    ),
                )
                for tool in SERVED
            ]
        )

    async def call_tool(self, context: Any, params: Any) -> Any:
        """Run the command of a tool; return its output or its failure."""
        tool = self._tools.get(params.name)
        if tool is None:
            return _error_result(f"there is no tool {params.name}", 2)
        arguments = params.arguments or {}
        if misfit := _find_misfit(self._schemas[tool.name], arguments):
            return _error_result(misfit, 2)
        async with self._account(tool) as (extra, environ):
            line = make_line(tool, arguments, self._options.folder, (*self._options.shared, *extra))
            ended = await _run_command(
                line.words, line.stdin, environ, self._options.folder, context.session
            )
        if ended.code != 0:
            return _error_result(ended.notes or ended.out, ended.code, ended.out)
        output = ended.out or answer_without_output(tool, arguments, self._options.folder)
        return _result([*filter(None, (output, ended.notes))] or [""])

    @asynccontextmanager
    async def _account(
        self, tool: ServedTool
    ) -> AsyncIterator[tuple[Sequence[str], Mapping[str, str]]]:
        """Yield the options and environment that keep a call within the session's limit."""
        limit = self._options.max_usd
        if limit is None or not tool.costs:
            yield (), self._options.environ
            return
        async with self._turn:
            self._count += 1
            report = self._options.scratch / f"cost-{self._count}"
            left_usd = max(0.0, limit - self._spent_usd)
            try:
                yield (
                    (f"--max-cost={left_usd:.9f}",),
                    {**self._options.environ, self._options.cost_report: str(report)},
                )
            finally:
                with suppress(OSError, ValueError):
                    self._spent_usd += float(report.read_text("ascii"))


async def _run_command(
    words: Sequence[str], stdin: bytes, environ: Mapping[str, str], folder: Path, session: Any
) -> _EndedCommand:
    """Run the program with these arguments; end it if this task is cancelled."""
    import anyio

    out, notes = bytearray(), bytearray()
    process = await anyio.open_process(
        [sys.executable, "-m", "apiyi_cli", *words],
        env=dict(environ),
        cwd=folder,
        stderr=subprocess.PIPE,
    )
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_report_progress, session, words[0])
            async with anyio.create_task_group() as pipes:
                pipes.start_soon(_feed, process, stdin)
                pipes.start_soon(_collect, process.stdout, out, MOST_ANSWER_BYTES, process)
                pipes.start_soon(_collect, process.stderr, notes, MOST_NOTES_BYTES, None)
            await process.wait()
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)
    if len(out) > MOST_ANSWER_BYTES:
        return _EndedCommand(
            11, "", "the answer is too large for a tool: write it to a file (output)"
        )
    code = process.returncode
    return _EndedCommand(1 if code is None else code, _decode(out), _decode(notes))


async def _feed(process: Process, stdin: bytes) -> None:
    import anyio

    assert process.stdin is not None
    with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        if stdin:
            await process.stdin.send(stdin)
        await process.stdin.aclose()


async def _collect(
    stream: ByteReceiveStream | None, kept: bytearray, most_bytes: int, process: Process | None
) -> None:
    """Keep a pipe's output; at the size limit end the process or drop the rest."""
    assert stream is not None
    async for piece in stream:
        if len(kept) <= most_bytes:
            kept += piece
        elif process is not None and process.returncode is None:
            process.terminate()


async def _report_progress(session: Any, command: str) -> None:
    """Report every few seconds that the command still runs, if the client asked for progress."""
    import anyio

    seconds = 0.0
    while True:
        await anyio.sleep(PROGRESS_S)
        seconds += PROGRESS_S
        await session.report_progress(seconds, message=f"apiyi {command}: {seconds:g} s")


async def _end(process: Process) -> None:
    """End a running command: by SIGTERM, which it handles, then by SIGKILL."""
    import anyio

    if process.returncode is None:
        with suppress(OSError):
            process.terminate()
        with anyio.move_on_after(END_PATIENCE_S):
            await process.wait()
    if process.returncode is None:
        with suppress(OSError):
            process.kill()
        await process.wait()
    await process.aclose()


def _decode(data: bytearray) -> str:
    return bytes(data).decode("utf-8", "replace").rstrip("\n")


def _find_misfit(schema: dict[str, Any], arguments: Mapping[str, Any]) -> str | None:
    from apiyi_cli.build.schemas.answer_check import check_answer

    check = check_answer(schema, write_text(arguments))
    return check.misfit or check.unfinished


def _result(texts: Sequence[str], **facts: Any) -> Any:
    from mcp.types import CallToolResult, TextContent

    return CallToolResult(content=[TextContent(type="text", text=text) for text in texts], **facts)


def _error_result(message: str, code: int, out: str = "") -> Any:
    """Return a failure for the client: message, exit code, whether to call again."""
    row = next((row for row in EXIT_CODES if row.code == code), None)
    name = row.name if row is not None else "signal" if code < 0 else "unknown"
    again = row.again if row is not None else "may pay twice"
    texts = [f"{message}\nexit code {code} ({name}); call again: {again}"]
    # The received part of a cut answer was paid for.
    texts += [out] if out and out != message else []
    facts = {"exit_code": code, "name": name, "run_again": again, "message": message}
    return _result(texts, structured_content=facts, is_error=True)
