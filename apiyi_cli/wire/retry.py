"""Whether a failed attempt is made again, when, and what it may cost.

`decide` is the rule and touches nothing; `persist` applies it to a function that makes one
attempt. Two questions stand behind every rule: can the request have been billed, and has
the user seen a part of the answer? An *ambiguous* retry is one after an attempt that may
have been billed: it is limited, counted and said.

Sending, choosing the host and keeping to the rate are left to the attempt itself.
"""

from __future__ import annotations

import enum
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, NoReturn, TypeVar

from apiyi_cli.core.call import Cost
from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import ApiyiError, Facts, FundsError, IncompleteError, TemporaryError

T = TypeVar("T")

LONGEST_DELAY_S: Final = 30.0
FIRST_DELAY_S: Final = 0.5
# An answer that is not there within a second of sending, on a connection that had been
# idle, means that the server had hung up before the request arrived.
DEAD_SOCKET_S: Final = 1.0
# The gateway's own limiter answers 429 with an empty body and no time to wait.
BARE_429_S: Final = 2.0

_UNBILLED = frozenset((425, 429, 500, 502, 503, 520, 521, 522, 523, 525, 526, 527, 529))
# The gateway tries other channels after 429 and 5xx by itself, but not after these: the
# model may still be at work.
_LATE = frozenset((408, 504, 524))


@dataclass(frozen=True, slots=True)
class Policy:
    """How far to go for one request.

    `attempts` counts the first one. `ambiguous` is how many retries may follow attempts
    that may have been billed: None leaves that to the request's cost (light: no limit of
    its own; text: 1; heavy: 1, after a dead idle connection only), a number the user gave
    holds for every cost, and 0 never pays twice. `max_retry_time_s` bounds all attempts and
    waits together and is looked at before each wait. A `Retry-After` above
    `retry_after_cap_s` is not waited for. In a `batch` it holds up all requests instead.
    """

    attempts: int = 3
    ambiguous: int | None = None
    max_retry_time_s: float = 90.0
    retry_after_cap_s: float = 120.0
    batch: bool = False


INTERACTIVE: Final = Policy()
BATCH: Final = Policy(attempts=6, max_retry_time_s=600.0, retry_after_cap_s=600.0, batch=True)

Stop = Literal["", "shown", "final", "ambiguous", "attempts", "cap", "budget"]
"""Why there is no further attempt: not stopped; part of the answer was shown; no attempt can
help; it might be billed twice; the attempts, the longest wait or the time are used up."""


class Verdict(NamedTuple):
    """What follows from a failure.

    `again` after `wait_s` seconds; `ambiguous` when the failed attempt may have been billed.
    `pause_s` is how long every request with the key should wait, 0 when this one alone is
    concerned. `stop` is "" when there is another attempt.
    """

    again: bool
    ambiguous: bool = False
    wait_s: float = 0.0
    pause_s: float = 0.0
    stop: Stop = ""


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


class _Chance(enum.Enum):
    """One cell of the retry table."""

    NO = enum.auto()
    AGAIN = enum.auto()
    AMBIGUOUS = enum.auto()
    BARRED = enum.auto()
    """Ambiguous and dear: only a user who gave a number of ambiguous retries gets one."""


_MAYBE_BILLED: Final[dict[Cost, _Chance]] = {
    "free": _Chance.AGAIN,
    "light": _Chance.AMBIGUOUS,
    "text": _Chance.AMBIGUOUS,
    "heavy": _Chance.BARRED,
}


def decide(
    error: ApiyiError,
    cost: Cost,
    policy: Policy,
    *,
    shown: bool,
    attempt: int,
    ambiguous_so_far: int = 0,
    bare_429s: int = 0,
    delay_s: float = 0.0,
    elapsed_s: float = 0.0,
) -> Verdict:
    """Judge the failure of the `attempt`-th attempt (from 1) by what is known about it.

    `shown` tells that a part of the answer has reached the user; `bare_429s` how many 429
    without a time to wait came in a row before this failure; `delay_s` is the wait that the
    schedule has next, `elapsed_s` the time since the first attempt began. A wait that the
    gateway asked for is never shortened. Nothing is retried that it refused for good.
    """
    if shown:
        return Verdict(False, stop="shown")
    chance = _chance(error, cost)
    ambiguous = chance in (_Chance.AMBIGUOUS, _Chance.BARRED)
    asked_s = _asked_s(error.facts, bare_429s)
    wait_s = max(delay_s, asked_s)
    over_cap = asked_s > policy.retry_after_cap_s
    pause_s = 0.0
    if is_throttled(error) and (policy.batch or not over_cap):
        pause_s = min(wait_s, policy.retry_after_cap_s)
    stop: Stop = ""
    if chance is _Chance.NO:
        stop = "final"
    elif ambiguous and ambiguous_so_far >= _most_ambiguous(chance, cost, policy):
        stop = "ambiguous"
    elif attempt >= policy.attempts:
        stop = "attempts"
    elif over_cap:
        stop = "cap"
    elif elapsed_s + wait_s > policy.max_retry_time_s:
        stop = "budget"
    return Verdict(not stop, ambiguous, wait_s, pause_s, stop)


