"""Sums the usage of a run's requests, for `-u`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from apiyi_cli.cli.messages import Messages
from apiyi_cli.cli.settings import CommandSettings
from apiyi_cli.core.events import Usage
from apiyi_cli.text import Text, join_texts


class UsageTotals:
    """Sums the usage of answers; not thread-safe."""

    def __init__(self) -> None:
        self._requests = 0
        self._cached = 0
        self._known: list[Usage] = []

    def add(self, usage: Usage | None, *, from_cache: bool = False) -> None:
        """Add one answer; a cached one used nothing."""
        self._requests += 1
        if from_cache:
            self._cached += 1
        elif usage is not None:
            self._known.append(usage)

    def describe(self, describe_cost: Callable[[Usage], str]) -> str:
        """Return the line for `-u`. Unknown counts are `unknown`, not 0."""
        if self._requests and self._cached == self._requests:
            return Text("usage: none (answered from the cache)")
        if not self._known:
            return Text("usage: unknown (the gateway did not tell)")
        if seconds := self._audio_seconds():
            return Text("usage: {seconds} s of audio", seconds=f"{seconds:g}")
        from apiyi_cli.render.choose import format_usage

        total = self._total()
        parts = [format_usage(total) + describe_cost(total)]
        count, cached = self._requests, self._cached
        if silent := count - cached - len(self._known):
            text = Text(
                "not told for {silent} of {requests} requests", silent=silent, requests=count
            )
            parts.append(text)
        if cached:
            text = Text(
                "{cached} of {requests} answered from the cache", cached=cached, requests=count
            )
            parts.append(text)
        return join_texts(parts, "; ")

    def _audio_seconds(self) -> float:
        """Return the seconds of sound used, 0 if tokens were counted."""
        counts = [(usage.raw or {}).get("seconds") for usage in self._known]
        return sum(seconds for seconds in counts if isinstance(seconds, int | float))

    def _total(self) -> Usage:
        known = self._known
        return Usage(
            prompt_tokens=_sum(usage.prompt_tokens for usage in known),
            completion_tokens=_sum(usage.completion_tokens for usage in known),
            total_tokens=_sum(usage.total_tokens for usage in known),
            reasoning_tokens=_sum(usage.reasoning_tokens for usage in known),
            cached_tokens=_sum(usage.cached_tokens for usage in known),
        )


def print_usage(totals: UsageTotals, settings: CommandSettings, messages: Messages) -> None:
    """Print the usage on stderr if `-u` was given."""
    if not settings.output.usage:
        return
    from apiyi_cli.cli.output.ledger import format_estimate

    messages.print(
        totals.describe(lambda usage: format_estimate(settings, settings.models[0], usage))
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
