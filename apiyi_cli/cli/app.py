"""The tree of commands. Only the module of the command that was typed is imported."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer
from typer.main import get_command

from apiyi_cli.cli.command_table import COMMANDS, ROOT
from apiyi_cli.cli.help.help_option import HELP_NAMES, HelpedCommand, HelpedGroup
from apiyi_cli.cli.typed_words import TYPED_WORDS

if TYPE_CHECKING:
    from apiyi_cli.manual.describe import Command

CACHE_TTL = "30d"
"""The value of `--cache` if none is typed."""


def load_command(name: str) -> Any:
    """Import the module of a command and return its Typer command."""
    module = importlib.import_module(f"apiyi_cli.cli.commands.{name}")
    if hasattr(module, "__path__"):
        # A command of several files is a folder.
        module = importlib.import_module(f"{module.__name__}.command")
    app: typer.Typer = module.app
    typer_command = get_command(app)
    typer_command.name = name
    return typer_command


class LazyGroup(HelpedGroup):
    """The root: has every command's name and help line, and imports the typed one."""

    table = COMMANDS

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands in the order of the table."""
        return list(COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the typed command; an unknown word is kept for the error."""
        ctx.meta[TYPED_WORDS] = args
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, None for a name that is not in the table."""
        return load_command(cmd_name) if cmd_name in COMMANDS else None


def _make_group(kind: type[HelpedGroup]) -> typer.Typer:
    return typer.Typer(
        cls=kind,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings=HELP_NAMES,
        rich_markup_mode=None,
    )


app = _make_group(LazyGroup)


def single(function: Any) -> typer.Typer:
    """Return the Typer of a module that holds one command."""
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(cls=HelpedCommand, context_settings=HELP_NAMES)(function)
    return alone


def several(**functions: Any) -> typer.Typer:
    """Return the Typer of a module that holds a group of commands, named by keyword."""
    group = _make_group(HelpedGroup)
    for name, function in functions.items():
        group.command(name, cls=HelpedCommand, context_settings=HELP_NAMES)(function)
    return group


def _print_version(ctx: typer.Context, is_given: bool) -> None:
    if is_given:
        from apiyi_cli import __version__

        ctx.obj.console.write(f"apiyi {__version__}\n".encode())
        raise typer.Exit


def _root_option(name: str, default: Any = False, **settings: Any) -> Any:
    """Return Typer's declaration of an option of the table."""
    option = next(option for option in ROOT.params if option.name == name)
    return typer.Option(default, *option.opts, help=option.help, metavar=option.metavar, **settings)


@app.callback(help=ROOT.help)
def root(
    ctx: typer.Context,
    profile: str = _root_option("profile", None),
    quiet: bool = _root_option("quiet"),
    verbose: bool = _root_option("verbose"),
    version: bool = _root_option("version", callback=_print_version, is_eager=True),
) -> None:
    """Keep the options before the command."""
    ctx.obj.root_options = {"profile": profile, "quiet": quiet or None, "verbose": verbose or None}


def fill_optional_values(argv: Sequence[str]) -> list[str]:
    """Return the arguments with the default value of `--cache` written out."""
    words: list[str] = []
    for place, word in enumerate(argv):
        if word == "--":
            return words + list(argv[place:])
        following = argv[place + 1] if place + 1 < len(argv) else ""
        if word == "--cache" and not re.fullmatch(r"[0-9.]+[smhdw]?", following):
            word = f"--cache={CACHE_TTL}"
        words.append(word)
    return words


def describe_all() -> Command:
    """Return the whole program as the manual describes it; imports every command."""
    from apiyi_cli.cli.help.describe import describe_program

    return describe_program(get_command(app), COMMANDS, load_command)
