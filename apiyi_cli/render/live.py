"""Shows Markdown on a terminal, each character as it arrives.

The open block is shown as it is written and laid out when it closes. Text that has scrolled away
is never drawn again: a block that outgrows the screen is laid out a screenful at a time, and
the rows above the last ones are settled.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from apiyi_cli.core.terminal_text import Neutralizer
from apiyi_cli.render.blocks import Block, Blocks
from apiyi_cli.render.markdown import Markdown
from apiyi_cli.render.terminal_draft import Draft
from apiyi_cli.render.wrap import display_width

NARROWEST, LOWEST = 8, 4
"""A smaller terminal gets each block when it is complete."""
_PARSED_OFTEN_MAX = 8 << 10
_TAIL = 200
_DATA_URL = re.compile(r";base64,[A-Za-z0-9+/=]{64,}\Z")
_MARKS = re.compile(r"[*_`\[~<]")
_RULE = re.compile("─[─┼]*$")
_STYLE = re.compile("\x1b\\[[0-9;]*m")


class SharedScreen(Protocol):
    """The terminal that answer and messages share.

    `before_message`, if set, returns what has to be written before a message of this thread;
    `messages_shown` counts the messages that others have printed without asking.
    """

    before_message: Callable[[], bytes] | None
    messages_shown: int

    @property
    def size(self) -> tuple[int, int]:
        """Return columns and rows."""

    @property
    def reflows(self) -> bool:
        """Return True if the terminal is known to reflow lines when it gets narrower."""


class LiveMarkdown:
    """Turns pieces of Markdown into terminal output that shows each of them at once.

    Its output moves the cursor over its own rows only.
    """

    def __init__(self, color: bool, screen: SharedScreen) -> None:
        self._screen = screen
        self._neutralizer = Neutralizer()
        self._blocks = Blocks()
        self._draft = Draft()
        self._draft.width, self._draft.height = screen.size
        self._markdown = Markdown(self._draft.width, color)
        self._messages_before = screen.messages_shown
        # The rows of the open block above the draft, which are not drawn again.
        self._settled: list[str] = []
        self._is_held = False
        self._tail = ""
        screen.before_message = self.pause

    def feed(self, text: str) -> str:
        """Return output for this piece, with the layout of blocks that it completes."""
        out = self._look()
        text = self._neutralizer.feed(text)
        if not text:
            return out
        closed = self._blocks.feed(text)
        return out + (self._replace(closed) if closed else self._append(text))

    def close(self) -> str:
        """Return the layout of the open block."""
        self._screen.before_message = None
        out = self._look()
        blocks = [*self._blocks.feed(self._neutralizer.close()), *self._blocks.close()]
        return out + self._replace(blocks) if blocks else out

    def pause(self) -> bytes:
        """Return the open block's layout, with its line ended for a message."""
        if self._draft.is_empty:
            return b""
        lines = self._layout_open()
        out = self._draft.replace([*lines, ""])
        self._settle(lines)
        self._draft.reset()
        return out.encode("utf-8", "replace")

    def lose(self) -> str:
        """Return the start of a new row, because the cursor's position is unknown.

        The open block is shown once more when it is closed.
        """
        in_line = self._draft.in_line
        self._draft.reset()
        return "\n" if in_line else ""

    def _look(self) -> str:
        """Adapt to changes of the terminal; return the output that repairs the screen."""
        out = ""
        if self._messages_before != self._screen.messages_shown:
            self._messages_before = self._screen.messages_shown
            self._settle(self._draft.list_rows())
            self._draft.reset()
        if (size := self._screen.size) != (self._draft.width, self._draft.height):
            is_broken = self._draft.resize(*size, self._screen.reflows)
            self._settle(self._draft.trim())
            self._markdown.width = size[0]
            if is_broken:
                out = self._relayout()
        return out

    def _append(self, text: str) -> str:
        draft = self._draft
        if draft.width < NARROWEST or draft.height < LOWEST or not text:
            return ""
        self._tail = (self._tail + text)[-_TAIL:]
        if self._is_held and "\n" in text:
            # A long row of a table has ended.
            self._is_held = False
            return self._relayout()
        if self._is_held or self._must_hold(text):
            self._is_held = True
            return ""
        if draft.fits(text):
            return draft.write(text)
        return self._relayout()

    def _must_hold(self, text: str) -> bool:
        """Return True for text shown only when complete: wide code, a picture's base64."""
        if self._blocks.in_code:
            return not self._draft.fits_row(text)
        return bool(_DATA_URL.search(self._tail))

    def _relayout(self) -> str:
        """Return a new layout of the open block, and settle its upper rows."""
        source = self._blocks.open_text
        blocks = self._blocks.peek()
        whole = len(source) > _PARSED_OFTEN_MAX or any(block.kind == "table" for block in blocks)
        lines = self._layout(self._blocks.peek(whole_lines=True) if whole else blocks)
        whole = whole or any(display_width(_plain(line)) > self._draft.width for line in lines)
        if whole or source.endswith("\n") or not lines:
            return self._settle_lines(lines, source)
        count = self._count_stable(lines)
        out = self._draft.replace(lines)
        self._settle(lines[:count])
        self._draft.take(lines[count:], _plain(lines[-1]))
        spaces = source[len(source.rstrip(" ")) :]
        return out + self._draft.write(spaces)

    def _settle_lines(self, lines: list[str], source: str) -> str:
        """Return output that replaces the draft by complete lines and the open line."""
        out = self._draft.replace([*lines, ""])
        self._settle(lines)
        self._draft.reset()
        rest = source.rpartition("\n")[2]
        if self._draft.fits(rest):
            return out + self._draft.write(rest)
        self._is_held = True
        return out

    def _count_stable(self, lines: list[str]) -> int:
        """Return how many rows to settle; rows after an open mark may still change."""
        least = max(len(lines) - self._draft.height // 2, 0)
        for count in range(least, len(lines) - 1):
            if _MARKS.search(_plain(lines[count])):
                return count
        return len(lines) - 1

    def _replace(self, closed: list[Block]) -> str:
        """Return output that replaces the draft by the layout of complete blocks."""
        if self._settled and (left := _remaining(self._settled, self._lines(closed))):
            # An open line was taken for the next block, some of whose rows are settled.
            self._settled = left
            return self._relayout()
        out = self._draft.replace([*self._layout(closed), ""])
        self._draft.reset()
        self._is_held, self._tail = False, ""
        self._settled.clear()
        return out + self._append(self._blocks.open_text)

    def _layout_open(self) -> list[str]:
        if self._blocks.in_code:
            # Not rendered: that would count as a line of the block.
            return [_without_letters(self._blocks.open_text, _letters(self._settled))]
        return self._layout(self._blocks.peek())

    def _layout(self, blocks: list[Block]) -> list[str]:
        """Return the rows of some blocks without those that are settled."""
        lines = self._lines(blocks)
        count = len(self._settled)
        if [_plain(line) for line in lines[:count]] == self._settled:
            return lines[count:]
        if blocks and blocks[0].kind == "table":
            rest = self._lines([_rest_of_table(blocks[0], _letters(self._settled))])
            rule = next((at for at, line in enumerate(rest) if _RULE.match(_plain(line))), None)
            # A table that is too wide is shown as it is written, without a rule.
            if rule is not None:
                return [*rest[rule + 1 :], *self._lines(blocks[1:])]
        return _skip(lines, _letters(self._settled))

    def _lines(self, blocks: list[Block]) -> list[str]:
        return self._markdown.render(blocks).split("\n")[:-1]

    def _settle(self, lines: list[str]) -> None:
        self._settled += map(_plain, lines)


def _plain(line: str) -> str:
    return _STYLE.sub("", line)


def _skip(lines: list[str], left: int) -> list[str]:
    """Return the text after so many letters."""
    for number, line in enumerate(lines):
        if not left:
            return lines[number:]
        count = _letters([_plain(line)])
        if count > left:
            return [_without_letters(_plain(line), left), *lines[number + 1 :]]
        left -= count
    return []


def _rest_of_table(block: Block, left: int) -> Block:
    """Return a table without the rows of its first letters; a cut row stays whole."""
    rows = block.text.split("\n")
    for number, row in enumerate(rows):
        left -= _letters([row])
        if left < 0:
            return block._replace(text="\n".join(rows[:2] + rows[max(number, 2) :]))
    return block._replace(text="\n".join(rows[:2]))


def _remaining(settled: list[str], lines: list[str]) -> list[str]:
    """Return the settled rows beyond some rows of the text."""
    lines = [*map(_plain, lines)]
    if settled[: len(lines)] == lines:
        return settled[len(lines) :]
    count = _letters(settled) - _letters(lines)
    letters = [character for row in settled for character in row if character.isalnum()]
    return ["".join(letters[-count:])] if count > 0 else []


def _letters(lines: list[str]) -> int:
    """Return the number of letters and digits in rows; layout changes other characters."""
    return sum(sum(map(str.isalnum, line)) for line in lines)


def _without_letters(line: str, count: int) -> str:
    """Return a row without its first letters."""
    if not count:
        return line
    for at, character in enumerate(line):
        count -= character.isalnum()
        if not count:
            return line[at + 1 :].lstrip()
    return line
