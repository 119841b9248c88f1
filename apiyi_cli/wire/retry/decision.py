"""The retry table: whether one more attempt may follow a failure, and what it may cost.

Pure. Two questions stand behind every rule: can the request have been billed, and has the
user seen a part of the answer? Rows are how far the request got and how it failed
(`ApiyiError.facts`), columns what a request costs. Applying the verdict is left to `retry`.
"""

from __future__ import annotations

import enum
from typing import Final, Literal, NamedTuple

from apiyi_cli.core.call import Cost
from apiyi_cli.errors import ApiyiError, Facts, FundsError, IncompleteError, TemporaryError

LONGEST_DELAY_S: Final = 30.0
# An answer that is not there within a second of sending, on a connection that had been
# idle, means that the server had hung up before the request arrived.
DEAD_SOCKET_S: Final = 1.0
# The gateway's own limiter answers 429 with an empty body and no time to wait.
BARE_429_S: Final = 2.0
# What the gateway's pages ask for where the model's upstream channels are full.
SATURATED_S: Final = (5.0, 15.0, 45.0)
# Time for all of them, and for refusals that come slowly.
SATURATED_TIME_S: Final = 180.0

_UNBILLED = frozenset((425, 429, 500, 502, 503, 520, 521, 522, 523, 525, 526, 527, 529))
# The gateway tries other channels after 429 and 5xx by itself, but not after these: the
# model may still be at work.
_LATE = frozenset((408, 504, 524))
# In an error object of a 200 the status does not tell.
_THROTTLED = frozenset(("rate_limit_exceeded", "rate_limit_error"))


class Policy(NamedTuple):
    """How far to go for one request.

    `attempts` counts the first one. `ambiguous` is how many retries may follow attempts
    that may have been billed: None leaves that to the request's cost (light: no limit of
    its own; text: 1; heavy: 1, after a dead idle connection only), a number the user gave
    holds for every cost, and 0 never pays twice. `max_retry_time_s` bounds all attempts and
    waits together and is looked at before each wait. A `Retry-After` above
    `retry_after_cap_s` is not waited for. In a `batch` it holds up all requests instead, and a
    row that is throttled has as many attempts as the time allows. Where the model's channels
    are full there are the retries of `SATURATED_S`, in a batch as many as the time allows.
    Both hold unless the user gave a number of attempts (`fixed`) or a time (`time_fixed`).
    """

    attempts: int = 3
    ambiguous: int | None = None
    max_retry_time_s: float = 90.0
    retry_after_cap_s: float = 120.0
    batch: bool = False
    fixed: bool = False
    time_fixed: bool = False


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
    saturated: int = 0,
    delay_s: float = 0.0,
    elapsed_s: float = 0.0,
) -> Verdict:
    """Judge the failure of the `attempt`-th attempt (from 1) by what is known about it.

    `shown` tells that a part of the answer has reached the user; `bare_429s` how many 429
    without a time to wait came in a row before this failure, `saturated` how many attempts
    met full channels before it; `delay_s` is the wait that the schedule has next, `elapsed_s`
    the time since the first attempt began. A wait that the
    gateway asked for is never shortened. Nothing is retried that it refused for good.
    """
    if shown:
        return Verdict(False, stop="shown")
    chance = _chance(error, cost)
    ambiguous = chance in (_Chance.AMBIGUOUS, _Chance.BARRED)
    asked_s = _asked_s(error.facts, bare_429s)
    full = is_saturated(error)
    if full:
        delay_s = SATURATED_S[min(saturated, len(SATURATED_S) - 1)]
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
    elif _is_last(policy, attempt, saturated, full=full):
        stop = "attempts"
    elif over_cap:
        stop = "cap"
    elif elapsed_s + wait_s > retry_time_s(policy, error):
        stop = "budget"
    return Verdict(not stop, ambiguous, wait_s, pause_s, stop)


def _is_last(policy: Policy, attempt: int, saturated: int, *, full: bool) -> bool:
    """Return True if there is no attempt left after this one."""
    if policy.fixed:
        return attempt >= policy.attempts
    if full:
        return not policy.batch and saturated >= len(SATURATED_S)
    return attempt - saturated >= policy.attempts


def retry_time_s(policy: Policy, error: ApiyiError) -> float:
    """Return the seconds that all attempts and waits may take together after this failure."""
    if is_saturated(error) and not policy.time_fixed:
        return max(policy.max_retry_time_s, SATURATED_TIME_S)
    return policy.max_retry_time_s


def is_throttled(error: ApiyiError) -> bool:
    """Return True if the gateway wants fewer requests for this key.

    A lack of money and a model whose upstream channels are full are something else, whatever
    their status.
    """
    if not isinstance(error, TemporaryError) or error.facts.cause not in (None, "throttled"):
        return False
    return error.facts.status == 429 or error.facts.code in _THROTTLED


def is_saturated(error: ApiyiError) -> bool:
    """Return True if the upstream channels of the model are full, which passes."""
    return error.facts.cause == "saturated"


def _chance(error: ApiyiError, cost: Cost) -> _Chance:
    facts = error.facts
    phase = facts.phase or ("status" if facts.status is not None else None)
    if phase is None or isinstance(error, FundsError):
        return _Chance.NO
    if phase == "status" and not _is_success(facts.status):
        return _chance_by_status(error, cost)
    if not isinstance(error, TemporaryError | IncompleteError) or facts.kind == "misfit":
        # A whole answer that is not what was asked for comes the same again, and is billed again.
        return _Chance.NO
    if phase == "connect":
        # Neither a certificate nor a proxy gets better by asking again.
        return _Chance.NO if facts.kind in ("certificate", "proxy") else _Chance.AGAIN
    if phase == "sent" and _is_dead_socket(facts):
        return _Chance.AMBIGUOUS if cost in ("text", "heavy") else _Chance.AGAIN
    if facts.billed == "maybe":
        return _MAYBE_BILLED[cost]
    if phase in ("status", "opened") and isinstance(error, TemporaryError) and not facts.kind:
        # An error object inside a 200, before anything of the answer.
        return _Chance.AGAIN
    return _MAYBE_BILLED[cost]


def _chance_by_status(error: ApiyiError, cost: Cost) -> _Chance:
    facts = error.facts
    if facts.should_retry is False:
        return _Chance.NO
    if isinstance(error, TemporaryError | IncompleteError):
        if facts.status in _LATE or facts.billed == "maybe":
            return _MAYBE_BILLED[cost]
        if facts.status in _UNBILLED or (facts.status == 409 and cost == "free"):
            return _Chance.AGAIN
        if isinstance(error, TemporaryError) and facts.cause is not None:
            # The table knows better than the status: a channel's 401 passes, for one.
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
    if is_bare_429(facts):
        return min(LONGEST_DELAY_S, BARE_429_S * 2.0 ** min(bare_429s, 16))
    return 0.0


def is_bare_429(facts: Facts) -> bool:
    """Return True if the gateway throttled without saying for how long or why."""
    silent = facts.code is None and facts.retry_after_s is None
    return facts.status == 429 and silent and facts.cause in (None, "throttled")


def is_unreadable(facts: Facts) -> bool:
    """Tell whether an answer was made, perhaps, and came in a form that cannot be read."""
    return facts.kind == "protocol" and facts.phase == "opened"
