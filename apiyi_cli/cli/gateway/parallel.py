"""Many requests from one command: several at once, results in the order of the input.

Input is taken in a thread of its own, so that answers come out while more input is waited
for; how far it may run ahead is bounded, and so is memory.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from apiyi_cli.core.threads import start_thread
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.session import Session
    from apiyi_cli.wire.http.client import Watch
    from apiyi_cli.wire.send import Plan, Sender

GLANCE_S = 0.1
"""How long to wait at a time: a signal that comes just before an endless wait would not end it."""

B = TypeVar("B")
R = TypeVar("R")
T = TypeVar("T")


def flow(
    session: Session,
    items: Iterator[B],
    work: Callable[[Sender, B], R],
    jobs: int,
    stop: threading.Event | None = None,
    *,
    bulk: bool = False,
    watch: Watch | None = None,
) -> Iterator[R]:
    """Yield `work(sender, item)` for each item in order, up to `jobs` of them at once.

    Each worker thread has a sender of its own. `bulk` is a run of many requests, which the
    token limit holds back; `watch` sees every request. What an item or the input raises ends
    the run: nothing further is started, what was on its way is yielded, then it is raised.
    Once `stop` is set nothing is started, and the results end with those that were on their
    way. Where the system has no more threads to give, those that there are do the work, the
    caller's at least.
    """
    made: queue.Queue[Future[R] | None] = queue.Queue()
    todo: queue.Queue[tuple[Future[R], B] | None] = queue.Queue()
    room = threading.Semaphore(jobs + 2)
    stop = stop or threading.Event()
    # Made here once: a missing key ends the run, not each of its threads.
    plan = hushed(session.sender.plan, stop)
    if watch is not None:
        plan = plan._replace(watch=watch)
    if bulk:
        from apiyi_cli.cli.gateway.plan import bulk as held_back

        plan = held_back(session, plan)

    if plan.account is not None:
        # Before the next item is taken, not only when its reader hears of it.
        plan.account.on_end = stop.set

    def feed() -> None:
        try:
            for number, item in enumerate(items):
                room.acquire()
                if number and plan.account is not None:
                    plan.account.many = True
                if stop.is_set():
                    return
                future: Future[R] = Future()
                # Known to the reader first: it must find the failure that ends the run.
                made.put(future)
                todo.put((future, item))
            made.put(None)
        except BaseException as failure:
            broken: Future[R] = Future()
            broken.set_exception(failure)
            made.put(broken)

    def serve() -> None:
        from apiyi_cli.wire.send import Sender

        sender = Sender(plan)
        while (taken := todo.get()) is not None:
            future, item = taken
            if stop.is_set():
                future.cancel()
                continue
            try:
                future.set_result(work(sender, item))
            except BaseException as failure:
                stop.set()
                future.set_exception(failure)
        sender.close()

    session.run.closing(stop.set)
    workers = _started(serve, jobs)
    if len(workers) < jobs:
        session.note(
            Text(
                "{count} at once instead of {jobs}: the system allows no more threads here",
                count=max(1, len(workers)),
                jobs=jobs,
            )
        )
    if not workers or start_thread(feed) is None:
        for _ in workers:
            todo.put(None)
        yield from _alone(plan, items, work, stop)
        return
    try:
        yield from _results(made, room, stop)
    finally:
        stop.set()
        room.release()
        for _ in workers:
            todo.put(None)


def _started(serve: Callable[[], None], count: int) -> list[threading.Thread]:
    """Start as many threads as wanted, or as the system gives."""
    threads = []
    for _ in range(count):
        if (thread := start_thread(serve)) is None:
            break
        threads.append(thread)
    return threads


def _alone(
    plan: Plan, items: Iterator[B], work: Callable[[Sender, B], R], stop: threading.Event
) -> Iterator[R]:
    """Do the work one item after the other in the calling thread."""
    from apiyi_cli.wire.send import Sender

    sender = Sender(plan)
    for item in items:
        if stop.is_set():
            break
        yield work(sender, item)
    sender.close()


def _results(
    made: queue.Queue[Future[R] | None], room: threading.Semaphore, stop: threading.Event
) -> Iterator[R]:
    failure: Exception | None = None
    while True:
        try:
            # Stopped, the input is not waited for: its thread may be reading from a slow pipe.
            future = made.get_nowait() if stop.is_set() else _next(made)
            if future is None:
                break
            while not future.done():
                wait((future,), GLANCE_S)
            result = future.result()
        except (queue.Empty, CancelledError):
            break
        except Exception as error:
            # What was sent beside it has been paid for.
            failure = failure or error
            stop.set()
            continue
        yield result
        room.release()
    if failure is not None:
        raise failure


def _next(made: queue.Queue[T]) -> T:
    while True:
        with suppress(queue.Empty):
            return made.get(timeout=GLANCE_S)


def hushed(plan: Plan, stop: threading.Event) -> Plan:
    """Return the plan with notices that end when the run does: threads outlive its words."""

    def tell(text: str) -> None:
        if not stop.is_set():
            plan.tell(text)

    return plan._replace(tell=tell)
