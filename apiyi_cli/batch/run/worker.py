"""Sends rows and packs of rows: each row becomes an outcome, never an exception.

The claim of every attempt is in the journal before its first byte is on the socket: the wire
calls its observer at exactly that moment, after the limits and before sending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

from apiyi_cli.batch.rows.answers import RowAnswer
from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.answer_judgement import AnswerRules, judge_answer
from apiyi_cli.batch.run.gate import ConcurrencyGate, Halted
from apiyi_cli.batch.run.pack_outcomes import PackDivision
from apiyi_cli.batch.state.journal import Journal
from apiyi_cli.batch.state.media_files import MediaSaver
from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.batch.state.resume import NOT_SAVED
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import (
    BOMB,
    ApiyiError,
    Facts,
    IncompleteError,
    LimitError,
    OutputError,
    TemporaryError,
)
from apiyi_cli.output.rescue import KEPT_MAX_BYTES
from apiyi_cli.settings.defaults import LONGEST_DELAY_S
from apiyi_cli.text import Text
from apiyi_cli.wire.http.client import Observer
from apiyi_cli.wire.http.proxies import Proxy
from apiyi_cli.wire.http.request import HttpRequest
from apiyi_cli.wire.retry.attempts import AttemptCounts
from apiyi_cli.wire.retry.decision import is_throttled, is_unreadable
from apiyi_cli.wire.send import Plan, Sender

MAX_REFUSAL_BYTES = 1 << 16
THROTTLED_S = 1.0


@dataclass
class ClaimWriter(Observer):
    """Writes the claim of each attempt just before its first byte is sent.

    `rows` are those of the present request, `counts` its attempts that may be billed twice.
    """

    _journal: Journal | None
    _gate: ConcurrencyGate
    _clock: Clock
    counts: AttemptCounts
    _following: Observer
    rows: tuple[Row, ...] = ()
    attempts: int = 0
    url: str | None = None
    in_flight: bool = False
    _sent_at: float = 0.0

    def begin(self, row: Row) -> None:
        """Count the following requests as attempts of a row, or a pack's rows."""
        self.rows, self.attempts, self.url, self.in_flight = row.rows, 0, None, False

    def on_connect(self, url: str, proxy: Proxy | None) -> None:
        """Forward to the next observer."""
        self._following.on_connect(url, proxy)

    def on_request(self, request: HttpRequest) -> None:
        """Write the claim; if that raises, the request is not sent."""
        if self.rows and not request.free:
            if self._journal is not None:
                uuid = next((v for n, v in request.headers if n == "Idempotency-Key"), "")
                billed = self.counts.possibly_billed
                self._journal.claim(self.rows, self.attempts + 1, uuid, billed)
            self.attempts += 1
            self.url = request.url
            self.in_flight = True
            self._sent_at = self._clock.monotonic()
            self._gate.note_sent()
        self._following.on_request(request)

    def on_reply(self, reply: Reply, after_s: float) -> None:
        """Report to the gate that a request was not refused."""
        if reply.status != 429:
            self._gate.note_answered(self._sent_at)
        self._following.on_reply(reply, after_s)

    def release(self, *, billed: bool) -> None:
        """Note that a request was refused whose rows go on in smaller ones."""
        if self._journal is not None:
            self._journal.abandon(self.rows, billed=billed)

    def note_throttled(self, error: ApiyiError) -> float:
        """Report to the gate that the key is throttled; return how long all should pause."""
        return self._gate.note_refused(self._sent_at, error.facts.retry_after_s or 0.0)


