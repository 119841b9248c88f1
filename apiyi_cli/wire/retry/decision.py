"""The retry table: whether a failure is retried, and what the retry may cost.

Pure. Two questions decide: can the request have been billed, and has the user seen part of the
answer? Rows are how far the request got and how it failed (`ApiyiError.facts`), columns the cost
class of the request. `attempts` applies the decision.
"""

from __future__ import annotations

from typing import Final, Literal

from apiyi_cli.core.call import Cost
from apiyi_cli.errors import ApiyiError, Facts, FundsError, IncompleteError, TemporaryError
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.settings.defaults import (
    BARE_429_S,
    DEAD_SOCKET_S,
    LONGEST_DELAY_S,
    SATURATED_PICTURE_S,
    SATURATED_S,
    SATURATED_TIME_S,
    RetryPolicy,
)

_UNBILLED = frozenset((425, 429, 500, 502, 503, 520, 521, 522, 523, 525, 526, 527, 529))
# The gateway tries other channels after 429 and 5xx by itself, but not after these: the
# model may still be at work.
_LATE = frozenset((408, 504, 524))
# In an error object of a 200 the status does not tell.
_THROTTLED = frozenset(("rate_limit_exceeded", "rate_limit_error"))


Stop = Literal["", "shown", "final", "possibly-billed", "attempts", "cap", "time", "budget"]
"""Why there is no further attempt: not stopped; part of the answer was shown; no attempt can
help; it might be billed twice; the attempts, the longest wait, the time or the retry budget of
the process are used up."""


class RetryDecision(PlainValue):
    """The decision about a failure.

    `retry` after `wait_s` seconds; `possibly_billed` if the failed attempt may have been billed.
    `pause_s` is how long every request with the key should wait, 0 if only this one is
    concerned. `stop` is "" if there is another attempt.
    """

    retry: bool
    possibly_billed: bool = False
    wait_s: float = 0.0
    pause_s: float = 0.0
    stop: Stop = ""


_Repeat = Literal["never", "free", "possibly-billed", "on-request"]
"""One cell of the retry table; "on-request" is possibly billed and expensive: only if the user
gave a number of such retries."""
_MAYBE_BILLED: Final[dict[Cost, _Repeat]] = {
    "free": "free",
    "light": "possibly-billed",
    "text": "possibly-billed",
    "heavy": "on-request",
}


def decide(
    error: ApiyiError,
    cost: Cost,
    policy: RetryPolicy,
    *,
    shown: bool,
    attempt: int,
    possibly_billed_so_far: int = 0,
    bare_429s: int = 0,
    saturated: int = 0,
    delay_s: float = 0.0,
    elapsed_s: float = 0.0,
) -> RetryDecision:
    """Return the decision about the failure of the `attempt`-th attempt (from 1).

    `shown` is True if part of the answer has reached the user. `bare_429s` counts the 429s
    without a time to wait that came in a row before this failure, `saturated` the attempts that
    met full channels before it. `delay_s` is the next wait of the schedule, `elapsed_s` the time
    since the first attempt began. A wait that the gateway asked for is never shortened.
    """
    if shown:
        return RetryDecision(False, stop="shown")
    repeat = _repeat(error, cost)
    possibly_billed = repeat in ("possibly-billed", "on-request")
    asked_s = _requested_wait_s(error.facts, bare_429s)
    full = is_saturated(error)
    if full:
        delay_s = SATURATED_S[min(saturated, len(SATURATED_S) - 1)]
    wait_s = max(delay_s, asked_s)
    over_cap = asked_s > policy.retry_after_cap_s
    pauses = is_throttled(error) and (policy.batch or not over_cap)
    pause_s = min(wait_s, policy.retry_after_cap_s) if pauses else 0.0
    stop: Stop = ""
    if repeat == "never":
        stop = "final"
    elif possibly_billed and possibly_billed_so_far >= _most_repeats(repeat, cost, policy):
        stop = "possibly-billed"
    elif _is_last(policy, attempt, saturated, full=full):
        stop = "attempts"
    elif over_cap:
        stop = "cap"
    elif elapsed_s + wait_s > retry_time_s(policy, error, cost):
        stop = "time"
    return RetryDecision(not stop, possibly_billed, wait_s, pause_s, stop)


