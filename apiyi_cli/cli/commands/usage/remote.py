"""`apiyi usage --remote`: the gateway's own charges, summed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.account import open_account
from apiyi_cli.decode.account import Charge
from apiyi_cli.store.prices import format_cost
from apiyi_cli.text import Text


def print_charges(ctx: Context, since_s: float, by: str, heading: str) -> None:
    """Print the sums of the account's charges since a moment, by `model` or `day`."""
    with open_account(ctx.gateway, ctx.settings) as account:
        rows = sum_charges(account.fetch_charges(since_s, ctx.process.clock.wall()), by)
    if ctx.output.form != "text" or not ctx.output.is_terminal:
        ctx.output.write_own_records(rows)
    elif rows:
        ctx.output.write([_table(ctx, rows, by, heading)], content="styled")
    else:
        ctx.messages.note(Text("the gateway charged nothing in that time"))


def sum_charges(charges: Iterable[Charge], by: str) -> list[dict[str, Any]]:
    """Return a row for each model, most expensive first, or for each day, in order."""
    rows: dict[str, dict[str, Any]] = {}
    for charge in charges:
        name = charge.model
        if by == "day":
            name = time.strftime("%Y-%m-%d", time.localtime(charge.created_at))
        new = {by: name, "requests": 0, "prompt_tokens": 0, "completion_tokens": 0, "usd": 0.0}
        row = rows.setdefault(name, new)
        row["requests"] += 1
        row["prompt_tokens"] += charge.prompt_tokens
        row["completion_tokens"] += charge.completion_tokens
        row["usd"] += charge.usd
    for row in rows.values():
        row["usd"] = round(row["usd"], 6)
    if by == "day":
        return [rows[day] for day in sorted(rows)]
    return sorted(rows.values(), key=lambda row: (-row["usd"], row[by]))


def _table(ctx: Context, rows: Sequence[dict[str, Any]], by: str, heading: str) -> bytes:
    headers = [heading, Text("requests"), Text("input"), Text("output"), Text("charged")]
    cells = [
        [
            row[by] or "-",
            row["requests"],
            row["prompt_tokens"],
            row["completion_tokens"],
            format_cost(row["usd"]).removeprefix("≈ "),
        ]
        for row in rows
    ]
    return ctx.output.format_table(cells, headers)
