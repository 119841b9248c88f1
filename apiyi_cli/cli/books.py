"""The run's entries in the usage ledger, and what things cost."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING

from apiyi_cli.settings.paths import cache_dir, state_dir
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.session import Session
    from apiyi_cli.core.events import Usage
    from apiyi_cli.store.ledger import Ledger, Record
    from apiyi_cli.store.prices import Prices
    from apiyi_cli.wire.send import Sent


class Books:
    """Collects what a run sent; `close` writes it when the answer is out.

    Trouble with the ledger is told by `-v` only: it must not change what a run means.
    """

    MOST_KEPT = 512

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: list[Record] = []
        self._lock = threading.RLock()
        session.run.closing(self.close)

    @cached_property
    def _prices(self) -> Prices:
        return prices_of(self._session)

    def add(self, sent: Sent) -> None:
        """Take one request; safe from any thread. Lists cost nothing and are left out."""
        if sent.call.cost == "free":
            return
        try:
            with self._lock:
                # Kept as a record: the request itself, prompt and all, need not stay in memory.
                self._kept.append(self._record(sent))
                if len(self._kept) >= self.MOST_KEPT:
                    self._write()
        except Exception as failure:
            # The answer is paid for: whatever the ledger cannot take must not lose it.
            self._tell(failure)

    def close(self) -> None:
        """Write what was collected."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        kept, self._kept = self._kept, []
        if not kept:
            return
        try:
            ledger(self._session).append(kept)
        except Exception as failure:
            self._tell(failure)

    def _tell(self, failure: Exception) -> None:
        told = str(failure) or type(failure).__name__
        self._session.detail(
            Text("* the usage ledger could not be written: {message}", message=told)
        )

    def _record(self, sent: Sent) -> Record:
        from apiyi_cli.store.ledger import Record

        usage, call, cost = sent.usage, sent.call, None
        prompt = usage.prompt_tokens if usage else None
        completion = usage.completion_tokens if usage else None
        total = usage.total_tokens if usage else None
        if sent.from_cache:
            # What the kept answer once used was counted when it was asked for.
            prompt, completion, total, cost = 0, 0, 0, 0.0
        elif sent.error is None:
            cost = self._prices.cost(call.model or "", prompt, completion)
        return Record(
            at=self._session.run.clock.wall() - sent.ms / 1000,
            profile=self._session.settings.profile,
            model=call.model or "",
            endpoint=call.path,
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=total,
            ms=sent.ms,
            exit=sent.error.exit_code if sent.error else 0,
            # A gateway that repeats a request's headers may send the key back as the id.
            request_id=sent.request_id and self._session.console.redact(sent.request_id),
            cached=sent.from_cache,
            cost=cost,
        )


def ledger(session: Session) -> Ledger:
    """Return the ledger under the state directory."""
    from apiyi_cli.store.ledger import Ledger

    return Ledger(state_dir(session.run.environ))


def prices_of(session: Session) -> Prices:
    """Return the price list that was fetched last, empty when there is none."""
    from apiyi_cli.store.prices import Prices

    return Prices(cache_dir(session.run.environ) / "prices.json")


def estimate(session: Session, model: str, usage: Usage) -> str:
    """Return what a request cost, for `-u`: `, ≈ $0.0123`, or nothing without a price list."""
    from apiyi_cli.store.prices import shown

    prices = prices_of(session)
    if not len(prices):
        return ""
    return f", {shown(prices.cost(model, usage.prompt_tokens, usage.completion_tokens))}"
