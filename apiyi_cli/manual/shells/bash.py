"""The tables of the completion script for bash, 3.2 and later, without bash-completion."""

from __future__ import annotations

from apiyi_cli.manual.describe import Command, Option
from apiyi_cli.manual.shells import rules


def tables(program: Command) -> str:
    """Return the functions that set what can follow a command, an option, an argument."""
    return "\n".join(
        [
            *_function(
                "_apiyi_table", "commands= options= takers=' '", "$1", _command_cases(program)
            ),
            *_function("_apiyi_rule", "rule=", '"$1 $2"', _option_cases(program)),
            *_function("_apiyi_argument", "rule=", '"$1 $2"', _argument_cases(program))[:-1],
            "",
        ]
    )


def _function(name: str, reset: str, key: str, cases: list[str]) -> list[str]:
    body = [f"    {reset}", f"    case {key} in", *(f"        {line}" for line in cases)]
    return [f"{name}() {{", *body, "    esac", "}", ""]


def _command_cases(program: Command) -> list[str]:
    lines: list[str] = []
    for command in program.walk():
        with_value = rules.spellings_with_value(command)
        lines += [
            f"'{rules.subcommand_path(command)}')",
            *_assignment("commands", [child.name for child in command.commands]),
            *_assignment("options", [_group(option) for option in command.options]),
            *_assignment("takers", ["", *with_value, ""] if with_value else []),
            "    ;;",
        ]
    return lines


def _assignment(name: str, words: list[str]) -> list[str]:
    return [f"    {name}='{' '.join(words)}'"] if words else []


def _group(option: Option) -> str:
    """Return the spellings of one option; * begins one that may be repeated."""
    return ("*" if option.many else "") + "|".join(option.spellings)


def _option_cases(program: Command) -> list[str]:
    cases = []
    for spellings, command, rule in rules.value_rules(program):
        prefix = "*" if command == "*" else f"'{command}'"
        patterns = "|".join(f"{prefix}' {spelling}'" for spelling in spellings)
        cases.append(f"{patterns}) rule='{rules.encode_rule(rule)}' ;;")
    return cases


def _argument_cases(program: Command) -> list[str]:
    return [
        (f"'{command} '*" if place == "*" else f"'{command} {place}'")
        + f") rule='{rules.encode_rule(rule)}' ;;"
        for command, place, rule in rules.argument_rules(program)
    ]
