"""The argv of a request: nothing in a value, a prompt or a file becomes an option or a path."""

from __future__ import annotations

from typing import Any

import pytest

from apiyi_cli.cli.app import load_command
from apiyi_cli.errors import UsageError
from apiyi_cli.playground.argv import FormTable, build_line, read_page_request
from apiyi_cli.playground.policy import PAGE_COMMANDS
from apiyi_cli.playground.shell_words import format_line
from apiyi_cli.playground.uploads import safe_name

GROUPS = {name: load_command(name).callback.groups for name in PAGE_COMMANDS}
TABLE = FormTable(GROUPS)
NAMES = {"a1": "photo.png", "b2": "talk.wav"}


def argv(mode: str = "run", **request: Any) -> tuple[str, ...]:
    return build_line(read_page_request({"command": "chat", **request}), TABLE, NAMES, mode).argv


@pytest.mark.parametrize(
    "request_",
    [
        {"options": {"run": ["x=touch /tmp/x"]}},
        {"options": {"yes": True}},
        {"options": {"output": "/tmp/x"}},
        {"options": {"-o": "/tmp/x"}},
        {"options": {"--output": "/tmp/x"}},
        {"options": {"force": True}},
        {"options": {"save": "/tmp/{n}"}},
        {"options": {"key_file": "/etc/passwd"}},
        {"options": {"base_url": "https://evil.example/v1"}},
        {"options": {"proxy": "http://evil.example"}},
        {"options": {"cacert": "/tmp/x"}},
        {"options": {"mcp": ["sh -c x"]}},
        {"options": {"config": "/tmp/x"}},
        {"options": {"dry_run": True}},
        {"options": {"code": "curl"}},
        {"options": {"allow_private": True}, "command": "image"},
        {"options": {"header": ["@/etc/passwd"]}},
        {"options": {"header": ["X: @/etc/passwd"]}},
        {"options": {"system": "@/etc/passwd"}},
        {"options": {"system": " @/etc/passwd"}},
        {"options": {"option": ["x=@/etc/passwd"]}},
        {"options": {"option": ["@/etc/passwd"]}},
        {"options": {"schema": "@/etc/passwd"}},
        {"options": {"schema": "/etc/passwd"}},
        {"options": {"schema": "../x"}},
        {"options": {"schema": "~/x"}},
        {"options": {"schema": "a/b"}},
        {"options": {"schema": "x.json"}},
        {"options": {"schema": "C:x"}},
        {"options": {"tool": ["/etc/passwd"]}},
        {"options": {"tool": ["@x"]}},
        {"options": {"attach": ["/etc/passwd"]}},
        {"options": {"attach": ["photo.png"]}},
        {"options": {"attach": ["file:///etc/passwd"]}},
        {"options": {"attach": ["-"]}},
        {"options": {"file": ["/etc/passwd"]}},
        {"options": {"file": ["-"]}},
        {"options": {"messages": "/etc/passwd"}},
        {"options": {"messages": "https://evil.example"}},
        {"options": {"mask": "/etc/passwd"}, "command": "image"},
        {"options": {"vectors": "/etc/passwd"}, "command": "rank"},
        {"options": {"field": ["x=@/etc/passwd"]}, "command": "api", "prompt": "models"},
        {"options": {"typed_field": ["x=@/etc/passwd"]}, "command": "api", "prompt": "models"},
        {"options": {"input": "/etc/passwd"}, "command": "api", "prompt": "models"},
        {"options": {"instructions": "@/etc/passwd"}, "command": "speak"},
        {"options": {"prompt": "@/etc/passwd"}, "command": "transcribe"},
        {"options": {"seed": "1\0--run"}},
        {"options": {"seed": "\ud800"}},
        {"options": {"seed": {"a": 1}}},
        {"options": {"seed": None, "stream": "yes"}},
        {"options": {"json_mode": False}},
        {"options": {"stop": [["a"]]}},
        {"command": "auth"},
        {"command": "batch"},
        {"command": "--version"},
        {"command": "chat --yes"},
        {"command": ""},
        {"method": "POST", "command": "api", "prompt": "chat/completions"},
        {"method": "get", "command": "api", "prompt": "models"},
        {"method": "--input", "command": "api", "prompt": "models"},
        {"files": {"attach": ["/etc/passwd"]}},
        {"files": {"temperature": ["a1"]}},
        {"files": {"": ["a1"]}},
        {"files": {"attach": "a1"}},
        {"prompt": "a\0b"},
        {"prompt": ["a"]},
        {"stdin": "x"},
        {"argv": ["--yes"]},
        {"extra": 1},
    ],
    ids=str,
)
def test_what_is_not_allowed_is_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        argv(**request_)


