"""The threads of a run: each sends row after row over its own connections.

Outcomes come in the order of the answers. Commands that need the order of their input use
`cli.gateway.ordered` instead, which says how the two differ.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.plan import BatchPlan
from apiyi_cli.batch.run.stop_rules import StopSwitch
from apiyi_cli.batch.run.worker import Worker
from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.core.clock import describe_fewer_threads, start_thread
from apiyi_cli.errors import LimitError

Results = queue.SimpleQueue[RowOutcome | Exception | None]
"""Messages of threads: an outcome, an unexpected exception, or None to wake the run.

Its `put` is reentrant, because signal handlers call it as well.
"""


class RowWorkers:
    """Starts worker threads as rows are submitted, and collects their outcomes in `results`.

    `submit` and `run_here` are for the thread that feeds, the rest for the one that writes.
    `open_worker` is called in each worker's thread. Where the system starts no thread at all,
    `has_no_threads` is True and the feeding thread calls `run_here` after each row.
    """

    def __init__(
        self, plan: BatchPlan, open_worker: Callable[[], Worker], results: Results, stop: StopSwitch
    ) -> None:
        self.has_no_threads = False
        self._jobs = plan.jobs
        self._spare = plan.spare_workers
        self._note = plan.note
        self._budget = plan.budget
        self._open_worker = open_worker
        self._results = results
        self._stop = stop
        self._rows: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        self._workers: dict[threading.Thread, Worker] = {}
        self._threads = 0
        self._submitted = self._returned = 0
        self._lock = threading.Lock()
        self._worker_here: Worker | None = None

    def submit(self, row: Row) -> None:
        """Queue a row or pack, with one more worker if all are busy."""
        self._rows.put(row)
        self._submitted += 1
        if self.has_no_threads:
            return
        # A row that a worker has just taken counts as busy, whatever it has noted of it.
        if self._threads >= min(self._jobs, self._submitted - self._returned):
            return
        if not self._start_worker():
            self.has_no_threads = not self._threads
            self._reduce_jobs(max(1, self._threads))

    def use_no_threads(self) -> None:
        """Send all rows in `run_here`, because the system refused the first thread."""
        self.has_no_threads = True
        self._reduce_jobs(1)

    def run_here(self) -> None:
        """Send the submitted rows in the calling thread."""
        with suppress(queue.Empty):
            while (row := self._rows.get_nowait()) is not None:
                self._worker_here = self._worker_here or self._open()
                self._send(self._worker_here, row)

    def replace_waiting(self) -> None:
        """Start spare workers in place of those whose rows wait for a retry."""
        if self.has_no_threads or self._stop.is_set:
            return
        waiting = sum(worker.is_waiting for worker in self._list_workers())
        wanted = self._jobs + min(waiting, self._spare)
        while waiting and self._threads < wanted and not self._rows.empty():
            if not self._start_worker():
                self._spare = 0
                return

    @property
    def has_free_worker(self) -> bool:
        """Return True if one more row would be sent at once."""
        return self.has_no_threads or self._submitted - self._returned < self._jobs

    def list_unanswered(self) -> list[Worker]:
        """Return the workers whose requests are in flight."""
        return [worker for worker in self._list_workers() if worker.claims.in_flight]

    def close(self) -> None:
        """Let the threads end; returns without waiting for them."""
        for _ in range(self._threads):
            self._rows.put(None)
        if self._worker_here is not None:
            self._worker_here.close()

    def _start_worker(self) -> bool:
        """Start a worker; return False if the system has no thread for it."""
        if start_thread(self._work) is None:
            return False
        with self._lock:
            self._threads += 1
        return True

    def _work(self) -> None:
        worker = self._open()
        while (row := self._rows.get()) is not None:
            self._send(worker, row)
        if worker is not None:
            worker.close()

    def _open(self) -> Worker | None:
        """Return the worker of this thread; None, after a stop, if it cannot be made."""
        try:
            worker = self._workers[threading.current_thread()] = self._open_worker()
        except Exception as error:
            self._results.put(error)
            return None
        return worker

    def _send(self, worker: Worker | None, row: Row) -> None:
        waiting = {id(item): item for item in row.rows}
        defect: Exception | None = None
        may_send, usd = False, None
        if worker is not None and not self._stop.is_set:
            may_send, usd = self._reserve_cost(row)
        if worker is not None and may_send:
            try:
                for outcome in worker.send(row):
                    del waiting[id(outcome.row)]
                    if outcome.defect is not None:
                        self._results.put(outcome.defect)
                    outcome.reserved_usd = None if waiting else usd
                    self._results.put(outcome)
            except Exception as error:
                self._results.put(error)
                defect = error
        while waiting:
            outcome = RowOutcome(waiting.pop(next(iter(waiting))), unsent=True)
            if defect is not None and worker is not None:
                outcome.defect = defect
                outcome.attempts = worker.claims.attempts
                outcome.ambiguous = worker.claims.counts.possibly_billed
                # A request may have been sent, and its answer is unknown.
                outcome.maybe_billed = outcome.attempts > 0
            outcome.reserved_usd = None if waiting else usd
            self._results.put(outcome)
        with self._lock:
            self._returned += 1

    def _reserve_cost(self, row: Row) -> tuple[bool, float | None]:
        """Return whether a row or pack may be sent, and its reserved cost."""
        if self._budget is None:
            return True, None
        try:
            usd = self._budget.reserve(row, waits=not self.has_no_threads)
        except LimitError as failure:
            self._results.put(failure)
            return False, None
        return usd is not None, usd

    def _reduce_jobs(self, count: int) -> None:
        if count < self._jobs:
            self._note(describe_fewer_threads(count, self._jobs))
        self._jobs = count

    def _list_workers(self) -> list[Worker]:
        # A copy in one step: other threads add to it.
        return list(self._workers.copy().values())
