"""Which known word was probably meant."""

from __future__ import annotations

import pytest

from apiyi_cli.cli.command_table import COMMANDS
from apiyi_cli.core.nearest import FOREIGN_WORDS, find_nearest, find_several
from apiyi_cli.core.options.table import OPTION_GROUPS


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("chta", ("chat", "image"), "chat"),
        ("Max-Tokens", ("max_tokens",), "max_tokens"),
        ("zzz", ("chat", "image"), None),
        ("tts", ("chat", "speak", "usage"), "speak"),
        ("--api-key", ("--key-file", "--json"), "--key-file"),
        ("tts", ("tts-1",), "tts-1"),
    ],
)
def test_the_nearest_word_is_found(word: str, known: tuple[str, ...], meant: str | None) -> None:
    assert find_nearest(word, known) == meant


def test_several_words_come_with_the_likeliest_first() -> None:
    assert find_several("gpt-4o-min", ["o3", "gpt-4o", "gpt-4o-mini"], 2) == [
        "gpt-4o-mini",
        "gpt-4o",
    ]


def test_our_words_for_those_of_other_tools_exist() -> None:
    spellings = {
        spelling
        for group in OPTION_GROUPS
        for flag in group.flags.values()
        for name in flag.names
        for spelling in name.split("/")
    }
    spellings |= {"--version"}
    assert {ours.split()[0] for ours in FOREIGN_WORDS.values()} <= spellings | set(COMMANDS)
    assert not set(FOREIGN_WORDS) & set(COMMANDS)
