"""State from earlier runs: finished rows, and requests sent without a recorded answer.

Read from the journal and the outputs together. An output is the truth about what its records
hold; the journal knows their order over the output and the file of errors, and what was sent
and never written. The newest record of an id is its state.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zlib import crc32

from apiyi_cli.batch.rows.identity import IdTable, LegacyIds
from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.state.entries import ENTRIES, RECORDS, StoredLine, read_lines
from apiyi_cli.batch.state.journal import WrittenRecord
from apiyi_cli.batch.state.record import FREE_AGAIN
from apiyi_cli.core.jsontext import read_exact, write

OK, AGAIN, PERMANENT, BILLED, RECORD, WRITTEN, IN_ERRORS, REPLACED = 2, 4, 8, 16, 32, 64, 128, 512
"""Flags of an id: succeeded; failed, and runs again by itself; failed permanently; the failure
may have been billed; its newest record was read; the journal says that it was written; it is in
the file of errors; the row is no longer in the input, so its error concerns no row."""
FAILED = AGAIN | PERMANENT
_STATE = OK | FAILED | BILLED
_NEWEST = _STATE | RECORD | WRITTEN | IN_ERRORS | REPLACED
PREFIX_BYTES = 1 << 16

RowState = Literal["run", "again", "changed", "unknown", "done", "failed", "held", "unsaved"]
"""What a row is to a run: new; failed before and runs again; its content has changed; sent
and never answered; finished; failed permanently; answered, its line not written yet;
answered, its pictures not saved."""
NOT_SAVED = "not_saved"


class PendingLine(NamedTuple):
    """A paid line that was not in the output when its run ended."""

    sha: str
    line: bytes
    failed: str | None


class RecordPlace(NamedTuple):
    """The place of a record whose answer still has to be saved."""

    sha: str
    path: Path
    offset: int
    size: int

    def body(self) -> bytes:
        """Return the server's answer in the record."""
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            record = read_exact(file.read(self.size))
        return write(record["response"]["body"])


