"""A `Call` on its way: endpoint, key, limits, cache, attempts, one after the other.

`Sender.answer` is the only way to the gateway that commands have. It makes attempts until
one succeeds or the policy ends them; an attempt is: look in the cache, choose the endpoint,
wait for the limits, send, decode. Decoding belongs to the attempt, because a reply is only
known to be good when it has been read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.wire.client import Client, Watch
from apiyi_cli.wire.clocks import Timeouts
from apiyi_cli.wire.encode import outgoing
from apiyi_cli.wire.retry import INTERACTIVE, Policy, Tally, persist

T = TypeVar("T")


@dataclass(slots=True)
class Plan:
    """Everything about sending that settings decide, as plain values.

    `key(base_url)` gives the secret for an endpoint or raises; it is asked before every
    first use of an endpoint. `tell` prints a notice, `extra` are `-H` values.
    """

    base_urls: Sequence[str]
    key: Callable[[str], str | None]
    tell: Callable[[str], None]
    environ: Mapping[str, str]
    timeouts: Timeouts = Timeouts()
    policy: Policy = INTERACTIVE
    extra: Sequence[str] = ()
    cacert: str | None = None
    proxy: str | None = None
    watch: Watch | None = None
    clock: Clock = CLOCK
    tally: Tally = field(default_factory=Tally)


class Sender:
    """Sends calls one at a time; a thread that sends needs one of its own."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._client = Client(
            environ=plan.environ,
            cacert=plan.cacert,
            proxy=plan.proxy,
            clock=plan.clock,
            watch=plan.watch,
        )

    def answer(
        self,
        call: Call,
        decode: Callable[[Reply], Iterator[T]],
        *,
        shows: Callable[[T], bool],
    ) -> Iterator[T]:
        """Yield what `decode` makes of the reply, from the attempt that counts.

        `shows` tells whether an item is a part of the answer that the user will see: from
        then on nothing is retried. Raises an ApiyiError; what had been yielded stays good.
        """
        request_id = os.urandom(16).hex()

        def attempt(number: int) -> Iterator[T]:
            reply = self._send(call, request_id)
            try:
                for item in decode(reply):
                    self._client.clocks.event()
                    yield item
            finally:
                reply.close()

        yield from persist(
            attempt,
            cost=call.cost,
            policy=self.plan.policy,
            shows=shows,
            clock=self.plan.clock,
            rng=_Chance(),  # type: ignore[arg-type]
            tell=self.plan.tell,
            tally=self.plan.tally,
        )

    def close(self) -> None:
        """Drop the connections."""
        self._client.close()

    def _send(self, call: Call, request_id: str) -> Reply:
        base_url = self.plan.base_urls[0]
        key = self.plan.key(base_url)
        request = outgoing(call, base_url, self.plan.extra, request_id, key)
        return self._client.exchange(request, self.plan.timeouts)


class _Chance:
    """A source of chance that costs nothing until a retry needs it."""

    def __getattr__(self, name: str) -> Any:
        import random

        return getattr(random.SystemRandom(), name)
