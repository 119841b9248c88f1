"""Completion scripts for the shells: static text made from the description.

Pressing TAB starts no program. Profiles are read from `config.toml` and model names from
the plain file that `apiyi models` leaves, by the shell itself. Neither file is trusted:
what is not a plain word is left out, for bash would expand a `$(...)` in a model's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from apiyi_cli.manual.describe import Command, Option, Rule

FILES = {"bash": "apiyi.bash", "zsh": "_apiyi", "fish": "apiyi.fish", "powershell": "apiyi.ps1"}
"""The name of each shell's script in `completions/`."""

BUILT_IN_PROFILES = ("default", "sandbox")
MADE = "Made from the option table by `make manual`: changes to this file will be lost."


def script(program: Command, shell: str) -> str:
    """Return the script for one of the shells of `FILES`."""
    from apiyi_cli.manual.bash import bash
    from apiyi_cli.manual.fish import fish
    from apiyi_cli.manual.powershell import powershell
    from apiyi_cli.manual.zsh import zsh

    writers: dict[str, Callable[[Command], str]] = {
        "bash": bash,
        "zsh": zsh,
        "fish": fish,
        "powershell": powershell,
    }
    return writers[shell](program)


def below(command: Command) -> str:
    """Return the words that are typed after `apiyi` to reach the command, "" for the root."""
    return " ".join(command.path[1:])


def value_rules(program: Command) -> Iterator[tuple[tuple[str, ...], str, Rule]]:
    """Yield the rule of each option that takes a value: spellings, command, rule.

    The command is "*" where every command that has the spellings has the same rule for them.
    Options whose value may be any text are left out.
    """
    takers: dict[tuple[str, ...], dict[str, Rule]] = {}
    for command in program.walk():
        for option in command.options:
            if option.metavar is not None:
                takers.setdefault(option.spellings, {})[below(command)] = option.rule
    for spellings, by_command in takers.items():
        shared = set(by_command.values())
        rivals = [other for other in takers if other != spellings and set(other) & set(spellings)]
        if len(shared) == 1 and not rivals:
            by_command = {"*": shared.pop()}
        for name, rule in by_command.items():
            if rule.kind != "text":
                yield spellings, name, rule


def taking(command: Command) -> list[str]:
    """Return the spellings that are followed by a value."""
    return [one for option in command.options if option.metavar for one in option.spellings]


def negation(option: Option) -> str:
    """Return the description of an option's spelling that says no."""
    return f"The opposite of {option.names[-1]}."
