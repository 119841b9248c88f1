"""Rendered Markdown on a terminal: live, or block by block if redrawing is impossible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from apiyi_cli.core.events import EventBatch
from apiyi_cli.core.terminal_text import Neutralizer, neutralize, neutralize_json
from apiyi_cli.render.blocks import Blocks
from apiyi_cli.render.text import EventHandler, TextFilter
from apiyi_cli.render.text import text as format_text

if TYPE_CHECKING:
    from apiyi_cli.render.live import SharedScreen


def pretty(
    batches: Iterable[EventBatch],
    *,
    on_event: EventHandler,
    width: int,
    color: bool,
    screen: SharedScreen | None = None,
) -> Iterator[bytes]:
    """Yield the answer like `text.text`, with rendered Markdown.

    With a `screen` each character is shown at once, and its block laid out when it is closed;
    else a block is printed once it is closed, the lines of a code block one by one. Lines are
    at most `width` columns wide, except code, which is never changed. All text is made safe
    for a terminal; brackets and emoji codes stay as they are. What a cut stream left
    unfinished is printed as far as it came.
    """
    live: list[TextFilter] = []
    if screen is not None:
        from apiyi_cli.render.live import LiveMarkdown

        # Other choices than the first one come whole, at the end.
        live.append(LiveMarkdown(color, screen))
    return format_text(
        batches,
        on_event=on_event,
        through=lambda: live.pop() if live else BlockRenderer(width, color),
        verbatim=neutralize,
        json_text=neutralize_json,
    )


class BlockRenderer:
    """Turns pieces of Markdown into pieces of terminal output, block by block."""

    def __init__(self, width: int, color: bool) -> None:
        from apiyi_cli.render.markdown import Markdown

        self._neutralizer = Neutralizer()
        self._blocks = Blocks()
        self._markdown = Markdown(width, color)

    def feed(self, text: str) -> str:
        """Return the rendered blocks that this piece completes."""
        return self._markdown.render(self._blocks.feed(self._neutralizer.feed(text)))

    def close(self) -> str:
        """Return the rendered open block."""
        blocks = [*self._blocks.feed(self._neutralizer.close()), *self._blocks.close()]
        return self._markdown.render(blocks)
