"""Small things of a terminal in a conversation: Ctrl-Z, narrow windows, wide characters, pastes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.render.wrap import display_width
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.cli.test_conversation import list_sent_messages
from tests.conversations import ConversationStarter, HeldAnswer, state, stored
from tests.terminal_session import BACKSPACE, CTRL_C, CTRL_Z, LEFT, PASTED

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


def test_a_narrow_window_that_changes_its_size(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    talk = talks("chat --session narrow", columns=24, rows=14)
    talk.wait_for_prompt()
    assert talk.text.split("\n")[:3] == [
        "apiyi 0.2.0 · gpt-4o",
        "profile default",
        "/help, Ctrl-D ends",
    ]

    # Wide characters at the edge of the window, and taken back over it.
    talk.type("一二三四五六七八九十甲乙丙")
    talk.wait(lambda: talk.at_cursor.strip() == "乙丙")
    talk.type(BACKSPACE * 3)
    talk.wait(lambda: talk.at_cursor.replace(" ", "") == "❯一二三四五六七八九十")
    talk.type("，好")
    talk.wait(lambda: talk.at_cursor.strip() == "好")
    talk.resize(40, 14)
    talk.wait(lambda: talk.at_cursor.replace(" ", "").startswith("❯一二三四五六七八九十，好"))

    # The window gets wider and narrower while the answer comes.
    words = [f"字{number} word{number} " for number in range(40)]
    held = HeldAnswer("".join(words[:20]), "".join(words[20:]))
    gateway.script(held.reply)
    talk.type("\r")
    talk.wait_for("word19")
    talk.resize(22, 14)
    held.go.set()
    talk.wait_for("gpt-4o · 15 tok")
    talk.wait_for_prompt()
    assert list_sent_messages(gateway)[-1] == ("user", "一二三四五六七八九十，好")
    shown = talk.since(talk.raw.index("字0".encode()))
    found = re.findall(r"word\d+", re.sub(r"\s+", " ", shown))
    assert list(dict.fromkeys(found)) == [f"word{number}" for number in range(40)]

    # Help breaks no word; a completion that is the only one is ready for what follows it.
    seen = len(talk.raw)
    talk.say("/help", "  //\n      begin a prompt\n      with a slash")
    rows = talk.raw[seen:].partition(b"  /model")[2].partition(b"\x1b")[0].decode().split("\r\n")
    helps = [row for row in rows if row.startswith(" " * 6)]
    assert len(helps) > 60 and max(map(display_width, helps)) <= 22
    talk.type("/set temp\t")
    talk.wait(lambda: talk.at_cursor == "❯ /set temperature")
    talk.say("0.5", "❯")
    talk.say("/set", "temperature 0.5")
    assert talk.end() == 0


def test_the_line_of_the_reasoning_is_cut_at_the_edge_and_folded(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    talk = talks("chat", columns=20, rows=14, env={"LANG": "zh_CN.UTF-8"})
    talk.wait_for_prompt()
    held = HeldAnswer({"reasoning_content": "深思" * 200}, "好")
    gateway.script(held.reply)
    talk.type("问\r")
    talk.wait_for("▏思考")
    assert talk.at_cursor.replace(" ", "") == "▏思考0s，≈400t…"
    held.go.set()
    talk.wait_for("好")
    talk.wait_for_prompt()
    assert talk.text.count("▏思考") == 1
    talk.say("/think", "深思")
    assert talk.end() == 0


@pytest.mark.parametrize("bare", [False, True])
def test_a_paste_is_one_prompt_without_prompt_toolkit(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter, bare: bool
) -> None:
    talk = talks(plain=True, bare=bare, starts=True)
    talk.wait_for_prompt()
    gateway.script(ScriptedReply.chat("read it"), ScriptedReply.chat("on"))
    talk.type("one\rtwo 中文\r\rfour".join(PASTED))
    talk.wait_for("four")
    talk.say("", "read it")
    assert list_sent_messages(gateway) == [("user", "one\ntwo 中文\n\nfour")]
    talk.type(f"a draft{CTRL_C}")
    talk.wait_for_prompt()
    talk.say("on", "on\n")
    assert talk.end() == 0


def test_a_very_long_paste_is_one_prompt(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    lines = [f"line {number} 中文 of a very long paste" for number in range(3000)]
    talk = talks("chat", columns=60, rows=20)
    talk.wait_for_prompt()
    gateway.script(ScriptedReply.chat("read it"))
    talk.type("\r\n".join(lines).join(PASTED))
    talk.wait_for(lines[-1])
    talk.say("", "read it")
    assert list_sent_messages(gateway) == [("user", "\n".join(lines))]
    assert talk.end() == 0


@pytest.mark.parametrize("bare", [False, True])
def test_a_terminal_and_a_locale_that_can_do_little(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter, bare: bool
) -> None:
    prompts = state(apiyi) / "prompts.ndjson"
    prompts.parent.mkdir(parents=True)
    prompts.write_text('"早先的问题"\n')
    env = {"TERM": "dumb", "LC_ALL": "C", "NO_COLOR": "1", "LANG": None}
    talk = talks(bare=bare, starts=True, env=env)
    talk.wait_for_prompt()
    gateway.script(ScriptedReply.chat("**好**\n"), ScriptedReply.chat("code"))
    if bare:
        talk.type("你好世界")
    else:
        talk.type(f"你好世x{BACKSPACE}界人{BACKSPACE}")
    talk.wait(lambda: talk.at_cursor.replace(" ", "") == "❯你好世界")
    talk.say("", "**好**")
    assert "2 messages · " in talk.text
    talk.type("```\rprint(1)\r")
    talk.say("```", "code")
    assert [text for _, text in list_sent_messages(gateway)] == [
        "你好世界",
        "**好**\n",
        "```\nprint(1)\n```",
    ]
    # It lacks keys because of the terminal, and not because of a package.
    talk.say("/help", "complete commands")
    assert "pip install" not in talk.text
    assert talk.end() == 0
    assert b"\x1b" not in talk.raw
    assert stored(prompts) == ["早先的问题", "你好世界", "```\nprint(1)\n```", "/help"]


def test_a_comparison_that_is_stopped_leaves_no_request_and_no_line_behind(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    talk = talks("chat", rows=30)
    talk.wait_for_prompt()
    both = [HeldAnswer("half **of it**\n\n", "more ", "and more") for _ in range(2)]
    gateway.script(ScriptedReply.chat("one"), *(held.reply for held in both))
    talk.say("hi", "one")
    talk.type("/compare gpt-4o gpt-4.1\r")
    talk.wait(lambda: re.search(r"gpt-4o … \d+ s · gpt-4.1 … \d+ s", talk.at_cursor))
    talk.type(CTRL_C)
    talk.wait_for("apiyi: stopped; it may be billed")
    talk.wait_for_prompt()
    assert "half of it" in talk.text
    # Each request is given up at its next event; both count as perhaps billed.
    for held in both:
        held.go.set()
    used = "gpt-4.1  1         0       0 "
    for _ in range(20):
        seen = len(talk.raw)
        talk.say("/usage", "gpt-4o")
        if used in talk.since(seen):
            break
    assert used in talk.text and "gpt-4o   2 " in talk.text
    assert " s · " not in talk.text.partition("apiyi: stopped")[2]
    assert talk.end() == 0


BETWEEN_ROUNDS = """
import dis, signal, sys

def trace_loop(frame, event, argument):
    if frame.f_code.co_name != "run_loop":
        return None
    frame.f_trace_opcodes = True
    return interrupt

def interrupt(frame, event, argument):
    # With the backward jump Python looks for signals.
    if event == "opcode" and "JUMP_BACKWARD" in dis.opname[frame.f_code.co_code[frame.f_lasti]]:
        sys.settrace(None)
        signal.raise_signal(signal.SIGINT)
    return interrupt

sys.settrace(trace_loop)
"""


def test_ctrl_c_between_an_answer_and_the_prompt_ends_nothing(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    folder = apiyi.work.with_name("traced")
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BETWEEN_ROUNDS)
    talk = talks(starts=True, env={"PYTHONPATH": str(folder)})
    talk.wait_for_prompt()
    gateway.script(ScriptedReply.chat("one"), ScriptedReply.chat("two"))
    talk.say("first", "one")
    talk.say("second", "two")
    assert talk.end() == 0
