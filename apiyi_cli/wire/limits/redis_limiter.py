"""The rate limits of a key, shared by several hosts through a Redis server.

Every step is one run of `limits.lua` in the server, which is atomic and uses the server's clock;
this side only waits. A concurrency slot is a lease that its holder renews, so that the slots of
a dead host expire. While the server does not answer, no request starts. The keys in the server
name a hash of the API key.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from typing import Any, Final, TypeVar

from apiyi_cli.core.clock import CLOCK, Clock, start_thread
from apiyi_cli.core.hosts import host_in_url, split_url
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import SetupError
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.text import Text
from apiyi_cli.wire.limits import rates, windows
from apiyi_cli.wire.limits.answer_lengths import FIRST_MEAN, HIGHEST_MEAN
from apiyi_cli.wire.limits.limiter import ignore
from apiyi_cli.wire.limits.rates import OnWait
from apiyi_cli.wire.limits.slots import Sleep, Slots

REDIS_TIMEOUT_S: Final = 3.0
RETRY_S: Final = 0.5
LEASE_S: Final = 30.0

_T = TypeVar("_T")


class RedisLimiter:
    """Keeps the `limits` of one key, together with all hosts that use the same server.

    It is used like `limiter.Limiter`. `tell` gets a message when the server goes away.

    Raises SetupError if the `redis` package is missing or the server cannot be used.
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
        self.limits = rates.check_limits(limits)
        self._clock = clock
        self._server = LimitServer(url, key, limits, tell)
        # A step that writes: it finds a wrong password and a read-only replica as well.
        try:
            self._server.ask("pause", 0)
        except self._server.failures as failure:
            raise self._server.unusable(failure) from None
        self._slots = LeasedSlots(self._server, lease_s)

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

    @property
    def clear_command(self) -> str:
        """Return the command line that clears what was counted so far."""
        return self._server.clear_command

    def note_sent(self, tokens: int, late_s: float) -> None:
        """Do nothing: it would cost every late request another round trip to the server."""

    def settle(self, estimated: int, actual: int, ago_s: float = 0.0) -> None:
        """Replace the tokens booked for a request by what it took; it started `ago_s` ago."""
        if estimated != actual:
            self._server.post("settle", estimated, actual, ago_s)

    def pause(self, wait_s: float) -> None:
        """Allow no request to start for `wait_s` seconds, at most ten minutes."""
        self._server.post("pause", min(wait_s, rates.LONGEST_PAUSE_S))

    def mean_tokens(self, model: str) -> float:
        """Return the mean tokens of an answer of the model."""
        known = self._server.post("mean", model)
        mean = FIRST_MEAN if known is None else float(known)
        return mean if 0 <= mean <= HIGHEST_MEAN else FIRST_MEAN

    def learn(self, model: str, tokens: int) -> None:
        """Count an answer of the model for `mean_tokens`."""
        self._server.post("learn", model, tokens)

    def take_slot(self, sleep: Sleep | None = None) -> int:
        """Wait for one of the concurrency slots and return its number, for `release_slot`."""
        sleep = sleep or self._clock.sleep
        return self._patiently(
            partial(self._slots.take_slot, self.limits.concurrency, sleep), sleep
        )

    def release_slot(self, slot: int) -> None:
        """Give a concurrency slot back."""
        self._slots.release_slot(slot)

    def _step(self, sleep: Sleep, step: str, *arguments: float) -> list[Any]:
        """Return the answer of a step: numbers, and the cause of a wait as a word."""
        answer = self._patiently(partial(self._server.ask, step, *arguments), sleep)
        return [_number_or_word(item) for item in answer]

    def _patiently(self, step: Callable[[], _T], sleep: Sleep) -> _T:
        """Repeat a step while the server is away; one time limit holds for all threads."""
        server = self._server
        while True:
            try:
                answer = step()
            except server.failures as failure:
                now = self._clock.monotonic()
                if server.away_since is None:
                    server.away_since = now
                server.note_missing(failure)
                left_s = server.away_since + self.limits.store_wait_s - now
                if left_s <= 0:
                    raise server.unusable(failure) from None
                sleep(min(RETRY_S, left_s))
            else:
                server.note_answer()
                return answer


