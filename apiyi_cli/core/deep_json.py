"""Reads JSON that is nested too deeply for Python's own reader."""

from __future__ import annotations

import json
from json.decoder import WHITESPACE  # type: ignore[attr-defined]
from typing import Any


class DeepDecoder:
    """Decodes one value of a text without recursion, with the settings of `decoder`.

    More than `max_depth` levels raise RecursionError with the position.
    """

    def __init__(self, text: str, decoder: json.JSONDecoder, max_depth: int) -> None:
        self._text = text
        self._decoder = decoder
        self._max_depth = max_depth
        self._holders: list[Any] = []
        self._keys: list[str] = []

    def decode(self, at: int) -> tuple[Any, int]:
        """Return the value at `at` and its end. Raises JSONDecodeError."""
        while True:
            if self._text[at : at + 1] in ("[", "{") and at < len(self._text):
                value, at, is_open = self._open(at)
                if is_open:
                    continue
            else:
                value, at = self._read_leaf(at)
            while self._holders:
                at, has_ended = self._add_to_holder(value, at)
                if not has_ended:
                    break
                value = self._holders.pop()
            else:
                return value, at

    def _open(self, at: int) -> tuple[Any, int, bool]:
        """Begin an array or object; return False as the last if it is empty."""
        if len(self._holders) >= self._max_depth:
            raise RecursionError(at)
        is_list = self._text[at] == "["
        value: Any = [] if is_list else {}
        at = self._skip(at + 1)
        if self._text[at : at + 1] == ("]" if is_list else "}"):
            return value, at + 1, False
        self._holders.append(value)
        return value, at if is_list else self._read_key(at), True

    def _add_to_holder(self, value: Any, at: int) -> tuple[int, bool]:
        """Add a value to its array or object. Return the next position, True after its end."""
        holder = self._holders[-1]
        is_list = isinstance(holder, list)
        if is_list:
            holder.append(value)
        else:
            holder[self._keys.pop()] = value
        at = self._skip(at)
        char = self._text[at : at + 1]
        if char == ",":
            at = self._skip(at + 1)
            return at if is_list else self._read_key(at), False
        if char != ("]" if is_list else "}"):
            raise self._invalid("Expecting ',' delimiter", at)
        return at + 1, True

    def _read_key(self, at: int) -> int:
        """Store the name of a member; return the position of its value."""
        if self._text[at : at + 1] != '"':
            message = "Expecting property name enclosed in double quotes"
            raise self._invalid(message, at)
        key, at = self._read_leaf(at)
        at = self._skip(at)
        if self._text[at : at + 1] != ":":
            raise self._invalid("Expecting ':' delimiter", at)
        self._keys.append(key)
        return self._skip(at + 1)

    def _read_leaf(self, at: int) -> tuple[Any, int]:
        """Return the text, number or word at a position, and its end."""
        try:
            return self._decoder.scan_once(self._text, at)  # type: ignore[attr-defined, no-any-return]
        except StopIteration:
            raise self._invalid("Expecting value", at) from None

    def _invalid(self, message: str, at: int) -> json.JSONDecodeError:
        return json.JSONDecodeError(message, self._text, at)

    def _skip(self, at: int) -> int:
        return WHITESPACE.match(self._text, at).end()  # type: ignore[no-any-return]
