"""`chat` as a conversation on the terminal, with and without prompt_toolkit."""

from __future__ import annotations

import json
import os
import shlex
import signal
import stat
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.cli.conversation.repl.clipboard import copy_text
from apiyi_cli.cli.process import Process
from apiyi_cli.core.clock import CLOCK
from apiyi_cli.errors import SetupError
from apiyi_cli.output.console import Console
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.cli.test_toolbox import calling, results
from tests.conversations import ConversationStarter, HeldAnswer, state, stored, usage
from tests.terminal_session import (
    CTRL_C,
    CTRL_D,
    CTRL_J,
    CTRL_L,
    CTRL_O,
    CTRL_R,
    LEFT,
    PASTED,
    UP,
    TerminalSession,
)
from tests.test_readme import picture
from tests.tools.test_mcp import ZOO

if TYPE_CHECKING:
    from tests.conftest import Program

SHAPED = "sk-" + "a1b2c3d4" * 4
FIFTY = [f"line {number} of a paste" for number in range(50)]


def list_sent_messages(gateway: Gateway, request: int = -1) -> list[tuple[str, Any]]:
    messages = gateway.posts[request].json["messages"]
    return [(one["role"], one.get("content")) for one in messages]


def test_keys_and_drafts(apiyi: Program, gateway: Gateway, talks: ConversationStarter) -> None:
    talk = talks("chat --session trip")
    talk.wait_for_prompt()
    assert talk.text.startswith("apiyi 0.2.0 · gpt-4o · profile default · /help, Ctrl-D ends\n❯")

    gateway.script(ScriptedReply.chat("Hello!", usage=usage(1000, 204)))
    talk.say("hi", "gpt-4o · 1,204 tok · ")
    assert "❯ hi\nHello!\ngpt-4o · 1,204 tok" in talk.text
    talk.wait(lambda: talk.at_cursor.endswith("session trip · 2 messages · 1.2k/128k ctx"))

    # A paste of fifty lines does not send itself, and is one request.
    gateway.script(ScriptedReply.chat("read it"))
    talk.type("\r".join(FIFTY).join(PASTED))
    talk.wait_for(FIFTY[-1])
    assert len(gateway.posts) == 1
    talk.say("", "read it")
    assert list_sent_messages(gateway)[-1] == ("user", "\n".join(FIFTY))

    # The cursor in the middle of wide characters; Ctrl-J is a new line.
    gateway.script(ScriptedReply.chat("fine"))
    talk.type(f"你好世界{LEFT}{LEFT}")
    talk.wait(lambda: talk.at_cursor.replace(" ", "").startswith("❯你好世界"))
    assert talk.screen.cursor.x == 6
    talk.type("，")
    talk.wait(lambda: talk.screen.cursor.x == 8)
    talk.say(f"\x1b[F{CTRL_J}第二行", "fine")
    assert list_sent_messages(gateway)[-1] == ("user", "你好，世界\n第二行")

    # An open fence keeps Enter from sending.
    gateway.script(ScriptedReply.chat("code"))
    talk.type("```py\rprint(1)\r")
    talk.wait_for("print(1)")
    talk.say("```", "code")
    assert list_sent_messages(gateway)[-1] == ("user", "```py\nprint(1)\n```")

    # One entry of the history is one whole prompt; Ctrl-R searches; Ctrl-C clears.
    talk.type(f"{UP}{UP}{UP}{UP}")
    talk.wait_for("你好，世界\n  第二行")
    talk.type(CTRL_C)
    talk.wait_for_prompt()
    talk.type(f"{CTRL_R}print")
    talk.wait_for("I-search")
    talk.type(f"\r{CTRL_C}")
    talk.wait(lambda: "I-search" not in talk.text)
    talk.wait_for_prompt()

    # What looks like a key is refused, and stays where only the user sees it.
    talk.type(f"my key is {SHAPED}\r")
    talk.wait_for("it holds what looks like a key")
    assert len(gateway.posts) == 4
    talk.type(CTRL_C)
    talk.wait_for_prompt()
    gateway.script(ScriptedReply.chat("quiet"))
    talk.say(" not for the history", "quiet")
    assert list_sent_messages(gateway)[-1] == ("user", " not for the history")
    talk.type(CTRL_L)
    talk.wait(lambda: talk.screen.cursor.y == 0)
    assert talk.end() == 0

    history = state(apiyi) / "prompts.ndjson"
    assert stored(history) == ["hi", "\n".join(FIFTY), "你好，世界\n第二行", "```py\nprint(1)\n```"]
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    session = state(apiyi) / "sessions" / "trip.ndjson"
    assert stat.S_IMODE(session.stat().st_mode) == 0o600
    assert [one["content"] for one in stored(session)][1::2] == [
        "Hello!",
        "read it",
        "fine",
        "code",
        "quiet",
    ]
    for path in apiyi.home.rglob("*"):
        assert not path.is_file() or SHAPED.encode() not in path.read_bytes(), path


