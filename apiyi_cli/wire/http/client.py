"""One connection pool, one exchange at a time: sends a request, returns a `Reply`.

Each worker thread has its own client, because a shared pool is slower and can lose its
connections. The engine is httpcore, the part of httpx below its models: importing the models as
well would cost every command about ten milliseconds. Redirects are never followed, cookies never
kept, and the environment is not read.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from apiyi_cli.core.call import Reply
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.decode.frames.filler import Filler
from apiyi_cli.errors import (
    ApiyiError,
    Facts,
    IncompleteError,
    RejectedError,
    SetupError,
    TemporaryError,
    UsageError,
    describe_billing,
)
from apiyi_cli.settings.defaults import Timeouts
from apiyi_cli.text import Text, system_reason
from apiyi_cli.wire.http.content_coding import decode_body
from apiyi_cli.wire.http.deadlines import CHECK_NETWORK, Deadlines
from apiyi_cli.wire.http.engine import httpcore
from apiyi_cli.wire.http.network import Network
from apiyi_cli.wire.http.proxies import Proxy, is_host_unreachable, proxy_for
from apiyi_cli.wire.http.request import HttpRequest, add_host, encode_headers
from apiyi_cli.wire.http.tls import tls_context, trust_of

if TYPE_CHECKING:
    from apiyi_cli.wire.http.preconnect import Preconnection

_HEAD_BYTES = 1024
_MOST_KEPT_BYTES = 64 * 2**20


class Observer:
    """Observes the exchanges of a client; every method does nothing by default."""

    def on_connect(self, url: str, proxy: Proxy | None) -> None:
        """Called before a connection is made."""

    def on_request(self, request: HttpRequest) -> None:
        """Called before the request is sent; an exception prevents that."""

    def on_reply(self, reply: Reply, after_s: float) -> None:
        """Called when the headers have arrived, `after_s` seconds after sending."""


class Client:
    """Sends requests over a pool of connections.

    `cacert` and `proxy` are values of the options, `preconnection` what may be taken over. Not for
    use by two threads at once.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        cacert: str | None = None,
        proxy: str | None = None,
        clock: Clock = CLOCK,
        observer: Observer | None = None,
        check_address: Callable[[str], None] | None = None,
        preconnection: Preconnection | None = None,
    ) -> None:
        self._environ = environ
        self._cacert = cacert
        self._proxy = proxy
        self._clock = clock
        self._observer = observer or Observer()
        self._check_address = check_address
        self._preconnection = preconnection
        self._pools: dict[tuple[str, str], httpcore.ConnectionPool] = {}
        self._tls: ssl.SSLContext | None = None
        self.deadlines = Deadlines(Timeouts(), clock, free=True, stream=False)

    def send(
        self, request: HttpRequest, timeouts: Timeouts, on_send: Callable[[], None] = lambda: None
    ) -> Reply:
        """Send a request and return its reply when the headers have arrived.

        `on_send` is called on an open connection, right before the request is written.
        Raises an `ApiyiError` whose facts say how far the request got. While the body is
        read, `deadlines.note_event()` must be called for every event of a stream.
        """
        deadlines = self.deadlines = Deadlines(
            timeouts, self._clock, free=request.free, stream=request.stream
        )
        pool, url = self._pool(request.url)
        self._observer.on_request(request)
        try:
            wire_request = httpcore.Request(
                request.method,
                url,
                headers=encode_headers(add_host(request.headers, url)),
                content=request.body,
                extensions={"trace": _Progress(deadlines, on_send)},
            )
            response = pool.handle_request(wire_request)
        except ApiyiError as failure:
            raise failure.add_facts(host=_name(url)) from failure.__cause__
        except Exception as failure:
            error = _transport_error(failure, deadlines, self._proxy_of(url))
            raise error.add_facts(host=_name(url)) from failure
        deadlines.note_headers()
        reply = self._reply(response, request, url, deadlines)
        self._observer.on_reply(reply, deadlines.facts("").after_s or 0.0)
        return reply

    def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    def _reply(
        self,
        response: httpcore.Response,
        request: HttpRequest,
        url: httpcore.URL,
        deadlines: Deadlines,
    ) -> Reply:
        headers = read_headers(response.headers, self._clock)
        chunks = decode_body(
            _body(response, deadlines, self._proxy_of(url)),
            headers.get("content-encoding", ""),
            headers.get("content-type", ""),
        )
        if not request.stream:
            chunks = _note_events(chunks, deadlines)
            if "content-length" not in headers:
                chunks = _note_complete(chunks, deadlines)
        reason = response.extensions.get("reason_phrase", b"")
        return Reply(
            status=response.status,
            headers=headers,
            chunks=chunks,
            url=bytes(url).decode("ascii", "replace"),
            host=_name(url),
            reason=reason.decode("latin-1", "replace"),
            close=response.close,
            tick=deadlines.note_event,
        )

    def _proxy_of(self, url: httpcore.URL) -> Proxy | None:
        host = url.host.decode("ascii")
        return proxy_for(url.scheme.decode("ascii"), host, self._proxy, self._environ)

    def _pool(self, address: str) -> tuple[httpcore.ConnectionPool, httpcore.URL]:
        url = httpcore.URL(address)
        scheme, host = url.scheme.decode("ascii"), url.host.decode("ascii")
        pool = self._pools.get((scheme, host))
        if pool is None:
            proxy = self._proxy_of(url)
            self._observer.on_connect(address, proxy)
            begun = self._find_preconnection(url, proxy)
            pool = self._pools[scheme, host] = self._open_pool(scheme, proxy, begun)
        return pool, url

    def _find_preconnection(self, url: httpcore.URL, proxy: Proxy | None) -> Preconnection | None:
        """Return the connection begun early if this client would make the same one."""
        begun, self._preconnection = self._preconnection, None
        if begun is None:
            return None
        port, trust = url.port or 443, trust_of(self._cacert, self._environ)
        is_direct = url.scheme == b"https" and proxy is None and self._check_address is None
        if is_direct and begun.fits(url.host.decode("ascii"), port, trust):
            return begun
        begun.discard()
        return None

    def _open_pool(
        self, scheme: str, proxy: Proxy | None, begun: Preconnection | None
    ) -> httpcore.ConnectionPool:
        if self._tls is None and begun is not None:
            # It has the same trust.
            self._tls = begun.context
        if self._tls is None and (scheme == "https" or (proxy and proxy.scheme == "https")):
            self._tls = tls_context(self._cacert, self._environ)
        settings: dict[str, Any] = {
            "ssl_context": self._tls,
            "max_connections": 4,
            "keepalive_expiry": 60.0,
            "network_backend": Network(lambda: self.deadlines, self._check_address, begun),
        }
        if proxy is None:
            return httpcore.ConnectionPool(**settings)
        named = (proxy.user or "").encode(), (proxy.password or "").encode()
        auth = None if proxy.user is None else named
        if proxy.scheme == "socks5":
            return httpcore.SOCKSProxy(proxy.address, proxy_auth=auth, **settings)
        if proxy.scheme == "https":
            settings["proxy_ssl_context"] = self._tls
        return httpcore.HTTPProxy(proxy.address, proxy_auth=auth, **settings)


