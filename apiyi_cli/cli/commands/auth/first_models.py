"""Proposes a model for each command from the gateway's list; writes them to the profile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.models import MODEL_ORDER, propose_models
from apiyi_cli.core.families import refusal
from apiyi_cli.core.nearest import find_nearest
from apiyi_cli.settings.edit import write_several
from apiyi_cli.text import Text

LEAVE_OUT: Final = "-"


def choose_models(ctx: Context, names: Sequence[str], *, ask: bool) -> dict[str, str]:
    """Set a model for each command without one in the profile. Return all models in force.

    With `ask` the user confirms each on the terminal; Enter takes the proposal.
    """
    chosen: dict[str, str] = {}
    proposals = propose_models(names)
    added: list[tuple[tuple[str, ...], str]] = []
    is_introduced = False
    for command in MODEL_ORDER:
        proposal, own = proposals.get(command), _find_model(ctx, command)
        if own is not None or proposal is None:
            chosen |= {command: own} if own else {}
            continue
        if ask and not is_introduced:
            is_introduced = True
            ctx.messages.print(
                Text("A model for each command: Enter takes it, another name, or - for none")
            )
        model = _ask_model(ctx, command, proposal, names) if ask else proposal
        if model is not None:
            # `model` alone is that of the text commands.
            table = () if command == "chat" else (command,)
            added.append((("profile", ctx.settings.profile, *table, "model"), model))
            chosen[command] = model
    write_several(ctx.settings.config_path, added)
    return chosen


def _find_model(ctx: Context, command: str) -> str | None:
    """Return the model that the profile in the file has for a command."""
    profile = ctx.settings.in_profile
    own = profile.commands.get(command, {}).get("model")
    if own is None and command == "chat":
        own = profile.options.get("model")
    return None if own is None else str(own)


def _ask_model(ctx: Context, command: str, proposal: str, names: Iterable[str]) -> str | None:
    """Return the model that the user confirms for a command, None for none."""
    known = set(names)
    while True:
        typed = ctx.messages.ask(f"  {command} [{proposal}]:")
        if typed is None or typed == LEAVE_OUT:
            return None
        if not typed:
            return proposal
        if typed in known and (why := refusal(typed, command)):
            ctx.messages.print(Text("{model}: {why}", model=typed, why=why))
        elif typed in known:
            return typed
        else:
            near = find_nearest(typed, [name for name in known if not refusal(name, command)])
            line = Text("the gateway has no model {model}", model=typed)
            if near:
                line = Text("{line}: did you mean {near}?", line=line, near=near)
            ctx.messages.print(line)
