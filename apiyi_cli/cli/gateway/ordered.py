"""Work on items by several threads, with the results in the order of the input.

The input is read in its own thread, so that results come out while more input is waited for;
how far it may run ahead is bounded, and so is memory.

The batch has other threads, `batch.run.pool`: it writes in the order of the answers, adapts the
number of rows in flight to the gateway, records a claim before each request, and must be woken
by signal handlers. Here the order is kept, and a failed item ends the run. They share the start
of a thread and the message of a system without more threads (`core.clock`).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from typing import Final, Generic, TypeVar

from apiyi_cli.core.clock import describe_fewer_threads, start_thread
from apiyi_cli.wire.send import Plan, Sender

QUEUE_POLL_S: Final = 0.1
"""The longest single wait, because a signal just before an endless one would not end it."""
ITEMS_AHEAD: Final = 2
LEAST_ITEMS_AHEAD_WAITING: Final = 16

B = TypeVar("B")
R = TypeVar("R")


def map_in_order(
    plan: Plan,
    items: Iterator[B],
    work: Callable[[Sender, B], R],
    jobs: int,
    stop: threading.Event,
    tell: Callable[[str], None],
) -> Iterator[R]:
    """Yield `work(sender, item)` for each item in order, up to `jobs` requests in flight.

    Each worker thread has its own sender. A request that waits to be tried again gives
    its concurrency slot to the others. An error of an item or the input ends the run: nothing
    further is started, what was in flight is yielded, then it is raised. Once `stop` is set
    nothing is started, and the results end with those that were in flight. Where the system
    has no more threads, those that there are do the work, the caller's at least.
    """
    if plan.account is not None:
        # Before the next item is taken, not only when its reader hears of it.
        plan.account.on_end = stop.set
    items = _note_many(items, plan)
    pool = OrderedPool(plan, work, jobs, stop)
    count = pool.start()
    if count < jobs:
        tell(describe_fewer_threads(count, jobs))
    try:
        if count and start_thread(lambda: pool.feed(items)) is not None:
            yield from pool.results()
        else:
            yield from _work_alone(plan, items, work, stop)
    finally:
        stop.set()
        pool.close()


class ConcurrencySlots:
    """Bounds the requests in flight, and the input's lead over the results.

    A request that waits to be tried again has no slot, and lets more of the input in.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._changed = threading.Condition()
        self._in_flight = 0
        self._items = 0
        self._is_open = True
        self.waiting = 0

    def admit(self) -> bool:
        """Wait until the input may give one more item; return False once closed."""
        with self._changed:
            while self._is_open and self._items >= self._most_items:
                self._changed.wait()
            self._items += 1
            return self._is_open

    def dismiss(self) -> None:
        """Note that the result of an item was read."""
        with self._changed:
            self._items -= 1
            self._changed.notify_all()

    def enter(self) -> None:
        """Wait for a slot; after `close` everyone gets one."""
        with self._changed:
            while self._is_open and self._in_flight >= self._jobs:
                self._changed.wait()
            self._in_flight += 1

    def leave(self) -> None:
        """Release a slot."""
        with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()

    def begin_waiting(self) -> None:
        """Release the slot while a request waits for a retry."""
        with self._changed:
            self._in_flight -= 1
            self.waiting += 1
            self._changed.notify_all()

    def end_waiting(self) -> None:
        """Wait for a slot again."""
        with self._changed:
            self.waiting -= 1
        self.enter()

    def close(self) -> None:
        """Let all waiting threads continue."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    @property
    def _most_items(self) -> int:
        most = self._jobs + ITEMS_AHEAD
        return most + max(LEAST_ITEMS_AHEAD_WAITING, self._jobs) if self.waiting else most


class OrderedPool(Generic[B, R]):
    """The threads that send a run's items, and their queues."""

    def __init__(
        self, plan: Plan, work: Callable[[Sender, B], R], jobs: int, stop: threading.Event
    ) -> None:
        self._plan = plan._replace(retry_sleep=self._wait_to_retry)
        self._sleep = plan.retry_sleep or stop.wait
        self._work = work
        self._jobs = jobs
        self._stop = stop
        self._slots = ConcurrencySlots(jobs)
        self._futures: queue.Queue[Future[R] | None] = queue.Queue()
        self._todo: queue.Queue[tuple[Future[R], B] | None] = queue.Queue()
        self._counting = threading.Lock()
        self._threads = 0

    def start(self) -> int:
        """Start up to `jobs` threads, as many as the system allows; return how many."""
        while self._threads < self._jobs and self._add_worker():
            pass
        return self._threads

    def feed(self, items: Iterator[B]) -> None:
        """Queue the items; an error of the input takes its place among the results."""
        try:
            for item in items:
                if not self._slots.admit() or self._stop.is_set():
                    return
                future: Future[R] = Future()
                # Known to the reader first: it must find the failure that ends the run.
                self._futures.put(future)
                self._todo.put((future, item))
                self._replace_waiting()
            self._futures.put(None)
        except BaseException as failure:
            broken: Future[R] = Future()
            broken.set_exception(failure)
            self._futures.put(broken)

    def results(self) -> Iterator[R]:
        """Yield the results in order; raise the first failure at the end."""
        failure: Exception | None = None
        while True:
            try:
                # Stopped, the input is not waited for: its thread may read from a slow pipe.
                get = self._futures.get_nowait if self._stop.is_set() else self._next_future
                if (future := get()) is None:
                    break
                while not future.done():
                    wait((future,), QUEUE_POLL_S)
                result = future.result()
            except queue.Empty:
                break
            except CancelledError:
                continue
            except Exception as error:
                # Requests sent beside it have been paid for.
                failure = failure or error
                self._stop.set()
                continue
            yield result
            self._slots.dismiss()
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Let all threads end after their request in flight."""
        self._slots.close()
        with self._counting:
            for _ in range(self._threads):
                self._todo.put(None)
            self._threads = self._jobs

    def _next_future(self) -> Future[R] | None:
        while True:
            with suppress(queue.Empty):
                return self._futures.get(timeout=QUEUE_POLL_S)

    def _add_worker(self) -> bool:
        if start_thread(self._serve) is None:
            return False
        self._threads += 1
        return True

    def _replace_waiting(self) -> None:
        """Start a worker for one whose request waits, if there is something to send."""
        with self._counting:
            wanted = self._jobs + self._slots.waiting
            if not self._stop.is_set() and self._threads < wanted and not self._todo.empty():
                self._add_worker()

    def _serve(self) -> None:
        sender = Sender(self._plan)
        while (taken := self._todo.get()) is not None:
            future, item = taken
            self._slots.enter()
            try:
                if self._stop.is_set():
                    future.cancel()
                    continue
                future.set_result(self._work(sender, item))
            except BaseException as failure:
                if not isinstance(failure, CancelledError):
                    self._stop.set()
                future.set_exception(failure)
            finally:
                self._slots.leave()
        sender.close()

    def _wait_to_retry(self, wait_s: float) -> None:
        """Wait without a slot. Raises CancelledError when the run stops: nothing is sent then."""
        self._slots.begin_waiting()
        try:
            self._replace_waiting()
            self._sleep(wait_s)
        finally:
            self._slots.end_waiting()
        if self._stop.is_set():
            raise CancelledError


def _work_alone(
    plan: Plan, items: Iterator[B], work: Callable[[Sender, B], R], stop: threading.Event
) -> Iterator[R]:
    """Do the work one item after the other in the calling thread."""
    sender = Sender(plan)
    for item in items:
        if stop.is_set():
            break
        yield work(sender, item)
    sender.close()


def _note_many(items: Iterator[B], plan: Plan) -> Iterator[B]:
    """Yield the items; after the first a refusal of key or money is checked."""
    for number, item in enumerate(items):
        if number and plan.account is not None:
            plan.account.many = True
        yield item
