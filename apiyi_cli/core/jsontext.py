"""JSON in and out: the only module that reads or writes it.

Reading keeps what was written: integers with all their digits, halves of characters (lone
surrogates), numbers beyond the range of a double, two thousand levels and more.

Writing has one rule: a line that `write` returns is JSON to every reader. Half a character
is written as U+FFFD, `NaN` and `Infinity` as `null`, and a number as it was read. What a server
sent is passed on as its own bytes where a strict reader takes them, else by this rule (`as_line`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from json.decoder import WHITESPACE  # type: ignore[attr-defined]
from typing import Any, Final

import orjson

InvalidJSON = json.JSONDecodeError
"""The error of every reader here for invalid JSON; a ValueError."""

read_plain: Final = orjson.loads
"""The bare reader for fast loops; `read` may accept what it refuses."""

MAX_DEPTH: Final = 10_000
"""Levels of nesting that are read; deeper JSON can only be an attack."""

_TOO_DEEP: Final = "nested too deeply"
_BLANK: Final = b" \t\r\n"
_BOM: Final = b"\xef\xbb\xbf"
# Integers from 19 digits on may not fit into 64 bits, and orjson reads those as floats.
_LONG: Final = rb"(?:\A|[:,\[\s])-?\d{19}"
_FRACTION: Final = rb"\d[.eE]"
# Python refuses to turn more digits than 4,300 into an integer.
_MAX_DIGITS: Final = 4000
_CONSTANTS: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class Number(float):
    """A number that keeps its spelling; `text` is that."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Number:
        """Return the number that the text spells; infinity if a double cannot hold it."""
        number = float.__new__(cls, text)
        number.text = text
        return number


class Verbatim:
    """JSON text that is written unchanged into a larger value; `data` is one line."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def trim(raw: bytes) -> bytes:
    """Return the text without byte order mark and keep-alive blanks."""
    return raw.lstrip(_BLANK).removeprefix(_BOM).strip(_BLANK)


def read(data: bytes | str) -> Any:
    """Return the JSON value of a machine's text, tolerating common defects.

    A byte order mark, blanks around, lone surrogates, control characters in strings, `NaN` and
    `Infinity` are read; bytes that are not UTF-8 become U+FFFD. Raises InvalidJSON.
    """
    return _read(data, strict=False, exact=False)


def read_strict(data: bytes | str) -> Any:
    """Return the JSON value of a text that the user wrote; strict.

    Unlike `read`, this refuses what RFC 8259 refuses; lone surrogates are legal there.
    Raises InvalidJSON, whose `msg`, `lineno` and `colno` say where.
    """
    return _read(data, strict=True, exact=False)


def read_typed(data: bytes | str) -> Any:
    """Return the value as `read_strict` does, with fractions as `Number`: sent as typed."""
    return _read(data, strict=True, exact=True)


def read_exact(data: bytes | str) -> Any:
    """Return the value as `read` does, with fractions as `Number`: 1.10 stays 1.10."""
    return _read(data, strict=False, exact=True)


def read_event(data: bytes) -> Any:
    """Return a stream event's value, fast: integers beyond 64 bits become floats."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _read(data, strict=False, exact=False)


def read_first(data: bytes, *, exact: bool = False, fast: bool = False) -> Any:
    """Return the JSON value that a text begins with, whatever follows it.

    All else is as in `read`, or in `read_exact` where that is wanted. With `fast` integers beyond
    64 bits become floats: looking for them takes longest in megabytes of base64.
    """
    text = trim(data)
    if fast or not (re.search(_LONG, text) or (exact and re.search(_FRACTION, text))):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    return _decode(text.decode("utf-8", "replace"), 0, strict=False, exact=exact)[0]


def value_end(text: str, at: int) -> int:
    """Return the position after the JSON value that begins at `at`. Raises InvalidJSON."""
    return _decode(text, at, strict=True, exact=False)[1]


def is_strict(data: bytes | str) -> bool:
    """Return True if the text is JSON that every reader accepts."""
    try:
        orjson.loads(data)
    except ValueError:
        return False
    return True


def as_line(raw: bytes) -> bytes:
    """Return a server's JSON on one line that every reader accepts.

    All bytes but line ends stay as they came where they are strict JSON; else the value that
    the text begins with is written anew. Other text than JSON is returned on one line.
    """
    if not is_strict(trim(raw)):
        try:
            return write(read_first(raw, exact=True))
        except InvalidJSON:
            pass
    return one_line(raw)


def one_line(raw: bytes) -> bytes:
    """Return a strict JSON text on one line, all other bytes unchanged.

    A line end inside a JSON text is always mere white space: in a string it would be escaped.
    """
    text = trim(raw)
    if b"\n" in text or b"\r" in text:
        text = text.translate(None, b"\r\n")
    return text


