"""The whole of a run over several outputs: exactly one answer for every row, and all payments.

Each output is held against its own journal first (`verify`); then the outputs against each
other, and against the rows of the input where those are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from apiyi_cli.batch.rows.id_set import IdTable
from apiyi_cli.batch.rows.identity import IdAssigner
from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.state.entries import RECORDS, read_lines
from apiyi_cli.batch.state.resume import FAILED, OK, RECORD
from apiyi_cli.batch.state.verify import (
    Evidence,
    Verification,
    compare,
    find_missing_shards,
    summarize,
    unanswered,
)
from apiyi_cli.errors import ApiyiError, PartialError, SetupError
from apiyi_cli.text import Text, join_texts

MOST_NAMED: Final = 5
_SUMMED = (
    "records",
    "rows",
    "ok",
    "failed",
    "superseded",
    "requests",
    "answered",
    "given_up",
    "lost",
    "unknown",
    "maybe_billed_twice",
)
ReadRows = Callable[[IdAssigner, bool], Iterator[Row]]
"""Gives the rows of the input, their ids by what is known; True: parted as version 0.1 did."""


def verify_outputs(outputs: Sequence[Path], rows: ReadRows | None = None) -> Verification:
    """Check several outputs as one. Raises UsageError when one cannot be read."""
    evidence = [Evidence(output) for output in outputs]
    for item in evidence:
        if item.has_journal:
            compare(item)
    summaries = [summarize(item) for item in evidence]
    summary: dict[str, Any] = {"outputs": [str(output) for output in outputs]}
    for name in _SUMMED:
        values = [one[name] for one in summaries]
        summary[name] = None if None in values else sum(values)
    shards = set().union(*(item.shards for item in evidence))
    problems = [problem for one in summaries for problem in one["problems"]]
    gaps = find_missing_shards(shards)
    missing: list[str] = list(gaps)
    if rows is None:
        problems += _find_doubled(evidence)
        known = [one["complete"] for one in summaries]
        complete: bool | None = None if None in known else all(known) and not gaps
    else:
        judged = RowAudit(evidence)
        judged.judge(rows)
        summary |= judged.numbers
        problems += judged.problems
        missing += judged.missing
        complete = not (problems or missing)
    summary |= {
        "complete": complete,
        "shards": [f"{part}/{count}" for part, count in sorted(shards)],
        "missing": missing,
        "problems": problems,
    }
    return Verification(summary, _conclude(summary, problems, missing, rows is not None))


class RowAudit:
    """Every row of an input held against the outputs."""

    def __init__(self, evidence: Sequence[Evidence]) -> None:
        self._evidence = evidence
        self.problems: list[str] = []
        self.missing: list[str] = []
        self.numbers = dict.fromkeys(
            ("total_rows", "answered_rows", "missing_rows", "failed_rows", "doubled_rows"), 0
        )
        self._named: dict[str, list[str]] = {}

    def judge(self, rows: ReadRows) -> None:
        """Compare every row of the input with the outputs."""
        pasts = [item.past for item in self._evidence]

        def knows(id: str, sha: str) -> bool:
            return any(past.knows(id, sha) for past in pasts)

        is_old = any(past.is_old or past.old_ends for past in pasts)
        identities = IdAssigner(IdTable(), self if is_old else None, knows)
        for row in rows(identities, is_old):
            self._take(row)
        self._name("missing_rows", Text("rows without an answer"))
        self._name("failed_rows", Text("rows that failed"))
        if doubled := self.numbers["doubled_rows"]:
            self.problems.append(
                Text(
                    "{count} rows have an answer in more than one output: {names}",
                    count=doubled,
                    names=", ".join(self._named["doubled_rows"]),
                )
            )

    def find(self, made: str) -> str | None:
        """Return the id that version 0.1 gave to what would get the id `made` now."""
        for item in self._evidence:
            if (id := item.past.old_ids.find(made)) is not None:
                return id
        return None

    def _take(self, row: Row) -> None:
        self.numbers["total_rows"] += 1
        states = [self._state(item, row) for item in self._evidence]
        answers = sum(state == OK | RECORD for state in states)
        if answers == 1:
            self.numbers["answered_rows"] += 1
            return
        if answers:
            name = "doubled_rows"
        elif any(state & FAILED for state in states):
            name = "failed_rows"
        else:
            name = "missing_rows"
        self.numbers[name] += 1
        named = self._named.setdefault(name, [])
        if len(named) < MOST_NAMED:
            named.append(f"{row.id} ({row.place})")

    def _name(self, name: str, what: str) -> None:
        count = self.numbers[name]
        if not count:
            return
        names = self._named[name]
        more = ", …" if count > len(names) else ""
        self.missing.append(
            Text("{count} {what}: {names}", count=count, what=what, names=", ".join(names) + more)
        )

    @staticmethod
    def _state(evidence: Evidence, row: Row) -> int:
        """Return what an output holds of a row as it is now: OK, FAILED, RECORD."""
        ids = evidence.past.ids
        slot = ids.slot(row.id)
        if ids.shas[slot] != int(row.sha, 16):
            return 0
        flags = ids.flags[slot] & (OK | FAILED | RECORD)
        return flags if flags & RECORD else 0


def _find_doubled(evidence: Sequence[Evidence]) -> list[str]:
    """Return a problem for ids that have an answer in more than one output."""
    first: IdTable = IdTable()
    count = 0
    names: list[str] = []
    for number, item in enumerate(evidence, 1):
        if item.holds_texts:
            continue
        for path, target in item.files:
            for line in read_lines(path, RECORDS, tell=lambda number, data: None):
                id = line.value["custom_id"]
                if line.value["error"] is not None or not item.past.is_newest(line, target):
                    continue
                slot = first.slot(id)
                before = first.shas[slot]
                first.shas[slot] = number
                if before not in (0, number):
                    count += 1
                    names += [id] if len(names) < MOST_NAMED else []
    if not count:
        return []
    return [
        Text(
            "{count} rows have an answer in more than one output: {names}",
            count=count,
            names=", ".join(names),
        )
    ]


def _conclude(
    summary: dict[str, Any], problems: Sequence[str], missing: Sequence[str], by_rows: bool
) -> ApiyiError | None:
    if problems:
        return SetupError(Text("the outputs do not add up"), problems[0])
    if missing:
        return PartialError(
            Text("not every row has an answer"),
            join_texts(missing, "; "),
            hint=Text("run the batch of what is missing again, with the same -o"),
        )
    if summary["unknown"] and not by_rows:
        return unanswered(summary["unknown"])
    return None
