"""What earlier runs left: which rows are through, and which claims nobody answered.

Read from the journal and the output together. The output is the truth about records; the
journal knows what was sent and never written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from apiyi_cli.batch.files import blanked, placed_lines
from apiyi_cli.batch.ids import Ids
from apiyi_cli.batch.outcome import FREE_AGAIN
from apiyi_cli.batch.rows import Row
from apiyi_cli.core.jsontext import InvalidJSON, read, read_exact, write
from apiyi_cli.errors import SetupError
from apiyi_cli.text import Text

OK, AGAIN, PERMANENT, BILLED, RECORD, WRITTEN = 2, 4, 8, 16, 32, 64
"""Flags of an id: succeeded; failed, and runs again by itself; failed for good; the failure
may have been billed; a record stands in the output; the journal says that one does."""
_STATE = OK | AGAIN | PERMANENT | BILLED
PREFIX_BYTES = 1 << 16

Verdict = Literal["run", "again", "changed", "unknown", "done", "failed", "held", "unsaved"]
"""What a row is to a run: new; failed before and runs again; its content has changed; sent
and never answered; through; failed for good; answered, and its line not yet in its place;
answered, and its pictures not saved."""
NOT_SAVED = "not_saved"


class Waiting(NamedTuple):
    """A paid line that was not yet in its place when its run ended."""

    sha: str
    line: bytes
    failed: str | None
    target: str


class Place(NamedTuple):
    """Where a record stands whose answer still has to be saved."""

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
class Past:
    """What is known when a run begins. For a first run everything is empty.

    `claims` are ids with the sha that was sent and never answered; `ambiguous` is how often
    some of them had been sent before in the same run, which did not come to tell. `ends` are
    the sizes up to which the journal knows the output files, `header` is the last run's,
    `unsettled` the records that stand in an output and of which it does not know.
    """

    ids: Ids = field(default_factory=Ids)
    claims: dict[str, str] = field(default_factory=dict)
    ambiguous: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    unsaved: dict[str, Place] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    unsettled: list[dict[str, Any]] = field(default_factory=list)
    records: int = 0
    is_first: bool = True

    def of(self, row: Row, *, retry_failed: bool = False) -> Verdict:
        """Judge a row. What is `again` or `unknown` may be paid for twice: see `billed`."""
        if self.is_first:
            return "run"
        slot = self.ids.slot(row.id)
        flags = self.ids.flags[slot]
        same = self.ids.shas[slot] == int(row.sha, 16)
        if same and flags & OK and flags & RECORD:
            return "done"
        if (waits := self.waiting.get(row.id)) is not None and waits.sha == row.sha:
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
            return "unknown"  # the journal says it was written, and it is not there
        if flags & PERMANENT and not retry_failed:
            return "failed"
        return "again"

    def billed(self, row: Row) -> bool:
        """Tell whether an earlier failure of the same row may have been paid for."""
        return bool(self.ids.flags[self.ids.slot(row.id)] & BILLED)

    def lost(self, id: str) -> int:
        """Return how many requests of a row nobody answered, and no run has told of."""
        return 1 + self.ambiguous.get(id, 0)

    def note(self, id: str, sha: str, failed: str | None, billed: bool, also: int) -> None:
        """Take in what is known of the newest record of an id."""
        slot = self.ids.slot(id)
        flags = self.ids.flags
        state = OK if failed is None else AGAIN if failed in FREE_AGAIN else PERMANENT
        flags[slot] = flags[slot] & ~_STATE | state | (BILLED if billed else 0) | also
        self.ids.shas[slot] = int(sha, 16)


def read_journal(past: Past, path: Path, *, repair: bool = False) -> None:
    """Take in a journal. Raises SetupError naming a line that is broken."""
    past.is_first = False
    claims, waiting = past.claims, past.waiting
    for _, _, line in _placed(path, entry_of, repair):
        kind = line["t"]
        if kind == "S":
            claims[line["id"]] = line["sha"]
            past.ambiguous.pop(line["id"], None)
            if again := line.get("ambiguous"):
                past.ambiguous[line["id"]] = again
        elif kind == "D":
            claims.pop(line["id"], None)
            waiting.pop(line["id"], None)
            past.ends[line["to"]] = line["offset"] + line["size"]
            past.note(line["id"], line["sha"], line["failed"], line.get("billed", False), WRITTEN)
        elif kind == "W":
            text = line["line"].encode("utf-8")
            waiting[line["id"]] = Waiting(line["sha"], text, line["failed"], line["to"])
            claims.pop(line["id"], None)
        elif kind == "A":
            # The run that gave it up has told of what went before.
            past.ambiguous.pop(line["id"], None)
            if not line["billed"]:
                claims.pop(line["id"], None)
        elif kind == "H":
            past.header = line
            past.ends.update(line.get("sizes", {}))


def read_records(past: Past, path: Path, target: str, *, repair: bool = False) -> None:
    """Take in the records of an output file. Raises SetupError naming a line that is broken."""
    past.is_first = False
    known_to = past.ends.get(target, 0)
    for offset, line, record in _placed(path, record_of, repair):
        past.records += 1
        error = record["error"]
        failed = None if error is None else error.get("class") or "rejected"
        billed = error is not None and bool(error.get("maybe_billed"))
        past.note(record["custom_id"], record["sha"], failed, billed, RECORD)
        if error is not None and error.get("code") == NOT_SAVED:
            past.unsaved[record["custom_id"]] = Place(record["sha"], path, offset, len(line))
        else:
            past.unsaved.pop(record["custom_id"], None)
        if offset >= known_to:
            past.claims.pop(record["custom_id"], None)
            past.waiting.pop(record["custom_id"], None)
            past.unsettled.append(
                {
                    "id": record["custom_id"],
                    "sha": record["sha"],
                    "offset": offset,
                    "size": len(line),
                    "failed": failed,
                    "billed": billed,
                    "to": target,
                }
            )


def trust_journal(past: Past) -> None:
    """Take the journal's word for all records: for outputs that hold texts, not records."""
    flags = past.ids.flags
    for slot, flag in enumerate(flags):
        if flag & WRITTEN:
            flags[slot] |= RECORD


