"""Chooses the base URL of an attempt among the profile's.

`Failover` holds the URLs in the user's order, `Route` chooses among them for one request, and
`CircuitBreaker` remembers for all processes which URL was down. A request switches only if this
URL is the problem: it could not be reached before sending, or something in front of the API
answers for it. It never switches after a 4xx or 429, which the next URL would repeat because
limits and keys are the same there, nor if it may have been billed.

`decision` decides whether there is another attempt at all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from apiyi_cli.core.call import Cost
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.disk import read_regular
from apiyi_cli.core.jsontext import read, write
from apiyi_cli.decode.frames.fields import read_object
from apiyi_cli.errors import ApiyiError, SetupError, TemporaryError
from apiyi_cli.settings.defaults import URL_DOWN_S
from apiyi_cli.settings.paths import private_write
from apiyi_cli.text import Text

_MOST_BYTES: Final = 65_536

# 524 is missing on purpose: the request was sent, and the model may still be at work.
_IN_FRONT = frozenset((502, 503, 520, 521, 522, 523, 525, 526, 527))

State = Literal["up", "down", "half-open"]
"""In use; skipped; to be probed for free before it is used again."""


_DownSince = tuple[float, float]
"""When a URL went down, on both clocks: wall and monotonic."""


class CircuitBreaker:
    """The URLs that are down, in a small file for all processes of the user.

    A URL is down for 60 s and half-open after that, until it is cleared. Both clocks must agree
    that the 60 s are not over, so neither a jump of the wall clock nor a reboot keeps a URL down
    for longer. A file that cannot be read is ignored; if it cannot be written, only this process
    knows.
    """

    def __init__(self, path: Path, clock: Clock = CLOCK) -> None:
        self._path = path
        self._clock = clock
        self._own: dict[str, _DownSince] = {}
        self._lock = threading.Lock()

    def state(self, url: str) -> State:
        """Return how to treat the URL now."""
        with self._lock:
            mark = self._marks().get(url)
        if mark is None:
            return "up"
        ages_s = (now - then for now, then in zip(self._now(), mark, strict=True))
        return "down" if all(0 <= age_s < URL_DOWN_S for age_s in ages_s) else "half-open"

    def mark(self, url: str) -> None:
        """Record that the URL is down from now on."""
        with self._lock:
            self._own[url] = now = self._now()
            self._write({**self._marks(), url: now})

    def clear(self, url: str) -> None:
        """Record that the URL works."""
        with self._lock:
            self._own.pop(url, None)
            marks = self._marks()
            if marks.pop(url, None) is not None:
                self._write(marks)

    def _now(self) -> _DownSince:
        return self._clock.wall(), self._clock.monotonic()

    def _marks(self) -> dict[str, _DownSince]:
        try:
            text = read_regular(self._path, _MOST_BYTES)
        except OSError:
            return dict(self._own)
        return {**self._own, **_marks_in(text)}

    def _write(self, marks: Mapping[str, _DownSince]) -> None:
        # Only a hint: a run must not fail because it cannot be written.
        with suppress(SetupError):
            private_write(self._path, write(marks))


class Failover:
    """The base URLs of a profile, the preferred one first.

    `probe(url)` makes a free call and returns True if it succeeded; it is made before a request
    goes again to a URL that was down. `tell` gets a message when a request switches.
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
        self.tell = tell

    def route(self, cost: Cost) -> Route:
        """Return the route of a new request."""
        return Route(self, cost)

    def find_usable(self, avoid: frozenset[str] = frozenset()) -> str:
        """Return the first URL that is up and not in `avoid`.

        Without one it is the first URL, because the request itself gets the better error.
        """
        for url in self.base_urls:
            if url not in avoid and self._is_usable(url):
                return url
        return self.base_urls[0]

    def _is_usable(self, url: str) -> bool:
        if len(self.base_urls) == 1:
            return True
        state = self.breaker.state(url)
        if state == "half-open":
            # Marked first, so that only one of all threads and processes probes.
            self.breaker.mark(url)
            if not self._probe(url):
                return False
            self.breaker.clear(url)
            return True
        return state == "up"


class Route:
    """Chooses the URL of each attempt of one request; `url` is the next one's.

    Call `begin` before each attempt, and `failed` or `succeeded` after it.
    """

    def __init__(self, failover: Failover, cost: Cost) -> None:
        self._failover = failover
        self._cost = cost
        self._failures_here = 0
        self._avoid: frozenset[str] = frozenset()
        self._left: dict[str, str] | None = None
        self.url = failover.find_usable()

    def begin(self) -> str:
        """Return the URL of the next attempt, and report a switch."""
        if self._left is not None:
            named = {**self._left, "next_url": self.url}
            message = Text("{address} is in trouble ({why}), going on with {next_url}", **named)
            self._failover.tell(message)
            self._left = None
        return self.url

    def note_success(self) -> None:
        """Note that the URL answered."""
        if len(self._failover.base_urls) > 1 and self._failover.breaker.state(self.url) != "up":
            self._failover.breaker.clear(self.url)

    def note_failure(self, error: ApiyiError) -> None:
        """Switch to the next URL if this URL, not the request, is the problem."""
        trouble = _trouble(error, self._cost)
        if trouble == "none":
            self._failures_here = 0
            return
        self._failures_here += 1
        # A proxy in front of the API usually recovers within a second.
        is_passing = trouble == "in front" and self._failures_here < 2
        if is_passing or len(self._failover.base_urls) == 1:
            return
        left = self.url
        if trouble != "unanswered":
            self._failover.breaker.mark(left)
        self._avoid |= {left}
        self._failures_here = 0
        self.url = self._failover.find_usable(self._avoid)
        if self.url != left:
            why = error.why or error.what
            if error.facts.status:
                why = Text("HTTP {status}", status=error.facts.status)
            # Reported when there is another attempt, not before.
            self._left = {"address": left, "why": why}


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


def _marks_in(text: bytes) -> dict[str, _DownSince]:
    marks = {}
    with suppress(ValueError):
        for url, mark in read_object(read(text)).items():
            with suppress(TypeError, ValueError, OverflowError):
                wall, monotonic = mark
                marks[url] = float(wall), float(monotonic)
    return marks
