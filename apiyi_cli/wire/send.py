"""Sends a `Call` to the gateway: Trace(Cache(Retry(Failover(Limit(engine))))).

`Sender.answer` is the only way to the gateway that commands have. Decoding is part of the
attempt, because a reply is only known to be good when it has been read; what follows from a
failure is decided in `retry.decision` and `retry.failover`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.events import Usage
from apiyi_cli.errors import ApiyiError, IncompleteError, SetupError
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.settings.defaults import INTERACTIVE, RetryPolicy, Timeouts
from apiyi_cli.wire.http.client import Client, Observer
from apiyi_cli.wire.http.request import build_request
from apiyi_cli.wire.retry.attempts import AttemptCounts, FailedAttempt, RetryBudget, run_attempts

if TYPE_CHECKING:
    from apiyi_cli.wire.cache import Cache
    from apiyi_cli.wire.http.preconnect import Preconnection
    from apiyi_cli.wire.limits.admission import RateLimiter
    from apiyi_cli.wire.limits.rates import Cause
    from apiyi_cli.wire.retry.account import Account
    from apiyi_cli.wire.retry.failover import Failover, Route

T = TypeVar("T")

REPORTED_WAIT_S = 2.0
"""Longer waits for the limits are reported."""
MOST_CACHED_BYTES = 64 << 20
_LINKS_WITHIN_BYTES = 4096


class Plan(PlainValue):
    """Everything about sending that the settings decide, as plain values.

    `key` None sends no credentials. `tell` prints a notice, `tell_wait` the one of a wait for
    the limits (None: `tell`). `extra` are `-H` values. Without `failover` there is one URL,
    without `limiter` no limit, without `cache` no cache; `family` is the gateway's name in the
    cache where its URLs do not identify it (a sandbox has another port each time). `on_sent`
    gets every request that ended, for the usage ledger. `bulk` is a run of many requests, which
    the token limit holds back. `account` knows more of key, money and models than one refusal.
    `on_throttled` gets each refusal for the key and returns for how many seconds all requests
    should pause; without it they pause for as long as the one that was refused.
    `preconnection` is a connection that was begun before the plan was made.
    """

    base_urls: Sequence[str]
    key: str | None
    tell: Callable[[str], None]
    environ: Mapping[str, str]
    timeouts: Timeouts = Timeouts()
    policy: RetryPolicy = INTERACTIVE
    extra: Sequence[str] = ()
    cacert: str | None = None
    proxy: str | None = None
    observer: Observer | None = None
    clock: Clock = CLOCK
    retry_sleep: Callable[[float], None] | None = None
    counts: AttemptCounts | None = None
    retry_budget: RetryBudget | None = None
    failover: Failover | None = None
    limiter: RateLimiter | None = None
    cache: Cache | None = None
    cache_ttl_s: float = 0.0
    family: str = ""
    on_sent: Callable[[SentRequest], None] | None = None
    bulk: bool = False
    tell_wait: Callable[[str], None] | None = None
    account: Account | None = None
    on_throttled: Callable[[ApiyiError], float] | None = None
    preconnection: Preconnection | None = None


class SentRequest(PlainValue):
    """A finished request: its call, usage, duration, and failure.

    `uncertain` is one that may have been billed, though no answer to it is known. If it was
    repeated after that, it is a separate request.
    """

    call: Call
    host: str
    request_id: str | None
    usage: Usage | None
    ms: int
    error: ApiyiError | None
    from_cache: bool
    uncertain: bool = False


class Exchange:
    """One call, its decoder, and the facts about its answer so far, over all attempts.

    `body` are the pieces to be cached, None if they must not be.
    """

    # A dataclass would take 0.5 ms of each start.
    __slots__ = ("began_s", "body", "cache_key", "call", "decode", "reply", "request_id", "usage")

    def __init__(
        self, call: Call, decode: Callable[[Reply], Iterator[Any]], began_s: float
    ) -> None:
        self.call = call
        self.decode = decode
        self.request_id = os.urandom(16).hex()
        self.began_s = began_s
        self.cache_key: str | None = None
        self.reply: Reply | None = None
        self.body: list[bytes] | None = None
        self.usage: Usage | None = None


class Sender:
    """Sends calls one at a time; each thread needs its own."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.from_cache = False
        self._reported_wait = False
        self._client = Client(
            environ=plan.environ,
            cacert=plan.cacert,
            proxy=plan.proxy,
            clock=plan.clock,
            observer=plan.observer,
            preconnection=plan.preconnection,
        )

    @property
    def connected_s(self) -> float:
        """Return how long the last exchange took to connect, 0 on an open connection."""
        return self._client.deadlines.connect_took_s

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def answer(
        self, call: Call, decode: Callable[[Reply], Iterator[T]], *, shows: Callable[[T], bool]
    ) -> Iterator[T]:
        """Yield what `decode` yields, from the attempt that counts.

        `shows` returns True if an item is a part of the answer that the user will see: from then
        on nothing is retried. Raises an ApiyiError; what had been yielded stays good.

        The layers, from the outside in, are the methods below in their order.
        """
        exchange = Exchange(call, decode, self.plan.clock.monotonic())
        try:
            yield from self._cache(exchange, shows)
        except ApiyiError as error:
            self._trace(exchange, error)
            raise
        self._trace(exchange, None)

    def _trace(self, exchange: Exchange, error: ApiyiError | None) -> None:
        plan, reply = self.plan, exchange.reply
        if plan.on_sent is None:
            return
        call, usage = exchange.call, exchange.usage
        place = ("", None) if reply is None else (reply.host, reply.request_id)
        ms = round((plan.clock.monotonic() - exchange.began_s) * 1000)
        uncertain = isinstance(error, IncompleteError) and call.cost != "free"
        plan.on_sent(SentRequest(call, *place, usage, ms, error, self.from_cache, uncertain))

    def _cache(self, exchange: Exchange, shows: Callable[[T], bool]) -> Iterator[T]:
        """Yield a fresh cached answer, else a new one, which is cached."""
        cached = self._find_cached(exchange)
        self.from_cache = cached is not None
        if cached is not None:
            yield from self._read(exchange, cached)
            return
        yield from self._retry(exchange, shows)
        self._store(exchange)

    def _retry(self, exchange: Exchange, shows: Callable[[T], bool]) -> Iterator[T]:
        """Return the items of the attempt that counts."""
        plan, call = self.plan, exchange.call
        route = plan.failover.route(call.cost) if plan.failover is not None else None
        return run_attempts(
            partial(self._attempt, exchange, route),
            cost=call.cost,
            policy=plan.policy,
            shows=shows,
            clock=plan.clock._replace(sleep=plan.retry_sleep or plan.clock.sleep),
            on_failure=partial(self._note_failure, exchange),
            counts=plan.counts,
            budget=plan.retry_budget,
        )

    def _attempt(self, exchange: Exchange, route: Route | None) -> Iterator[Any]:
        """Send to the current URL, within the limits, and yield the decoded items."""
        plan, call = self.plan, exchange.call
        base_url = route.begin() if route is not None else plan.base_urls[0]
        request = build_request(call, base_url, plan.extra, exchange.request_id, plan.key)
        try:
            with self._limit(exchange) as on_send:
                timeouts = extend_timeouts(plan.timeouts) if call.assembled else plan.timeouts
                reply = self._client.send(request, timeouts, on_send)
                yield from self._read(exchange, _copy_for_cache(exchange, reply))
        except ApiyiError as error:
            if route is not None:
                route.note_failure(error)
            judged = plan.account.judge(error, call) if plan.account is not None else error
            if judged is error:
                raise
            raise judged from error
        if route is not None:
            route.note_success()
        if plan.account is not None:
            plan.account.note_success(call)

    def _limit(self, exchange: Exchange) -> AbstractContextManager[Callable[[], None]]:
        """Return one attempt's admission, with the function to call when sent."""
        plan = self.plan
        if plan.limiter is None:
            return nullcontext(lambda: None)
        from apiyi_cli.wire.limits.admission import Admission

        return Admission(
            plan.limiter,
            exchange.call,
            single=not plan.bulk,
            usage=lambda: exchange.usage,
            on_wait=self._note_wait,
            total_at=plan.timeouts.total_at,
            clock=plan.clock,
        )

    def _read(self, exchange: Exchange, reply: Reply) -> Iterator[Any]:
        """Yield the decoded items; each ends the silence, and its usage is noted."""
        note_event = self._client.deadlines.note_event
        try:
            for item in exchange.decode(reply):
                note_event()
                exchange.usage = find_usage(item) or exchange.usage
                yield item
        finally:
            reply.close()

    def _note_failure(self, exchange: Exchange, failed: FailedAttempt) -> None:
        """Report a retry; a possibly billed attempt goes to the ledger as well."""
        plan, decision, error = self.plan, failed.decision, failed.error
        if pause_s := decision.pause_s:
            if plan.on_throttled is not None:
                pause_s = min(pause_s, plan.on_throttled(error))
            if pause_s and plan.limiter is not None:
                plan.limiter.pause(pause_s)
        if not decision.retry:
            return
        plan.tell(failed.message)
        if not decision.possibly_billed or plan.on_sent is None:
            return
        now_s = plan.clock.monotonic()
        ms, exchange.began_s = round((now_s - exchange.began_s) * 1000), now_s
        usage, exchange.usage = exchange.usage, None
        host, request_id = error.facts.host or "", error.facts.request_id
        plan.on_sent(SentRequest(exchange.call, host, request_id, usage, ms, error, False, True))

    def _note_wait(self, wait_s: float, cause: Cause) -> None:
        """Report the first long wait for the limits; a batch waits for each request."""
        plan = self.plan
        if wait_s < REPORTED_WAIT_S or self._reported_wait or plan.limiter is None:
            return
        from apiyi_cli.wire.limits.admission import describe_wait

        self._reported_wait = True
        (plan.tell_wait or plan.tell)(describe_wait(wait_s, cause, plan.limiter))

    def _find_cached(self, exchange: Exchange) -> Reply | None:
        """Return the reply from the cache, None if there is no fresh one."""
        plan, call = self.plan, exchange.call
        if plan.cache is None or call.json is None or call.method != "POST":
            return None
        from apiyi_cli.core.jsontext import write_canonical
        from apiyi_cli.wire.cache import cache_key

        family = plan.family or " ".join(sorted(plan.base_urls))
        path = f"{call.path}#{call.repeat}" if call.repeat else call.path
        exchange.cache_key = cache_key(call.method, path, write_canonical(call.json), family)
        exchange.reply = plan.cache.find(exchange.cache_key, plan.cache_ttl_s)
        return exchange.reply

    def _store(self, exchange: Exchange) -> None:
        cache, key, reply = self.plan.cache, exchange.cache_key, exchange.reply
        if cache is None or key is None or reply is None or exchange.body is None:
            return
        body = b"".join(exchange.body)
        if exchange.call.cost == "heavy" and b"http" in body[:_LINKS_WITHIN_BYTES]:
            # Pictures that come as links: the links die within minutes.
            return
        try:
            cache.store(key, reply.status, reply.headers, body)
        except SetupError as error:
            # The answer is there and paid for; a cache that fails does not change it.
            self.plan.tell(error.summary())


