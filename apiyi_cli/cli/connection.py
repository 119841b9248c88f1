"""How a session reaches the gateway: settings turned into the wire's plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiyi_cli.core.groups import Connection
from apiyi_cli.wire.clocks import Timeouts
from apiyi_cli.wire.retry import INTERACTIVE
from apiyi_cli.wire.send import Plan, Sender

if TYPE_CHECKING:
    from apiyi_cli.cli.session import Session


def sender(session: Session) -> Sender:
    """Return a sender for the session, closed with its run.

    For the profile `sandbox` the offline gateway is started inside this process first.
    """
    options = session.fill(Connection())
    settings = session.settings
    run = session.run
    base_urls = settings.base_urls
    key = None
    if settings.sandbox:
        base_urls = (_sandbox(session),)
    else:
        session.secret  # noqa: B018 - a missing key ends the run before anything else
        key = session.secret.value
    watch = None
    if session.output.verbose:
        from apiyi_cli.wire.trace import Trace

        watch = Trace(session.console.say)
    silence = settings.timeouts
    total_at = None if options.max_time is None else run.began_s + options.max_time
    plan = Plan(
        base_urls=base_urls,
        key=lambda base_url: key,
        tell=session.note,
        environ=run.environ,
        timeouts=Timeouts(
            silence.connect_s,
            silence.headers_s,
            silence.byte_gap_s,
            silence.event_gap_s,
            total_at,
        ),
        policy=_policy(options),
        extra=tuple(options.header or ()),
        cacert=options.cacert,
        proxy=options.proxy,
        watch=watch,
        clock=run.clock,
    )
    made = Sender(plan)
    run.closing(made.close)
    return made


def _policy(options: Connection):  # type: ignore[no-untyped-def]
    policy = INTERACTIVE
    attempts = policy.attempts if options.retries is None else options.retries + 1
    budget_s = options.max_retry_time
    from dataclasses import replace

    return replace(
        policy,
        attempts=attempts,
        ambiguous=options.retry_ambiguous,
        max_retry_time_s=policy.max_retry_time_s if budget_s is None else budget_s,
    )


def _sandbox(session: Session) -> str:
    from apiyi_cli.sandbox.server import Gateway

    gateway = Gateway().start()
    session.run.closing(gateway.close)
    return gateway.base_url
