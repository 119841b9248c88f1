"""`-h`, `--help` and `--help-all`: the manual's text for a command, instead of Typer's.

It is the same on a terminal and in a pipe, has the options under their headings, loads no
rich, and goes out through the console, so that a full disk or a closed pipe is noticed.
"""

from __future__ import annotations

from typing import Any

import typer
from typer._click.exceptions import NoSuchOption
from typer._click.parser import _OptionParser
from typer.core import TyperCommand, TyperGroup, TyperOption

HELP_NAMES = {"help_option_names": ["-h", "--help"]}


class _HelpMixin:
    """The methods by which a Typer command shows our help."""

    _help_options: tuple[Any, ...] = ()

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, `--help-all` included."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        return [*params, self._help_options[1]]

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option, always the same object: Typer orders callbacks by identity."""
        if not self._help_options:
            self._help_options = (
                _make_option(list(ctx.help_option_names), everything=False),
                _make_option(["--help-all"], everything=True),
            )
        return self._help_options[0]

    def get_help(self, ctx: Any) -> str:
        """Return the plain help, which is printed for an empty command line."""
        from apiyi_cli.cli.help.print_help import help_text

        root = ctx.find_root()
        process = root.obj
        return help_text(
            self, _path(ctx), root.command.table, process.console.width, process.messages.translate
        )


class _Parser(_OptionParser):
    """Typer's parser, which would compare each `-x` with all long options: 2 ms for nothing."""

    def _match_long_opt(self, opt: str, explicit_value: str | None, state: Any) -> None:
        if not opt.startswith("--") and opt not in self._long_opt:
            # Now the short options are tried.
            raise NoSuchOption(opt, ctx=self.ctx)
        super()._match_long_opt(opt, explicit_value, state)


class HelpedCommand(_HelpMixin, TyperCommand):
    """A command with our help, and with the options of its function's groups."""

    def __init__(self, *, callback: Any, params: list[Any], **settings: Any) -> None:
        # Typer's wrapper has the attributes of the function.
        params = [*params, *getattr(callback, "options", ())]
        super().__init__(callback=callback, params=params, **settings)

    def make_parser(self, ctx: Any) -> _OptionParser:
        """Return the parser of the command's options and arguments."""
        parser = _Parser(ctx)
        for param in self.get_params(ctx):
            param.add_to_parser(parser, ctx)
        return parser


class HelpedGroup(_HelpMixin, TyperGroup):
    """A group of commands with our help."""


def _make_option(names: list[str], *, everything: bool) -> Any:
    """Return the option that prints the help of its command and ends the run."""

    def print_and_exit(ctx: Any, parameter: Any, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            from apiyi_cli.cli.help.print_help import print_help

            root = ctx.find_root()
            path = _path(ctx)
            print_help(ctx.command, path, root.command.table, root.obj, everything=everything)
            raise typer.Exit

    return TyperOption(
        param_decls=names, is_flag=True, expose_value=False, is_eager=True, callback=print_and_exit
    )


def _path(ctx: Any) -> tuple[str, ...]:
    names = []
    while ctx is not None:
        names.append(ctx.info_name)
        ctx = ctx.parent
    return tuple(reversed(names))
