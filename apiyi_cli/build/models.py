"""The request for the gateway's model list."""

from __future__ import annotations

from apiyi_cli.core.call import Call


def models_call() -> Call:
    """Return the request. `GET /models/{id}` is not used: gateways deny models that work."""
    return Call("GET", "/models", cost="free")
