"""An output and its journal held against each other, without changing either.

What must hold: every line is a whole record; every claim has a record, was given up, or is
told as unknown; the attempts in the records are the claims in the journal; what the journal
says was written is there; a run that went through its input left a record for each row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from apiyi_cli.batch.rows.shard import Shard
from apiyi_cli.batch.state.entries import ENTRIES, RECORDS, read_lines
from apiyi_cli.batch.state.journal import journal_path
from apiyi_cli.batch.state.replace import find_compaction
from apiyi_cli.batch.state.resume import AGAIN, OK, PERMANENT, RECORD, WRITTEN, ResumeState
from apiyi_cli.errors import ApiyiError, PartialError, SetupError, UsageError, describe_billing
from apiyi_cli.text import Text

MOST_PROBLEMS = 20


class Verification(NamedTuple):
    """What an output adds up to, and the error when that is not as it must be.

    `holds_texts` tells that its lines do not say whose they are, so that the journal has to.
    """

    summary: dict[str, Any]
    failure: ApiyiError | None
    holds_texts: bool = False


@dataclass(slots=True)
class ClaimTotals:
    """The claims of a journal, counted as it is read.

    `open` holds the claims of each id since its last record; what is open when a run begins
    was `lost` with the run before. `unknown` are the ids whose end nobody knows. `twice` are the
    claims that follow one of the same row that may have been billed, in its run (where they
    count themselves) or in one before. `billed` has the hash of each row whose last claim may
    have been, by its id. `shards` are those whose runs are in it.
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
    shards: set[str] = field(default_factory=set)
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
        billed = entry.get("billed", {})
        self.billed.update(billed if isinstance(billed, dict) else {})
        self.carried += entry.get("carried", 0)
        self.unmatched += entry.get("unmatched", 0)
        given = [entry.get("options", {}).get("shard"), *(entry.get("shards") or ())]
        self.shards.update(shard for shard in given if isinstance(shard, str))

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
        if entry.get("billed") is True:
            self.billed[id] = sha
        else:
            self.billed.pop(id, None)

    @property
    def expected(self) -> int:
        """Return how many attempts the records must tell of."""
        return self.answered + self.carried - self.unmatched


