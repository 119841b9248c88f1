"""Rewrites the words of a command line into the order that Typer expects.

Shared options may stand before the command, and the words of the gateway vendor's own tool of
the same name are taken for ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from apiyi_cli.cli.command_table import COMMANDS
from apiyi_cli.core.options import Flag
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.request import Model, Request

VENDOR_WORDS: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    ("check",): ("doctor", "--brief"),
    ("responses",): ("respond",),
    ("auth", "set-key"): ("auth", "login"),
    ("auth", "show"): ("auth", "status"),
    ("auth", "clear"): ("auth", "logout"),
}
"""Commands of the vendor's tool, and the equivalent ones of ours."""
TYPED_WORDS: Final = "apiyi.typed_words"
"""The key in a Typer context's `meta` for the words from the command on."""
_ROOT_SWITCHES: Final = frozenset(
    ("-q", "--quiet", "-v", "--verbose", "-V", "--version", "-h", "--help", "--help-all")
)


def rewrite_words(argv: Sequence[str]) -> list[str]:
    """Return the words with shared options after the command, vendor words replaced."""
    words = list(argv)
    at, moved = _find_command(words)
    if at == len(words):
        return words
    before = [word for k, word in enumerate(words[:at]) if k not in moved]
    typed = words[at:]
    if typed[0] == "help":
        return [*before, "help", *_replace_words(typed[1:], with_options=False)]
    typed = _replace_words(_put_subcommand_first(typed))
    options = [words[k] for k in sorted(moved)]
    # Behind the subcommand, whose options they are.
    depth = 2 if _has_subcommands(typed) else 1
    return [*before, *typed[:depth], *options, *typed[depth:]]


def shared_options() -> Mapping[str, Flag]:
    """Return the options of all request commands, by their spellings."""
    groups = (Connection, Output, Request, Model)
    flags = [flag for group in groups for flag in group.flags.values()]
    return {name: flag for flag in flags for item in flag.names for name in item.split("/")}


def _find_command(words: Sequence[str]) -> tuple[int, set[int]]:
    """Return the index of the command's word, and of the options to move after it."""
    moved: set[int] = set()
    at = 0
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        name, has_value, _ = word.partition("=")
        if name == "--profile":
            at += 1 if has_value else 2
            continue
        if word in _ROOT_SWITCHES:
            at += 1
            continue
        option = shared_options().get(name)
        if option is None:
            return len(words), set()
        size = 1 if has_value or option.kind is bool else 2
        moved |= {*range(at, at + size)}
        at += size
    return min(at, len(words)), moved


def _put_subcommand_first(words: list[str]) -> list[str]:
    """Return the words with shared options between a command and its subcommand behind both."""
    entry = COMMANDS.get(words[0])
    if entry is None or not entry.commands:
        return words
    rest = words[1:]
    at, moved = _find_command(rest)
    if not moved or at == len(rest):
        return words
    return [words[0], rest[at], *rest[:at], *rest[at + 1 :]]


def name_command(words: Sequence[str]) -> str:
    """Return the program with the command and subcommand of rewritten words, as they are typed."""
    typed = next((word for word in words if word in COMMANDS), "")
    rest = words[words.index(typed) :] if typed else ()
    return " ".join(("apiyi", *rest[: 2 if rest and _has_subcommands(rest) else 1]))


def _replace_words(words: list[str], *, with_options: bool = True) -> list[str]:
    for theirs, ours in VENDOR_WORDS.items():
        if tuple(words[: len(theirs)]) == theirs:
            ours = ours if with_options else tuple(word for word in ours if word[0] != "-")
            return [*ours, *words[len(theirs) :]]
    return words


def _has_subcommands(words: Sequence[str]) -> bool:
    entry = COMMANDS.get(words[0])
    return entry is not None and len(words) > 1 and words[1] in entry.commands
