"""The rate limits of a key, shared by several hosts through a Redis server.

Every step is one run of `limits.lua` in the server, which is atomic and uses the server's clock;
this side only waits; `redis_store` sends the steps. A concurrency slot is a lease that its holder
renews, so that the slots of a dead host expire. While the server does not answer, from the start
on, no request starts and all wait. The keys in the server name a hash of the API key.
"""

from __future__ import annotations

import itertools
import math
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from apiyi_cli.core.clock import CLOCK, Clock, start_thread
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.text import Text
from apiyi_cli.wire.limits import rates
from apiyi_cli.wire.limits.answer_lengths import FIRST_MEAN, HIGHEST_MEAN
from apiyi_cli.wire.limits.limiter import check_limits, ignore
from apiyi_cli.wire.limits.rates import OnWait
from apiyi_cli.wire.limits.redis_store import LimitServer
from apiyi_cli.wire.limits.slots import Sleep

RETRY_S: Final = 0.5
LEASE_S: Final = 30.0
MEAN_LASTS_S: Final = 10.0
_CAUSES: Final = ("pause", "requests", "tokens")

_T = TypeVar("_T")


class RedisLimiter:
    """Enforces the `limits` of one key, together with all hosts of a Redis server.

    It is used like `limiter.Limiter`. `tell` gets a message when the server is away.

    Raises SetupError if the `redis` package is missing or waiting does not make the server usable,
    and, with a `limits.store_wait_s` of 0, if it does not answer.
    """

    def __init__(
        self,
        url: str,
        key: str,
        limits: Limits,
        *,
        clock: Clock = CLOCK,
        tell: Callable[[str], None] = ignore,
        lease_s: float = LEASE_S,
    ) -> None:
        self.limits = check_limits(limits)
        self._clock = clock
        self._server = LimitServer(url, key, limits, tell)
        self.clear_command = self._server.clear_command
        self._tell = tell
        self._lease_s = lease_s
        self._has_joined = False
        self._lock = threading.Lock()
        try:
            self._join()
        except self._server.failures as failure:
            if limits.store_wait_s <= 0 or self._server.is_unfit(failure):
                self._server.client.close()
                raise self._server.unusable(failure) from None
            self._note_away(failure)
        self._slots = LeasedSlots(self._server, lease_s)
        self._holds: list[tuple[float, str, str]] = []
        self.has_lost_output = False
        """True after another run took an output of ours, whose lease had expired."""
        self._means: dict[str, tuple[float, float]] = {}

    def acquire(
        self,
        tokens: int = 0,
        sleep: Sleep | None = None,
        slot: int = -1,
        *,
        single: bool = False,
        on_wait: OnWait = ignore,
    ) -> float:
        """Wait until one request of about `tokens` tokens may start; return the seconds waited.

        First come, first served, over all hosts. `sleep` waits, or raises to give up: then
        the booking is cancelled, if the server answers.
        Raises SetupError if the server is away for longer than `limits.store_wait_s`.
        """
        sleep = sleep or self._clock.sleep
        began = self._clock.monotonic()
        while single:
            cause, wait_s = self._step(sleep, "alone", tokens)
            if wait_s <= 0:
                return self._clock.monotonic() - began
            on_wait(wait_s, cause)
            sleep(wait_s)
        while True:
            cause, start, wait_s, *earlier = self._step(sleep, "book", tokens)
            try:
                while wait_s > 0:
                    on_wait(wait_s, cause)
                    sleep(wait_s)
                    wait_s = self._step(sleep, "admit", start, tokens)[1]
            except BaseException:
                if not self._server.is_missed:
                    self._server.post("cancel", start, tokens, *earlier)
                raise
            if wait_s == 0:
                return self._clock.monotonic() - began

    def note_throttled(self) -> None:
        """Note that the gateway has answered 429 for tokens."""
        self._server.post("throttled")

    def note_sent(self, tokens: int, late_s: float) -> None:
        """Count a request when it is sent, `late_s` after it was admitted."""
        self._server.post("late", tokens, late_s)

    def settle(self, estimated: int, actual: int, ago_s: float = 0.0) -> None:
        """Replace the booked tokens of a request by the real ones; it started `ago_s` ago."""
        if estimated != actual:
            self._server.post("settle", estimated, actual, ago_s)

    def pause(self, wait_s: float) -> None:
        """Allow no start for `wait_s` seconds, at most ten minutes."""
        self._server.post("pause", min(wait_s, rates.LONGEST_PAUSE_S))

    def mean_tokens(self, model: str) -> float:
        """Return the mean tokens of an answer of the model."""
        now = self._clock.monotonic()
        mean, asked_at = self._means.get(model, (FIRST_MEAN, -math.inf))
        if now - asked_at > MEAN_LASTS_S:
            answer = None
            try:
                answer = self._server.ask("mean", model)
            except self._server.failures as failure:
                self._server.note_missing(failure)
            mean = self._note_mean(model, answer)
        return mean

    def learn(self, model: str, tokens: int) -> None:
        """Count an answer of the model for `mean_tokens`."""
        self._server.post("learn", model, tokens, on_answer=partial(self._note_mean, model))

    def _note_mean(self, model: str, answer: Any) -> float:
        """Remember the server's mean, None if there is none, and return it."""
        mean = FIRST_MEAN if answer is None else float(answer)
        mean = mean if 0 <= mean <= HIGHEST_MEAN else FIRST_MEAN
        self._means[model] = mean, self._clock.monotonic()
        return mean

    def take_slot(self, sleep: Sleep | None = None) -> int:
        """Wait for one of the concurrency slots and return its number, for `release_slot`."""
        sleep = sleep or self._clock.sleep
        return self._retry_step(
            partial(self._slots.take_slot, self.limits.concurrency, sleep), sleep
        )

    def release_slot(self, slot: int) -> None:
        """Release a concurrency slot."""
        self._slots.release_slot(slot)

    def hold_output(
        self, output: str, holder: str, gone: str = "", sleep: Sleep | None = None
    ) -> str | None:
        """Lease an output for this run; return its other holder, None on success.

        It is a lease like that of a slot, kept until `release_output`. `gone` is a holder that is
        known to be dead. `sleep` waits for the server, or raises to give up. Raises SetupError if
        the server is away for too long.
        """
        wanted = (self._lease_s, output, holder)
        step = partial(self._server.ask, "hold", *wanted, gone)
        answer = self._retry_step(step, sleep or self._clock.sleep)
        if answer is not None:
            return str(answer)
        self._holds.append(wanted)
        if len(self._holds) == 1:
            start_thread(self._renew_holds)
        return None

    def release_output(self) -> None:
        """Release the outputs that this run holds."""
        while self._holds:
            self._server.post("drop", *self._holds.pop()[1:])

    def _renew_holds(self) -> None:
        while self._holds:
            time.sleep(self._lease_s / 3)
            for hold in list(self._holds):
                self._server.post("hold", *hold, "", on_answer=self._note_hold)

    def _note_hold(self, holder: str | None) -> None:
        self.has_lost_output = self.has_lost_output or holder is not None

    def _step(self, sleep: Sleep, step: str, *arguments: float) -> list[Any]:
        answer = self._retry_step(partial(self._server.ask, step, *arguments), sleep)
        return [item if item in _CAUSES else float(item) for item in answer]

    def _retry_step(self, step: Callable[[], _T], sleep: Sleep) -> _T:
        """Repeat a step until the server is back; all threads share one time limit."""
        server = self._server
        while True:
            try:
                if not self._has_joined:
                    self._join()
                answer = step()
            except server.failures as failure:
                left_s = self._note_away(failure)
                if left_s <= 0:
                    raise server.unusable(failure, has_waited=True) from None
                sleep(min(RETRY_S, left_s))
            else:
                server.note_answer()
                return answer

    def _join(self) -> None:
        """Tell the server these limits, and the user those of others in it.

        A step that writes: it finds a wrong password and a read-only replica as well.
        """
        others = self._server.ask("join", self._lease_s, self._server.numbers)
        with self._lock:
            is_news, self._has_joined = not self._has_joined, True
        if others and is_news:
            self._tell(_describe_other_limits(self._server.numbers, others))

    def _note_away(self, failure: Exception) -> float:
        """Note that the server does not answer; return the seconds for which to wait.

        Raises SetupError for what no wait will change.
        """
        server, now = self._server, self._clock.monotonic()
        if server.is_unfit(failure):
            raise server.unusable(failure) from None
        if server.away_since is None:
            server.away_since = now
        server.note_missing(failure)
        return server.away_since + self.limits.store_wait_s - now