def test_without_prompt_toolkit_it_is_the_same_conversation(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    talk = talks("chat --session trip", plain=True)
    talk.wait_for_prompt()
    assert "prompt_toolkit" not in talk.text and "installed" not in talk.text
    gateway.script(ScriptedReply.chat("Hello!", usage=usage(9, 3)))
    talk.say("你好", "gpt-4o · 12 tok · ")
    assert "session trip · 2 messages · 12/128k ctx\n❯" in talk.text
    gateway.script(ScriptedReply.chat("read it"))
    talk.type("\r".join(FIFTY).join(PASTED))
    talk.wait_for(FIFTY[-1])
    assert len(gateway.posts) == 1
    talk.say("", "read it")
    assert list_sent_messages(gateway)[-1] == ("user", "\n".join(FIFTY))
    gateway.script(ScriptedReply.chat("code"))
    talk.type("```\rprint(1)\r")
    talk.say("```", "code")
    assert list_sent_messages(gateway)[-1] == ("user", "```\nprint(1)\n```")
    talk.type(f"my key is {SHAPED}\r")
    talk.wait_for("it holds what looks like a key")
    talk.type(CTRL_C)
    talk.wait_for_prompt()
    held = HeldAnswer("half\n\n", " more")
    gateway.script(held.reply)
    talk.type("go\r")
    talk.wait_for("half")
    talk.type(CTRL_C)
    talk.wait_for("marked cut; it may be billed")
    held.go.set()
    talk.wait_for_prompt()
    talk.say("/he", "there is no command /he")
    talk.say("/help", "pip install 'apiyi-cli[repl]'")
    talk.type("/comp\t")
    talk.wait(lambda: talk.at_cursor.startswith("❯ /compare"))
    talk.type(CTRL_C)
    talk.wait_for_prompt()
    assert talk.end() == 0
    assert stored(state(apiyi) / "sessions" / "trip.ndjson")[-1] == {
        "role": "assistant",
        "content": "half\n\n",
        "cut": True,
    }


def test_an_answer_that_is_stopped_stays_and_the_conversation_goes_on(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    talk = talks("chat --session trip")
    talk.wait_for_prompt()
    held = HeldAnswer("the first half\n\n", " and the rest")
    gateway.script(held.reply, ScriptedReply.chat("next"))
    talk.type("tell me\r")
    talk.wait_for("the first half")
    # The terminal becomes narrower while the answer comes.
    talk.resize(50, 30)
    talk.type(CTRL_C)
    talk.wait_for("what came is kept, marked cut")
    assert "^C" not in talk.text
    held.go.set()
    talk.wait_for_prompt()
    talk.say("go on", "next")
    assert list_sent_messages(gateway) == [
        ("user", "tell me"),
        ("assistant", "the first half\n\n"),
        ("user", "go on"),
    ]
    assert talk.end() == 0
    shown = apiyi("session show trip")
    assert json.loads(shown.text.splitlines()[1])["cut"] is True
    assert "assistant (cut): the first half" in apiyi.terminal("session show trip").lines
    chinese = apiyi.terminal("session show trip", env={"LANG": "zh_CN.UTF-8"})
    assert "assistant (截断): the first half" in chinese.lines
    # What is shown can be sent again.
    assert apiyi(["chat", "hi", "--messages", "-"], stdin=shown.out).code == 0
    assert "cut" not in gateway.posts[-1].json["messages"][1]


def test_kill_at_any_event_loses_at_most_that_event(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    talk = talks("chat --session trip", starts=True)
    talk.wait_for_prompt()
    held = HeldAnswer('piece "one"\n', "二\n\n", "piece three")
    gateway.script(ScriptedReply.chat("whole"), held.reply)
    talk.say("first", "whole")
    talk.type("second\r")
    talk.wait_for("二")
    assert talk.kill() == -signal.SIGKILL
    held.go.set()
    messages = [json.loads(line) for line in apiyi("session show trip").text.splitlines()]
    assert messages == [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "whole"},
        {"role": "user", "content": "second"},
        {"role": "assistant", "content": 'piece "one"\n二\n\n', "cut": True},
    ]
    assert apiyi("chat again --session trip").code == 0
    assert list_sent_messages(gateway)[3:] == [
        ("assistant", 'piece "one"\n二\n\n'),
        ("user", "again"),
    ]


@pytest.mark.nightly
@pytest.mark.parametrize("count", range(1, 6))
def test_kill_after_each_event_loses_nothing_that_is_on_the_screen(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter, count: int
) -> None:
    pieces = ["One **bo", "ld** 字", "\n\n```py\n", "x = 1\n", '```\nand "quoted" \\ end', "."]
    talk = talks("chat --session trip", starts=True)
    talk.wait_for_prompt()
    held = HeldAnswer(*pieces[: count + 1])
    gateway.script(held.reply)
    talk.type("go\r")
    came = "".join(pieces[:count])
    letters = "".join(filter(str.isalnum, came))
    talk.wait(lambda: "".join(filter(str.isalnum, talk.text)).endswith(letters), letters)
    assert talk.kill() == -signal.SIGKILL
    held.go.set()
    messages = [json.loads(line) for line in apiyi("session show trip").text.splitlines()]
    assert messages == [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": came, "cut": True},
    ]


def test_a_turn_that_fails_leaves_its_draft_and_no_trace(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    talk = talks("chat --strict --retries 0 --session trip")
    talk.wait_for_prompt()
    gateway.script(
        ScriptedReply.error(400, "bad thing", code="bad"),
        ScriptedReply.chat("better"),
        ScriptedReply.chat("half").cut(2),
        ScriptedReply.error(429, "too fast"),
    )
    talk.type("the question\r")
    talk.wait_for("bad thing")
    talk.wait(lambda: talk.at_cursor.startswith("❯ the question"))
    assert not (state(apiyi) / "sessions" / "trip.ndjson").exists()
    talk.say("", "better")
    # A cut one stays.
    talk.say("then", "half")
    talk.type("last\r")
    talk.wait_for("too fast")
    talk.type(CTRL_C)
    talk.wait_for_prompt()
    assert talk.end() == 5
    assert [one["content"] for one in stored(state(apiyi) / "sessions" / "trip.ndjson")] == [
        "the question",
        "better",
        "then",
        "half",
    ]


@pytest.mark.parametrize("plain", [False, True])
def test_signals_end_it_and_nothing_is_lost(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter, plain: bool
) -> None:
    for signum in (signal.SIGTERM, signal.SIGHUP):
        talk = talks(plain=plain, starts=True)
        talk.wait_for_prompt()
        assert talk.kill(signum) == -signum
        name = f"s{signum}"
        talk = talks(f"chat --session {name}", plain=plain, starts=True)
        talk.wait_for_prompt()
        held = HeldAnswer("half\n\n", " more")
        gateway.script(held.reply)
        talk.type("go\r")
        talk.wait_for("half")
        assert talk.kill(signum) == -signum
        held.go.set()
        assert stored(state(apiyi) / "sessions" / f"{name}.ndjson")[1]["cut"] is True
    talk = talks(plain=plain, starts=True)
    talk.wait_for_prompt()
    assert talk.interrupt_twice() == -signal.SIGINT
    talk = talks(plain=plain, starts=True)
    talk.wait_for_prompt()
    held = HeldAnswer("half\n\n", " more")
    gateway.script(held.reply)
    talk.type("go\r")
    talk.wait_for("half")
    talk.type(CTRL_C)
    talk.wait_for("may be billed")
    assert talk.interrupt_twice() == -signal.SIGINT
    held.go.set()


def test_every_command(apiyi: Program, gateway: Gateway, talks: ConversationStarter) -> None:
    (apiyi.work / "notes.txt").write_text("some notes\n")
    (apiyi.work / "sys.txt").write_text("Be brief.")
    editor = apiyi.work.with_name("editor")
    editor.write_text("#!/bin/sh\nprintf 'edited prompt\\n' > \"$1\"\n")
    editor.chmod(0o755)
    talk = talks(
        "chat", rows=60, env={"EDITOR": str(editor), "APIYI_MODEL": "gpt-4o", "TERM": "xterm"}
    )
    talk.wait_for_prompt()
    thinks = {"reasoning_content": "let me think"}
    gateway.script(ScriptedReply.chat(thinks, "Use:\n```py\nprint(1)\n```\n", usage=usage(20, 10)))
    talk.say("how?", "gpt-4o · 30 tok")
    assert "▏thinking 0 s, ≈ 4 tokens" in talk.text and "let me think" not in talk.text
    talk.say("/think", "let me think")
    talk.say("/usage", "unknown")
    talk.say("/copy code", "copied 9 characters (OSC 52)")
    assert b"\x1b]52;c;cHJpbnQoMSkK\x07" in talk.raw or b"\x1b]52;c;cHJpbnQoMSk=\x07" in talk.raw
    talk.say("/save answer.md", "saved as answer.md")
    assert (apiyi.work / "answer.md").read_text() == "Use:\n```py\nprint(1)\n```\n"
    talk.say("/save answer.md", "the file exists")
    talk.say("/save all.ndjson", "saved as all.ndjson")
    assert [one["role"] for one in stored(apiyi.work / "all.ndjson")] == ["user", "assistant"]

    talk.say("/show request", '"Authorization":"Bearer ***"')
    talk.say("/show raw", '"reasoning_content":"let me think"')
    talk.say("/show code curl", "curl")
    talk.say("/show nothing", "it is request, raw, or code")

    talk.say("/model", "gpt-4o")
    talk.say("/model gpt-4.1", "gpt-4.1")
    talk.say("/set temperature 0.5", "❯")
    talk.say("/set", "temperature 0.5")
    talk.say("/set temprature 1", "/set temperature")
    talk.say("/set temperature hot", "'hot' is not a number")
    talk.say("/set temperature 9", "not between 0 and 2")
    talk.say("/set stop END STOP", "❯")
    talk.say("/set file x", "/file PATH")
    talk.say("/system @sys.txt", "❯")
    talk.say("/system", "Be brief.")
    talk.say("/file notes.txt", "goes before the next prompt")
    talk.wait(lambda: "+1 files" in talk.at_cursor)
    gateway.script(ScriptedReply.chat("with notes"), ScriptedReply.chat("without"))
    talk.say("what?", "with notes")
    request = gateway.posts[-1].json
    assert (request["model"], request["temperature"], request["stop"]) == (
        "gpt-4.1",
        0.5,
        ["END", "STOP"],
    )
    assert request["messages"][0] == {"role": "system", "content": "Be brief."}
    assert request["messages"][-1] == {"role": "user", "content": "some notes\n\nwhat?"}
    talk.say("/unset temperature", "❯")
    talk.say("//etc/hosts", "without")
    assert list_sent_messages(gateway)[-1] == ("user", "/etc/hosts")
    assert "temperature" not in gateway.posts[-1].json

    gateway.script(ScriptedReply.chat("again"), ScriptedReply.chat("edited answer"))
    talk.say("/retry -m gpt-4o", "again")
    assert (
        list_sent_messages(gateway)[-1] == ("user", "/etc/hosts")
        and len(list_sent_messages(gateway)) == 6
    )
    assert gateway.posts[-1].json["model"] == "gpt-4o"
    talk.say("/edit", "edited answer")
    assert (
        list_sent_messages(gateway)[-1] == ("user", "edited prompt")
        and len(list_sent_messages(gateway)) == 6
    )
    assert gateway.posts[-1].json["model"] == "gpt-4.1"
    gateway.script(ScriptedReply.chat("one"), ScriptedReply.chat("two"))
    talk.say("/compare gpt-4o gpt-4.1", "two")
    assert {one.json["model"] for one in gateway.posts[-2:]} == {"gpt-4o", "gpt-4.1"}
    talk.type(CTRL_O)
    talk.wait(lambda: talk.at_cursor.startswith("❯ edited prompt"))
    talk.type(CTRL_C)
    talk.wait_for_prompt()
    talk.type("/undo\r")
    talk.wait_for("5 messages are left")
    # The prompt is the draft again.
    talk.wait(lambda: talk.at_cursor.startswith("❯ edited prompt"))
    talk.type(CTRL_C)
    talk.wait_for_prompt()

    talk.say("/session", "no name yet: 5 messages")
    talk.say("/session trip", "the conversation is kept as trip")
    talk.say("/session fork", "kept as trip-2")
    talk.say("/session list", "trip-2")
    talk.say("/session trip", "going on with the session trip: 5 messages")
    talk.say("/session new", "a new conversation")
    talk.say("/retry", "there is no prompt yet")
    talk.type("/sess\t")
    talk.wait(lambda: talk.at_cursor.startswith("❯ /session"))
    talk.type(f"{CTRL_C}/set reasoning-ef\t")
    talk.wait(lambda: talk.at_cursor.startswith("❯ /set reasoning-effort"))
    talk.type(f"{CTRL_C}")
    talk.wait_for_prompt()
    talk.say("/nothing", "there is no command /nothing")
    talk.type(CTRL_C)
    talk.say("/help", "the draft in $EDITOR")
    assert talk.end() == 0
    kept = stored(state(apiyi) / "sessions" / "trip.ndjson")
    assert kept == stored(state(apiyi) / "sessions" / "trip-2.ndjson")
    assert [one["role"] for one in kept] == ["system", "user", "assistant", "user", "assistant"]


def test_tools_are_asked_for_in_each_turn_and_files_go_with_one_prompt(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    (apiyi.work / "photo.png").write_bytes(picture())
    (apiyi.work / "echo.sh").write_text("#!/bin/sh\ncat\n")
    (apiyi.work / "echo.sh").chmod(0o755)
    tool = '{"name":"now","parameters":{"type":"object"}}'
    zoo = {"ZOO_PID": str(apiyi.work.with_name("zoo"))}
    talk = talks(f"chat -i --tool '{tool}' --run now=./echo.sh --mcp {shlex.quote(ZOO)}", env=zoo)
    talk.wait_for_prompt()
    gateway.script(
        calling(("now", '{"zone":"x"}'), ("add", '{"a":2,"b":3}')),
        ScriptedReply.chat("It is noon, and 5."),
        calling(("now", "{}")),
        ScriptedReply.chat("Then not."),
        calling(("now", "{}")),
        ScriptedReply.chat("Now it is."),
    )
    talk.type("what time?\r")
    talk.wait_for('run now({"zone":"x"}) -> ./echo.sh? [y/N]')
    talk.type("y\r")
    talk.wait_for('run add({"a":2,"b":3}) -> zoo')
    talk.say("y", "It is noon, and 5.")
    assert results(gateway) == ['{"zone":"x"}', "5"]
    talk.type("and now?\r")
    talk.wait_for("run now({}) -> ./echo.sh? [y/N]")
    talk.say("n", "Then not.")
    assert talk.text.count("is offered as") == 1
    assert results(gateway, -1) == ["error: the user did not allow this call"]
    # The conversation holds what was said, not how the tools were asked.
    assert [role for role, _ in list_sent_messages(gateway, -2)] == ["user", "assistant", "user"]
    # A server that ends between two prompts is started again.
    os.kill(int(Path(zoo["ZOO_PID"]).read_text()), signal.SIGKILL)
    talk.type("once more\r")
    talk.wait_for("apiyi: started the MCP server")
    talk.wait(lambda: talk.text.count("run now({}) -> ./echo.sh? [y/N]") == 2)
    talk.type(CTRL_C)
    talk.wait_for("[y/N] ^C\napiyi: stopped; nothing of it came; it may be billed")
    # Nothing came: the prompt is the draft again.
    talk.wait(lambda: talk.at_cursor.startswith("❯ once more"))
    talk.say("", "Now it is.")

    talk.say("/set run", "it needs a value")
    talk.say("/unset run", "❯")
    talk.say("/unset mcp", "❯")
    talk.say("/unset tool", "❯")
    talk.say("/attach nothing.png", "nothing.png")
    talk.say("/attach", "/attach PATH")
    talk.type("/attach pho\t")
    talk.wait(lambda: talk.at_cursor.startswith("❯ /attach photo.png"))
    talk.say("", "photo.png goes with the next prompt")
    talk.say("/attach https://x.example/b.png", "b.png goes with the next prompt")
    talk.wait(lambda: "+2 files" in talk.at_cursor)
    gateway.script(*(ScriptedReply.chat(word) for word in ("a dot", "a point", "plain")))
    talk.say("what is it?", "a dot")
    talk.say("/retry", "a point")
    for request in (-2, -1):
        text, own, linked = gateway.posts[request].json["messages"][-1]["content"]
        assert text == {"type": "text", "text": "what is it?"}
        assert own["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
        assert linked["image_url"]["url"] == "https://x.example/b.png"
        assert "tools" not in gateway.posts[request].json
    talk.say("and now?", "plain")
    assert list_sent_messages(gateway)[-1] == ("user", "and now?")
    assert talk.end() == 0


@pytest.mark.parametrize(
    ("environ", "programs", "way", "words"),
    [
        ({"TMUX": "/tmp/t,1,0"}, {"tmux": 0, "xclip": 0}, "tmux", "load-buffer -w -"),
        ({"TERM_PROGRAM": "Apple_Terminal"}, {"pbcopy": 0}, "pbcopy", ""),
        ({"VTE_VERSION": "7600", "WAYLAND_DISPLAY": "w"}, {"wl-copy": 0}, "wl-copy", ""),
        ({"VTE_VERSION": "7600", "DISPLAY": ":0"}, {"xclip": 0}, "xclip", "-selection clipboard"),
        (
            {"TERM": "linux", "DISPLAY": ":0"},
            {"xclip": 1, "xsel": 0},
            "xsel",
            "--clipboard --input",
        ),
        ({"TERM": "linux"}, {"clip.exe": 0, "xclip": 0}, "clip.exe", ""),
        ({"TERM": "dumb"}, {"xclip": 0, "wl-copy": 0}, "", ""),
    ],
)
def test_the_clipboard_is_filled_by_a_program_where_the_terminal_does_not_take_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    programs: dict[str, int],
    way: str,
    words: str,
) -> None:
    for name, code in programs.items():
        script = f'#!/bin/sh\n/bin/cat >"$0.got"\necho "$*" >"$0.words"\nexit {code}\n'
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    process = Process(Console(), {"TERM": "xterm", **environ, "PATH": str(tmp_path)}, CLOCK)
    text = "你好 \x1b]52;c;x\x07\n"
    if not way:
        with pytest.raises(SetupError) as raised:
            copy_text(process, text)
        assert "/save FILE" in str(raised.value.hint)
        return
    assert copy_text(process, text) == way
    encoding = "utf-16" if way == "clip.exe" else "utf-8"
    copied = (tmp_path / f"{way}.got").read_bytes().decode(encoding)
    assert copied.startswith("你好 ") and "\x1b" not in copied
    assert (tmp_path / f"{way}.words").read_text() == f"{words}\n"


def test_how_it_begins_and_what_it_leaves(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    gateway.script(
        ScriptedReply.chat("one"), ScriptedReply.chat("two"), ScriptedReply.chat("three")
    )
    talk = talks("chat -i --no-keep first words")
    talk.wait_for("one")
    talk.wait_for_prompt()
    talk.say("second", "two")
    assert talk.end() == 0
    assert list_sent_messages(gateway) == [
        ("user", "first words"),
        ("assistant", "one"),
        ("user", "second"),
    ]
    assert not (state(apiyi) / "prompts.ndjson").exists()
    assert not (state(apiyi) / "terminals").exists()

    talk = talks("chat")
    talk.wait_for_prompt()
    talk.say("hi", "three")
    assert talk.end() == 0
    (kept,) = (state(apiyi) / "terminals").iterdir()
    assert [one["content"] for one in stored(kept)] == ["hi", "three"]

    assert "stdin is not a terminal" in apiyi("chat -i").err
    assert apiyi("chat -i hello").code == 2
    assert apiyi("chat").code == 2
    several = apiyi.terminal("chat -i -m gpt-4o -m gpt-4.1")
    assert several.code == 2 and any("/compare gpt-4o gpt-4.1" in line for line in several.lines)
    keyless = apiyi.terminal("chat", env={"APIYI_API_KEY": None})
    assert keyless.code == 4


def test_a_template_makes_the_next_prompt_alone(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    folder = apiyi.home / "config" / "apiyi" / "templates"
    folder.mkdir(parents=True)
    text = "---\nmodel: gpt-4o-mini\ntemperature: 0.2\n---\nInto {lang}: {input}\n"
    (folder / "translate.md").write_text(text)
    (folder / "broken.md").write_text("---\nbase_url: https://x.example\n---\n{input}\n")
    gateway.script(*(ScriptedReply.chat(word) for word in ("uno", "due", "tre")))
    talk = talks("chat -i -t translate -p lang=Italian one", rows=60)
    talk.wait_for("uno")
    talk.wait_for_prompt()
    first = gateway.posts[-1].json
    assert first["messages"] == [{"role": "user", "content": "Into Italian: one"}]
    assert (first["model"], first["temperature"]) == ("gpt-4o-mini", 0.2)

    talk.type("/template tr\t")
    talk.wait(lambda: talk.at_cursor.startswith("❯ /template translate"))
    talk.say("", "it wants -p lang=VALUE")
    talk.say("/template", "broken\ntranslate")
    talk.say("/template transalte", "did you mean translate?")
    talk.say("/template broken", "broken.md:2: a templ")
    talk.say("/template translate lang='Old Norse'", "the next prompt goes through translate")
    talk.wait(lambda: "template translate" in talk.at_cursor)
    talk.say("two", "due")
    assert list_sent_messages(gateway)[-1] == ("user", "Into Old Norse: two")
    talk.say("three", "tre")
    assert list_sent_messages(gateway)[-1] == ("user", "three")
    assert gateway.posts[-1].json["model"] == "gpt-4o"
    assert "temperature" not in gateway.posts[-1].json
    assert talk.end() == 0


def test_options_of_one_prompt_begin_no_conversation(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    own = apiyi.work / "editor"
    own.write_text("#!/bin/sh\nprintf 'from the editor' > \"$1\"\n")
    own.chmod(0o755)
    env = {"EDITOR": str(own)}
    gateway.script(*(ScriptedReply.chat(word) for word in ("edited", "in it", "on")))
    assert apiyi.terminal("chat -e", env=env).code == 0
    assert list_sent_messages(gateway) == [("user", "from the editor")]
    for line in ("chat -p lang=x", "chat -t nothing", "chat -i -t nothing", "chat -i -p lang=x"):
        assert apiyi.terminal(line).code == 2
    talk = talks("chat -i -e", env=env)
    talk.wait_for("in it")
    talk.wait_for_prompt()
    talk.say("more", "on")
    assert [text for _, text in list_sent_messages(gateway)] == ["from the editor", "in it", "more"]
    assert talk.end() == 0
    assert len(gateway.posts) == 3


def test_the_context_and_the_money_are_watched(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    assert apiyi("models --update").code == 0
    talk = talks("chat --max-cost 0.01")
    talk.wait_for_prompt()
    gateway.script(
        ScriptedReply.chat("long", usage=usage(100_000, 5_000)),
        ScriptedReply.chat("longer", usage=usage(110_000, 5_000)),
    )
    talk.say("/set max-cost 100", "❯")
    talk.say("one", "fills 82 % of the context of gpt-4o")
    talk.say("two", "longer")
    assert talk.text.count("of the context of") == 1
    talk.wait(lambda: "115k/128k ctx · $" in talk.at_cursor)
    talk.say("/set max-cost 0.02", "❯")
    talk.type("three\r")
    talk.wait_for("stopped by --max-cost")
    talk.wait(lambda: talk.at_cursor.startswith("❯ three"))
    assert len(gateway.posts) == 2
    assert talk.end(f"{CTRL_C}{CTRL_D}") == 0


def has_prompt_behind(talk: TerminalSession, seen: int, text: str) -> bool:
    """Return True if a prompt follows a text that came behind a place."""
    return "❯".encode() in talk.raw[seen:].partition(text.encode())[2]


@pytest.mark.nightly
def test_the_five_hundredth_turn_is_like_the_fifth(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    talk = talks("chat --session long --no-limits", starts=True)
    talk.wait_for_prompt()
    status = Path(f"/proc/{talk.process.pid}/status")
    memory_kb: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for number in range(1, 501):
        gateway.script(ScriptedReply.chat(f"answer {number}.", usage=usage(5, 3)))
        began_s, seen = time.monotonic(), len(talk.raw)
        talk.type(f"q{number}\r")
        talk.wait(partial(has_prompt_behind, talk, seen, f"answer {number}."))
        seconds[number] = time.monotonic() - began_s
        (line,) = (row for row in status.read_text().splitlines() if row.startswith("VmRSS"))
        memory_kb[number] = int(line.split()[1])
    # Of several turns the quickest, because the machine may be busy with something else.
    early, late = (min(seconds[at] for at in range(start, start + 15)) for start in (5, 486))
    assert late < 3 * early + 0.05
    assert memory_kb[500] - memory_kb[5] < 8_000
    assert talk.end() == 0
    assert len(stored(state(apiyi) / "sessions" / "long.ndjson")) == 1000
