"""`apiyi help`: a command's help, or a topic of the manual."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.main import get_command

from apiyi_cli.cli.app import app as program
from apiyi_cli.cli.app import load_command, single
from apiyi_cli.cli.command_table import COMMANDS
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.help.describe import describe
from apiyi_cli.cli.help.print_help import print_help
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.nearest import find_several
from apiyi_cli.errors import UsageError
from apiyi_cli.manual.handwritten import TOPICS
from apiyi_cli.manual.handwritten import topic as find_topic
from apiyi_cli.manual.helptext import manual_page
from apiyi_cli.manual.plain import page
from apiyi_cli.text import Text

Topic = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TOPIC",
        help=Text("A command, or one of {topics}.", topics=", ".join(TOPICS)),
        show_default=False,
    ),
]


def help_(ctx: Context, topic: Topic = None) -> None:
    """Print the manual of a command, or a topic.

    A topic is the same text as in the man pages. Where a command has the same name, its page
    ends with the topic. On a terminal the text is shown by $PAGER or less.
    """
    words = topic or []
    if not words:
        print_help(get_command(program), ("apiyi",), COMMANDS, ctx.process, everything=False)
    else:
        _show_page(ctx, words)


def _show_page(ctx: Context, words: list[str]) -> None:
    from apiyi_cli.cli.help.pager import show_text
    from apiyi_cli.render.choose import should_color

    console = ctx.process.console
    bold = should_color("auto", ctx.process.environ, console.stdout_is_terminal)
    say = ctx.messages.translate
    if len(words) == 1 and words[0] in TOPICS and words[0] not in COMMANDS:
        text = page(find_topic(words[0], say), console.width, bold=bold)
    else:
        command = describe(_find_command(words), ("apiyi", *words), COMMANDS)
        text = manual_page(command, console.width, bold=bold, say=say)
    show_text(ctx.process, text)


def _find_command(words: list[str]) -> Any:
    """Return the command that the words name. Raises UsageError with the nearest name."""
    command: Any = get_command(program)
    known: list[str] = [*COMMANDS, *TOPICS]
    for at, word in enumerate(words):
        if word not in known or (word in TOPICS and word not in COMMANDS):
            hint = " ".join(["apiyi help", *words[:at], *find_several(word, known, 1)])
            raise UsageError(
                Text("there is no help on {words}", words=repr(" ".join(words[: at + 1]))),
                hint=hint,
            )
        command = load_command(word) if at == 0 else command.commands[word]
        known = list(getattr(command, "commands", {}))
    return command


app = single(spread(help_))
