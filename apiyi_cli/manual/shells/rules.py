"""The common parts of every shell's tables: command words and value rules."""

from __future__ import annotations

from collections.abc import Iterator

from apiyi_cli.manual.describe import Command, Option, ValueRule


def subcommand_path(command: Command) -> str:
    """Return the words typed after `apiyi` for the command, "" for the root."""
    return " ".join(command.path[1:])


def value_rules(program: Command) -> Iterator[tuple[tuple[str, ...], str, ValueRule]]:
    """Yield the rule of each option that takes a value: spellings, command, rule.

    The command is "*" where every command that has the spellings has the same rule for them.
    Options whose value may be any text are left out.
    """
    options: dict[tuple[str, ...], dict[str, ValueRule]] = {}
    for command in program.walk():
        for option in command.options:
            if option.metavar is not None:
                options.setdefault(option.spellings, {})[subcommand_path(command)] = option.rule
    for spellings, by_command in options.items():
        shared = set(by_command.values())
        rivals = [other for other in options if other != spellings and set(other) & set(spellings)]
        if len(shared) == 1 and not rivals:
            by_command = {"*": shared.pop()}
        for name, rule in by_command.items():
            if rule.kind != "text":
                yield spellings, name, rule


def argument_rules(program: Command) -> Iterator[tuple[str, str, ValueRule]]:
    """Yield the rule of each positional argument: command, its index or "*", rule."""
    for command in program.walk():
        for index, argument in enumerate(command.arguments):
            if argument.rule.kind != "text":
                place = "*" if argument.many else str(index)
                yield subcommand_path(command), place, argument.rule


def spellings_with_value(command: Command) -> list[str]:
    """Return the spellings that take a value."""
    return [name for option in command.options if option.metavar for name in option.spellings]


def negation_help(option: Option) -> str:
    """Return the description of an option's negative spelling."""
    return f"The opposite of {option.names[-1]}."


def encode_rule(rule: ValueRule) -> str:
    """Return the rule as one string: its kind, `=WORDS` for a choice, `model=WORDS`."""
    words = " ".join(rule.choices)
    if rule.kind in ("choice", "name"):
        return f"={words}"
    return f"{rule.kind}={words}" if words else rule.kind
