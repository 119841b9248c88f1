"""The limits of a batch: jobs, failures, and money."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.budget import CostBudget
from apiyi_cli.batch.run.stop_rules import StopRules, make_unpriced_error
from apiyi_cli.build.tokens import FIRST_ANSWER, estimate_tokens
from apiyi_cli.cli.output.ledger import estimate_cost
from apiyi_cli.core.events import Usage
from apiyi_cli.core.options.batch import BatchOptions
from apiyi_cli.errors import UsageError
from apiyi_cli.store.prices import Prices
from apiyi_cli.text import Text
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


def make_budget(prices: Prices, max_cost: float | None) -> CostBudget | None:
    """Return the budget of `--max-cost`, None without it."""
    if max_cost is None:
        return None
    return CostBudget(max_cost, partial(estimate_row, prices))


def estimate_row(prices: Prices, row: Row, answer_mean: float | None) -> float | None:
    """Return the likely cost of a row or pack in US dollars, None if its price is unknown.

    An answer in text is taken for as long as the run's mean, or its own bound if
    that is less.
    """
    call = row.call
    if call is None or call.cost != "text":
        return 0.0 if call is None else estimate_cost(prices, call, None, guess=True)
    likely = FIRST_ANSWER if answer_mean is None else answer_mean
    prompt = estimate_tokens(call._replace(cost="light"))
    # With a mean of 0 only its own bound counts.
    bound = estimate_tokens(call, 0.0) - prompt
    answer = min(bound, likely) if bound > 0 else likely
    return estimate_cost(prices, call, Usage(prompt, round(answer), None))
