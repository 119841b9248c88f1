"""A `Call` on its way: cache, attempts, and for each attempt endpoint, limits, sending, decoding.

`Sender.answer` is the only way to the gateway that commands have. Decoding belongs to the
attempt, because a reply is only known to be good when it has been read; what then follows
from a failure is decided in `verdict` and `failover`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.events import Usage
from apiyi_cli.errors import ApiyiError, IncompleteError, SetupError
from apiyi_cli.text import Text
from apiyi_cli.wire.http.client import Client, Watch
from apiyi_cli.wire.http.deadlines import Timeouts
from apiyi_cli.wire.http.request import outgoing
from apiyi_cli.wire.retry.attempts import INTERACTIVE, Policy, Quota, Retry, Tally, persist

if TYPE_CHECKING:
    from apiyi_cli.wire.cache import Cache
    from apiyi_cli.wire.limits.admission import RateLimiter
    from apiyi_cli.wire.limits.rates import Cause
    from apiyi_cli.wire.retry.account import Account
    from apiyi_cli.wire.retry.failover import Hosts

T = TypeVar("T")

_LINKS_WITHIN = 4096

TOLD_WAIT_S = 2.0
"""A wait for the limits that is longer than this is told."""
MOST_CACHED = 64 << 20


class Plan(NamedTuple):
    """Everything about sending that settings decide, as plain values.

    `key(base_url)` gives the secret for an endpoint, None to send none. `tell` prints a
    notice, `extra` are `-H` values. Without `hosts` there is one endpoint, without
    `limiter` no limit, without `cache` no cache; `family` is what the cache calls the gateway
    where its addresses do not tell (a sandbox has another port each time). `sent` is told of
    every request that ended, for the usage ledger. `bulk` is a run of many requests, which
    the token limit holds back; `waits` prints that it waits, `tell` where there is none.
    `account` knows more of key, money and models than one refusal says.
    """

    base_urls: Sequence[str]
    key: Callable[[str], str | None]
    tell: Callable[[str], None]
    environ: Mapping[str, str]
    timeouts: Timeouts = Timeouts()
    policy: Policy = INTERACTIVE
    extra: Sequence[str] = ()
    cacert: str | None = None
    proxy: str | None = None
    watch: Watch | None = None
    clock: Clock = CLOCK
    retry_sleep: Callable[[float], None] | None = None
    tally: Tally | None = None
    quota: Quota | None = None
    hosts: Hosts | None = None
    limiter: RateLimiter | None = None
    cache: Cache | None = None
    cache_ttl_s: float = 0.0
    family: str = ""
    sent: Callable[[Sent], None] | None = None
    bulk: bool = False
    waits: Callable[[str], None] | None = None
    account: Account | None = None


class Sent(NamedTuple):
    """One request that ended: what it was, what it used, how long it took, how it failed.

    `uncertain` is one that may have been billed, though no answer to it is known. One that was
    repeated after that is told on its own.
    """

    call: Call
    host: str
    request_id: str | None
    usage: Usage | None
    ms: int
    error: ApiyiError | None
    from_cache: bool
    uncertain: bool = False


class Sender:
    """Sends calls one at a time; a thread that sends needs one of its own."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.from_cache = False
        self._told_wait = False
        self._client = Client(
            environ=plan.environ,
            cacert=plan.cacert,
            proxy=plan.proxy,
            clock=plan.clock,
            watch=plan.watch,
        )

    def answer(
        self,
        call: Call,
        decode: Callable[[Reply], Iterator[T]],
        *,
        shows: Callable[[T], bool],
    ) -> Iterator[T]:
        """Yield what `decode` makes of the reply, from the attempt that counts.

        `shows` tells whether an item is a part of the answer that the user will see: from
        then on nothing is retried. Raises an ApiyiError; what had been yielded stays good.
        """
        plan = self.plan
        trip = _Trip(call, plan)
        stored = trip.cached()
        self.from_cache = stored is not None
        if stored is not None:
            yield from trip.followed(decode, stored, lambda: None)
            trip.ended(None)
            return
        request_id = os.urandom(16).hex()
        route = plan.hosts.route(call.cost) if plan.hosts is not None else None

        def attempt(number: int) -> Iterator[T]:
            address = route.begin() if route is not None else plan.base_urls[0]
            request = outgoing(call, address, plan.extra, request_id, plan.key(address))
            with self._admission(trip, call) as leaves:
                try:
                    reply = trip.recorded(self._client.exchange(request, plan.timeouts, leaves))
                    yield from trip.followed(decode, reply, self._client.clocks.event)
                except ApiyiError as failure:
                    if route is not None:
                        route.failed(failure)
                    judged = plan.account.judge(failure, call) if plan.account else failure
                    if judged is failure:
                        raise
                    raise judged from failure
                if route is not None:
                    route.succeeded()
                if plan.account is not None:
                    plan.account.note_success(call)

        try:
            yield from persist(
                attempt,
                cost=call.cost,
                policy=plan.policy,
                shows=shows,
                clock=plan.clock._replace(sleep=plan.retry_sleep or plan.clock.sleep),
                rng=_Chance(),  # type: ignore[arg-type]
                tell=plan.tell,
                tally=plan.tally,
                quota=plan.quota,
                on_retry=trip.repeated,
                limiter_pause=None if plan.limiter is None else plan.limiter.pause,
            )
        except ApiyiError as failure:
            trip.ended(failure)
            raise
        trip.kept()
        trip.ended(None)

    def _admission(self, trip: _Trip, call: Call) -> AbstractContextManager[Callable[[], None]]:
        plan = self.plan
        if plan.limiter is None:
            return nullcontext(lambda: None)
        from apiyi_cli.wire.limits.admission import Admission

        return Admission(
            plan.limiter,
            call,
            alone=not plan.bulk,
            used=lambda: trip.usage,
            waits=self._waited,
            total_at=plan.timeouts.total_at,
            clock=plan.clock,
        )

    def _waited(self, wait_s: float, cause: Cause) -> None:
        """Tell of a long wait for the limits: the first one, for a batch has one per request."""
        if wait_s >= TOLD_WAIT_S and not self._told_wait and self.plan.limiter is not None:
            self._told_wait = True
            (self.plan.waits or self.plan.tell)(wait_text(wait_s, cause, self.plan.limiter))

    @property
    def connected_s(self) -> float:
        """Return how long the last exchange took to connect, 0 on an open connection."""
        return self._client.clocks.connect_took_s

    def close(self) -> None:
        """Drop the connections."""
        self._client.close()


