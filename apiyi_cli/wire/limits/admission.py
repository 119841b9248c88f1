"""The limits around one attempt: a concurrency slot, a booking of tokens, their settlement.

`limiter` and `redis_limiter` keep the limits; `retry` decides when and how often a call is
attempted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from apiyi_cli.build.tokens import estimate_tokens
from apiyi_cli.core.call import Call
from apiyi_cli.core.clock import Clock
from apiyi_cli.core.events import Usage
from apiyi_cli.errors import ApiyiError, IncompleteError, LimitError
from apiyi_cli.text import Text
from apiyi_cli.wire.limits.rates import Cause, OnWait
from apiyi_cli.wire.limits.windows import NETWORK

if TYPE_CHECKING:
    from apiyi_cli.wire.limits.limiter import Limiter
    from apiyi_cli.wire.limits.redis_limiter import RedisLimiter

RateLimiter: TypeAlias = "Limiter | RedisLimiter"

_SILENT_S = 2.0
# A text, compiled by `re` after the first 429.
_OF_TOKENS = r"(?i)\btokens?\b|\btpm\b|令牌数|词元"


class Admission:
    """Holds a concurrency slot and a booking for one attempt, as a context manager.

    Entering waits for both and returns the function to call when the request is really sent.
    `single` is a request that is not one of many. `usage` is what its answer cost so far, and
    `total_at` when the run must have ended. `on_wait(seconds, cause)` is called for each wait.
    Entering raises LimitError if the wait would be longer than the run may take.
    """

    def __init__(
        self,
        limiter: RateLimiter,
        call: Call,
        *,
        single: bool = False,
        usage: Callable[[], Usage | None],
        on_wait: OnWait,
        total_at: float | None,
        clock: Clock,
    ) -> None:
        self._limiter = limiter
        self._call = call
        self._single = single
        self._usage = usage
        self._on_wait = on_wait
        self._total_at = total_at
        self._clock = clock
        self._tokens = 0
        self._slot = -1
        self._started_s = 0.0
        self._slot_wait_s = 0.0

    def __enter__(self) -> Callable[[], None]:
        limiter = self._limiter
        if self._call.cost != "free":
            mean = limiter.mean_tokens(self._call.model or "")
            self._tokens = min(estimate_tokens(self._call, mean), limiter.limits.tpm)
        self._slot = limiter.take_slot(self._sleep_for_slot)
        try:
            limiter.acquire(
                self._tokens, self._sleep, self._slot, single=self._single, on_wait=self._on_wait
            )
        except BaseException:
            limiter.release_slot(self._slot)
            raise
        self._started_s = self._clock.monotonic()
        return self._note_sent

    def __exit__(self, kind: object, failure: BaseException | None, trace: object) -> None:
        try:
            self._settle(failure)
        finally:
            self._limiter.release_slot(self._slot)

    def _settle(self, failure: BaseException | None) -> None:
        limiter = self._limiter
        ago_s = self._clock.monotonic() - self._started_s
        if isinstance(failure, ApiyiError):
            words = f"{failure.why} {failure.what}"
            if failure.facts.status == 429 and re.search(_OF_TOKENS, words):
                limiter.note_throttled()
            if _was_refused(failure):
                limiter.settle(self._tokens, 0, ago_s)
            return
        usage = self._usage()
        if failure is None and usage is not None and usage.total_tokens is not None:
            # Counts from the server, limited to what one request can owe.
            most = limiter.limits.tpm
            limiter.settle(self._tokens, max(0, min(usage.total_tokens, most)), ago_s)
            if usage.completion_tokens is not None and self._call.model:
                limiter.learn(self._call.model, max(0, min(usage.completion_tokens, most)))

    def _note_sent(self) -> None:
        now = self._clock.monotonic()
        # Connecting can take long, and so can a busy machine; a little is allowed for.
        if now - self._started_s > NETWORK * self._limiter.limits.window_s / 2:
            self._limiter.note_sent(self._tokens, now - self._started_s)
            self._started_s = now

    def _sleep(self, wait_s: float) -> None:
        if self._total_at is not None and self._clock.monotonic() + wait_s > self._total_at:
            why = Text(
                "the rate limits ask for {wait_s} s more; the request had not been sent",
                wait_s=f"{wait_s:.1f}",
            )
            hint = Text("raise --max-time")
            raise LimitError(Text("stopped by --max-time"), why, hint=hint)
        self._clock.sleep(wait_s)

    def _sleep_for_slot(self, wait_s: float) -> None:
        # Polled every few milliseconds: the waits add up.
        self._slot_wait_s += wait_s
        if self._slot_wait_s >= _SILENT_S:
            self._on_wait(self._slot_wait_s, "slots")
        self._sleep(wait_s)


def _was_refused(failure: ApiyiError) -> bool:
    """Return True if the gateway counted nothing: not fully sent, or refused."""
    phase = failure.facts.phase
    if phase == "connect":
        return True
    return phase == "status" and not isinstance(failure, IncompleteError)


def describe_wait(wait_s: float, cause: Cause, limiter: RateLimiter) -> Text:
    """Return the notice of a wait for the limits: duration, reason, how to avoid it."""
    limits = limiter.limits
    times = {"wait": f"{wait_s:.1f}", "window": f"{limits.window_s:g}"}
    if cause == "slots":
        return Text(
            "waiting for one of the {count} requests that the key may have in flight "
            "(--no-limits goes on)",
            count=limits.concurrency,
        )
    if cause == "pause":
        return Text(
            "waiting {wait} s, as the gateway asked of this key (--no-limits goes on)", **times
        )
    if cause == "requests":
        return Text(
            "waiting {wait} s for the key's limit of {count} requests in {window} s "
            "(--rpm N or --no-limits goes on)",
            count=limits.rpm,
            **times,
        )
    return Text(
        "waiting {wait} s for the key's limit of {count} tokens in {window} s "
        "(--tpm N or --no-limits goes on; to clear what was counted: {clear})",
        count=limits.tpm,
        clear=limiter.clear_command,
        **times,
    )
