"""An output and its journal held against each other, without changing either.

What must hold: every line is a whole record; every claim has a record, was given up, or is
told as unknown; the attempts in the records are the claims in the journal; what the journal
says was written is there; a run that went through its input left a record for each row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from apiyi_cli.batch.files import placed_lines
from apiyi_cli.batch.ids import Ids
from apiyi_cli.batch.journal import journal_path
from apiyi_cli.batch.past import OK, RECORD, WRITTEN, entry_of, record_of
from apiyi_cli.errors import ApiyiError, PartialError, SetupError, UsageError, describe_billing
from apiyi_cli.text import Text

FAILED = 4
MOST_PROBLEMS = 20


class Verified(NamedTuple):
    """What an output adds up to, and the error when that is not as it must be."""

    summary: dict[str, Any]
    failure: ApiyiError | None


@dataclass(slots=True)
class Claims:
    """The claims of a journal, counted as it is read.

    `open` holds the claims of each id since its last record; what is open when a run begins
    was `lost` with the run before. `unknown` are the ids whose end nobody knows. `twice` are the
    claims that follow one of the same row that may have been billed, in its run (where they
    count themselves) or in one before. `billed` has the hash of each row whose last claim may
    have been, by its id.
    """

    requests: int = 0
    answered: int = 0
    given_up: int = 0
    lost: int = 0
    carried: int = 0
    unmatched: int = 0
    twice: int = 0
    open: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, bytes] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    end: dict[str, Any] = field(default_factory=dict)
    billed: dict[str, str] = field(default_factory=dict)
    _again: dict[str, int] = field(default_factory=dict)

    def take(self, entry: dict[str, Any], line: bytes = b"") -> None:
        """Count one line."""
        kind = entry["t"]
        if kind in ("S", "W", "D", "A"):
            self._count_twice(entry)
        if kind == "S":
            self.requests += 1
            self.open[entry["id"]] = self.open.get(entry["id"], 0) + 1
            self.unknown[entry["id"]] = line
        elif kind in ("D", "W"):
            self.answered += self.open.pop(entry["id"], 0)
            self.unknown.pop(entry["id"], None)
        elif kind == "A":
            self.given_up += self.open.pop(entry["id"], 0)
            if not entry["billed"]:
                self.unknown.pop(entry["id"], None)
        elif kind == "H":
            self.header = entry
            self.end = {}
            self.lost += sum(self.open.values())
            self.open.clear()
            self._again.clear()
            self.twice += entry.get("twice", 0)
            self.billed.update(entry.get("billed", {}))
            self.carried += entry.get("carried", 0)
            self.unmatched += entry.get("unmatched", 0)
        elif kind == "E":
            self.end = entry

    def _count_twice(self, entry: dict[str, Any]) -> None:
        id, sha = entry["id"], entry["sha"]
        if entry["t"] == "S":
            again = entry.get("ambiguous", 0)
            if id not in self._again:
                self.twice += self.billed.get(id) == sha
            self.twice += max(0, again - self._again.get(id, 0))
            self._again[id] = again
            # Until it is told otherwise.
            self.billed[id] = sha
            return
        self._again.pop(id, None)
        if entry.get("billed", False):
            self.billed[id] = sha
        else:
            self.billed.pop(id, None)

    @property
    def expected(self) -> int:
        """Return how many attempts the records must tell of."""
        return self.answered + self.carried - self.unmatched


class _Ledger:
    """What the records of one or two files add up to."""

    def __init__(self) -> None:
        self.ids = Ids()
        self.problems: list[str] = []
        self.records = 0
        self.attempts = 0

    def read(self, path: Path) -> None:
        for number, _, line in placed_lines(path):
            record = record_of(line)
            if record is None:
                torn = (
                    "" if line.endswith(b"\n") else Text(" (the last line is torn: run it again)")
                )
                self.problem(
                    Text("{path}:{number} is no record{torn}", path=path, number=number, torn=torn)
                )
                continue
            self.records += 1
            self.attempts += record.get("attempts") or 0
            slot = self.ids.slot(record["custom_id"])
            state = OK if record["error"] is None else FAILED
            self.ids.flags[slot] = self.ids.flags[slot] & WRITTEN | RECORD | state

    def problem(self, text: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(text)

    def count(self, flag: int) -> int:
        return sum(1 for one in self.ids.flags if one & flag)


def verified(output: Path) -> Verified:
    """Check an output, with its journal where there is one.

    Raises UsageError when it cannot be read.
    """
    if not output.is_file():
        raise UsageError(Text("cannot read {output}", output=output), Text("there is no such file"))
    claims, ledger = Claims(), _Ledger()
    journal = journal_path(output)
    has_journal = journal.exists()
    if has_journal:
        _read_journal(journal, claims, ledger)
    texts = bool(claims.header.get("texts"))
    if not texts:
        ledger.read(output)
        errors = claims.header.get("errors")
        if errors and Path(errors).exists():
            ledger.read(Path(errors))
    if has_journal and not texts:
        _compare(claims, ledger, output)
    return _told(output, claims, ledger, has_journal)


def _read_journal(path: Path, claims: Claims, ledger: _Ledger) -> None:
    flags = ledger.ids.flags
    for number, _, line in placed_lines(path):
        entry = entry_of(line)
        if entry is None:
            ledger.problem(
                Text("{path}:{number} is no line of a journal", path=path, number=number)
            )
            continue
        claims.take(entry)
        if entry["t"] == "D" and entry["failed"] is None:
            slot = ledger.ids.slot(entry["id"])
            flags = ledger.ids.flags
            flags[slot] |= WRITTEN


def _compare(claims: Claims, ledger: _Ledger, output: Path) -> None:
    missing = sum(1 for one in ledger.ids.flags if one & WRITTEN and not one & RECORD)
    if missing:
        ledger.problem(
            Text(
                "{missing} answers that the journal knows of are not in {output}",
                missing=missing,
                output=output,
            )
        )
    if ledger.attempts != claims.expected:
        ledger.problem(
            Text(
                "the records tell of {attempts} requests, the journal of {expected}",
                attempts=ledger.attempts,
                expected=claims.expected,
            )
        )
    found = ledger.count(RECORD)
    if claims.end.get("complete") and found < claims.end["summary"]["total"]:
        total = claims.end["summary"]["total"]
        ledger.problem(
            Text(
                "the last run had {total} rows, and there are records of {found}",
                total=total,
                found=found,
            )
        )


def _told(output: Path, claims: Claims, ledger: _Ledger, has_journal: bool) -> Verified:
    found = ledger.count(RECORD)
    summary = {
        "output": str(output),
        "journal": has_journal,
        "records": ledger.records,
        "rows": found,
        "ok": ledger.count(OK) if not claims.header.get("texts") else None,
        "failed": ledger.count(FAILED) if not claims.header.get("texts") else None,
        "superseded": ledger.records - found,
        "requests": claims.requests + claims.carried,
        "answered": claims.answered + claims.carried - claims.unmatched,
        "given_up": claims.given_up,
        "lost": claims.lost + claims.unmatched,
        "unknown": len(claims.unknown),
        "maybe_billed_twice": claims.twice,
        "complete": bool(claims.end.get("complete")) if has_journal else None,
        "problems": ledger.problems,
    }
    failure: ApiyiError | None = None
    if ledger.problems:
        failure = SetupError(Text("{output} does not add up", output=output), ledger.problems[0])
    elif claims.unknown:
        failure = PartialError(
            Text("{count} requests have no answer on record", count=len(claims.unknown)),
            Text(
                "they were in flight when a run ended; {billing}",
                billing=describe_billing("maybe", many=True),
            ),
            hint=Text("run the batch again: --on-unknown says what becomes of them"),
        )
    return Verified(summary, failure)
