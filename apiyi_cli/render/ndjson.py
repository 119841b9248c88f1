"""The server's own objects, one to a line, as they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiyi_cli.core.events import About, Burst, Chunk, Empty, Finish, Notice, Usage
from apiyi_cli.render.text import Aside

ASIDE = (About, Empty, Finish, Notice, Usage)
"""What goes aside when the answer is the server's JSON: reasoning and refusals are in it."""


def ndjson(bursts: Iterable[Burst], *, aside: Aside) -> Iterator[bytes]:
    """Yield each `Chunk` verbatim as one line, the lines of one burst together."""
    for burst in bursts:
        lines = []
        for event in burst:
            if isinstance(event, Chunk):
                lines.append(event.data)
            elif isinstance(event, ASIDE):
                aside(event)
        if lines:
            lines.append(b"")
            yield b"\n".join(lines)
