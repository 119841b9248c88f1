"""Rate limits of the sandbox, on request: exact sliding windows, refusals not counted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.endpoints import RERANK, Endpoint
from apiyi_cli.sandbox.scripted_reply import ScriptedReply

MOST_IN_FLIGHT: Mapping[Endpoint | None, int] = {RERANK: 5}
"""How many requests an endpoint accepts at once, whatever the limits of the key."""


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """At most `rpm` requests and `tpm` tokens in any `window_s`, `concurrency` at once.

    None is "no limit".
    """

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    window_s: float = 60.0


class Windows:
    """The requests and tokens of the last `window_s` seconds."""

    def __init__(self, limits: GatewayLimits, clock: Clock = CLOCK) -> None:
        self.limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._admitted: deque[tuple[float, int]] = deque()
        self._tokens = 0

    def refusal(self, tokens: int, in_flight: int) -> ScriptedReply | None:
        """Admit a request of so many tokens, or return the 429 for it.

        A single request over `tpm` is admitted when the window holds nothing else.
        """
        limits, now = self.limits, self._clock.monotonic()
        with self._lock:
            while self._admitted and self._admitted[0][0] <= now - limits.window_s:
                self._tokens -= self._admitted.popleft()[1]
            if limits.concurrency is not None and in_flight > limits.concurrency:
                return _too_many(f"您已达到并发请求数限制：最多 {limits.concurrency}")
            if limits.rpm is not None and len(self._admitted) >= limits.rpm:
                return _too_many(f"您已达到请求数限制：1分钟内最多请求{limits.rpm}次")
            if limits.tpm is not None and self._tokens and self._tokens + tokens > limits.tpm:
                return _too_many(f"您已达到 Token 限制：1分钟内最多 {limits.tpm}")
            self._admitted.append((now, tokens))
            self._tokens += tokens
            return None


def refuse_crowd(endpoint: Endpoint | None, in_flight: int) -> ScriptedReply | None:
    """Return the 429 of an endpoint with too many requests in flight, else None."""
    most = MOST_IN_FLIGHT.get(endpoint, in_flight)
    if in_flight <= most:
        return None
    return _too_many(f"该模型并发请求数已达上限：最多 {most}")


def _too_many(message: str) -> ScriptedReply:
    return ScriptedReply.error(429, message, code="rate_limit_exceeded", type="rate_limit_error")
