"""Wraps text to a terminal's width without loading the renderer of answers.

Latin text breaks at spaces, Chinese between any two characters; `render.wrap` knows the
finer rules and needs rich, for which `--help` cannot wait.
"""

from __future__ import annotations

import re
from unicodedata import east_asian_width

WIDEST = 100
"""Prose is not wider than this, whatever the terminal's width."""

_WIDE = r"\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60"
_CLOSING = r"，。、；：！？）」』】》”’…"
_OPENING = r"（「『【《“‘"
_PIECE = re.compile(
    rf"[{_OPENING}]*(?:[^\s{_CLOSING}{_OPENING}{_WIDE}]+|(?![{_CLOSING}{_OPENING}])[{_WIDE}])"
    rf"[{_CLOSING}]*|[{_OPENING}{_CLOSING}]+"
)
"""Units that a line break must not divide: a word, or a wide character with punctuation."""


def columns(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def fill_lines(text: str, width: int, indent: str = "", hanging: str | None = None) -> list[str]:
    """Return the text as lines of at most `width` columns, the indentation included.

    `hanging` begins every line but the first; without it, `indent` does. A word that is
    wider than a line stays whole.
    """
    after = indent if hanging is None else hanging
    lines: list[str] = []
    line, end = "", 0
    for piece in _PIECE.finditer(text):
        gap = " " if piece.start() > end else ""
        end = piece.end()
        begin = after if lines else indent
        if line and columns(begin + line + gap + piece[0]) > width:
            lines.append(begin + line)
            line = piece[0]
        else:
            line += gap + piece[0] if line else piece[0]
    if line:
        lines.append((after if lines else indent) + line)
    return lines
