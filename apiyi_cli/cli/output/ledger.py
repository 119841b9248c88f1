"""Writes a run's requests to the usage ledger, and estimates their costs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from apiyi_cli.cli.gateway.key_group import find_group
from apiyi_cli.core.endpoints import find_endpoint
from apiyi_cli.settings.paths import cache_dir, state_dir
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from pathlib import Path

    from apiyi_cli.cli.process import Process
    from apiyi_cli.core.call import Call
    from apiyi_cli.core.events import Usage
    from apiyi_cli.settings.resolve import Settings
    from apiyi_cli.store.ledger import Ledger, Record
    from apiyi_cli.store.prices import Prices
    from apiyi_cli.wire.send import SentRequest


MOST_PICTURES: Final = 1000
"""A larger number of pictures in a gateway's answer is not believed."""


class LedgerWriter:
    """Collects the requests of a run; `close` writes them after the answer.

    Ledger errors are reported by `-v` only: they must not change a run's result.
    """

    MOST_RECORDS = 512

    def __init__(self, process: Process, settings: Settings) -> None:
        self._most_held = 1 if process.is_long else self.MOST_RECORDS
        self._settings = settings
        self._messages = process.messages
        self._clock = process.clock
        self._records: list[Record] = []
        self._lock = threading.RLock()

    @cached_property
    def _prices(self) -> Prices | None:
        """The price list, None where none was fetched."""
        has_list = _price_list(self._settings).exists()
        return load_prices(self._settings) if has_list else None

    @cached_property
    def _tag(self) -> str:
        try:
            return str(self._settings.value("tag") or "")
        except KeyError:
            return ""

    def add(self, sent: SentRequest) -> None:
        """Add one request; thread-safe. Lists cost nothing and are left out."""
        if sent.call.cost == "free":
            return
        try:
            with self._lock:
                # Kept as a record: the request itself, prompt and all, need not stay in memory.
                self._records.append(self._make_record(sent))
                if len(self._records) >= self._most_held:
                    self._write()
        except Exception as failure:
            # The answer is paid for: whatever the ledger cannot take must not lose it.
            self._report(failure)

    def close(self) -> None:
        """Write the collected records."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        records, self._records = self._records, []
        if not records:
            return
        try:
            open_ledger(self._settings).append(records)
        except Exception as failure:
            self._report(failure)

    def _report(self, failure: Exception) -> None:
        message = str(failure) or type(failure).__name__
        self._messages.debug(
            Text("* the usage ledger could not be written: {message}", message=message)
        )

    def _make_record(self, sent: SentRequest) -> Record:
        from apiyi_cli.store.ledger import Record

        usage, call, cost = sent.usage, sent.call, None
        prompt = usage.prompt_tokens if usage else None
        completion = usage.completion_tokens if usage else None
        total = usage.total_tokens if usage else None
        if sent.from_cache:
            # A cached answer's usage was counted when it was requested.
            prompt, completion, total, cost = 0, 0, 0, 0.0
        elif (sent.error is None or sent.uncertain) and self._prices is not None:
            cost = estimate_cost(self._prices, call, usage, guess=sent.uncertain)
        return Record(
            at=self._clock.wall() - sent.ms / 1000,
            profile=self._settings.profile,
            model=call.model or "",
            endpoint=call.path,
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=total,
            ms=sent.ms,
            exit=sent.error.exit_code if sent.error else 0,
            # A gateway that repeats a request's headers may send the key back as the id.
            request_id=sent.request_id and self._messages.redact(sent.request_id),
            cached=sent.from_cache,
            cost=cost,
            uncertain=sent.uncertain,
            tag=self._tag,
        )


def open_ledger(settings: Settings) -> Ledger:
    """Return the ledger in the state folder."""
    from apiyi_cli.store.ledger import Ledger

    return Ledger(state_dir(settings.environ))


def load_prices(settings: Settings) -> Prices:
    """Return the price list that was fetched last, empty when there is none."""
    from apiyi_cli.store.prices import Prices

    return Prices(_price_list(settings), partial(find_group, settings))


def _price_list(settings: Settings) -> Path:
    return cache_dir(settings.environ) / "prices.json"


def estimate_cost(
    prices: Prices,
    call: Call,
    usage: Usage | None,
    *,
    guess: bool = False,
    answer_mean: float | None = None,
) -> float | None:
    """Return the cost of a request in US dollars, as far as it is known.

    Counts the tokens that the gateway had cached, the pictures that were asked for, the
    seconds of a recording. With `guess` missing token counts are estimated,
    the answer's by what bounds it or by the mean of the model's answers.
    """
    from apiyi_cli.store.prices import BilledUnits

    model = call.model or ""
    if not len(prices):
        return None
    raw = usage.raw if usage is not None and isinstance(usage.raw, dict) else {}
    units = BilledUnits(
        usage.prompt_tokens if usage else None,
        usage.completion_tokens if usage else None,
        usage.cached_tokens if usage else None,
        _count_pictures(call, raw),
        _find_seconds(call, raw),
    )
    # The tokens of a video are unknown before it is made.
    if guess and units.prompt is None and not _begins_task(call):
        from apiyi_cli.build.tokens import FIRST_ANSWER, estimate_tokens

        mean = FIRST_ANSWER if answer_mean is None else answer_mean
        whole, request = estimate_tokens(call, mean), estimate_tokens(call, 0.0)
        bounded = estimate_tokens(call._replace(cost="light"))
        units = units._replace(prompt=bounded, completion=max(whole, request) - bounded)
    return prices.estimate(model, units)


def _begins_task(call: Call) -> bool:
    endpoint = find_endpoint(call.method, call.path)
    return endpoint is not None and endpoint.answer == "task"


def _count_pictures(call: Call, raw: Mapping[str, Any]) -> int:
    """Return how many pictures a request made, by its usage or its body."""
    count = raw.get("generated_images")
    if not isinstance(count, int) or isinstance(count, bool):
        count = call.json.get("n") if isinstance(call.json, dict) else None
        text = next((part.value for part in call.parts if part.name == "n"), None)
        if text and text.isdecimal():
            count = int(text)
    return count if isinstance(count, int) and 0 < count <= MOST_PICTURES else 1


def _find_seconds(call: Call, raw: Mapping[str, Any]) -> float | None:
    """Return the length of a request's recording, from the gateway or from its file."""
    from apiyi_cli.build.tokens import upload_seconds

    seconds = raw.get("seconds")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        return min(float(seconds), 1e6) if seconds >= 0 else None
    return upload_seconds(call)


def format_estimate(settings: Settings, model: str, usage: Usage) -> str:
    """Return the cost for `-u`: `, ≈ $0.0123`, or "" without a price list."""
    from apiyi_cli.store.prices import BilledUnits, format_cost

    prices = load_prices(settings)
    if not len(prices):
        return ""
    units = BilledUnits(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
    return f", {format_cost(prices.estimate(model, units))}"
