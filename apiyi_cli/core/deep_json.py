"""Reads JSON that is nested too deeply for Python's own reader."""

from __future__ import annotations

import json
import re
from json.decoder import WHITESPACE, scanstring  # type: ignore[attr-defined]
from typing import Any, Final

_NUMBER: Final = re.compile(r"(-?(?:0|[1-9]\d*))(\.\d+)?([eE][-+]?\d+)?")
_WORDS: Final = {"null": None, "true": True, "false": False}
_CONSTANTS: Final = ("NaN", "Infinity", "-Infinity")


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
        key, at = scanstring(self._text, at + 1, self._decoder.strict)
        at = self._skip(at)
        if self._text[at : at + 1] != ":":
            raise self._invalid("Expecting ':' delimiter", at)
        self._keys.append(key)
        return self._skip(at + 1)

    def _read_leaf(self, at: int) -> tuple[Any, int]:
        text, decoder = self._text, self._decoder
        if text[at : at + 1] == '"':
            return scanstring(text, at + 1, decoder.strict)  # type: ignore[no-any-return]
        for word, value in _WORDS.items():
            if text.startswith(word, at):
                return value, at + len(word)
        for word in _CONSTANTS:
            if text.startswith(word, at):
                return decoder.parse_constant(word), at + len(word)
        if match := _NUMBER.match(text, at):
            whole, fraction, exponent = match.groups()
            parse = decoder.parse_float if fraction or exponent else decoder.parse_int
            return parse(whole + (fraction or "") + (exponent or "")), match.end()
        raise self._invalid("Expecting value", at)

    def _invalid(self, message: str, at: int) -> json.JSONDecodeError:
        return json.JSONDecodeError(message, self._text, at)

    def _skip(self, at: int) -> int:
        return WHITESPACE.match(self._text, at).end()  # type: ignore[no-any-return]
