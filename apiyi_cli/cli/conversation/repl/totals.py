"""`ConversationTotals`: usage and cost of a conversation's requests, by model."""

from __future__ import annotations

import threading

from apiyi_cli.cli.output.ledger import estimate_cost
from apiyi_cli.core.call import Call
from apiyi_cli.core.events import Usage
from apiyi_cli.store.prices import Prices
from apiyi_cli.wire.send import SentRequest


class ModelTotals:
    """One model's requests; `usd` is the known cost, `unknown` counts those without one."""

    def __init__(self) -> None:
        self.requests = 0
        self.cached = 0
        self.prompt = 0
        self.completion = 0
        self.usd = 0.0
        self.unknown = 0


class ConversationTotals:
    """Sums requests; thread-safe."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._lock = threading.Lock()
        self.by_model: dict[str, ModelTotals] = {}

    @property
    def knows_prices(self) -> bool:
        """Return True if there is a price list."""
        return bool(len(self._prices))

    @property
    def usd(self) -> float:
        """Return the known cost of all requests."""
        return sum(total.usd for total in self.by_model.values())

    def cost_of(self, call: Call, usage: Usage | None) -> float | None:
        """Return the cost of one request, None if unknown."""
        return estimate_cost(self._prices, call, usage)

    def add(self, sent: SentRequest) -> None:
        """Add a finished request; lists cost nothing and are left out."""
        call, usage = sent.call, sent.usage
        if call.cost == "free" or (sent.error is not None and not sent.uncertain):
            return
        with self._lock:
            total = self.by_model.setdefault(call.model or "", ModelTotals())
            total.requests += 1
            if sent.from_cache:
                total.cached += 1
                return
            total.prompt += (usage.prompt_tokens or 0) if usage else 0
            total.completion += (usage.completion_tokens or 0) if usage else 0
            self._add_cost(total, estimate_cost(self._prices, call, usage, guess=sent.uncertain))

    def add_stopped(self, call: Call) -> None:
        """Add a request that the user stopped: it may be billed."""
        with self._lock:
            total = self.by_model.setdefault(call.model or "", ModelTotals())
            total.requests += 1
            self._add_cost(total, estimate_cost(self._prices, call, None, guess=True))

    def _add_cost(self, total: ModelTotals, usd: float | None) -> None:
        if usd is None:
            total.unknown += 1
        else:
            total.usd += usd