def read_headers(raw: Iterable[tuple[bytes, bytes]], clock: Clock) -> dict[str, str]:
    """Return a reply's headers by their lower-case names; a repeated one is joined by commas.

    A wait until a date counts from the reply's `date`; where that is missing it is the time of
    receipt (RFC 9110, 6.6.1).
    """
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("utf-8", "replace")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if "retry-after" in headers and "date" not in headers:
        from email.utils import formatdate

        headers["date"] = formatdate(clock.wall(), usegmt=True)
    return headers


class _Progress:
    """httpcore's trace: calls `on_send` before the request, notes the end of sending.

    A proxy's CONNECT causes the same events and is not the request.
    """

    def __init__(self, deadlines: Deadlines, on_send: Callable[[], None]) -> None:
        self._deadlines = deadlines
        self._on_send = on_send
        self._connecting = False

    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            self._connecting = info["request"].method == b"CONNECT"
            if not self._connecting:
                self._deadlines.is_sending = True
                self._on_send()
        elif event == "http11.send_request_body.complete" and not self._connecting:
            self._deadlines.note_sent()


def _body(
    response: httpcore.Response, deadlines: Deadlines, proxy: Proxy | None
) -> Iterator[bytes]:
    try:
        for chunk in response.iter_stream():
            if chunk:
                deadlines.unread = None
                yield chunk
    except ApiyiError:
        raise
    except Exception as failure:
        raise _transport_error(failure, deadlines, proxy) from failure
    finally:
        response.close()


def _note_events(chunks: Iterable[bytes], deadlines: Deadlines) -> Iterator[bytes]:
    """Yield the chunks; note an event for each that has content.

    Blanks, comments and empty events only keep a connection alive and may come forever.
    """
    filler = Filler()
    for chunk in chunks:
        if not filler.matches(chunk):
            deadlines.note_event()
        yield chunk


def _note_complete(chunks: Iterable[bytes], deadlines: Deadlines) -> Iterator[bytes]:
    """Yield the chunks; let the deadlines check whether they are a whole JSON text.

    Some servers send a whole answer and never close the connection. Bodies that are not JSON or
    longer than an answer are not kept for this.
    """
    from apiyi_cli.core.jsontext import trim
    from apiyi_cli.decode.frames.reply_body import is_complete

    kept = bytearray()
    deadlines.is_whole = lambda: is_complete(bytes(kept))
    for chunk in chunks:
        if deadlines.is_whole is not None and (kept or not chunk.isspace()):
            kept += chunk
            begins = trim(bytes(kept[:_HEAD_BYTES]))[:1]
            if len(kept) > _MOST_KEPT_BYTES or begins not in (b"", b"{", b"["):
                deadlines.is_whole = None
                kept.clear()
        yield chunk


