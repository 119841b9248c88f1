"""One connection pool, one exchange at a time: a request out, a `Reply` back.

A worker thread has a client of its own; a shared pool is slower and can lose its
connections for good. The engine is httpcore, the part of httpx below its models: importing
the models as well would cost every command about ten milliseconds. Redirects are never
followed, cookies never kept, and the environment is not consulted.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from apiyi_cli.core.call import Reply
from apiyi_cli.core.clock import CLOCK, Clock
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
from apiyi_cli.text import Text, system_reason
from apiyi_cli.wire.http.content_coding import decoded
from apiyi_cli.wire.http.deadlines import Clocks, Timeouts
from apiyi_cli.wire.http.engine import httpcore
from apiyi_cli.wire.http.network import Network
from apiyi_cli.wire.http.proxies import Proxy, is_host_unreachable, proxy_for
from apiyi_cli.wire.http.tls import tls_context

_HEAD_BYTES = 1024
_MOST_WATCHED_BYTES = 64 * 2**20


class Outgoing(NamedTuple):
    """A request with nothing left to decide. `body` is bytes or pieces of them in order."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | Iterable[bytes]
    stream: bool
    free: bool


class Watch:
    """What an observer of exchanges may see; every method does nothing by default."""

    def opened(self, url: str, proxy: Proxy | None) -> None:
        """A connection is about to be made."""

    def request(self, outgoing: Outgoing) -> None:
        """The request is about to be sent."""

    def reply(self, reply: Reply, after_s: float) -> None:
        """The status line and headers have arrived, `after_s` seconds after sending."""


def _unheard() -> None:
    """Tell nobody."""


