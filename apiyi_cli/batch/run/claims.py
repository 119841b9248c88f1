"""Notes each attempt in the journal at the moment it is sent."""

from __future__ import annotations

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.gate import ConcurrencyGate
from apiyi_cli.batch.state.journal import Journal
from apiyi_cli.core.call import Reply
from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import ApiyiError
from apiyi_cli.wire.http.client import Observer
from apiyi_cli.wire.http.proxies import Proxy
from apiyi_cli.wire.http.request import HttpRequest
from apiyi_cli.wire.retry.attempts import AttemptCounts


class ClaimWriter(Observer):
    """Writes the claim of each attempt just before its first byte is sent."""

    def __init__(
        self,
        journal: Journal | None,
        gate: ConcurrencyGate,
        clock: Clock,
        counts: AttemptCounts,
        following: Observer,
    ) -> None:
        self._journal = journal
        self._counts = counts
        self._gate = gate
        self._clock = clock
        self._following = following
        self.rows: tuple[Row, ...] = ()
        self._sent_at = 0.0
        self.attempts = 0
        self.url: str | None = None
        self.in_flight = False

    def begin(self, row: Row) -> None:
        """Count the following requests as attempts of a row, or a pack's rows."""
        self.rows, self.attempts, self.url, self.in_flight = row.rows, 0, None, False

    def on_connect(self, url: str, proxy: Proxy | None) -> None:
        """Forward to the next observer."""
        self._following.on_connect(url, proxy)

    def on_request(self, request: HttpRequest) -> None:
        """Write the claim; if that raises, the request is not sent."""
        if self.rows and not request.free:
            if self._journal is not None:
                uuid = next((v for n, v in request.headers if n == "Idempotency-Key"), "")
                self._journal.claim(
                    self.rows, self.attempts + 1, uuid, self._counts.possibly_billed
                )
            self.attempts += 1
            self.url = request.url
            self.in_flight = True
            self._sent_at = self._clock.monotonic()
            self._gate.note_sent()
        self._following.on_request(request)

    def on_reply(self, reply: Reply, after_s: float) -> None:
        """Report to the gate that a request was not refused."""
        if reply.status != 429:
            self._gate.note_answered(self._sent_at)
        self._following.on_reply(reply, after_s)

    def release(self, *, billed: bool) -> None:
        """Note that a request was refused whose rows go on in smaller ones."""
        if self._journal is not None:
            self._journal.abandon(self.rows, billed=billed)

    def note_throttled(self, error: ApiyiError) -> float:
        """Report to the gate that the key is throttled; return how long all should pause."""
        return self._gate.note_refused(self._sent_at, error.facts.retry_after_s or 0.0)
