"""`apiyi models`: the gateway's list, searched and shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


def test_in_a_pipe_there_is_one_id_a_line_sorted(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("models", env={"APIYI_MODEL": None})
    names = ran.text.splitlines()
    assert ran.code == 0
    assert "gpt-4o" in names
    assert names == sorted(names, key=str.lower)
    assert [(received.method, received.path) for received in gateway.ledger] == [
        ("GET", "/v1/models")
    ]
    assert gateway.ledger[0].body == b""
    assert "content-length" not in gateway.ledger[0].headers


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("gpt 4o mini", {"gpt-4o-mini", "gpt-4o-mini-transcribe", "gpt-4o-mini-tts"}),
        ("mini 4.1", {"gpt-4.1-mini"}),
        ("'SONNET claude'", {"claude-sonnet-4", "claude-sonnet-4-20250514", "claude-sonnet-5"}),
    ],
)
def test_all_words_of_a_query_must_occur_in_any_order(
    apiyi: Program, query: str, found: set[str]
) -> None:
    assert set(apiyi(f"models {query}").text.split()) == found


def test_a_query_that_finds_nothing_names_the_nearest(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("models gpt4o")
    assert (ran.code, ran.out) == (6, b"")
    assert "try: apiyi models gpt-4o" in ran.err
    assert len(gateway.ledger) == 1


def test_json_is_the_servers_list_and_ndjson_its_objects(apiyi: Program, gateway: Gateway) -> None:
    body = b'{ "data": [{"id":"b","x":1.10},\n{"id":"a","owned_by":"me"}], "object":"list" }'
    gateway.script(*[ScriptedReply(body=body)] * 4)
    assert apiyi("models --json").out == body.replace(b"\n", b"") + b"\n"
    rows = [json.loads(line) for line in apiyi("models --ndjson").out.splitlines()]
    assert rows == [{"id": "a", "owned_by": "me"}, {"id": "b", "x": 1.10}]
    assert apiyi("models a --json").json == {
        "object": "list",
        "data": [{"id": "a", "owned_by": "me"}],
    }
    assert apiyi("models --jq '.data[].id'").text == "b\na\n"


def test_one_model_is_shown_whole(apiyi: Program) -> None:
    shown = apiyi("models show gpt-4o").json
    assert (shown["id"], shown["owned_by"]) == ("gpt-4o", "openai")


def test_a_model_that_is_not_there_is_told_with_the_nearest(apiyi: Program) -> None:
    ran = apiyi("models show gpt-4O")
    assert ran.code == 6
    assert "apiyi models show gpt-4o" in ran.err
    assert apiyi("models show").code == 2
    assert apiyi("models show a b").code == 2


def test_on_a_terminal_there_is_a_table_without_a_column_of_one_date(
    apiyi: Program, gateway: Gateway
) -> None:
    screen = apiyi.terminal("models gpt-4o", columns=60)
    assert screen.code == 0
    assert "model" in screen.lines[0] and "owner" in screen.lines[0]
    assert "created" not in screen.lines[0]
    assert any(line.split() == ["gpt-4o", "openai"] for line in screen.lines)


def test_odd_entries_are_lived_with(apiyi: Program, gateway: Gateway) -> None:
    odd = [{"id": "b/ä 中"}, {"id": "a"}, {"id": "a"}, {"id": 7}, {"id": " "}, None, {}, "x"]
    gateway.script(ScriptedReply.json({"data": odd}))
    assert apiyi("models").text == "a\nb/ä 中\n"


def test_names_from_the_server_cannot_drive_the_terminal(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(
        ScriptedReply.json({"data": [{"id": "a\x1b]0;x\x07", "owned_by": "\x1b[2J\u202e"}]})
    )
    screen = apiyi.terminal("models --color never")
    assert screen.code == 0
    assert b"\x1b" not in screen.raw
    assert "\u202e" not in screen.raw.decode()


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (ScriptedReply.json({"data": None}), 8),
        (ScriptedReply.json({"data": []}), 8),
        (ScriptedReply(), 8),
        (ScriptedReply.text("<!doctype html><title>home</title>", "text/html"), 6),
        (ScriptedReply.json({"success": False, "message": "无权进行此操作，access token 无效"}), 4),
        (ScriptedReply.error(401, "无效的令牌"), 4),
    ],
    ids=["null", "none", "empty", "page", "success false", "401"],
)
def test_a_list_without_models_is_an_error(
    apiyi: Program, gateway: Gateway, reply: ScriptedReply, code: int
) -> None:
    gateway.script(reply)
    ran = apiyi("models --retries 0")
    assert (ran.code, ran.out) == (code, b"")


def test_the_list_is_kept_for_completion(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.json({"data": [{"id": "b"}, {"id": "a\nc"}, {"id": "a"}]}))
    assert apiyi("models").code == 0
    (kept,) = (apiyi.home / "cache" / "apiyi" / "models").iterdir()
    assert kept.read_text() == "a\nb\n"
    assert kept.stat().st_mode & 0o077 == 0


def test_a_cache_that_cannot_be_written_does_not_matter(apiyi: Program) -> None:
    (apiyi.home / "cache").write_text("not a folder")
    assert apiyi("models").code == 0


def test_a_dry_run_sends_nothing(apiyi: Program, gateway: Gateway) -> None:
    shown = apiyi("models --dry-run", env={"APIYI_API_KEY": None}).json
    assert (shown["method"], shown["url"]) == ("GET", f"{gateway.base_url}/models")
    assert shown["body"] is None
    assert gateway.ledger == []


@pytest.mark.parametrize(
    "odd",
    [
        '{"id":"half\\ud83d"}',
        '{"id":7}',
        '{"id":null}',
        "{}",
        "null",
        "[1]",
        '"text"',
        '{"id":"model-7"}',
        '{"id":"a\\nb"}',
        '{"id":"x","created":[]}',
        '{"id":"x","created":1e300,"owned_by":{}}',
        '{"id":"x","created":99999999999999999999}',
    ],
)
def test_one_odd_model_takes_no_other_away(apiyi: Program, gateway: Gateway, odd: str) -> None:
    listed = [f'{{"id":"model-{number}","created":{number}}}' for number in range(200)]
    listed.insert(100, odd)
    body = f'{{"object":"list","data":[{",".join(listed)}]}}'
    gateway.script(*[ScriptedReply(body=body.encode())] * 4)
    ran = apiyi("models")
    assert ran.code == 0, ran.err
    names = ran.text.splitlines()
    assert {f"model-{number}" for number in range(200)} <= set(names)
    assert len(names) == len(set(names)) <= 201
    assert apiyi("models --ndjson").code == 0
    assert apiyi("models --json").code == 0
    assert apiyi.terminal("models").code == 0