class Client:
    """Sends requests over connections that it keeps open.

    `cacert` and `proxy` are the options' values. Not for use by two threads at once.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        cacert: str | None = None,
        proxy: str | None = None,
        clock: Clock = CLOCK,
        watch: Watch | None = None,
        admitted: Any = None,
    ) -> None:
        self._environ = environ
        self._cacert = cacert
        self._proxy = proxy
        self._clock = clock
        self._watch = watch or Watch()
        self._admitted = admitted
        self._pools: dict[tuple[str, str], httpcore.ConnectionPool] = {}
        self._tls: ssl.SSLContext | None = None
        self.clocks = Clocks(Timeouts(), clock, free=True, stream=False)

    def exchange(
        self, outgoing: Outgoing, timeouts: Timeouts, leaves: Callable[[], None] = _unheard
    ) -> Reply:
        """Send a request and return its reply once the headers are there.

        `leaves` is called when a connection stands and the request is about to be written.
        Raises an `ApiyiError` whose facts tell how far the request got. While the body is
        read, `clocks.event()` must be called for every event of a stream.
        """
        clocks = self.clocks = Clocks(
            timeouts, self._clock, free=outgoing.free, stream=outgoing.stream
        )
        pool, url = self._pool(outgoing.url)
        self._watch.request(outgoing)
        try:
            request = httpcore.Request(
                outgoing.method,
                url,
                headers=_encoded(_with_host(outgoing.headers, url)),
                content=outgoing.body,
                extensions={"trace": _Progress(clocks, leaves)},
            )
            response = pool.handle_request(request)
        except ApiyiError as failure:
            failure.noting(host=_name(url))
            raise
        except Exception as failure:
            known = _translated(failure, clocks, self._proxy_of(url))
            raise known.noting(host=_name(url)) from failure
        clocks.headers()
        reply = self._reply(response, outgoing, url, clocks)
        self._watch.reply(reply, clocks.facts("").after_s or 0.0)
        return reply

    def close(self) -> None:
        """Drop every connection."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    def _reply(
        self, response: httpcore.Response, outgoing: Outgoing, url: httpcore.URL, clocks: Clocks
    ) -> Reply:
        headers: dict[str, str] = {}
        for raw_name, raw_value in response.headers:
            name = raw_name.decode("latin-1").lower()
            value = raw_value.decode("utf-8", "replace")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        chunks = decoded(
            _body(response, clocks, self._proxy_of(url)), headers.get("content-encoding", "")
        )
        if not outgoing.stream:
            chunks = _timed(chunks, clocks)
            if "content-length" not in headers:
                chunks = _watched(chunks, clocks)
        reason = response.extensions.get("reason_phrase", b"")
        return Reply(
            status=response.status,
            headers=headers,
            chunks=chunks,
            url=bytes(url).decode("ascii", "replace"),
            host=_name(url),
            reason=reason.decode("latin-1", "replace"),
            close=response.close,
            tick=clocks.event,
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
            self._watch.opened(address, proxy)
            pool = self._pools[scheme, host] = self._opened(scheme, proxy)
        return pool, url

    def _opened(self, scheme: str, proxy: Proxy | None) -> httpcore.ConnectionPool:
        if self._tls is None and (scheme == "https" or (proxy and proxy.scheme == "https")):
            self._tls = tls_context(self._cacert, self._environ)
        settings: dict[str, Any] = {
            "ssl_context": self._tls,
            "max_connections": 4,
            "keepalive_expiry": 60.0,
            "network_backend": Network(lambda: self.clocks, self._admitted),
        }
        if proxy is None:
            return httpcore.ConnectionPool(**settings)
        user = (proxy.user or "").encode()
        auth = (user, (proxy.password or "").encode()) if proxy.user is not None else None
        if proxy.scheme == "socks5":
            return httpcore.SOCKSProxy(proxy.shown, proxy_auth=auth, **settings)
        if proxy.scheme == "https":
            settings["proxy_ssl_context"] = self._tls
        return httpcore.HTTPProxy(proxy.shown, proxy_auth=auth, **settings)


class _Progress:
    """httpcore's trace: tells when the request is about to leave, and the clocks when it has.

    A proxy's CONNECT goes through the same events and is not the request.
    """

    def __init__(self, clocks: Clocks, leaves: Callable[[], None]) -> None:
        self._clocks = clocks
        self._leaves = leaves
        self._connecting = False

    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            self._connecting = info["request"].method == b"CONNECT"
            if not self._connecting:
                self._leaves()
        elif event == "http11.send_request_body.complete" and not self._connecting:
            self._clocks.sent()


def _body(response: httpcore.Response, clocks: Clocks, proxy: Proxy | None) -> Iterator[bytes]:
    try:
        for chunk in response.iter_stream():
            if chunk:
                yield chunk
    except ApiyiError:
        raise
    except Exception as failure:
        raise _translated(failure, clocks, proxy) from failure
    finally:
        response.close()


def _timed(chunks: Iterable[bytes], clocks: Clocks) -> Iterator[bytes]:
    """Yield the chunks; the clocks are told of each that says something.

    Blanks and comments keep a connection alive and may come without end.
    """
    comment = False
    for chunk in chunks:
        if chunk[:1] == b":" or comment or chunk.isspace():
            lines = (b":" if comment else b"") + chunk
            comment = lines[lines.rfind(b"\n") + 1 :].startswith(b":")
            if any(line.strip() and not line.startswith(b":") for line in lines.split(b"\n")):
                clocks.event()
        else:
            comment = chunk[chunk.rfind(b"\n") + 1 :].startswith(b":")
            clocks.event()
        yield chunk


def _watched(chunks: Iterable[bytes], clocks: Clocks) -> Iterator[bytes]:
    """Yield the chunks; the clocks learn to tell whether they are a whole JSON text.

    Now and then all of a long answer arrives and what says that it ends never does. What
    begins otherwise than JSON is not kept for that, nor what is longer than an answer.
    """
    from apiyi_cli.core.jsontext import trim
    from apiyi_cli.decode.whole import is_complete

    kept = bytearray()
    clocks.is_whole = lambda: is_complete(bytes(kept))
    for chunk in chunks:
        if clocks.is_whole is not None and (kept or not chunk.isspace()):
            kept += chunk
            begins = trim(bytes(kept[:_HEAD_BYTES]))[:1]
            if len(kept) > _MOST_WATCHED_BYTES or begins not in (b"", b"{", b"["):
                clocks.is_whole = None
                kept.clear()
        yield chunk


def _name(url: httpcore.URL) -> str:
    return url.host.decode("ascii", "replace")


def _with_host(
    headers: tuple[tuple[str, str], ...], url: httpcore.URL
) -> tuple[tuple[str, str], ...]:
    if any(name.lower() == "host" for name, _ in headers):
        return headers
    host = url.host.decode("ascii")
    shown = f"[{host}]" if ":" in host else host
    return (("Host", shown if url.port is None else f"{shown}:{url.port}"), *headers)


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    encoded = []
    for name, value in headers:
        try:
            encoded.append((name.encode("ascii"), value.encode("latin-1")))
        except UnicodeEncodeError:
            raise UsageError(
                Text("cannot send the header {name}", name=repr(name)),
                Text("it has characters that HTTP headers cannot carry"),
                hint=Text("use plain ASCII in -H and in the key"),
                facts=Facts(phase="connect"),
            ) from None
    return encoded


def _translated(failure: Exception, clocks: Clocks, proxy: Proxy | None) -> ApiyiError:
    """Say what a failure of the transport means for the user and for the retry decision."""
    cause: BaseException | None = failure
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return SetupError(
            Text("cannot trust the gateway's certificate"),
            cause.verify_message or Text("verification failed"),
            hint=Text("check the clock, --cacert and SSL_CERT_FILE, and who sits in between"),
            facts=clocks.facts("certificate"),
        )
    if isinstance(failure, httpcore.ProxyError):
        if proxy and is_host_unreachable(str(failure)):
            return TemporaryError(
                Text("cannot reach the gateway through the proxy {proxy}", proxy=proxy.shown),
                str(failure)[:200],
                hint=Text("check the network, the proxy and --base-url: apiyi doctor"),
                facts=clocks.facts("unreachable"),
            )
        return SetupError(
            Text("the proxy refused"),
            (
                Text("{shown}: {reason}", shown=proxy.shown, reason=str(failure)[:200])
                if proxy
                else Text("proxy: {reason}", reason=str(failure)[:200])
            ),
            hint=(Text("check {source}", source=proxy.source) if proxy else None),
            facts=clocks.facts("proxy"),
        )
    if isinstance(failure, (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol)):
        return UsageError(
            Text("cannot send the request"),
            Text("a header or the address is not valid HTTP"),
            hint=Text("look at -H, the key and --base-url"),
            facts=Facts(phase="connect"),
        )
    if clocks.sent_at is None:
        return _unsent(cause, clocks, proxy)
    return _unanswered(failure, clocks)


def _unsent(cause: BaseException | None, clocks: Clocks, proxy: Proxy | None) -> ApiyiError:
    via = Text(" through the proxy {proxy}", proxy=proxy.shown) if proxy else ""
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
    return TemporaryError(
        Text("cannot reach the gateway{via}", via=via),
        why,
        hint=Text("check the network, the proxy and --base-url: apiyi doctor"),
        facts=clocks.facts(kind),
    )


def _unanswered(failure: Exception, clocks: Clocks) -> ApiyiError:
    reset = isinstance(failure, (httpcore.ReadError, httpcore.WriteError))
    told = str(failure)
    if clocks.headers_at is not None:
        facts = clocks.facts("reset" if reset else "cut")
        return IncompleteError(
            Text("the answer was cut"), Text("the connection broke"), facts=facts
        )
    if reset or "without sending a response" in told:
        facts = clocks.facts("reset")
        why = Text("the connection was closed before an answer")
        if facts.reused or clocks.facts("").phase == "connect":
            return TemporaryError(Text("no answer from the gateway"), why, facts=facts)
        return IncompleteError(
            Text("no answer from the gateway"), why, hint=describe_billing("maybe"), facts=facts
        )
    return RejectedError(
        Text("cannot read the answer"),
        Text("what came back is not HTTP"),
        hint=Text("check --base-url and the proxy"),
        facts=clocks.facts("protocol"),
    )
