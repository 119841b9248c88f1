"""JSON as gateways really send it, and the halves of characters that they tear apart.

Strict readers refuse lone surrogates, `NaN`, a byte order mark or a second object behind the
first; each of these has been seen in answers that were paid for. Which part of the value means
what is left to the other decoders.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

import orjson

_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_HUGE = re.compile(rb"[:,\[\s]-?\d{19}")


def trimmed(raw: bytes) -> bytes:
    """Return the text without byte order mark and the blanks that keep a connection alive."""
    return raw.lstrip(_BLANK).removeprefix(_BOM).strip(_BLANK)


def exact(data: bytes) -> Any:
    """Return the one JSON value that `data` is, as fast as can be when it is well-formed.

    What orjson refuses gets a second reading: lone surrogates stay in the strings as they are
    (see `Halves`), `NaN` and `1e400` become floats, and bytes that are not UTF-8 become U+FFFD.
    Raises ValueError when it is not JSON even so, or nested too deeply to be read.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            return json.loads(data.decode("utf-8", "replace"))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def first(raw: bytes) -> Any:
    """Return the JSON value that `raw` begins with, whatever follows it.

    Padding and a byte order mark are skipped. Integers beyond 64 bits keep every digit (orjson
    would round them to floats, and cannot write them either). Raises ValueError when `raw` does
    not begin with a JSON value, or with one that is cut.
    """
    text = trimmed(raw)
    if not _HUGE.search(text):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    try:
        return json.JSONDecoder().raw_decode(text.decode("utf-8", "replace"))[0]
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def whole_characters(text: str) -> str:
    """Return the text with surrogate pairs joined and lone surrogates as U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


Key = TypeVar("Key", bound=Hashable)


class Halves(Generic[Key]):
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


def is_page(text: bytes) -> bool:
    """Tell whether the text is HTML or XML, which the API never sends."""
    return text[:1] == b"<"