def extend_timeouts(timeouts: Timeouts) -> Timeouts:
    """Return longer timeouts for a stream whose whole object is wanted."""
    longest_s = max(timeouts.headers_s, timeouts.events_s)
    return timeouts._replace(bytes_s=max(timeouts.bytes_s, longest_s), events_s=longest_s)


def _copy_for_cache(exchange: Exchange, reply: Reply) -> Reply:
    """Return the reply; its body is kept in `exchange.body` if it may be cached."""
    exchange.reply, exchange.body = reply, None
    if exchange.cache_key is None or reply.status != 200:
        return reply

    def copy_chunks() -> Iterator[bytes]:
        pieces: list[bytes] = []
        exchange.body = pieces
        size = 0
        for chunk in reply.chunks:
            size += len(chunk)
            if size <= MOST_CACHED_BYTES:
                pieces.append(chunk)
            else:
                exchange.body = None
                pieces.clear()
            yield chunk

    return reply._replace(chunks=copy_chunks())


def find_usage(item: Any) -> Usage | None:
    """Return the usage in an item of a decoder, None without one.

    An item is a list of events, a value with a `usage`, or the gateway's own object.
    """
    if isinstance(item, list):
        for event in reversed(item):
            if type(event) is Usage:
                return event
        return None
    if isinstance(item, dict):
        from apiyi_cli.decode.frames.fields import usage

        return usage(item.get("usage"))
    value = getattr(item, "usage", None)
    return value if isinstance(value, Usage) else None
