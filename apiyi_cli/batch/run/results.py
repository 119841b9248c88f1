"""Handles the outcomes of rows: writes and counts them, and applies the stop rules."""

from __future__ import annotations

from collections.abc import Sequence

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.counts import Counts, Throughput
from apiyi_cli.batch.run.gate import ConcurrencyGate
from apiyi_cli.batch.run.plan import BatchPlan
from apiyi_cli.batch.run.scheduler import Scheduler
from apiyi_cli.batch.run.stop_rules import StopSwitch, check_rules, make_unpriced_error
from apiyi_cli.batch.state.output import OrderedBuffer, RecordWriter, UnwrittenError
from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.errors import OutputError, fails_every_item


class ResultHandler:
    """Handles the outcomes of a run, in one thread.

    `handled` counts them; `rescued` is what could not be written to the output.
    """

    def __init__(
        self,
        plan: BatchPlan,
        scheduler: Scheduler,
        writer: RecordWriter,
        gate: ConcurrencyGate,
        stop: StopSwitch,
    ) -> None:
        self.counts: Counts = scheduler.counts
        self.throughput = Throughput(plan.clock)
        self.handled = 0
        self.rescued: list[bytes] = []
        self._plan = plan
        self._scheduler = scheduler
        self._writer = writer
        self._gate = gate
        self._stop = stop
        self._order = OrderedBuffer() if plan.ordered else None
        self._is_full = False

    def handle(self, outcomes: list[RowOutcome]) -> None:
        """Write the outcomes, count them, and stop the run if a rule demands it."""
        self.handled += len(outcomes)
        ready: list[RowOutcome] = []
        for outcome in outcomes:
            if isinstance(outcome.error, OutputError):
                # Its claim could not be written, so nothing was sent.
                outcome.unsent = True
            if outcome.unsent:
                if outcome.attempts:
                    self.abandon([outcome.row], billed=outcome.maybe_billed)
            else:
                ready += self._put_in_order(outcome)
        self._stop.guard(lambda: self._write(ready))
        for outcome in outcomes:
            self._gate.leave(outcome)
            self._stop.guard(lambda item=outcome: self._count(item))  # type: ignore[misc]
        for outcome in outcomes:
            error = outcome.error
            if error is not None and fails_every_item(error, waits_for_network=True):
                self._stop.stop(error)
        if outcomes and (failure := check_rules(self._plan.rules, self.counts)):
            self._stop.stop(failure)

    def abandon(self, rows: Sequence[Row], *, billed: bool) -> None:
        """Note in the journal that the answer to some rows is not waited for."""
        journal = self._writer.journal
        if journal is not None:
            self._stop.guard(lambda: journal.abandon(rows, billed=billed))

    def finish(self) -> None:
        """Write the outcomes that wait for earlier rows which will not come."""
        if self._order is not None:
            self._write(self._order.rest())

    def _put_in_order(self, outcome: RowOutcome) -> list[RowOutcome]:
        """Return the outcomes whose turn to be written has come."""
        if self._order is None:
            return [outcome]
        ready = self._order.add(outcome)
        if not ready:
            self._stop.guard(lambda: self._writer.hold([outcome]))
        return ready

    def _write(self, outcomes: list[RowOutcome]) -> None:
        if not outcomes:
            return
        unwritten = outcomes if self._is_full else []
        if not self._is_full:
            try:
                self._writer.write(outcomes)
            except UnwrittenError as failure:
                self._is_full = True
                unwritten = failure.outcomes
                self._stop.stop(failure.failure)
            except OutputError as failure:
                self._stop.stop(failure)
        self.rescued += [self._writer.rescue(outcome) for outcome in unwritten]
        self._scheduler.release(outcomes)

    def _find_cost(self, outcome: RowOutcome) -> float | None:
        """Return what an outcome costs; a pack's first row has all of its cost."""
        pack = outcome.pack
        if pack is not None:
            cost = self._plan.price(pack.row, pack.usage)
            return cost if pack.is_first or cost is None else 0.0
        usages = (*outcome.earlier, outcome.usage)
        prices = [self._plan.price(outcome.row, item) for item in usages]
        return None if None in prices else sum(filter(None, prices))

    def _count(self, outcome: RowOutcome) -> None:
        usage = outcome.usage
        cost: float | None = None
        try:
            if usage is not None or (outcome.failed is None and not outcome.unsent):
                cost = self._find_cost(outcome)
        finally:
            self.counts.add(outcome, cost)
            if self._plan.budget is not None:
                self._plan.budget.settle(outcome, cost)
        self.throughput.add(outcome.sent[0], (usage.total_tokens or 0) if usage else 0)
        if self._plan.rules.max_cost is not None and usage is not None and cost is None:
            self._stop.stop(
                make_unpriced_error(outcome.row.call.model if outcome.row.call else None)
            )
