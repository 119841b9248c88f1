"""Makes the wire's plan from the settings of a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from apiyi_cli.core.endpoints import MODELS
from apiyi_cli.core.hosts import NODES
from apiyi_cli.decode.frames.reply_body import read_json
from apiyi_cli.errors import ApiyiError, SetupError, UsageError
from apiyi_cli.settings.defaults import INTERACTIVE, PROBE_TIMEOUTS, Timeouts
from apiyi_cli.settings.paths import cache_dir, runtime_dir, state_dir
from apiyi_cli.text import Text
from apiyi_cli.wire.http.descriptors import require_descriptors
from apiyi_cli.wire.retry.account import Account
from apiyi_cli.wire.retry.attempts import RetryBudget
from apiyi_cli.wire.send import Plan, Sender

if TYPE_CHECKING:
    from apiyi_cli.batch.state.store_lock import StoreLock
    from apiyi_cli.cli.process import Process
    from apiyi_cli.cli.settings import CommandSettings
    from apiyi_cli.core.call import Call, Reply
    from apiyi_cli.wire.cache import Cache
    from apiyi_cli.wire.http.trace import Trace
    from apiyi_cli.wire.limits.admission import RateLimiter
    from apiyi_cli.wire.retry.failover import Failover
    from apiyi_cli.wire.send import Plan, SentRequest

T = TypeVar("T")

LONG_TIMEOUT_S = 3600
"""A longer timeout was probably meant in milliseconds."""


def request_notes(call: Call, base_urls: Sequence[str]) -> Iterator[Text | str]:
    """Yield the notes about a request, before it is sent or shown."""
    yield from call.notes
    if call.cost == "heavy" and base_urls[:1] == (NODES["cf"],):
        yield Text(
            "the node cf is for short texts: it cuts what takes longer than about 100 s; sent as"
            " asked"
        )


def make_plan(process: Process, settings: CommandSettings, *, keyless: bool = False) -> Plan:
    """Return everything about sending that settings decide; `keyless` does without a key.

    For the profile `sandbox` the offline gateway is started inside this process first. Raises
    AuthError when a key is missing, and SetupError where too few files may be open.
    """
    options = settings.connection
    key = None if settings.sandbox or keyless else settings.secret.value
    require_descriptors()
    base_urls = _find_base_urls(process, settings)
    cache, cache_ttl_s = _open_cache(process, settings)
    plan = Plan(
        base_urls=base_urls,
        key=key,
        family="sandbox" if settings.sandbox else "",
        tell=process.messages.note,
        environ=process.environ,
        timeouts=_find_timeouts(process, settings),
        policy=settings.retry_policy(INTERACTIVE),
        retry_budget=RetryBudget(),
        extra=tuple(options.header or ()),
        cacert=options.cacert,
        proxy=options.proxy,
        observer=_make_trace(process, settings),
        clock=process.clock,
        limiter=_make_limiter(process, settings, key),
        cache=cache,
        cache_ttl_s=cache_ttl_s,
        on_sent=_make_ledger_writer(process, settings),
        preconnection=process.preconnection,
    )
    return _with_checks(plan, process, settings)


def renew_plan(plan: Plan, process: Process, settings: CommandSettings) -> Plan:
    """Return the plan with the time limit counted from the process's new start."""
    if settings.connection.max_time is None:
        return plan
    plan = plan._replace(timeouts=_find_timeouts(process, settings))
    return _with_checks(plan, process, settings)


def _with_checks(plan: Plan, process: Process, settings: CommandSettings) -> Plan:
    """Return the plan with its checks of URLs and keys, which send requests by it."""
    return plan._replace(
        failover=_make_failover(process, plan) if len(plan.base_urls) > 1 else None,
        account=_make_account(process, settings, plan),
    )


def _find_base_urls(process: Process, settings: CommandSettings) -> Sequence[str]:
    """Return the base URLs, the first one first; starts the sandbox if it is meant."""
    base_urls, timeout_s = settings.base_urls, settings.connection.timeout or 0
    if timeout_s > LONG_TIMEOUT_S:
        process.messages.note(
            Text(
                "--timeout counts seconds: {seconds} is {hours} hours (the vendor's tool of the"
                " same name counts milliseconds)",
                seconds=f"{timeout_s:g}",
                hours=f"{timeout_s / 3600:.1f}",
            )
        )
    if settings.sandbox:
        from apiyi_cli.sandbox.server import Gateway

        gateway = Gateway().start()
        process.on_exit(gateway.close)
        return (gateway.base_url,)
    if url := settings.completed_base_url:
        process.messages.note(Text("the base URL gets its /v1: {url}", url=url))
    return base_urls[:1] if settings.connection.failover is False else base_urls


def _find_timeouts(process: Process, settings: CommandSettings) -> Timeouts:
    """Return the timeouts in force; `--max-time` counts from the start of the run."""
    max_time_s = settings.connection.max_time
    total_at = None if max_time_s is None else process.started_s + max_time_s
    return settings.timeouts._replace(total_at=total_at)


def _make_trace(process: Process, settings: CommandSettings) -> Trace | None:

    if not settings.output.verbose:
        return None
    from apiyi_cli.wire.http.trace import Trace

    return Trace(process.messages.print)


