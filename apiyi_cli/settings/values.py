"""Which values the option table accepts from outside the command line.

The command line checks its own words; this is for the configuration file, the environment
and `config set`, which have to obey the same table.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from apiyi_cli.core import groups
from apiyi_cli.core.opt import Declared, Group, declared, refusal
from apiyi_cli.text import Text

COMMANDS = (
    "chat",
    "complete",
    "respond",
    "embed",
    "image",
    "transcribe",
    "speak",
    "rank",
    "video",
    "api",
    "batch",
    "models",
    "usage",
    "balance",
    "doctor",
)
"""The commands that a profile may have a table for."""

_KIND_TEXT = {
    str: "text",
    int: Text("a whole number"),
    float: Text("a number"),
    bool: Text("true or false"),
}
_TRUE = frozenset(("true", "yes", "on", "1"))
_FALSE = frozenset(("false", "no", "off", "0"))


class Unfit(ValueError):
    """A value that an option does not take; the text says what it takes."""


@cache
def options(name: str) -> tuple[Declared, ...]:
    """Return the options of that name, one for each group that declares it differently."""
    found: dict[Declared, None] = {}
    for group in vars(groups).values():
        if isinstance(group, type) and issubclass(group, Group) and name in group._table:
            found.update((one, None) for one in declared(group) if one.name == name)
    return tuple(found)


@cache
def configurable() -> tuple[str, ...]:
    """Return the names of all options that a profile may set, in the order of the table."""
    names: dict[str, None] = {}
    for group in vars(groups).values():
        if isinstance(group, type) and issubclass(group, Group):
            names.update((name, None) for name, opt in group._table.items() if opt.config)
    return tuple(names)


def expected(one: Declared) -> str:
    """Say in words what the option takes."""
    opt = one.opt
    text: str
    if opt.choices:
        text = Text("one of {choices}", choices=", ".join(opt.choices))
    else:
        text = _KIND_TEXT[one.kind]
        if opt.low is not None and opt.high is not None:
            text += Text(" from {low} to {high}", low=f"{opt.low:g}", high=f"{opt.high:g}")
        elif opt.low is not None:
            text += Text(" of at least {low}", low=f"{opt.low:g}")
    return Text("{text}, or a list of such", text=text) if one.many else text


def fitted(one: Declared, value: object) -> Any:
    """Return the value as the option's own type: 1 becomes 1.0, one text a list of one.

    Raises Unfit.
    """
    if one.many:
        items = value if isinstance(value, list) else [value]
        return [_fitted_item(one, item) for item in items]
    return _fitted_item(one, value)


def _fitted_item(one: Declared, value: object) -> Any:
    if one.kind is float and type(value) is int:
        value = float(value)
    # type(), for True is an int to isinstance().
    if type(value) is not one.kind or refusal(one, value):
        raise Unfit(Text("expected {item}", item=expected(one)))
    return value


def fitted_any(name: str, value: object) -> Any:
    """Return the value as the first option of that name that takes it; raises Unfit.

    Only options that a profile may set count.
    """
    told = []
    for one in (one for one in options(name) if one.opt.config):
        try:
            return fitted(one, value)
        except Unfit as unfit:
            told.append(str(unfit))
    raise Unfit("; or ".join(dict.fromkeys(told)))


def parsed(one: Declared, text: str) -> Any:
    """Return what the text means to the option, as an environment variable gives it.

    Raises Unfit.
    """
    word = text.strip()
    value: object = text
    try:
        if one.kind is bool:
            value = word.lower() in _TRUE if word.lower() in _TRUE | _FALSE else word
        elif one.kind is not str:
            value = one.kind(word)
    except ValueError:
        value = word
    return fitted(one, value)
