"""Many requests from one command: several at once, results in the order of the input.

The input is read in a thread of its own, so that answers come out while more input is waited
for; how far it may run ahead is bounded, and so is memory.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from apiyi_cli.core.threads import start_thread
from apiyi_cli.errors import ApiyiError, Interrupted, fails_every_item
from apiyi_cli.text import Text
from apiyi_cli.wire.send import Sender

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context
    from apiyi_cli.core.call import Call
    from apiyi_cli.wire.http.client import Observer
    from apiyi_cli.wire.send import Plan

QUEUE_POLL_S: Final = 0.1
"""How long to wait at a time: a signal that comes just before an endless wait would not end it."""
ITEMS_AHEAD: Final = 2
LEAST_ITEMS_AHEAD_WAITING: Final = 16
SIGPIPE: Final = 13

B = TypeVar("B")
R = TypeVar("R")
T = TypeVar("T")


def send_in_order(
    ctx: Context,
    items: Iterator[B],
    work: Callable[[Sender, B], R],
    jobs: int,
    stop: threading.Event | None = None,
    *,
    bulk: bool = False,
    observer: Observer | None = None,
) -> Iterator[R]:
    """Yield `work(sender, item)` for each item in order, up to `jobs` requests in flight.

    `bulk` is a run of many requests, which the token limit holds back; `observer` sees every
    request. See `map_in_order` for the rest.
    """
    stop = stop or threading.Event()
    # Made here once: a missing key ends the run, not each of its threads.
    plan = silence_when_stopped(ctx.gateway.sender.plan, stop)
    if observer is not None:
        plan = plan._replace(observer=observer)
    if bulk:
        from apiyi_cli.cli.gateway.plan import make_bulk_plan

        plan = make_bulk_plan(plan)
    ctx.process.on_exit(stop.set)
    yield from map_in_order(plan, items, work, jobs, stop, ctx.messages.note)


def take_in_order(
    ctx: Context,
    items: Iterable[B],
    work: Callable[[Sender, B], R],
    jobs: int,
    take: Callable[[R], None],
) -> None:
    """Hand `work(sender, item)` of each item to `take`, in order, up to `jobs` at once.

    When a signal or an error stops the run, nothing further is begun, but what is under way
    has been paid for: it is waited for and handed to `take` before the stop goes on. A
    second signal does not wait.
    """
    running = _UnderWay(work)
    results = send_in_order(ctx, iter(items), running.work, jobs, bulk=True)
    try:
        for result in results:
            running.forget(result)
            take(result)
    except BaseException as stop:
        results.close()  # type: ignore[attr-defined]
        if count := running.count:
            what = "request that is" if count == 1 else "requests that are"
            ctx.messages.note(
                Text(
                    "stopping: waiting for {count} {what} under way (again: stop at once)",
                    count=count,
                    what=what,
                )
            )
        for result in running.rest():
            if not (isinstance(stop, Interrupted) and stop.signum == SIGPIPE):
                with suppress(ApiyiError):
                    take(result)
        raise


def map_in_order(
    plan: Plan,
    items: Iterator[B],
    work: Callable[[Sender, B], R],
    jobs: int,
    stop: threading.Event,
    tell: Callable[[str], None],
) -> Iterator[R]:
    """Yield `work(sender, item)` for each item in order, up to `jobs` requests in flight.

    Each worker thread has a sender of its own. A request that waits to be tried again gives
    its concurrency slot to the others. What an item or the input raises ends the run: nothing
    further is started, what was in flight is yielded, then it is raised. Once `stop` is set
    nothing is started, and the results end with those that were in flight. Where the system
    has no more threads, those that there are do the work, the caller's at least.
    """
    if plan.account is not None:
        # Before the next item is taken, not only when its reader hears of it.
        plan.account.on_end = stop.set
    items = _note_many(items, plan)
    pool = WorkerPool(plan, work, jobs, stop)
    count = pool.start()
    if count < jobs:
        tell(
            Text(
                "{count} at once instead of {jobs}: the system allows no more threads here",
                count=max(1, count),
                jobs=jobs,
            )
        )
    try:
        if count and start_thread(lambda: pool.feed(items)) is not None:
            yield from pool.results()
        else:
            yield from _work_alone(plan, items, work, stop)
    finally:
        stop.set()
        pool.close()


class ConcurrencySlots:
    """Bounds how many requests are in flight, and how far the input is ahead of the results.

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
        """Note that the result of an item was taken."""
        with self._changed:
            self._items -= 1
            self._changed.notify_all()

    def enter(self) -> None:
        """Wait for a slot; once closed there is one for everybody."""
        with self._changed:
            while self._is_open and self._in_flight >= self._jobs:
                self._changed.wait()
            self._in_flight += 1

    def leave(self) -> None:
        """Give a slot back."""
        with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()

    def begin_waiting(self) -> None:
        """Give a slot to the others while a request waits to be tried again."""
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
        """Let nobody wait any more."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    @property
    def _most_items(self) -> int:
        most = self._jobs + ITEMS_AHEAD
        return most + max(LEAST_ITEMS_AHEAD_WAITING, self._jobs) if self.waiting else most


class WorkerPool(Generic[B, R]):
    """The threads that send the items of one run, with the queues between them and the reader."""

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
        """Start as many threads as wanted, or as the system gives; return how many."""
        while self._threads < self._jobs and self._add_worker():
            pass
        return self._threads

    def feed(self, items: Iterator[B]) -> None:
        """Queue the items; an error of the input comes in its place among the results."""
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
                # What was sent beside it has been paid for.
                failure = failure or error
                self._stop.set()
                continue
            yield result
            self._slots.dismiss()
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Have all threads end when they have nothing in flight."""
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
        """Start a worker in place of one whose request waits, if there is something to send."""
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


