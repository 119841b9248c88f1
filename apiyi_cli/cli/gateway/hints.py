"""What a command can add to an error because it knows more than the place that raised it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from shlex import quote
from typing import TYPE_CHECKING

from apiyi_cli.core.families import refusal
from apiyi_cli.core.nearest import find_several
from apiyi_cli.errors import (
    ApiyiError,
    AuthError,
    IncompleteError,
    RejectedError,
    UnknownModelError,
)
from apiyi_cli.text import Text, join_texts

if TYPE_CHECKING:
    from apiyi_cli.store.registry import ModelFacts


def find_hint(
    failure: ApiyiError,
    *,
    model: str | None,
    command: str,
    sends_many: bool,
    key_source: str,
    known_models: Callable[[], list[str]],
    find_given_fields: Callable[[], Mapping[str, str]],
    facts_of: Callable[[str], ModelFacts | None] = lambda model: None,
    group: str | None = None,
    is_logged: bool = False,
) -> str | None:
    """Return the best hint for an error: its own, or one that the command's facts allow.

    `known_models` is asked only when the model is unknown to the gateway. `given_fields` are the
    body fields that the user set, each with the option that did it. `group` is the key's, where
    the profile names it. `is_logged` is a request
    that may cost something and that the ledger of this machine keeps.
    """
    if isinstance(failure, RejectedError) and failure.facts.status == 400:
        hint = _hint_for_field(failure.why, find_given_fields())
        if hint is not None:
            return hint
    if isinstance(failure, UnknownModelError) and model:
        facts = facts_of(model)
        if facts is not None and (hint := _hint_from_facts(facts, group)):
            return hint
        return _hint_for_model(model, command, known_models()) or failure.hint
    if failure.facts.cause == "throttled" and sends_many:
        return Text("send less at once: a smaller -j, or --rpm")
    if isinstance(failure, AuthError) and failure.facts.cause == "key" and key_source:
        return Text("apiyi auth login (the key came from {source})", source=key_source)
    if isinstance(failure, IncompleteError) and is_logged:
        advice = Text("apiyi usage --reconcile tells whether it was billed")
        return join_texts((failure.hint, advice), "; ") if failure.hint else advice
    return failure.hint


_FIELD = re.compile(r"[`'\"]?\b(\w+(?:\.\w+)*)\b[`'\"]?")
_UNWANTED = re.compile(
    r"unsupported|not supported|unknown|deprecated|unrecognized|not permitted", re.IGNORECASE
)


def _hint_for_field(why: str, fields: Mapping[str, str]) -> str | None:
    """Return the option to leave out, if the gateway does not take what it sets."""
    words = str(why)
    if _UNWANTED.search(words) is None:
        return None
    named = [fields[name] for name in _FIELD.findall(words) if name in fields]
    return Text("leave out {option}, or choose another model", option=named[0]) if named else None


def _hint_from_facts(facts: ModelFacts, group: str | None) -> str | None:
    """Return what replaces a retired model, or which groups have one that exists."""
    from apiyi_cli.store.prices import is_same_group

    if facts.successor:
        return Text("-m {model} (it replaces the retired one)", model=quote(facts.successor))
    if group and any(is_same_group(name, group) for name in facts.groups):
        return Text(
            "the group (分组) {group} has it, but no channel serves it now: another model, or "
            "later again",
            group=group,
        )
    if facts.groups and group:
        return Text(
            "the key's group (分组) {group} does not have it; those that do: {groups}. "
            "Choose one for the key in the console",
            group=group,
            groups=", ".join(facts.groups),
        )
    if facts.groups:
        return Text(
            "the key's group has no channel for it; groups (分组) that do: {groups}. "
            "Choose one for the key in the console",
            groups=", ".join(facts.groups),
        )
    return None


def nearest(model: str, known: list[str]) -> list[str]:
    """Return up to three model names that look like the one that is unknown."""
    starting = [name for name in known if name.lower().startswith(model.lower())]
    return list(dict.fromkeys([*find_several(model, known, 3), *starting]))[:3]


def _hint_for_model(model: str, command: str, known: list[str]) -> str | None:
    if model in known:
        return Text(
            "the list has it, but no channel of the key's group serves it now: another model, "
            "or another group for the key in the console"
        )
    fit = [name for name in known if not refusal(name, command)]
    near = [quote(name) for name in nearest(model, fit)]
    if not near:
        return None
    if near[1:]:
        return Text("-m {near} (or {near2})", near=near[0], near2=", ".join(near[1:]))
    return Text("-m {near}", near=near[0])
