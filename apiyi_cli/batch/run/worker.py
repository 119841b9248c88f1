"""One worker's way to the gateway: a row goes in, an outcome comes out, never an exception.

The claim of every attempt is in the journal before its first byte is on the socket: the
wire's observer is told at exactly that moment, after the limits and before sending.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Any

from apiyi_cli.batch.rows.answers import RowAnswer
from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.judging import AnswerRules, judge_answer
from apiyi_cli.batch.run.pace import AimdLimit
from apiyi_cli.batch.state.journal import Journal
from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.batch.state.resume import NOT_SAVED
from apiyi_cli.batch.state.saving import MediaSaver
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.errors import ApiyiError, Facts, IncompleteError, LimitError, TemporaryError
from apiyi_cli.settings.defaults import LONGEST_DELAY_S
from apiyi_cli.text import Text
from apiyi_cli.wire.http.client import Observer
from apiyi_cli.wire.http.proxies import Proxy
from apiyi_cli.wire.http.request import HttpRequest
from apiyi_cli.wire.retry.attempts import AttemptCounts
from apiyi_cli.wire.retry.decision import is_throttled, is_unreadable
from apiyi_cli.wire.send import Plan, Sender

MOST_REFUSAL_BYTES = 1 << 16
THROTTLED_S = 1.0


class Halted(Exception):
    """The run is stopping, and a row that waits for something must wait no longer."""


class ConcurrencyGate:
    """How many rows are under way at once: all at first, fewer after a 429, then slowly more.

    A row is under way from its claim until its record is durable: so many may be paid for
    twice when the process dies, and no more.
    """

    def __init__(self, most: int, clock: Clock = CLOCK) -> None:
        self._aimd = AimdLimit(most, clock)
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = threading.Event()

    @property
    def allowed(self) -> int:
        """Return how many are let in at present."""
        return self._aimd.allowed

    @property
    def is_closed(self) -> bool:
        """Return True once the run stops."""
        return self._closed.is_set()

    def enter(self) -> None:
        """Wait for a concurrency slot. Raises Halted once the gate is closed."""
        with self._changed:
            while not self.is_closed and self._inside >= self._aimd.allowed:
                self._changed.wait()
            if self.is_closed:
                raise Halted
            self._inside += 1

    def sleep(self, wait_s: float) -> None:
        """Wait, with or without a slot. Raises Halted if the gate is closed meanwhile."""
        if self._closed.wait(wait_s):
            raise Halted

    def leave(self, outcome: RowOutcome) -> None:
        """Give the place of an outcome back."""
        if not outcome.holds_slot:
            return
        with self._changed:
            self._inside -= 1
            if outcome.error is None and not outcome.unsent:
                self._aimd.succeeded()
            # The place that is free, and those that a success has opened.
            self._changed.notify(max(1, self._aimd.allowed - self._inside))

    def pause(self) -> None:
        """Give a slot to others while its row waits to be tried again; `enter` takes one back."""
        with self._changed:
            self._inside -= 1
            self._changed.notify()

    def throttled(self, sent_at: float) -> None:
        """Let fewer in, because a request that was sent at that moment got a 429."""
        with self._changed:
            self._aimd.throttled(sent_at)

    def close(self) -> None:
        """Close the gate: waiting workers raise Halted."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()


class ClaimWriter(Observer):
    """Stands at the socket: writes the claim of each attempt, and sees every reply's status."""

    def __init__(
        self,
        journal: Journal | None,
        gate: ConcurrencyGate,
        clock: Clock,
        tally: AttemptCounts,
        then: Observer,
    ) -> None:
        self._journal = journal
        self._tally = tally
        self._gate = gate
        self._clock = clock
        self._then = then
        self._row: Row | None = None
        self._sent_at = 0.0
        self.attempts = 0
        self.url: str | None = None
        self.flying = False

    def begin(self, row: Row) -> None:
        """Have the following requests be attempts of a row."""
        self._row, self.attempts, self.url, self.flying = row, 0, None, False

    def on_connect(self, url: str, proxy: Proxy | None) -> None:
        """Pass on."""
        self._then.on_connect(url, proxy)

    def on_request(self, request: HttpRequest) -> None:
        """Write the claim. What it raises keeps the request from being sent."""
        if self._row is not None and not request.free:
            if self._journal is not None:
                uuid = next((v for n, v in request.headers if n == "Idempotency-Key"), "")
                self._journal.claim(self._row, self.attempts + 1, uuid, self._tally.possibly_billed)
            self.attempts += 1
            self.url = request.url
            self.flying = True
            self._sent_at = self._clock.monotonic()
        self._then.on_request(request)

    def on_reply(self, reply: Reply, after_s: float) -> None:
        """Tell the gate of a 429."""
        if reply.status == 429:
            self._gate.throttled(self._sent_at)
        self._then.on_reply(reply, after_s)


