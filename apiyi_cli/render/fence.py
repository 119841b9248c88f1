"""Fenced code blocks in Markdown: opening and closing lines.

The rules are CommonMark's (section 4.5), except that a fence may be indented by any amount:
models put blocks under list items at every depth.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Self

_OPENING = re.compile(r"([ \t]*)(`{3,}(?=[^`]*$)|~{3,})(.*)")


class Fence(NamedTuple):
    """An opening fence: its indentation, its run of backticks or tildes, its info string."""

    indent: str
    run: str
    info: str

    @classmethod
    def parse(cls, line: str) -> Self | None:
        """Return the fence that a line opens, None if it opens none."""
        match = _OPENING.fullmatch(line.rstrip("\r\n"))
        return cls(match[1], match[2], match[3].strip()) if match else None

    def is_closed_by(self, line: str) -> bool:
        """Return True if a line closes this fence: the same character, at least as often."""
        bare = line.strip()
        return bare.startswith(self.run) and not bare.strip(self.run[0])

    def inner(self, line: str) -> str:
        """Return a line of the block without the indentation of its fence."""
        lead = len(line) - len(line.lstrip(" \t"))
        return line[min(lead, len(self.indent)) :]


def first_block(text: str) -> str:
    """Return the first fenced block with content, the whole text without one."""
    block = FirstBlock()
    return block.feed(text) + block.close()


class FirstBlock:
    """Passes the content of the first fenced block on, line by line.

    A block of blank lines alone is none: what was paid for is never printed as nothing. A text
    without a block comes out whole at `close`.
    """

    def __init__(self) -> None:
        self._line: list[str] = []
        self._before: list[str] = []
        self._blank: list[str] = []
        self._fence: Fence | None = None
        self._has_content = False
        self._closed = False

    def feed(self, text: str) -> str:
        """Return the text that certainly belongs to the block."""
        if self._closed:
            return ""
        *whole, rest = text.split("\n")
        out = []
        for part in whole:
            self._line.append(part)
            out.append(self._take("".join(self._line) + "\n"))
            self._line.clear()
        if rest:
            self._line.append(rest)
        return "".join(out)

    def close(self) -> str:
        """Return an open block's last line, or the whole text without a block."""
        last = self._take("".join(self._line))
        self._line.clear()
        return last if self._has_content else "".join(self._before)

    def _take(self, line: str) -> str:
        if self._closed:
            return ""
        if self._fence is None:
            self._before.append(line)
            self._fence = Fence.parse(line)
            return ""
        if self._fence.is_closed_by(line):
            self._closed = self._has_content
            self._before.append(line)
            self._blank.clear()
            self._fence = self._fence if self._closed else None
            return ""
        inner = self._fence.inner(line)
        if self._has_content:
            return inner
        self._blank.append(inner)
        if not line.strip():
            self._before.append(line)
            return ""
        self._has_content = True
        self._before.clear()
        return "".join(self._blank)
