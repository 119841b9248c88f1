"""Hints that only the command can give, because it knows models, options and prices."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from apiyi_cli.cli.settings import CommandSettings
from apiyi_cli.core.call import Call
from apiyi_cli.core.families import Family, find_family, refusal
from apiyi_cli.core.nearest import find_several
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import (
    ApiyiError,
    AuthError,
    IncompleteError,
    RejectedError,
    UnknownModelError,
    describe_billing,
)
from apiyi_cli.settings.defaults import INTERACTIVE
from apiyi_cli.text import Text, join_texts

if TYPE_CHECKING:
    from apiyi_cli.store.registry import ModelFacts


def find_hint(
    failure: ApiyiError,
    call: Call,
    settings: CommandSettings,
    *,
    known_models: Callable[[], list[str]],
    find_group: Callable[[], str | None],
) -> str | None:
    """Return the best hint for an error: its own, or one from the command's facts.

    `known_models` is asked only when the model is unknown to the gateway. `find_group` returns
    the key's group where that is known.
    """
    facts, model, command = failure.facts, call.model, settings.command
    if hint := _hint_for_refusal(failure, settings.find_given_fields, command):
        return hint
    has_files = any(part.path for part in call.parts) or bool(call.sources)
    if has_files and _TOO_LARGE.search(f"{facts.code} {failure.why}"):
        return Text("the files may be too large: 1.5 MB for each picture is plenty")
    if isinstance(failure, UnknownModelError) and model:
        return (
            _hint_from_facts(settings.model_facts.get(model), find_group)
            or _hint_from_family(find_family(model))
            or _hint_for_model(model, command, known_models())
            or failure.hint
        )
    if facts.cause == "throttled" and settings.sends_many:
        return _hint_to_slow_down(failure)
    if isinstance(failure, AuthError) and facts.cause == "key" and settings.key_source:
        return Text("apiyi auth login (the key came from {source})", source=settings.key_source)
    # What may cost something, and is in the ledger of this machine.
    is_logged = call.cost != "free" and not settings.sandbox and bool(settings.usage_ledger)
    if isinstance(failure, IncompleteError) and is_logged and facts.billed != "yes":
        advice = Text("apiyi usage --reconcile tells whether it was billed")
        return join_texts((failure.hint, advice), "; ") if failure.hint else advice
    return failure.hint


def _hint_to_slow_down(failure: ApiyiError) -> str | None:
    if (failure.facts.retry_after_s or 0.0) > INTERACTIVE.retry_after_cap_s:
        return failure.hint
    advice = Text("send less at once: a smaller -j, or --rpm")
    return describe_billing("maybe", advice) if failure.facts.billed == "maybe" else advice


_FIELD = re.compile(r"[`'\"]?\b(\w+(?:\.\w+)*)\b[`'\"]?")
# The gateway's words for a broken upload, or an upstream that stopped reading.
_TOO_LARGE = re.compile(
    r"^shell_api_error unknown error$|error when parsing request", re.IGNORECASE
)
_UNWANTED = re.compile(
    r"unsupported|not supported|unknown|deprecated|unrecognized|not permitted", re.IGNORECASE
)


def _hint_for_refusal(
    failure: ApiyiError, find_given_fields: Callable[[], Mapping[str, str]], command: str
) -> str | None:
    """Return the option that set a refused field, None if the refusal names none.

    But for `api` and `batch` all fields are options: one that the user did not give cannot be
    left out.
    """
    words, param = str(failure.why), failure.facts.param
    if not isinstance(failure, RejectedError) or failure.facts.status != 400 or failure.hint:
        return None
    fields = find_given_fields()
    named = [fields[name] for name in (param, *_FIELD.findall(words)) if name in fields]
    if named and _UNWANTED.search(words):
        return Text("leave out {option}, or choose another model", option=named[0])
    if param in fields:
        return Text("change or leave out {option}", option=fields[param or ""])
    if not param or param.isdigit():
        return None
    if command not in ("api", "batch"):
        return Text("another model, or look at what is sent: --dry-run")
    return Text("change or leave out {option}", option=param)


def _hint_from_facts(facts: ModelFacts | None, find_group: Callable[[], str | None]) -> str | None:
    """Return what replaces a retired model, or which groups have one that exists."""
    if facts is None:
        return None
    from apiyi_cli.store.prices import is_same_group

    if facts.successor:
        return Text("-m {model} (it replaces the retired one)", model=quote_word(facts.successor))
    group = find_group() if facts.groups else None
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


def _hint_from_family(family: Family) -> str | None:
    """Return the replacement of a retired family, or the group that its keys need."""
    if family.successor:
        return Text("-m {model} (it replaces the retired one)", model=quote_word(family.successor))
    if family.group:
        return Text(
            "only keys of the group (分组) {group} have it: choose that for the key in the console",
            group=family.group,
        )
    return None


def nearest(model: str, known: list[str]) -> list[str]:
    """Return up to three known model names similar to an unknown one."""
    starting = [name for name in known if name.lower().startswith(model.lower())]
    return list(dict.fromkeys([*find_several(model, known, 3), *starting]))[:3]


def _hint_for_model(model: str, command: str, known: list[str]) -> str | None:
    if model in known:
        return Text(
            "the list has it, but no channel of the key's group serves it now: another model, "
            "or another group for the key in the console"
        )
    fit = [name for name in known if not refusal(name, command)]
    near = [quote_word(name) for name in nearest(model, fit)]
    if not near:
        return None
    if near[1:]:
        return Text("-m {near} (or {near2})", near=near[0], near2=", ".join(near[1:]))
    return Text("-m {near}", near=near[0])