class LeasedSlots:
    """The concurrency slots of all hosts: a sorted set by the end of their lease.

    While all are taken, only one thread of this process asks for the next one.
    """

    SHORTEST_S: Final = 0.005
    LONGEST_S: Final = 0.05

    def __init__(self, server: LimitServer, lease_s: float) -> None:
        self._server = server
        self._lease_s = lease_s
        self._owner = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._held: set[int] = set()
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._are_taken = False
        self._renewing: threading.Thread | None = None

    def take_slot(self, count: int, sleep: Sleep) -> int:
        """Wait for one of `count` slots; `sleep` waits, or raises to give up."""
        wait_s = self.SHORTEST_S
        is_next = False
        try:
            while True:
                if is_next or not self._are_taken or (is_next := self._turn.acquire(False)):
                    if (slot := self._occupy(count)) is not None:
                        self._are_taken = False
                        return slot
                    self._are_taken = True
                sleep(wait_s)
                wait_s = min(2 * wait_s, self.LONGEST_S)
        finally:
            if is_next:
                self._turn.release()

    def release_slot(self, slot: int) -> None:
        """Release a slot."""
        with self._lock:
            self._held.discard(slot)
        self._server.post("vacate", self._member(slot))

    def _occupy(self, count: int) -> int | None:
        slot = next(self._numbers)
        if not self._server.ask("occupy", count, self._lease_s, self._member(slot)):
            return None
        with self._lock:
            self._held.add(slot)
            if self._renewing is None:
                # Without a thread a slot that is held for longer than the lease expires.
                self._renewing = start_thread(self._renew)
        return slot

    def _member(self, slot: int) -> str:
        return f"{self._owner}:{slot}"

    def _renew(self) -> None:
        while True:
            time.sleep(self._lease_s / 3)
            # Put in line while locked: a slot that is released now is vacated after that.
            with self._lock:
                held = [self._member(slot) for slot in self._held]
                if held:
                    self._server.add("renew", self._lease_s, self._server.numbers, *held)
            self._server.send_rest()


def _describe_other_limits(ours: str, others: Sequence[str]) -> str:
    return Text(
        "others use this key through the same store with other limits: {others} (rpm, tpm, "
        "window, concurrency), here {ours}; each set is counted by itself, and together they "
        "may go beyond the key's: give all machines the same",
        others=", ".join(others),
        ours=ours,
    )
