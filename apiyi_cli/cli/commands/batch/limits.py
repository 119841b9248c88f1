"""The limits of a batch: jobs, failures, and money."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.stop_rules import StopRules, make_unpriced_error
from apiyi_cli.cli.gateway.cost_limit import CostLimit
from apiyi_cli.cli.output.ledger import estimate_cost
from apiyi_cli.core.options.batch import BatchOptions
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.store.prices import Prices
    from apiyi_cli.wire.send import Plan

_MAX_ERRORS = 1 << 60


class JobCount(NamedTuple):
    """The number of concurrent requests; `reduced_from` is 0 unless the system allows fewer."""

    jobs: int
    reduced_from: int


def choose_jobs(jobs: int, plan: Plan) -> JobCount:
    """Return the number of concurrent requests, from the key's limits and open files."""
    from apiyi_cli.wire.http.descriptors import limit_jobs

    if plan.limiter is not None:
        jobs = min(jobs, plan.limiter.limits.concurrency)
    count = limit_jobs(jobs)
    return JobCount(count, jobs if count < jobs else 0)


def read_stop_rules(options: BatchOptions, max_cost: float | None) -> StopRules:
    """Return when to stop by --fail-fast, --max-errors and --max-cost."""
    text = "1" if options.fail_fast else options.max_errors
    max_errors, percent = None, None
    if text is not None:
        is_percent = text.endswith("%")
        try:
            value = float(text.removesuffix("%")) if is_percent else int(text)
        except ValueError:
            value = -1
        if not 0 < value <= (100 if is_percent else _MAX_ERRORS):
            why = Text("it is not N or N%")
            raise UsageError(Text("cannot use --max-errors {text}", text=text), why)
        max_errors, percent = (None, value) if is_percent else (int(value), None)
    return StopRules(max_errors, percent, max_cost)


def check_price(prices: Prices) -> Callable[[Row], None]:
    """Return a function that raises LimitError for a row whose price is unknown."""

    def check(row: Row) -> None:
        if row.call is not None and estimate_cost(prices, row.call, None, guess=True) is None:
            raise make_unpriced_error(row.call.model)

    return check


def reserve_cost(prices: Prices, max_cost: float | None) -> Callable[[Row], None]:
    """Return a function that raises LimitError for a request that would exceed `max_cost`.

    It is for requests whose cost is known before their answer: those for embeddings, of which
    one may hold many rows. Others stop the run when the answers have reached the limit.
    """
    if max_cost is None:
        return lambda row: None
    limit = CostLimit(max_cost, prices)

    def reserve(row: Row) -> None:
        if row.call is not None and row.call.cost == "light":
            limit.reserve(row.call)

    return reserve
