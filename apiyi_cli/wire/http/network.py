"""Sockets for httpcore whose timeouts come from the exchange's deadlines.

httpcore fixes a read timeout when a request starts; here the limits change while it runs
(headers, then bytes, then events, and a total). A dead address of a host does not hold up the
others.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from apiyi_cli.core.clock import SIGNAL_CHECK_S, start_thread
from apiyi_cli.text import Text
from apiyi_cli.wire.http.deadlines import Deadlines
from apiyi_cli.wire.http.engine import httpcore
from apiyi_cli.wire.http.sockets import DEAD_ADDRESS_S, find_addresses, keep_alive_options

if TYPE_CHECKING:
    from apiyi_cli.wire.http.preconnect import Preconnection

POLL_S = 0.1


class Network(httpcore.NetworkBackend):
    """Connects and reads within `deadlines()`, those of the current exchange.

    `check_address` gets each address before it is connected to, and raises if it is forbidden:
    the checked address is connected to, whatever the name resolves to later. `preconnection` is
    a connection to the only host that is asked for, already under way.
    """

    def __init__(
        self,
        deadlines: Callable[[], Deadlines],
        check_address: Callable[[str], None] | None = None,
        preconnection: Preconnection | None = None,
    ) -> None:
        self._deadlines = deadlines
        self._check_address = check_address
        self._preconnection = preconnection
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of `host` that answers, in the resolver's order."""
        deadlines = self._deadlines()
        deadlines.reused = False
        if (ready := self._take_over(deadlines)) is not None:
            return ready
        addresses = _addresses(host, port, deadlines)
        for address in addresses:
            if self._check_address is not None:
                self._check_address(address)
        for number, address in enumerate(addresses, 1):
            last = number == len(addresses)
            wait_s = deadlines.connect_s() if last else min(DEAD_ADDRESS_S, deadlines.connect_s())
            if wait_s <= 0:
                raise deadlines.timeout_error()
            try:
                stream = self._sockets.connect_tcp(
                    address.encode("ascii"),  # type: ignore[arg-type]
                    port,
                    wait_s,
                    local_address,
                    socket_options or keep_alive_options(),
                )
                deadlines.note_connected()
                return _TimedStream(stream, self._deadlines)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if deadlines.connect_s() <= 0:
                    raise deadlines.timeout_error() from None
                if last:
                    raise
        raise httpcore.ConnectError(Text("{host} has no address", host=host))

    def _take_over(self, deadlines: Deadlines) -> httpcore.NetworkStream | None:
        """Return the connection begun at the program's start, None without one.

        It is waited for as long as a new one would be, and what it failed of a new one would
        fail of, too; one that was closed meanwhile is made again.
        """
        begun, self._preconnection = self._preconnection, None
        if begun is None:
            return None
        has_ended = _wait_for(begun.ended, deadlines)
        connection = begun.take()
        if not has_ended and not begun.is_resolved and deadlines.connect_s() > POLL_S:
            _raise_connect_error(_silent_resolver())
        if not has_ended or isinstance(begun.failure, TimeoutError):
            raise deadlines.timeout_error()
        if begun.failure is not None:
            _raise_connect_error(begun.failure)
        if connection is None:
            return None
        deadlines.note_connected()
        return _TimedStream(_SecureStream(connection), self._deadlines)


def _addresses(host: str, port: int, deadlines: Deadlines) -> list[str]:
    """Return the addresses of a host, looked up within the time for connecting.

    The resolver has its own timeout and ignores signals, so it runs in a thread that nobody has
    to wait for.
    """
    addresses: list[str] = []
    errors: list[OSError | UnicodeError] = []
    ended = threading.Event()

    def ask() -> None:
        try:
            addresses.extend(find_addresses(host, port))
        except (OSError, UnicodeError) as failure:
            errors.append(failure)
        ended.set()

    # Without a thread the resolver's own timeout has to do.
    is_address = host == "localhost" or ":" in host or host.replace(".", "").isdigit()
    if is_address or start_thread(ask) is None:
        ask()
    if not _wait_for(ended, deadlines):
        if deadlines.connect_s() <= POLL_S:
            raise deadlines.timeout_error()
        errors.append(_silent_resolver())
    if errors:
        _raise_connect_error(errors[0])
    return addresses


