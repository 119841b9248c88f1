"""`MatrixFile`: the vectors of `embed -o x.npy`, row k for line k of `x.jsonl`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from apiyi_cli.core.disk import BINARY, read_at, write_all
from apiyi_cli.core.jsontext import read
from apiyi_cli.core.npy import NPY_HEAD_BYTES, format_npy_head, parse_npy_head
from apiyi_cli.errors import SetupError
from apiyi_cli.output.files import cannot_write
from apiyi_cli.text import Text

ITEM_BYTES: Final = 4
NAME_ANOTHER: Final = Text("name another -o; --force to begin anew")


class MatrixFile:
    """A growing matrix of 32-bit floats; its header always has the number of rows.

    A row is on the disk before its line is written, so that after a kill there are at least as
    many rows as lines; those without a line are written again. A line without a vector has a row
    of NaN. `rows` is the number of lines that there are. Raises SetupError where numpy is missing
    and where the file has fewer rows, OutputError where it cannot be written.
    """

    def __init__(self, path: Path, rows: int, *, force: bool) -> None:
        self.path = path
        self.rows = rows
        self.columns = 0
        self._numpy = import_numpy()
        flags = os.O_RDWR | os.O_CREAT | BINARY
        try:
            self._fd = os.open(path, flags | (os.O_TRUNC if force else 0), 0o666)
        except OSError as failure:
            raise cannot_write(path, failure) from failure
        try:
            self._resume()
        except BaseException:
            self.close()
            raise

    def write_rows(self, texts: Sequence[bytes | None]) -> None:
        """Write the next rows: vectors as JSON texts, None for a row of NaN."""
        vectors = [None if text is None else read(text) for text in texts]
        if not self.columns:
            self.columns = len(next(filter(None, vectors), ()))
        numpy = self._numpy
        matrix = numpy.full((len(vectors), self.columns), numpy.nan, dtype="<f4")
        for row, vector in zip(matrix, vectors, strict=True):
            if vector is not None:
                with numpy.errstate(over="ignore"):
                    row[:] = vector
        try:
            self._fill_to(self.rows)
            os.lseek(self._fd, self._offset(self.rows), os.SEEK_SET)
            write_all(self._fd, matrix.tobytes())
            self._write_head(self.rows + len(vectors))
            os.fsync(self._fd)
        except OSError as failure:
            raise cannot_write(self.path, failure) from failure

    def finish(self) -> None:
        """End the file with the row of the last line."""
        try:
            self._fill_to(self.rows)
            self._write_head(self.rows)
            os.ftruncate(self._fd, self._offset(self.rows))
            os.fsync(self._fd)
        except OSError as failure:
            raise cannot_write(self.path, failure) from failure

    def close(self) -> None:
        """Close the file; may be repeated."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _resume(self) -> None:
        size = os.fstat(self._fd).st_size
        if size:
            try:
                self.columns = parse_npy_head(read_at(self._fd, NPY_HEAD_BYTES, 0)).columns
            except (ValueError, KeyError, SyntaxError, TypeError):
                self.columns = -1
        # Lines without a vector alone have no row yet.
        is_short = bool(size) and size < self._offset(self.rows)
        if self.columns < 0 or is_short or (self.rows and not size):
            what = Text("{path} lacks rows of its lines", path=self.path)
            why = Text("{count} lines are there", count=self.rows)
            raise SetupError(what, why, hint=NAME_ANOTHER)

    def _offset(self, row: int) -> int:
        return NPY_HEAD_BYTES + row * self.columns * ITEM_BYTES

    def _fill_to(self, rows: int) -> None:
        """Fill missing rows with NaN: the first lines may have had no vector."""
        end = max(os.fstat(self._fd).st_size, NPY_HEAD_BYTES)
        missing = max(0, self._offset(rows) - end) // ITEM_BYTES
        if missing:
            os.lseek(self._fd, end, os.SEEK_SET)
            write_all(self._fd, self._numpy.full(missing, self._numpy.nan, dtype="<f4").tobytes())

    def _write_head(self, rows: int) -> None:
        os.lseek(self._fd, 0, os.SEEK_SET)
        write_all(self._fd, format_npy_head(rows, self.columns))


def import_numpy() -> Any:
    """Return numpy. Raises SetupError with the line that installs it."""
    try:
        import numpy
    except ImportError:
        what = Text("cannot write .npy files")
        why = Text("numpy is not installed")
        raise SetupError(what, why, hint="pip install 'apiyi-cli[vectors]'") from None
    return numpy
