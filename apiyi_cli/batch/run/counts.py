"""The numbers of a run, for its progress, its stop rules, and its summary."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from apiyi_cli.batch.run.answer_judgement import REMARKS
from apiyi_cli.batch.run.causes import FailureCauses
from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.store.prices import format_cost
from apiyi_cli.text import Text, join_texts

RATE_WINDOW_S = 60.0


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
