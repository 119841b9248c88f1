"""One run: rows in, records out, many under way at once, and an orderly end whatever happens.

A thread feeds, threads send, and the one that calls `run` writes, counts and decides when to
stop. Stopping is soft: nothing new is started, what waits gives up, what is in flight is
waited for; only then, or when time is up, the rest is abandoned, and the journal says so.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Protocol

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.counts import Counts, Throughput
from apiyi_cli.batch.run.scheduler import Scheduler
from apiyi_cli.batch.state.journal import Journal
from apiyi_cli.batch.state.output import OrderedBuffer, RecordWriter, UnwrittenError
from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.events import Usage
from apiyi_cli.core.threads import start_thread
from apiyi_cli.errors import (
    ApiyiError,
    Interrupted,
    LimitError,
    OutputError,
    describe_billing,
    fails_every_item,
)
from apiyi_cli.text import Text

TICK_S = 0.25
CHECK_EVERY_S = 1.0
MOST_AT_ONCE = 256
PERCENT_AFTER = 20
LONGEST_GRACE_S = 30.0
LAST_WRITES_S = 1.0
MOST_SPARE_WORKERS = 96


def count_spare_workers(jobs: int) -> int:
    """Return how many workers more than `jobs` a run may have while rows wait to be retried."""
    return min(3 * jobs, MOST_SPARE_WORKERS)


class Sending(Protocol):
    """What sends the rows of one thread; `lane.Lane` in real runs."""

    def send(self, row: Row) -> RowOutcome:
        """Return what became of a row; an unexpected exception is in its `defect`."""

    def close(self) -> None:
        """Drop the connections."""

    @property
    def in_flight(self) -> bool:
        """Tell whether a request is on its way."""

    @property
    def is_waiting(self) -> bool:
        """Return True while the row waits to be tried again, without a concurrency slot."""

    @property
    def made(self) -> tuple[int, int]:
        """Return the attempts of the present row, and how many may be paid for a second time."""


class Places(Protocol):
    """What bounds the rows under way; `lane.Gate` in real runs."""

    def leave(self, outcome: RowOutcome) -> None:
        """Give the place of an outcome back: it is durable, or there is nothing to keep."""

    def close(self) -> None:
        """Let nobody in any more."""


class StopRules(NamedTuple):
    """When to stop early: failures (a number, or percent of 20 and more), US dollars."""

    max_errors: int | None = None
    max_errors_percent: float | None = None
    max_cost: float | None = None


class RunResult(NamedTuple):
    """How a run ended: its counts, what stopped it, whether it went through all its input.

    `defect` is an unexpected exception: all that had been sent was waited for and written.
    """

    counts: Counts
    failure: ApiyiError | None
    defect: Exception | None
    signum: int | None
    complete: bool
    rescued: list[bytes]


class _Defect(NamedTuple):
    error: Exception


class BatchRun:
    """One run over a feed.

    `open_sending` is called in each worker thread; `gate` is closed and `halt` set when waiting
    rows are to give up. `cost` prices a row's usage, `check` looks now and then whether the run
    may go on, `show` draws the progress.
    """

    def __init__(
        self,
        feed: Scheduler,
        recorder: RecordWriter,
        journal: Journal | None,
        open_sending: Callable[[], Sending],
        *,
        counts: Counts,
        jobs: int,
        halt: threading.Event,
        gate: Places,
        rules: StopRules = StopRules(),
        ordered: bool = False,
        cost: Callable[[Row, Usage | None], float | None] = lambda row, usage: None,
        check: Callable[[], ApiyiError | None] = lambda: None,
        show: Callable[[Counts, Throughput, bool], None] = lambda counts, rates, now: None,
        tell: Callable[[str], None] = lambda text: None,
        clock: Clock = CLOCK,
    ) -> None:
        self.counts = counts
        self._feed = feed
        self._recorder = recorder
        self._journal = journal
        self._open_sending = open_sending
        self._jobs = jobs
        self._halt = halt
        self._gate = gate
        self._rules = rules
        self._window = OrderedBuffer() if ordered else None
        self._cost = cost
        self._check = check
        self._show = show
        self._tell = tell
        self._clock = clock
        self._rates = Throughput(clock)
        self._todo: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        # Reentrant: a signal handler puts as well.
        self._results: queue.SimpleQueue[RowOutcome | _Defect | None] = queue.SimpleQueue()
        self._workers: dict[threading.Thread, Sending | None] = {}
        self._threads = 0
        self._spare = count_spare_workers(jobs)
        self._under_way: dict[threading.Thread, Row] = {}
        self._sent = 0
        self._returned = 0
        self._counting = threading.Lock()
        self._fed = False
        self._handled = 0
        self._stop: ApiyiError | None = None
        self._defect: Exception | None = None
        # The worker of a run whose system has no thread for one.
        self._own: Sending | None = None
        self._has_no_threads = self._feeds_itself = False
        self._checked_at = 0.0
        self._reports_shown = 0
        self._stopping = False
        self._deadline_s: float | None = None
        self._signals: list[int] = []
        self._grace_s = LONGEST_GRACE_S
        # Counted by a signal's handler alone, so that no request is lost while one is answered.
        self._reports_asked = 0
        self._rescued: list[bytes] = []
        self._is_full = False

    def run(self) -> RunResult:
        """Run to the end. Raises Interrupted for a reader that went away."""
        self._checked_at = self._clock.monotonic()
        if start_thread(self._feeding) is None:
            self._has_no_threads = self._feeds_itself = True
            self._get_along_with(1)
            self._feeding()
        while not self._is_over() and self._go_on(TICK_S):
            pass
        return self._ended()

    def _go_on(self, wait_s: float) -> bool:
        """Take what has come and look around; return False when time is up."""
        self._take(self._received(wait_s))
        self._add_workers()
        self._heed_signals()
        now = self._clock.monotonic()
        if now - self._checked_at >= CHECK_EVERY_S:
            self._checked_at = now
            self._guard(self._look_around)
        if self._deadline_s is not None and now >= self._deadline_s:
            return False
        asked = self._reports_asked
        is_asked, self._reports_shown = asked > self._reports_shown, asked
        self._guard(lambda: self._show(self.counts, self._rates, is_asked))
        return True

    def _look_around(self) -> None:
        if failure := self._check():
            self._begin_stop(failure)

    def report(self) -> None:
        """Show the progress now; may be called from a signal's handler."""
        self._reports_asked += 1
        self._results.put(None)

    def signalled(self, signum: int, grace_s: float) -> float | None:
        """Stop, and wait `grace_s` for what is in flight; when called again, no longer.

        To be called from the signal's handler. Returns the seconds after which the run is to
        be interrupted: it may be writing into a pipe that nobody reads, and hear of nothing.
        """
        self._signals.append(signum)
        self._grace_s = min(self._grace_s, grace_s)
        if len(self._signals) > 1 and self._journal is None:
            # The writer may hang in a pipe that nobody reads.
            raise Interrupted(signum)
        self._results.put(None)
        return self._grace_s + LAST_WRITES_S if self._journal is None else None

    @property
    def in_flight(self) -> int:
        """Return how many requests are on their way."""
        return sum(sending is not None and sending.in_flight for sending in self._sendings())

    def _is_over(self) -> bool:
        through = self._handled >= self._feed.given
        # What ended the feeding stands among the results before it is known to have ended.
        return through and (self._stopping or (self._fed and self._results.empty()))

    def _received(self, wait_s: float) -> list[RowOutcome]:
        """Wait for outcomes; return all that are there, none when the wait was long enough."""
        found: list[RowOutcome] = []
        try:
            one = self._results.get(timeout=wait_s) if wait_s else self._results.get_nowait()
            while True:
                if isinstance(one, _Defect):
                    self._note_defect(one.error)
                elif one is not None:
                    found.append(one)
                if len(found) >= MOST_AT_ONCE:
                    break
                one = self._results.get_nowait()
        except queue.Empty:
            pass
        return found

    def _note_defect(self, error: Exception) -> None:
        """Stop feeding because of an unexpected exception: what is paid for is still awaited."""
        if isinstance(error, ApiyiError):
            self._begin_stop(error)
            return
        self._defect = self._defect or error
        self._begin_stop(None)

    def _guard(self, act: Callable[[], object]) -> None:
        """Do something that must not keep an answer from being written."""
        try:
            act()
        except OutputError as failure:
            self._begin_stop(failure)
        except Exception as error:
            self._note_defect(error)

    def _take(self, outcomes: list[RowOutcome]) -> None:
        """Write what has come, count it, and look whether it ends the run."""
        if not outcomes:
            return
        self._handled += len(outcomes)
        ready: list[RowOutcome] = []
        for outcome in outcomes:
            if isinstance(outcome.error, OutputError):
                # Its claim could not be written, so that nothing was sent.
                outcome.unsent = True
            if outcome.unsent:
                self._give_up(outcome)
            elif self._window is None:
                ready.append(outcome)
            else:
                turned = self._window.add(outcome)
                if not turned:
                    self._guard(lambda one=outcome: self._recorder.hold(one))  # type: ignore[misc]
                ready += turned
        self._guard(lambda: self._write(ready))
        for outcome in outcomes:
            self._gate.leave(outcome)
            self._guard(lambda one=outcome: self._count(one))  # type: ignore[misc]
        self._look(outcomes)

    def _give_up(self, outcome: RowOutcome) -> None:
        if outcome.attempts:
            self._note_abandoned(outcome.row, billed=outcome.maybe_billed)

    def _write(self, outcomes: list[RowOutcome]) -> None:
        if not outcomes:
            return
        if self._is_full:
            self._rescued += [self._recorder.rescue(outcome) for outcome in outcomes]
        else:
            try:
                self._recorder.write(outcomes)
            except UnwrittenError as unwritten:
                self._is_full = True
                self._rescued += [self._recorder.rescue(one) for one in unwritten.outcomes]
                self._begin_stop(unwritten.failure)
            except OutputError as failure:
                self._begin_stop(failure)
        self._feed.release(len(outcomes))

    def _note_abandoned(self, row: Row, *, billed: bool) -> None:
        if self._journal is not None:
            journal = self._journal
            self._guard(lambda: journal.abandoned(row, billed=billed))

    def _count(self, outcome: RowOutcome) -> None:
        usage = outcome.usage
        cost: float | None = None
        try:
            if usage is not None or (outcome.failed is None and not outcome.unsent):
                costs = [self._cost(outcome.row, one) for one in (*outcome.earlier, usage)]
                cost = None if None in costs else sum(filter(None, costs))
        finally:
            self.counts.add(outcome, cost)
        self._rates.add(outcome.attempts, (usage.total_tokens or 0) if usage else 0)
        if self._rules.max_cost is not None and usage is not None and cost is None:
            model = outcome.row.call.model if outcome.row.call else None
            self._begin_stop(
                LimitError(
                    Text("cannot keep to --max-cost"),
                    Text("there is no price for {model}", model=model),
                    hint="apiyi models --update",
                )
            )

    def _look(self, outcomes: list[RowOutcome]) -> None:
        """Stop where a rule or a failure that concerns all rows says so."""
        for outcome in outcomes:
            error = outcome.error
            if error is not None and fails_every_item(error, waits_for_network=True):
                self._begin_stop(error)
        counts, rules = self.counts, self._rules
        if rules.max_errors is not None and counts.failed >= rules.max_errors:
            name = "--fail-fast" if rules.max_errors == 1 else f"--max-errors {rules.max_errors}"
            self._begin_stop(_limit(name, Text("{failed} rows have failed", failed=counts.failed)))
        percent = rules.max_errors_percent
        if percent is not None and counts.done >= PERCENT_AFTER:
            share = 100 * counts.failed / counts.done
            if share >= percent:
                told = Text(
                    "{failed} of {done} rows have failed", failed=counts.failed, done=counts.done
                )
                self._begin_stop(_limit(f"--max-errors {percent:g}%", told))
        if rules.max_cost is not None and (counts.cost or 0.0) >= rules.max_cost:
            self._begin_stop(
                _limit("--max-cost", Text("≈ ${cost} are used", cost=f"{counts.cost:.4f}"))
            )

    def _begin_stop(self, failure: ApiyiError | None) -> None:
        self._stop = self._stop or failure
        if self._stopping:
            return
        self._stopping = True
        self._feed.stop()
        self._halt.set()
        self._gate.close()

    def _heed_signals(self) -> None:
        if not self._signals:
            return
        now = self._clock.monotonic()
        if len(self._signals) > 1:
            self._deadline_s = now
        elif not self._stopping or self._deadline_s is None:
            self._begin_stop(None)
            self._deadline_s = now + self._grace_s
            if flying := self.in_flight:
                billing = describe_billing("pending", many=True)
                self._tell(
                    Text(
                        "stopping: {flying} in flight, waiting up to {grace_s} s; ^C "
                        "again to abandon them ({billing})",
                        flying=flying,
                        grace_s=f"{self._grace_s:.0f}",
                        billing=billing,
                    )
                )

    def _ended(self) -> RunResult:
        self._begin_stop(None)
        self._abandon()
        if self._window is not None:
            self._write(self._window.rest())
        for _ in range(self._threads):
            self._todo.put(None)
        if self._own is not None:
            self._own.close()
        signum = self._signals[0] if self._signals else None
        complete = self._feed.has_ended and self._stop is None and signum is None
        complete = complete and self._defect is None
        return RunResult(self.counts, self._stop, self._defect, signum, complete, self._rescued)

    def _abandon(self) -> None:
        """Write what has just come, and give up what is still under way."""
        while outcomes := self._left():
            self._take(outcomes)
        for thread, row in self._under_way.copy().items():
            sending = self._workers.get(thread)
            if sending is not None and sending.in_flight:
                attempts, ambiguous = sending.made
                self._note_abandoned(row, billed=True)
                self.counts.given_up(attempts, ambiguous)

    def _left(self) -> list[RowOutcome]:
        found: list[RowOutcome] = []
        while True:
            try:
                one = self._results.get_nowait()
            except queue.Empty:
                return found
            if isinstance(one, RowOutcome):
                found.append(one)
            elif isinstance(one, _Defect):
                self._note_defect(one.error)

    def _feeding(self) -> None:
        try:
            self._feed.run(self._send, self._results.put, self._work_here)
        except Exception as error:
            self._results.put(_Defect(error))
        finally:
            self._fed = True
            self._results.put(None)

    def _send(self, row: Row) -> None:
        """Queue a row, with one more worker when all are busy."""
        self._todo.put(row)
        self._sent += 1
        if self._has_no_threads:
            return
        # A row that a worker has just taken counts as under way, whatever it has noted of it.
        if self._threads >= min(self._jobs, self._sent - self._returned):
            return
        if self._started_worker():
            return
        self._has_no_threads = not self._threads
        self._get_along_with(max(1, self._threads))

    def _started_worker(self) -> bool:
        """Start a worker; return False where the system has no thread for it."""
        if start_thread(self._working) is None:
            return False
        with self._counting:
            self._threads += 1
        return True

    def _add_workers(self) -> None:
        """Start workers in place of those whose rows wait to be tried again."""
        if self._has_no_threads or self._stopping:
            return
        waiting = sum(one is not None and one.is_waiting for one in self._sendings())
        wanted = self._jobs + min(waiting, self._spare)
        while waiting and self._threads < wanted and not self._todo.empty():
            if not self._started_worker():
                self._spare = 0
                return

    def _work_here(self) -> None:
        """Send what was handed on from this very thread, if there is no other to do it."""
        if not self._has_no_threads:
            return
        # One row at a time has been handed on: this is called after each.
        with suppress(queue.Empty):
            while (row := self._todo.get_nowait()) is not None:
                self._own = self._own or self._opened()
                self._results.put(self._sent_by(self._own, row))
        if self._feeds_itself:
            self._go_on(0)

    def _get_along_with(self, count: int) -> None:
        if count < self._jobs:
            self._tell(
                Text(
                    "{count} at once instead of {jobs}: the system allows no more threads here",
                    count=count,
                    jobs=self._jobs,
                )
            )
        self._jobs = count

    def _opened(self) -> Sending | None:
        """Return a way to the gateway for this thread; None, with a stop, where there is none."""
        try:
            sending = self._workers[threading.current_thread()] = self._open_sending()
        except Exception as error:
            self._results.put(_Defect(error))
            return None
        return sending

    def _working(self) -> None:
        sending = self._opened()
        while (row := self._todo.get()) is not None:
            self._results.put(self._sent_by(sending, row))
        if sending is not None:
            sending.close()

    def _sent_by(self, sending: Sending | None, row: Row) -> RowOutcome:
        """Return what becomes of a row; an unexpected exception is the run's, not the row's."""
        me = threading.current_thread()
        outcome = RowOutcome(row, unsent=True)
        if sending is not None and not self._stopping:
            self._under_way[me] = row
            try:
                outcome = sending.send(row)
            except Exception as error:
                outcome.defect = error
                outcome.attempts, outcome.ambiguous = sending.made
                # A request may have been sent, and what became of it is not known.
                outcome.maybe_billed = outcome.attempts > 0
            if outcome.defect is not None:
                self._results.put(_Defect(outcome.defect))
            self._under_way.pop(me, None)
        with self._counting:
            self._returned += 1
        return outcome

    def _sendings(self) -> list[Sending | None]:
        # A copy in one step: other threads add to it.
        return list(self._workers.copy().values())


def _limit(name: str, why: str) -> LimitError:
    return LimitError(
        Text("stopped by {name}", name=name), why, hint=Text("run it again to go on with the rest")
    )
