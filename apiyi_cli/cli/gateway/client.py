"""`GatewayClient`: sends a command's calls and decodes their replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from apiyi_cli.cli.gateway.plan import list_models, make_plan, renew_plan, request_notes
from apiyi_cli.cli.gateway.received_body import ReceivedBody
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.events import Chunk, Delta, EventBatch, InlineFile, Reasoning, Refusal, Restart
from apiyi_cli.errors import ApiyiError
from apiyi_cli.output.rescue import SIGPIPE
from apiyi_cli.text import Text
from apiyi_cli.wire.send import Sender

if TYPE_CHECKING:
    from apiyi_cli.cli.gateway.cost_limit import CostLimit
    from apiyi_cli.cli.output.waiting_line import WaitingLine
    from apiyi_cli.cli.process import Process
    from apiyi_cli.cli.settings import CommandSettings
    from apiyi_cli.wire.send import Plan, SentRequest

T = TypeVar("T")

_VISIBLE = (Delta, Refusal, InlineFile, Restart)


class GatewayClient:
    """Sends calls by the settings of the run, over one connection pool."""

    def __init__(self, process: Process, settings: CommandSettings) -> None:
        self.process = process
        self._settings = settings
        self._messages = process.messages
        self._unfinished: set[ReceivedBody] = set()
        self._unused = ReceivedBody(process)
        process.on_exit(self._keep_unfinished)

    def ask(self, call: Call, read: Callable[[Reply], T], *, sender: Sender | None = None) -> T:
        """Send a call and return `read(reply)`; the reply's body has not been read."""

        def decode(reply: Reply) -> Iterator[T]:
            yield read(reply)

        (result,) = self.stream(call, decode, sender=sender)
        return result

    def stream(
        self,
        call: Call,
        decode: Callable[[Reply], Iterator[T]],
        *,
        shows: Callable[[T], bool] = lambda item: False,
        is_used: Callable[[T], bool] = lambda item: True,
        sender: Sender | None = None,
    ) -> Iterator[T]:
        """Send a call and yield what `decode(reply)` yields.

        `shows` returns True for an item that the user sees: from then on nothing is retried.
        Another thread gives its own `sender`. A paid body of which no item `is_used` is kept in
        the rescue folder.
        """
        for text in request_notes(call, self._settings.base_urls):
            self._messages.note(text)
        if call.assembled:
            self._messages.debug(describe_assembly())
        if call.cost != "free" and (limit := self.cost_limit) is not None:
            limiter = self.plan.limiter
            mean = None if limiter is None else limiter.mean_tokens(call.model or "")
            limit.reserve(call, mean)
        received = self._unused = ReceivedBody(self.process)
        if call.cost != "free":
            decode = received.record(decode, is_used, until_end=call.assembled)
            if not call.stream or call.assembled:
                # Another stream's events are printed, or the caller has them.
                self._unfinished.add(received)
        try:
            items = (sender or self.sender).answer(call, decode, shows=shows)
            line = self.waiting_line
            yield from items if line is None else line.follow(items, call, shows)
        except ApiyiError as failure:
            hint = self._find_hint(failure, call)
            self._unfinished.discard(received)
            if call.cost != "free":
                hint = received.keep(failure, hint)
            raise failure.with_hint(hint) from failure.__cause__
        self._unfinished.discard(received)

    def keep_unused(self) -> str | None:
        """Save the last answer if unused; return the hint that says where."""
        return self._unused.keep_unused()

    def stream_events(
        self,
        call: Call,
        decode: Callable[[Reply], Iterator[EventBatch]],
        *,
        held: bool = False,
        reasoning: bool = False,
    ) -> Iterator[EventBatch]:
        """Send a call and yield its events; with `reasoning` the user sees that, too.

        With `held` nothing is shown until the end: of an answer that was begun anew only the
        newest attempt is yielded then.
        """
        shows = partial(is_shown, reasoning=reasoning)
        if held:
            return newest_attempt(self.stream(call, decode, is_used=shows))
        return self.stream(call, decode, shows=shows, is_used=shows)

    @cached_property
    def waiting_line(self) -> WaitingLine | None:
        """Return the waiting line, None if unseen or the command shows its own."""
        if not self.process.console.stderr_is_terminal:
            return None
        from apiyi_cli.cli.output.waiting_line import open_waiting_line

        return open_waiting_line(self.process, self._settings.output)

    @cached_property
    def sender(self) -> Sender:
        """Return the sender of the main thread; it is closed when the run ends."""
        sender = Sender(self.make_plan())
        self.process.on_exit(self.close)
        return sender

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        if "sender" in self.__dict__:
            self.sender.close()

    def begin_turn(self, settings: CommandSettings) -> None:
        """Use the settings of another turn; the connections stay open.

        `--max-time` counts anew.
        """
        self._settings = settings
        self.sender.plan = renew_plan(self.plan, self.process, settings)

    def add_listener(self, on_sent: Callable[[SentRequest], None]) -> None:
        """Add a function that gets each finished request, after the ledger."""
        record = self.plan.on_sent

        def report(sent: SentRequest) -> None:
            if record is not None:
                record(sent)
            on_sent(sent)

        self.sender.plan = self.plan._replace(on_sent=report)

    def begin_anew(self) -> None:
        """Drop the connections: a signal may have interrupted an exchange."""
        plan = self.plan
        self.close()
        self.__dict__["sender"] = Sender(plan)
        self._unfinished.clear()

    @cached_property
    def cost_limit(self) -> CostLimit | None:
        """Return the cost limit of the run, None without `--max-cost`."""
        max_usd = self._settings.request.max_cost
        if max_usd is None:
            return None
        from apiyi_cli.cli.gateway.cost_limit import COST_REPORT, CostLimit
        from apiyi_cli.cli.output.ledger import load_prices

        report = self.process.environ.get(COST_REPORT)
        return CostLimit(max_usd, load_prices(self._settings), report=report)

    @property
    def plan(self) -> Plan:
        """Return the wire's plan by the settings."""
        return self.sender.plan

    def make_plan(self, *, keyless: bool = False) -> Plan:
        """Return a new plan; `keyless` does without a key."""
        return make_plan(self.process, self._settings, keyless=keyless)

    def make_public_plan(self) -> Plan:
        """Return a plan for public data: without key, extra headers, limits and ledger."""
        plan = self.plan if self._settings.sandbox else self.make_plan(keyless=True)
        return plan._replace(
            key=None, extra=(), limiter=None, cache=None, on_sent=None, account=None
        )

    @property
    def left_s(self) -> float:
        """Return the seconds that `--max-time` leaves, infinity if it is not given."""
        plan = self.plan
        if plan.timeouts.total_at is None:
            return float("inf")
        return max(0.0, plan.timeouts.total_at - plan.clock.monotonic())

    def print_request(self, call: Call) -> None:
        """Print the request on stdout in the form of `--dry-run` or `--code`."""
        from apiyi_cli.cli.gateway.dry_run import print_request

        print_request(call, self.process, self._settings)

    def _keep_unfinished(self) -> None:
        """Save unfinished replies when a signal ends the run, except for a closed pipe."""
        if self.process.ended_by == SIGPIPE:
            return
        for received in list(self._unfinished):
            path = received.keep_partial()
            if path is not None:
                self._messages.print_line(Text("what came of the answer is in {path}", path=path))

    def _find_hint(self, failure: ApiyiError, call: Call) -> str | None:
        from apiyi_cli.cli.gateway.hints import find_hint
        from apiyi_cli.cli.gateway.key_log import ask_group

        find_group = partial(ask_group, self.plan, self._settings, self._messages.debug)
        return find_hint(
            failure, call, self._settings, known_models=self._known_models, find_group=find_group
        )

    def _known_models(self) -> list[str]:
        from apiyi_cli.cli.gateway.models import read_cached_models

        return read_cached_models(self._settings) or list_models(
            self.plan, self.process, self._settings
        )


def describe_assembly() -> Text:
    """Return the text for `-v` about a request that is streamed for a whole answer."""
    return Text("* asks for a stream and puts the object together from it (--no-stream: whole)")


def is_shown(burst: EventBatch, *, reasoning: bool) -> bool:
    """Return True if the user sees something of an event batch.

    An object is printed by `--ndjson`; one that opens the answer holds nothing of it.
    """
    return any(
        isinstance(event, _VISIBLE)
        or (isinstance(event, Chunk) and not event.opening)
        or (reasoning and isinstance(event, Reasoning))
        for event in burst
    )


def newest_attempt(bursts: Iterable[EventBatch]) -> Iterator[EventBatch]:
    """Yield the last attempt's event batches at its end; also before an error or signal."""
    kept: list[EventBatch] = []
    try:
        for burst in bursts:
            for at in range(len(burst) - 1, -1, -1):
                if type(burst[at]) is Restart:
                    kept.clear()
                    burst = burst[at + 1 :]
                    break
            kept.append(burst)
    except GeneratorExit:
        raise
    except BaseException:
        # A signal too: what came may be paid for.
        yield from kept
        raise
    yield from kept
