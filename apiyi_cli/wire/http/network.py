"""Sockets for httpcore whose every wait asks the exchange's deadlines.

httpcore fixes a read timeout when a request starts; the limits here change while it runs
(headers, then bytes, then events, and a total). A host with several addresses is not held
up by a dead one.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from apiyi_cli.core.threads import start_thread
from apiyi_cli.text import Text
from apiyi_cli.wire.http.deadlines import Deadlines
from apiyi_cli.wire.http.engine import httpcore

GLANCE_S = 0.1
_IS_ADDRESS = re.compile(r"[0-9.]+|.*:.*|localhost")
DEAD_ADDRESS_S = 1.0
"""How long an address may take to connect while there are others to try."""


class Network(httpcore.NetworkBackend):
    """Connects and reads under the deadlines that `deadlines()` gives for the exchange in hand.

    `admitted` sees each address before it is connected to and raises where it must not be:
    what was checked is what is connected to, whatever the name resolves to later.
    """

    def __init__(
        self, deadlines: Callable[[], Deadlines], admitted: Callable[[str], None] | None = None
    ) -> None:
        self._deadlines = deadlines
        self._admitted = admitted
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
            if self._admitted is not None:
                self._admitted(address)
        for place, address in enumerate(addresses):
            last = place == len(addresses) - 1
            wait_s = deadlines.connect_s() if last else min(DEAD_ADDRESS_S, deadlines.connect_s())
            if wait_s <= 0:
                raise deadlines.timeout_error()
            try:
                stream = self._sockets.connect_tcp(
                    address, port, wait_s, local_address, socket_options
                )
                deadlines.note_connected()
                return _Stream(stream, self._deadlines)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if deadlines.connect_s() <= 0:
                    raise deadlines.timeout_error() from None
                if last:
                    raise
        raise httpcore.ConnectError(Text("{host} has no address", host=host))


def _addresses(host: str, port: int, deadlines: Deadlines) -> list[str]:
    """Return the addresses of a host, looked up within the time that connecting may take.

    The resolver knows no timeout but its own and hears no signal, so it is asked in a thread
    that nobody has to wait for.
    """
    found: list[str] = []
    failed: list[OSError | UnicodeError] = []
    ended = threading.Event()

    def ask() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, UnicodeError) as failure:
            failed.append(failure)
        ended.set()

    # Where there is no thread to be had the resolver's own patience has to do.
    if _IS_ADDRESS.fullmatch(host) or start_thread(ask) is None:
        ask()
    left_s = deadlines.connect_s()
    # In glances: a signal that comes just before a long wait would not end it.
    while left_s > 0 and not ended.wait(min(GLANCE_S, left_s)):
        left_s -= GLANCE_S
    if not ended.is_set():
        if deadlines.connect_s() <= GLANCE_S:
            raise deadlines.timeout_error()
        failed.append(socket.gaierror(socket.EAI_AGAIN, Text("the resolver does not answer")))
    try:
        if failed:
            raise failed[0]
    except (OSError, UnicodeError) as failure:
        # Raised in here because httpcore drops causes and keeps contexts.
        raise httpcore.ConnectError(str(failure)) from failure
    return found


class _Stream(httpcore.NetworkStream):
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
                    return b""  # As if the server had hung up, which it forgot.
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
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, wait_s), self._deadlines)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
