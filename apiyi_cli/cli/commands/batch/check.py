"""A batch that is looked at and not sent: `--check`, `--dry-run` and `--strict`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiyi_cli.batch.rows.row import Row, RowReader
from apiyi_cli.core.call import Call
from apiyi_cli.core.jsontext import write
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.errors import PartialError, UsageError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context

BAD_ROWS_TOLD = 20
MODELS_TOLD = 10
BLOCK_BYTES = 1 << 16


def check(ctx: Context, rows: RowReader) -> None:
    """Print how many rows there are, what they will need at the key's limits, and cost.

    Raises UsageError when a row is bad, after naming the first of them.
    """
    from apiyi_cli.build.tokens import estimate_tokens
    from apiyi_cli.render.progress import span

    bad = BadRows(ctx)
    money = CostEstimate(ctx)
    count = tokens = 0
    for row in rows:
        if row.call is None:
            bad.add(row)
            continue
        count += 1
        tokens += estimate_tokens(row.call)
        money.add(row.call)
    limits = ctx.settings.limits
    seconds = limits.window_s * max(count / limits.rpm, tokens / limits.tpm)
    found = {
        "rows": count + bad.count,
        "bad": bad.count,
        "requests": count,
        "tokens_estimate": tokens,
        "seconds_at_limits": round(seconds, 1),
        "cost_estimate": money.total,
        "unpriced": sorted(money.unpriced),
    }
    if ctx.output.form == "text":
        shown = (
            f"{count + bad.count:,} rows, {bad.count:,} bad, {count:,} requests, "
            f"≈ {tokens:,} tokens, {span(seconds)} at {limits.rpm:,} requests and "
            f"{limits.tpm:,} tokens in {limits.window_s:g} s, {money.describe()}\n"
        )
        ctx.process.console.write(shown.encode())
    else:
        ctx.process.console.write(b"".join(ctx.output.filter_lines([write(found) + b"\n"])), "json")
    money.note_unpriced()
    bad.refuse()


def show(ctx: Context, rows: RowReader) -> None:
    """Print the requests, one JSON object each; bad rows are named on stderr."""
    from apiyi_cli.cli.gateway.dry_run import describe_request

    if ctx.settings.request.code:
        raise UsageError(Text("cannot use --code"), Text("it shows one request"), hint="--dry-run")
    urls = ctx.settings.base_urls
    base_url = urls[0] if urls else "http://127.0.0.1:1/v1"
    extra = ctx.settings.fill(Connection()).header
    bad = BadRows(ctx)
    block: list[bytes] = []
    size = 0
    for row in rows:
        if row.call is None:
            bad.add(row)
            continue
        block.append(describe_request(row.call, base_url, extra, ctx.process.secrets))
        size += len(block[-1])
        if size > BLOCK_BYTES:
            ctx.process.console.write(b"".join(ctx.output.filter_lines(block)), "json")
            block, size = [], 0
    ctx.process.console.write(b"".join(ctx.output.filter_lines(block)), "json")
    if bad.count:
        raise PartialError(
            Text("not all rows can be sent"), Text("{count} are bad", count=f"{bad.count:,}")
        )


def refuse_bad(ctx: Context, rows: RowReader) -> None:
    """Raise UsageError, after naming the first bad rows, unless all rows are good."""
    bad = BadRows(ctx)
    for row in rows:
        if row.call is None:
            bad.add(row)
    bad.refuse()


class CostEstimate:
    """Adds up what requests will cost, by the price list; `unpriced` are models it lacks."""

    def __init__(self, ctx: Context) -> None:
        from apiyi_cli.cli.output.ledger import load_prices

        self._ctx = ctx
        self._prices = load_prices(ctx.settings)
        self._sum = 0.0
        self._count = 0
        self.unpriced: set[str] = set()

    def add(self, call: Call) -> None:
        """Add the estimated price of one request."""
        from apiyi_cli.cli.output.ledger import estimate_cost

        cost = estimate_cost(self._prices, call, None, guess=True)
        if cost is None:
            self.unpriced.add(call.model or "")
            return
        self._sum += cost
        self._count += 1

    @property
    def total(self) -> float | None:
        """Return the sum in US dollars, None if a part of it is not known."""
        return None if self.unpriced or not self._count else round(self._sum, 6)

    def describe(self) -> str:
        """Return the sum for people."""
        from apiyi_cli.store.prices import shown

        if self.unpriced and self._count:
            return f"{shown(self._sum)} + unknown"
        return "price unknown" if self.unpriced else shown(self._sum)

    def note_unpriced(self) -> None:
        """Say which prices are missing."""
        if not len(self._prices):
            self._ctx.messages.note(Text("no price list: apiyi models --update fetches it"))
        elif self.unpriced:
            names = ", ".join(sorted(self.unpriced)[:MODELS_TOLD])
            self._ctx.messages.note(
                Text("no price is known for {models}: apiyi models --update", models=names)
            )


class BadRows:
    """Names the bad rows on stderr, the first of them one by one."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.count = 0

    def add(self, row: Row) -> None:
        """Count a bad row, and name it if it is one of the first."""
        self.count += 1
        if self.count <= BAD_ROWS_TOLD and row.error is not None:
            self._ctx.messages.print_line(row.error.sentence())

    def refuse(self) -> None:
        """Raise UsageError if there was a bad row."""
        if self.count:
            raise UsageError(
                Text("nothing was sent"), Text("bad rows: {count}", count=f"{self.count:,}")
            )
