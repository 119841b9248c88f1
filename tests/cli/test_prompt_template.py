"""Templates, the editor, aliases of models, tags, and the last answer again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.output.user_terminal import has_user_terminal
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

TRANSLATE = """---
# how we translate
model: gpt-4o-mini
system: You translate.
temperature: 0.2
stop: ["X", "Y"]
---
Into {lang}, please:

{input}
"""


def template(apiyi: Program, name: str, text: str) -> Path:
    path = apiyi.home / "config" / "apiyi" / "templates" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def body(apiyi: Program, line: str, stdin: bytes = b"", **env: str | None) -> dict[str, Any]:
    ran = apiyi(f"{line} --dry-run", stdin=stdin, env=env)
    assert ran.code == 0, ran.err
    shown: dict[str, Any] = ran.json["body"]
    return shown


def editor(apiyi: Program, script: str) -> str:
    path = apiyi.work / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_template_gives_text_and_options_and_the_line_has_the_last_word(apiyi: Program) -> None:
    template(apiyi, "tr", TRANSLATE)
    sent = body(apiyi, "chat -t tr -p lang=German hello")
    assert sent["messages"] == [
        {"role": "system", "content": "You translate."},
        {"role": "user", "content": "Into German, please:\n\nhello"},
    ]
    assert (sent["model"], sent["temperature"], sent["stop"]) == ("gpt-4o-mini", 0.2, ["X", "Y"])
    sent = body(apiyi, "chat -t tr -p lang=fr -m gpt-4.1 --temperature 1 -s S", b"from a pipe")
    assert sent["model"] == "gpt-4.1" and sent["temperature"] == 1
    assert sent["messages"][0]["content"] == "S"
    assert sent["messages"][1]["content"] == "Into fr, please:\n\nfrom a pipe"
    sent = body(apiyi, "respond -t tr -p lang=fr hello")
    assert sent["model"] == "gpt-4o-mini" and "fr, please:\n\nhello" in str(sent["input"])


def test_front_matter_that_does_not_end_is_an_error_not_a_prompt(apiyi: Program) -> None:
    for text in ("---\nmodel: gpt-4o\nSay it.\n", "+++\nmodel = 'gpt-4o'\nSay it.\n"):
        path = template(apiyi, "open", text)
        ran = apiyi("chat -t open hi")
        assert ran.code == 10
        assert f"{path}: no line of {text[:3]} ends its front matter" in ran.err
    # A line across the page is none.
    template(apiyi, "rule", "---\nSay it.\n")
    assert body(apiyi, "chat -t rule")["messages"][-1]["content"] == "---\nSay it."


def test_toml_front_matter_and_a_template_without_places(apiyi: Program, gateway: Gateway) -> None:
    template(apiyi, "two", '+++\nmax-tokens = 5\nmodel = "gpt-4o"\n+++\nSay it.\n')
    assert body(apiyi, "chat -t two")["messages"][-1]["content"] == "Say it."
    assert body(apiyi, "chat -t two more")["messages"][-1]["content"] == "Say it.\n\nmore"
    assert body(apiyi, "complete -t two -m davinci-002")["prompt"] == "Say it."
    assert apiyi("chat -t two").text.startswith("[sandbox] You said: Say it.")


@pytest.mark.parametrize(
    ("text", "line", "why", "code"),
    [
        (TRANSLATE, "chat -t tr hello", "-p lang=VALUE", 2),
        (TRANSLATE, "chat -t tr -p lang=x", "wants a prompt", 2),
        (TRANSLATE, "chat -t tr -p lang=x -p other=y z", "no {other}", 2),
        (TRANSLATE, "chat -t trr x", "did you mean tr?", 2),
        (TRANSLATE, "chat -t ../tr x", "there is no template", 2),
        (TRANSLATE, "chat -p a=b x", "there is no template", 2),
        ("---\nmodle: x\n---\n{input}", "chat -t tr x", "did you mean model?", 10),
        ("---\nyes: true\n---\n{input}", "chat -t tr x", "cannot set yes", 10),
        ("---\nbase_url: http://e.org\n---\n{input}", "chat -t tr x", "cannot set base_url", 10),
        ("---\ntemperature: hot\n---\n{input}", "chat -t tr x", "expected a number", 10),
    ],
)
def test_a_mistake_with_a_template_is_named_and_nothing_is_sent(
    apiyi: Program, gateway: Gateway, text: str, line: str, why: str, code: int
) -> None:
    template(apiyi, "tr", text)
    ran = apiyi(line)
    assert ran.code == code and why in ran.err
    assert gateway.ledger == []


def test_the_editor_changes_the_prompt(apiyi: Program, gateway: Gateway) -> None:
    own = editor(apiyi, 'echo "and more" >> "$1"')
    assert body(apiyi, "chat -e hello", EDITOR=own)["messages"][0]["content"] == "helloand more"
    assert body(apiyi, "chat -e", EDITOR=own)["messages"][0]["content"] == "and more"
    empty = apiyi("chat -e hello", env={"EDITOR": editor(apiyi, ': > "$1"')})
    assert empty.code == 2 and "edited prompt is empty" in empty.err
    failed = apiyi("chat -e hello", env={"EDITOR": editor(apiyi, "exit 3")})
    assert failed.code == 10 and "ended with status 3" in failed.err
    assert apiyi("chat -e hello", env={"EDITOR": "/nowhere"}).code == 10
    assert gateway.ledger == []


def test_an_alias_is_a_model_wherever_one_is_named(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("config set alias.fast gpt-4o-mini").code == 0
    assert apiyi("config get alias.fast").text == "gpt-4o-mini\n"
    assert body(apiyi, "chat -m fast hi")["model"] == "gpt-4o-mini"
    assert body(apiyi, "respond hi", APIYI_MODEL="fast")["model"] == "gpt-4o-mini"
    assert apiyi("config set chat.model fast").code == 0
    assert body(apiyi, "chat hi", APIYI_MODEL=None)["model"] == "gpt-4o-mini"
    refused = apiyi("image -m fast x")
    assert refused.code == 2 and "a text model" in refused.err
    rows = '{"prompt": "a", "model": "fast"}\n'
    rows += '{"custom_id": "b", "method": "POST", "url": "/v1/chat/completions", "body": '
    rows += '{"model": "fast", "messages": [{"role": "user", "content": "b"}]}}\n'
    (apiyi.work / "rows.jsonl").write_text(rows)
    lines = apiyi("batch rows.jsonl --dry-run").text.splitlines()
    assert [json.loads(line)["body"]["model"] for line in lines] == ["gpt-4o-mini"] * 2
    compared = apiyi("chat -m fast -m gpt-4o hi").text.splitlines()
    assert {json.loads(line)["model"] for line in compared} == {"gpt-4o-mini", "gpt-4o"}
    assert apiyi("models show fast").json["id"] == "gpt-4o-mini"
    names = apiyi.home / "cache" / "apiyi" / "models" / "default"
    assert names.read_text().startswith("fast\n")
    assert apiyi("config set alias.slow fast").code == 2


@pytest.mark.skipif(has_user_terminal(), reason="this session has a terminal")
def test_vi_is_not_started_where_nobody_could_use_it(apiyi: Program, gateway: Gateway) -> None:
    vi = apiyi.work / "bin" / "vi"
    vi.parent.mkdir()
    vi.write_text("#!/bin/sh\ntouch started\n")
    vi.chmod(0o755)
    ran = apiyi("chat -e hello", env={"PATH": f"{vi.parent}:/usr/bin:/bin"})
    assert (ran.code, gateway.posts) == (10, [])
    assert "there is no terminal for it" in ran.err and "set EDITOR" in ran.err
    assert not (apiyi.work / "started").exists()


def test_a_tag_is_in_the_ledger(apiyi: Program) -> None:
    for line in ("chat a --tag trip", "chat b --tag trip", "embed c --tag work", "chat d"):
        assert apiyi(line).code == 0
    rows = map(json.loads, apiyi("usage --by tag").text.splitlines())
    assert {row["tag"]: row["requests"] for row in rows} == {"trip": 2, "work": 1, "": 1}


def test_the_last_answer_is_printed_again(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("chat --session trip first").code == 0
    asked = len(gateway.posts)
    assert apiyi("chat --last").text == "[sandbox] You said: first\n"
    assert apiyi("chat --last --json").json["role"] == "assistant"
    assert len(gateway.posts) == asked
    screen = apiyi.terminal("chat hello there")
    assert screen.code == 0
    none = apiyi("chat --last", env={"XDG_STATE_HOME": str(apiyi.work / "new")})
    assert none.code == 2 and "no conversation" in none.err