def _wait_for(ended: threading.Event, deadlines: Deadlines) -> bool:
    """Wait within the time for connecting; return True if the event has come."""
    left_s = deadlines.connect_s()
    # Polled: a signal that comes just before a long wait would not end it.
    while left_s > 0 and not ended.wait(min(POLL_S, left_s)):
        left_s -= POLL_S
    return ended.is_set()


def _silent_resolver() -> OSError:
    return socket.gaierror(socket.EAI_AGAIN, Text("the resolver does not answer"))


def _raise_connect_error(cause: OSError | UnicodeError) -> NoReturn:
    try:
        raise cause
    except (OSError, UnicodeError) as failure:
        # Raised here because httpcore drops causes and keeps contexts.
        raise httpcore.ConnectError(str(failure)) from failure


class _TimedStream(httpcore.NetworkStream):
    """A connection whose reads and writes end at the deadlines."""

    def __init__(self, inner: httpcore.NetworkStream, deadlines: Callable[[], Deadlines]) -> None:
        self._inner = inner
        self._deadlines = deadlines

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        deadlines = self._deadlines()
        data = self._receive(max_bytes, deadlines)
        if deadlines.is_sending:
            deadlines.note_bytes(data)
        return data

    def _receive(self, max_bytes: int, deadlines: Deadlines) -> bytes:
        wait_s = deadlines.read_s()
        if wait_s <= 0:
            raise deadlines.timeout_error()
        try:
            if (tail_s := deadlines.tail_s()) < wait_s:
                with suppress(httpcore.ReadTimeout):
                    return self._inner.read(max_bytes, tail_s)
                if deadlines.is_whole is not None and deadlines.is_whole():
                    # Treated as the end of the body: some servers never close the connection.
                    return b""
                wait_s -= tail_s
            while wait_s > SIGNAL_CHECK_S:
                with suppress(httpcore.ReadTimeout):
                    return self._inner.read(max_bytes, SIGNAL_CHECK_S)
                wait_s -= SIGNAL_CHECK_S
            return self._inner.read(max_bytes, wait_s)
        except httpcore.ReadTimeout:
            if self._ends_handshake():
                raise
            raise deadlines.timeout_error() from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        deadlines = self._deadlines()
        wait_s = deadlines.read_s()
        if wait_s <= 0:
            raise deadlines.timeout_error()
        try:
            self._inner.write(buffer, wait_s)
        except httpcore.WriteTimeout:
            if self._ends_handshake():
                raise
            raise deadlines.timeout_error() from None

    def _ends_handshake(self) -> bool:
        """Return True if a proxy was silent, which the client then names."""
        # httpcore leaves such a connection open.
        self.close()
        deadlines = self._deadlines()
        return not deadlines.is_sending and deadlines.connect_s() > 0

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        if isinstance(self._inner, _SecureStream):
            return self
        wait_s = max(self._deadlines().connect_s(), 0.001)
        return _TimedStream(
            self._inner.start_tls(ssl_context, server_hostname, wait_s), self._deadlines
        )

    def get_extra_info(self, info: str) -> Any:
        # For HTTP/2, which is never offered; the question alone would load `ssl`.
        return None if info == "ssl_object" else self._inner.get_extra_info(info)


class _SecureStream(httpcore.NetworkStream):
    """A connection whose TLS handshake was made before httpcore asked for it."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection = connection

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._connection.settimeout(timeout)
            return self._connection.recv(max_bytes)
        except TimeoutError as failure:
            raise httpcore.ReadTimeout(failure) from failure
        except OSError as failure:
            raise httpcore.ReadError(failure) from failure

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._connection.settimeout(timeout)
            self._connection.sendall(buffer)
        except TimeoutError as failure:
            raise httpcore.WriteTimeout(failure) from failure
        except OSError as failure:
            raise httpcore.WriteError(failure) from failure

    def close(self) -> None:
        self._connection.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._connection
        if info == "is_readable":
            with selectors.DefaultSelector() as selector:
                selector.register(self._connection, selectors.EVENT_READ)
                return bool(selector.select(0))
        return None
