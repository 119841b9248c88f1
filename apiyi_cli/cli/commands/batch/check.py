"""Looks at a batch without sending it: `--check`, `--dry-run` and `--strict`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from apiyi_cli.batch.rows.packing import Packer, pack_rows
from apiyi_cli.batch.rows.row import Row, RowReader
from apiyi_cli.build.tokens import estimate_tokens
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.dry_run import describe_request
from apiyi_cli.cli.output.ledger import estimate_cost, load_prices
from apiyi_cli.cli.settings import CommandSettings
from apiyi_cli.core.call import Call
from apiyi_cli.core.jsontext import write
from apiyi_cli.errors import PartialError, UsageError
from apiyi_cli.render.progress import span
from apiyi_cli.store.prices import format_cost
from apiyi_cli.text import Text

MAX_BAD_ROWS = 20
MAX_MODELS = 10
BLOCK_BYTES = 1 << 16


def check_rows(ctx: Context, rows: RowReader, packer: Packer) -> None:
    """Print how many rows there are, what they need at the key's limits, and cost.

    Raises UsageError if a row is bad, after naming the first of them.
    """
    bad = BadRows(ctx)
    cost = CostEstimate(ctx.settings)
    count = requests = tokens = 0
    for row, call in bad.skip(pack_rows(rows, packer)):
        count += len(row.rows)
        requests += 1
        tokens += estimate_tokens(call)
        cost.add(call)
    limits = ctx.settings.limits
    seconds = limits.window_s * max(requests / limits.rpm, tokens / limits.tpm)
    if ctx.output.form == "text":
        shown = (
            f"{count + bad.count:,} rows, {bad.count:,} bad, {requests:,} requests, "
            f"≈ {tokens:,} tokens, {span(seconds)} at {limits.rpm:,} requests and "
            f"{limits.tpm:,} tokens in {limits.window_s:g} s, {cost.describe()}\n"
        )
        ctx.process.console.write(shown.encode())
    else:
        result = {
            "rows": count + bad.count,
            "bad": bad.count,
            "requests": requests,
            "tokens_estimate": tokens,
            "seconds_at_limits": round(seconds, 1),
            "cost_estimate": cost.total,
            "unpriced": sorted(cost.unpriced),
        }
        _write_json(ctx, [write(result) + b"\n"])
    if message := cost.describe_unpriced():
        ctx.messages.note(message)
    bad.refuse()


def print_requests(
    ctx: Context, rows: RowReader, packer: Packer, prepare: Callable[[Call], Call]
) -> None:
    """Print each request as sent, one JSON object each; bad rows go to stderr."""
    if ctx.settings.request.code:
        raise UsageError(Text("cannot use --code"), Text("it shows one request"), hint="--dry-run")
    urls = ctx.settings.base_urls
    base_url = urls[0] if urls else "http://127.0.0.1:1/v1"
    extra = ctx.settings.connection.header
    bad = BadRows(ctx)
    block: list[bytes] = []
    size = 0
    for _, call in bad.skip(pack_rows(rows, packer)):
        block.append(describe_request(prepare(call), base_url, extra, ctx.process.secrets))
        size += len(block[-1])
        if size > BLOCK_BYTES:
            _write_json(ctx, block)
            block, size = [], 0
    _write_json(ctx, block)
    if bad.count:
        why = Text("{count} are bad", count=f"{bad.count:,}")
        raise PartialError(Text("not all rows can be sent"), why)


def refuse_bad_rows(ctx: Context, rows: RowReader) -> None:
    """Raise UsageError, after naming the first bad rows, unless all rows are good."""
    bad = BadRows(ctx)
    for _ in bad.skip(rows):
        pass
    bad.refuse()


def _write_json(ctx: Context, lines: Iterable[bytes]) -> None:
    ctx.process.console.write(b"".join(ctx.output.filter_lines(lines)), "json")


class CostEstimate:
    """Adds up the estimated prices of requests; `unpriced` are models without a price."""

    def __init__(self, settings: CommandSettings) -> None:
        self._prices = load_prices(settings)
        self._sum = 0.0
        self._count = 0
        self.unpriced: set[str] = set()

    def add(self, call: Call) -> None:
        """Add the estimated price of one request."""
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
        if self.unpriced and self._count:
            return f"{format_cost(self._sum)} + unknown"
        return "price unknown" if self.unpriced else format_cost(self._sum)

    def describe_unpriced(self) -> str | None:
        """Return which prices are missing."""
        if not len(self._prices):
            return Text("no price list: apiyi models --update fetches it")
        if not self.unpriced:
            return None
        names = ", ".join(sorted(self.unpriced)[:MAX_MODELS])
        return Text("no price is known for {models}: apiyi models --update", models=names)


class BadRows:
    """Counts the bad rows, and names the first of them on stderr."""

    def __init__(self, ctx: Context) -> None:
        self._messages = ctx.messages
        self.count = 0

    def skip(self, rows: Iterable[Row]) -> Iterator[tuple[Row, Call]]:
        """Yield the good rows, or packs of them, each with its request."""
        for row in rows:
            if row.call is not None:
                yield row, row.call
                continue
            self.count += 1
            if self.count <= MAX_BAD_ROWS and row.error is not None:
                self._messages.print_line(row.error.sentence())

    def refuse(self) -> None:
        """Raise UsageError if there was a bad row."""
        if self.count:
            why = Text("bad rows: {count}", count=f"{self.count:,}")
            raise UsageError(Text("nothing was sent"), why)
