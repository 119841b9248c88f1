"""`--help`: a command's description as text for a terminal or a pipe, the same in both."""

from __future__ import annotations

from apiyi_cli.core.language import Translate, as_is
from apiyi_cli.manual.describe import Argument, Command, Option
from apiyi_cli.manual.wrap import WIDEST, columns, fill_lines
from apiyi_cli.text import Text, join_texts

_TEXT_AT = 28
_NARROW = 60


def helptext(command: Command, width: int, *, bold: bool = False, say: Translate = as_is) -> str:
    """Return the help of a command, no wider than `width` columns, ending in a newline.

    `bold` marks the headings for a terminal that can show it; `say` translates.
    """
    width = max(20, min(width, WIDEST))
    command = command.translate(say)
    usage = say(Text("Usage: "))
    hanging = " " * columns(usage)
    lines = fill_lines(f"{command.title} {command.usage}".rstrip(), width, usage, hanging)
    title = usage.rstrip()
    lines[0] = lines[0].replace(title, _strong(title, bold), 1)
    for paragraph in (command.help, *command.more.split("\n\n")):
        if paragraph:
            lines += ["", *fill_lines(paragraph, width)]
    for group in (_arguments_and_commands(command), _options(command, say)):
        text_at = _text_at([left for _, rows in group for left, _ in rows], width)
        for heading, rows in group:
            title = say(Text("{heading}:", heading=Text(heading)))
            lines += ["", _strong(title, bold), *_rows(rows, width, text_at)]
    if command.path == ("apiyi",):
        more = say(Text("`apiyi help COMMAND` and `apiyi help TOPIC` tell more."))
        lines += ["", *fill_lines(more, width)]
    return "\n".join(lines) + "\n"


def format_spellings(option: Option) -> str:
    """Return the option as help shows it: `-m, --model NAME`, `--stream, --no-stream`."""
    text = ", ".join(option.spellings)
    return text if option.metavar is None else f"{text} {option.metavar}"


def remarks(option: Option) -> list[str]:
    """Return what the option's help leaves out: choices, default, variable, as short words."""
    choices = option.rule.choices
    words: list[str] = []
    if not all(choice in option.help for choice in choices):
        words.append(", ".join(choices))
    if option.default is not None:
        words.append(Text("default: {default}", default=option.default))
    if option.envvar and option.envvar not in option.help:
        words.append(Text("env: {variable}", variable=option.envvar))
    return words


Tables = list[tuple[str, list[tuple[str, str]]]]
"""Headings, each with its rows of two columns."""


def _arguments_and_commands(command: Command) -> Tables:
    tables: Tables = []
    arguments = [
        (argument.synopsis, _argument_help(argument))
        for argument in command.arguments
        if _argument_help(argument)
    ]
    if arguments:
        tables.append((Text("Arguments"), arguments))
    panels: dict[str, list[tuple[str, str]]] = {}
    for child in command.commands:
        panels.setdefault(child.panel, []).append((child.name, child.line))
    return [*tables, *panels.items()]


def _options(command: Command, say: Translate) -> Tables:
    return [
        (panel, [(_aligned(option), _option_help(option, say)) for option in options])
        for panel, options in command.panels().items()
    ]


def _argument_help(argument: Argument) -> str:
    choices = argument.rule.choices if argument.rule.kind == "choice" else ()
    if not choices or all(choice in argument.help for choice in choices):
        return argument.help
    return f"{argument.help} [{', '.join(choices)}]".lstrip()


def _aligned(option: Option) -> str:
    short = option.names[0].startswith("-") and not option.names[0].startswith("--")
    return ("" if short else "    ") + format_spellings(option)


def _option_help(option: Option, say: Translate) -> str:
    facts = say(join_texts(remarks(option), "; "))
    return f"{option.help} [{facts}]" if facts else option.help


def _text_at(lefts: list[str], width: int) -> int:
    """Return where the right column begins; on a narrow terminal it goes below the left one."""
    widest = max(map(columns, lefts), default=0) + 4
    return 8 if width < _NARROW else min(widest, _TEXT_AT)


def _rows(rows: list[tuple[str, str]], width: int, text_at: int) -> list[str]:
    lines = []
    for left, right in rows:
        begin = f"  {left}"
        if columns(begin) + 2 > text_at:
            lines += [begin, *fill_lines(right, width, " " * text_at)]
        else:
            pad = " " * (text_at - columns(begin))
            lines += fill_lines(right, width, begin + pad, " " * text_at) or [begin]
    return lines


def _strong(text: str, bold: bool) -> str:
    return f"\x1b[1m{text}\x1b[22m" if bold else text
