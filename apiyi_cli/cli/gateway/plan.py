"""How a session reaches the gateway: settings turned into the wire's plan."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from apiyi_cli.core.options.connection import Connection
from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.settings.defaults import INTERACTIVE, PROBE_TIMEOUTS, RetryPolicy, retry_policy
from apiyi_cli.settings.paths import cache_dir, runtime_dir, state_dir
from apiyi_cli.text import Text
from apiyi_cli.wire.retry.attempts import RetryBudget
from apiyi_cli.wire.send import Plan, Sender

if TYPE_CHECKING:
    from apiyi_cli.cli.session import Session
    from apiyi_cli.core.call import Call, Reply
    from apiyi_cli.wire.cache import Cache
    from apiyi_cli.wire.limits.admission import RateLimiter
    from apiyi_cli.wire.retry.account import Account
    from apiyi_cli.wire.retry.failover import Failover


def sender(session: Session) -> Sender:
    """Return a sender for the session, closed with its run."""
    made = Sender(plan(session))
    session.run.closing(made.close)
    return made


def plan(session: Session, *, keyless: bool = False) -> Plan:
    """Return everything about sending that settings decide; `keyless` does without a key.

    For the profile `sandbox` the offline gateway is started inside this process first.
    Raises AuthError when there is no key, before anything else is done, and SetupError where
    too few files may be open.
    """
    from apiyi_cli.wire.http.descriptors import require_descriptors

    options = session.fill(Connection())
    settings, run = session.settings, session.run
    base_urls = settings.base_urls
    key = None
    family = ""
    if settings.sandbox:
        base_urls, family = (_sandbox(session),), "sandbox"
    elif not keyless:
        key = session.secret.value
    require_descriptors()
    if options.failover is False:
        base_urls = base_urls[:1]
    total_at = None if options.max_time is None else run.began_s + options.max_time
    observer = None
    if session.output.verbose:
        from apiyi_cli.wire.http.trace import Trace

        observer = Trace(session.console.say)
    made = Plan(
        base_urls=base_urls,
        key=key,
        tell=session.note,
        environ=run.environ,
        timeouts=settings.timeouts._replace(total_at=total_at),
        policy=policy(session.given(Connection()), INTERACTIVE),
        retry_budget=RetryBudget(),
        extra=tuple(options.header or ()),
        cacert=options.cacert,
        proxy=options.proxy,
        observer=observer,
        clock=run.clock,
    )
    cache, cache_ttl_s = _cache(session)
    return made._replace(
        failover=_failover(session, made) if len(base_urls) > 1 else None,
        limiter=_limiter(session, key) if key and options.limits is not False else None,
        cache=cache,
        cache_ttl_s=cache_ttl_s,
        family=family,
        on_sent=session.record,
        account=_account(session, made),
    )


def policy(options: Connection, base: RetryPolicy) -> RetryPolicy:
    """Return the retry policy with what the user gave; `options` have no defaults."""
    return retry_policy(
        base,
        retries=options.retries,
        possibly_billed_retries=options.retry_ambiguous,
        max_retry_time_s=options.max_retry_time,
        max_time_s=options.max_time,
    )


def bulk(session: Session, plan: Plan) -> Plan:
    """Return the plan of a run of many requests; the first wait for the limits is said once."""
    said = threading.Lock()

    def tell_first(text: str) -> None:
        if said.acquire(blocking=False):
            session.note(text)

    return plan._replace(bulk=True, tell_wait=tell_first)


def _failover(session: Session, plan: Plan) -> Failover:
    from apiyi_cli.wire.retry.failover import CircuitBreaker, Failover

    breaker = CircuitBreaker(state_dir(session.run.environ) / "breaker.json", session.run.clock)
    return Failover(plan.base_urls, breaker, probe=_probe(plan), tell=session.note)


def brief(plan: Plan) -> Sender:
    """Return a sender for a free look at the gateway that keeps nobody waiting."""
    return Sender(
        plan._replace(
            failover=None,
            limiter=None,
            cache=None,
            on_sent=None,
            counts=None,
            account=None,
            timeouts=PROBE_TIMEOUTS._replace(total_at=plan.timeouts.total_at),
            policy=plan.policy._replace(attempts=1, fixed=True),
        )
    )


def _account(session: Session, plan: Plan) -> Account:
    """Return what asks for free before a refusal is believed; nothing is asked until then."""
    from apiyi_cli.wire.retry.account import Account

    def ask(call: Call) -> Any:
        asking = brief(plan)
        try:
            ((found, _),) = asking.answer(call, _read_free, shows=lambda item: False)
        finally:
            asking.close()
        return found

    def _read_free(reply: Reply) -> Iterator[Any]:
        from apiyi_cli.decode.whole import value

        yield value(reply, cost="free")

    def list_models() -> list[str]:
        from apiyi_cli.cli.gateway.hints import listed_models

        return listed_models(session, plan)

    return Account(ask, list_models, plan.clock.monotonic)


def _probe(plan: Plan) -> Callable[[str], bool]:
    """Return the free call that tells whether an address that was down is up again."""

    def answers(address: str) -> bool:
        from apiyi_cli.core.endpoints import MODELS
        from apiyi_cli.errors import ApiyiError

        prober = brief(plan._replace(base_urls=(address,)))
        try:
            seen = list(prober.answer(MODELS.call(), _status, shows=lambda status: True))
        except ApiyiError:
            return False
        finally:
            prober.close()
        # A refusal comes from the API itself; what stands in front of it says 5xx.
        return seen[0] < 500

    return answers


def _status(reply: Reply) -> Iterator[int]:
    yield reply.status


def _limiter(session: Session, key: str) -> RateLimiter:
    limits = session.settings.limits
    if limits.store is not None:
        from apiyi_cli.wire.limits.redis_limiter import RedisLimiter

        return RedisLimiter(limits.store, key, limits, clock=session.run.clock, tell=session.note)
    from apiyi_cli.wire.limits.limiter import Limiter

    return Limiter(
        runtime_dir(session.run.environ),
        key,
        limits,
        clock=session.run.clock,
        tell=session.detail,
    )


def _cache(session: Session) -> tuple[Cache | None, float]:
    wanted = session.request.cache
    if wanted is None or session.request.no_cache:
        return None, 0.0
    from apiyi_cli.wire.cache import Cache, parse_ttl

    try:
        seconds = parse_ttl(wanted)
    except UsageError as unfit:
        origin = session.settings.origin("cache")
        if origin.startswith("flag"):
            raise
        raise SetupError(
            Text("cache: {origin}", origin=origin), unfit.why, hint=unfit.hint
        ) from unfit
    path = cache_dir(session.run.environ) / "replies.sqlite3"
    cache = Cache(path, clock=session.run.clock, tell=session.note)
    session.run.closing(cache.close)
    return cache, seconds


def _sandbox(session: Session) -> str:
    from apiyi_cli.sandbox.server import Gateway

    gateway = Gateway().start()
    session.run.closing(gateway.close)
    return gateway.base_url
