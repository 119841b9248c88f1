"""Sockets for httpcore that take every timeout from the exchange's deadlines.

httpcore fixes a read timeout when a request starts; here the limits change while it runs
(headers, then bytes, then events, and a total). A dead address of a host does not hold up the
others.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from apiyi_cli.core.clock import start_thread
from apiyi_cli.text import Text
from apiyi_cli.wire.http.deadlines import Deadlines
from apiyi_cli.wire.http.engine import httpcore

POLL_S = 0.1
_IS_ADDRESS = re.compile(r"[0-9.]+|.*:.*|localhost")
DEAD_ADDRESS_S = 1.0
"""How long an address may take to connect while there are others to try."""
KEEP_ALIVE_S = 30
"""Idle seconds after which TCP asks whether the peer is there: NAT and firewalls forget a
connection that is silent for minutes, and a picture takes minutes of silence."""


class Network(httpcore.NetworkBackend):
    """Connects and reads within `deadlines()`, those of the current exchange.

    `check_address` gets each address before it is connected to, and raises if it is forbidden:
    the checked address is connected to, whatever the name resolves to later.
    """

    def __init__(
        self, deadlines: Callable[[], Deadlines], check_address: Callable[[str], None] | None = None
    ) -> None:
        self._deadlines = deadlines
        self._check_address = check_address
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


def keep_alive_options() -> list[tuple[int, int, int]]:
    """Return the socket options for TCP keep-alive, as far as the system has them."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    # The idle time has another name on macOS.
    for name in ("TCP_KEEPIDLE", "TCP_KEEPALIVE"):
        if (option := getattr(socket, name, None)) is not None:
            options.append((socket.IPPROTO_TCP, option, KEEP_ALIVE_S))
            break
    if hasattr(socket, "TCP_KEEPINTVL"):
        options.append((socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEP_ALIVE_S))
    return options


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
            # As bytes: for a str Python imports its codec of international names, 2 ms.
            entries = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
            addresses.extend(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, UnicodeError) as failure:
            errors.append(failure)
        ended.set()

    # Without a thread the resolver's own timeout has to do.
    if _IS_ADDRESS.fullmatch(host) or start_thread(ask) is None:
        ask()
    left_s = deadlines.connect_s()
    # Polled: a signal that comes just before a long wait would not end it.
    while left_s > 0 and not ended.wait(min(POLL_S, left_s)):
        left_s -= POLL_S
    if not ended.is_set():
        if deadlines.connect_s() <= POLL_S:
            raise deadlines.timeout_error()
        errors.append(socket.gaierror(socket.EAI_AGAIN, Text("the resolver does not answer")))
    try:
        if errors:
            raise errors[0]
    except (OSError, UnicodeError) as failure:
        # Raised here because httpcore drops causes and keeps contexts.
        raise httpcore.ConnectError(str(failure)) from failure
    return addresses


class _TimedStream(httpcore.NetworkStream):
    """A connection whose reads and writes end at the deadlines."""

    def __init__(self, inner: httpcore.NetworkStream, deadlines: Callable[[], Deadlines]) -> None:
        self._inner = inner
        self._deadlines = deadlines

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        deadlines = self._deadlines()
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
            return self._inner.read(max_bytes, wait_s)
        except httpcore.ReadTimeout:
            raise deadlines.timeout_error() from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        deadlines = self._deadlines()
        wait_s = deadlines.read_s()
        if wait_s <= 0:
            raise deadlines.timeout_error()
        try:
            self._inner.write(buffer, wait_s)
        except httpcore.WriteTimeout:
            raise deadlines.timeout_error() from None

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        wait_s = max(self._deadlines().connect_s(), 0.001)
        return _TimedStream(
            self._inner.start_tls(ssl_context, server_hostname, wait_s), self._deadlines
        )

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
