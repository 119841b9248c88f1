"""Checks a run over several outputs: exactly one answer for every row, and all payments.

Each output is compared with its own journal first (`verify`); then the outputs with each
other, and with the rows of the input if those are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from apiyi_cli.batch.rows.identity import IdAssigner, IdTable
from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.state.entries import RECORDS, read_lines, skip_broken
from apiyi_cli.batch.state.resume import FAILED, OK, RECORD
from apiyi_cli.batch.state.verify import (
    Evidence,
    Verification,
    describe_unanswered,
    find_missing_shards,
)
from apiyi_cli.errors import ApiyiError, PartialError, SetupError
from apiyi_cli.text import Text, join_texts

MAX_NAMES: Final = 5
ReadRows = Callable[[IdAssigner, bool], Iterator[Row]]
"""Reads the rows of the input, with ids from an assigner; True: sharded as in version 0.1."""


def verify_outputs(outputs: Sequence[Path], rows: ReadRows | None = None) -> Verification:
    """Check several outputs as one. Raises UsageError if one cannot be read."""
    evidence = [Evidence(output) for output in outputs]
    summaries = [item.summarize() for item in evidence]
    summary: dict[str, Any] = {"outputs": [str(output) for output in outputs]}
    for name, value in summaries[0].items():
        if type(value) is int:
            summary[name] = sum(item[name] for item in summaries)
    shards = set().union(*(item.shards for item in evidence))
    problems = [problem for item in summaries for problem in item["problems"]]
    missing = find_missing_shards(shards)
    if rows is None:
        problems += _find_doubled(evidence)
        known = [item["complete"] for item in summaries]
        complete = None if None in known else all(known) and not missing
    else:
        audit = RowAudit(evidence)
        audit.read(rows)
        summary |= audit.numbers
        problems += audit.problems
        missing += audit.missing
        complete = not (problems or missing)
    summary |= {
        "complete": complete,
        "shards": [f"{part}/{count}" for part, count in sorted(shards)],
        "missing": missing,
        "problems": problems,
    }
    failure: ApiyiError | None = None
    if problems:
        failure = SetupError(Text("the outputs do not add up"), problems[0])
    elif missing:
        failure = PartialError(
            Text("not every row has an answer"),
            join_texts(missing, "; "),
            hint=Text("run the batch of what is missing again, with the same -o"),
        )
    elif summary["unknown"] and rows is None:
        failure = describe_unanswered(summary["unknown"])
    return Verification(summary, failure)


class RowAudit:
    """Compares every row of an input with the outputs."""

    def __init__(self, evidence: Sequence[Evidence]) -> None:
        self._evidence = evidence
        self.problems: list[str] = []
        self.missing: list[str] = []
        self.numbers = dict.fromkeys(
            ("total_rows", "answered_rows", "missing_rows", "failed_rows", "doubled_rows"), 0
        )
        self._names: dict[str, list[str]] = {}

    def read(self, rows: ReadRows) -> None:
        """Compare the rows of the input."""
        pasts = [item.past for item in self._evidence]

        def knows(id: str, sha: str) -> bool:
            return any(past.knows(id, sha) for past in pasts)

        def find_old(generated: str) -> str | None:
            ids = (past.old_ids.find(generated) for past in pasts)
            return next((id for id in ids if id is not None), None)

        is_old = any(past.is_old or past.old_ends or past.old_ids for past in pasts)
        for row in rows(IdAssigner(IdTable(), find_old if is_old else None, knows), is_old):
            self._compare(row)
        self._report("missing_rows", Text("rows without an answer"))
        self._report("failed_rows", Text("rows that failed"))
        if doubled := self.numbers["doubled_rows"]:
            self.problems.append(_describe_doubles(doubled, self._names["doubled_rows"]))

    def _compare(self, row: Row) -> None:
        self.numbers["total_rows"] += 1
        states = [_state_in(item, row) for item in self._evidence]
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
        names = self._names.setdefault(name, [])
        if len(names) < MAX_NAMES:
            names.append(f"{row.id} ({row.place})")

    def _report(self, name: str, what: str) -> None:
        if count := self.numbers[name]:
            names = ", ".join(self._names[name]) + (", …" if count > MAX_NAMES else "")
            self.missing.append(
                Text("{count} {what}: {names}", count=count, what=what, names=names)
            )


def _state_in(evidence: Evidence, row: Row) -> int:
    """Return what an output has for the current content of a row: OK, FAILED, RECORD."""
    ids = evidence.past.ids
    slot = ids.slot(row.id)
    if ids.shas[slot] != int(row.sha, 16):
        return 0
    flags = ids.flags[slot] & (OK | FAILED | RECORD)
    return flags if flags & RECORD else 0


def _find_doubled(evidence: Sequence[Evidence]) -> list[str]:
    """Return a problem for ids that have an answer in more than one output."""
    first = IdTable()
    count = 0
    names: list[str] = []
    for number, item in enumerate(evidence, 1):
        if item.holds_texts:
            continue
        for path, target in item.files:
            for line in read_lines(path, RECORDS, on_broken=skip_broken):
                id = line.value["custom_id"]
                if line.value["error"] is not None or not item.past.is_newest(line, target):
                    continue
                slot = first.slot(id)
                before = first.shas[slot]
                first.shas[slot] = number
                if before not in (0, number):
                    count += 1
                    names += [id] if len(names) < MAX_NAMES else []
    return [_describe_doubles(count, names)] if count else []


def _describe_doubles(count: int, names: Sequence[str]) -> str:
    return Text(
        "{count} rows have an answer in more than one output: {names}",
        count=count,
        names=", ".join(names),
    )
