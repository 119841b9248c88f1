"""Man pages: the description and the hand-written sections as roff.

`apiyi.1` tells what holds for all commands, `apiyi-COMMAND.1` one command with its options.
"""

from __future__ import annotations

from collections.abc import Iterator

from apiyi_cli.core.language import Translate, as_is
from apiyi_cli.manual.describe import Command, Option
from apiyi_cli.manual.handwritten import TOPICS, command_sections, topic
from apiyi_cli.manual.markdown import Block, Heading, Table, text
from apiyi_cli.manual.roff import escaped, inline, line, roff
from apiyi_cli.text import Text

OWN = "Options"
"""The heading of the options that only one command has."""

RELEASED = {"0.1.0": "2026-11-24", "0.2.0": "2026-11-28"}
"""The date that the pages of each version carry, so that building them twice gives the same."""


_ANY_NUMBER = 2**53
"""A bound beyond this says no more than that the value is a number."""


def pages(program: Command, version: str, say: Translate = as_is) -> dict[str, str]:
    """Return the source of every page by its file name; `say` translates.

    Raises KeyError for a version without a date.
    """
    program = program.translated(say)
    names = [program, *program.commands]
    return {f"{'-'.join(one.path)}.1": _page(one, program, version, say) for one in names}


def _page(command: Command, program: Command, version: str, say: Translate) -> str:
    name = "-".join(command.path)
    is_root = command is program
    written = _for_program(program, say) if is_root else _for_command(command, say)
    before, after = _divided(written, say)
    # tbl(1) is run on a page whose first line asks for it; another needs no such line.
    tables = any(isinstance(block, Table) for block in written)
    lines = [
        *(["'\\\" t"] if tables else []),
        f'.TH "{escaped(name.upper(), literal=True)}" 1 "{RELEASED[version]}" '
        f'"apiyi {version}" "{escaped(say(Text("apiyi manual")))}"',
        ".nh",
        ".ad l",
        _section(say(Text("NAME"))),
        f"{escaped(name, literal=True)} \\- {escaped(command.line.rstrip('.。'))}",
        _section(say(Text("SYNOPSIS"))),
        *_synopsis(command),
        *(before or _description(command, say)),
        *(_commands(command, say) if command.commands and is_root else _subcommands(command, say)),
        *_options(command, say),
        *after,
        *_see_also(command, program, say),
    ]
    return "\n".join(lines) + "\n"


def _section(title: str) -> str:
    return f".SH {escaped(title)}"


def _for_program(program: Command, say: Translate) -> list[Block]:
    names = {command.name for command in program.commands}
    own = [block for name in TOPICS if name not in names for block in topic(name, say)]
    return [*command_sections("apiyi", say), *own]


def _for_command(command: Command, say: Translate) -> list[Block]:
    own = topic(command.name, say) if command.name in TOPICS else []
    return [*command_sections(command.name, say), *own]


def _divided(written: list[Block], say: Translate) -> tuple[list[str], list[str]]:
    """Return the DESCRIPTION section, which goes before the options, and the rest."""
    at = [i for i, one in enumerate(written) if isinstance(one, Heading) and one.level == 1]
    if not at or written[at[0]] != Heading(1, say(Text("DESCRIPTION"))):
        return [], list(roff(written))
    end = at[1] if len(at) > 1 else len(written)
    return list(roff(written[:end])), list(roff(written[end:]))


def _synopsis(command: Command) -> Iterator[str]:
    shown = [one for one in command.walk() if not one.commands] if len(command.path) > 1 else []
    for count, one in enumerate(shown or [command]):
        if count:
            yield ".br"
        yield f"\\fB{escaped(one.title, literal=True)}\\fR {escaped(one.usage)}".rstrip()


def _description(command: Command, say: Translate) -> Iterator[str]:
    yield _section(say(Text("DESCRIPTION")))
    yield from _explained(command)


