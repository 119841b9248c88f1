"""`-h` and `--help`: the manual's text for a command, instead of Typer's.

It is the same on a terminal and in a pipe, has the options under their headings, loads no
rich, and goes out through the console, so that a full disk or a closed pipe is noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.help.describe import CommandTable
    from apiyi_cli.core.language import Translate

HELP_NAMES = {"help_option_names": ["-h", "--help"]}


def print_help(typed: Any, path: tuple[str, ...], table: CommandTable, process: Any) -> None:
    """Write the help of one of Typer's commands to stdout."""
    from apiyi_cli.render.choose import should_color

    console = process.console
    bold = should_color("auto", process.environ, console.stdout_is_terminal)
    text = _help_text(typed, path, table, console.width, process.messages.translate, bold=bold)
    console.write(text.encode("utf-8", "replace"), "styled")


def _help_text(
    typed: Any,
    path: tuple[str, ...],
    table: CommandTable,
    width: int,
    say: Translate,
    *,
    bold: bool = False,
) -> str:
    from apiyi_cli.cli.help.describe import describe
    from apiyi_cli.manual.helptext import helptext

    return helptext(describe(typed, path, table), width, bold=bold, say=say)


class _Screen:
    """What a command of Typer's needs to show our help."""

    _help_option: Any

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option, made once: Typer orders the callbacks by identity."""
        if self._help_option is None:
            self._help_option = TyperOption(
                param_decls=list(ctx.help_option_names),
                is_flag=True,
                expose_value=False,
                is_eager=True,
                help=Text("Show this help and exit."),
                callback=_wanted,
            )
        return self._help_option

    def get_help(self, ctx: Any) -> str:
        """Return the plain help, which is printed for an empty command line."""
        root = ctx.find_root()
        process = root.obj
        return _help_text(
            self, _path(ctx), root.command.table, process.console.width, process.messages.translate
        )


class HelpedCommand(_Screen, TyperCommand):
    """A command with our help."""


class HelpedGroup(_Screen, TyperGroup):
    """A group of commands with our help."""


def _wanted(ctx: Any, parameter: Any, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        root = ctx.find_root()
        print_help(ctx.command, _path(ctx), root.command.table, root.obj)
        raise typer.Exit


def _path(ctx: Any) -> tuple[str, ...]:
    names = []
    while ctx is not None:
        names.append(ctx.info_name)
        ctx = ctx.parent
    return tuple(reversed(names))
