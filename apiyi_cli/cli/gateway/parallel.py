"""Many requests from one command: several at once, results in the order of the input."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Generic, TypeVar

from apiyi_cli.cli.gateway.client import GatewayClient
from apiyi_cli.cli.gateway.ordered import map_in_order
from apiyi_cli.cli.messages import Messages
from apiyi_cli.core.call import Call
from apiyi_cli.errors import (
    ApiyiError,
    IncompleteError,
    Interrupted,
    describe_billing,
    fails_every_item,
)
from apiyi_cli.output.rescue import SIGPIPE
from apiyi_cli.text import Text
from apiyi_cli.wire.http.client import Observer
from apiyi_cli.wire.send import Plan, Sender

B = TypeVar("B")
R = TypeVar("R")


def send_in_order(
    gateway: GatewayClient,
    items: Iterator[B],
    work: Callable[[Sender, B], R],
    jobs: int,
    stop: threading.Event | None = None,
    bulk: bool = False,
    observer: Observer | None = None,
) -> Generator[R, None, None]:
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
    gateway.process.on_exit(stop.set)
    yield from map_in_order(plan, items, work, jobs, stop, gateway.plan.tell)


def send_softly(
    gateway: GatewayClient,
    items: Iterator[B],
    work: Callable[[Sender, B], R],
    jobs: int,
    stop: threading.Event,
) -> Generator[R, None, None]:
    """Yield as `send_in_order` in a bulk run; the first signal stops it softly.

    Nothing further is begun then, but what is under way has been paid for: it is waited for
    and yielded, in order, before Interrupted is raised. So that signal never cuts the output
    of a result in two. A second signal raises it at once.
    """
    soft = _SoftRun(work, stop, gateway.plan.tell)
    results = send_in_order(gateway, items, soft.work, jobs, stop, bulk=True)
    process = gateway.process
    before, process.on_signal = process.on_signal, soft.handle
    try:
        yield from soft.iterate(results)
    except ApiyiError as failure:
        if soft.signum is None:
            raise
        raise Interrupted(soft.signum) from failure
    finally:
        process.on_signal = before
        results.close()
    if soft.signum is not None:
        raise Interrupted(soft.signum)


def take_in_order(
    gateway: GatewayClient,
    items: Iterable[B],
    work: Callable[[Sender, B], R],
    jobs: int,
    take: Callable[[R], None],
) -> None:
    """Hand `work(sender, item)` of each item to `take`, in order, up to `jobs` at once.

    An error of `take` stops the run softly, as a signal does: what is under way is handed to it
    before the error is raised. Once the reader of stdout has gone it is only waited for.
    """
    stop = threading.Event()
    failure: BaseException | None = None
    try:
        for result in send_softly(gateway, iter(items), work, jobs, stop):
            if isinstance(failure, Interrupted):
                continue
            try:
                take(result)
            except BaseException as error:
                if isinstance(error, Interrupted) and error.signum != SIGPIPE:
                    raise
                failure = failure or error
                stop.set()
    except ApiyiError as error:
        failure = failure or error
    if failure is not None:
        raise failure


class _SoftRun(Generic[B, R]):
    """Stops a run softly at the first signal, at once at the second.

    The stop is told while the main thread waits for a result, never in the middle of what it
    writes, with the count of what is under way.
    """

    def __init__(
        self, work: Callable[[Sender, B], R], stop: threading.Event, tell: Callable[[str], None]
    ) -> None:
        self._work = work
        self._stop = stop
        self._tell = tell
        self._counting = threading.Lock()
        self._count = 0
        self._is_told = False
        self._waits = False
        self.signum: int | None = None

    def work(self, sender: Sender, item: B) -> R:
        """Do the work on an item, and count it meanwhile."""
        with self._counting:
            self._count += 1
        try:
            return self._work(sender, item)
        finally:
            with self._counting:
                self._count -= 1

    def handle(self, name: str, signum: int) -> None:
        """Handle a signal in the main thread. Raises Interrupted for the second one."""
        if self.signum is not None:
            raise Interrupted(signum)
        self.signum = signum
        self._stop.set()
        if self._waits:
            self._tell_once()

    def iterate(self, results: Iterator[R]) -> Iterator[R]:
        """Yield the results; tell of the stop before it is waited for."""
        while True:
            self._waits = True
            if self._stop.is_set():
                self._tell_once()
            try:
                result = next(results)
            except StopIteration:
                return
            finally:
                self._waits = False
            yield result

    def _tell_once(self) -> None:
        is_told, self._is_told = self._is_told, True
        if (count := self._count) and not is_told:
            what = "request that is" if count == 1 else "requests that are"
            self._tell(
                Text(
                    "stopping: waiting for {count} {what} under way (again: stop at once)",
                    count=count,
                    what=what,
                )
            )


def print_notes(messages: Messages, call: Call) -> Call:
    """Print the notes of a call, each text once; return the call without them."""
    for text in call.notes:
        messages.note_once(text)
    return call._replace(notes=())


def print_item_failure(messages: Messages, name: str, failure: ApiyiError) -> None:
    """Print one item's failure; raise it if every item would have it."""
    named = failure.for_item(name)
    if fails_every_item(failure):
        raise named from failure
    messages.error(named)


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
