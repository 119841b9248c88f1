"""`Gateway`: an OpenAI-compatible gateway on loopback, for offline use and for the tests.

One thread per connection on raw sockets, so that every fault of a network can be played.
Answers come from `answers`, errors from `faults` and from scripts of
`ScriptedReply`s; all that was received is in the ledger.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.endpoints import RERANK, Endpoint
from apiyi_cli.sandbox.faults.faults import Faults
from apiyi_cli.sandbox.received_request import HttpReader, ReceivedRequest, parse_head, read_body
from apiyi_cli.sandbox.reply_sender import ClientLeft, ReplySender
from apiyi_cli.sandbox.scripted_reply import Refused, ScriptedReply

BACKLOG = 512
MOST_IN_FLIGHT: Mapping[Endpoint | None, int] = {RERANK: 5}
"""How many requests an endpoint accepts at once, whatever the limits of the key."""

Validate = Callable[[ReceivedRequest], str | None]
"""Looks at a request and returns what is wrong with it, or None."""


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """At most `rpm` requests and `tpm` tokens in any `window_s`, `concurrency` at once.

    None is "no limit".
    """

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    window_s: float = 60.0


class Windows:
    """The requests and tokens of the last `window_s` seconds."""

    def __init__(self, limits: GatewayLimits, clock: Clock = CLOCK) -> None:
        self.limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._admitted: deque[tuple[float, int]] = deque()
        self._tokens = 0

    def refusal(self, tokens: int, in_flight: int) -> ScriptedReply | None:
        """Admit a request of so many tokens, or return the 429 for it.

        A single request over `tpm` is admitted when the window holds nothing else.
        """
        limits, now = self.limits, self._clock.monotonic()
        with self._lock:
            while self._admitted and self._admitted[0][0] <= now - limits.window_s:
                self._tokens -= self._admitted.popleft()[1]
            if limits.concurrency is not None and in_flight > limits.concurrency:
                return _too_many(f"您已达到并发请求数限制：最多 {limits.concurrency}")
            if limits.rpm is not None and len(self._admitted) >= limits.rpm:
                return _too_many(f"您已达到请求数限制：1分钟内最多请求{limits.rpm}次")
            if limits.tpm is not None and self._tokens and self._tokens + tokens > limits.tpm:
                return _too_many(f"您已达到 Token 限制：1分钟内最多 {limits.tpm}")
            self._admitted.append((now, tokens))
            self._tokens += tokens
            return None


def refuse_crowd(endpoint: Endpoint | None, in_flight: int) -> ScriptedReply | None:
    """Return the 429 of an endpoint with too many requests in flight, else None."""
    most = MOST_IN_FLIGHT.get(endpoint, in_flight)
    if in_flight <= most:
        return None
    return _too_many(f"该模型并发请求数已达上限：最多 {most}")


def _too_many(message: str) -> ScriptedReply:
    return ScriptedReply.error(429, message, code="rate_limit_exceeded", type="rate_limit_error")


class Gateway:
    """The sandbox as a context manager; it listens from `start` to `close`.

    `key` is the one that is accepted (ANY_KEY: each, None: no key is asked for). `fault` is a
    spec that holds for every request (see `faults`); a bad one raises UsageError. A complaint
    of `validate` is kept in `complaints` and answered with 400. `ledger` has one entry per
    request, in the order of arrival, before the first byte of its answer is sent.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        key: str | None = None,
        fault: str | None = None,
        validate: Validate | None = None,
        limits: GatewayLimits | None = None,
        clock: Clock = CLOCK,
        seed: int = 0,
    ) -> None:
        self.key = key
        self.validate = validate
        self.clock = clock
        self.ledger: list[ReceivedRequest] = []
        self.complaints: list[str] = []
        self.in_flight = 0
        self.max_in_flight = 0
        self.connections = 0
        self._at_once: Counter[Endpoint | None] = Counter()
        self._address = (host, port)
        self._windows = Windows(limits, clock) if limits else None
        self._faults = Faults(fault, seed)
        self._changed = threading.Condition()
        self._scripts: list[tuple[str | None, ScriptedReply]] = []
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._closing = False

    def start(self) -> Self:
        """Bind and listen; return self. Raises OSError if the port is taken."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._listener = socket.create_server(self._address, family=family, backlog=BACKLOG)
        self._address = self._listener.getsockname()[:2]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def close(self) -> None:
        """Stop listening and drop every connection; may be called more than once."""
        self._closing = True
        if self._listener is not None:
            # Closing alone does not wake a thread that waits in accept.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        with self._changed:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self if self._listener else self.start()

    def __exit__(self, *failure: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The listening port."""
        return self._address[1]

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = self._address[0]
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        """The address of the API, with its `/v1`."""
        return f"{self.origin}/v1"

    @property
    def posts(self) -> list[ReceivedRequest]:
        """The requests that a real gateway would have charged for."""
        return [request for request in self.ledger if request.billed]

    def script(self, *replies: ScriptedReply, path: str | None = None) -> None:
        """Answer the next requests with these replies, in order.

        With `path` only requests whose path ends so are meant. Scripted requests are
        neither checked for their key nor counted in the limits.
        """
        with self._changed:
            self._scripts += [(path, reply) for reply in replies]

    def wait_for(self, ready: Callable[[], object], timeout_s: float = 10.0) -> bool:
        """Wait until `ready` returns true, asked at each change; return whether it did."""
        with self._changed:
            return bool(self._changed.wait_for(ready, timeout_s))

    def _accept(self, listener: socket.socket) -> None:
        for number in itertools.count():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with self._changed:
                if self._closing:
                    sock.close()
                    return
                self._open.add(sock)
                self.connections += 1
                self._changed.notify_all()
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        reader = HttpReader(sock)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (head := reader.read_head()) is not None:
                if not self._serve_request(reader, head, number):
                    break
        except OSError:
            pass  # the client, or `close`, dropped the connection
        finally:
            with self._changed:
                self._open.discard(sock)
            reader.close()
            sock.close()

    def _serve_request(self, reader: HttpReader, head: bytes, number: int) -> bool:
        """Answer one request; return whether the connection may serve another."""
        sender = ReplySender(reader.sock, self.clock)
        try:
            request = parse_head(head, self.clock.monotonic())
        except ValueError as error:
            with contextlib.suppress(ClientLeft):
                sender.send(ScriptedReply.text(f"bad request: {error}", status=400))
            return False
        request.origin, request.connection, request.earlier = self.origin, number, self.ledger
        with self._changed:
            self.in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self.in_flight)
            self._at_once[request.endpoint] += 1
        try:
            return self._answer(request, reader, sender)
        finally:
            with self._changed:
                self.in_flight -= 1
                self._at_once[request.endpoint] -= 1
                request.done = True
                request.bytes_answered = sender.sent
                self._changed.notify_all()

    def _answer(self, request: ReceivedRequest, reader: HttpReader, sender: ReplySender) -> bool:
        scripted = self._take_scripted(request.path)
        if scripted is None or not scripted.early:
            read_body(
                request, reader, lambda: reader.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            )
        with self._changed:
            request.index = len(self.ledger)
            self.ledger.append(request)
            self._changed.notify_all()
        if not request.complete:
            return False
        reply = scripted or self._reply_to(request)
        request.status = reply.status
        request.billed = reply.is_billed and request.method == "POST" and not reply.early
        request.complete = not reply.early
        try:
            going = sender.send(reply, request.request_id, bodiless=request.method == "HEAD")
        except ClientLeft:
            if not self._closing:
                request.closed_by_client_at = self.clock.monotonic()
            return False
        closes = "close" in request.headers.get("connection", "").lower()
        return going and not reply.early and not closes

    def _take_scripted(self, path: str) -> ScriptedReply | None:
        if not self._scripts:
            return None
        with self._changed:
            for k, (wanted, reply) in enumerate(self._scripts):
                if wanted is None or path.endswith(wanted):
                    del self._scripts[k]
                    return reply
        return None

    def _reply_to(self, request: ReceivedRequest) -> ScriptedReply:
        """Return the answer to a request without a scripted reply."""
        from apiyi_cli.sandbox.answers import answer, check_key

        try:
            check_key(request, self.key)
            if self.validate and (complaint := self.validate(request)):
                self.complaints.append(complaint)
                return ScriptedReply.error(400, complaint, code="invalid_request")
            if refusal := refuse_crowd(request.endpoint, self._at_once[request.endpoint]):
                return refusal
            reply = self._faults.reply(request, answer)
        except Refused as refused:
            reply = refused.reply
        except Exception as error:
            # A thread that dies would leave the client with a dead socket and no reason; the
            # family answers its own panics like this, too.
            message = f"Panic detected, error: {type(error).__name__}: {error}"
            reply = ScriptedReply.error(500, message, type="one_api_panic")
        if self._windows and request.method == "POST":
            return self._windows.refusal(reply.tokens, self.in_flight) or reply
        return reply
