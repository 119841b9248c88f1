"""Rendered Markdown on a terminal: live, or block by block if redrawing is impossible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from apiyi_cli.core.events import EventBatch
from apiyi_cli.core.terminal_text import Neutralizer, neutralize, neutralize_json
from apiyi_cli.render.blocks import Blocks
from apiyi_cli.render.text import EventHandler, TextFilter, format_answer

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
    if screen is None:
        return _format(batches, on_event, lambda: BlockRenderer(width, color))
    from apiyi_cli.render.live import LiveMarkdown

    live: list[TextFilter] = [LiveMarkdown(color, screen)]
    # Other choices than the first one come whole, at the end.
    return _format(batches, on_event, lambda: live.pop() if live else BlockRenderer(width, color))


def _format(
    batches: Iterable[EventBatch], on_event: EventHandler, through: Callable[[], TextFilter]
) -> Iterator[bytes]:
    return format_answer(
        batches,
        on_event=on_event,
        through=through,
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
