"""Reads tables as spreadsheets and programs write them: cells under named columns."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, dropwhile
from typing import Any, Final, NamedTuple

from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

DELIMITERS: Final = ",;\t|"
"""Searched on the header; of equally frequent ones the first wins."""

_NAMES: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}
# Excel's own way to name the delimiter: https://support.microsoft.com, "sep=".
_SEP_LINE: Final = re.compile(rb'"?sep=(.)"?[,;\t]*\r?', re.IGNORECASE)


class TableLayout(NamedTuple):
    """How a table is written; None means that it is detected.

    With `quotes` a cell may be quoted; by default only in tables without tabs.
    """

    delimiter: str | None = None
    quotes: bool | None = None
    default: str = ","


@dataclass
class InputTable:
    """The columns of a table, and how its rows are written."""

    columns: Sequence[str]
    delimiter: str
    newline: str

    @cached_property
    def usable(self) -> dict[str, int]:
        """Return the positions of the columns whose name is unique."""
        return {
            name: place
            for place, name in enumerate(self.columns)
            if name and self.columns.count(name) == 1
        }

    @cached_property
    def doubled(self) -> frozenset[str]:
        """Return the names of more than one column."""
        return frozenset(name for name in self.columns if name and self.columns.count(name) > 1)

    def fields(self, cells: Sequence[str]) -> dict[str, Any]:
        """Return the cells of a row by the names of their columns."""
        return {name: cells[place] for name, place in self.usable.items()}

    def named_cells(self, cells: Sequence[str]) -> dict[str, str]:
        """Return all cells of a row; a second `name` is `name.2`, without one `column 3`."""
        cells_by_name: dict[str, str] = {}
        for place, (name, cell) in enumerate(zip(self.columns, cells, strict=True), 1):
            name = name or f"column {place}"
            free, number = name, 1
            while free in cells_by_name:
                number += 1
                free = f"{name}.{number}"
            cells_by_name[free] = cell
        return cells_by_name


class TableRow(NamedTuple):
    """A row: its first line (from 1), bytes, and cells or why none."""

    line: int
    raw: bytes
    cells: list[str]
    why: str = ""
    column: int = 1


def parse_delimiter(text: str) -> str:
    """Return the character that `--delimiter` names. Raises UsageError."""
    delimiter = _NAMES.get(text.lower(), text)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        what = Text("cannot use --delimiter {text}", text=repr(text))
        raise UsageError(what, Text("it is not one character"), hint="--delimiter ';'")
    return delimiter


def read_table(
    lines: Iterable[tuple[int, bytes]], layout: TableLayout, name: str
) -> Iterator[tuple[InputTable, TableRow]]:
    """Yield the rows of a table whose first row names its columns.

    `lines` have their number and their end. Rows of empty cells are left out like blank lines,
    because spreadsheets write them. Raises UsageError for a header that cannot be read.
    """
    arriving = dropwhile(lambda item: not item[1].strip(), lines)
    first = next(arriving, None)
    if first is not None and (match := _SEP_LINE.fullmatch(first[1].rstrip(b"\n"))):
        named = match[1].decode("ascii", "replace")
        layout = layout._replace(delimiter=layout.delimiter or named)
        first = next(arriving, None)
    if first is None:
        return
    line = first[1]
    delimiter = layout.delimiter or find_delimiter(_text(line), layout.default)
    quotes = delimiter != "\t" if layout.quotes is None else layout.quotes
    rest = chain([first], arriving)
    rows = _read_quoted(rest, delimiter) if quotes else _plain(rest, delimiter)
    table: InputTable | None = None
    for row in rows:
        if not row.why and not any(cell.strip() for cell in row.cells):
            continue
        if table is None:
            if row.why:
                what = Text("cannot use {name}:{line}", name=name, line=row.line)
                raise UsageError(what, row.why)
            newline = "\r\n" if line.endswith(b"\r\n") else "\n"
            table = InputTable([cell.strip() for cell in row.cells], delimiter, newline)
            continue
        yield table, _fit(row, table)


def find_delimiter(header: str, default: str = ",") -> str:
    """Return the most frequent delimiter on a header, outside quotes."""
    bare = re.sub(r'"[^"]*"', "", header)
    counts = {char: bare.count(char) for char in DELIMITERS}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else default


def _read_quoted(lines: Iterator[tuple[int, bytes]], delimiter: str) -> Iterator[TableRow]:
    """Yield the rows of a table whose quoted cells may hold delimiters and line ends."""
    csv.field_size_limit(sys.maxsize)
    begun: list[tuple[int, bytes]] = []

    def texts() -> Iterator[str]:
        for number, line in lines:
            begun.append((number, line))
            yield _text(line)

    rows = csv.reader(texts(), delimiter=delimiter, strict=True)
    while True:
        begun.clear()
        cells: list[str] = []
        why = ""
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as failure:
            why = Text("not a valid table: {reason}", reason=failure)
        raw = b"".join(line for _, line in begun).rstrip(b"\r\n")
        yield TableRow(begun[0][0] if begun else 1, raw, cells, why)


def _plain(lines: Iterator[tuple[int, bytes]], delimiter: str) -> Iterator[TableRow]:
    """Yield the rows of a table in which a quote is an ordinary character."""
    for number, line in lines:
        raw = line.rstrip(b"\n").removesuffix(b"\r")
        yield TableRow(number, raw, _text(raw).split(delimiter))


def _fit(row: TableRow, table: InputTable) -> TableRow:
    """Return the row with as many cells as columns, or with the reason why not."""
    if row.why:
        return row
    cells, count = row.cells, len(table.columns)
    if len(cells) > count and not any(cells[count:]):
        cells = cells[:count]
    if len(cells) != count:
        why = Text("it has {cells} columns, the header {columns}", cells=len(cells), columns=count)
        return row._replace(why=why)
    for cell in cells:
        try:
            cell.encode("utf-8")
        except UnicodeEncodeError:
            column = next((i for i, byte in enumerate(row.raw) if byte > 127), 0) + 1
            return row._replace(why=Text("not UTF-8"), column=column)
    return row._replace(cells=cells)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")
