"""The answer as lines of JSON, and the jq filter for such lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from apiyi_cli.core.events import About, Chunk, Delta, Empty, EventBatch, Finish, Notice, Usage
from apiyi_cli.core.jsontext import write
from apiyi_cli.errors import ApiyiError, IncompleteError, SetupError, UsageError
from apiyi_cli.render.text import EventHandler, encode
from apiyi_cli.text import Text

_MOST_KEPT_BYTES = 64 << 20
_SIDE_EVENTS = (About, Empty, Finish, Notice, Usage)
"""Events for stderr if the answer is the server's JSON, which contains the others."""

Assemble = Callable[[list[bytes]], Any]
"""Assembles the chunks of a stream into the object of an unstreamed answer."""


def ndjson(batches: Iterable[EventBatch], *, on_event: EventHandler) -> Iterator[bytes]:
    """Yield each `Chunk` verbatim as one line, the lines of one batch together."""
    for batch in batches:
        lines = []
        for event in batch:
            kind = type(event)
            if kind is Chunk:
                lines.append(event.data)  # type: ignore[union-attr]
            elif kind is not Delta and isinstance(event, _SIDE_EVENTS):
                on_event(event)
        if lines:
            lines.append(b"")
            yield b"\n".join(lines)


def whole(
    batches: Iterable[EventBatch], *, on_event: EventHandler, assemble: Assemble
) -> Iterator[bytes]:
    """Yield the server's object as one line: verbatim, or assembled from its chunks.

    When `batches` raises after some chunks (a cut, a signal), the object made of those is
    yielded first: its `finish_reason` says that it is incomplete.
    """
    chunks: list[bytes] = []
    try:
        for batch in batches:
            for event in batch:
                if isinstance(event, Chunk):
                    if event.whole:
                        yield event.data + b"\n"
                    else:
                        chunks.append(event.source)
                elif isinstance(event, _SIDE_EVENTS):
                    on_event(event)
    except GeneratorExit:
        raise
    except BaseException:
        if chunks:
            yield write(assemble(chunks)) + b"\n"
        raise
    if chunks:
        yield write(assemble(chunks)) + b"\n"


def compile_filter(expression: str) -> Any:
    """Return a compiled jq expression for `apply_filter`.

    Raises UsageError for an expression that is not jq, SetupError when the `jq` package is
    not installed; both before anything is sent.
    """
    try:
        import jq
    except ImportError:
        raise SetupError(
            Text("--jq needs the jq package"),
            Text("not installed"),
            hint="pip install 'apiyi-cli[jq]'",
        ) from None
    try:
        return jq.compile(expression)
    except ValueError as error:
        why = str(error).strip().splitlines()[0]
        raise UsageError(
            Text("--jq {expression} is not a jq expression", expression=repr(expression)),
            why,
            hint=Text("see jq(1)"),
        ) from None


def apply_filter(lines: Iterable[bytes], program: Any) -> Iterator[bytes]:
    """Yield the program's output for each line of JSON: strings raw, the rest compact.

    An item may hold several lines; nothing is yielded for `empty`. The program failing on
    an object does not lose the objects after it: the IncompleteError is raised at the end, with
    those that it failed on.
    """
    failed: ValueError | None = None
    received = bytearray()
    try:
        for item in lines:
            outputs: list[bytes] = []
            for line in item.splitlines():
                if not line.strip():
                    continue
                try:
                    for value in program.input_text(line.decode("utf-8", "replace")):
                        outputs.append(encode(value) if isinstance(value, str) else write(value))
                except ValueError as error:
                    failed = failed or error
                    if len(received) < _MOST_KEPT_BYTES:
                        received += line + b"\n"
            if outputs:
                yield b"\n".join([*outputs, b""])
    except ApiyiError as error:
        if not received:
            raise
        raise error.with_received(bytes(received)) from error.__cause__
    if failed:
        what = Text("--jq cannot be applied to the answer")
        raise IncompleteError(what, str(failed).strip(), received=bytes(received))
