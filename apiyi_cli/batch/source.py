"""The input of a batch as records with their places: lines of JSON, of text, or a table.

Read as it arrives and never held whole: work starts with the first line of a pipe. Lines
end at LF or CRLF, nowhere else. What a record means is `rows`' business.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import IO, Any, Literal, NamedTuple

from apiyi_cli.core.jsontext import InvalidJSON, read_strict
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text, system_reason

Form = Literal["jsonl", "csv", "tsv", "lines"]
FORMS: tuple[Form, ...] = ("jsonl", "csv", "tsv", "lines")
READ_BYTES = 1 << 18
STDIN = 0
_BOM = b"\xef\xbb\xbf"


class Record(NamedTuple):
    """One record: its line (from 1), its bytes, and its fields or what is wrong with it.

    A line of text has the one field `line`. `column` (from 1) is where it is wrong.
    """

    line: int
    raw: bytes
    fields: dict[str, Any] | None
    why: str = ""
    column: int = 0


class Source:
    """A file, or standard input for `-`, that can be read once or, when regular, again.

    `pieces` reads standard input in a way of its own (one that says what it waits for).
    """

    def __init__(self, path: str, pieces: Callable[[], Iterator[bytes]] | None = None) -> None:
        self.path = path
        self.name = "stdin" if path == "-" else path
        self._pieces = pieces
        self._spool: IO[bytes] | None = None

    @property
    def is_regular(self) -> bool:
        """Tell whether it is a file that can be read again, whatever was read before."""
        return self._spool is not None or (self.path != "-" and os.path.isfile(self.path))

    def opened(self) -> None:
        """Raise UsageError when the file cannot be read."""
        if self.path != "-":
            self._open().close()

    def spooled(self) -> None:
        """Make the input one that can be read again: a pipe goes to a private temporary file."""
        if self.is_regular:
            return
        import tempfile

        # Named, so that each reader opens it anew: copies of one descriptor share an offset.
        spool = tempfile.NamedTemporaryFile(prefix="apiyi-batch-")
        try:
            for piece in self.chunks():
                spool.write(piece)
            spool.flush()
        except BaseException:
            spool.close()
            raise
        self._spool = spool

    def close(self) -> None:
        """Remove the temporary file, if there is one; may be repeated."""
        if self._spool is not None:
            self._spool.close()

    def prefix(self, size: int) -> bytes:
        """Return the first `size` bytes, nothing of what cannot be read again."""
        if not self.is_regular:
            return b""
        with self._open() as file:
            return file.read(size)

    def line_count(self) -> int | None:
        """Return the number of lines that are not blank at a glance, None for a pipe."""
        if not self.is_regular:
            return None
        count, last = 0, b"\n"
        for piece in self.chunks():
            count += piece.count(b"\n") - piece.count(b"\n\n")
            last = piece[-1:]
        return count + (last != b"\n")

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes as they arrive."""
        if self.path == "-" and self._spool is None:
            yield from self._pieces() if self._pieces else _descriptor(STDIN)
            return
        with self._open() as file:
            while piece := file.read1(READ_BYTES):  # type: ignore[attr-defined]
                yield piece

    def records(self, form: Form) -> Iterator[Record]:
        """Yield the records in order; blank lines are none."""
        if form in ("csv", "tsv"):
            yield from _table(self.lines(), "," if form == "csv" else "\t", self.name)
            return
        read = _json if form == "jsonl" else _text
        for number, line in self.lines():
            if line.strip():
                yield read(number, line)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines with their numbers from 1, without LF or CRLF."""
        rest: list[bytes] = []
        number = 0
        for piece in self.chunks():
            first, *others = piece.split(b"\n")
            rest.append(first)
            for following in others:
                number += 1
                yield number, _line(b"".join(rest), number)
                rest = [following]
        if last := b"".join(rest):
            yield number + 1, _line(last, number + 1)

    def _open(self) -> IO[bytes]:
        try:
            return open(self.path if self._spool is None else self._spool.name, "rb")
        except OSError as failure:
            why = system_reason(failure)
            raise UsageError(Text("cannot read {name}", name=self.name), why) from None


def form_of(path: str, given: str | None, lines: bool) -> Form:
    """Return the form of a file: as given, else by its extension, else JSON lines."""
    if lines:
        if given not in (None, "lines"):
            raise UsageError(
                Text("cannot use --lines with --format {given}", given=given),
                Text("they say two things"),
            )
        return "lines"
    if given is not None:
        return given  # type: ignore[return-value]
    ending = path.lower().rpartition(".")[2]
    return ending if ending in ("csv", "tsv") else "jsonl"  # type: ignore[return-value]


def _descriptor(fd: int) -> Iterator[bytes]:
    try:
        while piece := os.read(fd, READ_BYTES):
            yield piece
    except OSError as failure:
        raise UsageError(Text("cannot read stdin"), system_reason(failure)) from None


def _line(line: bytes, number: int) -> bytes:
    if number == 1:
        line = line.removeprefix(_BOM)
    return line.removesuffix(b"\r")


def _json(number: int, line: bytes) -> Record:
    try:
        value = read_strict(line)
    except InvalidJSON as failure:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as undecoded:
            return _undecoded(number, line, undecoded)
        return Record(
            number, line, None, Text("not valid JSON: {msg}", msg=failure.msg), failure.colno
        )
    if not isinstance(value, dict):
        return Record(number, line, None, Text("the row is not a JSON object"), 1)
    return Record(number, line, value)


def _text(number: int, line: bytes) -> Record:
    try:
        return Record(number, line, {"line": line.decode("utf-8")})
    except UnicodeDecodeError as failure:
        return _undecoded(number, line, failure)


def _undecoded(number: int, line: bytes, failure: UnicodeDecodeError) -> Record:
    return Record(number, line, None, Text("not UTF-8"), failure.start + 1)


def _table(lines: Iterator[tuple[int, bytes]], delimiter: str, name: str) -> Iterator[Record]:
    """Yield the rows of a table whose first row names the columns."""
    import csv
    import sys

    csv.field_size_limit(sys.maxsize)
    at = [0]
    begun: list[bytes] = []

    def texts() -> Iterator[str]:
        for number, line in lines:
            at[0] = number
            begun.append(line)
            yield line.decode("utf-8", "surrogateescape") + "\n"

    rows = csv.reader(texts(), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        begun.clear()
        first = at[0] + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as failure:
            yield Record(
                first,
                b"\n".join(begun),
                None,
                Text("not a valid table: {reason}", reason=failure),
                1,
            )
            continue
        raw = b"\n".join(begun)
        if not cells:
            continue
        if header is None:
            header = _header(cells, name)
            continue
        yield _row(first, raw, header, cells)


def _header(cells: list[str], name: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    if not all(names) or len(set(names)) < len(names):
        raise UsageError(
            Text("cannot use {name}:1", name=name),
            Text("its first line must name each column, each name once"),
        )
    return names


def _row(number: int, raw: bytes, header: list[str], cells: list[str]) -> Record:
    if len(cells) != len(header):
        told = Text(
            "it has {count} columns, the first line {count2}", count=len(cells), count2=len(header)
        )
        return Record(number, raw, None, told, 1)
    for cell in cells:
        try:
            cell.encode("utf-8")
        except UnicodeEncodeError:
            column = next((i for i, byte in enumerate(raw) if byte > 127), 0) + 1
            return Record(number, raw, None, Text("not UTF-8"), column)
    return Record(number, raw, dict(zip(header, cells, strict=True)))
