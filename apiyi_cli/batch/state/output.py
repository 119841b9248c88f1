"""Where outcomes are written: whole lines by one thread, in completion order or the input's.

A line that is in a file is noted in the journal right after; if a file takes no more, what it
took whole is noted, and what it did not is handed back.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Literal

from apiyi_cli.batch.rows.answer_table import AnswerTable
from apiyi_cli.batch.state.files import END_OTHER_RUN, RUN_AGAIN, is_replaced, removed_error
from apiyi_cli.batch.state.journal import Journal, WrittenRecord, format_held
from apiyi_cli.batch.state.record import RowOutcome, format_record
from apiyi_cli.core.disk import count_written, write_all
from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.errors import OutputError
from apiyi_cli.output.files import cannot_write
from apiyi_cli.text import Text

TargetName = Literal["out", "errors"]


@dataclass(eq=False)
class PartialWriteError(Exception):
    """A target took only the lines at `offsets`; `failure` says why."""

    offsets: list[int]
    failure: OutputError


@dataclass(eq=False)
class UnwrittenError(Exception):
    """These outcomes were paid for and could not be written."""

    outcomes: list[RowOutcome]
    failure: OutputError


class FileTarget:
    """A file to which whole lines are appended through its descriptor.

    Nobody else may write to it: `find_trouble` reports it. The next line begins at `size`.
    """

    def __init__(self, fd: int, name: str) -> None:
        self._fd = fd
        self._name = name
        status = os.fstat(fd)
        self.size = status.st_size
        self._is_regular = stat.S_ISREG(status.st_mode)
        self._trouble: OutputError | None = None

    def take(self, lines: Sequence[bytes]) -> list[int]:
        """Append lines with as few writes as the system allows."""
        data = b"".join(lines)
        try:
            write_all(self._fd, data)
        except OSError as failure:
            raise self._cut(lines, count_written(failure), failure) from failure
        # Without a write the descriptor's position says nothing: a failed row has no line.
        if data and self._is_regular:
            # Each write goes to the end of the file, wherever that is by now.
            begin = os.lseek(self._fd, 0, os.SEEK_CUR) - len(data)
            self._check_size(begin)
            self.size = begin
        return self._advance(lines)

    def find_trouble(self, path: Path) -> OutputError | None:
        """Return the error if another process changed the file, else None."""
        if is_replaced(path, self._fd):
            return removed_error(self._name)
        if self._is_regular:
            self._check_size(os.fstat(self._fd).st_size)
        return self._trouble

    def _advance(self, lines: Sequence[bytes]) -> list[int]:
        *offsets, self.size = accumulate(map(len, lines), initial=self.size)
        return offsets

    def _check_size(self, size: int) -> None:
        if self._trouble is not None or size == self.size:
            return
        what = Text("somebody else writes to {name}", name=self._name)
        why, hint = Text("{size} bytes are not of this run", size=size - self.size), END_OTHER_RUN
        if size < self.size:
            what = Text("{name} was shortened while this run wrote to it", name=self._name)
            why = Text("{size} bytes of answers are gone", size=self.size - size)
            hint = Text("bring them back from a copy; without one --resume sends their rows again")
        self._trouble = OutputError(what, why, hint=hint)

    def _cut(self, lines: Sequence[bytes], written: int, failure: OSError) -> PartialWriteError:
        count = sum(end <= written for end in accumulate(map(len, lines)))
        offsets = self._advance(lines[:count])
        # A device cannot be cut; nor does it hold anything.
        with suppress(OSError):
            os.ftruncate(self._fd, self.size)
        return PartialWriteError(offsets, cannot_write(self._name, failure, RUN_AGAIN))


class StreamTarget:
    """Standard output; its offsets have no meaning."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write

    def take(self, lines: Sequence[bytes]) -> list[int]:
        """Write the lines at once."""
        try:
            self._write(b"".join(lines))
        except OutputError as failure:
            raise PartialWriteError([], failure) from failure
        return [0] * len(lines)


Target = FileTarget | StreamTarget
"""Appends lines and returns their offsets; raises PartialWriteError if some did not fit."""


