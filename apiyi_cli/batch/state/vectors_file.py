"""The output of `apiyi embed` as a resumable file: a line per input.

It is kept as a batch keeps its output, with the same lock and the same journal. The lines hold
no ids, so the journal alone knows which inputs they are for, before they are written: a line
that the file has is never asked for again. An answer that came before its turn waits in the
journal. A later run skips what is there, writes what waits, and asks for the rest; where an
input is another one than its line was made of, nothing is sent.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.state.files import CHECK_INTERVAL_S
from apiyi_cli.batch.state.journal import WrittenRecord, format_held
from apiyi_cli.batch.state.open_output import OpenOptions, OpenOutput
from apiyi_cli.batch.state.output import PartialWriteError
from apiyi_cli.batch.state.resume import WRITTEN, PendingLine
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.disk import BINARY, read_at, write_all
from apiyi_cli.core.endpoints import EMBED
from apiyi_cli.core.jsontext import read
from apiyi_cli.core.npy import NPY_HEAD_BYTES, format_npy_head, parse_npy_head
from apiyi_cli.decode.embed import split_vector
from apiyi_cli.errors import OutputError, SetupError
from apiyi_cli.output.files import cannot_write
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.batch.state.store_lock import StoreLock

_LIGHT: Final = EMBED.call()
_ITEM_BYTES: Final = 4
_NAME_ANOTHER: Final = Text("name another -o; --force to begin anew")
_SHOWN = {
    "model": "--model",
    "dimensions": "--dimensions",
    "field": "--jsonl",
    "text": "--no-text",
    "jq": "--jq",
    "matrix": "-o",
}


class VectorEntry(NamedTuple):
    """The line of one input. `failed` is the class of its error, None for a vector."""

    row: Row
    line: bytes
    failed: str | None = None


class VectorsFile:
    """An output that this run alone appends to; only `write` is not thread-safe.

    `header` says what the vectors are made with; a file that was made otherwise is refused.
    `lock` holds the output in a store, for other machines. The files are looked at once a second.
    `known` inputs have a line from earlier runs, `waiting` of them not yet in the file; `lost`
    requests have no answer. `done` and `failed` count the lines that `find` has returned.
    Raises SetupError for a file of something else, OutputError if it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        header: Mapping[str, Any],
        *,
        force: bool,
        note: Callable[[str], None],
        matrix: Path | None = None,
        lock: StoreLock | None = None,
        clock: Clock = CLOCK,
    ) -> None:
        self.path = path
        self._matrix: MatrixFile | None = None
        self._clock = clock
        self._checked_at_s = clock.monotonic()
        # A line that is being written is not one of another process.
        self._writing = threading.Lock()
        self._opened = OpenOutput(path, OpenOptions(force=force, form="texts"), note, lock)
        past = self._past = self._opened.past
        try:
            self._check_header(header)
            self.done = self.failed = 0
            self.known = past.count(WRITTEN) + len(past.waiting)
            self.waiting = len(past.waiting)
            self.lost = sum(past.count_lost(id) for id in past.claims)
            self.is_first = past.is_first
            if matrix is not None:
                self._matrix = MatrixFile(matrix, _count_lines(path), force=force)
            self._journal = self._opened.begin({"command": "embed", **header})
        except BaseException:
            self.close()
            raise
        self._lock = threading.Lock()
        self._kept: set[int] = set()
        self.unkept: list[bytes] = []

    def find(self, row: Row) -> VectorEntry | PendingLine | None:
        """Return an input's line from earlier runs, None if it must be requested.

        It is its line in the file, or one that waits for its turn. Raises SetupError if they
        had another input in its place.
        """
        state = self._past.of(row)
        if state == "changed" or self._is_other(row):
            what = Text("{path} belongs to another input", path=self.path)
            why = Text("{place} is not what its line was made of", place=row.place)
            raise SetupError(what, why, hint=_NAME_ANOTHER)
        if state in ("done", "failed", "again"):
            self.done += 1
            self.failed += state != "done"
            return VectorEntry(row, b"", None if state == "done" else state)
        if state == "held":
            return self._past.waiting[row.id]
        return None

    def _is_other(self, row: Row) -> bool:
        past = self._past
        pending = past.waiting.get(row.id)
        claimed = past.claims.get(row.id, row.sha)
        return claimed != row.sha or (pending is not None and pending.sha != row.sha)

    def claim(self, rows: Sequence[Row]) -> None:
        """Note that a request for these inputs is about to be sent.

        Raises OutputError, also if another process changed the files: then it must not be sent.
        """
        now_s = self._clock.monotonic()
        if now_s - self._checked_at_s >= CHECK_INTERVAL_S:
            self._checked_at_s = now_s
            if (trouble := self.find_trouble()) is not None:
                raise trouble
        self._journal.claim(rows, 1, "")

    def release(self, rows: Sequence[Row]) -> None:
        """Note that a request for these inputs was refused, or not sent."""
        self._journal.abandon(rows, billed=False)

    def keep(self, entries: Sequence[VectorEntry]) -> None:
        """Keep lines in the journal until their turn; lines that it refuses go to `unkept`."""
        for row, line, failed in entries:
            with self._lock:
                if row.index in self._kept:
                    continue
                self._kept.add(row.index)
            try:
                self._journal.hold([format_held(row, line, failed, "out")])
            except OutputError:
                self.unkept.append(line)

    def write(self, entries: Sequence[VectorEntry]) -> None:
        """Append lines whose turn it is. Raises OutputError; unwritten lines are kept."""
        whole = entries
        try:
            entries = self._put_vectors(entries)
            lines = [entry.line for entry in entries]
            self._journal.announce(self._opened.out.size, entries)
        except OutputError:
            self.keep(whole)
            raise
        try:
            with self._writing:
                offsets = self._opened.out.take(lines)
        except PartialWriteError as partial:
            taken = len(partial.offsets)
            with suppress(OutputError):
                self._note(entries[:taken], partial.offsets)
            self._count_rows(taken)
            self.keep(whole[taken:])
            raise partial.failure from partial
        self._count_rows(len(entries))
        self._note(entries, offsets)
        with self._lock:
            self._kept.difference_update(entry.row.index for entry in entries)

    def _put_vectors(self, entries: Sequence[VectorEntry]) -> Sequence[VectorEntry]:
        """Write the vectors into the matrix, if there is one; return the entries without them."""
        if self._matrix is None:
            return entries
        parts = [split_vector(entry.line) for entry in entries]
        self._matrix.write_rows([vector for _, vector in parts])
        return [entry._replace(line=line) for entry, (line, _) in zip(entries, parts, strict=True)]

    def _count_rows(self, count: int) -> None:
        if self._matrix is not None:
            self._matrix.rows += count

    def find_trouble(self) -> OutputError | None:
        """Return the error if another process changed a file of this run, else None."""
        with self._writing:
            return self._opened.find_trouble()

    def length(self) -> int:
        """Return how many numbers the last vector in the file has, 0 without any."""
        if self._matrix is not None:
            return self._matrix.columns
        with open(self.path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - (1 << 20)))
            lines = file.read().split(b"\n")
        for line in reversed(lines):
            _, key, vector = line.rpartition(b'"embedding":[')
            if key and line.endswith(b"]}"):
                return vector.count(b",") + 1
        return 0

    def end(self, summary: Mapping[str, Any], *, complete: bool) -> None:
        """Note how the run ended, and sync everything to the disk."""
        if self._matrix is not None:
            self._matrix.finish()
        self._journal.end(summary, complete=complete)
        self._journal.close()

    def close(self) -> None:
        """Release the lock and close the file."""
        if self._matrix is not None:
            self._matrix.close()
        self._opened.close()

    def _note(self, entries: Sequence[VectorEntry], offsets: Sequence[int]) -> None:
        self._journal.note_written(
            WrittenRecord(row.id, row.sha, offset, len(line), failed, False, "out")
            for (row, line, failed), offset in zip(entries, offsets, strict=True)
        )

    def _check_header(self, header: Mapping[str, Any]) -> None:
        then = self._past.header
        if not then:
            return
        if then.get("command") != "embed":
            what = Text("{path} was not written by apiyi embed", path=self.path)
            raise SetupError(what, hint=_NAME_ANOTHER)
        for name, option in _SHOWN.items():
            if then.get(name) != header.get(name):
                why = Text(
                    "it was made with {option} {then}, this run has {now}",
                    option=option,
                    then="-" if then.get(name) is None else then[name],
                    now="-" if header.get(name) is None else header[name],
                )
                what = Text("{path} holds other vectors", path=self.path)
                raise SetupError(what, why, hint=_NAME_ANOTHER)


class MatrixFile:
    """A growing matrix of 32-bit floats; its header always has the number of rows.

    Row k is for line k. It is on the disk before its line is written, so that after a kill there
    are at least as many rows as lines; those without a line are written again. A line without a
    vector has a row of NaN. `rows` is the number of lines that there are. Raises SetupError where
    numpy is missing and where the file has fewer rows, OutputError where it cannot be written.
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
            raise SetupError(what, why, hint=_NAME_ANOTHER)

    def _offset(self, row: int) -> int:
        return NPY_HEAD_BYTES + row * self.columns * _ITEM_BYTES

    def _fill_to(self, rows: int) -> None:
        """Fill missing rows with NaN: the first lines may have had no vector."""
        end = max(os.fstat(self._fd).st_size, NPY_HEAD_BYTES)
        missing = max(0, self._offset(rows) - end) // _ITEM_BYTES
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


def make_row(index: int, place: str, sha: str) -> Row:
    """Return an input as the row that the journal knows."""
    return Row(index, str(index), place, sha, call=_LIGHT)


def _count_lines(path: Path) -> int:
    with open(path, "rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))
