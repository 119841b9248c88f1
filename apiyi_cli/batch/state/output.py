"""Where outcomes go: whole lines by one writer, in completion order or in the input's.

One thread uses this. A line that stands in a file is noted in the journal right after; when
a file takes no more, what it took whole is noted, and what it did not is handed back.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from apiyi_cli.batch.state.answer_table import AnswerTable
from apiyi_cli.batch.state.files import is_replaced
from apiyi_cli.batch.state.journal import Journal, format_kept
from apiyi_cli.batch.state.record import RowOutcome, record
from apiyi_cli.core.disk import write_all, written_before
from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.errors import OutputError
from apiyi_cli.text import Text, system_reason


class Target(Protocol):
    """Something that takes lines."""

    def take(self, lines: Sequence[bytes]) -> list[int]:
        """Append lines and return their offsets; raise Untaken where not all went in."""


class PartialWriteError(Exception):
    """A target took only the lines at `offsets`, for the reason that `failure` tells."""

    def __init__(self, offsets: list[int], failure: OutputError) -> None:
        super().__init__(str(failure))
        self.offsets = offsets
        self.failure = failure


class FileTarget:
    """A file that is appended to through its descriptor; it always ends with a whole line.

    Nobody else may write to it: `find_trouble` tells who did.
    """

    def __init__(self, fd: int, name: str) -> None:
        self._fd = fd
        self._name = name
        status = os.fstat(fd)
        self._size = status.st_size
        self._is_regular = stat.S_ISREG(status.st_mode)
        self._trouble: OutputError | None = None

    def take(self, lines: Sequence[bytes]) -> list[int]:
        """Append lines with as few writes as the system allows."""
        data = b"".join(lines)
        try:
            write_all(self._fd, data)
        except OSError as failure:
            raise self._cut(lines, written_before(failure), failure) from failure
        # Without a write the descriptor's position says nothing: a failed row has no line.
        if data and self._is_regular:
            # Each write goes to the end of the file, wherever that is by now.
            begin = os.lseek(self._fd, 0, os.SEEK_CUR) - len(data)
            self._compare(begin)
            self._size = begin
        offsets = []
        for line in lines:
            offsets.append(self._size)
            self._size += len(line)
        return offsets

    @property
    def size(self) -> int:
        """Return the offset at which the next line begins."""
        return self._size

    def find_trouble(self, path: Path) -> OutputError | None:
        """Return what became of the file meanwhile, None when it is as this run left it."""
        if is_replaced(path, self._fd):
            return OutputError(
                Text("{name} was removed or replaced", name=self._name),
                Text("nothing more can be recorded in it"),
            )
        if self._is_regular:
            self._compare(os.fstat(self._fd).st_size)
        return self._trouble

    def _compare(self, size: int) -> None:
        if size < self._size:
            self._trouble = self._trouble or OutputError(
                Text("{name} was shortened while this run wrote to it", name=self._name),
                Text("{size} bytes of answers are gone", size=self._size - size),
                hint=Text(
                    "bring them back from a copy; without one --resume sends their rows again"
                ),
            )
        elif size > self._size:
            self._trouble = self._trouble or OutputError(
                Text("somebody else writes to {name}", name=self._name),
                Text("{size} bytes are not of this run", size=size - self._size),
                hint=Text(
                    "end the other run; then run this line again: it goes on where it stopped"
                ),
            )

    def _cut(self, lines: Sequence[bytes], written: int, failure: OSError) -> PartialWriteError:
        """Take back the line that went in half."""
        offsets, size = [], self._size
        for line in lines:
            if written < len(line):
                break
            written -= len(line)
            offsets.append(size)
            size += len(line)
        # A device cannot be cut; nor does it hold anything.
        with suppress(OSError):
            os.ftruncate(self._fd, size)
        self._size = size
        error = OutputError(
            Text("cannot write {name}", name=self._name),
            system_reason(failure),
            hint=Text("make room, then run the same line again: it goes on where it stopped"),
        )
        return PartialWriteError(offsets, error)


class StreamTarget:
    """Standard output: no offsets that mean anything."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write

    def take(self, lines: Sequence[bytes]) -> list[int]:
        """Write the lines at once."""
        try:
            self._write(b"".join(lines))
        except OutputError as failure:
            raise PartialWriteError([], failure) from failure
        return [0] * len(lines)