class Worker:
    """Sends the rows of one worker thread over connections of its own."""

    def __init__(
        self,
        plan: Plan,
        journal: Journal | None,
        gate: ConcurrencyGate,
        saver: MediaSaver,
        answers: AnswerRules = AnswerRules(),
    ) -> None:
        self._clock = plan.clock
        self._gate = gate
        self._saver = saver
        self._answers = answers
        self._tally = AttemptCounts()
        self.claims = ClaimWriter(
            journal, gate, plan.clock, self._tally, plan.observer or Observer()
        )
        self._sender = Sender(
            plan._replace(
                observer=self.claims,
                counts=self._tally,
                clock=plan.clock._replace(sleep=self._sleep),
                retry_sleep=self._sleep_between_attempts,
            )
        )
        self._outcome: RowOutcome | None = None
        self.is_waiting = False

    def send(self, row: Row) -> RowOutcome:
        """Return what became of a row; an unexpected exception is its `defect`."""
        self.claims.begin(row)
        outcome = self._outcome = RowOutcome(row)
        self._tally.possibly_billed = 0
        try:
            self._gate.enter()
        except Halted:
            outcome.unsent = True
            return outcome
        outcome.holds_slot = True
        began_s = self._clock.monotonic()
        try:
            self._ask(row, outcome)
        except Exception as error:
            outcome.defect = error
            self._keep(outcome, error)
        finally:
            self.claims.flying = False
            outcome.attempts = self.claims.attempts
            outcome.ambiguous = self._tally.possibly_billed
            outcome.endpoint = self.claims.url
            outcome.ms = round((self._clock.monotonic() - began_s) * 1000)
            if outcome.ambiguous or _was_answered(outcome):
                outcome.maybe_billed = True
        return outcome

    def _keep(self, outcome: RowOutcome, error: Exception) -> None:
        """Make a record of what had come when an exception that nobody expects arose.

        It is a failure that the next run does not meet again: what was paid for stands in it.
        """
        if not self.claims.attempts and outcome.body is None:
            outcome.unsent = True
            return
        if outcome.body is not None:
            outcome.refusal = outcome.body
        told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        outcome.error = ApiyiError(Text("internal error"), told, facts=Facts(code="bug"))
        outcome.maybe_billed = self.claims.attempts > 0

    @property
    def in_flight(self) -> bool:
        """Tell whether a request is on its way."""
        return self.claims.flying

    @property
    def attempt_counts(self) -> tuple[int, int]:
        """Return the attempts of the present row, and how many may be billed a second time."""
        return self.claims.attempts, self._tally.possibly_billed

    def close(self) -> None:
        """Drop the connections."""
        self._sender.close()

    def _ask(self, row: Row, outcome: RowOutcome) -> None:
        assert row.call is not None and row.endpoint is not None
        call, read = row.call, row.endpoint.read
        if row.unsaved is not None:
            outcome.body, outcome.status = row.unsaved, 200
            self._save(row, outcome)
            return

        def decode(reply: Reply) -> Iterator[Any]:
            outcome.status, outcome.request_id = reply.status, reply.request_id
            kept: list[bytes] = []
            try:
                yield from read(call, reply._replace(chunks=_kept(reply.chunks, kept)))
            finally:
                outcome.refusal = b"".join(kept)

        try:
            answer = self._fitting(call, decode, outcome)
        except Halted:
            outcome.unsent = True
        except LimitError as failure:
            # The run's time is up: that says nothing about the row.
            outcome.unsent, outcome.error = True, failure
            outcome.maybe_billed = failure.facts.phase not in (None, "connect")
        except ApiyiError as failure:
            outcome.error = failure
            outcome.status = failure.facts.status
        else:
            outcome.body, outcome.usage = answer.body, answer.usage
            outcome.status = outcome.status or 200
            if outcome.error is not None:
                # The whole of it: it is paid for.
                outcome.refusal = answer.body
                return
            if row.endpoint.name in ("image", "speak"):
                self._save(row, outcome)

    def _fitting(
        self, call: Call, decode: Callable[[Reply], Iterator[Any]], outcome: RowOutcome
    ) -> RowAnswer:
        """Ask until an answer fits, or as often as the rules allow; tell of it in `outcome`."""
        left = self._answers.retry_misfit
        while True:
            items = self._answered(call, decode)
            answer = next(item for item in reversed(items) if isinstance(item, RowAnswer))
            judged = judge_answer(call, answer, self._answers, self._left_s)
            outcome.text, outcome.remark, outcome.error = judged.text, judged.remark, judged.error
            if not judged.is_misfit or not left or self._gate.is_closed:
                return answer
            left -= 1
            if answer.usage is not None:
                outcome.earlier.append(answer.usage)

    @property
    def _left_s(self) -> float:
        """Return the seconds that `--max-time` leaves, without end where it is not given."""
        total_at = self._sender.plan.timeouts.total_at
        return inf if total_at is None else total_at - self._clock.monotonic()

    def _answered(self, call: Call, decode: Callable[[Reply], Iterator[Any]]) -> list[Any]:
        """Ask until there is an answer or a failure of the row's own.

        That the key is throttled is none: a row goes on asking, ever more rarely, for as long
        as the policy lets one record take.
        """
        policy = self._sender.plan.policy
        ends_at = self._clock.monotonic() + policy.max_retry_time_s
        wait_s = THROTTLED_S
        while True:
            try:
                return list(self._sender.answer(call, decode, shows=_nothing))
            except TemporaryError as failure:
                wait_s = min(2 * wait_s, LONGEST_DELAY_S)
                wait_s = max(wait_s, failure.facts.retry_after_s or 0.0)
                over = self._clock.monotonic() + wait_s > ends_at
                if policy.fixed or over or not is_throttled(failure):
                    raise
                self._sleep_between_attempts(wait_s)

    def _save(self, row: Row, outcome: RowOutcome) -> None:
        """Save the pictures of an answer that is here; what fails is the row's failure."""
        assert outcome.body is not None
        try:
            outcome.body = self._saver.save(row, outcome.body)
        except ApiyiError as failure:
            facts = Facts(status=200, code=NOT_SAVED, phase="content")
            outcome.error = IncompleteError(
                failure.what, failure.why, hint=failure.hint, facts=facts
            )
            outcome.refusal = outcome.body

    def _sleep_between_attempts(self, wait_s: float) -> None:
        """Wait to try a row again; other rows have its concurrency slot meanwhile.

        A wait for the limits keeps the slot, because its turn is booked and must not pass.
        """
        outcome = self._outcome
        assert outcome is not None and outcome.holds_slot
        outcome.holds_slot = False
        self._gate.pause()
        self.is_waiting = True
        try:
            self._sleep(wait_s)
            self._gate.enter()
        finally:
            self.is_waiting = False
        outcome.holds_slot = True

    def _sleep(self, wait_s: float) -> None:
        # Whoever waits, for the limits or after a failure, has nothing in flight.
        self.claims.flying = False
        self._gate.sleep(wait_s)


def _nothing(item: object) -> bool:
    return False


def _kept(chunks: Iterable[bytes], kept: list[bytes]) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        if size < MOST_REFUSAL_BYTES:
            kept.append(chunk)
        size += len(chunk)
        yield chunk


def _was_answered(outcome: RowOutcome) -> bool:
    """Tell whether a failed row may have an answer that was made: one that did not arrive, or
    that came in a form that cannot be read."""
    error = outcome.error
    if error is None:
        return False
    return is_unreadable(error.facts) or isinstance(error, IncompleteError)
