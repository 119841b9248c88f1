"""Writes a command line in each shell's syntax."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Final

from apiyi_cli.core.shells import quote_powershell
from apiyi_cli.playground.argv import CommandLine

_PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


def format_line(line: CommandLine, shell: str = "bash") -> str:
    """Return a line for pasting into bash, fish or powershell.

    Standard input goes through a here-document or a pipe.
    """
    quote = _QUOTES[shell]
    text = " ".join(map(quote, ("apiyi", *line.argv)))
    if line.stdin is None:
        return text
    if shell == "bash":
        mark = "EOF"
        while mark in line.stdin.splitlines():
            mark += "_"
        return f"{text} <<'{mark}'\n{line.stdin.removesuffix(chr(10))}\n{mark}"
    if shell == "fish":
        return f"printf %s {quote(line.stdin)} | {text}"
    return f"{quote(line.stdin)} | {text}"


def format_lines(line: CommandLine) -> dict[str, str]:
    """Return the line for every shell, by its name."""
    return {shell: format_line(line, shell) for shell in _QUOTES}


def format_executed(argv: Sequence[str]) -> str:
    """Return an argv as bash writes it."""
    return shlex.join(("apiyi", *argv))


def _quote_fish(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    return "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quote_powershell(word: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_+=:./-]+", word):
        return word
    return quote_powershell(word)


_QUOTES: Final[dict[str, Callable[[str], str]]] = {
    "bash": shlex.quote,
    "fish": _quote_fish,
    "powershell": _quote_powershell,
}