def _name(url: httpcore.URL) -> str:
    return url.host.decode("ascii", "replace")


def _transport_error(failure: Exception, deadlines: Deadlines, proxy: Proxy | None) -> ApiyiError:
    """Return the error for a failure of the transport, with facts for the retry decision."""
    cause: BaseException | None = failure
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        what = Text("cannot trust the gateway's certificate")
        why = cause.verify_message or Text("verification failed")
        hint = Text("check the clock, --cacert and SSL_CERT_FILE, and who sits in between")
        return SetupError(what, why, hint=hint, facts=deadlines.facts("certificate"))
    if isinstance(failure, httpcore.ProxyError):
        return _proxy_error(str(failure), deadlines, proxy)
    if isinstance(failure, (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol)):
        why = Text("a header or the address is not valid HTTP")
        hint = Text("look at -H, the key and --base-url")
        facts = Facts(phase="connect")
        return UsageError(Text("cannot send the request"), why, hint=hint, facts=facts)
    if deadlines.sent_at is None or _is_late_handshake(cause):
        return _unsent_error(cause, deadlines, proxy)
    return _unanswered_error(failure, deadlines)


def _proxy_error(refusal: str, deadlines: Deadlines, proxy: Proxy | None) -> ApiyiError:
    reason = refusal[:200]
    if proxy is None:
        why, hint = Text("proxy: {reason}", reason=reason), None
    elif is_host_unreachable(refusal):
        what = Text("cannot reach the gateway through the proxy {proxy}", proxy=proxy.address)
        facts = deadlines.facts("unreachable")
        return TemporaryError(what, reason, hint=CHECK_NETWORK, facts=facts)
    else:
        why = Text("{shown}: {reason}", shown=proxy.address, reason=reason)
        hint = Text("check {source}", source=proxy.source)
    return SetupError(Text("the proxy refused"), why, hint=hint, facts=deadlines.facts("proxy"))


def _unsent_error(
    cause: BaseException | None, deadlines: Deadlines, proxy: Proxy | None
) -> ApiyiError:
    via = Text(" through the proxy {proxy}", proxy=proxy.address) if proxy else ""
    why: str
    if isinstance(cause, socket.gaierror):
        kind, why = "dns", Text("its name cannot be resolved")
    elif isinstance(cause, ConnectionRefusedError):
        kind, why = "refused", Text("connection refused")
    elif isinstance(cause, ssl.SSLError):
        kind, why = "tls", Text("the TLS handshake failed ({reason})", reason=cause.reason or "cut")
    elif isinstance(cause, TimeoutError):
        kind, why = "timeout", Text("no connection in time")
    elif isinstance(cause, OSError):
        kind, why = "reset", system_reason(cause, Text("connection lost"))
    else:
        kind, why = "reset", Text("connection lost before the request was sent")
    what = Text("cannot reach the gateway{via}", via=via)
    facts = deadlines.facts(kind)._replace(phase="connect")
    return TemporaryError(what, why, hint=CHECK_NETWORK, facts=facts)


def _is_late_handshake(cause: BaseException | None) -> bool:
    """Return True if the server refused the handshake after the request was written."""
    return re.search("_ALERT_.*CERTIFICATE", getattr(cause, "reason", None) or "") is not None


def _unanswered_error(failure: Exception, deadlines: Deadlines) -> ApiyiError:
    reset = isinstance(failure, (httpcore.ReadError, httpcore.WriteError))
    head, _, body = re.split(rb"(\r?\n\r?\n|\Z)", deadlines.unread or b"", maxsplit=1)
    is_http = head.startswith(b"HTTP/1")
    is_closed = reset or "without sending" in str(failure)
    if deadlines.headers_at is not None:
        facts = deadlines.facts("reset" if reset else "cut")
        is_cut = is_closed or "closed connection" in str(failure)
        why = Text("the connection broke") if is_cut else _describe_broken(failure)
        return IncompleteError(Text("the answer was cut"), why, facts=facts, received=body)
    if is_closed and (is_http or not head):
        facts = deadlines.facts("reset")
        what = Text("no answer from the gateway")
        why = Text("the connection was closed before an answer")
        if facts.reused or facts.phase == "connect":
            return TemporaryError(what, why, facts=facts)
        return IncompleteError(what, why, hint=describe_billing("maybe"), facts=facts)
    facts = deadlines.facts("protocol")
    return RejectedError(
        Text("cannot read the answer"),
        _describe_broken(failure) if is_http else Text("what came back is not HTTP"),
        hint=Text("check --base-url and the proxy"),
        facts=facts._replace(phase="opened") if is_http else facts,
        received=body,
    )


def _describe_broken(failure: Exception) -> Text:
    reason = str(failure).partition(": bytearray")[0]
    return Text("its HTTP is broken: {reason}", reason=reason[:200])
