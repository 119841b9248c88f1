"""Splits a JSON body into the pieces that a program reads from files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apiyi_cli.core.call import Source

INLINE_BYTES = 8192
"""The largest file that a program contains in its own text."""


@dataclass(frozen=True, slots=True)
class FilePiece:
    """A part of a string that the program reads from `path`: base64, or text."""

    path: str
    text: bool = False


@dataclass(frozen=True, slots=True)
class SplitString:
    """A string of the body that consists of literals and files."""

    pieces: tuple[str | FilePiece, ...]


def put_files(body: Any, sources: tuple[Source, ...]) -> Any:
    """Return a body with the texts of files as pieces; small files stay literals."""
    for place in dict.fromkeys(source.place for source in sources if source.place):
        files = [source for source in sources if source.place == place]
        body = _replace_string(body, place.split("."), files)
    return body


def _replace_string(value: Any, keys: list[str], files: list[Source]) -> Any:
    """Return `value` with the string at `keys` in pieces; unchanged if it does not match."""
    if not keys:
        return _split_string(value, files) if isinstance(value, str) else value
    key, rest = keys[0], keys[1:]
    if isinstance(value, dict) and key in value:
        return {**value, key: _replace_string(value[key], rest, files)}
    if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
        index = int(key)
        return [*value[:index], _replace_string(value[index], rest, files), *value[index + 1 :]]
    return value


def _split_string(text: str, files: list[Source]) -> str | SplitString:
    pieces: list[str | FilePiece] = []
    literal, at = "", 0
    for source in files:
        if not text.startswith(source.prefix, at):
            return text
        start = at + len(source.prefix)
        at = len(text) if source.length is None else start + source.length
        held = text[start:at]
        if (len(held.encode()) if source.text else len(held) * 3 // 4) <= INLINE_BYTES:
            literal += source.prefix + held
            continue
        if prefix := literal + source.prefix:
            pieces.append(prefix)
        pieces.append(FilePiece(source.path, source.text))
        literal = ""
    if tail := literal + text[at:]:
        pieces.append(tail)
    has_files = any(isinstance(piece, FilePiece) for piece in pieces)
    return SplitString(tuple(pieces)) if has_files else text


def find_pieces(value: Any) -> Iterator[FilePiece]:
    """Yield the files from which a body is read."""
    if isinstance(value, SplitString):
        yield from (piece for piece in value.pieces if isinstance(piece, FilePiece))
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from find_pieces(item)
