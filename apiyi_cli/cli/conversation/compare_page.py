"""Shows the answers of several models on a terminal, each when it is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from apiyi_cli.render.columns import Column, ColumnStyle, format_below, format_beside, has_room
from apiyi_cli.render.terminal_draft import Draft

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context
    from apiyi_cli.cli.conversation.compare_row import CompareRow


class ComparePage:
    """Shows answers side by side while they fit, else one below the other.

    Beside each other they are drawn anew when one more is done; what is below each other stays.
    """

    def __init__(self, ctx: Context, rows: Sequence[CompareRow], markdown: bool | None) -> None:
        self._rows = rows
        self._window = ctx.process.console.window
        color = ctx.output.color
        self._style = ColumnStyle(color, color if markdown is None else markdown)
        self._draft = Draft()
        self._draft.width, self._draft.height = self._window.size
        self._is_beside = self._window.can_draw
        self._messages_before = self._window.messages_shown
        self._printed: list[CompareRow] = []

    def lines(self, done: Iterator[CompareRow]) -> Iterator[bytes]:
        """Yield each answer's output when it is done; on a failure the others'."""
        # Set, so that the messages of other threads are counted.
        self._window.before_message = bytes
        try:
            for row in done:
                yield self._show([row])
        except GeneratorExit:
            raise
        except BaseException:
            left = [row for row in self._rows if row not in self._printed]
            yield self._show([row for row in left if row.texts or row.is_done], is_last=True)
            raise
        finally:
            self._window.before_message = None

    def _show(self, ready: Sequence[CompareRow], *, is_last: bool = False) -> bytes:
        """Return the output that shows more answers, replacing the page if they fit."""
        self._look()
        width, height = self._draft.width, self._draft.height
        out = ""
        if self._is_beside:
            self._printed += ready
            rows = self._draw_beside(is_last) if has_room(len(self._rows), width) else []
            # One row is left for what is waited for.
            if rows and len(rows) + 1 < height:
                out = self._draft.replace([*rows, ""])
                self._draft.take([*rows, ""], "")
                return out.encode("utf-8", "replace")
            out, ready = self._draft.replace([""]), self._printed
            self._is_beside = False
        for row in ready:
            rows = format_below(make_column(row), width, self._style)
            out += "".join(f"{line}\n" for line in rows)
        if not self._is_beside and ready is not self._printed:
            self._printed += ready
        return out.encode("utf-8", "replace")

    def _draw_beside(self, is_last: bool) -> list[str]:
        columns = [
            make_column(row) if row in self._printed else Column(f"{row.model} · …", "")
            for row in self._rows
            if row in self._printed or not is_last
        ]
        return format_beside(columns, self._draft.width, self._style) if columns else []

    def _look(self) -> None:
        """Adapt to the size of the terminal, and to messages printed in between."""
        if self._messages_before != self._window.messages_shown:
            self._messages_before = self._window.messages_shown
            if not self._draft.is_empty:
                self._draft.reset()
                self._is_beside = False
        if (size := self._window.size) != (self._draft.width, self._draft.height):
            self._draft.resize(*size, self._window.reflows)
            self._draft.trim()


def make_column(row: CompareRow) -> Column:
    """Return the column of one answer."""
    title = f"{row.model} · {row.ms / 1000:.1f} s" if row.is_done else f"{row.model} · …"
    text = row.text
    if row.calls:
        from apiyi_cli.render.text import call_line

        text = "\n".join([*([text] if text else []), *(call_line(call) for call in row.calls)])
    return Column(title, text, "" if row.error is None else f"({row.error})")
