"""Pages where answers should be, and characters whose halves arrive apart."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from apiyi_cli.core.jsontext import whole_characters

Key = TypeVar("Key", bound=Hashable)


class SurrogateJoiner(Generic[Key]):
    """Joins characters whose two halves arrive in different pieces of a text.

    JSON writes a character beyond U+FFFF as two escapes, and a server that cuts its text by
    escapes sends one in each piece. There is one text per `key`.
    """

    def __init__(self) -> None:
        self._waiting: dict[Key, str] = {}

    def joined(self, key: Key, piece: str) -> str:
        """Return the whole characters that are known now; a last first half waits."""
        piece = self._waiting.pop(key, "") + piece
        if "\ud800" <= piece[-1:] <= "\udbff":
            self._waiting[key] = piece[-1]
            piece = piece[:-1]
        return whole_characters(piece)

    def left(self) -> list[Key]:
        """Return the keys of the texts that ended in half a character, and forget the halves."""
        keys = list(self._waiting)
        self._waiting.clear()
        return keys


def is_markup(text: bytes) -> bool:
    """Tell whether the text is HTML or XML, which the API never sends."""
    return text[:1] == b"<"
