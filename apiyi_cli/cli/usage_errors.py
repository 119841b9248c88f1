"""Typer's complaints about a command line, as messages that can be translated.

Typer hands out finished English sentences. These are its own, a closed list of the pinned
version; what stands where a name is in them is the user's and is never looked up.
"""

from __future__ import annotations

import re

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


def complaint(sentence: str) -> str:
    """Return Typer's sentence as a message; one that is not known stays as it is."""
    sentence = sentence[:1].lower() + sentence[1:]
    for known in COMPLAINTS:
        pattern = _VALUE.sub(r"(?P<\1>.*?)", re.escape(known.template))
        if match := re.fullmatch(pattern.replace(r"argument\(s\)", r"arguments?"), sentence, re.S):
            values = match.groupdict()
            if "why" in values:
                values["why"] = complaint(values["why"])
            return Text(known.template, **values)
    return sentence
