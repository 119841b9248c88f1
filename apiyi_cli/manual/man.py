"""Man pages: the description and the hand-written sections as roff.

`apiyi.1` describes what all commands share, `apiyi-COMMAND.1` one command with its options.
"""

from __future__ import annotations

from collections.abc import Iterator

from apiyi_cli.core.language import Translate, as_is
from apiyi_cli.manual import handwritten
from apiyi_cli.manual.describe import Command, Option
from apiyi_cli.manual.markdown import Block, Table, text
from apiyi_cli.manual.roff import escape, inline, line, roff
from apiyi_cli.text import Text

OWN = "Options"
"""The heading of options that only the child command has."""

RELEASED = {"0.1.0": "2026-11-24", "0.2.0": "2026-11-28"}
"""The date of each version's pages, so that builds are reproducible."""


_ANY_NUMBER = 2**53
"""A larger bound only says that the value is a number."""


def pages(program: Command, version: str, say: Translate = as_is) -> dict[str, str]:
    """Return the source of every page by its file name; `say` translates.

    Raises KeyError for a version without a date.
    """
    program = program.translate(say)
    names = [program, *program.commands]
    return {f"{'-'.join(child.path)}.1": _page(child, program, version, say) for child in names}


def _page(command: Command, program: Command, version: str, say: Translate) -> str:
    name = "-".join(command.path)
    is_root = command is program
    written = _for_program(program, say) if is_root else handwritten.sections_of(command.name, say)
    before, after = (list(roff(part)) for part in handwritten.divide(written, say))
    # tbl(1) is run on a page whose first line asks for it; another needs no such line.
    tables = any(isinstance(block, Table) for block in written)
    lines = [
        *(["'\\\" t"] if tables else []),
        f'.TH "{escape(name.upper(), literal=True)}" 1 "{RELEASED[version]}" '
        f'"apiyi {version}" "{escape(say(Text("apiyi manual")))}"',
        ".nh",
        ".ad l",
        _section(say(Text("NAME"))),
        f"{escape(name, literal=True)} \\- {escape(command.line.rstrip('.。'))}",
        _section(say(Text("SYNOPSIS"))),
        *_synopsis(command),
        *(before or (_section(say(Text("DESCRIPTION"))), *_explain(command))),
        *(_commands(command, say) if command.commands and is_root else _subcommands(command, say)),
        *_options(command, say),
        *after,
        *_see_also(command, program, say),
    ]
    return "\n".join(lines) + "\n"


def _section(title: str) -> str:
    return f".SH {escape(title)}"


def _for_program(program: Command, say: Translate) -> list[Block]:
    names = {command.name for command in program.commands}
    # The recipes are as long as the page; it names them instead.
    topics = [name for name in handwritten.TOPICS if name not in names and name != "recipes"]
    return [
        *handwritten.command_sections("apiyi", say),
        *(block for name in topics for block in handwritten.topic(name, say)),
    ]


def _synopsis(command: Command) -> Iterator[str]:
    leaves = (
        [child for child in command.walk() if not child.commands] if len(command.path) > 1 else []
    )
    for count, child in enumerate(leaves or [command]):
        if count:
            yield ".br"
        yield f"\\fB{escape(child.title, literal=True)}\\fR {escape(child.usage)}".rstrip()


def _explain(command: Command) -> Iterator[str]:
    yield inline(text(command.help))
    for paragraph in command.more.split("\n\n"):
        if paragraph:
            yield from (".PP", inline(text(" ".join(paragraph.split()))))


def _commands(command: Command, say: Translate) -> Iterator[str]:
    yield _section(say(Text("COMMANDS")))
    for child in command.commands:
        yield from (".TP", f"\\fB{'-'.join(child.path)}\\fR(1)".replace("-", r"\-"))
        yield line(escape(child.line))


def _subcommands(command: Command, say: Translate) -> Iterator[str]:
    if not command.commands:
        return
    yield _section(say(Text("COMMANDS")))
    for child in command.commands:
        yield f".SS {escape(child.title, literal=True)} {escape(child.usage)}".rstrip()
        yield from _explain(child)
        yield from _arguments(child)
        for option in child.panels().get(OWN, []):
            if "--help" not in option.names:
                yield from _option(option, say)


def _arguments(command: Command) -> Iterator[str]:
    for argument in command.arguments:
        if argument.help:
            yield from (".TP", f"\\fI{escape(argument.name)}\\fR", line(escape(argument.help)))


def _options(command: Command, say: Translate) -> Iterator[str]:
    yield _section(say(Text("OPTIONS")))
    yield from _arguments(command)
    below = command.commands if len(command.path) > 1 else ()
    panels = command.panels()
    if len(panels) > 1 or below:
        panels = {**{panel: [] for child in below for panel in child.panels()}, **panels}
    for panel, options in panels.items():
        if len(panels) > 1:
            yield f".SS {escape(say(Text('General' if panel == OWN else panel)))}"
        if panel != OWN:
            takers = [child for child in below if panel in child.panels()]
            if takers and len(takers) < len(below):
                names = ", ".join(child.name for child in takers)
                yield escape(say(Text("Taken by {commands}.", commands=names)))
            shared = {item.names: item for child in takers for item in child.panels()[panel]}
            options += shared.values()
        for option in options:
            yield from _option(option, say)


def _option(option: Option, say: Translate) -> Iterator[str]:
    yield ".TP"
    names = ", ".join(f"\\fB{escape(name, literal=True)}\\fR" for name in option.spellings)
    value = "" if option.metavar is None else f" \\fI{escape(option.metavar, literal=True)}\\fR"
    yield names + value
    yield line(escape(" ".join([option.help, *map(say, facts(option))]), literal=False))


def facts(option: Option) -> list[str]:
    """Return the table's facts about an option beyond its help, as short sentences."""
    sentences: list[str] = []
    choices = option.rule.choices
    if choices and not all(choice in option.help for choice in choices):
        sentences.append(Text("Takes one of {choices}.", choices=", ".join(choices)))
    low, high = option.low, option.high
    if low is not None and high is not None and high < _ANY_NUMBER:
        sentences.append(Text("From {low} to {high}.", low=_number(low), high=_number(high)))
    elif low is not None and low > -_ANY_NUMBER:
        sentences.append(Text("At least {low}.", low=_number(low)))
    if option.default is not None:
        sentences.append(Text("Default: {default}.", default=option.default))
    if option.envvar and option.envvar not in option.help:
        sentences.append(Text("Environment: {variable}.", variable=option.envvar))
    if option.config:
        sentences.append(Text("Config: {key}.", key=option.config))
    return sentences


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def _see_also(command: Command, program: Command, say: Translate) -> Iterator[str]:
    others = [child for child in (program, *program.commands) if child is not command]
    yield _section(say(Text("SEE ALSO")))
    for count, child in enumerate(others):
        end = "," if count < len(others) - 1 else ""
        yield f".BR {escape('-'.join(child.path), literal=True)} (1){end}"