class Evidence:
    """All that an output, its file of errors and its journal say, read once.

    Lines that say nothing are `problems`. Raises UsageError when the output cannot be read, and
    SetupError for a journal of a newer version.
    """

    def __init__(self, output: Path) -> None:
        if not output.is_file():
            raise UsageError(
                Text("cannot read {output}", output=output), Text("there is no such file")
            )
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

    @property
    def files(self) -> list[tuple[Path, str]]:
        """Return the files that hold records, with the names that the journal has for them."""
        errors = [] if self.errors is None else [(self.errors, "errors")]
        return [*errors, (self.output, "out")]

    @property
    def shards(self) -> set[tuple[int, int]]:
        """Return the shards whose runs are in the journal, as part (from 0) and number."""
        found = set()
        for text in self.claims.shards:
            try:
                found.add(Shard(text).part)
            except UsageError:
                self.problem(
                    Text("{journal} tells of a shard {text}", journal=self.journal, text=text)
                )
        return found

    def problem(self, text: str) -> None:
        """Note something that is not as it must be."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(text)

    def _read_journal(self) -> None:
        self.past.text_size = self.output.stat().st_size
        if find_compaction(self.journal) is not None:
            self.problem(Text("a compaction was interrupted: run `apiyi batch compact` again"))

        def tell(number: int, data: bytes) -> None:
            self.problem(
                Text(
                    "{journal}:{number} is no line of a journal",
                    journal=self.journal,
                    number=number,
                )
            )

        for line in read_lines(self.journal, ENTRIES, tell=tell):
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
            size = path.stat().st_size
            self.past.ends[target] = self.past.plain_ends[target] = size

        def tell(number: int, data: bytes) -> None:
            torn = "" if data.endswith(b"\n") else Text(" (the last line is torn: run it again)")
            self.problem(
                Text("{path}:{number} is no record{torn}", path=path, number=number, torn=torn)
            )

        for line in read_lines(path, RECORDS, tell=tell):
            self.attempts += line.value.get("attempts") or 0
            self.past.take_record(line, path, target)


def verify_output(output: Path) -> Verification:
    """Check an output, with its journal where there is one.

    Raises UsageError when it cannot be read.
    """
    evidence = Evidence(output)
    if evidence.has_journal:
        compare(evidence)
    return _conclude(evidence)


def count_unmatched(output: Path) -> int:
    """Return how many attempts the journal tells of that no record does."""
    evidence = Evidence(output)
    return 0 if evidence.holds_texts else evidence.claims.expected - evidence.attempts


def find_missing_shards(shards: set[tuple[int, int]]) -> list[str]:
    """Return the shards that are not among these, and what does not fit together."""
    counts = {count for _, count in shards}
    if len(counts) > 1:
        told = ", ".join(f"{part}/{count}" for part, count in sorted(shards))
        return [Text("the shards are not parts of one whole: {message}", message=told)]
    return [
        Text("shard {part}/{count} is missing", part=part, count=count)
        for count in counts
        for part in range(count)
        if (part, count) not in shards
    ]


def compare(evidence: Evidence) -> None:
    """Note what an output and its journal do not agree on."""
    past, claims = evidence.past, evidence.claims
    if missing := past.count(WRITTEN | OK, without=RECORD):
        told = Text(
            "{missing} answers that the journal knows of are not in {output}",
            missing=missing,
            output=evidence.output,
        )
        evidence.problem(told)
    if evidence.holds_texts:
        _compare_size(evidence)
    elif evidence.attempts != claims.expected:
        evidence.problem(
            Text(
                "the records tell of {attempts} requests, the journal of {expected}",
                attempts=evidence.attempts,
                expected=claims.expected,
            )
        )
    found = past.count(RECORD)
    if claims.end.get("complete") and found < claims.end["summary"]["total"]:
        total = claims.end["summary"]["total"]
        evidence.problem(
            Text(
                "the last run had {total} rows, and there are records of {found}",
                total=total,
                found=found,
            )
        )


def _compare_size(evidence: Evidence) -> None:
    """Note what stands in an output of texts behind the last line that its journal knows."""
    more = (evidence.past.text_size or 0) - evidence.past.ends.get("out", 0)
    if more > 0:
        evidence.problem(
            Text(
                "the last {count} bytes of {output} are not in its journal: run it again",
                count=more,
                output=evidence.output,
            )
        )


def summarize(evidence: Evidence) -> dict[str, Any]:
    """Return what an output adds up to."""
    past, claims = evidence.past, evidence.claims
    rows = past.count(RECORD)
    shards = sorted(evidence.shards)
    # One shard is whole in itself; several in one journal are parts of one output.
    gaps = find_missing_shards(set(shards)) if len(shards) > 1 else []
    failed = past.count(RECORD | AGAIN) + past.count(RECORD | PERMANENT)
    return {
        "output": str(evidence.output),
        "journal": evidence.has_journal,
        "records": past.records,
        "rows": rows,
        "ok": past.count(RECORD | OK),
        "failed": failed,
        "superseded": max(0, past.records - rows),
        "requests": claims.requests + claims.carried,
        "answered": claims.answered + claims.carried - claims.unmatched,
        "given_up": claims.given_up,
        "lost": claims.lost + claims.unmatched,
        "unknown": len(claims.unknown),
        "maybe_billed_twice": claims.twice,
        "complete": bool(claims.end.get("complete")) and not gaps if evidence.has_journal else None,
        "shards": [f"{part}/{count}" for part, count in shards],
        "problems": [*evidence.problems, *gaps],
    }


def _conclude(evidence: Evidence) -> Verification:
    summary = summarize(evidence)
    failure: ApiyiError | None = None
    if summary["problems"]:
        failure = SetupError(
            Text("{output} does not add up", output=evidence.output), summary["problems"][0]
        )
    elif summary["unknown"]:
        failure = unanswered(summary["unknown"])
    return Verification(summary, failure, evidence.holds_texts)


def unanswered(count: int) -> PartialError:
    """Return the error for requests of which nobody knows what became."""
    return PartialError(
        Text("{count} requests have no answer on record", count=count),
        Text(
            "they were in flight when a run ended; {billing}",
            billing=describe_billing("maybe", many=True),
        ),
        hint=Text("run the batch again: --on-unknown says what becomes of them"),
    )
