"""Small things of a terminal in a conversation: Ctrl-Z, narrow windows, wide characters, pastes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.server import Gateway
from tests.cli.test_conversation import list_sent_messages
from tests.conversations import ConversationStarter, HeldAnswer
from tests.terminal_session import CTRL_Z, LEFT

if TYPE_CHECKING:
    from tests.conftest import Program

STOPPABLE = 'set -m; "$@"; echo; echo STOPPED; fg; echo; echo STOPPED AGAIN; fg'
"""A shell that brings the program back each time that Ctrl-Z has stopped it."""


@pytest.mark.parametrize("plain", [False, True])
def test_ctrl_z_stops_it_and_what_was_typed_and_shown_is_there_when_it_goes_on(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter, plain: bool
) -> None:
    talk = talks(plain=plain, starts=True, script=STOPPABLE)
    talk.wait_for_prompt()
    talk.type("你好界")
    talk.wait(lambda: talk.screen.cursor.x == 8)
    talk.type(CTRL_Z)
    talk.wait_for("STOPPED")
    # The draft is edited as before.
    talk.wait(lambda: talk.at_cursor.replace(" ", "").startswith("❯你好界"))
    talk.type(f"{LEFT}世")
    talk.wait(lambda: talk.screen.cursor.x == 8 and "世" in talk.at_cursor)
    held = HeldAnswer("**one** two ", "three")
    gateway.script(held.reply)
    talk.type("\r")
    talk.wait_for("**one** two")
    talk.type(CTRL_Z)
    talk.wait_for("STOPPED AGAIN")
    held.go.set()
    talk.wait_for("three")
    talk.wait_for_prompt()
    rows = talk.text.split("\n")
    stopped = next(at for at, row in enumerate(rows) if row.startswith("STOPPED AGAIN"))
    # Nothing that others wrote is overwritten, nothing of the answer comes twice.
    assert rows[stopped - 1].startswith("**one** two")
    assert rows[stopped + 2].startswith("three")
    assert list_sent_messages(gateway)[-1] == ("user", "你好世界")
    assert talk.end() == 0
