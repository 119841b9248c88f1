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
    from apiyi_cli.core.language import Translate

HELP_NAMES = {"help_option_names": ["-h", "--help"]}


def shown(typed: Any, path: tuple[str, ...], run: Any) -> None:
    """Write the help of one of Typer's commands to stdout."""
    from apiyi_cli.render.choose import color_wanted

    console = run.console
    bold = color_wanted("auto", run.environ, console.stdout_is_terminal)
    text = _text(typed, path, console.width, run.translate, bold=bold)
    console.write(text.encode("utf-8", "replace"), "styled")


def _text(
    typed: Any, path: tuple[str, ...], width: int, say: Translate, *, bold: bool = False
) -> str:
    from apiyi_cli.cli.help.describe import described
    from apiyi_cli.manual.helptext import helptext

    return helptext(described(typed, path), width, bold=bold, say=say)


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
        """Return the plain help, which stands for a command line that is empty."""
        run = ctx.find_root().obj
        return _text(self, _path(ctx), run.console.width, run.translate)


class HelpedCommand(_Screen, TyperCommand):
    """A command with our help."""


class HelpedGroup(_Screen, TyperGroup):
    """A group of commands with our help."""


def _wanted(ctx: Any, parameter: Any, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        shown(ctx.command, _path(ctx), ctx.find_root().obj)
        raise typer.Exit


def _path(ctx: Any) -> tuple[str, ...]:
    names = []
    while ctx is not None:
        names.append(ctx.info_name)
        ctx = ctx.parent
    return tuple(reversed(names))
