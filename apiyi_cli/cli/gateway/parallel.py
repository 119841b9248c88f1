"""Many requests from one command: several at once, results in the order of the input."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from apiyi_cli.cli.gateway.ordered import QUEUE_POLL_S, map_in_order
from apiyi_cli.errors import (
    ApiyiError,
    IncompleteError,
    Interrupted,
    describe_billing,
    fails_every_item,
)
from apiyi_cli.output.rescue import SIGPIPE
from apiyi_cli.text import Text
from apiyi_cli.wire.send import Sender

if TYPE_CHECKING:
    from apiyi_cli.cli.gateway.client import GatewayClient
    from apiyi_cli.cli.messages import Messages
    from apiyi_cli.core.call import Call
    from apiyi_cli.wire.http.client import Observer
    from apiyi_cli.wire.send import Plan

B = TypeVar("B")
R = TypeVar("R")


def send_in_order(
    gateway: GatewayClient,
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
    plan = silence_when_stopped(gateway.plan, stop)
    if observer is not None:
        plan = plan._replace(observer=observer)
    if bulk:
        from apiyi_cli.cli.gateway.plan import make_bulk_plan

        plan = make_bulk_plan(plan)
    gateway.on_exit(stop.set)
    yield from map_in_order(plan, items, work, jobs, stop, gateway.plan.tell)


def take_in_order(
    gateway: GatewayClient,
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
    running = _WorkCounter(work)
    results = send_in_order(gateway, iter(items), running.work, jobs, bulk=True)
    try:
        for result in results:
            running.forget(result)
            take(result)
    except BaseException as stop:
        results.close()  # type: ignore[attr-defined]
        if count := running.count:
            what = "request that is" if count == 1 else "requests that are"
            gateway.plan.tell(
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


class NotePrinter:
    """Prints the notes of calls, each text once."""

    def __init__(self, note: Callable[[str], object]) -> None:
        self._note = note
        self._noted: set[str] = set()

    def print(self, call: Call) -> Call:
        """Print the new notes of a call; return the call without notes."""
        for text in call.notes:
            if text not in self._noted:
                self._noted.add(text)
                self._note(text)
        return call._replace(notes=())


def print_item_failure(messages: Messages, name: str, failure: ApiyiError) -> None:
    """Print one item's failure; raise it if every item would have it."""
    named = failure.for_item(name)
    if fails_every_item(failure):
        raise named from failure
    messages.error(named)


class _WorkCounter(Generic[B, R]):
    """Counts the work in progress, and keeps results that were not read."""

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
    """Return the plan with notices that stop with the run, which threads may outlive."""

    def tell(text: str) -> None:
        if not stop.is_set():
            plan.tell(text)

    return plan._replace(tell=tell)


def end_when_stopped(plan: Plan, stop: threading.Event) -> Plan:
    """Return the plan with neither notices nor retries after the stop."""

    def sleep(wait_s: float) -> None:
        end_if_stopped(stop)
        (plan.retry_sleep or plan.clock.sleep)(wait_s)
        end_if_stopped(stop)

    return silence_when_stopped(plan, stop)._replace(retry_sleep=sleep)


def end_if_stopped(stop: threading.Event) -> None:
    """Raise IncompleteError if a request is to be given up: it may be billed."""
    if stop.is_set():
        raise IncompleteError(Text("the request was given up"), describe_billing("pending"))
