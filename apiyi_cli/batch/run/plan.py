"""The settings of one batch run: a frozen value that the command builds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.counts import Counts, Throughput
from apiyi_cli.batch.run.stop_rules import CostBudget, StopRules
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.events import Usage
from apiyi_cli.errors import ApiyiError

OnUnknown = Literal["retry", "skip", "fail"]
MAX_SPARE_WORKERS: Final = 96


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The options of one run, as values and functions.

    `limit` is the most rows to send. With `same_input` False the first rows must prove that the
    output is theirs. `check_row` raises for a row that must not be sent, `check_run` returns why
    the run cannot go on, `price` gives US dollars or None, and `show` draws the progress (at
    once if its last argument is True). `pack_size` is how many texts go into one request for
    embeddings. `budget` bounds the cost of the run, None for no bound.
    """

    jobs: int
    ordered: bool = False
    limit: int | None = None
    retry_failed: bool = False
    on_unknown: OnUnknown | None = None
    same_input: bool = True
    read_ahead: int | None = None
    pack_size: int = 1
    rules: StopRules = StopRules()
    price: Callable[[Row, Usage | None], float | None] = lambda row, usage: None
    check_row: Callable[[Row], None] = lambda row: None
    budget: CostBudget | None = None
    check_run: Callable[[], ApiyiError | None] = lambda: None
    show: Callable[[Counts, Throughput, bool], None] = lambda counts, throughput, now: None
    note: Callable[[str], None] = lambda text: None
    clock: Clock = CLOCK

    @property
    def spare_workers(self) -> int:
        """Return how many more than `jobs` workers may run while rows wait for a retry."""
        return min(3 * self.jobs, MAX_SPARE_WORKERS)

    @property
    def room(self) -> int:
        """Return how many rows may be read before their records are written."""
        if self.read_ahead is not None:
            return self.read_ahead
        return (4 if self.ordered else 2) * self.jobs + self.spare_workers
