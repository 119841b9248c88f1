"""Turns Typer's complaints about a command line into translatable usage errors.

Typer hands out finished English sentences. These are its own, a closed list of the pinned
version; what is in the place of a name in them is the user's and is never looked up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from apiyi_cli.cli.typed_words import TYPED_WORDS, name_command, shared_options
from apiyi_cli.core.nearest import FOREIGN_WORDS, find_nearest
from apiyi_cli.core.shells import quote_words
from apiyi_cli.errors import UsageError
from apiyi_cli.settings.values import find_options
from apiyi_cli.text import Text

_VALUE = re.compile(r"\\\{(\w+)\\\}")
COMPLAINTS = (
    Text("no such option: {option}", option="{option}"),
    Text("no such command {command}", command="{command}"),
    Text("missing argument {name}. Choose from:{choices}", name="{name}", choices="{choices}"),
    Text("missing argument {name}", name="{name}"),
    Text("missing option {name}", name="{name}"),
    Text("invalid value for {name}: {why}", name="{name}", why="{why}"),
    Text("{value} is not a valid int", value="{value}"),
    Text("{value} is not a valid float", value="{value}"),
    Text("{value} is not one of {choices}", value="{value}", choices="{choices}"),
    Text("{value} is not in the range {bounds}", value="{value}", bounds="{bounds}"),
    Text("option {name} requires an argument", name="{name}"),
    Text("option {name} does not take a value", name="{name}"),
    Text("got unexpected extra argument(s) ({words})", words="{words}"),
)


MISSPELLING_RATIO = 0.75
_KEY_HINT = Text("set APIYI_API_KEY, or --key-file PATH, or apiyi auth login")
FOREIGN_HINTS = {
    "--api-key": _KEY_HINT,
    "--key": _KEY_HINT,
    "--token": _KEY_HINT,
    "--system-token": Text("set APIYI_SYSTEM_TOKEN, or apiyi auth login --system-token"),
}
"""Replacements of other tools' options that take a secret as their value."""

BIND_OPTIONS = ("--host", "--bind", "--listen", "--address", "--public", "--share")
LOCAL_SERVERS = (" playground", " sandbox")
LOCAL_HINT = Text(
    "it serves this machine alone; on another one: {line}", line="ssh -L PORT:127.0.0.1:PORT HOST"
)
"""What is said to the words with which other servers are opened to the network."""


def make_usage_error(complaint: Any, words: Sequence[str]) -> UsageError:
    """Return the usage error for an exception of Typer's, with the nearest spelling it knows.

    `words` are those that Typer got: some of its exceptions do not name the command.
    """
    message: str = complaint.format_message()
    context = getattr(complaint, "ctx", None)
    line = context.command_path if context is not None else name_command(words)
    typed = getattr(complaint, "option_name", None)
    known: list[str] = []
    hint = f"{line} --help"
    is_at_root = False
    if typed is not None and context is not None:
        known = _spellings(context)
    elif message.startswith("No such command") and context is not None:
        is_at_root = context.parent is None
        typed = message.split("'")[1]
        known = list(context.command.list_commands(context))
    plain = message.split(" (Possible")[0].split(" Did you mean")[0].rstrip(".?")
    near = find_nearest(str(typed), known) if typed else None
    if is_at_root:
        hint = _hint_for_command(context, str(typed), near)
    elif typed in FOREIGN_HINTS:
        hint = FOREIGN_HINTS[str(typed)]
    elif typed in BIND_OPTIONS and line.endswith(LOCAL_SERVERS):
        near, hint = None, LOCAL_HINT
    why = Text("did you mean {near}?", near=near) if near else ""
    if switches := _find_switch(message):
        why = Text("its two forms are {names}", names=" / ".join(switches))
        hint = Text("{name} alone, or {other}", name=switches[0], other=switches[1])
    elif typed is not None and near == typed:
        # A shared option that is the last of the line.
        option = shared_options().get(str(typed))
        why = Text("it needs a value, and a command behind it")
        if option is not None and option.kind is bool:
            why = Text("it needs a command behind it")
    return UsageError(parse_complaint(plain), why, hint=hint)


def _spellings(context: Any) -> list[str]:
    """Return the options that are valid here; before the command the shared ones."""
    names = [
        name for option in context.command.params for name in (*option.opts, *option.secondary_opts)
    ]
    if context.parent is None:
        names += shared_options()
    return names


def _hint_for_command(context: Any, typed: str, near: str | None) -> str:
    """Return a line to type for an unknown command: the nearest, or a chat."""
    words = context.meta.get(TYPED_WORDS) or [typed]
    question = quote_words(["apiyi", "chat", " ".join(words)])
    if near is None or len(typed.split()) > 1:
        return question
    line = " ".join(["apiyi", near, *([quote_words(words[1:])] if words[1:] else ())])
    is_ours = FOREIGN_WORDS.get(typed.lower()) == near
    # Hardly anything else: `modles`, but not `hello` for `help`.
    likeness = SequenceMatcher(None, typed.lower(), near).ratio()
    if is_ours or (not words[1:] and likeness > MISSPELLING_RATIO):
        return line
    return Text("{line}, or {other}", line=line, other=question)


def _find_switch(message: str) -> list[str]:
    match = re.match(r"Option '--([\w-]+)' does not take a value", message)
    if match is None:
        return []
    flags = find_options(match[1].removeprefix("no-").replace("-", "_"))
    return next((name.split("/") for flag in flags for name in flag.names if "/" in name), [])


def parse_complaint(sentence: str) -> str:
    """Return Typer's sentence as a Text; an unknown one unchanged."""
    sentence = sentence[:1].lower() + sentence[1:]
    for known in COMPLAINTS:
        pattern = _VALUE.sub(r"(?P<\1>.*?)", re.escape(known.template))
        if match := re.fullmatch(pattern.replace(r"argument\(s\)", r"arguments?"), sentence, re.S):
            values = match.groupdict()
            if "why" in values:
                values["why"] = parse_complaint(values["why"])
            return Text(known.template, **values)
    return sentence