def make_bulk_plan(plan: Plan) -> Plan:
    """Return the plan for many requests; only the first wait for the limits is reported."""
    is_said = threading.Lock()

    def note_first(text: str) -> None:
        if is_said.acquire(blocking=False):
            plan.tell(text)

    return plan._replace(bulk=True, tell_wait=note_first)


def _make_failover(process: Process, plan: Plan) -> Failover:
    from apiyi_cli.wire.retry.failover import CircuitBreaker, Failover

    breaker = CircuitBreaker(state_dir(process.environ) / "breaker.json", process.clock)
    return Failover(plan.base_urls, breaker, probe=partial(_is_up, plan), tell=plan.tell)


def make_probe(plan: Plan, base_url: str | None = None) -> Sender:
    """Return a sender for a free request, to `url` if given, with short timeouts."""
    return Sender(
        plan._replace(
            base_urls=plan.base_urls if base_url is None else (base_url,),
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


def ask(sender: Sender, call: Call, read: Callable[[Reply], T]) -> T:
    """Send a call and return `read(reply)`; the reply's body has not been read."""

    def decode(reply: Reply) -> Iterator[T]:
        yield read(reply)

    (result,) = sender.answer(call, decode, shows=lambda item: False)
    return result


def ask_probe(plan: Plan, call: Call, read: Callable[[Reply], T], base_url: str | None = None) -> T:
    """Return `read(reply)` of a free request with short timeouts, to `base_url` if given."""
    sender = make_probe(plan, base_url)
    try:
        return ask(sender, call, read)
    finally:
        sender.close()


def _make_account(process: Process, settings: CommandSettings, plan: Plan) -> Account:
    """Return the check of refusals by free requests; it sends nothing until then."""

    def ask_account(call: Call) -> Any:
        return ask_probe(plan, call, lambda reply: read_json(reply, cost="free")[0])

    return Account(ask_account, partial(list_models, plan, process, settings), plan.clock.monotonic)


def list_models(plan: Plan, process: Process, settings: CommandSettings) -> list[str]:
    """Return the model names that the gateway lists now, [] if it does not answer."""
    from apiyi_cli.cli.gateway.models import keep_model_names, read_models

    try:
        models, _ = ask_probe(plan, MODELS.call(), read_models)
    except ApiyiError:
        return []
    names = [model["id"] for model in models]
    keep_model_names(settings, names, process.messages.debug)
    return names


def _is_up(plan: Plan, base_url: str) -> bool:
    """Return True if the API at a URL answers a free call again."""
    try:
        status = ask_probe(plan, MODELS.call(), lambda reply: reply.status, base_url)
    except ApiyiError:
        return False
    # A refusal comes from the API itself; a proxy in front of it says 5xx.
    return status < 500


def _make_limiter(
    process: Process, settings: CommandSettings, key: str | None
) -> RateLimiter | None:
    """Return the limiter of the key, None without a key or a limit."""
    if not key or settings.connection.limits is False:
        return None
    limits, messages = settings.limits, process.messages
    if limits.store is not None:
        from apiyi_cli.wire.limits.redis_limiter import RedisLimiter

        return RedisLimiter(limits.store, key, limits, clock=process.clock, tell=messages.note)
    from apiyi_cli.wire.limits.limiter import Limiter

    folder = runtime_dir(process.environ)
    return Limiter(folder, key, limits, clock=process.clock, tell=messages.debug)


def _open_cache(process: Process, settings: CommandSettings) -> tuple[Cache | None, float]:
    ttl = settings.request.cache
    if ttl is None or settings.request.no_cache:
        return None, 0.0
    from apiyi_cli.wire.cache import Cache, parse_ttl

    try:
        seconds = parse_ttl(ttl)
    except UsageError as failure:
        origin = settings.origin("cache")
        if origin.startswith("flag"):
            raise
        raise SetupError(
            Text("cache: {origin}", origin=origin), failure.why, hint=failure.hint
        ) from failure
    path = cache_dir(process.environ) / "replies.sqlite3"
    cache = Cache(path, clock=process.clock, tell=process.messages.note)
    process.on_exit(cache.close)
    return cache, seconds


def _make_ledger_writer(
    process: Process, settings: CommandSettings
) -> Callable[[SentRequest], None] | None:
    """Return the writer of finished requests to the ledger, None without a ledger."""
    if not settings.usage_ledger or settings.sandbox:
        return None
    from apiyi_cli.cli.output.ledger import LedgerWriter

    writer = LedgerWriter(process, settings)
    process.on_exit(writer.close)
    return writer.add


def make_store_lock(plan: Plan, note: Callable[[str], None]) -> StoreLock | None:
    """Return the lease on an output in the shared store, None without a store."""
    if plan.limiter is None or plan.limiter.limits.store is None:
        return None
    from apiyi_cli.batch.state.store_lock import StoreLock
    from apiyi_cli.wire.limits.redis_limiter import RedisLimiter

    assert isinstance(plan.limiter, RedisLimiter)
    return StoreLock(plan.limiter, plan.clock, note, plan.timeouts.total_at)
