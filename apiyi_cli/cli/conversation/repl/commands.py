"""The commands of a conversation: finds the function of a line, sets options."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from apiyi_cli.cli.conversation.prompt_template import (
    check_template,
    list_templates,
    template_folder,
)
from apiyi_cli.cli.conversation.repl.answer_commands import (
    ask_again,
    compare_models,
    copy,
    edit_last,
    save,
    show,
    show_reasoning,
    show_usage,
    split_words,
    undo,
)
from apiyi_cli.cli.conversation.repl.command_names import (
    COMMAND_HELP,
    COMMAND_NAMES,
    KEY_HELP,
    PLAIN_KEYS,
)
from apiyi_cli.cli.conversation.repl.dialogue import Dialogue
from apiyi_cli.cli.conversation.repl.options import literal, read_value
from apiyi_cli.cli.conversation.repl.sessions import change_session
from apiyi_cli.core.nearest import find_nearest
from apiyi_cli.errors import UsageError
from apiyi_cli.manual.wrap import fill_lines
from apiyi_cli.text import Text

Command = Callable[["Dialogue", str], "str | None"]
"""Runs a command with the text after its name; may return a draft."""

_SHORTEST_HELP: Final = 24
"""The columns that the meaning of a command needs beside its name."""


def run_command(dialogue: Dialogue, line: str) -> str:
    """Run a line that begins with a slash; return the draft of the next prompt.

    Raises UsageError for a command that there is not, and what the command raises.
    """
    words = line[1:].split(maxsplit=1)
    name = words[0] if words else "help"
    command = _COMMANDS.get(name)
    if command is None:
        near = find_nearest(name, COMMAND_NAMES)
        dialogue.messages.error(
            UsageError(
                Text("there is no command /{name}", name=name),
                Text("a prompt that begins with a slash is typed with two: //{name}", name=name),
                hint=f"/{near}" if near else "/help",
            )
        )
        return line if near is None else ""
    return command(dialogue, words[1].strip() if len(words) > 1 else "") or ""


def set_model(dialogue: Dialogue, rest: str) -> None:
    """Use another model from now on; without a name print the current one."""
    if rest:
        dialogue.set_options(dialogue.options.replace(model=[rest]))
    dialogue.messages.print(dialogue.model)


def set_option(dialogue: Dialogue, rest: str) -> None:
    """Set an option; without one print the options that are set."""
    word, _, text = rest.partition(" ")
    if not word:
        dialogue.messages.print(
            "\n".join(dialogue.options.describe_given()) or Text("nothing is set")
        )
        return
    option = dialogue.options.find(word)
    values = {option.name: read_value(option, text.strip())}
    dialogue.set_options(dialogue.options.replace(**values))


def unset_option(dialogue: Dialogue, rest: str) -> None:
    """Unset an option."""
    if not rest:
        raise UsageError(
            Text("cannot unset anything"), Text("no option was named"), hint="/unset OPTION"
        )
    option = dialogue.options.find(rest)
    dialogue.set_options(dialogue.options.replace(**{option.name: None}))


def set_system(dialogue: Dialogue, rest: str) -> None:
    """Set the system prompt of the conversation; without a text print it."""
    if not rest:
        first = [item for item in dialogue.log.everything if item["role"] == "system"]
        current = first[0].get("content") if first else dialogue.options.value("system")
        dialogue.messages.print(current or Text("no system prompt is set"))
        return
    text = dialogue.make_context().inputs.expand_file(rest)
    dialogue.set_options(dialogue.options.replace(system=literal(text)))
    dialogue.log.set_system(text)


def add_file(dialogue: Dialogue, rest: str) -> None:
    """Add a text file before the next prompt."""
    path = _require_path(rest, "/file PATH")
    # Read now: a mistake is worth more here than with the prompt.
    dialogue.make_context().inputs.nonempty_file(path)
    dialogue.pending.files.append(path)
    dialogue.messages.note(Text("{path} goes before the next prompt", path=path))


def attach(dialogue: Dialogue, rest: str) -> None:
    """Attach a file or URL to the next prompt."""
    path = _require_path(rest, "/attach PATH")
    if not path.startswith(("https://", "http://", "data:")):
        dialogue.make_context().inputs.content(path)
    dialogue.pending.attach.append(path)
    dialogue.messages.note(Text("{path} goes with the next prompt", path=path))


def use_template(dialogue: Dialogue, rest: str) -> None:
    """Make the next prompt from a template; without a name list them."""
    settings = dialogue.context.settings
    name, *params = split_words(rest) or [""]
    if not name:
        names = list_templates(settings)
        folder = template_folder(settings)
        dialogue.messages.print(
            "\n".join(names) or Text("there is no template in {folder}", folder=folder)
        )
        return
    check_template(settings, name, params)
    dialogue.pending.template, dialogue.pending.params = name, params
    dialogue.messages.note(Text("the next prompt goes through {name}", name=name))


def show_help(dialogue: Dialogue, rest: str) -> None:
    """Print the commands and keys."""
    translate = dialogue.messages.translate
    usages = [(f"/{name} {more}".rstrip(), help) for name, more, help in COMMAND_HELP]
    keys = [*KEY_HELP] if dialogue.has_keys else [row for row in KEY_HELP if row[0] in PLAIN_KEYS]
    screen = dialogue.process.console.width
    lines = [*format_help(usages, translate, screen), "", *format_help(keys, translate, screen)]
    if dialogue.lacks_package:
        lines += ["", translate(Text("more keys: pip install 'apiyi-cli[repl]'"))]
    dialogue.messages.print("\n".join(lines))


def format_help(
    rows: Sequence[tuple[str, str]], translate: Callable[[str], str], screen: int
) -> Iterator[str]:
    """Yield the lines of names and meanings, below each other on a narrow screen."""
    width = max(len(name) for name, help in rows)
    is_narrow = screen < width + _SHORTEST_HELP
    for name, help in rows:
        begin = " " * (6 if is_narrow else width + 4)
        if is_narrow:
            yield f"  {name}"
        first = begin if is_narrow else f"  {name:<{width}}  "
        yield from fill_lines(translate(help), screen - 1, first, begin)


def _require_path(rest: str, usage: str) -> str:
    if not rest or rest == "-":
        raise UsageError(Text("cannot add a file"), Text("no file was named"), hint=usage)
    return os.path.expanduser(rest)


_COMMANDS: Mapping[str, Command] = {
    "model": set_model,
    "set": set_option,
    "unset": unset_option,
    "system": set_system,
    "file": add_file,
    "attach": attach,
    "template": use_template,
    "retry": ask_again,
    "edit": edit_last,
    "undo": undo,
    "compare": compare_models,
    "copy": copy,
    "save": save,
    "session": change_session,
    "usage": show_usage,
    "show": show,
    "think": show_reasoning,
    "help": show_help,
}
