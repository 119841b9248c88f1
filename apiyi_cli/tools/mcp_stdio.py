"""A MCP server as a child process: JSON-RPC messages, one per line, over its pipes.

The official package's own transport starts a server with a part of the environment, prints its
stderr on ours, reads lines of any length, and needs up to six seconds to end it. This one has
the environment of every program that is started from here, keeps the end of stderr for the error
message, bounds a line, and leaves nothing running.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from apiyi_cli.tools.run import kill_group

if TYPE_CHECKING:
    from anyio.abc import AsyncResource, ByteReceiveStream, Process

MOST_LINE_BYTES: Final = 64 << 20
MOST_STDERR_KEPT: Final = 2000
EXIT_PATIENCE_S: Final = 1.0
"""Seconds for a server to end after its input is closed, as the protocol asks."""


class StderrTail:
    """The last bytes that a server wrote on stderr."""

    def __init__(self) -> None:
        self._kept = b""

    def add(self, piece: bytes) -> None:
        """Add output."""
        self._kept = (self._kept + piece)[-MOST_STDERR_KEPT:]

    @property
    def last_line(self) -> str:
        """Return the last line that is not blank."""
        lines = self._kept.decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


@asynccontextmanager
async def connect_stdio(
    argv: Sequence[str], environ: Mapping[str, str], stderr: StderrTail
) -> AsyncIterator[tuple[Any, Any]]:
    """Start a server and yield its message streams; end it and its children.

    A line that is not a message comes as an exception, which the session skips. Raises OSError
    if the program cannot be started.
    """
    import anyio
    from mcp.shared.message import SessionMessage

    process = await anyio.open_process(
        list(argv), env=dict(environ), stderr=subprocess.PIPE, start_new_session=True
    )
    send_in, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    sent, receive_out = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read, process, send_in)
        tasks.start_soon(_write, process, receive_out, send_in)
        tasks.start_soon(_keep_stderr, process, stderr)
        try:
            yield received, sent
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)
                for stream in (received, sent):
                    await stream.aclose()
            tasks.cancel_scope.cancel()


async def _read(process: Process, messages: Any) -> None:
    assert process.stdout is not None
    async with messages:
        with suppress(*_list_closed_errors()):
            async for line in _lines(process.stdout):
                await messages.send(_parse(line))


async def _write(process: Process, messages: Any, received: Any) -> None:
    """Write messages to the server; if it accepts no more, close `received`."""
    assert process.stdin is not None
    async with messages:
        with suppress(*_list_closed_errors()):
            async for item in messages:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                await process.stdin.send(text.encode("utf-8", "replace") + b"\n")
            return
    # The session must not wait for answers that cannot come.
    await received.aclose()


async def _keep_stderr(process: Process, stderr: StderrTail) -> None:
    assert process.stderr is not None
    with suppress(*_list_closed_errors()):
        async for piece in process.stderr:
            stderr.add(piece)


def _list_closed_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions for a closed pipe or stream."""
    import anyio

    return anyio.ClosedResourceError, anyio.BrokenResourceError, OSError


async def _lines(stdout: ByteReceiveStream) -> AsyncIterator[bytes]:
    """Yield the lines of a server. Raises OSError for a line that is too long."""
    pieces: list[bytes] = []
    size = 0
    async for piece in stdout:
        *whole, rest = piece.split(b"\n")
        for line in whole:
            yield b"".join((*pieces, line))
            pieces, size = [], 0
        pieces.append(rest)
        size += len(rest)
        if size > MOST_LINE_BYTES:
            raise OSError("a message is too long")


def _parse(line: bytes) -> Any:
    """Return the message of a line, the exception if it is not a message."""
    from mcp.shared.message import SessionMessage
    from mcp.types import jsonrpc_message_adapter

    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as failure:
        return failure


async def _end(process: Process) -> None:
    """Close the server's input, wait a moment, then kill it and its children."""
    import anyio

    await _close(process.stdin)
    deadline = anyio.current_time() + EXIT_PATIENCE_S
    # Not wait(): it also waits for the end of pipes that a grandchild may hold.
    while process.returncode is None and anyio.current_time() < deadline:
        await anyio.sleep(0.01)
    kill_group(process)
    await _close(process.stdout)
    await _close(process.stderr)
    with anyio.move_on_after(EXIT_PATIENCE_S):
        await process.wait()
    # A pipe that a grandchild holds would stay open; nothing public of asyncio or anyio closes it.
    transport = getattr(getattr(process, "_process", None), "_transport", None)
    if transport is not None:
        transport.close()
        await anyio.sleep(0)


async def _close(stream: AsyncResource | None) -> None:
    if stream is not None:
        with suppress(*_list_closed_errors()):
            await stream.aclose()