class LimitServer:
    """The script in the server, and the messages when it does not answer."""

    def __init__(self, url: str, key: str, limits: Limits, tell: Callable[[str], None]) -> None:
        import hashlib

        redis = _package()
        self.failures: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        self.is_missed = False
        self.away_since: float | None = None
        self._tell = tell
        self._wait_s = limits.store_wait_s
        self._shown = without_credentials(url)
        self._client = self._make_client(redis, url)
        lua = files("apiyi_cli.wire.limits").joinpath("limits.lua").read_text("utf-8")
        self._script = self._client.register_script(lua)
        name = hashlib.sha256(b"apiyi limits\0" + key.encode()).hexdigest()[:32]
        # The braces keep the three keys in one slot of a cluster.
        numbers = f"rates-5:{limits.rpm}-{limits.tpm}-{limits.window_s:g}"
        self._keys = [f"apiyi:{{{name}}}:{kind}" for kind in (numbers, "places", "means")]
        self.clear_command = (
            f"redis-cli -u {quote_word(self._shown)} del {quote_word(self._keys[0])}"
        )
        self._limits = (
            repr(float(limits.window_s)),
            repr(rates.burst_s(limits)),
            repr(rates.spacing_s(limits, limits.rpm)),
            repr(rates.spacing_s(limits, limits.tpm)),
            limits.rpm,
            limits.tpm,
            windows.BUCKETS_PER_WINDOW,
            windows.BUCKET_COUNT,
            repr(windows.NETWORK * limits.window_s),
            repr(rates.LATE_SHARE * limits.window_s),
        )

    def _make_client(self, redis: Any, url: str) -> Any:
        try:
            return redis.Redis.from_url(
                url,
                socket_connect_timeout=REDIS_TIMEOUT_S,
                socket_timeout=REDIS_TIMEOUT_S,
                health_check_interval=30,
                retry=redis.retry.Retry(redis.backoff.NoBackoff(), 1),
            )
        except ValueError as failure:
            raise self.unusable(failure) from None

    def ask(self, step: str, *arguments: str | float) -> Any:
        """Return the answer of a step. Raises one of `failures`."""
        texts = [item if isinstance(item, str) else repr(item) for item in arguments]
        return self._script(keys=self._keys, args=[step, *self._limits, *texts])

    def post(self, step: str, *arguments: str | float) -> Any:
        """Return the answer of a step, None if it fails: an answer must not be lost for it."""
        try:
            return self.ask(step, *arguments)
        except self.failures as failure:
            self.note_missing(failure)
            return None

    def note_missing(self, failure: Exception) -> None:
        """Report once that the server is away, and how long it is waited for."""
        if not self.is_missed:
            self.is_missed = True
            self._tell(
                Text(
                    "the limits' server {shown} does not answer: {reason}; "
                    "waiting up to {wait_s} s for it",
                    shown=self._shown,
                    reason=_reason(failure),
                    wait_s=f"{self._wait_s:g}",
                )
            )

    def note_answer(self) -> None:
        """Note that the server answers; report it if it was away."""
        self.away_since = None
        if self.is_missed:
            self.is_missed = False
            self._tell(Text("the limits' server {shown} answers again", shown=self._shown))

    def unusable(self, failure: Exception) -> SetupError:
        """Return the error that ends the run.

        No hint to go on without the store: one machine that counts alone would take more than
        its share.
        """
        return SetupError(
            Text("cannot share the limits between machines"),
            Text("{store}: {reason}", store=self._shown, reason=_reason(failure)),
            hint=Text(
                "start that Redis server and run it again; "
                "apiyi config set limits.store_wait_s 600 waits longer for it"
            ),
        )


class LeasedSlots(Slots):
    """The concurrency slots of all hosts: a sorted set by the end of their lease."""

    SHORTEST_S = 0.005

    def __init__(self, server: LimitServer, lease_s: float) -> None:
        super().__init__()
        self._server = server
        self._lease_s = lease_s
        self._owner = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._renewing: threading.Thread | None = None

    def _first_free(self, count: int) -> int | None:
        slot = next(self._numbers)
        if not self._server.ask("occupy", count, self._lease_s, self._member(slot)):
            return None
        self._held.add(slot)
        if self._renewing is None:
            # Without a thread a slot that is held for longer than the lease expires.
            self._renewing = start_thread(self._renew)
        return slot

    def _unlock_slot(self, slot: int) -> None:
        if slot != self.TURNSTILE:
            self._server.post("vacate", self._member(slot))

    def _member(self, slot: int) -> str:
        return f"{self._owner}:{slot}"

    def _renew(self) -> None:
        while True:
            time.sleep(self._lease_s / 3)
            # Locked meanwhile: a slot that is released now must not be renewed after that.
            with self._lock:
                held = [self._member(slot) for slot in self._held if slot != self.TURNSTILE]
                if held:
                    self._server.post("renew", self._lease_s, *held)


def without_credentials(url: str) -> str:
    """Return the address without its user and password, for messages."""
    if (parts := split_url(url)) is None:
        return "limits.store"
    host = host_in_url(parts.hostname or "")
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _number_or_word(answer: bytes | str) -> Any:
    text = answer.decode() if isinstance(answer, bytes) else answer
    return text if text in ("pause", "requests", "tokens") else float(text)


def _reason(failure: Exception) -> str:
    return str(failure).strip().rstrip(".") or type(failure).__name__


def _package() -> Any:
    try:
        import redis
        import redis.backoff
        import redis.retry
    except ImportError:
        raise SetupError(
            Text("cannot share the limits between machines"),
            Text("limits.store needs the Python package redis"),
            hint="pip install 'apiyi-cli[redis]'",
        ) from None
    return redis