class _Trip:
    """One call through all of its attempts: what it used, and the bytes to keep of it."""

    def __init__(self, call: Call, plan: Plan) -> None:
        self._call = call
        self._plan = plan
        self._began_s = plan.clock.monotonic()
        self._key: str | None = None
        self._pieces: list[bytes] | None = None
        self._reply: Reply | None = None
        self.usage: Usage | None = None

    def cached(self) -> Reply | None:
        """Return the reply from the cache, if there is a fresh one."""
        plan, call = self._plan, self._call
        if plan.cache is None or call.json is None or call.method != "POST":
            return None
        from apiyi_cli.core.jsontext import write_canonical
        from apiyi_cli.wire.cache import key

        family = plan.family or " ".join(sorted(plan.base_urls))
        self._key = key(call.method, call.path, write_canonical(call.json), family)
        found = plan.cache.look(self._key, plan.cache_ttl_s)
        if found is None:
            return None
        self._reply = Reply(found.status, found.headers, (found.body,), from_cache=True)
        return self._reply

    def recorded(self, reply: Reply) -> Reply:
        """Return the reply; what is read of it is remembered for the cache."""
        self._reply, self._pieces = reply, None
        if self._key is None or reply.status != 200:
            return reply
        return reply._replace(chunks=self._copied(reply.chunks))

    def followed(
        self, decode: Callable[[Reply], Iterator[T]], reply: Reply, event: Callable[[], None]
    ) -> Iterator[T]:
        """Yield the decoded items, telling the clocks of each and looking for the usage."""
        try:
            for item in decode(reply):
                event()
                self.usage = usage_in(item) or self.usage
                yield item
        finally:
            reply.close()

    def kept(self) -> None:
        """Put the reply, now known to be complete, into the cache."""
        plan, reply = self._plan, self._reply
        if plan.cache is None or self._key is None or self._pieces is None or reply is None:
            return
        body = b"".join(self._pieces)
        if self._call.cost == "heavy" and b"http" in body[:_LINKS_WITHIN]:
            # Pictures that come as links: the links die within minutes.
            return
        try:
            plan.cache.keep(self._key, reply.status, reply.headers, body)
        except SetupError as failure:
            # The answer is there and paid for; that it cannot be kept does not change it.
            plan.tell(failure.summary())

    def _copied(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the chunks and keep them, unless they become too many."""
        pieces: list[bytes] | None = []
        self._pieces = pieces
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > MOST_CACHED:
                pieces = self._pieces = None
            elif pieces is not None:
                pieces.append(chunk)
            yield chunk

    def repeated(self, retry: Retry) -> None:
        """Tell the ledger of an attempt that may have been billed and is followed by another."""
        if not retry.ambiguous or self._plan.sent is None:
            return
        now_s = self._plan.clock.monotonic()
        ms, self._began_s = round((now_s - self._began_s) * 1000), now_s
        facts, usage, self.usage = retry.error.facts, self.usage, None
        self._plan.sent(
            Sent(
                self._call, facts.host or "", facts.request_id, usage, ms, retry.error, False, True
            )
        )

    def ended(self, error: ApiyiError | None) -> None:
        """Tell the ledger."""
        if self._plan.sent is None:
            return
        reply = self._reply
        ms = round((self._plan.clock.monotonic() - self._began_s) * 1000)
        request_id = reply.request_id if reply is not None else None
        host = reply.host if reply is not None else ""
        from_cache = reply is not None and reply.from_cache
        uncertain = isinstance(error, IncompleteError) and self._call.cost != "free"
        self._plan.sent(
            Sent(self._call, host, request_id, self.usage, ms, error, from_cache, uncertain)
        )


def usage_in(item: Any) -> Usage | None:
    """Return the usage that an item of a decoder tells.

    An item is a burst of events, a value with a `usage`, or the gateway's own object.
    """
    if isinstance(item, list):
        return next((event for event in reversed(item) if isinstance(event, Usage)), None)
    if isinstance(item, dict):
        from apiyi_cli.decode.usage import usage

        return usage(item.get("usage"))
    told = getattr(item, "usage", None)
    return told if isinstance(told, Usage) else None


def wait_text(wait_s: float, cause: Cause, limiter: RateLimiter) -> Text:
    """Return the notice of a wait for the limits: how long, for what, and how to go on."""
    limits = limiter.limits
    wait, window = f"{wait_s:.1f}", f"{limits.window_s:g}"
    if cause == "slots":
        return Text(
            "waiting for one of the {count} requests that the key may have in flight "
            "(--no-limits goes on)",
            count=limits.concurrency,
        )
    if cause == "pause":
        return Text(
            "waiting {wait} s, as the gateway asked of this key (--no-limits goes on)", wait=wait
        )
    if cause == "requests":
        return Text(
            "waiting {wait} s for the key's limit of {count} requests in {window} s "
            "(--rpm N or --no-limits goes on)",
            wait=wait,
            count=limits.rpm,
            window=window,
        )
    return Text(
        "waiting {wait} s for the key's limit of {count} tokens in {window} s "
        "(--tpm N or --no-limits goes on; to clear what was counted: {clear})",
        wait=wait,
        count=limits.tpm,
        window=window,
        clear=limiter.clear,
    )


class _Chance:
    """A source of chance that costs nothing until a retry needs it."""

    def __getattr__(self, name: str) -> Any:
        import random

        return getattr(random.SystemRandom(), name)
