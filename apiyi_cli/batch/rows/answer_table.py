"""`-o out.csv`: a table with the input's columns and one for the answers.

Every line can be read by the csv module of Python, and by spreadsheets: a cell that holds the
delimiter, a quote or a line end is quoted. Which lines are whole, the journal knows.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from apiyi_cli.batch.rows.source import Form, SourceRecord
from apiyi_cli.batch.rows.tables import InputTable
from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.text import Text

ANSWER: Final = "answer"
_DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
_MARK: Final = "\ufeff"
_OWN_COLUMNS: Final = {"lines": "line", "jsonl": "id"}


def is_table_path(path: str | None) -> bool:
    """Return True if the name of an output asks for a table."""
    return path is not None and Path(path).suffix.lower() in _DELIMITERS


class AnswerTable:
    """The form of an output table: its columns, its delimiter, its line ends.

    A table keeps the columns of the input, as they are written there; lines of text have the
    column `line`, and JSON rows, which have no columns, the column `id`. `has_mark` writes a
    byte order mark first, because spreadsheets that wrote one want one.
    """

    def __init__(
        self, output: str, form: Form, answer: str | None = None, *, has_mark: bool = False
    ) -> None:
        self._output = output
        self._own_column = _OWN_COLUMNS.get(form)
        self._answer = ANSWER if answer is None else answer
        self._delimiter = _DELIMITERS[Path(output).suffix.lower()]
        self._newline = "\n"
        self._mark = _MARK if has_mark else ""
        self._columns: list[str] = []
        self._content: Path | None = None
        self.has_head = False

    def resume(self, path: Path) -> None:
        """Append to a file, which may have a header: `begin` compares it."""
        self._content = path
        self.has_head = path.stat().st_size > 0

    def begin(self, table: InputTable | None) -> None:
        """Take the columns from the input.

        Raises UsageError for a column that is named as the answers' is, and SetupError if the
        output has a header with other columns.
        """
        if table is None:
            columns = [self._own_column or ""]
        else:
            columns = list(table.columns)
            self._newline = table.newline
            if self._delimiter == "," and table.delimiter != "\t":
                self._delimiter = table.delimiter
        if self._answer in columns:
            free = next(name for n in range(2, 99) if (name := f"{ANSWER}{n}") not in columns)
            what = Text("cannot write {output}", output=self._output)
            why = Text("the rows have a column {name} of their own", name=self._answer)
            raise UsageError(what, why, hint=f"--answer {quote_word(free)}")
        self._columns = [*columns, self._answer]
        if self.has_head and self._content is not None:
            self._compare_head(self._content)

    def cells_of(self, record: SourceRecord, id: str) -> Sequence[str]:
        """Return the cells before the answer of a record."""
        if record.table is not None:
            return record.cells or ()
        return (str((record.fields or {}).get("line", "")) if self._own_column == "line" else id,)

    def format_head(self) -> bytes:
        """Return the header, with its line end."""
        return self._mark.encode() + self._format(self._columns)

    def format_row(self, cells: Sequence[str], answer: str) -> bytes:
        """Return the line of an answer, with its line end."""
        return self._format([*cells, answer])

    def _format(self, cells: Sequence[str]) -> bytes:
        row = self._delimiter.join(map(self._quote, cells)) + self._newline
        return whole_characters(row).encode()

    def _quote(self, cell: str) -> str:
        # A first space would be lost in readers that skip it.
        if any(char in cell for char in (self._delimiter, '"', "\r", "\n")) or cell[:1] == " ":
            return '"' + cell.replace('"', '""') + '"'
        return cell

    def _compare_head(self, path: Path) -> None:
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            try:
                head = next(csv.reader(file, delimiter=self._delimiter), [])
            except csv.Error:
                head = []
        if head != self._columns:
            there, here = ", ".join(head), ", ".join(self._columns)
            what = Text("{path} has other columns", path=path)
            why = Text("they are {there}, and those of this run {here}", there=there, here=here)
            raise SetupError(what, why, hint=Text("name another -o, or --force to begin anew"))
