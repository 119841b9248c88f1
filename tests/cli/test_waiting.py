"""A wait of more than a second is shown on a terminal, and erased before the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("chat -m gpt-4o hi", b"waiting for the answer of gpt-4o, 1 s; Ctrl-C"),
        ("chat -m gpt-4o hi --json --no-stream", b"waiting for the answer of"),
        ("image -m fault:slow@1.1 cat -o a.png", b"waiting for the picture, 1 s"),
    ],
)
def test_a_wait_is_shown_and_erased(
    apiyi: Program, gateway: Gateway, line: str, what: bytes
) -> None:
    gateway.script(ScriptedReply.chat("hello").replace(delay_s=1.1), path="/chat/completions")
    screen = apiyi.terminal(line)
    assert screen.code == 0
    assert what in screen.raw and b"gives up (may be billed)" in screen.raw
    assert not any("waiting" in text for text in screen.lines)


def test_quiet_shows_no_wait(apiyi: Program, gateway: Gateway) -> None:
    screen = apiyi.terminal("image -m fault:slow@1.1 cat -o a.png -q")
    assert screen.code == 0 and b"waiting" not in screen.raw
