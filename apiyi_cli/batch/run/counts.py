"""The numbers of a run, and why rows failed: for progress, rules and summary."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from apiyi_cli.batch.run.answer_judgement import REMARKS
from apiyi_cli.batch.state.record import FREE_AGAIN, RowOutcome, name_class
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.errors import ApiyiError, UsageError
from apiyi_cli.store.prices import format_cost
from apiyi_cli.text import Text, join_texts

RATE_WINDOW_S = 60.0
MAX_KINDS: Final = 1000
_SHOWN: Final = 3
_MAX_CHARACTERS: Final = 200
_NUMBER = re.compile(r"\d+")
_PLACE = re.compile(r".*?:\d+(:\d+)?: ")


class FailureCause(NamedTuple):
    """One cause: its message, the class of its failures, a hint, the number of rows."""

    message: str
    kind: str
    hint: str | None
    rows: int


class FailureCauses:
    """The causes of failures; messages that differ in numbers only count as one."""

    def __init__(self) -> None:
        self._causes: dict[tuple[str, str], FailureCause] = {}
        self._others = 0

    def add(self, error: ApiyiError) -> None:
        """Count the failure of one row."""
        # The place differs from row to row; the reason is what rows have in common.
        message = error.why if isinstance(error, UsageError) and error.why else error.summary()
        self._count(FailureCause(message, name_class(error), error.hint, 1))

    def add_record(self, error: dict[str, Any]) -> None:
        """Count the failure in an error record of an earlier run."""
        message = str(error.get("message") or error.get("code") or error["class"])
        if error["class"] == "usage":
            message = _PLACE.sub("", message, count=1)
        # What nobody could read may have been paid for, as an incomplete answer.
        is_paid = error["class"] == "rejected" and error.get("maybe_billed") is True
        self._count(FailureCause(message, "incomplete" if is_paid else error["class"], None, 1))

    @property
    def count(self) -> int:
        """Return how many failures were counted."""
        return self._others + sum(cause.rows for cause in self._causes.values())

    def top(self) -> list[FailureCause]:
        """Return the causes, the most frequent first."""
        return sorted(self._causes.values(), key=lambda cause: -cause.rows)

    def explain(self) -> str:
        """Return the only cause, or the most frequent ones with their counts."""
        top = self.top()
        if len(top) == 1 and not self._others:
            return top[0].message
        lines = [
            Text("{count} × {message}", count=f"{cause.rows:,}", message=cause.message)
            for cause in top[:_SHOWN]
        ]
        if rest := self.count - sum(cause.rows for cause in top[:_SHOWN]):
            lines.append(Text("{count} others", count=f"{rest:,}"))
        return join_texts(lines, "; ")

    def advise(self, *, retries_failed: bool) -> str | None:
        """Return a hint that helps against all counted failures, None if there is none.

        `retries_failed` says that the run sent permanent failures again.
        """
        top = self.top()
        if len(top) == 1 and not self._others and top[0].hint:
            return top[0].hint
        kinds = {cause.kind for cause in top}
        if kinds <= FREE_AGAIN:
            return Text("run it again: these rows are sent again")
        if "incomplete" in kinds and not retries_failed:
            return Text("run it again with --retry-failed; those rows may be billed again")
        if kinds == {"usage"}:
            return Text("correct these rows, then run it again: only they are sent")
        return Text("correct these rows or the options, then run it again")

    def _count(self, cause: FailureCause) -> None:
        text = " ".join(_NUMBER.sub("0", cause.message[:_MAX_CHARACTERS]).split())
        key = (cause.kind, text)
        before = self._causes.get(key)
        if before is not None:
            self._causes[key] = before._replace(rows=before.rows + 1)
        elif len(self._causes) < MAX_KINDS:
            self._causes[key] = cause
        else:
            self._others += 1


@dataclass(slots=True)
class Counts:
    """Counted by the feeding and the writing thread, each its own numbers.

    `read` are rows of the input, of which `resumed` were finished before (`resumed_failed` of
    them failed permanently); `done` got their record in this run. `twice` were possibly billed
    a second time.
    """

    read: int = 0
    resumed: int = 0
    resumed_failed: int = 0
    changed: int = 0
    unnamed: int = 0
    unknown: int = 0
    started: int = 0
    done: int = 0
    failed: int = 0
    requests: int = 0
    retries: int = 0
    twice: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cost: float | None = None
    rest: int = 0
    remarks: dict[str, int] = field(default_factory=dict)
    causes: FailureCauses = field(default_factory=FailureCauses)

    def add_attempts(self, requests: int, retries: int, ambiguous: int) -> None:
        """Count the requests for a row or a pack; `ambiguous` counts those of each row."""
        self.requests += requests
        self.retries += retries
        self.twice += ambiguous

    def add(self, outcome: RowOutcome, cost: float | None) -> None:
        """Count an outcome that was written or given up."""
        self.add_attempts(*outcome.sent, outcome.ambiguous)
        if outcome.unsent:
            return
        self.done += 1
        self.failed += outcome.failed is not None
        if outcome.error is not None:
            self.causes.add(outcome.error)
        if outcome.remark is not None:
            self.remarks[outcome.remark] = self.remarks.get(outcome.remark, 0) + 1
        for usage in (*outcome.earlier, *([outcome.usage] if outcome.usage else ())):
            self.prompt_tokens += usage.prompt_tokens or 0
            self.completion_tokens += usage.completion_tokens or 0
            self.total_tokens += usage.total_tokens or 0
        if cost is not None:
            self.cost = (self.cost or 0.0) + cost

    @property
    def ok(self) -> int:
        """Return the rows that have succeeded, in this run or before."""
        return self.done - self.failed + self.resumed - self.resumed_failed

    @property
    def all_failed(self) -> int:
        """Return the rows that have failed, in this run or permanently before."""
        return self.failed + self.resumed_failed

    def summary(self, seconds: float) -> dict[str, Any]:
        """Return the summary: ok + failed + skipped = total."""
        total = self.read + self.rest
        return {
            "total": total,
            "ok": self.ok,
            "failed": self.all_failed,
            "skipped": total - self.ok - self.all_failed,
            "resumed": self.resumed,
            "requests": self.requests,
            "retries": self.retries,
            "maybe_billed_twice": self.twice,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost_estimate": None if self.cost is None else round(self.cost, 9),
            "seconds": round(seconds, 3),
            **{remark: self.remarks.get(remark, 0) for remark in REMARKS},
        }


@dataclass(slots=True)
class Throughput:
    """Requests and tokens of the last minute, by the second."""

    clock: Clock = CLOCK
    _seconds: deque[tuple[int, int, int]] = field(default_factory=deque)

    def add(self, requests: int, tokens: int) -> None:
        """Count what was used just now."""
        now = int(self.clock.monotonic())
        if self._seconds and self._seconds[-1][0] == now:
            _, before, tokens_before = self._seconds.pop()
            requests, tokens = requests + before, tokens + tokens_before
        self._seconds.append((now, requests, tokens))
        while self._seconds[0][0] < now - RATE_WINDOW_S:
            self._seconds.popleft()

    def per_minute(self) -> tuple[int, int]:
        """Return requests and tokens of the last minute."""
        since = self.clock.monotonic() - RATE_WINDOW_S
        recent = [item for item in self._seconds if item[0] >= since]
        return sum(item[1] for item in recent), sum(item[2] for item in recent)


def describe_remarks(summary: dict[str, Any]) -> str:
    """Return the line about complete answers with something wrong, or ""."""
    count = {remark: f"{summary.get(remark, 0):,}" for remark in REMARKS}
    texts = {
        "length": Text("cut off by the token limit: {count}", count=count["length"]),
        "content_filter": Text("held back by a filter: {count}", count=count["content_filter"]),
        "refusal": Text("refused: {count}", count=count["refusal"]),
        "empty": Text("empty: {count}", count=count["empty"]),
        "unknown_end": Text("ended for an unknown reason: {count}", count=count["unknown_end"]),
    }
    shown = [texts[remark] for remark in REMARKS if summary.get(remark)]
    if not shown:
        return ""
    return Text("answers {list} (--strict-finish makes them errors)", list=join_texts(shown))


def format_summary(summary: dict[str, Any]) -> str:
    """Return the summary as the line that ends a run."""
    counts = {name: f"{value:,}" for name, value in summary.items() if type(value) is int}
    words: list[str] = [Text("{total} rows: {ok} ok, {failed} failed, {skipped} skipped", **counts)]
    if summary["resumed"]:
        words[0] += Text(" ({resumed} from before)", **counts)
    words.append(Text("{requests} requests, {retries} retries", **counts))
    if summary["maybe_billed_twice"]:
        words.append(Text("possibly billed twice: {maybe_billed_twice}", **counts))
    if summary["prompt_tokens"] or summary["completion_tokens"]:
        words.append(Text("{prompt_tokens} + {completion_tokens} tokens", **counts))
    if summary["cost_estimate"] is not None:
        words.append(format_cost(summary["cost_estimate"]))
    return join_texts([*words, f"{summary['seconds']:.1f} s"], "; ")
