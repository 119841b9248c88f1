"""The tables of the completion script for fish.

One function answers for the whole program: with a condition for every command, as `complete`
would have it, each TAB would take longer with every command there is.
"""

from __future__ import annotations

from collections.abc import Iterable

from apiyi_cli.manual.describe import Command, Option
from apiyi_cli.manual.shells import rules


def tables(program: Command) -> str:
    """Return the variables of each command and the functions that set a value's rule."""
    variables = [line for command in program.walk() for line in _variables(command)]
    options = (
        ([f"{command} {name}" for name in spellings], rules.encode_rule(rule))
        for spellings, command, rule in rules.value_rules(program)
    )
    arguments = (
        ([f"{command} {place}"], rules.encode_rule(rule))
        for command, place, rule in rules.argument_rules(program)
    )
    return "\n".join(
        [
            *variables,
            "",
            *_function("__apiyi_value_rule", options),
            "",
            *_function("__apiyi_argument_rule", arguments),
            "",
        ]
    )


def _variables(command: Command) -> list[str]:
    name = "_".join(command.path[1:])
    described = [_quote(f"{child.name}\t{child.line}") for child in command.commands]
    options = [_quote(line) for option in command.options for line in _describe(option)]
    rivals = [
        _quote("|".join(option.spellings))
        for option in command.options
        if not option.many and option.spellings
    ]
    words = {
        "commands": [child.name for child in command.commands],
        "described": described,
        "takers": rules.spellings_with_value(command),
        "rivals": rivals,
        "options": options,
    }
    return [f"set -g __apiyi_{key}_{name} {' '.join(words[key])}" for key in words if words[key]]


def _describe(option: Option) -> list[str]:
    """Return a line for each spelling, with its description after a tab."""
    return [
        *(f"{name}\t{option.help}" for name in option.names),
        *(f"{name}\t{rules.negation_help(option)}" for name in option.off),
    ]


def _function(name: str, cases: Iterable[tuple[list[str], str]]) -> list[str]:
    lines = [f"function {name} --no-scope-shadowing", '    switch "$argv[1] $argv[2]"']
    for patterns, rule in cases:
        lines.append(f"        case {' '.join(map(_quote, patterns))}")
        lines.append(f"            set rule {_quote(rule) if '=' in rule else rule}")
    return [*lines, "    end", "end"]


def _quote(text: str) -> str:
    """Return the text as one word, with the tab before a candidate's meaning."""
    safe = text.replace("\\", "\\\\").replace("'", "\\'")
    return "\\t".join(f"'{piece}'" for piece in safe.split("\t"))