def whole_characters(text: str) -> str:
    """Return the text with surrogate pairs joined and lone surrogates as U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def write(
    value: Any, *, sort_keys: bool = False, clean: Callable[[str], str] = whole_characters
) -> bytes:
    """Return a value as compact JSON on one line, UTF-8, that every reader accepts.

    Takes what the readers return, `Verbatim`, and what orjson takes (tuples, dataclasses).
    `clean` makes whole characters of a string that holds lone surrogates. Raises TypeError
    for a value that has no JSON form.
    """
    try:
        return orjson.dumps(value, _fragment, orjson.OPT_SORT_KEYS if sort_keys else 0)
    except TypeError:
        return _write_slowly(value, sort_keys, clean)


def write_text(value: Any) -> str:
    """Return the result of `write` as text."""
    return write(value).decode()


def write_canonical(value: Any) -> bytes:
    """Return canonical JSON: equal values give equal bytes, whatever the order of keys.

    Hashes of rows and of cached requests are made of it: its form may never change.
    """
    try:
        return orjson.dumps(value, _fragment, orjson.OPT_SORT_KEYS)
    except TypeError:
        try:
            return json.dumps(value, sort_keys=True, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError):
            return _write_slowly(value, True, whole_characters)


def write_ascii(value: Any, *, indent: int | None = None) -> str:
    """Return a value as ASCII JSON; lone surrogates become escapes.

    For what is read again by this program only, and must come back as it was.
    """
    return json.dumps(value, indent=indent)


def _read(data: bytes | str, *, strict: bool, exact: bool) -> Any:
    if isinstance(data, str):
        try:
            raw = data.encode()
        except UnicodeEncodeError:
            return _decode_all(data.removeprefix("\ufeff"), strict, exact)
        data = raw
    if not strict:
        data = trim(data)
    if not re.search(_LONG, data) and not (exact and re.search(_FRACTION, data)):
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError as error:
            refused: orjson.JSONDecodeError | None = error
    else:
        refused = None
    text = data.decode("utf-8", "surrogateescape" if strict else "replace")
    try:
        if strict and not text.isascii():
            # Raises at the first byte that is not UTF-8; what is not JSON there is reported below.
            text.encode()
        return _decode_all(text.removeprefix("\ufeff"), strict, exact)
    except (InvalidJSON, UnicodeEncodeError) as error:
        if strict and refused is not None and getattr(error, "msg", "") != _TOO_DEEP:
            # Its message is better, and has the place.
            raise refused from None
        if isinstance(error, UnicodeEncodeError):
            raise InvalidJSON("str is not valid UTF-8", text, error.start) from None
        raise


def _decode_all(text: str, strict: bool, exact: bool) -> Any:
    start = WHITESPACE.match(text).end()
    value, end = _decode(text, start, strict=strict, exact=exact)
    end = WHITESPACE.match(text, end).end()
    if end < len(text):
        raise InvalidJSON("Extra data", text, end)
    return value


def _decode(text: str, at: int, *, strict: bool, exact: bool) -> tuple[Any, int]:
    decoder = _decoder(strict, exact)
    try:
        return decoder.raw_decode(text, at)
    except RecursionError:
        from apiyi_cli.core.deep_json import DeepDecoder

    try:
        return DeepDecoder(text, decoder, MAX_DEPTH).decode(at)
    except RecursionError as error:
        raise InvalidJSON(_TOO_DEEP, text, error.args[0]) from None


@cache
def _decoder(strict: bool, exact: bool) -> json.JSONDecoder:
    return json.JSONDecoder(
        parse_float=Number if exact else _float,
        parse_int=_int,
        parse_constant=_refuse_constant if strict else _CONSTANTS.__getitem__,
        strict=strict,
    )


def _float(text: str) -> float:
    number = float(text)
    return number if abs(number) != float("inf") else Number(text)


def _int(text: str) -> int | float:
    return int(text) if len(text) <= _MAX_DIGITS else Number(text)


def _refuse_constant(name: str) -> Any:
    raise InvalidJSON(f"{name} is not JSON", name, 0)


def _fragment(value: object) -> orjson.Fragment:
    """Return what orjson writes for a value of a type that it does not know."""
    if isinstance(value, Number):
        return orjson.Fragment(value.text)
    if isinstance(value, Verbatim):
        return orjson.Fragment(value.data)
    raise TypeError


class _Token(bytes):
    """A piece of output; its type tells it from a value."""


_COMMA, _OPEN, _CLOSE = _Token(b","), _Token(b"{"), _Token(b"}")
_OPEN_LIST, _CLOSE_LIST = _Token(b"["), _Token(b"]")


def _write_slowly(value: Any, sort_keys: bool, clean: Callable[[str], str]) -> bytes:
    """Write values that orjson refuses: big integers, lone surrogates, deep nesting."""
    out: list[bytes] = []
    left: list[Any] = [value]
    while left:
        item = left.pop()
        if type(item) is _Token:
            out.append(item)
        elif isinstance(item, dict):
            left.append(_CLOSE)
            items = sorted(item.items()) if sort_keys else list(item.items())
            for place in range(len(items) - 1, -1, -1):
                key, inner = items[place]
                name = b"%s%s:" % (b"," if place else b"", _leaf_bytes(_name(key), clean))
                left += (inner, _Token(name))
            left.append(_OPEN)
        elif isinstance(item, list | tuple):
            left.append(_CLOSE_LIST)
            for place in range(len(item) - 1, -1, -1):
                left.append(item[place])
                if place:
                    left.append(_COMMA)
            left.append(_OPEN_LIST)
        else:
            out.append(_leaf_bytes(item, clean))
    return b"".join(out)


def _name(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError("the name of a member is no string")
    return key


def _leaf_bytes(value: object, clean: Callable[[str], str]) -> bytes:
    try:
        return orjson.dumps(value, _fragment)
    except TypeError:
        if isinstance(value, str):
            return orjson.dumps(clean(value))
        if isinstance(value, int):
            return str(value).encode()
        raise
