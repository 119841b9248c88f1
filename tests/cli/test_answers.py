"""Answers of a form that was asked for: function calls and schemas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

HOSTILE = "\x1b]52;c;AAAA\x07\x1b[2J\x9b\u202e\0"
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def whole(text: str | None, finish: str = "stop", **message: Any) -> ScriptedReply:
    """Return an answer in one piece."""
    said = {"role": "assistant", "content": text, **message}
    choice = {"index": 0, "message": said, "finish_reason": finish}
    return ScriptedReply.json(
        {"id": "c1", "object": "chat.completion", "choices": [choice], "usage": USAGE}
    )


WEATHER = (
    '{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}'
)


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_a_function_call_is_one_object_a_line_after_the_text(
    apiyi: Program, gateway: Gateway, stream: str
) -> None:
    arguments = {"f": '{"x":1.10}', "g": '{"x', "h": ""}
    calls = [
        {"index": k, "id": f"c{k}", "type": "function", "function": {"name": n, "arguments": a}}
        for k, (n, a) in enumerate(arguments.items())
    ]
    reply = (
        ScriptedReply.chat("Let me see.", {"tool_calls": calls}, finish="tool_calls")
        if stream == "--stream"
        else whole("Let me see.", "tool_calls", tool_calls=calls)
    )
    gateway.script(reply)
    ran = apiyi(["chat", "hi", stream, "--tool", WEATHER])
    assert ran.code == 0
    assert ran.text.splitlines() == [
        "Let me see.",
        '{"id":"c0","name":"f","arguments":{"x":1.10}}',
        '{"id":"c1","name":"g","arguments":"{\\"x"}',
        '{"id":"c2","name":"h","arguments":{}}',
    ]


def test_tools_come_from_files_arrays_and_wrapped_schemas(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "one.json").write_text(WEATHER)
    wrapped = {"type": "function", "function": {"name": "b", "strict": True}}
    (apiyi.work / "two").write_text(json.dumps([wrapped, {"name": "c"}]))
    ran = apiyi("chat 'use every tool' --tool one.json --tool @two")
    assert ran.code == 0
    sent = gateway.posts[0].json["tools"]
    assert [tool["function"]["name"] for tool in sent] == ["weather", "b", "c"]
    assert sent[1] == wrapped
    calls = [json.loads(line) for line in ran.out.splitlines()]
    assert [call["name"] for call in calls] == ["weather", "b", "c"]
    assert list(calls[0]["arguments"]) == ["city"]


SCHEMA = {
    "title": "a person",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
}


@pytest.mark.parametrize("form", ["schema.json", "@schema.json", json.dumps(SCHEMA)])
def test_a_schema_is_sent_and_the_answer_fits_it(
    apiyi: Program, gateway: Gateway, form: str
) -> None:
    (apiyi.work / "schema.json").write_text(json.dumps(SCHEMA))
    ran = apiyi(["chat", "hi", "--schema", form])
    assert ran.code == 0
    assert set(ran.json) == {"name", "age"}
    sent = gateway.posts[0].json["response_format"]
    assert sent == {
        "type": "json_schema",
        "json_schema": {"name": "a_person", "schema": SCHEMA},
    }


def test_a_schema_in_short_is_strict(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(["chat", "hi", "--schema", "name, age int, tags list, bio: in a word"])
    assert ran.code == 0
    assert isinstance(ran.json["age"], int) and isinstance(ran.json["tags"], list)
    sent = gateway.posts[0].json["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sent["schema"]["additionalProperties"] is False
    assert sent["schema"]["required"] == ["name", "age", "tags", "bio"]
    assert sent["schema"]["properties"]["bio"] == {"type": "string", "description": "in a word"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ('{"name":"a","age":-1}', "at age"),
        ('{"name":"a"}', "'age' is a required property"),
        ("Sure! {}", "it is not JSON"),
        ("", "nothing to print"),
    ],
)
@pytest.mark.parametrize("form", ["", "--json", "--ndjson"])
def test_an_answer_that_does_not_fit_is_printed_all_the_same_and_exits_8(
    apiyi: Program, gateway: Gateway, answer: str, why: str, form: str
) -> None:
    gateway.script(whole(answer) if form == "--json" else ScriptedReply.chat(answer))
    ran = apiyi(["chat", "hi", "--schema", json.dumps(SCHEMA), *form.split()])
    assert ran.code == 8
    assert why in ran.err
    assert json.dumps(answer)[1:-1] in ran.text if form else ran.text.rstrip("\n") == answer