def is_throttled(error: ApiyiError) -> bool:
    """Tell whether the gateway wants fewer requests for this key, as opposed to more money."""
    return isinstance(error, TemporaryError) and (
        error.facts.status == 429 or error.facts.code == "rate_limit_exceeded"
    )


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

    Raises the last attempt's error. Where that says "nothing was billed" though an earlier
    attempt may have been, or though a part was shown, it becomes an IncompleteError; where
    a limit ended the attempts the error says which.
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
                        yield from held
                        held.clear()
                        yield from items
            finally:
                # A reader who goes away must end the request now, not at the next collection.
                if close := getattr(items, "close", None):
                    close()
        except ApiyiError as error:
            clock.sleep(run.failed(error, shown))
            continue
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
            delay_s=next(self.waits, 0.0),
            elapsed_s=self.clock.monotonic() - self.began_s,
        )
        if verdict.pause_s and self.limiter_pause is not None:
            self.limiter_pause(verdict.pause_s)
        if not verdict.again:
            self._end(error, verdict.stop, verdict.wait_s)
        if self.quota is not None and not self.quota.take(verdict.ambiguous):
            self._end(error, "quota", verdict.wait_s)
        self.bare_429s = self.bare_429s + 1 if _is_bare_429(error.facts) else 0
        self.tally.retries += 1
        self._announce(error, verdict)
        return verdict.wait_s

    def _announce(self, error: ApiyiError, verdict: Verdict) -> None:
        line = (
            f"retry {self.attempt} of {self.policy.attempts - 1} in {verdict.wait_s:.1f} s: "
            f"{_reason(error)}"
        )
        if verdict.ambiguous:
            self.ambiguous += 1
            self.tally.ambiguous += 1
            line += f"; possibly billed twice: {self.ambiguous}"
        self.tell(line)
        if self.on_retry is not None:
            self.on_retry(Retry(self.attempt, verdict.wait_s, verdict.ambiguous, error))

    def _end(self, error: ApiyiError, stop: str, wait_s: float) -> NoReturn:
        told = []
        hint = error.hint
        if stop == "cap":
            told.append(
                f"asked to wait {wait_s:.0f} s, the most is {self.policy.retry_after_cap_s:.0f} s"
            )
            hint = f"run it again in {wait_s:.0f} s"
        elif stop == "budget":
            told.append(f"no time for another attempt in {self.policy.max_retry_time_s:g} s")
        elif stop == "quota":
            told.append("too many retries in this process")
        kind = type(error)
        if isinstance(error, TemporaryError) and (stop == "shown" or self.ambiguous):
            kind = IncompleteError
            if self.ambiguous:
                told.append(f"attempts that may have been billed: {self.ambiguous}")
            hint = hint or "running it again may be billed again"
        if not told and kind is type(error):
            raise error
        why = "; ".join(part for part in (error.why, *told) if part)
        raise kind(error.what, why, hint=hint, facts=error.facts) from error


def _chance(error: ApiyiError, cost: Cost) -> _Chance:
    facts = error.facts
    phase = facts.phase or ("status" if facts.status is not None else None)
    if phase is None or isinstance(error, FundsError):
        return _Chance.NO
    if phase == "status" and not _is_success(facts.status):
        return _chance_by_status(error, cost)
    if not isinstance(error, TemporaryError | IncompleteError):
        return _Chance.NO
    if phase == "connect":
        # Neither a certificate nor a proxy gets better by asking again.
        return _Chance.NO if facts.kind in ("certificate", "proxy") else _Chance.AGAIN
    if phase == "sent" and _is_dead_socket(facts):
        return _Chance.AMBIGUOUS if cost in ("text", "heavy") else _Chance.AGAIN
    if phase in ("status", "opened") and isinstance(error, TemporaryError) and not facts.kind:
        # An error object inside a 200, before anything of the answer.
        return _Chance.AGAIN
    return _MAYBE_BILLED[cost]


def _chance_by_status(error: ApiyiError, cost: Cost) -> _Chance:
    facts = error.facts
    if facts.should_retry is False:
        return _Chance.NO
    if isinstance(error, TemporaryError | IncompleteError):
        if facts.status in _LATE:
            return _MAYBE_BILLED[cost]
        if facts.status in _UNBILLED or (facts.status == 409 and cost == "free"):
            return _Chance.AGAIN
    wished = facts.should_retry is True and cost != "heavy"
    return _Chance.AGAIN if wished else _Chance.NO


def _is_success(status: int | None) -> bool:
    return status is not None and 200 <= status < 300


def _is_dead_socket(facts: Facts) -> bool:
    return (
        facts.reused
        and facts.kind in ("reset", "cut")
        and facts.after_s is not None
        and facts.after_s < DEAD_SOCKET_S
    )


def _most_ambiguous(chance: _Chance, cost: Cost, policy: Policy) -> float:
    if policy.ambiguous is not None:
        return policy.ambiguous
    if chance is _Chance.BARRED:
        return 0
    return 1 if cost in ("text", "heavy") else float("inf")


def _asked_s(facts: Facts, bare_429s: int) -> float:
    if facts.retry_after_s is not None:
        return facts.retry_after_s
    if _is_bare_429(facts):
        return min(LONGEST_DELAY_S, BARE_429_S * 2.0 ** min(bare_429s, 16))
    return 0.0


def _is_bare_429(facts: Facts) -> bool:
    return facts.status == 429 and facts.code is None and facts.retry_after_s is None


def _reason(error: ApiyiError) -> str:
    facts = error.facts
    if facts.status is None:
        return error.why or error.what
    return f"HTTP {facts.status}" + (f", code {facts.code}" if facts.code else "")
