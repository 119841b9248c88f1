"""`--max-cost`: the limit of a run's cost, checked by an estimate before each request."""

from __future__ import annotations

import threading
from contextlib import suppress

from apiyi_cli.batch.run.stop_rules import make_cost_error, make_unpriced_error
from apiyi_cli.cli.output.ledger import estimate_cost
from apiyi_cli.core.call import Call
from apiyi_cli.errors import LimitError
from apiyi_cli.store.prices import Prices
from apiyi_cli.text import Text

COST_REPORT = "APIYI_COST_REPORT"
"""The variable with the file for the sum; `apiyi mcp` sets it for its commands."""


class CostLimit:
    """Sums the estimated costs of a run's requests; thread-safe.

    `report` is a file that gets the sum after each request, for a session of many runs.
    """

    def __init__(self, max_usd: float, prices: Prices, report: str | None = None) -> None:
        require_prices(prices)
        self._report = report
        self._max_usd = max_usd
        self._prices = prices
        self._planned_usd = 0.0
        self._lock = threading.Lock()

    def reserve(self, call: Call, answer_mean: float | None = None) -> None:
        """Add one request; raise LimitError if its cost is unknown or exceeds the rest.

        `answer_mean` is the mean of the model's answers in tokens, None while it is not known.
        """
        usd = estimate_cost(self._prices, call, None, guess=True, answer_mean=answer_mean)
        if usd is None:
            raise make_unpriced_error(call.model)
        with self._lock:
            planned_usd = self._planned_usd + usd
            if planned_usd > self._max_usd:
                raise make_cost_error(usd, self._planned_usd, self._max_usd)
            self._planned_usd = planned_usd
            if self._report is not None:
                with suppress(OSError), open(self._report, "w", encoding="ascii") as file:
                    file.write(f"{planned_usd:.9f}")

    def set_spent(self, usd: float) -> None:
        """Replace the estimates by the real sum: the requests have ended."""
        with self._lock:
            self._planned_usd = usd


def require_prices(prices: Prices) -> None:
    """Raise LimitError if there is no price list."""
    if not len(prices):
        raise LimitError(
            Text("cannot keep to --max-cost"),
            Text("there is no price list"),
            hint="apiyi models --update",
        )
