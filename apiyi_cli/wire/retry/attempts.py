"""Makes attempts until one succeeds, was shown, or must not be repeated.

`run_attempts` applies the table of `decision` to a function that makes one attempt. A retry
after an attempt that may have been billed is limited, counted and reported. Sending, choosing
the URL and keeping to the rate are left to the attempt itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from apiyi_cli.core.call import Cost
from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import ApiyiError, IncompleteError, TemporaryError, describe_billing
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.settings.defaults import FIRST_DELAY_S, LONGEST_DELAY_S, SATURATED_S, RetryPolicy
from apiyi_cli.text import Text, join_texts
from apiyi_cli.wire.retry.decision import (
    RetryDecision,
    decide,
    is_bare_429,
    is_saturated,
    is_unreadable,
    retry_time_s,
)

if TYPE_CHECKING:
    import random

T = TypeVar("T")


class FailedAttempt(PlainValue):
    """A failed attempt: its number from 1, its error, and the retry decision.

    `message` reports the retry, "" if there is none.
    """

    number: int
    error: ApiyiError
    decision: RetryDecision
    message: str


class AttemptCounts:
    """The attempts of one request. `possibly_billed` of the `retries` may be billed twice."""

    def __init__(self, requests: int = 0, retries: int = 0, possibly_billed: int = 0) -> None:
        self.requests, self.retries, self.possibly_billed = requests, retries, possibly_billed


class RetryBudget:
    """A retry budget shared by all requests of this process.

    A retry costs 5, one that may be billed twice 10, a success gives 1 back. When the budget is
    empty failures are final, so that an outage does not double the load on a gateway that is
    already trying its channels in turn.
    """

    def __init__(self, size: int = 500) -> None:
        self.size = size
        self.left = size
        self._lock = threading.Lock()

    def take(self, possibly_billed: bool) -> bool:
        """Pay for one retry; return False, without paying, if too little is left."""
        price = 10 if possibly_billed else 5
        with self._lock:
            if self.left < price:
                return False
            self.left -= price
            return True

    def refund(self) -> None:
        """Give back a little for a success."""
        with self._lock:
            self.left = min(self.size, self.left + 1)


def run_attempts(
    attempt: Callable[[], Iterator[T]],
    *,
    cost: Cost,
    policy: RetryPolicy,
    shows: Callable[[T], bool],
    clock: Clock,
    on_failure: Callable[[FailedAttempt], None],
    rng: random.Random | None = None,
    counts: AttemptCounts | None = None,
    budget: RetryBudget | None = None,
) -> Iterator[T]:
    """Yield the items of the first attempt that succeeds or whose items are shown.

    `attempt()` makes one request and yields what it decodes. Items before the first one that
    `shows` something to the user are held back: a failure until then can be retried without a
    trace, a later one is never retried. If `shows` is always False, everything is held back
    until the attempt has ended. `on_failure` gets each failed attempt before the wait;
    `counts` belong to one request.

    Raises the last attempt's error, after what that attempt had yielded. A TemporaryError
    ("nothing was billed") becomes an IncompleteError if this or an earlier attempt may have been
    billed, or a part was shown; if a limit ended the attempts the error says which.
    """
    state = _Attempts(cost, policy, clock, counts or AttemptCounts(), budget, rng)
    while True:
        held: list[T] = []
        try:
            yield from state.begin(attempt, shows, held)
        except ApiyiError as error:
            failed = state.fail(error)
            on_failure(failed)
            if failed.decision.retry:
                clock.sleep(failed.decision.wait_s)
                continue
            # The held items are all of the answer that will come; they may be paid for.
            yield from held
            final = state.final_error(error, failed.decision)
            if final is error:
                raise
            raise final from error
        except GeneratorExit:
            raise
        except BaseException:
            # A signal or a defect: what came may be paid for and must not be dropped.
            yield from held
            raise
        if budget is not None:
            budget.refund()
        yield from held
        return


def delays(policy: RetryPolicy, rng: random.Random | None = None) -> Iterator[float]:
    """Yield the seconds before each further attempt: 0.5, 1, 2 … 30.

    Each is drawn from its upper half, so that clients that failed together do not come back
    together.
    """
    if rng is None:
        import random

        rng = random.SystemRandom()
    for n in range(policy.attempts - 1):
        most_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(n, 16))
        yield rng.uniform(most_s / 2, most_s)


class _Attempts:
    """The attempts of one request so far."""

    # A dataclass would take 0.5 ms of each start.
    def __init__(
        self,
        cost: Cost,
        policy: RetryPolicy,
        clock: Clock,
        counts: AttemptCounts,
        budget: RetryBudget | None,
        rng: random.Random | None,
    ) -> None:
        self.cost: Cost = cost
        self.policy = policy
        self.clock = clock
        self.counts = counts
        self.budget = budget
        self.number = 0
        self.shown = False
        self.possibly_billed = 0
        self.bare_429s = 0
        self.saturated = 0
        self.began_s = clock.monotonic()
        self.delays = delays(policy, rng)

    def begin(
        self, attempt: Callable[[], Iterator[T]], shows: Callable[[T], bool], held: list[T]
    ) -> Iterator[T]:
        """Make the next attempt; yield its items from the first shown one, with those `held`."""
        self.counts.requests += 1
        self.number += 1
        items = attempt()
        try:
            for item in items:
                held.append(item)
                if shows(item):
                    self.shown = True
                    ready = held[:]
                    held.clear()
                    yield from ready
                    yield from items
        finally:
            # If the reader stops, the request must end now, not at the next collection.
            if close := getattr(items, "close", None):
                close()

    def fail(self, error: ApiyiError) -> FailedAttempt:
        """Count a failed attempt and return the decision about it."""
        full = is_saturated(error)
        decision = decide(
            error,
            self.cost,
            self.policy,
            shown=self.shown,
            attempt=self.number,
            possibly_billed_so_far=self.possibly_billed,
            bare_429s=self.bare_429s,
            saturated=self.saturated,
            # Full channels have their own schedule.
            delay_s=0.0 if full else next(self.delays, 0.0),
            elapsed_s=self.clock.monotonic() - self.began_s,
        )
        # The retries after full channels are few anyway and cost no budget.
        budget = None if full else self.budget
        if decision.retry and budget is not None and not budget.take(decision.possibly_billed):
            decision = decision._replace(retry=False, stop="budget")
        if not decision.retry:
            return FailedAttempt(self.number, error, decision, "")
        self.bare_429s = self.bare_429s + 1 if is_bare_429(error.facts) else 0
        self.counts.retries += 1
        message = self._describe_retry(error, decision)
        self.saturated += full
        return FailedAttempt(self.number, error, decision, message)

    def _describe_retry(self, error: ApiyiError, decision: RetryDecision) -> Text:
        values: dict[str, Any] = {"attempt": self.number, "wait_s": f"{decision.wait_s:.1f}"}
        values |= {"attempts": self._most_retries(error), "error": _describe_reason(error)}
        line = Text("retry {attempt} of {attempts} in {wait_s} s: {error}", **values)
        if values["attempts"] is None:
            line = Text("retry {attempt} in {wait_s} s: {error}", **values)
        if decision.possibly_billed:
            self.possibly_billed += 1
            self.counts.possibly_billed += 1
            line += Text("; possibly billed twice: {count}", count=self.possibly_billed)
        return line

    def _most_retries(self, error: ApiyiError) -> int | None:
        """Return how many retries are possible, None if only the time limits them."""
        if self.policy.fixed or not (self.saturated or is_saturated(error)):
            return self.policy.attempts - 1
        if not is_saturated(error):
            return self.policy.attempts - 1 + self.saturated
        return None if self.policy.batch else self.number - self.saturated + len(SATURATED_S) - 1

    def final_error(self, error: ApiyiError, decision: RetryDecision) -> ApiyiError:
        """Return the error to raise: `error` itself, or one with the facts of all attempts."""
        facts, kind = error.facts, type(error)
        reasons, hint = self._describe_stop(error, decision)
        # A status shows whether this attempt was billed; a silence does not.
        unsure = decision.possibly_billed and facts.phase != "status"
        was_shown = decision.stop == "shown"
        lost = isinstance(error, TemporaryError) and (was_shown or self.possibly_billed or unsure)
        is_paid = self.cost != "free"
        opened = facts.billed == "maybe" and is_paid and kind is not IncompleteError
        if lost or opened:
            kind = IncompleteError
            if self.possibly_billed:
                reasons.append(
                    Text("attempts that may have been billed: {count}", count=self.possibly_billed)
                )
            hint = hint or describe_billing("maybe", Text("running it again may be billed again"))
        if is_paid and is_unreadable(facts):
            hint = describe_billing(
                "maybe", Text("look at the log in the console before repeating it")
            )
        elif opened:
            hint = describe_billing("maybe", *filter(None, (error.hint,)))
        if not reasons and kind is type(error) and hint == error.hint:
            return error
        why = join_texts((part for part in (error.why, *reasons) if part), "; ")
        return kind(error.what, why, hint=hint, facts=facts, received=error.received)

    def _describe_stop(
        self, error: ApiyiError, decision: RetryDecision
    ) -> tuple[list[str], str | None]:
        if decision.stop == "cap":
            most_s, wait_s = f"{self.policy.retry_after_cap_s:.0f}", f"{decision.wait_s:.0f}"
            waits = {"wait_s": wait_s, "most_s": most_s}
            why = Text("asked to wait {wait_s} s, the most is {most_s} s", **waits)
            return [why], Text("run it again in {wait_s} s", wait_s=wait_s)
        if decision.stop == "time":
            values = {"max_retry_time_s": f"{retry_time_s(self.policy, error, self.cost):g}"}
            why = Text("no time for another attempt in {max_retry_time_s} s", **values)
            return [why], error.hint
        if decision.stop == "budget":
            return [Text("too many retries in this process")], error.hint
        return [], error.hint


def _describe_reason(error: ApiyiError) -> str:
    facts = error.facts
    if facts.status is None:
        return error.why or error.what
    if 200 <= facts.status < 300:
        # The status says that all went well: it explains nothing.
        return error.summary()
    if not facts.code:
        return Text("HTTP {status}", status=facts.status)
    return Text("HTTP {status}, code {code}", status=facts.status, code=facts.code)
