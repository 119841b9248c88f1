"""Recognises keep-alive data: blanks, comments, fields of events without data.

Some servers send it without end. It is not an answer: it ends no silence and takes no memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

MOST_FILLER_BYTES: Final = 2**18

_STARTS = b" \t\r\n:deir"
_LINE = rb"(?::[^\n]*+|data:[ \t\r]*+|(?:event|id|retry):[^\n]*+|[ \t\r]*+)"
_FILLER = rb"(?:%b\n)*+(?:[deir][a-z]{0,4}|%b)" % (_LINE, _LINE)
_MOST_KEPT = 64
_SHORT = 6


class Filler:
    """Recognises filler in pieces of a body, wherever they are cut.

    `line` is the unfinished line so far where it may be filler, None within content.
    """

    __slots__ = ("line",)

    def __init__(self) -> None:
        self.line: bytes | None = b""

    def matches(self, chunk: bytes) -> bool:
        """Return True if the next chunk holds nothing of an answer."""
        if self.line is None:
            if not chunk.isspace():
                self._end_content(chunk)
                return False
            if b"\n" in chunk:
                self.line = b""
            return True
        text = self.line + chunk if self.line else chunk
        if text[:1] not in _STARTS or text.startswith(b"data: {") or not _is_filler(text):
            self._end_content(chunk)
            return False
        self.line = _shorten(text[text.rfind(b"\n") + 1 :])
        return True

    def _end_content(self, chunk: bytes) -> None:
        at = chunk.rfind(b"\n") + 1
        tail = chunk[at:] if at else None
        if tail and not (tail[:1] in _STARTS and _is_filler(tail)):
            tail = None
        self.line = _shorten(tail) if tail else tail


def _is_filler(text: bytes) -> bool:
    import re

    return re.fullmatch(_FILLER, text) is not None


def _shorten(line: bytes) -> bytes:
    return line if len(line) <= _MOST_KEPT else line[:_SHORT]


def drop_endless_filler(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks, with an empty one in place of endless filler.

    A line that began in what was dropped is yielded whole.
    """
    filler = Filler()
    size, dropped = 0, False
    for chunk in chunks:
        begun = filler.line
        if not filler.matches(chunk):
            yield begun + chunk if dropped and begun else chunk
            size, dropped = 0, False
        elif size > MOST_FILLER_BYTES:
            dropped = True
            yield b""
        else:
            size += len(chunk)
            yield chunk
