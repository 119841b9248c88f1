"""Conversations that are kept: `--session`, `--continue` and `apiyi session`."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


def folder(apiyi: Program) -> Path:
    return apiyi.home / "state" / "apiyi" / "sessions"


def list_sent_messages(gateway: Gateway, request: int = -1) -> list[Any]:
    messages = gateway.ledger[request].json["messages"]
    return [(one["role"], one.get("content")) for one in messages]


def test_nothing_is_kept_unless_asked_for(apiyi: Program) -> None:
    assert apiyi("chat hi").code == 0
    assert not folder(apiyi).exists()
    assert apiyi("session list").out == b""


def test_a_conversation_goes_on_under_its_name(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("hello"), ScriptedReply.chat("again"))
    assert apiyi("chat hi --session a").text == "hello\n"
    assert apiyi("chat there --session a").text == "again\n"
    assert list_sent_messages(gateway) == [
        ("user", "hi"),
        ("assistant", "hello"),
        ("user", "there"),
    ]
    path = folder(apiyi) / "a.ndjson"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().splitlines()) == 4


def test_the_last_one_used_is_continued(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("chat one --session a").code == 0
    assert apiyi("chat two --session b").code == 0
    assert apiyi("chat three --session a").code == 0
    assert apiyi("chat four -c").code == 0
    assert [text for role, text in list_sent_messages(gateway) if role == "user"] == [
        "one",
        "three",
        "four",
    ]


def test_what_is_continued_is_said(apiyi: Program) -> None:
    assert apiyi("chat one --session a").err == ""
    assert "going on with the session a, used last 20" in apiyi("chat two -c").err
    assert apiyi("chat three -c -q").err == ""


def shell_terminal(apiyi: Program, script: str) -> str:
    """Return what a terminal shows of a shell script that calls the program several times."""
    words = ["sh", "-c", script]
    return apiyi.shown(words, 200, "", b"", apiyi.environment(None)).raw.decode()


def test_the_last_exchange_on_the_terminal_is_continued(apiyi: Program, gateway: Gateway) -> None:
    shown = shell_terminal(apiyi, "apiyi chat one; apiyi chat two; apiyi chat three -c")
    assert "the last exchange on this terminal" in shown
    assert [text for role, text in list_sent_messages(gateway) if role == "user"] == [
        "two",
        "three",
    ]
    assert apiyi("session list").out == b""


def test_a_profile_can_say_that_nothing_is_kept(apiyi: Program) -> None:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("[profile.default]\nno_keep = true\n")
    assert "[sandbox]" in shell_terminal(apiyi, "apiyi chat one -m gpt-4o")
    assert not (folder(apiyi).parent / "terminals").exists()


def test_another_terminal_does_not_go_on_with_it(apiyi: Program, gateway: Gateway) -> None:
    shell_terminal(apiyi, "apiyi chat one")
    shown = shell_terminal(apiyi, "apiyi chat two -c")
    assert "there is no conversation to continue" in shown
    assert len(gateway.posts) == 1


def test_the_later_of_terminal_and_session_is_continued(apiyi: Program, gateway: Gateway) -> None:
    shell_terminal(apiyi, "apiyi chat one; apiyi chat two --session s; apiyi chat three -c")
    assert [text for role, text in list_sent_messages(gateway) if role == "user"] == [
        "two",
        "three",
    ]
    shell_terminal(apiyi, "apiyi chat four --session s; apiyi chat five; apiyi chat six -c")
    assert [text for role, text in list_sent_messages(gateway) if role == "user"] == ["five", "six"]


def test_a_terminal_without_a_state_folder_gets_its_answer(apiyi: Program) -> None:
    (apiyi.home / "state").write_text("no folder")
    shown = shell_terminal(apiyi, "apiyi chat one --no-limits; echo code $?")
    assert "You said: one" in shown and "code 0" in shown


def test_there_must_be_one_to_continue(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi -c")
    assert ran.code == 2 and "--session NAME" in ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".x", "-x", "a b", ""])
def test_a_name_that_could_leave_the_folder_is_refused(
    apiyi: Program, gateway: Gateway, name: str
) -> None:
    for line in (["chat", "hi", f"--session={name}"], ["session", "rm", "--", name]):
        assert apiyi(line).code == 2
    assert gateway.ledger == []


def test_a_failed_answer_adds_nothing(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("chat hi --session a").code == 0
    before = (folder(apiyi) / "a.ndjson").read_bytes()
    gateway.script(ScriptedReply.chat("part").cut(2))
    assert apiyi("chat there --session a --retries 0").code == 8
    assert (folder(apiyi) / "a.ndjson").read_bytes() == before


def test_a_broken_line_is_named_and_nothing_is_sent_or_lost(
    apiyi: Program, gateway: Gateway
) -> None:
    assert apiyi("chat hi --session a").code == 0
    path = folder(apiyi) / "a.ndjson"
    broken = path.read_bytes() + b'{"role":"us\n'
    path.write_bytes(broken)
    ran = apiyi("chat there --session a")
    assert ran.code == 10
    assert f"{path}:3" in ran.err
    assert len(gateway.ledger) == 1
    assert path.read_bytes() == broken


def test_the_system_text_is_kept_once(apiyi: Program, gateway: Gateway) -> None:
    for text in ("one", "two", "three"):
        assert apiyi(f"chat {text} --session a -s brief").code == 0
    assert [role for role, _ in list_sent_messages(gateway)].count("system") == 1
    assert list_sent_messages(gateway)[0] == ("system", "brief")
    assert apiyi("chat four --session a -s kind").code == 0
    assert ("system", "kind") in list_sent_messages(gateway)


def test_messages_that_were_given_belong_to_the_conversation(
    apiyi: Program, gateway: Gateway
) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    gateway.script(ScriptedReply.chat({"tool_calls": [{"index": 0, **call}]}, finish="tool_calls"))
    tool = ["--tool", '{"name":"now"}']
    assert apiyi(["chat", "the time?", "--session", "a", *tool]).code == 0
    (apiyi.work / "result").write_text('{"role":"tool","tool_call_id":"c","content":"noon"}\n')
    gateway.script(ScriptedReply.chat("It is noon."))
    line = ["chat", "--session", "a", "--messages", "result", *tool]
    assert apiyi(line).text == "It is noon.\n"
    assert apiyi("chat thanks --session a").code == 0
    assert [role for role, _ in list_sent_messages(gateway)] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]


def test_what_is_shown_is_what_messages_reads(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("hello"))
    assert apiyi("chat hi --session a").code == 0
    ran = apiyi.shell("apiyi session show a | apiyi chat more --messages -")
    assert ran.code == 0
    assert list_sent_messages(gateway) == [("user", "hi"), ("assistant", "hello"), ("user", "more")]


def test_conversations_are_listed_the_last_one_first(apiyi: Program) -> None:
    for name in ("a", "b"):
        assert apiyi(f"chat hi --session {name}").code == 0
    assert apiyi("session list").text == "b\na\n"
    first, second = (json.loads(one) for one in apiyi("session list --json").text.splitlines())
    assert (first["name"], first["messages"], second["name"]) == ("b", 2, "a")
    assert "messages" in apiyi.terminal("session list").lines[0]


def test_a_conversation_is_readable_on_a_terminal(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("\x1b]0;title\x07hello"))
    assert apiyi("chat hi --session a").code == 0
    screen = apiyi.terminal("session show a")
    assert screen.lines[0] == "user: hi"
    assert "hello" in screen.lines[1]
    assert b"\x1b]0;" not in screen.raw


def test_one_is_removed_by_name_and_all_names_are_checked_first(apiyi: Program) -> None:
    for name in ("a", "b"):
        assert apiyi(f"chat hi --session {name}").code == 0
    assert apiyi("session rm a ../b").code == 2
    assert apiyi("session list").text == "b\na\n"
    assert apiyi("session rm a b").code == 0
    assert apiyi("session list").text == ""
    ran = apiyi("session show a")
    assert ran.code == 2 and "apiyi session list" in ran.err
    assert apiyi("session rm a").code == 2
