"""`apiyi usage`: what was used, from the ledger on this machine."""

from __future__ import annotations

import re
from collections.abc import Sequence

from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.output.ledger import load_prices, open_ledger
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options import Group, flag
from apiyi_cli.core.options.output import Output
from apiyi_cli.errors import UsageError
from apiyi_cli.store.ledger import Total
from apiyi_cli.store.prices import format_cost
from apiyi_cli.text import Text

UNITS_S = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
BAR = 16
LEAST_BAR = 6
HEADINGS = {
    "model": Text("model"),
    "day": Text("day"),
    "profile": Text("profile"),
    "endpoint": Text("endpoint"),
}


class Span(Group):
    """Which part of the ledger is looked at, and how it is summed."""

    since = flag(
        str,
        "--since",
        help=Text("How far back: 24h, 7d, 4w, or a date 2026-01-31 (30d)."),
        panel="Options",
        metavar="SPAN",
        config=False,
    )
    by = flag(
        str,
        "--by",
        help=Text("What to sum by (model)."),
        panel="Options",
        metavar="GROUP",
        choices=("model", "day", "profile", "endpoint"),
        config=False,
    )


def usage(ctx: Context, *, span: Span, output: Output) -> None:
    """Show what was used: requests, tokens and estimated cost.

    Counts what this machine sent. Costs are estimates from the price list that
    `apiyi models --update` fetched; what has no price is told, never counted as 0.
    """
    by = span.by or "model"
    since = _moment("30d" if span.since is None else span.since, ctx.process.clock.wall())
    totals = open_ledger(ctx.settings).totals(since, by)
    if ctx.output.form == "text" and ctx.process.console.stdout_is_terminal:
        if not totals:
            ctx.messages.note(Text("nothing was used in that time"))
            return
        ctx.output.write([_table(ctx, totals, by)], content="styled")
        if uncertain := sum(one.uncertain for one in totals):
            cost = sum(one.uncertain_cost or 0.0 for one in totals)
            ctx.messages.note(
                Text(
                    "{count} requests may have been billed without an answer: {cost} of the cost",
                    count=uncertain,
                    cost=format_cost(cost or None),
                )
            )
        if not len(load_prices(ctx.settings)):
            ctx.messages.note(Text("no price list: apiyi models --update fetches it"))
        return
    from apiyi_cli.core.jsontext import write

    rows = ({by: one.group, **one._asdict()} for one in totals)
    lines = (
        write({name: value for name, value in row.items() if name != "group"}) + b"\n"
        for row in rows
    )
    ctx.output.write(ctx.output.filter_lines(lines), content="json")


def _moment(span: str, now: float) -> float:
    import time

    if match := re.fullmatch(r"(\d{1,6})([mhdw])", span):
        return now - int(match[1]) * UNITS_S[match[2]]
    try:
        return time.mktime(time.strptime(span, "%Y-%m-%d"))
    except (ValueError, OverflowError):
        raise UsageError(
            Text("cannot use --since {span}", span=span),
            Text("it is neither a span nor a date"),
            hint="--since 7d, or --since 2026-01-31",
        ) from None


def _table(ctx: Context, totals: Sequence[Total], by: str) -> bytes:
    from apiyi_cli.render.table import format_table
    from apiyi_cli.render.wrap import display_width

    width, translate = ctx.process.console.width, ctx.messages.translate
    rows: list[list[object]] = [
        [
            one.group or "-",
            one.requests,
            one.failed,
            Text("unknown") if one.prompt_tokens is None else one.prompt_tokens,
            Text("unknown") if one.completion_tokens is None else one.completion_tokens,
            format_cost(one.cost) + ("+" if one.cost is not None and one.unpriced else ""),
        ]
        for one in totals
    ]
    headers = [
        HEADINGS[by],
        Text("requests"),
        Text("failed"),
        Text("input"),
        Text("output"),
        Text("cost"),
    ]
    # The figures come first: bars take the room that is left, if it shows anything.
    figures = format_table(rows, headers, width=width, color=False, translate=translate)
    room = min(BAR, width - 2 - max(map(display_width, figures.split("\n"))))
    if room >= LEAST_BAR:
        most = max((one.total_tokens or 0 for one in totals), default=0)
        headers.append(Text("tokens"))
        for row, one in zip(rows, totals, strict=True):
            row.append(_bar(one.total_tokens, most, room))
    table = format_table(rows, headers, width=width, color=ctx.output.color, translate=translate)
    return table.encode("utf-8", "replace")


def _bar(tokens: int | None, most: int, room: int) -> str:
    if not tokens or not most:
        return ""
    eighths = max(1, round(tokens / most * room * 8))
    rest = " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    return "█" * (eighths // 8) + rest


app = single(spread(usage))
