"""Checks and converts option values from outside the command line.

The command line checks its own words; this is for the configuration file, the environment
and `config set`, which have to obey the same table.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from apiyi_cli.core.families import OTHER_COMMANDS, TEXT_COMMANDS
from apiyi_cli.core.options import Flag, Group, refusal
from apiyi_cli.text import Text

MODEL_COMMANDS = (
    *TEXT_COMMANDS,
    *OTHER_COMMANDS,
    *("api", "batch", "models", "usage", "balance", "doctor"),
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


class InvalidValue(ValueError):
    """An option does not accept the value; the text says what it accepts."""


@cache
def options(name: str) -> tuple[Flag, ...]:
    """Return the options of that name, one for each group that declares it."""
    from apiyi_cli.core.options.table import OPTION_GROUPS

    return tuple(dict.fromkeys(group.flags[name] for group in OPTION_GROUPS if name in group.flags))


def find_options(name: str) -> tuple[Flag, ...]:
    """Return the options of that name in imported modules, else in all.

    A command has imported what it needs; the whole table would take 2 ms of its start.
    """
    flags = (group.flags[name] for group in _loaded_groups(Group) if name in group.flags)
    return tuple(dict.fromkeys(flags)) or options(name)


def _loaded_groups(base: type[Group]) -> Iterator[type[Group]]:
    for group in base.__subclasses__():
        if group.__module__.startswith("apiyi_cli.core.options."):
            yield group
        yield from _loaded_groups(group)


@cache
def configurable_names() -> tuple[str, ...]:
    """Return the names of all options that a profile may set, in order."""
    from apiyi_cli.core.options.table import OPTION_GROUPS

    flags = (flag for group in OPTION_GROUPS for flag in group.flags.values())
    return tuple(dict.fromkeys(flag.name for flag in flags if flag.config))


def describe_expected(option: Flag) -> str:
    """Return a description of the values that the option accepts."""
    text: str
    if option.choices:
        text = Text("one of {choices}", choices=", ".join(option.choices))
    else:
        text = _KIND_TEXT[option.kind]
        if option.low is not None and option.high is not None:
            text += Text(" from {low} to {high}", low=f"{option.low:g}", high=f"{option.high:g}")
        elif option.low is not None:
            text += Text(" of at least {low}", low=f"{option.low:g}")
    return Text("{text}, or a list of such", text=text) if option.many else text


def convert_value(option: Flag, value: object) -> Any:
    """Return the value in the option's type, such as 1.0 for 1.

    Raises InvalidValue.
    """
    if option.many:
        items = value if isinstance(value, list) else [value]
        return [_convert_item(option, item) for item in items]
    return _convert_item(option, value)


def _convert_item(option: Flag, value: object) -> Any:
    if option.kind is float and type(value) is int:
        value = float(value)
    # type(), for True is an int to isinstance().
    if type(value) is not option.kind or refusal(option, value):
        raise InvalidValue(Text("expected {item}", item=describe_expected(option)))
    return value


def convert_any(name: str, value: object) -> Any:
    """Return the value for the first option of that name that accepts it; raises InvalidValue.

    Only options that a profile may set count.
    """
    reasons: dict[str, None] = {}
    for find in (find_options, options):
        reasons.clear()
        for option in find(name):
            try:
                if option.config:
                    return convert_value(option, value)
            except InvalidValue as unfit:
                reasons[str(unfit)] = None
    raise InvalidValue("; or ".join(reasons))


def parse_value(option: Flag, text: str) -> Any:
    """Return the value of a text, such as an environment variable, for the option.

    Raises InvalidValue.
    """
    word = text.strip()
    value: object = text
    try:
        if option.kind is bool:
            value = word.lower() in _TRUE if word.lower() in _TRUE | _FALSE else word
        elif option.kind is not str:
            value = option.kind(word)
    except ValueError:
        value = word
    return convert_value(option, value)
