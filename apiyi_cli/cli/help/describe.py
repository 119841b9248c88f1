"""The commands as they were really built, read into the manual's description.

What Typer built is walked, so that nothing which can be typed is missing; what it does not
keep of an option (choices, completion, variables, configuration) is taken from the option
table. `program` imports every command; `described` no more than the one it is given.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from typer.main import get_command as built

from apiyi_cli.cli.app import COMMANDS, app, command
from apiyi_cli.core.groups import Connection, Output
from apiyi_cli.core.opt import Declared, declared
from apiyi_cli.manual.describe import Argument, Command, Option, Rule
from apiyi_cli.manual.handwritten import TOPICS
from apiyi_cli.text import Text

FILES = frozenset(("FILE", "FILES", "PATH"))
FOLDERS = frozenset(("DIR", "FOLDER"))
"""Value names that promise a file or a folder; a command needs to say no more than that."""


def program() -> Command:
    """Describe the whole program; imports every command."""
    return described(
        built(app),
        ("apiyi",),
        tuple(described(command(name), ("apiyi", name)) for name in COMMANDS),
    )


def described(
    typed: Any, path: tuple[str, ...], below: tuple[Command, ...] | None = None
) -> Command:
    """Describe one of Typer's commands, which is typed as `path`.

    `below` are its own commands where they are known already; else they are walked, or, for
    the root, taken from the table without importing any.
    """
    if below is None:
        below = _listed() if len(path) == 1 else _walked(typed, path)
    first, _, more = inspect.cleandoc(typed.help or "").partition("\n\n")
    told = " ".join(first.split())
    entry = COMMANDS.get(path[1]) if len(path) == 2 else None
    table = _table(typed, path)
    name = path[1] if len(path) == 2 else None
    options = [_option(one, table, name) for one in typed.params if _is_option(one)]
    options.append(Option(("-h", "--help"), Text("Show this help and exit.")))
    return Command(
        path,
        entry.help if entry else told,
        told or (entry.help if entry else ""),
        more,
        entry.panel if entry else "Commands",
        tuple(_argument(one, path) for one in typed.params if not _is_option(one)),
        tuple(options),
        below,
    )


def _listed() -> tuple[Command, ...]:
    """Return the commands as the table names them, without what they take."""
    return tuple(
        Command(
            ("apiyi", name),
            entry.help,
            panel=entry.panel,
            commands=tuple(Command(("apiyi", name, one), "") for one in entry.commands),
        )
        for name, entry in COMMANDS.items()
    )


def _walked(typed: Any, path: tuple[str, ...]) -> tuple[Command, ...]:
    found: dict[str, Any] = getattr(typed, "commands", {})
    return tuple(described(one, (*path, name)) for name, one in found.items() if not one.hidden)


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def _table(typed: Any, path: tuple[str, ...]) -> dict[str, Declared]:
    """Return the declarations behind a command's options by the name of their parameter.

    The root's own options are those of the groups, said before the command.
    """
    groups: Iterable[Any] = getattr(typed.callback, "groups", ())
    if len(path) == 1:
        groups = (Connection, Output)
    return {one.name: one for group in groups for one in declared(group)}


def _option(parameter: Any, table: dict[str, Declared], command: str | None) -> Option:
    from apiyi_cli.settings.resolve import default_of

    one = table.get(parameter.name)
    choices = tuple(getattr(parameter.type, "choices", ()))
    switch = bool(parameter.is_flag)
    metavar = None if switch else parameter.metavar or parameter.name.upper()
    facts: dict[str, Any] = {
        "default": _shown_default(parameter.default),
        "rule": _rule(choices, metavar, None, parameter.help),
        "low": getattr(parameter.type, "min", None),
        "high": getattr(parameter.type, "max", None),
    }
    if one is not None:
        opt = one.opt
        facts = {
            "default": _shown_default(default_of(one.name, command)),
            "rule": _rule(opt.choices, metavar, opt.complete, opt.help),
            "low": opt.low,
            "high": opt.high,
            "envvar": opt.envvar,
            "config": one.name if opt.config else None,
        }
    return Option(
        tuple(parameter.opts),
        parameter.help or "",
        off=tuple(parameter.secondary_opts),
        panel=parameter.rich_help_panel or (one.opt.panel if one else "Options"),
        metavar=metavar,
        many=bool(parameter.multiple),
        **facts,
    )


def _argument(parameter: Any, path: tuple[str, ...]) -> Argument:
    name = parameter.metavar or parameter.name.upper()
    choices = tuple(getattr(parameter.type, "choices", ()))
    return Argument(
        name,
        parameter.help or "",
        bool(parameter.required),
        parameter.nargs != 1,
        _known(path, parameter.name) or _rule(choices, name, None),
    )


def _known(path: tuple[str, ...], name: str) -> Rule | None:
    """Return the rule of an argument that takes names which only the program knows."""
    match path[1:], name:
        case ("models",), "query":
            return Rule("model", ("show",))
        case ("help",), "topic":
            return Rule("name", tuple(dict.fromkeys((*TOPICS, *COMMANDS))))
        case ("config", "get" | "set" | "unset"), "key":
            from apiyi_cli.settings.values import configurable

            return Rule("name", configurable())
    return None


def _rule(
    choices: tuple[str, ...], metavar: str | None, complete: str | None, help: str | None = None
) -> Rule:
    if choices:
        return Rule("choice", choices)
    if complete is not None:
        return Rule(complete)  # type: ignore[arg-type]
    if metavar in FILES:
        return Rule("file")
    if metavar in FOLDERS:
        return Rule("dir")
    return Rule("at") if "@FILE" in (help or "") else Rule()


def _shown_default(value: Any) -> str | None:
    """Return a default worth showing; a switch that is off, or nothing, is not."""
    if value is None or isinstance(value, bool) or value in ((), ""):
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)
