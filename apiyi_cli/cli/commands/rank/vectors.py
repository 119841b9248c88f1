"""Reads the vectors that `embed` wrote, in blocks: NDJSON, or .npy with its .jsonl."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from sys import byteorder
from typing import Final, NamedTuple

from apiyi_cli.cli.inputs.stdin import refuse_unreadable
from apiyi_cli.core.encodings import show_name
from apiyi_cli.core.jsontext import read, write
from apiyi_cli.core.npy import NpyHead, parse_npy_head
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

VECTOR_BLOCK_BYTES: Final = 1 << 20
NPY_HEAD_MAX_BYTES: Final = 1 << 14

NameBad = Callable[[int, Text], None]
"""Gets the number of a line without a usable vector, and the reason."""


class VectorBlock(NamedTuple):
    """Vectors of one length in a flat array, with the numbers of their lines.

    `lines` are their objects, empty where those are in another file.
    """

    numbers: list[int]
    values: array[float]
    lines: list[dict[str, object]]


class VectorLines:
    """An NDJSON file with an `embedding` in each line."""

    def __init__(self, path: str, name_bad: NameBad) -> None:
        """Read up to the first vector. Raises UsageError if there is none."""
        self.path = show_name(path)
        self._name_bad = name_bad
        self.length = 0
        vectors = self._vectors(path)
        first = next(vectors, None)
        if first is None:
            raise UsageError(
                Text("cannot search {path}", path=self.path),
                Text("no line of it has a vector"),
                hint=Text("apiyi embed writes such files"),
            )
        self._rows = chain([first], vectors)

    def blocks(self) -> Iterator[VectorBlock]:
        """Yield the vectors in blocks that fit in memory."""
        block = VectorBlock([], array("d"), [])
        for number, vector, line in self._rows:
            block.numbers.append(number)
            block.values.extend(vector)
            block.lines.append(line)
            if len(block.values) * block.values.itemsize >= VECTOR_BLOCK_BYTES:
                yield block
                block = VectorBlock([], array("d"), [])
        if block.numbers:
            yield block

    def read_lines(self, numbers: set[int]) -> dict[int, dict[str, object]]:
        """Return {}: the lines came with their vectors."""
        return {}

    def _vectors(self, path: str) -> Iterator[tuple[int, array[float], dict[str, object]]]:
        for number, text in enumerate(_open_lines(path)):
            if not text.strip():
                continue
            try:
                line = read(text)
                vector = array("d", line.pop("embedding"))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
                self._name_bad(number, Text("the line has no vector"))
                continue
            self.length = self.length or len(vector)
            if len(vector) != self.length or not vector:
                length, wanted = len(vector), self.length
                why = Text(
                    "its vector has {length} numbers, not {wanted}", length=length, wanted=wanted
                )
                self._name_bad(number, why)
                continue
            yield number, vector, line


class VectorMatrix:
    """An .npy file with a row for each line of the .jsonl file beside it."""

    def __init__(self, path: str, name_bad: NameBad) -> None:
        """Read the head. Raises UsageError unless it describes such a matrix."""
        self.path = show_name(path)
        self._lines = str(Path(path).with_suffix(".jsonl"))
        try:
            self._file = open(path, "rb")
            start = self._file.read(NPY_HEAD_MAX_BYTES)
        except OSError as failure:
            raise refuse_unreadable(path, failure) from None
        self._head = self._parse(start)
        self.length = self._head.columns
        count = sum(1 for _ in _open_lines(self._lines))
        if count != self._head.rows:
            raise self._refuse(
                Text(
                    "it has {rows} rows and {lines} has {count} lines",
                    rows=self._head.rows,
                    lines=show_name(self._lines),
                    count=count,
                )
            )

    def blocks(self) -> Iterator[VectorBlock]:
        """Yield the rows in blocks that fit in memory."""
        head, file = self._head, self._file
        file.seek(head.offset)
        row_bytes = head.columns * array(head.type_code).itemsize
        step = max(1, VECTOR_BLOCK_BYTES // row_bytes)
        for begin in range(0, head.rows, step):
            values: array[float] = array(head.type_code)
            rows = min(step, head.rows - begin)
            values.frombytes(file.read(rows * row_bytes))
            if byteorder == "big":
                values.byteswap()
            yield VectorBlock([*range(begin, begin + rows)], values, [])

    def read_lines(self, numbers: set[int]) -> dict[int, dict[str, object]]:
        """Return the objects of these lines."""
        lines = enumerate(_open_lines(self._lines))
        return {number: _read_object(text) for number, text in lines if number in numbers}

    def _parse(self, start: bytes) -> NpyHead:
        try:
            head = parse_npy_head(start)
        except (ValueError, KeyError, SyntaxError, TypeError):
            raise self._refuse(Text("it is not a matrix of floats")) from None
        size = os.fstat(self._file.fileno()).st_size
        if not head.rows or not head.columns:
            raise self._refuse(Text("it has no vectors"))
        if size < head.offset + head.rows * head.columns * array(head.type_code).itemsize:
            raise self._refuse(Text("it was cut"))
        return head

    def _refuse(self, why: Text) -> UsageError:
        return UsageError(Text("cannot search {path}", path=self.path), why)


def open_vectors(path: str, name_bad: NameBad) -> VectorLines | VectorMatrix:
    """Return the vectors of a file. Raises UsageError if it has none."""
    return VectorMatrix(path, name_bad) if path.endswith(".npy") else VectorLines(path, name_bad)


def format_found(line: dict[str, object], *, as_json: bool) -> bytes:
    """Return a line as printed: its text, or the object without one."""
    text = line.get("text")
    if as_json:
        return b'"text":' + write(text) if isinstance(text, str) else b'"object":' + write(line)
    return text.encode("utf-8", "replace") if isinstance(text, str) else write(line)


def _read_object(text: bytes) -> dict[str, object]:
    try:
        line = read(text)
    except ValueError:
        line = None
    return line if isinstance(line, dict) else {}


def _open_lines(path: str) -> Iterator[bytes]:
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            yield from file
    except OSError as failure:
        raise refuse_unreadable(path, failure) from None
