"""Makes attempts until one succeeds, is seen by the user, or must not be made again.

`persist` applies the table of `verdict` to a function that makes one attempt. An *ambiguous*
retry is one after an attempt that may have been billed: it is limited, counted and said.

Sending, choosing the host and keeping to the rate are left to the attempt itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, TypeVar

from apiyi_cli.core.call import Cost
from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import ApiyiError, IncompleteError, TemporaryError, describe_billing
from apiyi_cli.text import Text, join_texts
from apiyi_cli.wire.retry.decision import (
    BATCH,
    INTERACTIVE,
    LONGEST_DELAY_S,
    SATURATED_S,
    Policy,
    Verdict,
    decide,
    is_bare_429,
    is_saturated,
    is_unreadable,
    retry_time_s,
)

if TYPE_CHECKING:
    import random

__all__ = (
    "BATCH",
    "INTERACTIVE",
    "Policy",
    "Quota",
    "Retry",
    "Tally",
    "Verdict",
    "decide",
    "delays",
    "persist",
)

T = TypeVar("T")

FIRST_DELAY_S: Final = 0.5


class Retry(NamedTuple):
    """A retry that is about to be waited for: `attempt` counts from 1 and has failed."""

    attempt: int
    wait_s: float
    ambiguous: bool
    error: ApiyiError


@dataclass(slots=True)
class Tally:
    """What one request took. `ambiguous` of the `retries` may have been paid for twice."""

    requests: int = 0
    retries: int = 0
    ambiguous: int = 0


def delays(policy: Policy, rng: random.Random) -> Iterator[float]:
    """Yield the seconds before each further attempt: 0.5, 1, 2 … 30, each drawn from its
    upper half so that clients that failed together do not come back together."""
    for n in range(policy.attempts - 1):
        most_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(n, 16))
        yield rng.uniform(most_s / 2, most_s)


class Quota:
    """A purse for retries that all requests of a process share.

    A retry costs 5, an ambiguous one 10, a success gives 1 back. When it is empty failures
    are final, so that an outage does not double the load on a gateway that is already
    trying its channels in turn.
    """

    def __init__(self, size: int = 500) -> None:
        self.size = size
        self.left = size
        self._lock = threading.Lock()

    def take(self, ambiguous: bool) -> bool:
        """Pay for one retry; return False, and take nothing, when there is too little left."""
        price = 10 if ambiguous else 5
        with self._lock:
            if self.left < price:
                return False
            self.left -= price
            return True

    def refund(self) -> None:
        """Give back a little for a success."""
        with self._lock:
            self.left = min(self.size, self.left + 1)


def persist(
    attempt: Callable[[int], Iterator[T]],
    *,
    cost: Cost,
    policy: Policy,
    shows: Callable[[T], bool],
    clock: Clock,
    rng: random.Random,
    tell: Callable[[str], None],
    on_retry: Callable[[Retry], None] | None = None,
    limiter_pause: Callable[[float], None] | None = None,
    tally: Tally | None = None,
    quota: Quota | None = None,
) -> Iterator[T]:
    """Yield the items of the first attempt that succeeds or whose items are shown.

    `attempt(n)` makes the n-th request (from 1) and yields what it decodes. Items before the
    first one that `shows` something to the user are held back: a failure until then can be
    retried without a trace, one after it never is. When `shows` is always false everything
    is held back until the attempt has ended.

    Each retry is told in one line, handed to `on_retry` before the wait, and counted in
    `tally` (one for each request). `limiter_pause(seconds)` is called when the key is
    throttled, whether or not this request goes on.

    Raises the last attempt's error, after what that attempt had yielded. Where that is a
    TemporaryError, "nothing was billed", though this or an earlier attempt may have been, or
    a part was shown, it becomes an IncompleteError; where a limit ended the attempts the
    error says which.
    """
    run = _Run(cost, policy, clock, rng, tell, on_retry, limiter_pause, tally or Tally(), quota)
    while True:
        run.tally.requests += 1
        run.attempt += 1
        held: list[T] = []
        shown = False
        try:
            items = iter(attempt(run.attempt))
            try:
                for item in items:
                    held.append(item)
                    if shows(item):
                        shown = True
                        ready, held = held, []
                        yield from ready
                        yield from items
            finally:
                # A reader who goes away must end the request now, not at the next collection.
                if close := getattr(items, "close", None):
                    close()
        except ApiyiError as error:
            try:
                wait_s = run.failed(error, shown)
            except ApiyiError:
                # What came is as much of the answer as there will be; it may be paid for.
                yield from held
                raise
            clock.sleep(wait_s)
            continue
        except GeneratorExit:
            raise
        except BaseException:
            # A signal or a defect: what came may be paid for, and is not for us to drop.
            yield from held
            raise
        if quota is not None:
            quota.refund()
        yield from held
        return


@dataclass(slots=True)
class _Run:
    """One request's way through its attempts."""

    cost: Cost
    policy: Policy
    clock: Clock
    rng: random.Random
    tell: Callable[[str], None]
    on_retry: Callable[[Retry], None] | None
    limiter_pause: Callable[[float], None] | None
    tally: Tally
    quota: Quota | None
    attempt: int = 0
    ambiguous: int = 0
    bare_429s: int = 0
    saturated: int = 0
    began_s: float = field(init=False)
    waits: Iterator[float] = field(init=False)

    def __post_init__(self) -> None:
        self.began_s = self.clock.monotonic()
        self.waits = delays(self.policy, self.rng)

    def failed(self, error: ApiyiError, shown: bool) -> float:
        """Return the seconds to wait before the next attempt, or raise the final error."""
        verdict = decide(
            error,
            self.cost,
            self.policy,
            shown=shown,
            attempt=self.attempt,
            ambiguous_so_far=self.ambiguous,
            bare_429s=self.bare_429s,
            saturated=self.saturated,
            delay_s=self._delay_s(error),
            elapsed_s=self.clock.monotonic() - self.began_s,
        )
        if verdict.pause_s and self.limiter_pause is not None:
            self.limiter_pause(verdict.pause_s)
        if not verdict.again:
            self._end(error, verdict, verdict.stop)
        # Full channels pass, and their schedule is sparing as it is.
        quota = None if is_saturated(error) else self.quota
        if quota is not None and not quota.take(verdict.ambiguous):
            self._end(error, verdict, "quota")
        self.bare_429s = self.bare_429s + 1 if is_bare_429(error.facts) else 0
        self.tally.retries += 1
        self._announce(error, verdict)
        self.saturated += is_saturated(error)
        return verdict.wait_s

    def _delay_s(self, error: ApiyiError) -> float:
        """Return the next wait of the usual schedule; full channels have one of their own."""
        return 0.0 if is_saturated(error) else next(self.waits, 0.0)

    def _announce(self, error: ApiyiError, verdict: Verdict) -> None:
        line = self._describe_retry(error, verdict)
        if verdict.ambiguous:
            self.ambiguous += 1
            self.tally.ambiguous += 1
            line += Text("; possibly billed twice: {ambiguous}", ambiguous=self.ambiguous)
        self.tell(line)
        if self.on_retry is not None:
            self.on_retry(Retry(self.attempt, verdict.wait_s, verdict.ambiguous, error))

    def _describe_retry(self, error: ApiyiError, verdict: Verdict) -> Text:
        most, wait_s = self._most_retries(error), f"{verdict.wait_s:.1f}"
        if most is None:
            return Text(
                "retry {attempt} in {wait_s} s: {error}",
                attempt=self.attempt,
                wait_s=wait_s,
                error=_reason(error),
            )
        return Text(
            "retry {attempt} of {attempts} in {wait_s} s: {error}",
            attempt=self.attempt,
            attempts=most,
            wait_s=wait_s,
            error=_reason(error),
        )

    def _most_retries(self, error: ApiyiError) -> int | None:
        """Return how many retries there can be in all, None for as many as the time allows."""
        if self.policy.fixed or not (self.saturated or is_saturated(error)):
            return self.policy.attempts - 1
        if not is_saturated(error):
            return self.policy.attempts - 1 + self.saturated
        return None if self.policy.batch else self.attempt - self.saturated + len(SATURATED_S) - 1

    def _end(self, error: ApiyiError, verdict: Verdict, stop: str) -> NoReturn:
        told = []
        hint = error.hint
        if stop == "cap":
            most_s = self.policy.retry_after_cap_s
            told.append(
                Text(
                    "asked to wait {wait_s} s, the most is {most_s} s",
                    wait_s=f"{verdict.wait_s:.0f}",
                    most_s=f"{most_s:.0f}",
                )
            )
            hint = Text("run it again in {wait_s} s", wait_s=f"{verdict.wait_s:.0f}")
        elif stop == "budget":
            most_s = retry_time_s(self.policy, error)
            told.append(
                Text(
                    "no time for another attempt in {max_retry_time_s} s",
                    max_retry_time_s=f"{most_s:g}",
                )
            )
        elif stop == "quota":
            told.append(Text("too many retries in this process"))
        kind = type(error)
        # A status tells by itself whether this attempt was billed; a silence does not.
        unsure = verdict.ambiguous and error.facts.phase != "status"
        lost = isinstance(error, TemporaryError) and (stop == "shown" or self.ambiguous or unsure)
        opened = (
            error.facts.billed == "maybe" and self.cost != "free" and kind is not IncompleteError
        )
        if lost or opened:
            kind = IncompleteError
            if self.ambiguous:
                told.append(
                    Text(
                        "attempts that may have been billed: {ambiguous}", ambiguous=self.ambiguous
                    )
                )
            hint = hint or describe_billing("maybe", Text("running it again may be billed again"))
        if self.cost != "free" and is_unreadable(error.facts):
            hint = describe_billing(
                "maybe", Text("look at the log in the console before repeating it")
            )
        elif opened:
            hint = describe_billing("maybe", *filter(None, (error.hint,)))
        if not told and kind is type(error) and hint == error.hint:
            raise error
        why = join_texts((part for part in (error.why, *told) if part), "; ")
        raise kind(error.what, why, hint=hint, facts=error.facts) from error


def _reason(error: ApiyiError) -> str:
    facts = error.facts
    if facts.status is None:
        return error.why or error.what
    if 200 <= facts.status < 300:
        # The status says that all went well: it is no reason.
        return error.summary()
    return (
        Text("HTTP {status}, code {code}", status=facts.status, code=facts.code)
        if facts.code
        else Text("HTTP {status}", status=facts.status)
    )
