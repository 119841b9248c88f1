"""Connections that outlive minutes of silence."""

from __future__ import annotations

import socket

from apiyi_cli.core.clock import CLOCK
from apiyi_cli.settings.defaults import Timeouts
from apiyi_cli.wire.http.deadlines import Deadlines
from apiyi_cli.wire.http.network import Network
from apiyi_cli.wire.http.sockets import KEEP_ALIVE_S


def test_every_connection_is_kept_alive_while_it_is_silent() -> None:
    deadlines = Deadlines(Timeouts(), CLOCK, free=False, stream=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = Network(lambda: deadlines).connect_tcp("127.0.0.1", listener.getsockname()[1])
        connection = stream.get_extra_info("socket")
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            idle_s = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            assert idle_s == KEEP_ALIVE_S == 30
        stream.close()