def _is_last(policy: RetryPolicy, attempt: int, saturated: int, *, full: bool) -> bool:
    if policy.fixed:
        return attempt >= policy.attempts
    if full:
        return not policy.batch and saturated >= len(SATURATED_S)
    return attempt - saturated >= policy.attempts


def retry_time_s(policy: RetryPolicy, error: ApiyiError, cost: Cost) -> float:
    """Return the seconds that all attempts and waits may take together after this failure."""
    if is_saturated(error) and not policy.time_fixed:
        longest_s = SATURATED_PICTURE_S if cost == "heavy" else SATURATED_TIME_S
        return max(policy.max_retry_time_s, longest_s)
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
    """Return True if the upstream channels of the model are full, which is temporary."""
    return error.facts.cause == "saturated"


def _repeat(error: ApiyiError, cost: Cost) -> _Repeat:
    facts = error.facts
    phase = facts.phase or ("status" if facts.status is not None else None)
    if phase is None or isinstance(error, FundsError):
        return "never"
    if phase == "status" and (facts.status is None or not 200 <= facts.status < 300):
        return _repeat_by_status(error, cost)
    if not isinstance(error, TemporaryError | IncompleteError) or facts.kind == "misfit":
        # A whole answer that does not fit would come again, and would be billed again.
        return "never"
    if phase == "connect":
        # Another attempt mends neither a certificate nor a proxy.
        return "never" if facts.kind in ("certificate", "proxy") else "free"
    if phase == "sent" and _is_dead_socket(facts):
        return "possibly-billed" if cost in ("text", "heavy") else "free"
    if facts.billed == "maybe":
        return _MAYBE_BILLED[cost]
    if phase in ("status", "opened") and isinstance(error, TemporaryError) and not facts.kind:
        # An error object inside a 200, before anything of the answer.
        return "free"
    return _MAYBE_BILLED[cost]


def _repeat_by_status(error: ApiyiError, cost: Cost) -> _Repeat:
    facts = error.facts
    if facts.should_retry is False:
        return "never"
    if isinstance(error, TemporaryError | IncompleteError):
        if facts.status in _LATE or facts.billed == "maybe":
            return _MAYBE_BILLED[cost]
        if facts.status in _UNBILLED or (facts.status == 409 and cost == "free"):
            return "free"
        if isinstance(error, TemporaryError) and facts.cause is not None:
            # The table of errors outweighs the status: a channel's 401 is temporary, for example.
            return "free"
    is_asked_for = facts.should_retry is True and cost != "heavy"
    return "free" if is_asked_for else "never"


def _is_dead_socket(facts: Facts) -> bool:
    return (
        facts.reused
        and facts.kind in ("reset", "cut")
        and facts.after_s is not None
        and facts.after_s < DEAD_SOCKET_S
    )


def _most_repeats(repeat: _Repeat, cost: Cost, policy: RetryPolicy) -> float:
    if policy.possibly_billed_retries is not None:
        return policy.possibly_billed_retries
    if repeat == "on-request":
        return 0
    return 1 if cost in ("text", "heavy") else float("inf")


def _requested_wait_s(facts: Facts, bare_429s: int) -> float:
    if facts.retry_after_s is not None:
        return facts.retry_after_s
    if is_bare_429(facts):
        return min(LONGEST_DELAY_S, BARE_429_S * 2.0 ** min(bare_429s, 16))
    return 0.0


def is_bare_429(facts: Facts) -> bool:
    """Return True if the gateway throttled without saying for how long or why."""
    is_bare = facts.code is None and facts.retry_after_s is None
    return facts.status == 429 and is_bare and facts.cause in (None, "throttled")


def is_unreadable(facts: Facts) -> bool:
    """Return True if an answer may have been made and was unreadable."""
    return facts.kind == "protocol" and facts.phase == "opened"
