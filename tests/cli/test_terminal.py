"""What a person sees: Markdown, colour, and nothing that the model could do to the terminal."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

MARKDOWN = "# Title\n\nSome **bold** text\n\n- one\n- two\n\n```python\nx = [1]  # [red]\n```\nend"
HOSTILE = {
    "clipboard": "a\x1b]52;c;ZXZpbA==\x07b",
    "title": "a\x1b]0;evil\x1b\\b",
    "link": "a\x1b]8;;http://evil\x1b\\b\x1b]8;;\x1b\\",
    "clear": "a\x1b[2J\x1b[Hb",
    "reset": "a\x1bcb",
    "report": "a\x1b[6nb",
    "eight-bit": "a\x9b2Jb\x9d0;evil\x9c",
    "unterminated": "a\x1b]0;evil",
    "backspaces": "safe\x08\x08\x08\x08evil\x7f",
    "return": "safe\rb",
    "bidi": "a\u202eb\u2066c\u2069",
    "alternate screen": "a\x1b[?1049hb",
}


def test_markdown_is_rendered_on_a_terminal(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat(*MARKDOWN))
    screen = apiyi.terminal("chat hi")
    text = "\n".join(screen.lines)
    assert screen.code == 0
    assert b"\x1b[" in screen.raw
    assert "**" not in text and "Some bold text" in text
    assert "x = [1]  # [red]" in text


@pytest.mark.parametrize(
    ("line", "env"),
    [
        ("chat hi --no-markdown", {}),
        ("chat hi", {"NO_COLOR": "1"}),
        ("chat hi", {"TERM": "dumb"}),
        ("chat hi --color never", {}),
    ],
)
def test_without_styles_the_text_is_shown_as_it_is(
    apiyi: Program, gateway: Gateway, line: str, env: dict[str, str | None]
) -> None:
    gateway.script(ScriptedReply.chat(*MARKDOWN))
    screen = apiyi.terminal(line, env=env)
    assert screen.raw == f"{MARKDOWN}\n".replace("\n", "\r\n").encode()


def test_markdown_can_be_had_without_colour(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat(*MARKDOWN))
    screen = apiyi.terminal("chat hi --markdown --color never")
    assert not re.search(rb"\x1b\[[0-9;]*m", screen.raw)
    assert "**" not in "\n".join(screen.lines)


@pytest.mark.parametrize(
    ("options", "rendered"),
    [
        ("--markdown --color always", True),
        ("--markdown", False),
        ("--color always", False),
        ("", False),
    ],
)
def test_in_a_pipe_markdown_is_rendered_when_it_and_colour_are_asked_for(
    apiyi: Program, gateway: Gateway, options: str, rendered: bool
) -> None:
    gateway.script(*[ScriptedReply.chat(*MARKDOWN)] * 2)
    apiyi.shell(f"FORCE_COLOR=1 apiyi chat hi {options} | cat >out")
    out = (apiyi.work / "out").read_text()
    assert (out == f"{MARKDOWN}\n") is not rendered
    if rendered:
        assert "\x1b[1mbold\x1b[0m" in out and "**" not in out
        # Nothing but colours: less -R shows it.
        assert "\x1b" not in re.sub("\x1b\\[[0-9;]*m", "", out)
    assert apiyi(f"chat hi {options} -o file.md").code == 0
    assert (apiyi.work / "file.md").read_text() == f"{MARKDOWN}\n"


@pytest.mark.skipif(shutil.which("less") is None, reason="there is no less")
def test_less_shows_what_it_gets_laid_out_and_coloured(
    apiyi: Program, started: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply.chat(*MARKDOWN))
    apiyi.shell("apiyi chat hi --color always --markdown >answer")
    words = ["less", "-R", "-E", "-X", "answer"]
    screen = started.shown(words, 80, "", b"", started.environment({"LESS": None}))
    assert "Some bold text" in screen.lines and "• one" in screen.lines
    assert b"\x1b[1mbold" in screen.raw and b"ESC" not in screen.raw


def test_a_dumb_terminal_gets_markdown_block_by_block(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat(*MARKDOWN))
    screen = apiyi.terminal("chat hi --markdown", env={"TERM": "dumb"})
    assert b"\x1b" not in screen.raw and "Some bold text" in screen.lines


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_in_an_answer_acts_on_the_terminal(
    apiyi: Program, gateway: Gateway, text: str
) -> None:
    gateway.script(ScriptedReply.chat(*text, split="bytes"), ScriptedReply.chat(text))
    plain = apiyi.terminal("chat hi --no-markdown --color never")
    assert plain.code == 0
    shown = plain.raw.decode()
    assert not any((ord(c) < 32 and c not in "\r\n") or 127 <= ord(c) < 160 for c in shown)
    assert not any(c in shown for c in "\u202e\u2066\u2069")
    assert shown.endswith("\r\n") and "\r" not in shown.replace("\r\n", "")
    styled = apiyi.terminal("chat hi").raw.decode()
    for attack in ("\x1b]", "\x1b[2J", "\x1bc", "\x1b[6n", "\x1b[?", "\x08", "\x9b", "\x9d"):
        assert attack not in styled


def test_a_code_block_appears_line_by_line_and_the_scrollback_stays_clean(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply.chat("```\n", *[f"line {k}\n" for k in range(120)], "```\n"))
    screen = apiyi.terminal("chat hi")
    # Whatever moves the cursor up or erases would leave traces in the scrollback.
    assert not any(move in screen.raw for move in (b"\x1b[1A", b"\x1b[A", b"\x1b[2K", b"\x1b[J"))
    history = [
        "".join(row[x].data for x in range(80)).rstrip() for row in screen.rendered.history.top
    ]
    seen = [line for line in [*history, *screen.lines] if line.strip()]
    assert [line.strip() for line in seen] == ["```", *[f"line {k}" for k in range(120)], "```"]


def test_notices_and_errors_are_safe_on_the_terminal(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.error(400, "\x1b]0;evil\x07bad \x1b[31mred\x9b2J"))
    screen = apiyi.terminal("chat hi")
    assert screen.code == 6
    assert b"\x1b]" not in screen.raw and b"\x07" not in screen.raw
    assert b"\x1b[31m" not in screen.raw and "\x9b" not in screen.raw.decode()


def test_json_on_a_terminal_is_the_servers_object(apiyi: Program, gateway: Gateway) -> None:
    import json

    screen = apiyi.terminal("chat hi --json", columns=400)
    assert json.loads(screen.raw)["object"] == "chat.completion"


def test_a_prompt_can_be_typed_and_ended_with_ctrl_d(apiyi: Program, gateway: Gateway) -> None:
    screen = apiyi.terminal("chat -", keys="为什么?\n\x04".encode())
    assert screen.code == 0
    assert gateway.posts[0].json["messages"][-1]["content"] == "为什么?\n"
