"""Typer's complaints about a command line, as usage errors that can be translated.

Typer hands out finished English sentences. These are its own, a closed list of the pinned
version; what is in the place of a name in them is the user's and is never looked up.
"""

from __future__ import annotations

import re
from typing import Any

from apiyi_cli.core.nearest import find_nearest
from apiyi_cli.errors import UsageError
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


def make_usage_error(complaint: Any) -> UsageError:
    """Return the usage error for an exception of Typer's, with the nearest spelling it knows."""
    message: str = complaint.format_message()
    context = getattr(complaint, "ctx", None)
    line = context.command_path if context is not None else "apiyi"
    typed = getattr(complaint, "option_name", None)
    known: list[str] = []
    if typed is not None and context is not None:
        known = [
            name
            for option in context.command.params
            for name in (*option.opts, *option.secondary_opts)
        ]
    elif message.startswith("No such command") and context is not None:
        typed = message.split("'")[1]
        known = list(context.command.list_commands(context))
    plain = message.split(" (Possible")[0].split(" Did you mean")[0].rstrip(".?")
    near = find_nearest(str(typed), known) if typed else None
    why = Text("did you mean {near}?", near=near) if near else ""
    return UsageError(parse_complaint(plain), why, hint=f"{line} --help")


def parse_complaint(sentence: str) -> str:
    """Return Typer's sentence as a message; one that is not known stays as it is."""
    sentence = sentence[:1].lower() + sentence[1:]
    for known in COMPLAINTS:
        pattern = _VALUE.sub(r"(?P<\1>.*?)", re.escape(known.template))
        if match := re.fullmatch(pattern.replace(r"argument\(s\)", r"arguments?"), sentence, re.S):
            values = match.groupdict()
            if "why" in values:
                values["why"] = parse_complaint(values["why"])
            return Text(known.template, **values)
    return sentence
