"""The budget of a batch: estimates of rows in flight, and the costs of answers."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.stop_rules import make_cost_error, make_unpriced_error
from apiyi_cli.batch.state.record import RowOutcome

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
                usd = self._estimate_row(row)
                planned_usd = self._planned_usd + usd
                # Sums of many floats may miss the limit by a rounding error.
                if planned_usd <= self._max_usd or math.isclose(planned_usd, self._max_usd):
                    self._in_flight += 1
                    self._reserved_usd += usd
                    return usd
                if not waits or not self._in_flight:
                    raise make_cost_error(usd, self._planned_usd, self._max_usd)
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

    @property
    def _planned_usd(self) -> float:
        return self._spent_usd + self._reserved_usd

    def _estimate_row(self, row: Row) -> float:
        mean = self._answer_tokens / self._answers if self._answers else None
        usd = self._estimate(row, mean)
        if usd is None:
            raise make_unpriced_error(row.call.model if row.call is not None else None)
        return usd
