"""Opens an output for a run: locked, repaired, earlier runs read, the journal ready."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apiyi_cli.batch.rows.identity import SEEN
from apiyi_cli.batch.rows.shard import Shard
from apiyi_cli.batch.run.counts import FailureCauses
from apiyi_cli.batch.state.entries import (
    ENTRIES,
    RECORDS,
    StoredLine,
    is_entry,
    is_record,
    read_lines,
    skip_broken,
)
from apiyi_cli.batch.state.files import open_errors_file, repair_tail, truncate_at
from apiyi_cli.batch.state.journal import Fsync, Journal, finish_compaction, journal_path
from apiyi_cli.batch.state.locks import LockedFile
from apiyi_cli.batch.state.output import FileTarget
from apiyi_cli.batch.state.record import FREE_AGAIN
from apiyi_cli.batch.state.refusals import (
    OutputForm,
    find_holder,
    no_journal,
    refuse_edited,
    refuse_incomplete,
    refuse_orphan,
    refuse_other_form,
    refuse_other_shard,
)
from apiyi_cli.batch.state.resume import (
    FAILED,
    OK,
    RECORD,
    WRITTEN,
    ResumeState,
    read_journal,
    read_records,
)
from apiyi_cli.batch.state.verify import count_unmatched
from apiyi_cli.errors import OutputError
from apiyi_cli.output.files import cannot_write
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.batch.state.store_lock import StoreLock


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """How an output is opened: see the options of the same names."""

    errors: Path | None = None
    force: bool = False
    resume: bool = False
    repair: bool = False
    form: OutputForm = "records"
    fsync: Fsync = "group"
    shard: Shard | None = None

    @property
    def texts(self) -> bool:
        """Return True if only the journal says which row a line belongs to."""
        return self.form != "records"


class OpenOutput:
    """An output locked by this run, with the state of earlier runs in `past`."""

    def __init__(
        self,
        output: Path,
        options: OpenOptions,
        note: Callable[[str], None],
        lock: StoreLock | None = None,
    ) -> None:
        self.output = output
        self.options = options
        self.past = ResumeState()
        self.journal: Journal | None = None
        self.errors: FileTarget | None = None
        self._note = note
        self._journal_path = journal_path(output)
        self._errors_fd = -1
        self._lost = 0
        self.sizes: dict[str, int] = {}
        if not options.force:
            refuse_orphan(output, self._journal_path)
        finish_compaction(self._journal_path)
        self._lock = lock
        self.held = LockedFile(output, lambda: find_holder(self._journal_path))
        try:
            if lock is not None:
                lock.take(output, self._journal_path)
            self._read()
            self.out = FileTarget(self.held.fd, str(output))
            if options.errors is not None:
                fresh = not (self.past.errors == str(options.errors.absolute()) or options.resume)
                self._errors_fd = open_errors_file(options.errors, fresh=fresh)
                self.errors = FileTarget(self._errors_fd, str(options.errors))
        except BaseException:
            self.close()
            raise

    def begin(self, header: Mapping[str, Any]) -> Journal:
        """Open the journal and write the header of this run into it."""
        past, options = self.past, self.options
        sizes = self.sizes = {"out": self.output.stat().st_size}
        synced = [self.held.fd]
        if options.errors is not None:
            sizes["errors"] = os.fstat(self._errors_fd).st_size
            synced.append(self._errors_fd)
        is_repaired = bool(self._lost) or (options.repair and self._journal_path.exists())
        lost = forget_lost(past, self._journal_path, options.repair) if self._lost else []
        try:
            journal = Journal(self._journal_path, fsync=options.fsync, synced=synced)
        except OSError as failure:
            raise cannot_write(self._journal_path, failure) from failure
        self.journal = journal
        journal.note_written(past.unsettled)
        journal.note_missing("L", lost)
        more = {
            "old_ends": sizes if past.is_old else past.old_ends,
            # Missing records are reported once only.
            "unmatched": count_unmatched(self.output) if is_repaired else 0,
        }
        journal.begin(
            {
                "texts": options.texts,
                "form": options.form,
                "errors": None if options.errors is None else str(options.errors.absolute()),
                "sizes": sizes,
                **{name: value for name, value in more.items() if value},
                **header,
            }
        )
        # A new journal says only now which output it is of.
        if self._lock is not None:
            self._lock.take(self.output, self._journal_path)
        return journal

    @property
    def rescue_target(self) -> Path:
        """Return the file for records that this run could not write."""
        return self._journal_path if self.options.texts else self.output

    def find_trouble(self) -> OutputError | None:
        """Return the error if another process changed a file of this run, else None."""
        for path, target in ((self.output, self.out), (self.options.errors, self.errors)):
            if path is not None and target is not None and (trouble := target.find_trouble(path)):
                return trouble
        if self._lock is not None and (trouble := self._lock.find_trouble()):
            return trouble
        return None if self.journal is None else self.journal.find_trouble()

    def drop_replaced_errors(self) -> None:
        """Note the failures of rows that have left the input because they were corrected.

        To be called once the whole input has been read.
        """
        assert self.journal is not None
        flags = self.past.ids.flags
        if not any(flag & RECORD and flag & FAILED and not flag & SEEN for flag in flags):
            return
        entries = []
        for line, target, slot in read_earlier_records(self):
            if flags[slot] & SEEN or not self.past.is_newest(line, target):
                continue
            if flags[slot] & FAILED:
                flags[slot] &= ~RECORD
                entries.append({"id": line.value["custom_id"], "sha": line.value["sha"]})
        self.journal.note_missing("R", entries)

    def count_failures(self, causes: FailureCauses) -> None:
        """Count the failures of earlier runs among the rows of this input."""
        for line, target, slot in read_earlier_records(self):
            error = line.value["error"]
            # The others were sent again, and are counted with their new answers.
            if error is None or error["class"] in FREE_AGAIN:
                continue
            if self.past.ids.flags[slot] & SEEN and self.past.is_newest(line, target):
                causes.add_record(error)

    def close(self) -> None:
        """Sync the files to disk, close them and release the lock."""
        if self.journal is not None:
            # Write errors were reported when the run ended.
            with suppress(OutputError):
                self.journal.close()
        if self._errors_fd >= 0:
            os.close(self._errors_fd)
            self._errors_fd = -1
        self.held.close()
        if self._lock is not None:
            self._lock.release()

    def _read(self) -> None:
        options, past, journal = self.options, self.past, self._journal_path
        if options.force:
            os.ftruncate(self.held.fd, 0)
            journal.unlink(missing_ok=True)
            if options.errors is not None:
                options.errors.unlink(missing_ok=True)
            return
        size = os.fstat(self.held.fd).st_size
        if journal.exists():
            self._repair(journal, is_entry)
            if options.texts:
                past.text_size = size
            read_journal(past, journal, repair=options.repair)
            if not options.resume:
                refuse_other_shard(self.output, past.header, options.shard)
            if size:
                refuse_other_form(self.output, past.header, options.form)
            self._read_output()
            accepted = options.resume or options.repair
            self._lost = refuse_incomplete(self.output, past, accepted=accepted)
            if self._lost:
                message = Text(
                    "{lost} answers are not in {output} any more: sending them again",
                    lost=self._lost,
                    output=self.output,
                )
                self._note(message)
        elif size:
            if not options.resume or options.texts:
                raise no_journal(self.output)
            self._repair(self.output, is_record)
            size = self.output.stat().st_size
            # Without a journal its writer is unknown: rows are identified by content as well.
            past.ends, past.plain_ends, past.is_old = {"out": size}, {"out": size}, True
            self._read_errors(must_be_named=False)
            read_records(past, self.output, "out", repair=options.repair)

    def _read_output(self) -> None:
        past, options = self.past, self.options
        if not options.texts:
            self._repair(self.output, is_record)
            self._read_errors(must_be_named=True)
            read_records(past, self.output, "out", repair=options.repair)
            return
        past.take_announced(self.output)
        refuse_edited(self.output, past)
        if truncate_at(self.output, past.ends.get("out", 0)):
            message = Text(
                "the last text of {output} was torn; it is in {output}.torn", output=self.output
            )
            self._note(message)
        if options.errors is not None and options.errors.is_file():
            self._repair(options.errors, is_record)
        past.records = past.count(RECORD)

    def _read_errors(self, *, must_be_named: bool) -> None:
        """Read the file of errors; with `must_be_named` only the one that the journal names."""
        past, given = self.past, self.options.errors
        path = self.errors_path
        is_other = path is not None and str(path.absolute()) != past.errors
        if path is None or not path.is_file() or (must_be_named and is_other):
            past.trust_errors()
            return
        if given is not None:
            self._repair(path, is_record)
        elif path.stat().st_size < past.ends.get("errors", 0):
            past.trust_errors()
        read_records(past, path, "errors", repair=self.options.repair)

    @property
    def errors_path(self) -> Path | None:
        """Return the file of errors of this run, else of the earlier ones."""
        known = self.past.errors
        return self.options.errors or (None if known is None else Path(known))

    def _repair(self, path: Path, is_whole: Callable[[bytes], bool]) -> None:
        if message := repair_tail(path, is_whole):
            self._note(message)


def forget_lost(past: ResumeState, journal: Path, repair: bool) -> list[dict[str, Any]]:
    """Return, and forget, the answers that the journal has and the output lacks."""
    ids = past.ids
    lost = []
    for line in read_lines(journal, ENTRIES, repair=repair):
        entry = line.value
        if entry["t"] == "D":
            slot = ids.slot(entry["id"])
            if ids.flags[slot] & (WRITTEN | OK | RECORD) == WRITTEN | OK:
                ids.flags[slot] &= ~WRITTEN
                lost.append({"id": entry["id"], "sha": entry["sha"]})
    return lost


def read_earlier_records(output: OpenOutput) -> Iterator[tuple[StoredLine, str, int]]:
    """Yield the records of earlier runs, with target and slot."""
    for path, target in ((output.output, "out"), (output.errors_path, "errors")):
        if output.options.texts or path is None or not path.is_file():
            continue
        for line in read_lines(path, RECORDS, on_broken=skip_broken):
            if line.offset >= output.sizes.get(target, 0):
                break
            yield line, target, output.past.ids.slot(line.value["custom_id"])
