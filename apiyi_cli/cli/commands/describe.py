"""`apiyi describe`: the command line as a JSON Schema, for coding agents and other programs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from apiyi_cli.cli.app import describe_all, single
from apiyi_cli.cli.command_table import COMMANDS
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.language import Translate
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

Wanted = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="COMMAND",
        help=Text("The command to describe, such as chat or auth login; else all."),
        show_default=False,
    ),
]


def describe(ctx: Context, command: Wanted = None) -> None:
    """Print every command, option, default, variable and exit code as a JSON Schema.

    The document is JSON Schema 2020-12; an instance of it is a command line as an object.
    """
    from apiyi_cli import __version__
    from apiyi_cli.agents.describe import describe_as_schema
    from apiyi_cli.core.jsontext import write

    say = ctx.messages.translate
    chosen = _choose(list(describe_all().walk()), command or [])
    document = describe_as_schema(chosen, __version__, _read_environment(say), say)
    ctx.process.console.write(write(document) + b"\n")


def _choose(commands: list[Any], words: list[str]) -> list[Any]:
    """Return the command that the words name and those below it; all without words.

    Raises UsageError with the nearest name.
    """
    from apiyi_cli.core.nearest import find_nearest

    path = ("apiyi", *words)
    chosen = [command for command in commands if command.path[: len(path)] == path]
    if not chosen:
        near = find_nearest(words[0], tuple(COMMANDS))
        raise UsageError(
            Text("there is no command {words}", words=repr(" ".join(words))),
            hint=f"apiyi describe {near}" if near else "apiyi describe",
        )
    return chosen


def _read_environment(say: Translate) -> dict[str, str]:
    """Return the manual's text about each environment variable, by name."""
    from apiyi_cli.manual.handwritten import topic
    from apiyi_cli.manual.markdown import Definitions, plain

    return {
        span.text: plain(text)
        for block in topic("environment", say)
        if isinstance(block, Definitions)
        for term, text in block.items
        for span in term
        if span.style == "code"
    }


app = single(spread(describe))
