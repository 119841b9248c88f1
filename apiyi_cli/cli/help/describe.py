"""Reads the commands as Typer built them into the manual's description.

What Typer built is walked, so that nothing which can be typed is missing; what it does not
keep of an option (choices, completion, variables, configuration) is taken from the option
table. The table of commands and the function that imports a command are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from apiyi_cli.cli.command_table import CommandEntry
from apiyi_cli.core.options import Flag
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.request import Request
from apiyi_cli.manual.describe import HELP_ALL, Argument, Command, Option, ValueRule
from apiyi_cli.manual.handwritten import TOPICS
from apiyi_cli.text import Text

SHARED = (Connection, Output, Request)
"""The option groups of all request commands."""

FILES = frozenset(("FILE", "FILES", "PATH"))
FOLDERS = frozenset(("DIR", "FOLDER"))
"""Names of values that stand for a file or folder and need no other description."""


CommandTable = Mapping[str, CommandEntry]


def describe_program(root: Any, table: CommandTable, load: Callable[[str], Any]) -> Command:
    """Return the whole program; `load` imports each command and returns what Typer built."""
    return describe(
        root,
        ("apiyi",),
        table,
        tuple(describe(load(name), ("apiyi", name), table) for name in table),
    )


def describe(
    typed: Any,
    path: tuple[str, ...],
    table: CommandTable,
    subcommands: tuple[Command, ...] | None = None,
) -> Command:
    """Return the description of a Typer command, which the user types as `path`.

    Without `subcommands`, those of the root are taken from the table, which imports none;
    those of a group are described as well.
    """
    if subcommands is None:
        subcommands = _list_commands(table) if len(path) == 1 else _subcommands(typed, path, table)
    first, _, more = _clean(typed.help or "").partition("\n\n")
    help = " ".join(first.split())
    name = path[1] if len(path) == 2 else None
    entry = table.get(name) if name else None
    declarations = _declarations(typed, path)
    shared = _find_shared_names(typed)
    arguments = [item for item in typed.params if not _is_option(item) and not item.hidden]
    options = [
        _option(item, declarations, name)._replace(shared=item.name in shared)
        for item in typed.params
        if _is_option(item)
    ]
    options.append(Option(("-h", "--help"), Text("Show this help and exit.")))
    if shared:
        options.append(Option((HELP_ALL,), Text("Show the shared options as well, and exit.")))
    return Command(
        path,
        entry.help if entry else help,
        help or (entry.help if entry else ""),
        more,
        entry.panel if entry else "Commands",
        tuple(_argument(item, path, table) for item in arguments),
        tuple(options),
        subcommands,
    )


def _clean(help: str) -> str:
    if "\n" not in help:
        return help
    from inspect import cleandoc

    return cleandoc(help)


def _list_commands(table: CommandTable) -> tuple[Command, ...]:
    """Return the commands as the table names them, without options and arguments."""
    return tuple(
        Command(
            ("apiyi", name),
            entry.help,
            panel=entry.panel,
            commands=tuple(Command(("apiyi", name, child), "") for child in entry.commands),
        )
        for name, entry in table.items()
    )


def _subcommands(typed: Any, path: tuple[str, ...], table: CommandTable) -> tuple[Command, ...]:
    children: dict[str, Any] = getattr(typed, "commands", {})
    return tuple(
        describe(child, (*path, name), table)
        for name, child in children.items()
        if not child.hidden
    )


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def _find_shared_names(typed: Any) -> set[str]:
    """Return the parameters of a command that belong to the shared groups."""
    groups = getattr(typed.callback, "groups", ())
    return {name for group in groups if issubclass(group, SHARED) for name in group.flags}


def _declarations(typed: Any, path: tuple[str, ...]) -> dict[str, Flag]:
    """Return the option declarations of a command by parameter name.

    The root's own options are those of the groups, said before the command.
    """
    groups: Iterable[Any] = getattr(typed.callback, "groups", ())
    if len(path) == 1:
        groups = (Connection, Output)
    return {item.name: item for group in groups for item in group.flags.values()}


def _option(parameter: Any, declarations: dict[str, Flag], command: str | None) -> Option:
    declaration = declarations.get(parameter.name)
    choices = tuple(getattr(parameter.type, "choices", ()))
    switch = bool(parameter.is_flag)
    metavar = None if switch else parameter.metavar or parameter.name.upper()
    facts: dict[str, Any] = {
        "default": _format_default(parameter.default),
        "default_value": parameter.default,
        "kind": _kind(parameter, switch),
        "rule": _rule(choices, metavar, None, parameter.help),
        "low": getattr(parameter.type, "min", None),
        "high": getattr(parameter.type, "max", None),
    }
    if declaration is not None:
        facts = _table_facts(declaration, metavar, command)
    return Option(
        tuple(parameter.opts),
        parameter.help or "",
        off=tuple(parameter.secondary_opts),
        panel=parameter.rich_help_panel or (declaration.panel if declaration else "Options"),
        metavar=metavar,
        many=bool(parameter.multiple),
        **facts,
    )


def _table_facts(declaration: Flag, metavar: str | None, command: str | None) -> dict[str, Any]:
    from apiyi_cli.settings.defaults import default_of

    value = default_of(declaration.name, command)
    return {
        "default": _format_default(value),
        "default_value": value,
        "kind": declaration.kind,
        "wire": declaration.wire,
        "rule": (
            ValueRule("name", declaration.suggestions)
            if declaration.suggestions
            else _rule(declaration.choices, metavar, declaration.complete, declaration.help)
        ),
        "low": declaration.low,
        "high": declaration.high,
        "envvar": declaration.envvar,
        "config": declaration.name if declaration.config else None,
    }


def _kind(parameter: Any, switch: bool) -> type:
    """Return the type of a value whose option is not in the table."""
    numbers: dict[str, type] = {"int": int, "int range": int, "float": float}
    return bool if switch else numbers.get(getattr(parameter.type, "name", ""), str)


def _argument(parameter: Any, path: tuple[str, ...], table: CommandTable) -> Argument:
    name = parameter.metavar or parameter.name.upper()
    choices = tuple(getattr(parameter.type, "choices", ()))
    return Argument(
        name,
        parameter.help or "",
        bool(parameter.required),
        parameter.nargs != 1,
        _name_rule(path, parameter.name, table) or _rule(choices, name, None),
    )


def _name_rule(path: tuple[str, ...], name: str, table: CommandTable) -> ValueRule | None:
    """Return the completion rule of an argument whose names only the program knows."""
    match path[1:], name:
        case ("models",), "query":
            return ValueRule("model", ("show",))
        case ("video",), "prompt":
            from apiyi_cli.core.options.video import TASK_WORDS

            return ValueRule("name", TASK_WORDS)
        case ("help",), "topic":
            return ValueRule("name", tuple(dict.fromkeys((*TOPICS, *table))))
        case ("playground",), "command":
            from apiyi_cli.playground.policy import PAGE_COMMANDS

            return ValueRule("name", tuple(PAGE_COMMANDS))
        case ("config", "get" | "set" | "unset"), "key":
            from apiyi_cli.settings.values import configurable_names

            return ValueRule("name", configurable_names())
    return None


def _rule(
    choices: tuple[str, ...], metavar: str | None, complete: str | None, help: str | None = None
) -> ValueRule:
    if choices:
        return ValueRule("choice", choices)
    if complete is not None:
        return ValueRule(complete)  # type: ignore[arg-type]
    if metavar in FILES:
        return ValueRule("file")
    if metavar in FOLDERS:
        return ValueRule("dir")
    return ValueRule("at") if "@FILE" in (help or "") else ValueRule()


def _format_default(value: Any) -> str | None:
    """Return the default to show; None for "off" or an empty value."""
    if value is None or isinstance(value, bool) or value in ((), ""):
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)