def _explained(command: Command) -> Iterator[str]:
    """Yield what a command's own help says of it."""
    yield inline(text(command.help))
    for paragraph in command.more.split("\n\n"):
        if paragraph:
            yield from (".PP", inline(text(" ".join(paragraph.split()))))


def _commands(command: Command, say: Translate) -> Iterator[str]:
    yield _section(say(Text("COMMANDS")))
    for one in command.commands:
        yield from (".TP", f"\\fB{'-'.join(one.path)}\\fR(1)".replace("-", r"\-"))
        yield line(escaped(one.line))


def _subcommands(command: Command, say: Translate) -> Iterator[str]:
    if not command.commands:
        return
    yield _section(say(Text("COMMANDS")))
    for one in command.commands:
        yield f".SS {escaped(one.title, literal=True)} {escaped(one.usage)}".rstrip()
        yield from _explained(one)
        yield from _arguments(one)
        for option in one.panels().get(OWN, []):
            if "--help" not in option.names:
                yield from _option(option, say)


def _arguments(command: Command) -> Iterator[str]:
    for one in command.arguments:
        if one.help:
            yield from (".TP", f"\\fI{escaped(one.name)}\\fR", line(escaped(one.help)))


def _options(command: Command, say: Translate) -> Iterator[str]:
    yield _section(say(Text("OPTIONS")))
    yield from _arguments(command)
    below = command.commands if len(command.path) > 1 else ()
    panels = command.panels()
    if len(panels) > 1 or below:
        panels = {**{panel: [] for one in below for panel in one.panels()}, **panels}
    for panel, options in panels.items():
        if len(panels) > 1:
            yield f".SS {escaped(say(Text('General' if panel == OWN else panel)))}"
        if panel != OWN:
            yield from _takers(below, panel, say)
            options += _shared(below, panel)
        for option in options:
            yield from _option(option, say)


def _takers(below: tuple[Command, ...], panel: str, say: Translate) -> Iterator[str]:
    """Say which commands of a group take the options of a panel, unless all do."""
    takers = [one.name for one in below if panel in one.panels()]
    if takers and len(takers) < len(below):
        yield escaped(say(Text("Taken by {commands}.", commands=", ".join(takers))))


def _shared(below: tuple[Command, ...], panel: str) -> list[Option]:
    """Return the options that the commands of a group have under a heading, each once."""
    found = {option.names: option for one in below for option in one.panels().get(panel, [])}
    return list(found.values())


def _option(option: Option, say: Translate) -> Iterator[str]:
    yield ".TP"
    names = ", ".join(f"\\fB{escaped(one, literal=True)}\\fR" for one in option.spellings)
    value = "" if option.metavar is None else f" \\fI{escaped(option.metavar, literal=True)}\\fR"
    yield names + value
    yield line(escaped(" ".join([option.help, *map(say, facts(option))]), literal=False))


def facts(option: Option) -> list[str]:
    """Return what the table knows about an option beyond its help, as short sentences."""
    told: list[str] = []
    choices = option.rule.choices
    if choices and not all(one in option.help for one in choices):
        told.append(Text("Takes one of {choices}.", choices=", ".join(choices)))
    low, high = option.low, option.high
    if low is not None and high is not None and high < _ANY_NUMBER:
        told.append(Text("From {low} to {high}.", low=_number(low), high=_number(high)))
    elif low is not None and low > -_ANY_NUMBER:
        told.append(Text("At least {low}.", low=_number(low)))
    if option.default is not None:
        told.append(Text("Default: {default}.", default=option.default))
    if option.envvar and option.envvar not in option.help:
        told.append(Text("Environment: {variable}.", variable=option.envvar))
    if option.config:
        told.append(Text("Config: {key}.", key=option.config))
    return told


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def _see_also(command: Command, program: Command, say: Translate) -> Iterator[str]:
    others = [one for one in (program, *program.commands) if one is not command]
    yield _section(say(Text("SEE ALSO")))
    for count, one in enumerate(others):
        end = "," if count < len(others) - 1 else ""
        yield f".BR {escaped('-'.join(one.path), literal=True)} (1){end}"
