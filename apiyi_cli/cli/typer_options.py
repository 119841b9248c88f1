"""Spreads option groups into Typer's flat parameters, and gathers them again.

A command is a function whose signature says which groups it takes:
`chat(ctx, prompt, *, model: Models, sampling: ChatSampling, …)`. Typer sees one
parameter for each option; the command gets the groups, checked against their table, and a
`Context` made from all of them.

The options of the groups become Typer's directly (`HelpedCommand` adds them): reading each from a
signature and its annotations would take 4 ms of a start.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperOption

from apiyi_cli.cli.context import Context
from apiyi_cli.cli.process import Process
from apiyi_cli.cli.settings import CommandSettings
from apiyi_cli.core.options import Flag, Group, refusal
from apiyi_cli.core.options.output import Output
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

Words = Annotated[list[str] | None, typer.Argument(show_default=False)]
"""The words of a prompt or query, in order, None if there are none."""


def spread(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Return `command` in the form that Typer registers.

    Raises TypeError when two groups declare the same option name: at import, not in a run.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type[Group]] = {}
    flat = [inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    context_name = None
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if kind is Context:
            context_name = name
        elif isinstance(kind, type) and issubclass(kind, Group):
            groups[name] = kind
        else:
            flat.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))
    options = [option for group in groups.values() for option in group.flags.values()]
    _refuse_duplicates(command.__name__, options)

    def gather(ctx: typer.Context, **values: Any) -> int | None:
        gathered: dict[str, Any] = {
            name: group(**{key: _check(flag, values.pop(key)) for key, flag in group.flags.items()})
            for name, group in groups.items()
        }
        if context_name is not None:
            process: Process = ctx.find_root().obj
            context = make_context(process, *gathered.values(), command=command.__name__)
            gathered[context_name] = context
        return command(**values, **gathered)

    gather.__name__, gather.__doc__ = command.__name__, command.__doc__
    gather.__annotations__ = {}
    gather.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    gather.groups = tuple(groups.values())  # type: ignore[attr-defined]
    gather.options = tuple(map(_make_option, options))  # type: ignore[attr-defined]
    return gather


def _refuse_duplicates(command: str, options: Sequence[Flag]) -> None:
    spellings: set[str] = set()
    for option in options:
        for spelling in option.names:
            if spelling in spellings:
                raise TypeError(f"{command} declares {spelling} twice")
            spellings.add(spelling)


def make_context(process: Process, *groups: Group, command: str | None = None) -> Context:
    """Return the context of one command; `groups` are its typed options."""
    settings = CommandSettings(
        *groups,
        environ=process.environ,
        command=command,
        root_options=process.root_options,
        secrets=process.secrets,
    )
    messages = process.messages
    messages.options = lambda: settings.output
    # Before the configuration is read, so that its errors have the right form, too.
    typed = next((group for group in groups if isinstance(group, Output)), Output())
    messages.as_json = bool(typed.json or typed.ndjson)
    return Context(process, settings)


def _make_option(option: Flag) -> TyperOption:
    is_switch = option.kind is bool
    return TyperOption(
        param_decls=[option.name, *option.names],
        type=None if is_switch else option.kind,
        is_flag=is_switch,
        multiple=option.many,
        help=option.help,
        rich_help_panel=option.panel,
        metavar=option.metavar,
    )


def _check(option: Flag, value: Any) -> Any:
    """Return the value if the table accepts it, else raise UsageError with the nearest choice."""
    if value is None or (option.many and not value):
        return None
    value = list(value) if option.many else value
    for item in value if option.many else (value,):
        if why := refusal(option, item):
            from apiyi_cli.core.nearest import find_nearest

            near = find_nearest(str(item), option.choices)
            hint = f"{option.long} {near}" if near else None
            raise UsageError(Text("cannot use {long}", long=option.long), why, hint=hint)
    return value
