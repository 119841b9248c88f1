"""Answers that are wanted whole stream underneath, and are the objects the server sends whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.server import Gateway
from tests.cases.conftest import case as case
from tests.cases.raw import Case, sse

if TYPE_CHECKING:
    from tests.conftest import Program

TOOL = (
    '{"name":"find","parameters":{"type":"object","properties":{"a":{"type":"string"}},'
    '"required":["a"]}}'
)
SCHEMA = '{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}'
LINES = (
    ["chat", "-m", "gpt-4o", "hi"],
    ["chat", "-m", "gpt-4o", "--n", "3", "--logprobs", "--top-logprobs", "2", "hi"],
    ["chat", "-m", "gpt-4o", "--tool", TOOL, "find it"],
    ["chat", "-m", "gpt-4o", "--schema", SCHEMA, "a number"],
    ["chat", "-m", "gpt-5.4-mini", "--reasoning-effort", "high", "think"],
    ["chat", "-m", "claude-sonnet-5", "hi"],
    ["chat", "-m", "claude-sonnet-5", "--protocol", "anthropic", "hi"],
    ["chat", "-m", "claude-sonnet-5", "--protocol", "anthropic", "--tool", TOOL, "find it"],
    ["chat", "-m", "claude-sonnet-5", "--protocol", "anthropic", "--effort", "high", "think"],
    ["chat", "-m", "gemini-3.6-flash", "--protocol", "google", "hi"],
    ["chat", "-m", "gemini-3.6-flash", "--protocol", "google", "--tool", TOOL, "find it"],
    ["chat", "-m", "gemini-3.6-flash", "--protocol", "google", "--effort", "high", "think"],
    ["complete", "-m", "gpt-3.5-turbo-instruct", "--n", "2", "--echo", "once"],
    ["respond", "-m", "gpt-5.4-mini", "hi"],
    ["respond", "-m", "gpt-5.4-mini", "--tool", TOOL, "find it"],
)
IDS = ("id", "call_id", "item_id", "responseId", "created", "created_at", "completed_at")


def plain(value: Any) -> Any:
    """Return a value without what differs between two answers: ids and times."""
    if isinstance(value, dict):
        return {name: plain(field) for name, field in value.items() if name not in IDS}
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_the_object_is_the_one_that_the_server_sends_whole(
    apiyi: Program, gateway: Gateway, line: list[str]
) -> None:
    joined = apiyi([*line, "--json", "-v"])
    whole = apiyi([*line, "--json", "--no-stream", "-v"])
    assert (joined.code, whole.code) == (0, 0), joined.err
    first, second = gateway.posts
    streams = [b'"stream":true' in one.body or "stream" in one.path for one in (first, second)]
    assert streams == [True, False]
    assert "puts the object together" in joined.err
    assert "puts the object together" not in whole.err
    assert plain(json.loads(joined.out)) == plain(json.loads(whole.out))
    assert ids(json.loads(joined.out)) == ids(json.loads(whole.out))


def ids(value: Any) -> list[str]:
    """Return where in an object there are ids and times."""
    if isinstance(value, dict):
        inner = [f"{name}.{at}" for name, field in value.items() for at in ids(field)]
        return sorted([*inner, *(name for name in value if name in IDS)])
    return [at for item in value for at in ids(item)] if isinstance(value, list) else []


@pytest.mark.parametrize(
    "line",
    [
        "chat -m some-new-model",
        "chat -m gpt-4o --no-stream",
        "chat -m gpt-4o -O stream=false",
        'chat -m gpt-4o -O modalities=["text","audio"]',
        "chat -m gpt-4o -O unheard_of=1",
        "chat -m gpt-image-2-vip",
        "chat -m claude-sonnet-5 --protocol anthropic -O mcp_servers=[]",
        "chat -m gemini-3.6-flash --protocol google -O generationConfig.responseModalities=[]",
        "respond -m gpt-5.4-mini -O background=true",
        "complete -m gpt-3.5-turbo-instruct --best-of 2",
        "complete -m gpt-3.5-turbo-instruct -O logprobs=1",
    ],
)
def test_what_could_be_another_object_is_asked_for_whole(apiyi: Program, line: str) -> None:
    ran = apiyi([*line.split(), "--json", "--dry-run", "hi"])
    assert ran.code == 0, ran.err
    request = json.loads(ran.out)
    assert request["body"].get("stream") is not True
    assert "stream_options" not in request["body"]
    assert "streamGenerate" not in request["url"]


def test_the_dry_run_and_the_cache_know_what_is_sent(apiyi: Program, gateway: Gateway) -> None:
    shown = apiyi("chat -m gpt-4o --json --dry-run hi")
    assert apiyi("chat -m gpt-4o --json --cache 1h hi").code == 0
    (sent,) = gateway.posts
    assert json.loads(shown.out)["body"] == sent.json
    assert sent.json["stream_options"] == {"include_usage": True}
    again = apiyi("chat -m gpt-4o --json --cache 1h hi")
    assert json.loads(again.out)["usage"]["total_tokens"] == 11
    assert apiyi("chat -m gpt-4o --cache 1h hi").text.startswith("[sandbox]")
    assert len(gateway.posts) == 1


def test_a_cut_or_failed_stream_exits_as_a_cut_answer_does(apiyi: Program, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[families."fault:*"]\nkind = "chat"\n')
    env = {"APIYI_CONFIG": str(config)}
    for fault, code in (("cut@2", 8), ("nofinish", 8), ("401", 4), ("error@2", 8), ("html", 6)):
        ran = apiyi(f"chat -m fault:{fault} --retries 0 --json -v hi", env=env)
        assert ran.code == code, ran.err
        assert "puts the object together" in ran.err
    ran = apiyi("chat -m fault:cut@4 --retries 0 --json hi", env=env)
    assert json.loads(ran.out)["choices"][0]["finish_reason"] is None


PIECES = (
    {"role": "assistant", "content": "", "new_text": "on"},
    {"new_text": "ce", "new_list": [1]},
    {"content": "hello", "new_list": [2], "new_field": {"a": 10**25}},
    {"function_call": {"name": "find", "arguments": '{"a"'}},
    {"function_call": {"arguments": ":1}"}},
)


def test_fields_that_nobody_knows_are_in_the_object(case: Case) -> None:
    chunks: list[dict[str, Any]] = [
        {"id": "c", "object": "chat.completion.chunk", "model": "gpt-4o", "tier": "x"}
        | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in PIECES
    ]
    chunks[-1]["choices"][0]["finish_reason"] = "stop"
    case.reply(sse(*chunks, {**chunks[0], "choices": [], "usage": {"cost": 0.1}}, "[DONE]"))
    ran = case("chat -m gpt-4o --json hi")
    assert ran.code == 0, ran.err
    whole = json.loads(ran.out)
    assert list(whole) == ["id", "object", "model", "tier", "choices", "usage"]
    assert whole["choices"][0]["message"] == {
        "role": "assistant",
        "content": "hello",
        "new_text": "once",
        "new_list": [1, 2],
        "new_field": {"a": 10**25},
        "function_call": {"name": "find", "arguments": '{"a":1}'},
    }


MESSAGE: tuple[dict[str, Any], ...] = (
    {
        "type": "message_start",
        "message": {"id": "a", "type": "message", "role": "assistant"}
        | {
            "content": [],
            "model": "claude-sonnet-5",
            "stop_reason": None,
            "usage": {"input_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
    {"type": "content_block_delta", "index": 0}
    | {"delta": {"type": "citations_delta", "citation": {"url": "u"}}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1}
    | {"content_block": {"type": "tool_use", "id": "t", "name": "now", "input": {}}},
    {"type": "content_block_delta", "index": 1}
    | {"delta": {"type": "input_json_delta", "partial_json": ""}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
)


def test_sources_and_calls_without_arguments_are_in_a_message(case: Case) -> None:
    case.reply(sse(*MESSAGE, named=True))
    ran = case("chat -m claude-sonnet-5 --protocol anthropic --json hi")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out) == {
        **MESSAGE[0]["message"],
        "content": [
            {"type": "text", "text": "hi", "citations": [{"url": "u"}]},
            {"type": "tool_use", "id": "t", "name": "now", "input": {}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }


ROWS: list[dict[str, Any]] = [
    {"prompt": "one", "model": "gpt-4o"},
    {"prompt": "two", "model": "claude-sonnet-5", "temperature": 0},
    {"prompt": "three", "model": "gpt-4o", "stream": False},
    {"prompt": "four", "model": "sandbox-1"},
    {"custom_id": "w", "method": "POST", "url": "/v1/chat/completions"}
    | {"body": {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}},
]


def test_rows_of_a_batch_stream_underneath_and_stay_the_same_rows(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    ran = apiyi("batch rows.jsonl -o out.jsonl -v")
    assert ran.code == 0, ran.err
    assert ran.err.count("puts the object together") == 1
    plainly = apiyi("batch rows.jsonl -o whole.jsonl --no-stream")
    assert plainly.code == 0, plainly.err
    streams = [b'"stream":true' in one.body or "stream" in one.path for one in gateway.posts]
    assert sum(streams[:5]) == 3 and not any(streams[5:])
    records = [
        {
            record["custom_id"]: (plain(record["response"]["body"]), record["sha"], record["usage"])
            for line in (apiyi.work / name).read_text().splitlines()
            for record in [json.loads(line)]
        }
        for name in ("out.jsonl", "whole.jsonl")
    ]
    assert records[0] == records[1]
    # Whatever way they were sent, they are through.
    assert apiyi("batch rows.jsonl -o out.jsonl --no-stream").code == 0
    assert len(gateway.posts) == 10


def test_a_dry_run_of_a_batch_shows_what_is_sent(apiyi: Program) -> None:
    (apiyi.work / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    shown = [json.loads(line) for line in apiyi("batch rows.jsonl --dry-run").out.splitlines()]
    streams = [one["body"].get("stream") is True or "stream" in one["url"] for one in shown]
    assert streams == [True, True, False, False, True]
