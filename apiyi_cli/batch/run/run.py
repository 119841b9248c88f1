"""One run of a batch: rows in, records out, an orderly end in every case.

One thread feeds, others send, and the one that calls `run` writes, counts and decides when to
stop. A stop is soft: no row is started, what waits gives up, requests in flight are waited for;
what is in flight when time is up is abandoned, and the journal says so.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.counts import Counts, Throughput
from apiyi_cli.batch.run.gate import ConcurrencyGate
from apiyi_cli.batch.run.plan import BatchPlan
from apiyi_cli.batch.run.pool import Results, RowWorkers
from apiyi_cli.batch.run.scheduler import Scheduler
from apiyi_cli.batch.run.stop_rules import StopSwitch, check_rules, make_unpriced_error
from apiyi_cli.batch.run.worker import Worker
from apiyi_cli.batch.state.files import CHECK_INTERVAL_S
from apiyi_cli.batch.state.output import OrderedBuffer, RecordWriter, UnwrittenError
from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.core.clock import start_thread
from apiyi_cli.errors import (
    ApiyiError,
    Interrupted,
    OutputError,
    describe_billing,
    fails_every_item,
)
from apiyi_cli.text import Text

TICK_S: Final = 0.25
MAX_OUTCOMES: Final = 256
"""The most outcomes that are written together."""
MAX_GRACE_S: Final = 30.0
LAST_WRITES_S: Final = 1.0


class RunResult(NamedTuple):
    """The result of a run: counts, what stopped it, whether it read all input.

    `defect` is an unexpected exception; all that had been sent was waited for and written.
    `rescued` are records that the output did not take.
    """

    counts: Counts
    failure: ApiyiError | None
    defect: Exception | None
    signum: int | None
    complete: bool
    rescued: list[bytes]


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


class BatchRun:
    """One run over the rows of a scheduler.

    `open_worker` is called in each worker's thread with the gate that bounds the requests, and
    a function that waits some seconds and returns True if the run stops.
    """

    def __init__(
        self,
        plan: BatchPlan,
        scheduler: Scheduler,
        writer: RecordWriter,
        open_worker: Callable[[ConcurrencyGate], Worker],
    ) -> None:
        self._plan = plan
        self._scheduler = scheduler
        self._has_journal = writer.journal is not None
        gate = ConcurrencyGate(plan.jobs, plan.clock)
        close_budget = () if plan.budget is None else (plan.budget.close,)
        self._stop = StopSwitch(scheduler.stop, gate.close, *close_budget)
        self._results: Results = queue.SimpleQueue()
        self._pool = RowWorkers(plan, lambda: open_worker(gate), self._results, self._stop)
        self._handler = ResultHandler(plan, scheduler, writer, gate, self._stop)
        self._is_fed = self._feeds_itself = False
        self._checked_at_s = 0.0
        self._signals: list[int] = []
        self._grace_s = MAX_GRACE_S
        self._deadline_s: float | None = None
        # Counted by the signal handler alone, so that no request is lost while one is answered.
        self._reports_requested = self._reports_shown = 0

    def run(self) -> RunResult:
        """Run to the end. Raises Interrupted if the reader of the output is gone."""
        self._checked_at_s = self._plan.clock.monotonic()
        if start_thread(self._feed) is None:
            self._feeds_itself = True
            self._pool.use_no_threads()
            self._feed()
        while not self._is_over() and self._step(TICK_S):
            pass
        return self._finish()

    def request_report(self) -> None:
        """Request a progress report; may be called from a signal handler."""
        self._reports_requested += 1
        self._results.put(None)

    def request_stop(self, signum: int, grace_s: float) -> float | None:
        """Stop, and wait `grace_s` for requests in flight; a second call ends the wait.

        To be called from a signal handler. Returns the seconds after which the process must be
        interrupted, because without a journal the writer may hang in a pipe without a reader.
        """
        self._signals.append(signum)
        self._grace_s = min(self._grace_s, grace_s)
        if len(self._signals) > 1 and not self._has_journal:
            raise Interrupted(signum)
        self._results.put(None)
        return None if self._has_journal else self._grace_s + LAST_WRITES_S

    def _is_over(self) -> bool:
        if self._handler.handled < self._scheduler.given:
            return False
        # An exception that ended the feeding is in the queue before `_is_fed` is set.
        return self._stop.is_set or (self._is_fed and self._results.empty())

    def _step(self, wait_s: float) -> bool:
        """Handle the outcomes that have arrived; return False after the time for signals."""
        if outcomes := self._receive(wait_s):
            self._handler.handle(outcomes)
        self._pool.replace_waiting()
        if self._pool.has_free_worker:
            self._scheduler.flush_late()
        self._answer_signals()
        now_s = self._plan.clock.monotonic()
        if now_s - self._checked_at_s >= CHECK_INTERVAL_S:
            self._checked_at_s = now_s
            self._stop.guard(self._check)
        if self._deadline_s is not None and now_s >= self._deadline_s:
            return False
        requested = self._reports_requested
        is_requested, self._reports_shown = requested > self._reports_shown, requested
        handler = self._handler
        self._stop.guard(lambda: self._plan.show(handler.counts, handler.throughput, is_requested))
        return True

    def _check(self) -> None:
        if failure := self._plan.check_run():
            self._stop.stop(failure)

    def _receive(self, wait_s: float) -> list[RowOutcome]:
        """Wait up to `wait_s` for an outcome; return it and all others that have arrived."""
        outcomes: list[RowOutcome] = []
        try:
            item = self._results.get(timeout=wait_s) if wait_s else self._results.get_nowait()
            while True:
                if isinstance(item, RowOutcome):
                    outcomes.append(item)
                elif item is not None:
                    self._stop.stop(item)
                if len(outcomes) >= MAX_OUTCOMES:
                    break
                item = self._results.get_nowait()
        except queue.Empty:
            pass
        return outcomes

    def _answer_signals(self) -> None:
        if not self._signals:
            return
        now_s = self._plan.clock.monotonic()
        if len(self._signals) > 1:
            self._deadline_s = now_s
        elif self._deadline_s is None:
            self._stop.stop()
            self._deadline_s = now_s + self._grace_s
            if in_flight := len(self._pool.list_unanswered()):
                message = Text(
                    "stopping: {flying} in flight, waiting up to {grace_s} s; ^C "
                    "again to abandon them ({billing})",
                    flying=in_flight,
                    grace_s=f"{self._grace_s:.0f}",
                    billing=describe_billing("pending", many=True),
                )
                self._plan.note(message)

    def _finish(self) -> RunResult:
        self._stop.stop()
        while outcomes := self._receive(0):
            self._handler.handle(outcomes)
        for worker in self._pool.list_unanswered():
            rows, attempts = worker.claims.rows, worker.claims.attempts
            self._handler.abandon(rows, billed=True)
            ambiguous = worker.claims.counts.possibly_billed * len(rows)
            self._handler.counts.add_attempts(attempts, max(0, attempts - 1), ambiguous)
        self._handler.finish()
        self._pool.close()
        stop = self._stop
        signum = self._signals[0] if self._signals else None
        ended_well = stop.failure is None and stop.defect is None and signum is None
        complete, handler = self._scheduler.has_ended and ended_well, self._handler
        failures = stop.failure, stop.defect, signum
        return RunResult(handler.counts, *failures, complete, handler.rescued)

    def _feed(self) -> None:
        try:
            self._scheduler.run(
                self._pool.submit, self._results.put, self._work_here, self._make_room
            )
        except Exception as error:
            self._results.put(error)
        finally:
            self._is_fed = True
            self._results.put(None)

    def _make_room(self) -> None:
        """Send what waits in packs where nobody else would, before waiting for room."""
        if self._pool.has_no_threads:
            self._scheduler.flush()
            self._work_here()

    def _work_here(self) -> None:
        """Do the work of threads that the system refused to start, after each row."""
        if self._pool.has_no_threads:
            self._pool.run_here()
        if self._feeds_itself:
            self._step(0)
