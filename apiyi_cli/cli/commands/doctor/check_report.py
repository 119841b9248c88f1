"""`apiyi check`: reports in one line or object whether a request would work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.account import fetch_balance
from apiyi_cli.cli.gateway.models import read_models
from apiyi_cli.cli.gateway.plan import ask_probe
from apiyi_cli.core.endpoints import MODELS
from apiyi_cli.core.hosts import NODES
from apiyi_cli.errors import ApiyiError, AuthError, SetupError
from apiyi_cli.text import Text
from apiyi_cli.wire.send import Plan

Status = Literal["ready", "no_key", "invalid_key", "network_error"]
STATUS_NAMES: Final[Mapping[Status, Text]] = {
    "ready": Text("ready"),
    "no_key": Text("no key"),
    "invalid_key": Text("invalid key"),
    "network_error": Text("network error"),
}


class BriefReport(NamedTuple):
    """The object of `check --json`; None is unknown. Values follow the vendor's tool."""

    status: Status
    node: str | None = None
    key_source: str | None = None
    model_count: int | None = None
    latency_ms: int | None = None
    balance_usd: float | None = None


def print_brief(ctx: Context) -> int:
    """Print the report and return the exit code: 0 when a request would work."""
    report, failure = make_report(ctx)
    if ctx.output.form == "text":
        text = ctx.messages.redact(_describe(ctx, report, failure))
        ctx.output.write([f"{text}\n".encode("utf-8", "replace")], content="styled")
    else:
        ctx.output.write_own_records([report._asdict()])
    return 0 if failure is None else failure.exit_code


def make_report(ctx: Context) -> tuple[BriefReport, ApiyiError | None]:
    """Return the report and its error, if any; raise SetupError for a bad set-up.

    The nodes are asked in their order, the first that answers is the one that is reported.
    """
    settings = ctx.settings
    first = name_node(settings.base_urls[0]) if settings.base_urls else None
    try:
        source = settings.secret.source
    except AuthError as failure:
        return BriefReport("no_key", first), failure
    plan = ctx.gateway.make_plan()
    failures: list[ApiyiError] = []
    for base_url in plan.base_urls:
        try:
            count, latency_ms = _count_models(ctx, plan, base_url)
        except SetupError:
            raise
        except ApiyiError as failure:
            failures.append(failure)
            if isinstance(failure, AuthError):
                return BriefReport("invalid_key", name_node(base_url), source), failure
            continue
        report = BriefReport("ready", name_node(base_url), source, count, latency_ms)
        return report._replace(balance_usd=_find_balance(ctx)), None
    return BriefReport("network_error", first, source), failures[0]


def name_node(base_url: str) -> str:
    """Return the gateway's name of a node; for another server host and port."""
    names = {url: name for name, url in NODES.items()}
    return names.get(base_url, urlsplit(base_url).netloc)


def _count_models(ctx: Context, plan: Plan, base_url: str) -> tuple[int, int]:
    """Return how many models a node lists, and its response time in milliseconds."""
    began_s = ctx.process.clock.monotonic()
    models, _ = ask_probe(plan, MODELS.call(), read_models, base_url)
    return len(models), round((ctx.process.clock.monotonic() - began_s) * 1000)


def _find_balance(ctx: Context) -> float | None:
    try:
        ctx.settings.system_token  # noqa: B018
    except ApiyiError:
        return None
    try:
        return round(fetch_balance(ctx.gateway, ctx.settings).usd, 2)
    except ApiyiError as failure:
        ctx.messages.debug(Text("* balance: {reason}", reason=failure.summary()))
        return None


def _describe(ctx: Context, report: BriefReport, failure: ApiyiError | None) -> str:
    """Return the report as a line, with the advice on a second one."""
    say = ctx.messages.translate if ctx.process.console.stdout_is_terminal else str
    status = say(STATUS_NAMES[report.status])
    if failure is not None:
        line = say(Text("{what}: {why}", what=status, why=failure.sentence()))
        return f"{line}\n  {say(Text('try: '))}{say(failure.hint)}" if failure.hint else line
    ready = Text(
        "{status}: {count} models at {node} in {ms} ms, key from {source}",
        status=status,
        count=report.model_count,
        node=report.node,
        ms=report.latency_ms,
        source=report.key_source,
    )
    if report.balance_usd is None:
        return say(ready)
    return say(Text("{line}, ${usd} left", line=ready, usd=f"{report.balance_usd:.2f}"))
