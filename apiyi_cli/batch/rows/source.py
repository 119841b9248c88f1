"""The input of a batch as records with places: JSON lines, text lines, a table.

Read as it arrives and never held whole: work starts with the first line of a pipe. A file
is checked before, so that nothing is sent of one that cannot be read. Lines end at LF or CRLF,
nowhere else. `requests` interprets the records.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple

from apiyi_cli.batch.rows.input_forms import (
    refuse_container,
    refuse_json_form,
    refuse_old_line_ends,
)
from apiyi_cli.batch.rows.tables import InputTable, TableLayout, read_table
from apiyi_cli.core.encodings import SAMPLE_BYTES, convert_to_utf8, refuse_undecodable, show_name
from apiyi_cli.core.filetypes import HEAD_BYTES
from apiyi_cli.core.jsontext import InvalidJSON, read_strict
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text, system_reason

if TYPE_CHECKING:
    from apiyi_cli.core.temporary_files import ScratchFile

Form = Literal["jsonl", "csv", "tsv", "lines"]
FORMS: tuple[Form, ...] = ("jsonl", "csv", "tsv", "lines")
READ_BYTES = 1 << 18


class SourceRecord(NamedTuple):
    """A record: its line (from 1), bytes, and fields or why it has none.

    A line of text has the one field `line`. `column` (from 1) is the place of the mistake. A
    row of a table has its `cells`, too.
    """

    line: int
    raw: bytes
    fields: dict[str, Any] | None
    why: str = ""
    column: int = 0
    table: InputTable | None = None
    cells: list[str] | None = None


class RowSource:
    """A file, or what `pieces` yields, that can be read once or, when regular, again.

    `pieces` is for what can be read once, such as standard input: it yields UTF-8 that was
    checked. A file is text in `encoding`, as `core.encodings` has it.
    """

    def __init__(
        self,
        path: str,
        pieces: Callable[[], Iterator[bytes]] | None = None,
        *,
        encoding: str | None = None,
    ) -> None:
        self.path = path
        self.name = _show_input(path)
        self._pieces = pieces
        self._encoding = encoding
        self._spool: ScratchFile | None = None

    @property
    def is_regular(self) -> bool:
        """Return True for an input that can be read again from the beginning."""
        return self._spool is not None or (self._pieces is None and os.path.isfile(self.path))

    def check(self, checker: FormChecker) -> None:
        """Raise UsageError unless a whole file is text in its encoding and form.

        An input that can be read only once is checked while it is read.
        """
        if self._pieces is not None:
            return
        with self._open() as file:
            checker.check_bytes(file.read(HEAD_BYTES))
        refuse_undecodable(self._raw_chunks(), self.path, self._encoding)
        head = b""
        for piece in self.chunks():
            head += piece
            if len(head) > SAMPLE_BYTES:
                break
        checker.check_text(head, len(head) <= SAMPLE_BYTES)

    def spool(self) -> None:
        """Copy a pipe to a private temporary file, so that it can be read again."""
        if self.is_regular:
            return
        from apiyi_cli.core.temporary_files import ScratchFile

        # By its path each reader opens it anew: copies of one descriptor share an offset.
        self._spool = ScratchFile(self.chunks())

    def close(self) -> None:
        """Remove the temporary file, if there is one; may be repeated."""
        if self._spool is not None:
            self._spool.close()

    def prefix(self, size: int) -> bytes:
        """Return the first `size` bytes, b"" if the input cannot be read again."""
        if not self.is_regular:
            return b""
        with self._open() as file:
            return file.read(size)

    def count_lines(self) -> int | None:
        """Return the approximate number of lines that are not blank, None for a pipe."""
        if not self.is_regular:
            return None
        count, last = 0, b"\n"
        for piece in self.chunks():
            count += piece.count(b"\n") - piece.count(b"\n\n")
            last = piece[-1:]
        return count + (last != b"\n")

    def chunks(self) -> Iterator[bytes]:
        """Yield the text in UTF-8, as it arrives."""
        if self._spool is not None:
            return self._raw_chunks()
        if self._pieces is not None:
            return self._pieces()
        return convert_to_utf8(self._raw_chunks(), self._encoding)

    def records(self, form: Form, layout: TableLayout = TableLayout()) -> Iterator[SourceRecord]:
        """Yield the records in order, without blank lines."""
        if form in ("csv", "tsv"):
            layout = layout._replace(default="," if form == "csv" else "\t")
            for table, row in read_table(self._split_lines(), layout, self.name):
                fields = None if row.why else table.fields(row.cells)
                yield SourceRecord(row.line, row.raw, fields, row.why, row.column, table, row.cells)
            return
        parse = _parse_json if form == "jsonl" else _parse_text
        for number, line in self.lines():
            if line.strip():
                yield parse(number, line)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines with their numbers from 1, without LF or CRLF."""
        for number, line in self._split_lines():
            yield number, line.removesuffix(b"\n").removesuffix(b"\r")

    def _split_lines(self) -> Iterator[tuple[int, bytes]]:
        rest: list[bytes] = []
        number = 0
        for piece in self.chunks():
            first, *others = piece.split(b"\n")
            rest.append(first)
            for following in others:
                number += 1
                rest.append(b"\n")
                yield number, b"".join(rest)
                rest = [following]
        if last := b"".join(rest):
            yield number + 1, last

    def _raw_chunks(self) -> Iterator[bytes]:
        with self._open() as file:
            try:
                while piece := file.read1(READ_BYTES):  # type: ignore[attr-defined]
                    yield piece
            except OSError as failure:
                raise self._unreadable(failure) from None

    def _open(self) -> IO[bytes]:
        try:
            return open(self.path if self._spool is None else self._spool.path, "rb")
        except OSError as failure:
            raise self._unreadable(failure) from None

    def _unreadable(self, failure: OSError) -> UsageError:
        return UsageError(Text("cannot read {name}", name=self.name), system_reason(failure))


