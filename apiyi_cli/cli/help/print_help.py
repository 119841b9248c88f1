"""Prints `--help`; the program's own without Typer, whose import takes 25 ms."""

from __future__ import annotations

from typing import Any

from apiyi_cli.cli.help.describe import CommandTable
from apiyi_cli.core.language import Translate


def print_help(
    typed: Any, path: tuple[str, ...], table: CommandTable, process: Any, *, everything: bool
) -> None:
    """Write the help of a Typer command to stdout.

    Without `everything` the options that all request commands share are left out.
    """
    from apiyi_cli.render.choose import should_color

    console = process.console
    bold = should_color("auto", process.environ, console.stdout_is_terminal)
    say = process.messages.translate
    text = help_text(typed, path, table, console.width, say, bold=bold, everything=everything)
    console.write(text.encode("utf-8", "replace"), "styled")


def help_text(
    typed: Any,
    path: tuple[str, ...],
    table: CommandTable,
    width: int,
    say: Translate,
    *,
    bold: bool = False,
    everything: bool = False,
) -> str:
    """Return the help of a command with its examples, translated by `say`."""
    from apiyi_cli.cli.help.describe import describe
    from apiyi_cli.manual.handwritten import list_examples
    from apiyi_cli.manual.helptext import helptext

    command = describe(typed, path, table)
    return helptext(
        command if everything else command.without_shared_options(),
        width,
        bold=bold,
        say=say,
        examples=list_examples(path, say),
    )