def check_belonging(past: Past, output: Path) -> None:
    """Raise SetupError when the journal is one of quite another output."""
    written = found = 0
    for flag in past.ids.flags:
        if flag & WRITTEN and flag & OK:
            written += 1
            found += bool(flag & RECORD)
    if written and not found and past.records:
        raise SetupError(
            Text("the journal beside {output} is of another output", output=output),
            Text("none of the {written} answers that it knows of is in there", written=written),
            hint=Text("bring the two together again, or name another -o"),
        )


def is_record(line: bytes) -> bool:
    """Tell whether a line is a whole output record."""
    return record_of(line) is not None


def is_entry(line: bytes) -> bool:
    """Tell whether a line is a whole line of a journal."""
    return entry_of(line) is not None


def prefix_sha(prefix: bytes) -> str:
    """Return the hash by which an input is known again."""
    return hashlib.sha256(prefix).hexdigest()[:16]


def record_of(line: bytes) -> dict[str, Any] | None:
    """Return the record of an output line, None for anything else."""
    try:
        value = read(line)
        int(value["sha"], 16)
        fine = isinstance(value["custom_id"], str) and "error" in value
        return value if fine and (value["error"] is None or "class" in value["error"]) else None
    except (InvalidJSON, KeyError, TypeError, ValueError):
        return None


def entry_of(line: bytes) -> dict[str, Any] | None:
    """Return what a line of a journal says, None for anything else."""
    try:
        value = read(line)
        return value if value["t"] in ("H", "S", "W", "D", "A", "E") else None
    except (InvalidJSON, KeyError, TypeError):
        return None


def _placed(
    path: Path, read: Callable[[bytes], dict[str, Any] | None], repair: bool
) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    broken: list[tuple[int, bytes]] = []
    for number, offset, line in placed_lines(path):
        value = read(line)
        if value is not None:
            yield offset, line, value
        elif repair:
            broken.append((offset, line))
        else:
            raise SetupError(
                Text("{path}:{number} is broken", path=path, number=number),
                Text("it is no record, and not the last line, which alone may be torn"),
                hint=Text("--repair puts such lines into {path}.torn", path=path),
            )
    if broken:
        blanked(path, broken)