@dataclass(slots=True)
class ResumeState:
    """The state at the start of a run; for a first run everything is empty.

    `claims` are ids with the hash that was sent and never answered; `ambiguous` is how often
    some of them had been sent before in the same run, which could not report it. `ends` are
    the sizes up to which the journal knows the output files, `plain_ends` those up to which it
    names no single record, `old_ends` those up to which version 0.1 wrote. `header` is the last
    run's, `total` the number of rows of the last one that ended. `unsettled` are the records
    that the journal does not know. `text_size` is the size of an output that holds texts,
    `announced` the lines that were last about to be appended to it.
    """

    ids: IdTable = field(default_factory=IdTable)
    claims: dict[str, str] = field(default_factory=dict)
    ambiguous: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, PendingLine] = field(default_factory=dict)
    unsaved: dict[str, RecordPlace] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    errors: str | None = None
    total: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    plain_ends: dict[str, int] = field(default_factory=dict)
    old_ends: dict[str, int] = field(default_factory=dict)
    old_ids: LegacyIds = field(default_factory=LegacyIds)
    is_old: bool = False
    unsettled: list[WrittenRecord] = field(default_factory=list)
    text_size: int | None = None
    announced: dict[str, Any] = field(default_factory=dict)
    records: int = 0
    is_first: bool = True

    def of(self, row: Row, *, retry_failed: bool = False) -> RowState:
        """Return the state of a row. An `again` or `unknown` may be billed twice: see `billed`."""
        if self.is_first:
            return "run"
        slot = self.ids.slot(row.id)
        flags = self.ids.flags[slot]
        same = self.ids.shas[slot] == int(row.sha, 16)
        if same and flags & OK and flags & RECORD:
            return "done"
        if (pending := self.waiting.get(row.id)) is not None and pending.sha == row.sha:
            return "held"
        if (place := self.unsaved.get(row.id)) is not None and place.sha == row.sha:
            return "unsaved"
        if self.claims.get(row.id) == row.sha:
            return "unknown"
        if not flags & _STATE:
            return "run"
        if not same:
            return "changed"
        if flags & OK:
            return "unknown"  # the journal says it was written, and the output lacks it
        if flags & PERMANENT and flags & RECORD and not retry_failed:
            return "failed"
        return "again"

    def knows(self, id: str, sha: str) -> bool:
        """Return True if an id has this content in an output or a claim."""
        slot = self.ids.slot(id)
        if self.ids.flags[slot] & _STATE and self.ids.shas[slot] == int(sha, 16):
            return True
        pending = self.waiting.get(id)
        return self.claims.get(id) == sha or (pending is not None and pending.sha == sha)

    def may_be_billed(self, row: Row) -> bool:
        """Return True if an earlier failure of the same row may have been billed."""
        return bool(self.ids.flags[self.ids.slot(row.id)] & BILLED)

    def count_lost(self, id: str) -> int:
        """Return how many requests of a row are unanswered and unreported."""
        return 1 + self.ambiguous.get(id, 0)

    def count(self, flags: int, without: int = 0) -> int:
        """Return how many ids have all of these flags, and none of those."""
        return sum(1 for flag in self.ids.flags if flag & flags == flags and not flag & without)

    def take(self, entry: dict[str, Any]) -> None:
        """Apply one line of the journal."""
        kind = entry["t"]
        if kind == "H":
            self._begin(entry)
        elif kind == "S":
            self._claim(entry)
        elif kind == "D":
            place = entry["offset"], entry["size"], entry["failed"]
            billed = entry.get("billed") is True
            written = WrittenRecord(entry["id"], entry["sha"], *place, billed, entry["to"])
            self._note_written(written)
        elif kind == "P":
            self.announced = entry
        elif kind == "W":
            pending = PendingLine(entry["sha"], entry["line"].encode(), entry["failed"])
            self.waiting[entry["id"]] = pending
            self.claims.pop(entry["id"], None)
        elif kind == "A":
            # The run that gave it up has reported what went before.
            self.ambiguous.pop(entry["id"], None)
            if not entry["billed"]:
                self.claims.pop(entry["id"], None)
        elif kind == "R":
            slot = self.ids.slot(entry["id"])
            self.ids.flags[slot] = self.ids.flags[slot] & ~_NEWEST | REPLACED
        elif kind == "L":
            self.ids.flags[self.ids.slot(entry["id"])] &= ~WRITTEN
        elif kind == "E":
            self.total = entry["summary"]["total"]

    def take_record(self, line: StoredLine, path: Path, target: str) -> None:
        """Apply one record, if it is the newest of its id."""
        record = line.value
        self.records += 1
        id, sha, error = record["custom_id"], record["sha"], record["error"]
        failed = None if error is None else error["class"]
        if self.is_old or line.offset < self.old_ends.get(target, 0):
            self.old_ids.note(record.get("index"), id, sha)
        slot = self.ids.slot(id)
        flags = self.ids.flags[slot]
        is_known = line.offset < self.ends.get(target, 0)
        if is_known and flags & REPLACED:
            return
        if is_known and flags & WRITTEN:
            if not self._matches(slot, sha, failed, target):
                return
            self.ids.flags[slot] |= RECORD
        else:
            billed = error is not None and bool(error.get("maybe_billed"))
            size = len(line.data)
            written = WrittenRecord(id, sha, line.offset, size, failed, billed, target)
            self._note(written, RECORD)
            if not (is_known and line.offset < self.plain_ends.get(target, 0)):
                # The journal does not know this record: it answers the claim.
                self.claims.pop(id, None)
                self.waiting.pop(id, None)
                self.unsettled.append(written)
        if error is not None and error.get("code") == NOT_SAVED:
            self.unsaved[id] = RecordPlace(sha, path, line.offset, len(line.data))
        else:
            self.unsaved.pop(id, None)

    def take_announced(self, path: Path) -> None:
        """Apply the announced lines that the output really has."""
        if not self.announced:
            return
        target, offset = self.announced["to"], self.announced["offset"]
        with open(path, "rb") as file:
            for row in self.announced["rows"]:
                size = row["size"]
                if offset == self.ends.get(target, 0):
                    file.seek(offset)
                    line = file.read(size)
                    if (len(line), crc32(line)) != (size, row["crc"]):
                        return
                    place = offset, size, row["failed"]
                    written = WrittenRecord(row["id"], row["sha"], *place, False, target)
                    self.unsettled.append(written)
                    self._note_written(written)
                offset += size

    def is_newest(self, line: StoredLine, target: str) -> bool:
        """Return True if a record equals the newest one of its id, after reading all."""
        record = line.value
        slot = self.ids.slot(record["custom_id"])
        failed = None if record["error"] is None else record["error"]["class"]
        is_read = bool(self.ids.flags[slot] & RECORD)
        return is_read and self._matches(slot, record["sha"], failed, target)

    def trust_errors(self) -> None:
        """Trust the journal about the records in a file of errors that is not read."""
        flags = self.ids.flags
        for slot, flag in enumerate(flags):
            if flag & WRITTEN and flag & IN_ERRORS:
                flags[slot] |= RECORD

    def _matches(self, slot: int, sha: str, failed: str | None, target: str) -> bool:
        wanted = _state(failed) | (IN_ERRORS if target == "errors" else 0)
        same = self.ids.shas[slot] == int(sha, 16)
        return same and self.ids.flags[slot] & (OK | FAILED | IN_ERRORS) == wanted

    def _begin(self, entry: dict[str, Any]) -> None:
        sizes = entry.get("sizes", {})
        if not self.header:
            self.plain_ends = dict(sizes)
        self.header = entry
        self.errors = entry.get("errors") or self.errors
        self.is_old = entry["version"] < 2
        if "old_ends" in entry:
            self.old_ends = dict(entry["old_ends"])
        for id, sha in entry.get("old_ids", {}).items():
            if id.isascii() and id.isdigit():
                self.old_ids.note(int(id), id, sha)
        self.ends.update(sizes)

    def _claim(self, entry: dict[str, Any]) -> None:
        id = entry["id"]
        self.claims[id] = entry["sha"]
        self.ambiguous.pop(id, None)
        if again := entry.get("ambiguous"):
            self.ambiguous[id] = again
        if self.is_old:
            self.old_ids.note(entry.get("index"), id, entry["sha"])

    def _note_written(self, record: WrittenRecord) -> None:
        end = record.offset + record.size
        self.claims.pop(record.id, None)
        self.waiting.pop(record.id, None)
        self.ends[record.to] = max(end, self.ends.get(record.to, 0))
        flags = WRITTEN
        if self.text_size is not None and (record.to == "errors" or end <= self.text_size):
            flags |= RECORD
        self._note(record, flags)

    def _note(self, record: WrittenRecord, flags: int) -> None:
        slot = self.ids.slot(record.id)
        flags |= self.ids.flags[slot] & ~_NEWEST | _state(record.failed)
        flags |= (BILLED if record.billed else 0) | (IN_ERRORS if record.to == "errors" else 0)
        self.ids.flags[slot] = flags
        self.ids.shas[slot] = int(record.sha, 16)


def read_journal(past: ResumeState, path: Path, *, repair: bool = False) -> None:
    """Apply a journal to a state. Raises SetupError naming a line that is broken."""
    past.is_first = False
    for line in read_lines(path, ENTRIES, repair=repair):
        past.take(line.value)


def read_records(past: ResumeState, path: Path, target: str, *, repair: bool = False) -> None:
    """Apply the records of an output file. Raises SetupError naming a line that is broken."""
    past.is_first = False
    for line in read_lines(path, RECORDS, repair=repair):
        past.take_record(line, path, target)


def hash_prefix(prefix: bytes) -> str:
    """Return the hash by which an input is recognized."""
    return hashlib.sha256(prefix).hexdigest()[:16]


def _state(failed: str | None) -> int:
    return OK if failed is None else AGAIN if failed in FREE_AGAIN else PERMANENT
