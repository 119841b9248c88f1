"""Which of the profile's addresses an attempt goes to.

`Failover` holds the addresses in the user's order, `Route` leads one request over them, and
`CircuitBreaker` remembers for all processes which address was down. A request moves on only when
the address itself is in trouble: it could not be reached before sending, or something in
front of the API answers for it. It never moves after a 4xx or 429, which the next address
would repeat because limits and keys are the same there, nor when it may have been billed.

Whether there is another attempt at all is decided in `retry`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from apiyi_cli.core.call import Cost
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.disk import read_regular
from apiyi_cli.core.jsontext import read, write
from apiyi_cli.errors import ApiyiError, SetupError, TemporaryError
from apiyi_cli.settings.paths import private_write
from apiyi_cli.text import Text

DOWN_S: Final = 60.0
_MOST_BYTES: Final = 65_536

# 524 is missing on purpose: the request was sent, and the model may still be at work.
_IN_FRONT = frozenset((502, 503, 520, 521, 522, 523, 525, 526, 527))

State = Literal["up", "down", "half-open"]
"""In use; left alone; to be asked something that costs nothing before it is used again."""


class _Mark(NamedTuple):
    """When an address went down, on both clocks."""

    wall: float
    monotonic: float


class CircuitBreaker:
    """Which addresses are down, in a small file that all processes of the user share.

    An address is down for 60 s and half-open from then on, until it is cleared. Both clocks
    must agree that the 60 s are not over, so neither a jump of the wall clock nor a reboot
    keeps an address down for longer. A file that cannot be read says nothing; one that cannot
    be written leaves the knowledge to this process.
    """

    def __init__(self, path: Path, clock: Clock = CLOCK) -> None:
        self._path = path
        self._clock = clock
        self._own: dict[str, _Mark] = {}
        self._lock = threading.Lock()

    def state(self, address: str) -> State:
        """Return how the address is to be treated now."""
        with self._lock:
            mark = self._marks().get(address)
        if mark is None:
            return "up"
        for now, then in (
            (self._clock.wall(), mark.wall),
            (self._clock.monotonic(), mark.monotonic),
        ):
            if not 0 <= now - then < DOWN_S:
                return "half-open"
        return "down"

    def mark(self, address: str) -> None:
        """Remember that the address is down from now on."""
        with self._lock:
            now = _Mark(self._clock.wall(), self._clock.monotonic())
            self._own[address] = now
            self._write({**self._marks(), address: now})

    def clear(self, address: str) -> None:
        """Remember that the address works."""
        with self._lock:
            self._own.pop(address, None)
            marks = self._marks()
            if marks.pop(address, None) is not None:
                self._write(marks)

    def _marks(self) -> dict[str, _Mark]:
        try:
            text = read_regular(self._path, _MOST_BYTES)
        except OSError:
            return dict(self._own)
        return {**self._own, **_marks_in(text)}

    def _write(self, marks: Mapping[str, _Mark]) -> None:
        # Advice, not data: a run must not fail because it cannot be kept.
        with suppress(SetupError):
            private_write(self._path, write(marks))


class Failover:
    """The addresses (base URLs) of a profile, the preferred one first.

    `probe(address)` makes a call that costs nothing and tells whether it succeeded; an address
    that was down is asked that way before a request goes to it again. `tell` gets a sentence
    when a request moves on.
    """

    def __init__(
        self,
        base_urls: Sequence[str],
        breaker: CircuitBreaker,
        *,
        probe: Callable[[str], bool],
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.base_urls = tuple(base_urls)
        self.breaker = breaker
        self._probe = probe
        self._tell = tell

    def route(self, cost: Cost) -> Route:
        """Begin the way of one request."""
        return Route(self, cost)

    def first_usable(self, avoid: frozenset[str] = frozenset()) -> str:
        """Return the first address that is up and not to be avoided.

        When there is none the first one is returned: then the breaker knows nothing that
        would help, and the request itself gets the better error.
        """
        for address in self.base_urls:
            if address not in avoid and self._is_usable(address):
                return address
        return self.base_urls[0]

    def left(self, address: str, why: str, heir: str) -> None:
        """Tell that a request goes on at `heir`, and why."""
        self._tell(
            Text(
                "{address} is in trouble ({why}), going on with {heir}",
                address=address,
                why=why,
                heir=heir,
            )
        )

    def _is_usable(self, address: str) -> bool:
        if len(self.base_urls) == 1:
            return True
        state = self.breaker.state(address)
        if state == "half-open":
            # Marked first, so that one of all threads and processes asks.
            self.breaker.mark(address)
            if not self._probe(address):
                return False
            self.breaker.clear(address)
            return True
        return state == "up"


class Route:
    """The way of one request over the addresses: `address` is where the next attempt would go.

    Call `begin` before each attempt, and `failed` or `succeeded` after it.
    """

    def __init__(self, hosts: Failover, cost: Cost) -> None:
        self._hosts = hosts
        self._cost = cost
        self._failures_here = 0
        self._avoid: frozenset[str] = frozenset()
        self._left: tuple[str, str] | None = None
        self.address = hosts.first_usable()

    def begin(self) -> str:
        """Return where the next attempt goes, and tell when that is not where the last went."""
        if self._left is not None:
            self._hosts.left(*self._left, self.address)
            self._left = None
        return self.address

    def note_success(self) -> None:
        """Note that the address answered."""
        if len(self._hosts.base_urls) > 1 and self._hosts.breaker.state(self.address) != "up":
            self._hosts.breaker.clear(self.address)

    def note_failure(self, error: ApiyiError) -> None:
        """Move on if the failure is the address's own and another address may do better."""
        trouble = _trouble(error, self._cost)
        if trouble == "none":
            self._failures_here = 0
            return
        self._failures_here += 1
        # Something in front of the API recovers within a second more often than not.
        if trouble == Text("in front") and self._failures_here < 2:
            return
        if len(self._hosts.base_urls) == 1:
            return
        left = self.address
        if trouble != "unanswered":
            self._hosts.breaker.mark(left)
        self._avoid |= {left}
        self._failures_here = 0
        self.address = self._hosts.first_usable(self._avoid)
        if self.address != left:
            why = (
                Text("HTTP {status}", status=error.facts.status)
                if error.facts.status
                else error.why or error.what
            )
            # Told when there is another attempt, not before.
            self._left = left, why


def _trouble(
    error: ApiyiError, cost: Cost
) -> Literal["none", "unreached", "in front", "unanswered"]:
    facts = error.facts
    if facts.phase == "connect" and facts.kind not in ("certificate", "proxy"):
        return "unreached" if isinstance(error, TemporaryError) else "none"
    if facts.phase == "sent" and cost in ("free", "light"):
        return "unanswered"
    # A 500 with an error object comes from the API itself, which is the same everywhere.
    in_front = facts.status in _IN_FRONT or (facts.status == 500 and facts.code is None)
    if facts.phase == "status" and isinstance(error, TemporaryError) and in_front:
        return "in front"
    return "none"


def _marks_in(text: bytes) -> dict[str, _Mark]:
    marks = {}
    with suppress(ValueError):
        value: Any = read(text)
        for address, mark in (value if isinstance(value, dict) else {}).items():
            with suppress(TypeError, ValueError, OverflowError):
                wall, monotonic = mark
                marks[address] = _Mark(float(wall), float(monotonic))
    return marks