class Worker:
    """Sends the rows of one worker thread over its own connections."""

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
        self._counts = AttemptCounts()
        following = plan.observer or Observer()
        self.claims = ClaimWriter(journal, gate, plan.clock, self._counts, following)
        self._sender = Sender(
            plan._replace(
                observer=self.claims,
                on_throttled=self.claims.note_throttled,
                counts=self._counts,
                clock=plan.clock._replace(sleep=self._sleep),
                retry_sleep=self._sleep_between_attempts,
            )
        )
        self._outcome: RowOutcome | None = None
        self.is_waiting = False

    def send(self, row: Row) -> Iterator[RowOutcome]:
        """Yield the outcome of a row, or of each row in a pack.

        An unexpected exception is the `defect` of an outcome. A pack that is refused is divided
        until the rows are found that the gateway does not take. The last outcome has the slot.
        """
        parts, division = [row], PackDivision()
        holds_slot = False
        while parts:
            part = parts.pop()
            outcome = self._send_part(part, holds_slot)
            holds_slot = outcome.holds_slot
            if part.packed and division.applies_to(outcome):
                outcome.holds_slot = False
                try:
                    self.claims.release(billed=outcome.maybe_billed)
                except OutputError as failure:
                    outcome.error = failure
                else:
                    parts += reversed(division.divide(outcome))
                    continue
            outcome.holds_slot = holds_slot and not parts
            yield from division.list_outcomes(outcome)

    def _send_part(self, row: Row, holds_slot: bool) -> RowOutcome:
        self.claims.begin(row)
        outcome = self._outcome = RowOutcome(row, holds_slot=holds_slot)
        self._counts.possibly_billed = 0
        if not holds_slot:
            try:
                self._gate.enter()
            except Halted:
                outcome.unsent = True
                return outcome
            outcome.holds_slot = True
        elif self._gate.is_closed:
            outcome.unsent = True
            return outcome
        began_s = self._clock.monotonic()
        try:
            self._ask(row, outcome)
        except Exception as error:
            outcome.defect = error
            _note_defect(outcome, error, self.claims.attempts)
        finally:
            self.claims.in_flight = False
            outcome.attempts = self.claims.attempts
            outcome.ambiguous = self._counts.possibly_billed
            outcome.endpoint = self.claims.url
            outcome.ms = round((self._clock.monotonic() - began_s) * 1000)
            if outcome.ambiguous or _was_answered(outcome):
                outcome.maybe_billed = True
        return outcome

    def close(self) -> None:
        """Close the connections."""
        self._sender.close()

    def _ask(self, row: Row, outcome: RowOutcome) -> None:
        assert row.call is not None and row.endpoint is not None
        call, read = self._answers.prepare(row.call), row.endpoint.read
        if row.unsaved is not None:
            outcome.body, outcome.status = row.unsaved, 200
            self._save(row, outcome)
            return

        def decode(reply: Reply) -> Iterator[Any]:
            outcome.status, outcome.request_id = reply.status, reply.request_id
            kept: list[bytes] = []
            try:
                most = KEPT_MAX_BYTES if 200 <= reply.status < 300 else MAX_REFUSAL_BYTES
                yield from read(call, reply._replace(chunks=_copy_chunks(reply.chunks, kept, most)))
            finally:
                outcome.refusal = b"".join(kept)

        try:
            answer = self._ask_until_fit(call, decode, outcome)
        except Halted:
            outcome.unsent = True
        except LimitError as failure:
            # The time of the run is up, which says nothing about the row.
            outcome.unsent, outcome.error = True, failure
            outcome.maybe_billed = failure.facts.phase not in (None, "connect")
        except ApiyiError as failure:
            outcome.error, outcome.status = failure, failure.facts.status
            is_bomb = failure.facts.cause == BOMB
            outcome.refusal = None if is_bomb else outcome.refusal or failure.received or None
        else:
            outcome.body, outcome.usage = answer.body, answer.usage
            outcome.status = outcome.status or 200
            if outcome.error is not None:
                # Kept whole, because it is paid for.
                outcome.refusal = answer.body
                return
            if row.endpoint.name in ("image", "speak"):
                self._save(row, outcome)

    def _ask_until_fit(
        self, call: Call, decode: Callable[[Reply], Iterator[Any]], outcome: RowOutcome
    ) -> RowAnswer:
        """Ask until an answer fits, as often as the rules allow; judge it in `outcome`."""
        left = self._answers.retry_misfit
        while True:
            items = self._ask_patiently(call, decode)
            answer = next(item for item in reversed(items) if isinstance(item, RowAnswer))
            total_at = self._sender.plan.timeouts.total_at
            left_s = inf if total_at is None else total_at - self._clock.monotonic()
            judged = judge_answer(call, answer, self._answers, left_s)
            outcome.text, outcome.remark, outcome.error = judged.text, judged.remark, judged.error
            if not judged.is_misfit or not left or self._gate.is_closed:
                return answer
            left -= 1
            if answer.usage is not None:
                outcome.earlier.append(answer.usage)

    def _ask_patiently(self, call: Call, decode: Callable[[Reply], Iterator[Any]]) -> list[Any]:
        """Ask until there is an answer or a failure that is the row's own.

        That the key is throttled is none: a row goes on asking, ever more rarely, for as long
        as the policy lets one record take.
        """
        policy = self._sender.plan.policy
        ends_at = self._clock.monotonic() + policy.max_retry_time_s
        wait_s = THROTTLED_S
        while True:
            try:
                return list(self._sender.answer(call, decode, shows=lambda item: False))
            except TemporaryError as failure:
                wait_s = min(2 * wait_s, LONGEST_DELAY_S)
                wait_s = max(wait_s, failure.facts.retry_after_s or 0.0)
                over = self._clock.monotonic() + wait_s > ends_at
                if policy.fixed or over or not is_throttled(failure):
                    raise
                self._sleep_between_attempts(wait_s)

    def _save(self, row: Row, outcome: RowOutcome) -> None:
        """Save the files in an answer; if that fails, the row fails."""
        assert outcome.body is not None
        try:
            outcome.body = self._saver.save(row, outcome.body)
        except ApiyiError as failure:
            facts = Facts(status=200, code=NOT_SAVED, phase="content")
            what, why, hint = failure.what, failure.why, failure.hint
            outcome.error = IncompleteError(what, why, hint=hint, facts=facts)
            outcome.refusal = outcome.body

    def _sleep_between_attempts(self, wait_s: float) -> None:
        """Wait for a retry without the concurrency slot, which other rows use meanwhile.

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
        # Whether for the limits or for a retry: nothing is in flight meanwhile.
        self.claims.in_flight = False
        self._gate.sleep(wait_s)


def _note_defect(outcome: RowOutcome, error: Exception, attempts: int) -> None:
    """Turn an unexpected exception into a failure that keeps what had arrived.

    It is a failure that the next run does not meet again: it contains what was paid for.
    """
    if not attempts and outcome.body is None:
        outcome.unsent = True
        return
    if outcome.body is not None:
        outcome.refusal = outcome.body
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    outcome.error = ApiyiError(Text("internal error"), text, facts=Facts(code="bug"))
    outcome.maybe_billed = attempts > 0


def _copy_chunks(chunks: Iterable[bytes], kept: list[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        if size < most:
            kept.append(chunk)
        size += len(chunk)
        yield chunk


def _was_answered(outcome: RowOutcome) -> bool:
    error = outcome.error
    if error is None:
        return False
    return is_unreadable(error.facts) or isinstance(error, IncompleteError)
