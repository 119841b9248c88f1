"""The tree of commands. Only the module of the command that was typed is imported.

`COMMANDS` is the whole list; `apiyi --help`, the manual and the completions are made from it
without importing any of them.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from typer.main import get_command as built

from apiyi_cli.cli.help.help_option import HELP_NAMES, HelpedCommand, HelpedGroup
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.manual.describe import Command

CACHE_TTL = "30d"
"""What `--cache` without a value means."""


class Entry(NamedTuple):
    """One command: its help line, and for a group of commands theirs by name."""

    help: str
    panel: str
    commands: tuple[str, ...] = ()


COMMANDS: dict[str, Entry] = {
    "chat": Entry("Send a chat completion and print the answer as it comes.", "Ask"),
    "complete": Entry("Send a legacy completion.", "Ask"),
    "respond": Entry("Ask the Responses endpoint.", "Ask"),
    "embed": Entry("Embed texts: one JSON line with a vector for each.", "Ask"),
    "image": Entry("Draw, edit or vary pictures and save them.", "Ask"),
    "transcribe": Entry("Write down what recordings say.", "Ask"),
    "speak": Entry("Read a text aloud, to a file or a player.", "Ask"),
    "api": Entry("Call any path of the gateway, raw.", "Ask"),
    "batch": Entry("Send thousands of requests from a file, resumable.", "Ask"),
    "models": Entry("List or search the gateway's models.", "Look"),
    "session": Entry("Show and remove kept conversations.", "Look", ("list", "show", "rm")),
    "usage": Entry("Show what was used: requests, tokens, estimated cost.", "Look"),
    "cache": Entry("Look at and clear the response cache.", "Look", ("path", "stats", "clear")),
    "auth": Entry("Keep keys in the OS keyring.", "Set up", ("login", "status", "logout", "token")),
    "config": Entry(
        "Read and write config.toml.",
        "Set up",
        ("list", "get", "set", "unset", "path", "edit"),
    ),
    "doctor": Entry("Check what works and what does not.", "Set up"),
    "sandbox": Entry("Run the offline gateway in the foreground.", "Set up"),
    "completion": Entry("Print the completion script of a shell.", "Set up"),
    "help": Entry("Print the help of a command, or a topic.", "Look"),
}


def command(name: str) -> Any:
    """Import the module of a command and return what Typer makes of it."""
    module = importlib.import_module(f"apiyi_cli.cli.commands.{name}")
    if hasattr(module, "__path__"):
        # A command of several files is a folder.
        module = importlib.import_module(f"{module.__name__}.command")
    app: typer.Typer = module.app
    found = built(app)
    found.name = name
    return found


class LazyGroup(HelpedGroup):
    """The root: knows every command's name and help line, and imports the one that is used."""

    table = COMMANDS

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, None for a name that is not in the table."""
        return command(cmd_name) if cmd_name in COMMANDS else None


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=HELP_NAMES,
    rich_markup_mode=None,
)


def single(function: Any, **settings: Any) -> typer.Typer:
    """Return the Typer of a module that holds one command."""
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(cls=HelpedCommand, context_settings=HELP_NAMES, **settings)(function)
    return alone


def several(**functions: Any) -> typer.Typer:
    """Return the Typer of a module that holds a group of commands, named by keyword."""
    group = typer.Typer(
        cls=HelpedGroup,
        add_completion=False,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings=HELP_NAMES,
        rich_markup_mode=None,
    )
    for name, function in functions.items():
        group.command(name, cls=HelpedCommand, context_settings=HELP_NAMES)(function)
    return group


def _version(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        from apiyi_cli import __version__

        ctx.obj.console.write(f"apiyi {__version__}\n".encode())
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    profile: str = typer.Option(
        None, "--profile", metavar="NAME", help="Profile of the configuration to use."
    ),
    quiet: bool = typer.Option(False, "-q", "--quiet", help="No notices, errors only."),
    verbose: bool = typer.Option(False, "-v", "--verbose", help="Tell what is sent."),
    version: bool = typer.Option(
        False, "-V", "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Talk to the API易 gateway, or to any OpenAI-compatible server, in shell pipes."""
    ctx.obj.root_options = {
        "profile": profile,
        "quiet": quiet or None,
        "verbose": verbose or None,
    }


def suggestion(refused: Any, message: str) -> UsageError:
    """Return the usage error that Typer found, with the nearest spelling that it knows."""
    context = getattr(refused, "ctx", None)
    line = context.command_path if context is not None else "apiyi"
    typed = getattr(refused, "option_name", None)
    known: list[str] = []
    if typed is not None and context is not None:
        known = [
            name for one in context.command.params for name in (*one.opts, *one.secondary_opts)
        ]
    elif message.startswith("No such command") and context is not None:
        typed = message.split("'")[1]
        known = list(context.command.list_commands(context))
    plain = message.split(" (Possible")[0].split(" Did you mean")[0].rstrip(".?")
    near = difflib.get_close_matches(str(typed), known, 1) if typed else []
    why = Text("did you mean {near}?", near=near[0]) if near else ""
    from apiyi_cli.cli.usage_errors import complaint

    return UsageError(complaint(plain), why, hint=f"{line} --help")


def optional_values(argv: Sequence[str]) -> list[str]:
    """Return the arguments with the value of `--cache` written out where it was left out."""
    found: list[str] = []
    for place, word in enumerate(argv):
        if word == "--":
            return found + list(argv[place:])
        following = argv[place + 1] if place + 1 < len(argv) else ""
        if word == "--cache" and not re.fullmatch(r"[0-9.]+[smhdw]?", following):
            word = f"--cache={CACHE_TTL}"
        found.append(word)
    return found


def describe_all() -> Command:
    """Return the whole program as the manual describes it; imports every command."""
    from apiyi_cli.cli.help.describe import describe_program

    return describe_program(built(app), COMMANDS, command)