class FormChecker(NamedTuple):
    """Refuses an input whose content does not have the expected form."""

    path: str
    form: Form

    def check_bytes(self, head: bytes) -> None:
        """Raise UsageError for a file that is compressed or not text."""
        refuse_container(head, self.path)

    def check_text(self, head: bytes, whole: bool) -> None:
        """Raise UsageError for a text in UTF-8 that is empty, or other than JSON lines."""
        if whole and not head.strip():
            why = Text("{name} is empty", name=_show_input(self.path))
            raise UsageError(Text("nothing to send"), why)
        if self.form != "lines":
            refuse_old_line_ends(head, self.path)
        if self.form in ("csv", "tsv") and whole and b"\n" not in head.strip():
            why = Text("{name} has a header and no rows", name=_show_input(self.path))
            raise UsageError(Text("nothing to send"), why)
        if self.form == "jsonl":
            refuse_json_form(head, self.path, whole=whole)


def choose_form(
    path: str, given: str | None, lines: bool, layout: TableLayout = TableLayout()
) -> Form:
    """Return the form as given, else by extension, else by layout, else JSON lines."""
    is_laid_out = layout.delimiter is not None or layout.quotes is not None
    if is_laid_out and (lines or given in ("jsonl", "lines")):
        why = Text("the rows are no table")
        raise UsageError(Text("cannot use --delimiter or --quote"), why, hint="--format csv")
    if lines:
        if given not in (None, "lines"):
            what = Text("cannot use --lines with --format {given}", given=given)
            raise UsageError(what, Text("they say two things"))
        return "lines"
    if given is not None:
        return given  # type: ignore[return-value]
    ending = path.lower().rpartition(".")[2]
    if ending in ("csv", "tsv"):
        return ending  # type: ignore[return-value]
    return "csv" if is_laid_out else "jsonl"


def _show_input(path: str) -> str:
    return "stdin" if path == "-" else show_name(path)


def _parse_json(number: int, line: bytes) -> SourceRecord:
    try:
        value = read_strict(line)
    except InvalidJSON as failure:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as undecoded:
            return _refuse_bytes(number, line, undecoded)
        why = Text("not valid JSON: {msg}", msg=failure.msg)
        return SourceRecord(number, line, None, why, failure.colno)
    if not isinstance(value, dict):
        return SourceRecord(number, line, None, Text("the row is not a JSON object"), 1)
    return SourceRecord(number, line, value)


def _parse_text(number: int, line: bytes) -> SourceRecord:
    try:
        return SourceRecord(number, line, {"line": line.decode("utf-8")})
    except UnicodeDecodeError as failure:
        return _refuse_bytes(number, line, failure)


def _refuse_bytes(number: int, line: bytes, failure: UnicodeDecodeError) -> SourceRecord:
    return SourceRecord(number, line, None, Text("not UTF-8"), failure.start + 1)
