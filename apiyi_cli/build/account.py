"""The free questions that a key may ask about itself: what it has left, and what it used."""

from __future__ import annotations

from apiyi_cli.core.call import Call


def subscription_call() -> Call:
    """Return the request for what the key, or its account, was given in all."""
    return Call("GET", "/dashboard/billing/subscription", cost="free")


def usage_call() -> Call:
    """Return the request for what was used of it."""
    return Call("GET", "/dashboard/billing/usage", cost="free")
