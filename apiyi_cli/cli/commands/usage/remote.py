"""The gateway's log: `apiyi usage --remote` sums it, `--reconcile` asks it what was billed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.account import open_account
from apiyi_cli.cli.gateway.key_group import keep_group
from apiyi_cli.cli.gateway.key_log import fetch_key_charges
from apiyi_cli.cli.output.ledger import open_ledger
from apiyi_cli.core.endpoints import find_endpoint
from apiyi_cli.decode.account import Charge
from apiyi_cli.errors import AuthError
from apiyi_cli.store.ledger import SentRecord
from apiyi_cli.store.prices import format_cost
from apiyi_cli.text import Text

BEFORE_S = 60.0
"""The largest difference between the clocks of this machine and of the gateway."""
SETTLED_S = 900.0
"""A request that is not in the log so long after its end was not billed."""


def print_charges(ctx: Context, since_s: float, by: str, heading: str) -> None:
    """Print the sums of the account's charges since a moment, by `model` or `day`."""
    with open_account(ctx.gateway, ctx.settings) as account:
        rows = sum_charges(account.fetch_charges(since_s, ctx.process.clock.wall()), by)
    if ctx.output.form != "text" or not ctx.output.is_terminal:
        ctx.output.write_own_records(rows)
    elif rows:
        ctx.output.write([_format_charges(ctx, rows, by, heading)], content="styled")
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


def _format_charges(ctx: Context, rows: Sequence[dict[str, Any]], by: str, heading: str) -> bytes:
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


class BillingStatus(NamedTuple):
    """The log's statement about one request; `billed` is None if it has none."""

    request_id: str | None
    time: str
    command: str
    billed: bool | None
    usd: float | None


def print_billing(ctx: Context, since_s: float) -> None:
    """Print for each possibly billed request of the profile whether it was billed."""
    sent = open_ledger(ctx.settings).list_sent(since_s, ctx.settings.profile)
    uncertain = [record for record in sent if record.uncertain]
    now_s = ctx.process.clock.wall()
    statuses: list[BillingStatus] = []
    if uncertain:
        known_ids = {record.request_id for record in sent if record.request_id}
        charges, covered_s = _fetch_log(ctx, uncertain, now_s)
        statuses = [find_status(item, charges, known_ids, now_s, covered_s) for item in uncertain]
    if ctx.output.form != "text" or not ctx.output.is_terminal:
        ctx.output.write_own_records(status._asdict() for status in statuses)
    elif statuses:
        ctx.output.write([_format_billing(ctx, statuses)], content="styled")
    else:
        ctx.messages.note(Text("every request has a known end in that time"))


def find_status(
    record: SentRecord,
    charges: Sequence[Charge],
    known_ids: set[str],
    now_s: float,
    covered_s: float,
) -> BillingStatus:
    """Return the billing status of one request.

    Its id decides. Without an id, its own or in the log's rows (older gateway software writes
    none), it was not billed if the log has no charge for the model at that time that belongs to
    no other request; otherwise nothing can be said. A log that begins only at `covered_s`, or
    a request that has just ended, proves nothing by an absence.
    """
    begin_s, end_s = span(record)
    own = [
        charge.usd
        for charge in charges
        if record.request_id and charge.request_id == record.request_id
    ]
    usd = sum(own) if record.request_id else 0.0
    billed = usd > 0 if own else None
    if not own and begin_s >= covered_s and now_s >= end_s:
        may_be_its = any(
            begin_s <= charge.created_at <= end_s
            and charge.model in (record.model, "")
            and charge.request_id not in known_ids
            and not (record.request_id and charge.request_id)
            for charge in charges
        )
        billed = None if may_be_its else False
    endpoint = find_endpoint("POST", record.endpoint)
    return BillingStatus(
        record.request_id,
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.at)),
        record.endpoint if endpoint is None else endpoint.command,
        billed,
        None if billed is None else round(usd, 6),
    )


def span(record: SentRecord) -> tuple[float, float]:
    """Return the span in which the charge of a request may have been logged."""
    return record.at - BEFORE_S, record.at + record.ms / 1000 + SETTLED_S


def merge_spans(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return time spans in order, overlapping ones merged."""
    merged: list[tuple[float, float]] = []
    for begin_s, end_s in sorted(spans):
        if merged and begin_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end_s, merged[-1][1]))
        else:
            merged.append((begin_s, end_s))
    return merged


def _fetch_log(
    ctx: Context, uncertain: Sequence[SentRecord], now_s: float
) -> tuple[list[Charge], float]:
    """Return the charges that may belong to these requests, and since when they are complete.

    The log of the key is asked for first; the account's where that does not reach back far
    enough. Raises AuthError where neither can be read.
    """
    charges = fetch_key_charges(ctx.gateway.plan, ctx.messages.debug)
    keep_group(ctx.settings, charges)
    covered_s = min((charge.created_at for charge in charges), default=float("inf"))
    logged = {charge.request_id for charge in charges if charge.request_id}
    if all(span(item)[0] >= covered_s or item.request_id in logged for item in uncertain):
        return charges, covered_s
    try:
        opened = open_account(ctx.gateway, ctx.settings)
    except AuthError as failure:
        if not charges:
            raise
        ctx.messages.note(
            Text("only the key's own log could be read: {message}", message=failure.summary())
        )
        return charges, covered_s
    with opened as account:
        charges = [
            charge
            for begin_s, end_s in merge_spans(map(span, uncertain))
            for charge in account.fetch_charges(begin_s, min(end_s, now_s))
        ]
    return charges, 0.0


def _format_billing(ctx: Context, statuses: Sequence[BillingStatus]) -> bytes:
    words = {True: Text("yes"), False: Text("no"), None: Text("unknown")}
    rows = [
        [
            status.time,
            status.command,
            status.request_id or "-",
            words[status.billed],
            "-" if status.usd is None else format_cost(status.usd).removeprefix("≈ "),
        ]
        for status in statuses
    ]
    headers = [Text("time"), Text("command"), Text("request id"), Text("billed"), Text("charged")]
    return ctx.output.format_table(rows, headers)
