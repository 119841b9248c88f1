"""Listening sockets for the page's server: loopback only, one port for both families."""

from __future__ import annotations

import os
import socket
from typing import Final

from apiyi_cli.errors import SetupError
from apiyi_cli.text import Text, system_reason

_TRIES: Final = 20


def open_sockets(port: int) -> list[socket.socket]:
    """Return listening sockets of 127.0.0.1 and, with IPv6, ::1, on the same port.

    With port 0 it is any free one. Both are taken, so that no other user of the machine can
    listen on the second. Raises SetupError.
    """
    failure: OSError | None = None
    for _ in range(_TRIES if port == 0 else 1):
        try:
            first = _listen(socket.AF_INET, "127.0.0.1", port)
        except OSError as error:
            failure = error
            break
        own_port = first.getsockname()[1]
        try:
            return [first, _listen(socket.AF_INET6, "::1", own_port)]
        except OSError as error:
            if not _has_inner_ipv6():
                return [first]
            first.close()
            failure = error
    assert failure is not None
    raise SetupError(
        Text("cannot listen on port {port}", port=port), system_reason(failure), hint="--port 0"
    )


def _has_inner_ipv6() -> bool:
    """Return True if the system can listen on ::1."""
    try:
        _listen(socket.AF_INET6, "::1", 0).close()
    except OSError:
        return False
    return True


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    own = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name != "nt":
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        own.bind((host, port))
        own.listen(64)
    except OSError:
        own.close()
        raise
    return own
