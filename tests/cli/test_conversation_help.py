"""`/help` fits the window."""

from __future__ import annotations

import pytest

from apiyi_cli.cli.conversation.repl.command_names import COMMAND_HELP
from apiyi_cli.cli.conversation.repl.commands import format_help
from apiyi_cli.manual.wrap import columns
from tests.messages import translations

ROWS = [(f"/{name} {more}".rstrip(), help) for name, more, help in COMMAND_HELP]


@pytest.mark.parametrize("chinese", [False, True])
@pytest.mark.parametrize("screen", [200, 90, 80, 50, 40])
def test_no_line_is_wider_than_the_window_and_no_word_is_lost(screen: int, chinese: bool) -> None:
    def translate(text: str) -> str:
        return translations().get(text, text) if chinese else text

    lines = list(format_help(ROWS, translate, screen))
    assert max(map(columns, lines)) < screen
    words = "".join("".join(name + translate(help) for name, help in ROWS).split())
    assert "".join("".join(lines).split()) == words
