"""Addresses and options of every TCP connection of the program."""

from __future__ import annotations

import socket

DEAD_ADDRESS_S = 1.0
"""Seconds for an address to connect while there are others to try."""
KEEP_ALIVE_S = 30
"""Idle seconds after which TCP asks whether the peer is there: NAT and firewalls forget a
connection that is silent for minutes, and a picture takes minutes of silence."""


def find_addresses(host: str, port: int) -> list[str]:
    """Return the addresses of a host, in the resolver's order."""
    # As bytes: for a str Python imports its codec of international names, 2 ms.
    entries = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


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
