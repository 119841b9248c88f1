"""`apiyi usage`: what was used, by this machine's ledger or the gateway's log."""

from __future__ import annotations

import re
from collections.abc import Sequence

from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.output.ledger import load_prices, open_ledger
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options import Group, flag
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.errors import UsageError
from apiyi_cli.store.ledger import Total
from apiyi_cli.store.prices import format_cost
from apiyi_cli.text import Text

UNITS_S = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
SINCE = "30d"
REMOTE_SINCE = "7d"
"""The default span of --remote; shorter, because the log is read day by day in small pages."""
BAR_WIDTH = 16
LEAST_BAR_WIDTH = 6
FIGURES = range(1, 6)
"""Columns that hold numbers or `unknown`."""
HEADINGS = {
    str(name): name
    for name in (Text("model"), Text("day"), Text("profile"), Text("endpoint"), Text("tag"))
}


class Period(Group, config=False):
    """Which part of the ledger is summed, and by what."""

    since = flag(
        str,
        Text("How far back: 24h, 7d, 4w, or a date 2026-01-31 (30d; with --remote 7d)."),
        metavar="SPAN",
    )
    by = flag(
        str,
        Text("What to sum by (model)."),
        metavar="GROUP",
        choices=("model", "day", "profile", "endpoint", "tag"),
    )
    remote = flag(bool, Text("Show the gateway's own charges (needs the system token)."))
    reconcile = flag(bool, Text("Say which requests without a known end the gateway billed."))


def usage(ctx: Context, *, period: Period, connection: Connection, output: Output) -> None:
    """Show what was used: requests, tokens and estimated cost.

    Counts what this machine sent. Costs are estimates from the price list that
    `apiyi models --update` fetched; what has no price is told, never counted as 0.
    """
    by = period.by or "model"
    _require_fitting(period, by)
    default = REMOTE_SINCE if period.remote else SINCE
    span = default if period.since is None else period.since
    since_s = _parse_since(span, ctx.process.clock.wall())
    if not (period.remote or period.reconcile):
        _print_ledger(ctx, since_s, by)
        return
    from apiyi_cli.cli.commands.usage.remote import print_billing, print_charges

    if period.remote:
        print_charges(ctx, since_s, by, HEADINGS[by])
    else:
        print_billing(ctx, since_s)


def _print_ledger(ctx: Context, since_s: float, by: str) -> None:
    totals = open_ledger(ctx.settings).totals(since_s, by)
    if ctx.output.form != "text" or not ctx.process.console.stdout_is_terminal:
        ctx.output.write_records(
            {by if name == "group" else name: getattr(total, name) for name in Total._fields}
            for total in totals
        )
    elif totals:
        ctx.output.write([_format_totals(ctx, totals, by)], content="styled")
        _print_notes(ctx, totals)
    else:
        ctx.messages.note(Text("nothing was used in that time"))


def _print_notes(ctx: Context, totals: Sequence[Total]) -> None:
    """Print what the figures do not include."""
    if uncertain := sum(total.uncertain for total in totals):
        cost = sum(total.uncertain_cost or 0.0 for total in totals)
        ctx.messages.note(
            Text(
                "{count} requests may have been billed without an answer: {cost} of the cost",
                count=uncertain,
                cost=format_cost(cost or None),
            )
        )
    if not len(load_prices(ctx.settings)):
        ctx.messages.note(Text("no price list: apiyi models --update fetches it"))


def _require_fitting(period: Period, by: str) -> None:
    if period.remote and period.reconcile:
        raise UsageError(
            Text("cannot use --remote with --reconcile"), Text("each asks for another list")
        )
    if period.reconcile and period.by is not None:
        raise UsageError(Text("cannot use --by with --reconcile"), Text("it sums nothing"))
    if period.remote and by not in ("model", "day"):
        raise UsageError(
            Text("cannot use --by {by} with --remote", by=by),
            Text("the gateway's log does not say it"),
            hint="--by model, or --by day",
        )


def _parse_since(span: str, now_s: float) -> float:
    """Return the start of a time span. Raises UsageError unless it is a span or a date."""
    import time

    if match := re.fullmatch(r"(\d{1,6})([mhdw])", span):
        return now_s - int(match[1]) * UNITS_S[match[2]]
    try:
        return time.mktime(time.strptime(span, "%Y-%m-%d"))
    except (ValueError, OverflowError):
        raise UsageError(
            Text("cannot use --since {span}", span=span),
            Text("it is neither a span nor a date"),
            hint="--since 7d, or --since 2026-01-31",
        ) from None


def _format_totals(ctx: Context, totals: Sequence[Total], by: str) -> bytes:
    from apiyi_cli.render.table import format_table
    from apiyi_cli.render.wrap import display_width

    rows: list[list[object]] = [
        [
            total.group or "-",
            total.requests,
            total.failed,
            Text("unknown") if total.prompt_tokens is None else total.prompt_tokens,
            Text("unknown") if total.completion_tokens is None else total.completion_tokens,
            format_cost(total.cost) + ("+" if total.cost is not None and total.unpriced else ""),
        ]
        for total in totals
    ]
    figures = (Text("requests"), Text("failed"), Text("input"), Text("output"), Text("cost"))
    headers = [HEADINGS[by], *figures]
    # The figures come first: bars take the room that is left, if it shows anything.
    width, translate = ctx.process.console.width, ctx.messages.translate
    table = format_table(rows, headers, width=width, color=False, translate=translate)
    room = min(BAR_WIDTH, width - 2 - max(map(display_width, table.split("\n"))))
    if room >= LEAST_BAR_WIDTH:
        # Money if a price is known, else tokens.
        if any(total.cost for total in totals):
            headers.append(Text("by cost"))
            amounts = [total.cost or 0.0 for total in totals]
        else:
            headers.append(Text("tokens"))
            amounts = [float(total.total_tokens or 0) for total in totals]
        for row, amount in zip(rows, amounts, strict=True):
            row.append(_format_bar(amount, max(amounts), room))
    return ctx.output.format_table(rows, headers, FIGURES)


def _format_bar(amount: float, most: float, room: int) -> str:
    if not amount or not most:
        return ""
    eighths = max(1, round(amount / most * room * 8))
    rest = " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    return "█" * (eighths // 8) + rest


app = single(spread(usage))