class NotesOnce:
    """Prints the notes of calls: what holds for one item of many is said once."""

    def __init__(self, note: Callable[[str], object]) -> None:
        self._note = note
        self._noted: set[str] = set()

    def print(self, call: Call) -> Call:
        """Print the notes of a call that are new; return the call without notes."""
        for text in call.notes:
            if text not in self._noted:
                self._noted.add(text)
                self._note(text)
        return call._replace(notes=())


def print_item_failure(ctx: Context, name: str, failure: ApiyiError) -> None:
    """Print the failure of one item of many; raise one that every item would have."""
    named = failure.for_item(name)
    if fails_every_item(failure):
        raise named from failure
    ctx.messages.error(named)


class _UnderWay(Generic[B, R]):
    """Counts the work that has begun, and keeps results that nobody has taken."""

    def __init__(self, work: Callable[[Sender, B], R]) -> None:
        self._work = work
        self._changed = threading.Condition()
        self._running = 0
        self._ended: dict[int, R] = {}

    def work(self, sender: Sender, item: B) -> R:
        with self._changed:
            self._running += 1
        try:
            result = self._work(sender, item)
            with self._changed:
                self._ended[id(result)] = result
            return result
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @property
    def count(self) -> int:
        return self._running

    def forget(self, result: R) -> None:
        with self._changed:
            self._ended.pop(id(result), None)

    def rest(self) -> list[R]:
        with self._changed:
            while self._running:
                # Without a limit the wait could not be interrupted by a signal.
                self._changed.wait(QUEUE_POLL_S)
            return list(self._ended.values())


def silence_when_stopped(plan: Plan, stop: threading.Event) -> Plan:
    """Return the plan with notices that end when the run does: threads may outlive it."""

    def tell(text: str) -> None:
        if not stop.is_set():
            plan.tell(text)

    return plan._replace(tell=tell)


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
    """Yield the items; from the second on a refusal of the key or for money is asked about."""
    for number, item in enumerate(items):
        if number and plan.account is not None:
            plan.account.many = True
        yield item
