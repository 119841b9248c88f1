"""Option groups spread into Typer's flat parameters, and gathered again.

A command is a function whose signature says which groups it takes:
`chat(ctx, prompt, *, model: Models, sampling: ChatSampling, …)`. Typer sees one
parameter for each option; the command gets the groups, checked against their table, and a
`Context` made from all of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from apiyi_cli.cli.context import Context
from apiyi_cli.cli.process import Process
from apiyi_cli.cli.settings import CommandSettings
from apiyi_cli.core.options import Flag, Group, refusal
from apiyi_cli.core.options.output import Output
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

Words = Annotated[list[str] | None, typer.Argument(show_default=False)]
"""The words of a prompt or query, in order, None when there are none."""


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
    spellings: set[str] = set()
    for group in groups.values():
        for one in group.flags.values():
            flat.append(_parameter(one))
            for spelling in one.names:
                if spelling in spellings:
                    raise TypeError(f"{command.__name__} declares {spelling} twice")
                spellings.add(spelling)

    def gather(ctx: typer.Context, **values: Any) -> int | None:
        built: dict[str, Any] = {}
        for name, group in groups.items():
            built[name] = group(
                **{one.name: _checked(one, values.pop(one.name)) for one in group.flags.values()}
            )
        if context_name is not None:
            process: Process = ctx.find_root().obj
            built[context_name] = make_context(process, *built.values(), command=command.__name__)
        return command(**values, **built)

    gather.__name__, gather.__doc__ = command.__name__, command.__doc__
    gather.__annotations__ = {one.name: one.annotation for one in flat}
    gather.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    gather.groups = tuple(groups.values())  # type: ignore[attr-defined]
    return gather


def make_context(process: Process, *groups: Group, command: str | None = None) -> Context:
    """Return the context of one command; `groups` are its options as typed."""
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


def _parameter(one: Flag) -> inspect.Parameter:
    option = typer.Option(
        *one.names,
        help=one.help,
        rich_help_panel=one.panel,
        metavar=one.metavar,
        show_default=False,
    )
    kind: Any = list[one.kind] if one.many else one.kind  # type: ignore[name-defined]
    return inspect.Parameter(
        one.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _checked(one: Flag, value: Any) -> Any:
    """Return the value if the table accepts it, else raise UsageError with the nearest choice."""
    if value is None or (one.many and not value):
        return None
    for single in value if one.many else (value,):
        if why := refusal(one, single):
            from apiyi_cli.core.nearest import find_nearest

            near = find_nearest(str(single), one.choices)
            hint = f"{one.long} {near}" if near else None
            raise UsageError(Text("cannot use {long}", long=one.long), why, hint=hint)
    return value
