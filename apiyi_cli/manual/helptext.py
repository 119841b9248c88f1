"""`--help`: a command's description as text, the same for terminal and pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apiyi_cli.core.language import Translate, as_is
from apiyi_cli.manual.describe import HELP_ALL, Argument, Command, Option
from apiyi_cli.manual.handwritten import TOPICS, divide, list_examples, sections_of
from apiyi_cli.manual.markdown import Block, Code, Paragraph, plain
from apiyi_cli.manual.wrap import WIDEST, columns, fill_lines
from apiyi_cli.text import Text, join_texts

_TEXT_AT = 28
_NARROW = 60


def helptext(
    command: Command,
    width: int,
    *,
    bold: bool = False,
    say: Translate = as_is,
    examples: Sequence[Block] = (),
) -> str:
    """Return the help of a command, no wider than `width` columns, ending in a newline.

    `bold` marks the headings for a terminal that can show it; `say` translates. `examples` are
    translated already.
    """
    width = max(20, min(width, WIDEST))
    command = command.translate(say)
    lines = [*_usage(command, width, bold, say), *_paragraphs(command, width)]
    if examples:
        lines += ["", _heading(Text("Examples"), bold, say), *_example_lines(examples, width)]
    lines += _tables(command, width, bold, say)
    for note in _closing_notes(command):
        lines += ["", *fill_lines(say(note), width)]
    return "\n".join(lines) + "\n"


def manual_page(command: Command, width: int, *, bold: bool = False, say: Translate = as_is) -> str:
    """Return the manual of a command: description, all options, hand-written sections.

    It is what the man page has, for where `man` does not find that.
    """
    if len(command.path) > 2:
        examples = list_examples(command.path, say)
        return helptext(command, width, bold=bold, say=say, examples=examples)
    from apiyi_cli.manual.plain import page

    width = max(20, min(width, WIDEST))
    before, after = divide(sections_of(command.name, say), say)
    command = command.translate(say)
    lines = _usage(command, width, bold, say)
    lines += [] if before else _paragraphs(command, width)
    parts = ["\n".join(lines) + "\n", page(before, width, bold=bold) if before else ""]
    parts += ["\n".join(_tables(command, width, bold, say)[1:]) + "\n"]
    parts += [page(after, width, bold=bold) if after else ""]
    return "\n".join(filter(None, parts))


def _paragraphs(command: Command, width: int) -> list[str]:
    """Return the paragraphs of the command's own help, each after an empty line."""
    texts = (command.help, *command.more.split("\n\n"))
    return [line for text in texts if text for line in ("", *fill_lines(text, width))]


def _tables(command: Command, width: int, bold: bool, say: Translate) -> list[str]:
    lines: list[str] = []
    for group in (_arguments_and_commands(command), _options(command, say)):
        text_at = _text_at([left for _, rows in group for left, _ in rows], width)
        for heading, rows in group:
            lines += ["", _heading(Text(heading), bold, say), *_rows(rows, width, text_at)]
    return lines


def _usage(command: Command, width: int, bold: bool, say: Translate) -> list[str]:
    usage = say(Text("Usage: "))
    title = usage.rstrip()
    hanging = " " * columns(usage)
    lines = fill_lines(f"{command.title} {command.usage}".rstrip(), width, usage, hanging)
    return [lines[0].replace(title, _strong(title, bold), 1), *lines[1:]]


def _heading(title: Text, bold: bool, say: Translate) -> str:
    return _strong(say(Text("{heading}:", heading=title)), bold)


def _example_lines(examples: Sequence[Block], width: int) -> list[str]:
    """Return each example: its purpose, then the line, which is never wrapped."""
    lines: list[str] = []
    for block in examples:
        match block:
            case Paragraph(spans):
                lines += fill_lines(plain(spans, quoted=True), width, "  ", "  ")
            case Code(code):
                lines += [f"    {line}".rstrip() for line in code]
    return lines


def _closing_notes(command: Command) -> Iterator[Text]:
    """Yield the notes below the options: where to read more."""
    if command.path == ("apiyi",):
        yield Text("Topics of `apiyi help TOPIC`: {topics}.", topics=", ".join(TOPICS))
        yield Text("first time? apiyi auth login, or apiyi --profile sandbox chat hi")
    elif any(HELP_ALL in option.names for option in command.options) and not any(
        option.shared for option in command.options
    ):
        yield Text(
            "Options for connection, output and request: `{command} --help-all`. "
            "The manual: `apiyi help {name}`.",
            command=command.title,
            name=" ".join(command.path[1:]),
        )


def format_spellings(option: Option) -> str:
    """Return the option's spellings: `-m, --model NAME`, `--stream, --no-stream`."""
    text = ", ".join(option.spellings)
    return text if option.metavar is None else f"{text} {option.metavar}"


def remarks(option: Option) -> list[str]:
    """Return short facts that the option's help leaves out: choices, default, variable."""
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
        (panel, [(_align(option), _option_help(option, say)) for option in options])
        for panel, options in command.panels().items()
    ]


def _argument_help(argument: Argument) -> str:
    choices = argument.rule.choices if argument.rule.kind == "choice" else ()
    if not choices or all(choice in argument.help for choice in choices):
        return argument.help
    return f"{argument.help} [{', '.join(choices)}]".lstrip()


def _align(option: Option) -> str:
    short = option.names[0].startswith("-") and not option.names[0].startswith("--")
    return ("" if short else "    ") + format_spellings(option)


def _option_help(option: Option, say: Translate) -> str:
    facts = say(join_texts(remarks(option), "; "))
    return f"{option.help} [{facts}]" if facts else option.help


def _text_at(lefts: list[str], width: int) -> int:
    """Return where the right column begins; on a narrow terminal it goes below the left."""
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
