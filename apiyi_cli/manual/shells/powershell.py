"""The tables of the completion script for PowerShell, 5.1 and later."""

from __future__ import annotations

from apiyi_cli.core.shells import quote_powershell as quote
from apiyi_cli.manual.describe import Command, Option
from apiyi_cli.manual.shells.rules import encode_rule, negation_help, subcommand_path


def tables(program: Command) -> str:
    """Return the hash table of all commands with what can follow each."""
    return f"    $table = @{{\n{''.join(_table(command) for command in program.walk())}    }}\n"


def _table(command: Command) -> str:
    lines = [f"        {quote(subcommand_path(command))} = @{{"]
    if command.commands:
        lines.append("            Commands = [ordered]@{")
        lines += [
            f"                {child.name} = {quote(child.line)}" for child in command.commands
        ]
        lines.append("            }")
    rules = [encode_rule(argument.rule) for argument in command.arguments]
    if any(rule != "text" for rule in rules):
        lines.append(f"            Arguments = {_array(rules)}")
    lines.append("            Options = @(")
    for option in command.options:
        lines += [f"                {line}" for line in _option(option)]
    return "\n".join([*lines, "            )", "        }", ""])


def _option(option: Option) -> list[str]:
    many = "; Many = $true" if option.many else ""
    rule = "" if option.metavar is None else f"; Rule = {quote(encode_rule(option.rule))}"
    lines = [f"@{{ Names = {_array(option.names)}; Help = {quote(option.help)}{many}{rule} }}"]
    if option.off:
        help = quote(negation_help(option))
        lines.append(f"@{{ Names = {_array(option.off)}; Help = {help} }}")
    return lines


def _array(words: list[str] | tuple[str, ...]) -> str:
    return f"@({', '.join(map(quote, words))})"
