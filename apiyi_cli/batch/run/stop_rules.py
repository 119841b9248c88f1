"""When a run stops before its input ends: rules, a budget, and the switch."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final, NamedTuple

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.counts import Counts
from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.errors import ApiyiError, LimitError
from apiyi_cli.store.prices import format_cost
from apiyi_cli.text import Text

PERCENT_AFTER: Final = 20


class StopRules(NamedTuple):
    """The limits of a run: failures (number, or percent from 20 rows on), dollars."""

    max_errors: int | None = None
    max_errors_percent: float | None = None
    max_cost: float | None = None


def check_rules(rules: StopRules, counts: Counts) -> LimitError | None:
    """Return the error that stops a run with these counts, or None."""
    failed, done = counts.failed, counts.done
    if rules.max_errors is not None and failed >= rules.max_errors:
        name = "--fail-fast" if rules.max_errors == 1 else f"--max-errors {rules.max_errors}"
        return _make_stop_error(name, Text("{failed} rows have failed", failed=failed))
    percent = rules.max_errors_percent
    if percent is not None and done >= PERCENT_AFTER and 100 * failed / done >= percent:
        why = Text("{failed} of {done} rows have failed", failed=failed, done=done)
        return _make_stop_error(f"--max-errors {percent:g}%", why)
    if rules.max_cost is not None and (counts.cost or 0.0) >= rules.max_cost:
        why = Text("{cost} are used", cost=format_cost(counts.cost))
        return _make_stop_error("--max-cost", why)
    return None


def make_unpriced_error(model: str | None) -> LimitError:
    """Return the error for a request without a known price under `--max-cost`."""
    why = Text("there is no price for {model}", model=model)
    return LimitError(Text("cannot keep to --max-cost"), why, hint="apiyi models --update")


def make_cost_error(usd: float, planned_usd: float, max_usd: float) -> LimitError:
    """Return the error for a request that would cost more than is left of `max_usd`."""
    costs = {"cost": format_cost(usd), "limit": f"${max_usd:g}"}
    why = Text("the request would cost {cost}, {limit} are allowed; nothing was sent", **costs)
    if planned_usd:
        why = Text(
            "the next request would cost {cost} after {planned}, {limit} are allowed; "
            "it was not sent",
            planned=format_cost(planned_usd),
            **costs,
        )
    return LimitError(Text("stopped by --max-cost"), why, hint=Text("raise --max-cost"))


def make_time_error() -> LimitError:
    """Return the error of a run that must end before its rows were sent."""
    why, hint = Text("not all rows were sent"), Text("run it again to go on")
    return LimitError(Text("stopped by --max-time"), why, hint=hint)


EstimateCost = Callable[[Row, float | None], float | None]
"""Returns the US dollars of a row or pack, by the mean tokens of answers, None if unknown."""


class CostBudget:
    """Reserves the estimated cost of each row before it is sent; thread-safe.

    A row that does not fit waits while others are in flight, because answers are often cheaper
    than their estimates. So the run costs more than `max_usd` only by what the answers in flight
    cost above their estimates.
    """

    def __init__(self, max_usd: float, estimate: EstimateCost) -> None:
        self._max_usd = max_usd
        self._estimate = estimate
        self._changed = threading.Condition()
        self._spent_usd = self._reserved_usd = 0.0
        self._in_flight = 0
        self._answers = self._answer_tokens = 0
        self._is_closed = False

    def reserve(self, row: Row, *, waits: bool = True) -> float | None:
        """Reserve the cost of a row or pack; return it, None after `close`.

        Raises LimitError if it is unknown, or exceeds what is left though nothing is in flight.
        """
        with self._changed:
            while not self._is_closed:
                mean = self._answer_tokens / self._answers if self._answers else None
                usd = self._estimate(row, mean)
                if usd is None:
                    raise make_unpriced_error(row.call.model if row.call is not None else None)
                planned_usd = self._spent_usd + self._reserved_usd
                total_usd = planned_usd + usd
                # Sums of many floats may miss the limit by a rounding error.
                if total_usd <= self._max_usd or math.isclose(total_usd, self._max_usd):
                    self._in_flight += 1
                    self._reserved_usd += usd
                    return usd
                if not waits or not self._in_flight:
                    raise make_cost_error(usd, planned_usd, self._max_usd)
                self._changed.wait()
        return None

    def settle(self, outcome: RowOutcome, usd: float | None) -> None:
        """Replace what was reserved for an outcome by its cost.

        Where that is unknown, an answer that may have been billed costs its estimate.
        """
        reserved_usd = outcome.reserved_usd
        with self._changed:
            if usd is not None:
                self._spent_usd += usd
            elif outcome.maybe_billed:
                self._spent_usd += reserved_usd or 0.0
            if outcome.usage is not None and outcome.usage.completion_tokens is not None:
                self._answers += 1
                self._answer_tokens += outcome.usage.completion_tokens
            if reserved_usd is not None:
                self._in_flight -= 1
                self._reserved_usd -= reserved_usd
                self._changed.notify_all()

    def close(self) -> None:
        """Let no row wait any longer."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


class StopSwitch:
    """Stops a run once: no further row starts, and waiting rows give up.

    `failure` is the first reason, `defect` the first unexpected exception. `actions` are done
    when it is switched.
    """

    def __init__(self, *actions: Callable[[], None]) -> None:
        self.failure: ApiyiError | None = None
        self.defect: Exception | None = None
        self.is_set = False
        self._actions = actions

    def stop(self, failure: Exception | None = None) -> None:
        """Stop the run; requests in flight are still waited for and written."""
        if isinstance(failure, ApiyiError):
            self.failure = self.failure or failure
        else:
            self.defect = self.defect or failure
        if not self.is_set:
            self.is_set = True
            for action in self._actions:
                action()

    def guard(self, act: Callable[[], object]) -> None:
        """Call a function that must not prevent writing an answer; its failure stops the run."""
        try:
            act()
        except Exception as failure:
            self.stop(failure)


def _make_stop_error(name: str, why: str) -> LimitError:
    hint = Text("run it again to go on with the rest")
    return LimitError(Text("stopped by {name}", name=name), why, hint=hint)
