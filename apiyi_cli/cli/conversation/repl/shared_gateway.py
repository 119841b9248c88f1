"""`SharedGateway`: one client for all turns, until its options change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.client import GatewayClient
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.wire.send import SentRequest

_DECIDING = (
    *(name for name in Connection.flags if name != "max_time"),
    "cache",
    "no_cache",
    "max_cost",
    "verbose",
)
"""The options that decide how requests are sent; a change needs new connections."""


class SharedGateway:
    """Gives each turn's context the same client; `on_sent` gets every finished request."""

    def __init__(self, on_sent: Callable[[SentRequest], None]) -> None:
        self._on_sent = on_sent
        self._client: GatewayClient | None = None
        self._values: tuple[Any, ...] = ()

    def give_to(self, context: Context) -> None:
        """Let a context use the existing client, or share the one that it makes."""
        settings = context.settings
        values = tuple(settings.value(name) for name in _DECIDING)
        if self._client is not None and values == self._values:
            self._client.begin_turn(settings)
            context.gateway = self._client
            return
        client = context.gateway
        client.begin_turn(settings)
        client.add_listener(self._on_sent)
        if self._client is not None:
            self._client.close()
        self._client, self._values = client, values

    def begin_anew(self) -> None:
        """Close the connections after a signal in the middle of an answer."""
        if self._client is not None:
            self._client.begin_anew()
