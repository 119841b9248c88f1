"""The server's own objects, one per line, as they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiyi_cli.core.events import About, Chunk, Delta, Empty, EventBatch, Finish, Notice, Usage
from apiyi_cli.render.text import EventHandler

SIDE_EVENTS = (About, Empty, Finish, Notice, Usage)
"""Events for stderr if the answer is the server's JSON, which contains the others."""


def ndjson(batches: Iterable[EventBatch], *, on_event: EventHandler) -> Iterator[bytes]:
    """Yield each `Chunk` verbatim as one line, the lines of one batch together."""
    for batch in batches:
        lines = []
        for event in batch:
            kind = type(event)
            if kind is Chunk:
                lines.append(event.data)  # type: ignore[union-attr]
            elif kind is not Delta and isinstance(event, SIDE_EVENTS):
                on_event(event)
        if lines:
            lines.append(b"")
            yield b"\n".join(lines)
