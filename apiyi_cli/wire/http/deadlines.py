"""The deadlines of one exchange: the longest silence in each phase.

Five limits (seconds): connecting; no byte before the headers; no byte after them; no *event*
after them (keep-alive comments are bytes but no events); and the whole run. Every wait for the
socket takes its timeout from `read_s` and, when that has passed, its error from
`timeout_error`.
"""

from __future__ import annotations

from collections.abc import Callable

from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import (
    ApiyiError,
    Billed,
    Facts,
    IncompleteError,
    LimitError,
    Phase,
    TemporaryError,
    describe_billing,
)
from apiyi_cli.settings.defaults import Timeouts
from apiyi_cli.text import Text

EARLY_S = 0.01
"""How much too early a socket's wait may end, in seconds."""
MOST_UNREAD_BYTES = 1 << 20
CHECK_NETWORK = Text("check the network, the proxy and --base-url: apiyi doctor")


class Deadlines:
    """The running deadlines of one exchange."""

    def __init__(self, timeouts: Timeouts, clock: Clock, *, free: bool, stream: bool) -> None:
        self._timeouts = timeouts
        self._clock = clock
        self._free = free
        self._stream = stream
        self._event_at = self._began_at = clock.monotonic()
        self.connect_took_s = 0.0
        # Set when the request begins, behind all handshakes (proxy, TLS).
        self.is_sending = False
        self.sent_at: float | None = None
        self.headers_at: float | None = None
        self.reused = True
        self.is_whole: Callable[[], bool] | None = None
        self.unread: bytes | None = b""

    def note_connected(self) -> None:
        """Note that the connection is open (before TLS)."""
        self.connect_took_s = self._clock.monotonic() - self._began_at

    def note_sent(self) -> None:
        """Note that the last byte of the request was sent."""
        self.sent_at = self._clock.monotonic()

    def note_headers(self) -> None:
        """Note that the status line and headers have arrived."""
        self.headers_at = self._event_at = self._clock.monotonic()

    def note_event(self) -> None:
        """Note that a part of the answer has arrived."""
        self._event_at = self._clock.monotonic()

    def note_bytes(self, data: bytes) -> None:
        """Keep what came until `unread` is None: the engine drops what it cannot read."""
        if self.unread is not None and len(self.unread) < MOST_UNREAD_BYTES:
            self.unread += data

    def connect_s(self) -> float:
        """Return how long connecting may take from now."""
        return self._least(self._timeouts.connect_s)

    def read_s(self) -> float:
        """Return how long the next read may wait, 0 or less if overdue."""
        now = self._clock.monotonic()
        if not self.is_sending and self.sent_at is None:
            # A proxy's handshake.
            return self.connect_s()
        if self.headers_at is None:
            since = self.sent_at if self.sent_at is not None else now
            return self._least(self._timeouts.headers_s - (now - since))
        left = min(self._timeouts.bytes_s, self._eventless_s() - (now - self._event_at))
        return self._least(left)

    def tail_s(self) -> float:
        """Return how long the next read may wait before `is_whole` is called."""
        return float("inf") if self.is_whole is None else self._timeouts.tail_s

    def facts(self, kind: str) -> Facts:
        """Return the facts of a failure now."""
        now = self._clock.monotonic()
        phase: Phase = "opened" if self.headers_at else "sent" if self.sent_at else "connect"
        after_s = None if self.sent_at is None else now - self.sent_at
        return Facts(phase=phase, kind=kind, reused=self.reused, after_s=after_s)

    def timeout_error(self) -> ApiyiError:
        """Return the error for the limit that has passed."""
        now = self._clock.monotonic()
        facts = self.facts("timeout")
        if self._timeouts.total_at is not None and now >= self._timeouts.total_at - EARLY_S:
            what, hint = Text("stopped by --max-time"), Text("raise --max-time")
            facts = facts._replace(kind="max-time")
            return LimitError(what, self._describe_sending(), hint=hint, facts=facts)
        if self.headers_at is None and self.sent_at is None:
            why = Text("no connection in time")
            if self.is_sending:
                why = Text("it stopped taking the request")
            what = Text("cannot reach the gateway")
            return TemporaryError(what, why, hint=CHECK_NETWORK, facts=facts)
        what = Text("the gateway went silent")
        if self.headers_at is None:
            waited_s = now - (self.sent_at or now)
            why = Text("no answer within {waited_s} s of sending", waited_s=f"{waited_s:.3g}")
        elif now - self._event_at >= self._eventless_s() - EARLY_S:
            why = Text("no event for {now} s", now=f"{now - self._event_at:.3g}")
        else:
            why = Text("no byte for {bytes_s} s", bytes_s=f"{self._timeouts.bytes_s:.3g}")
        if self._free:
            hint = Text("try again, or raise --timeout")
            return TemporaryError(what, why, hint=hint, facts=facts)
        advice = describe_billing("maybe", Text("raise --timeout before trying again"))
        return IncompleteError(what, why, hint=advice, facts=facts)

    def _eventless_s(self) -> float:
        """Return the longest time without a part of the answer.

        A body that does not stream may be kept alive by blanks for as long as it may take to
        begin.
        """
        timeouts = self._timeouts
        return timeouts.events_s if self._stream else max(timeouts.headers_s, timeouts.events_s)

    def _describe_sending(self) -> str:
        if not self.sent_at:
            return Text("the request had not been sent; {billing}", billing=describe_billing("no"))
        billed: Billed = "no" if self._free else "pending"
        return Text("the request had been sent; {billing}", billing=describe_billing(billed))

    def _least(self, seconds: float) -> float:
        total_at = self._timeouts.total_at
        return seconds if total_at is None else min(seconds, total_at - self._clock.monotonic())
