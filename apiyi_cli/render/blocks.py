"""Splits Markdown into blocks while it arrives.

Only blocks that models write are known; any other line is a paragraph's. `markdown` renders
the blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy
from typing import Literal, NamedTuple

from apiyi_cli.render.fence import Fence

Kind = Literal[
    "paragraph", "heading", "item", "quote", "table", "rule", "blank", "fence", "code", "verbatim"
]

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*")
_ITEM = re.compile(r"([ \t]*)([-*+]|\d{1,9}[.)])(?:[ \t]+(.*)|)")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
_DELIMITERS = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")


class Block(NamedTuple):
    """One block, or one line of code.

    `text` has no line end at its end. `mark` is a heading's `#`s, an item's bullet or
    number, a code line's info string. `indent` counts columns.
    """

    kind: Kind
    text: str = ""
    mark: str = ""
    indent: int = 0


class Blocks:
    """Splits a Markdown text, fed piece by piece, into its blocks."""

    def __init__(self) -> None:
        self._partial: list[str] = []
        self._open: list[str] = []
        self._raw: list[str] = []
        self._item: Block | None = None
        self._quoting = False
        self._fence: Fence | None = None
        self._in_list = False

    def feed(self, text: str) -> list[Block]:
        """Return the blocks that this piece completes."""
        *lines, rest = text.split("\n")
        blocks: list[Block] = []
        for line in lines:
            self._partial.append(line)
            blocks += self._line("".join(self._partial))
            self._partial.clear()
        if rest:
            self._partial.append(rest)
        return blocks

    def close(self) -> list[Block]:
        """Return the blocks that are open at the end of the text."""
        blocks: list[Block] = []
        if self._partial:
            blocks += self._line("".join(self._partial))
            self._partial.clear()
        return [*blocks, *self._close_block()]

    @property
    def open_text(self) -> str:
        """Return the source of the open block; of a code block only its line."""
        return "".join([*(line + "\n" for line in self._raw), *self._partial])

    @property
    def in_code(self) -> bool:
        """Return True inside a fenced code block."""
        return self._fence is not None

    def peek(self, *, whole_lines: bool = False) -> list[Block]:
        """Return the open blocks, or their complete lines, without closing them."""
        other = copy(self)
        other._partial = [] if whole_lines else [*self._partial]
        other._open, other._raw = [*self._open], [*self._raw]
        return other.close()

    def _line(self, line: str) -> Iterator[Block]:
        if self._fence is not None:
            yield self._code(line, self._fence)
        elif (fence := Fence.parse(line)) and not line.lstrip().startswith(">"):
            yield from self._close_block()
            self._fence = fence
            yield Block("fence", line)
        elif not line.strip():
            yield from self._close_block()
            yield Block("blank")
        else:
            yield from self._words(line)

    def _code(self, line: str, fence: Fence) -> Block:
        if fence.is_closed_by(line):
            self._fence = None
            return Block("fence", line)
        return Block("code", line, fence.info.split(" ")[0])

    def _words(self, line: str) -> Iterator[Block]:
        if line.lstrip().startswith(">"):
            if not self._quoting:
                yield from self._close_block()
            self._quoting = True
            self._add(line, line)
        elif match := _HEADING.fullmatch(line):
            yield from self._close_block()
            yield Block("heading", match[2] or "", match[1])
        elif self._is_underline(line):
            mark = "#" if "=" in line else "##"
            self._raw.clear()
            yield Block("heading", self._open.pop().strip(), mark)
        elif _RULE.fullmatch(line):
            yield from self._close_block()
            yield Block("rule")
        elif (match := _ITEM.fullmatch(line)) and self._may_begin_item(match):
            yield from self._close_block()
            self._in_list = True
            self._item = Block("item", "", match[2], len(match[1].expandtabs(4)))
            self._add(match[3] or "", line)
        else:
            yield from self._prose(line)

    def _is_underline(self, line: str) -> bool:
        plain = len(self._open) == 1 and self._item is None and not self._quoting
        return plain and "|" not in self._open[0] and bool(_UNDERLINE.fullmatch(line))

    def _may_begin_item(self, match: re.Match[str]) -> bool:
        """Return True for an item: 1. begins a list, "in\\n1984. A year" is a sentence."""
        in_sentence = bool(self._open) and self._item is None and not self._quoting
        if in_sentence and not self._in_list:
            return bool(match[3]) and (match[2] in "-*+" or match[2][:-1] == "1")
        return self._in_list or len(match[1].expandtabs(4)) < 4

    def _prose(self, line: str) -> Iterator[Block]:
        if self._open:
            self._add(line, line)
            return
        indent = len(line) - len(line.lstrip())
        self._in_list = self._in_list and indent > 0
        if not self._in_list and len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip()) >= 4:
            yield Block("verbatim", line)
            return
        self._add(line, line)

    def _add(self, text: str, line: str) -> None:
        self._open.append(text)
        self._raw.append(line)

    def _close_block(self) -> Iterator[Block]:
        if not self._open:
            return
        lines, self._open = self._open, []
        self._raw.clear()
        item, self._item = self._item, None
        quoting, self._quoting = self._quoting, False
        if item:
            yield item._replace(text="\n".join(line.strip() for line in lines))
        elif quoting:
            yield Block("quote", "\n".join(lines))
        elif len(lines) > 1 and "|" in lines[0] and _DELIMITERS.fullmatch(lines[1]):
            yield Block("table", "\n".join(lines))
        else:
            indent = len(lines[0].expandtabs(4)) - len(lines[0].expandtabs(4).lstrip())
            yield Block("paragraph", "\n".join(line.strip() for line in lines), indent=indent)
