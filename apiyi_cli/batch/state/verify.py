"""Compares an output with its journal, without changing either.

The rules: every line is a whole record; every claim has a record, was given up, or is
reported as unknown; the attempts in the records are the claims in the journal; what the journal
says was written is there; a run that read all its input left a record for each row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from apiyi_cli.batch.rows.shard import Shard
from apiyi_cli.batch.state.entries import ENTRIES, RECORDS, read_lines
from apiyi_cli.batch.state.journal import find_compaction, journal_path
from apiyi_cli.batch.state.resume import AGAIN, OK, PERMANENT, RECORD, WRITTEN, ResumeState
from apiyi_cli.errors import ApiyiError, PartialError, SetupError, UsageError, describe_billing
from apiyi_cli.text import Text

MAX_PROBLEMS: Final = 20


class Verification(NamedTuple):
    """The numbers of an output, and the error if they do not agree."""

    summary: dict[str, Any]
    failure: ApiyiError | None


@dataclass(slots=True)
class ClaimTotals:
    """The claims of a journal, counted as it is read.

    `claims` counts them, `requests` the requests: rows may share one. `open` holds the claims of
    each id since its last record; what is open when a run begins was `lost` with the run before.
    `unknown` are the ids without an answer, with their lines.
    `twice` are the claims that follow one of the same row that may have been billed, in its run
    (where they count themselves) or in one before. `billed` has the hash of each row whose last
    claim may have been billed, by its id. `shards` are those whose runs are in it.
    """

    claims: int = 0
    requests: int = 0
    answered: int = 0
    given_up: int = 0
    lost: int = 0
    carried: int = 0
    carried_requests: int = 0
    unmatched: int = 0
    twice: int = 0
    open: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, bytes] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    end: dict[str, Any] = field(default_factory=dict)
    billed: dict[str, str] = field(default_factory=dict)
    shards: set[str] = field(default_factory=set)
    _again: dict[str, int] = field(default_factory=dict)

    def take(self, entry: dict[str, Any], line: bytes = b"") -> None:
        """Count one line."""
        kind = entry["t"]
        if kind in ("S", "W", "D", "A"):
            self._count_twice(entry)
        if kind == "S":
            self.claims += 1
            self.requests += not entry.get("shared")
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
            self._begin(entry)
        elif kind == "E":
            self.end = entry

    def _begin(self, entry: dict[str, Any]) -> None:
        self.header = entry
        self.end = {}
        self.lost += sum(self.open.values())
        self.open.clear()
        self._again.clear()
        self.twice += entry.get("twice", 0)
        self.billed.update(entry.get("billed", {}))
        carried = entry.get("carried", 0)
        self.carried += carried
        self.carried_requests += entry.get("carried_requests", carried)
        self.unmatched += entry.get("unmatched", 0)
        shards = [entry.get("options", {}).get("shard"), *(entry.get("shards") or ())]
        self.shards.update(shard for shard in shards if isinstance(shard, str))

    def _count_twice(self, entry: dict[str, Any]) -> None:
        id, sha = entry["id"], entry["sha"]
        if entry["t"] == "S":
            again = entry.get("ambiguous", 0)
            if id not in self._again:
                self.twice += self.billed.get(id) == sha
            self.twice += max(0, again - self._again.get(id, 0))
            self._again[id] = again
            # Until its answer says otherwise.
            self.billed[id] = sha
            return
        self._again.pop(id, None)
        if entry.get("billed") is True:
            self.billed[id] = sha
        else:
            self.billed.pop(id, None)

    @property
    def expected(self) -> int:
        """Return how many attempts the records must report."""
        return self.answered + self.carried - self.unmatched


class Evidence:
    """Everything that an output, its file of errors and its journal say, read once.

    Lines that say nothing are `problems`. `holds_texts` says that the output's lines do not name
    their rows, so that only the journal does. Raises UsageError if the output cannot be read, and
    SetupError for a journal of a newer version.
    """

    def __init__(self, output: Path) -> None:
        if not output.is_file():
            why = Text("there is no such file")
            raise UsageError(Text("cannot read {output}", output=output), why)
        self.output = output
        self.past, self.claims = ResumeState(), ClaimTotals()
        self.problems: list[str] = []
        self.attempts = 0
        self.journal = journal_path(output)
        self.has_journal = self.journal.is_file()
        if self.has_journal:
            self._read_journal()
        self.holds_texts = bool(self.claims.header.get("texts"))
        self.errors = self._read_errors()
        if not self.holds_texts:
            self._read(output, "out")
        if self.has_journal:
            self._compare()

    @property
    def files(self) -> list[tuple[Path, str]]:
        """Return the files that hold records, with the names that the journal has for them."""
        errors = [] if self.errors is None else [(self.errors, "errors")]
        return [*errors, (self.output, "out")]

    @property
    def shards(self) -> set[tuple[int, int]]:
        """Return the shards whose runs are in the journal, as part (from 0) and number."""
        shards = set()
        for text in self.claims.shards:
            try:
                shards.add(Shard(text).part)
            except UsageError:
                problem = Text("{journal} tells of a shard {text}", journal=self.journal, text=text)
                self._add_problem(problem)
        return shards

    def summarize(self) -> dict[str, Any]:
        """Return the numbers of the output."""
        past, claims = self.past, self.claims
        rows = past.count(RECORD)
        shards = sorted(self.shards)
        # One shard is whole in itself; several in one journal are parts of one output.
        gaps = find_missing_shards(set(shards)) if len(shards) > 1 else []
        is_complete = bool(claims.end.get("complete")) and not gaps
        return {
            "output": str(self.output),
            "journal": self.has_journal,
            "records": past.records,
            "rows": rows,
            "ok": past.count(RECORD | OK),
            "failed": past.count(RECORD | AGAIN) + past.count(RECORD | PERMANENT),
            "superseded": max(0, past.records - rows),
            "requests": claims.requests + claims.carried_requests,
            "answered": claims.expected,
            "given_up": claims.given_up,
            "lost": claims.lost + claims.unmatched,
            "unknown": len(claims.unknown),
            "maybe_billed_twice": claims.twice,
            "complete": is_complete if self.has_journal else None,
            "shards": [f"{part}/{count}" for part, count in shards],
            "problems": [*self.problems, *gaps],
        }

    def judge(self) -> Verification:
        """Return the numbers of the output, and the error if they do not agree."""
        summary = self.summarize()
        failure: ApiyiError | None = None
        if summary["problems"]:
            what = Text("{output} does not add up", output=self.output)
            failure = SetupError(what, summary["problems"][0])
        elif summary["unknown"]:
            failure = describe_unanswered(summary["unknown"])
        return Verification(summary, failure)

    def _add_problem(self, text: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)

    def _read_journal(self) -> None:
        self.past.text_size = self.output.stat().st_size
        if find_compaction(self.journal) is not None:
            self._add_problem(Text("a compaction was interrupted: run `apiyi batch compact` again"))

        def report(number: int, data: bytes) -> None:
            place = {"journal": self.journal, "number": number}
            self._add_problem(Text("{journal}:{number} is no line of a journal", **place))

        for line in read_lines(self.journal, ENTRIES, on_broken=report):
            if line.value["t"] == "H" and not line.value.get("texts"):
                self.past.text_size = None
            self.claims.take(line.value, line.data)
            self.past.take(line.value)
            is_text = self.past.text_size is not None
            self.past.records += is_text and line.value["t"] == "D"

    def _read_errors(self) -> Path | None:
        errors = self.past.errors
        if errors is None or not Path(errors).is_file() or self.holds_texts:
            self.past.trust_errors()
            return None
        self._read(Path(errors), "errors")
        return Path(errors)

    def _read(self, path: Path, target: str) -> None:
        if not self.has_journal:
            self.past.ends[target] = self.past.plain_ends[target] = path.stat().st_size

        def report(number: int, data: bytes) -> None:
            torn = "" if data.endswith(b"\n") else Text(" (the last line is torn: run it again)")
            self._add_problem(
                Text("{path}:{number} is no record{torn}", path=path, number=number, torn=torn)
            )

        for line in read_lines(path, RECORDS, on_broken=report):
            self.attempts += line.value.get("attempts") or 0
            self.past.take_record(line, path, target)

    def _compare(self) -> None:
        past, claims = self.past, self.claims
        numbers: dict[str, Any] = {
            "output": self.output,
            "missing": past.count(WRITTEN | OK, without=RECORD),
            "count": (past.text_size or 0) - past.ends.get("out", 0),
            "attempts": self.attempts,
            "expected": claims.expected,
            "found": past.count(RECORD),
            "total": claims.end["summary"]["total"] if claims.end.get("complete") else 0,
        }
        if numbers["missing"]:
            self._add_problem(
                Text("{missing} answers that the journal knows of are not in {output}", **numbers)
            )
        if self.holds_texts and numbers["count"] > 0:
            self._add_problem(
                Text(
                    "the last {count} bytes of {output} are not in its journal: run it again",
                    **numbers,
                )
            )
        if not self.holds_texts and self.attempts != claims.expected:
            self._add_problem(
                Text(
                    "the records tell of {attempts} requests, the journal of {expected}", **numbers
                )
            )
        if numbers["found"] < numbers["total"]:
            self._add_problem(
                Text("the last run had {total} rows, and there are records of {found}", **numbers)
            )


def count_unmatched(output: Path) -> int:
    """Return how many attempts the journal knows that no record reports."""
    evidence = Evidence(output)
    return 0 if evidence.holds_texts else evidence.claims.expected - evidence.attempts


def find_missing_shards(shards: set[tuple[int, int]]) -> list[str]:
    """Return messages about shards that are missing or do not fit together."""
    counts = {count for _, count in shards}
    if len(counts) > 1:
        names = ", ".join(f"{part}/{count}" for part, count in sorted(shards))
        return [Text("the shards are not parts of one whole: {message}", message=names)]
    return [
        Text("shard {part}/{count} is missing", part=part, count=count)
        for count in counts
        for part in range(count)
        if (part, count) not in shards
    ]


def describe_unanswered(count: int) -> PartialError:
    """Return the error for requests without a recorded answer."""
    billing = describe_billing("maybe", many=True)
    what = Text("{count} requests have no answer on record", count=count)
    why = Text("they were in flight when a run ended; {billing}", billing=billing)
    hint = Text("run the batch again: --on-unknown says what becomes of them")
    return PartialError(what, why, hint=hint)
