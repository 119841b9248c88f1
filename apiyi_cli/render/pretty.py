"""Markdown on a terminal while it arrives.

Nothing is ever erased or printed twice: a block is printed once it is closed, the lines of
a code block one by one, so that the scrollback is the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiyi_cli.core.events import EventBatch
from apiyi_cli.core.terminal_text import Neutralizer, neutralize, neutralize_json
from apiyi_cli.render.blocks import Block, Blocks
from apiyi_cli.render.text import EventHandler, format_answer


def pretty(
    batches: Iterable[EventBatch], *, on_event: EventHandler, width: int, color: bool
) -> Iterator[bytes]:
    """Yield the answer as `text.text` does, its Markdown rendered block by block.

    Lines are at most `width` columns wide, except code, which is never changed. All text is
    made safe for a terminal; brackets and emoji codes stay as they are. What a cut stream
    left unfinished is printed as far as it came.
    """
    return format_answer(
        batches,
        on_event=on_event,
        through=lambda: Rendered(width, color),
        verbatim=neutralize,
        json_text=neutralize_json,
    )


class Rendered:
    """Turns pieces of Markdown into pieces of terminal output."""

    def __init__(self, width: int, color: bool) -> None:
        from apiyi_cli.render.markdown import Markdown

        self._neutralizer = Neutralizer()
        self._blocks = Blocks()
        self._markdown = Markdown(width, color)

    def feed(self, text: str) -> str:
        """Return what the blocks that are closed by now look like."""
        return self._render(self._blocks.feed(self._neutralizer.feed(text)))

    def close(self) -> str:
        """Return what the block still open looks like."""
        blocks = [*self._blocks.feed(self._neutralizer.close()), *self._blocks.close()]
        return self._render(blocks)

    def _render(self, blocks: list[Block]) -> str:
        try:
            return self._markdown.render(blocks)
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            # A layout that fails must not take away an answer that was paid for.
            return "".join(f"{block.text}\n" for block in blocks)
