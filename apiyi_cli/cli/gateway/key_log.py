"""The log that the gateway may show for a key alone: its last charges."""

from __future__ import annotations

from collections.abc import Callable

from apiyi_cli.cli.gateway.key_group import find_group, keep_group
from apiyi_cli.cli.gateway.plan import ask_probe
from apiyi_cli.core.endpoints import KEY_LOG
from apiyi_cli.decode.account import Charge, read_charges
from apiyi_cli.decode.frames.reply_body import read_json
from apiyi_cli.errors import ApiyiError
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.text import Text
from apiyi_cli.wire.send import Plan


def fetch_key_charges(plan: Plan, debug: Callable[[str], None]) -> list[Charge]:
    """Return the key's last charges, [] where the gateway does not list them."""
    try:
        charges = ask_probe(
            plan, KEY_LOG.call(), lambda reply: read_charges(read_json(reply, cost="free")[0])
        )
    except ApiyiError as failure:
        debug(Text("* the key's own log cannot be read: {message}", message=failure.summary()))
        return []
    return [charge for charge in charges if charge.was_consumed]


def ask_group(plan: Plan, settings: Settings, debug: Callable[[str], None]) -> str | None:
    """Return the key's group; ask the key's log if it is not known."""
    group = find_group(settings)
    if group is None and plan.key is not None:
        group = keep_group(settings, fetch_key_charges(plan, debug))
    return group