class RecordWriter:
    """Turns outcomes into lines and puts each where it belongs.

    `errors` is a target of its own for failures, None for the same one. With `texts` only
    the answers' texts are written, as lines of a `table` if there is one, and a failure without
    `errors` goes to `tell`. Such lines do not say whose they are: the journal keeps each before
    it is written. `redact` takes keys out of what a gateway says when it refuses.
    """

    def __init__(
        self,
        out: Target,
        journal: Journal | None,
        *,
        errors: Target | None = None,
        texts: bool = False,
        table: AnswerTable | None = None,
        tell: Callable[[str], None] = lambda text: None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._targets = {"out": out, "errors": errors or out}
        self._has_errors = errors is not None
        self.journal = journal
        self._texts = texts
        self._table = table
        self._tell = tell
        self._redact = redact

    def line(self, outcome: RowOutcome) -> bytes:
        """Return the line of an outcome; empty when there is nothing to write."""
        if outcome.line is None:
            if self._texts and (outcome.failed is None or not self._has_errors):
                outcome.line = self._text(outcome)
            else:
                outcome.line = self._record(outcome)
        return outcome.line

    def _record(self, outcome: RowOutcome) -> bytes:
        if outcome.request_id is not None:
            outcome.request_id = self._redact(outcome.request_id)
        line = record(outcome)
        # What an answer says is the user's; a refusal may repeat the request, key and all.
        return line if outcome.error is None else self._redact(line.decode()).encode()

    def hold(self, outcome: RowOutcome) -> None:
        """Make an outcome durable that has to wait for its turn."""
        self._keep([outcome])

    def rescue(self, outcome: RowOutcome) -> bytes:
        """Return what brings an outcome back that could not be written.

        It is the record, and what the journal would say where lines do not say whose they are.
        """
        if self._texts and self.journal is not None:
            return self._kept_line(outcome)
        return self.line(outcome)

    def write(self, outcomes: Sequence[RowOutcome]) -> None:
        """Write outcomes in their order. Raises Unwritten with those that did not go in."""
        for name in ("out", "errors"):
            mine = [one for one in outcomes if self._name(one) == name]
            if not mine:
                continue
            lines = [self.line(one) for one in mine]
            if name == "out" and self._texts:
                try:
                    self._keep([one for one in mine if one.failed is None])
                except OutputError as failure:
                    raise UnwrittenError(list(outcomes), failure) from failure
                if self._table is not None and not self._table.has_head:
                    lines[0] = self._table.format_head() + lines[0]
            try:
                offsets = self._targets[name].take(lines)
            except PartialWriteError as untaken:
                count = len(untaken.offsets)
                self._note_head(name, count)
                lost = [*mine[count:], *([] if name == "errors" else _others(outcomes, mine))]
                # Without a note the next run finds the records in the output all the same.
                with suppress(OutputError):
                    self._note(mine[:count], lines[:count], untaken.offsets, name)
                raise UnwrittenError(lost, untaken.failure) from untaken
            self._note_head(name, len(offsets))
            self._note(mine, lines, offsets, name)

    def _keep(self, outcomes: Sequence[RowOutcome]) -> None:
        if self.journal is None:
            return
        new = [one for one in outcomes if not one.is_kept]
        self.journal.keep(self._kept_line(one) for one in new)
        for outcome in new:
            outcome.is_kept = True

    def _kept_line(self, outcome: RowOutcome) -> bytes:
        return format_kept(outcome.row, self.line(outcome), outcome.failed, self._name(outcome))

    def _note_head(self, name: str, count: int) -> None:
        if name == "out" and count and self._table is not None:
            self._table.has_head = True

    def _note(
        self, outcomes: Sequence[RowOutcome], lines: Sequence[bytes], offsets: list[int], name: str
    ) -> None:
        if self.journal is None or not outcomes:
            return
        self.journal.done(
            {
                "id": one.row.id,
                "sha": one.row.sha,
                "offset": offset,
                "size": len(line),
                "failed": one.failed,
                "billed": one.maybe_billed,
                "to": name,
            }
            for one, line, offset in zip(outcomes, lines, offsets, strict=True)
        )

    def _name(self, outcome: RowOutcome) -> str:
        return "errors" if outcome.failed is not None and self._has_errors else "out"

    def _text(self, outcome: RowOutcome) -> bytes:
        if outcome.error is not None:
            self._tell(Text("row {id}: {error}", id=outcome.row.id, error=outcome.error))
            return b""
        if self._table is not None:
            return self._table.format_row(outcome.row.cells, outcome.text)
        text = whole_characters(outcome.text).encode()
        return text if text.endswith(b"\n") else text + b"\n"


class UnwrittenError(Exception):
    """These outcomes are paid for and could not be written."""

    def __init__(self, outcomes: list[RowOutcome], failure: OutputError) -> None:
        super().__init__(str(failure))
        self.outcomes = outcomes
        self.failure = failure


def _others(outcomes: Sequence[RowOutcome], mine: Sequence[RowOutcome]) -> list[RowOutcome]:
    taken = {id(one) for one in mine}
    return [one for one in outcomes if id(one) not in taken]


class OrderedBuffer:
    """Gives outcomes back in the order of their rows' `seq`, which counts from 0 without gaps."""

    def __init__(self) -> None:
        self._waiting: dict[int, RowOutcome] = {}
        self._next = 0

    def add(self, outcome: RowOutcome) -> list[RowOutcome]:
        """Take an outcome; return those whose turn has come."""
        self._waiting[outcome.row.seq] = outcome
        ready = []
        while (first := self._waiting.pop(self._next, None)) is not None:
            ready.append(first)
            self._next += 1
        return ready

    def rest(self) -> list[RowOutcome]:
        """Return what still waits, in order: the run has ended and the gaps stay open."""
        rest = [self._waiting[seq] for seq in sorted(self._waiting)]
        self._waiting.clear()
        return rest