class RecordWriter:
    """Formats outcomes as lines and writes each to its target.

    `errors` is a separate target for failures, None for the same one. With `texts` only
    the answers' texts are written, as lines of a `table` if there is one, and a failure without
    `errors` goes to `note`, its record to `keep` if an answer came. Such lines do not say which row
    they are of: the journal keeps each before it is written. `redact` removes keys from what a
    gateway says when it refuses.
    """

    def __init__(
        self,
        out: Target,
        journal: Journal | None,
        *,
        errors: Target | None = None,
        texts: bool = False,
        table: AnswerTable | None = None,
        note: Callable[[str], None] = lambda text: None,
        keep: Callable[[bytes], None] = lambda record: None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self.journal = journal
        self._targets: dict[TargetName, Target] = {"out": out, "errors": errors or out}
        self._has_errors = errors is not None
        self._texts = texts
        self._table = table
        self._note = note
        self._keep = keep
        self._redact = redact

    def format_line(self, outcome: RowOutcome) -> bytes:
        """Return the line of an outcome; empty if there is nothing to write."""
        if outcome.line is None:
            if self._texts and (outcome.failed is None or not self._has_errors):
                outcome.line = self._format_text(outcome)
            else:
                outcome.line = self._format_record(outcome)
        return outcome.line

    def hold(self, outcomes: Sequence[RowOutcome]) -> None:
        """Keep outcomes in the journal until their lines are written."""
        if self.journal is None:
            return
        new = [outcome for outcome in outcomes if not outcome.is_kept]
        self.journal.hold(self._format_held(outcome) for outcome in new)
        for outcome in new:
            outcome.is_kept = True

    def rescue(self, outcome: RowOutcome) -> bytes:
        """Return the data that can restore an outcome that could not be written.

        It is the record, or the journal's line where lines do not say which row they are of.
        """
        if self._texts and self.journal is not None:
            return self._format_held(outcome)
        return self.format_line(outcome)

    def write(self, outcomes: Sequence[RowOutcome]) -> None:
        """Write outcomes in order. Raises UnwrittenError with those that were not written."""
        groups: dict[TargetName, list[RowOutcome]] = {"out": [], "errors": []}
        for outcome in outcomes:
            groups[self._target_of(outcome)].append(outcome)
        for name, group in groups.items():
            if not group:
                continue
            try:
                lines = self._prepare(name, group)
                offsets = self._targets[name].take(lines)
            except OutputError as failure:
                raise UnwrittenError(list(outcomes), failure) from failure
            except PartialWriteError as partial:
                count = len(partial.offsets)
                # Without the note the next run finds the records in the output all the same.
                with suppress(OutputError):
                    self._note_written(group[:count], lines, partial.offsets, name)
                later = groups["errors"] if name == "out" else []
                raise UnwrittenError([*group[count:], *later], partial.failure) from partial
            self._note_written(group, lines, offsets, name)

    def _prepare(self, name: TargetName, outcomes: Sequence[RowOutcome]) -> list[bytes]:
        """Return the lines to write; the journal first keeps those that name no row."""
        lines = [self.format_line(outcome) for outcome in outcomes]
        if name == "out" and self._texts:
            self.hold([outcome for outcome in outcomes if outcome.failed is None])
            if self._table is not None and not self._table.has_head:
                lines[0] = self._table.format_head() + lines[0]
        return lines

    def _note_written(
        self,
        outcomes: Sequence[RowOutcome],
        lines: Sequence[bytes],
        offsets: Sequence[int],
        name: TargetName,
    ) -> None:
        if not outcomes:
            return
        if name == "out" and self._table is not None:
            self._table.has_head = True
        if self.journal is None:
            return
        self.journal.note_written(
            WrittenRecord(
                item.row.id, item.row.sha, offset, len(line), item.failed, item.maybe_billed, name
            )
            for item, line, offset in zip(outcomes, lines, offsets, strict=False)
        )

    def _target_of(self, outcome: RowOutcome) -> TargetName:
        return "errors" if outcome.failed is not None and self._has_errors else "out"

    def _format_held(self, outcome: RowOutcome) -> bytes:
        line, target = self.format_line(outcome), self._target_of(outcome)
        return format_held(outcome.row, line, outcome.failed, target)

    def _format_record(self, outcome: RowOutcome) -> bytes:
        if outcome.request_id is not None:
            outcome.request_id = self._redact(outcome.request_id)
        line = format_record(outcome)
        # An answer's text is not redacted; a refusal may repeat the request, key included.
        return line if outcome.error is None else self._redact(line.decode()).encode()

    def _format_text(self, outcome: RowOutcome) -> bytes:
        if outcome.error is not None:
            self._note(Text("row {id}: {error}", id=outcome.row.id, error=outcome.error))
            if outcome.was_answered:
                self._keep(self._format_record(outcome))
            return b""
        if self._table is not None:
            return self._table.format_row(outcome.row.cells, outcome.text)
        text = whole_characters(outcome.text).encode()
        return text if text.endswith(b"\n") else text + b"\n"


class OrderedBuffer:
    """Returns outcomes in the order of their rows' `seq`, which counts from 0 without gaps."""

    def __init__(self) -> None:
        self._waiting: dict[int, RowOutcome] = {}
        self._next = 0

    def add(self, outcome: RowOutcome) -> list[RowOutcome]:
        """Add an outcome; return those whose turn has come."""
        self._waiting[outcome.row.seq] = outcome
        ready = []
        while (first := self._waiting.pop(self._next, None)) is not None:
            ready.append(first)
            self._next += 1
        return ready

    def rest(self) -> list[RowOutcome]:
        """Return the remaining outcomes, in order, after the run has ended with gaps."""
        rest = [self._waiting[seq] for seq in sorted(self._waiting)]
        self._waiting.clear()
        return rest
