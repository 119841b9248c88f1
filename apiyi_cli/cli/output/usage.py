"""What the requests of one run used together, for `-u`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from apiyi_cli.core.events import Usage
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.session import Session


class Spent:
    """Sums the usage of answers; not for several threads at once."""

    def __init__(self) -> None:
        self._requests = 0
        self._cached = 0
        self._told: list[Usage] = []

    def add(self, usage: Usage | None, *, from_cache: bool = False) -> None:
        """Count one answer; one from the cache used nothing."""
        self._requests += 1
        if from_cache:
            self._cached += 1
        elif usage is not None:
            self._told.append(usage)

    def tell(self, session: Session) -> None:
        """Print it on stderr, if the user wants to know; what is not known is no 0."""
        if not session.output.usage:
            return
        console, say = session.console, session.run.translate
        if self._requests and self._cached == self._requests:
            console.say(say(Text("usage: none (answered from the cache)")))
            return
        if not self._told:
            console.say(say(Text("usage: unknown (the gateway did not tell)")))
            return
        from apiyi_cli.cli.output.ledger import estimate
        from apiyi_cli.render.choose import usage_line

        total = self._total()
        line = usage_line(total) + estimate(session, session.models[0], total)
        if silent := self._requests - self._cached - len(self._told):
            line += Text(
                "; {more}",
                more=Text(
                    "not told for {silent} of {requests} requests",
                    silent=silent,
                    requests=self._requests,
                ),
            )
        if self._cached:
            line += Text(
                "; {more}",
                more=Text(
                    "{cached} of {requests} answered from the cache",
                    cached=self._cached,
                    requests=self._requests,
                ),
            )
        console.say(say(line))

    def _total(self) -> Usage:
        told = self._told
        return Usage(
            prompt_tokens=_sum(one.prompt_tokens for one in told),
            completion_tokens=_sum(one.completion_tokens for one in told),
            total_tokens=_sum(one.total_tokens for one in told),
            reasoning_tokens=_sum(one.reasoning_tokens for one in told),
            cached_tokens=_sum(one.cached_tokens for one in told),
        )


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