@pytest.mark.parametrize("text", ["--yes", "-o/tmp/x", "--", "-", "-- --run x=y", "@/etc/passwd"])
def test_a_prompt_is_one_word_after_two_dashes(text: str) -> None:
    words = argv(prompt=text, options={"temperature": "1"})
    assert words == ("chat", "--temperature=1", "--", text)


@pytest.mark.parametrize("value", ["--yes", "-o", "--", "x --run y", "$(touch x)", "'; touch x"])
def test_a_value_stays_within_its_option(value: str) -> None:
    words = argv(prompt="hi", options={"session": value, "stop": [value, "end"]})
    assert words[1:-2] == (f"--stop={value}", "--stop=end", f"--session={value}") or words[
        1:-2
    ] == (f"--session={value}", f"--stop={value}", "--stop=end")
    assert words[-2:] == ("--", "hi")


def test_switches_are_spelled_on_or_off_and_only_what_was_touched_is_sent() -> None:
    assert argv(prompt="hi") == ("chat", "--", "hi")
    assert "--no-stream" in argv(prompt="hi", options={"stream": False})
    assert "--stream" in argv(prompt="hi", options={"stream": True})
    assert argv(prompt="hi", options={"stream": None}) == ("chat", "--", "hi")


def test_files_are_uploads_under_their_own_names() -> None:
    assert argv(files={"attach": ["a1"]}, prompt="?")[1] == "--attach=photo.png"
    assert argv(command="transcribe", files={"": ["b2"]}) == ("transcribe", "--", "talk.wav")
    assert argv(options={"attach": ["https://a.example/x.png"]})[1] == (
        "--attach=https://a.example/x.png"
    )


def test_texts_stand_where_a_file_may_stand_too() -> None:
    assert argv(options={"schema": "name, age int, bio: one/two"})[1].startswith("--schema=name")
    assert argv(options={"schema": '{"type": "object"}', "tool": ['{"name": "f"}']})


def test_what_the_server_adds_comes_after_the_command() -> None:
    request = read_page_request({"command": "chat", "prompt": "hi", "language": "go"})
    assert build_line(request, TABLE, {}, "run").executed[:4] == (
        *("chat", "--ndjson", "--verbose", "--color=never"),
    )
    assert build_line(request, TABLE, {}, "dry-run").executed[:2] == ("chat", "--dry-run")
    assert build_line(request, TABLE, {}, "code").executed[:2] == ("chat", "--code=go")


def test_a_long_prompt_and_a_word_of_video_go_through_standard_input() -> None:
    line = build_line(read_page_request({"command": "chat", "prompt": "x" * 200_000}), TABLE, {})
    assert line.argv == ("chat",) and line.stdin == "x" * 200_000
    line = build_line(read_page_request({"command": "video", "prompt": "resume"}), TABLE, {})
    assert (line.argv, line.stdin) == (("video",), "resume")


def test_api_writes_only_where_that_was_allowed() -> None:
    request = read_page_request({"command": "api", "method": "POST", "prompt": "x"})
    assert build_line(request, FormTable(GROUPS, allows_api=True), {}).argv == (
        *("api", "--", "POST", "x"),
    )


def test_each_shell_gets_its_own_quotes() -> None:
    request = read_page_request({"command": "rank", "prompt": "it's", "stdin": "a\nEOF\n"})
    line = build_line(request, TABLE, {})
    assert format_line(line, "bash") == "apiyi rank -- 'it'\"'\"'s' <<'EOF_'\na\nEOF\nEOF_"
    assert format_line(line, "fish") == "printf %s 'a\nEOF\n' | apiyi rank -- 'it\\'s'"
    assert format_line(line, "powershell") == "'a\nEOF\n' | apiyi rank -- 'it''s'"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("photo.png", "photo.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\a b.png", "a_b.png"),
        ("-rf.png", "rf.png"),
        (".bashrc", "bashrc"),
        ("@file", "file"),
        ("图片 1.png", "图片_1.png"),
        ("", "file"),
        ("a\nb.py", "a_b.py"),
        ("x" * 300 + ".png", "x" * 76 + ".png"),
    ],
)
def test_a_file_name_is_one_plain_word(name: str, safe: str) -> None:
    assert safe_name(name) == safe
