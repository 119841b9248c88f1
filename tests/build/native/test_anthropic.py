"""Chat completions in the form of the Messages API: every option, every kind of message."""

from __future__ import annotations

from typing import Any

import pytest

from apiyi_cli.build.native.anthropic import messages_body, schema_name
from apiyi_cli.core.families import find_family
from apiyi_cli.errors import UsageError

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}


def chat(model: str = "claude-sonnet-4", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], **fields}


def convert(body: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return messages_body(body, find_family(body["model"]), **settings)[0]


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, {"max_tokens": 8192}),
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"max_completion_tokens": 7}, {"max_tokens": 7}),
        ({"temperature": 0.5, "top_p": 1.0}, {"temperature": 0.5, "top_p": 1.0}),
        ({"stop": ["x"]}, {"stop_sequences": ["x"]}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"user": "me"}, {"metadata": {"user_id": "me"}}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
    ],
)
def test_each_option_has_its_field(asked: dict[str, Any], sent: dict[str, Any]) -> None:
    plain = {"model": "claude-sonnet-4", "max_tokens": 8192, "messages": chat()["messages"]}
    assert convert(chat(**asked)) == {**plain, **sent}


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "rest"),
    [
        (
            "claude-opus-5",
            "high",
            {"type": "adaptive", "display": "summarized"},
            {"effort": "high"},
        ),
        (
            "claude-opus-4-8",
            "max",
            {"type": "adaptive", "display": "summarized"},
            {"effort": "max"},
        ),
        ("claude-opus-5", "none", {"type": "disabled"}, None),
        ("claude-sonnet-4-5", "low", {"type": "enabled", "budget_tokens": 2048}, None),
    ],
)
def test_effort_is_told_in_the_words_of_the_family(
    model: str, effort: str, thinking: dict[str, Any], rest: dict[str, Any] | None
) -> None:
    body = convert(chat(model, reasoning_effort=effort))
    assert body["thinking"] == thinking
    assert body.get("output_config") == rest
    assert body["max_tokens"] > thinking.get("budget_tokens", 0)


def test_system_texts_stand_before_the_turns_and_neighbours_are_one_turn() -> None:
    body = convert(
        chat(
            messages=[
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "a"},
                {"role": "developer", "content": [{"type": "text", "text": "in French"}]},
                {"role": "user", "content": "b"},
                {"role": "assistant", "content": "c"},
            ]
        )
    )
    assert body["system"] == "be brief\n\nin French"
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "c"},
    ]


def test_calls_and_their_results_become_blocks() -> None:
    call = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1.10}'}}
    body = convert(
        chat(
            messages=[
                {"role": "user", "content": "go"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "t1", "content": "yes"},
                {"role": "tool", "tool_call_id": "t2", "content": "no"},
                {"role": "user", "content": "and?"},
            ]
        )
    )
    _, said, results = body["messages"]
    (block,) = said["content"]
    assert (block["type"], block["id"], block["name"]) == ("tool_use", "t1", "f")
    assert float(block["input"]["x"]) == 1.1
    assert results == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": "yes"},
            {"type": "tool_result", "tool_use_id": "t2", "content": "no"},
            {"type": "text", "text": "and?"},
        ],
    }


def test_a_turn_of_this_api_goes_back_as_it_came() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "a"},
    ]
    said = {
        "role": "assistant",
        "content": "a",
        "native": {"protocol": "anthropic", "content": blocks},
    }
    body = convert(chat(messages=[*chat()["messages"], said]))
    assert body["messages"][1] == {"role": "assistant", "content": blocks}


def test_pictures_and_documents_become_sources() -> None:
    body = convert(
        chat(
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}},
                        {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
                        {
                            "type": "file",
                            "file": {
                                "filename": "a.pdf",
                                "file_data": "data:application/pdf;base64,QQ==",
                            },
                        },
                    ],
                }
            ]
        )
    )
    assert body["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QQ=="}},
        {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "QQ=="},
            "title": "a.pdf",
        },
    ]


TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        ({"type": "function", "function": {"name": "f"}}, {"type": "tool", "name": "f"}),
    ],
)
def test_tools_and_the_choice_among_them(choice: Any, sent: dict[str, Any]) -> None:
    body = convert(chat(tools=[TOOL], tool_choice=choice, parallel_tool_calls=False))
    assert body["tools"] == [{"name": "f", "description": "d", "input_schema": SCHEMA}]
    assert body["tool_choice"] == {**sent, "disable_parallel_tool_use": True}


def wanted(**fields: Any) -> dict[str, Any]:
    given = {"name": "person", "schema": SCHEMA, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": given}, **fields}


def test_a_schema_is_a_function_that_the_model_must_call() -> None:
    body = convert(chat(**wanted()))
    assert body["tools"] == [
        {"name": "person", "description": "Give the answer.", "input_schema": SCHEMA}
    ]
    assert body["tool_choice"] == {"type": "tool", "name": "person"}
    assert schema_name(chat(**wanted())) == "person"
    assert schema_name(chat()) is None


@pytest.mark.parametrize(
    ("model", "fields"),
    [("claude-fable-5", {}), ("claude-opus-5", {"reasoning_effort": "high"})],
)
def test_it_is_only_offered_where_it_cannot_be_forced(model: str, fields: dict[str, Any]) -> None:
    assert convert(chat(model, **wanted(**fields)))["tool_choice"] == {"type": "auto"}


def test_json_mode_is_said_in_words() -> None:
    body = convert(chat(response_format={"type": "json_object"}))
    assert body["system"] == "Answer with one JSON object and nothing else."


def test_the_cache_keeps_the_system_text_and_the_files() -> None:
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "FILE\n\nask"}]
    body = convert(chat(messages=messages), cache_prompt=True, cached_chars=4)
    mark = {"cache_control": {"type": "ephemeral"}}
    assert body["system"] == [{"type": "text", "text": "S", **mark}]
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "FILE", **mark},
        {"type": "text", "text": "\n\nask"},
    ]


def test_what_has_no_field_is_left_out_and_said() -> None:
    body, notes = messages_body(chat(seed=1, logprobs=True), find_family("claude-sonnet-4"))
    assert "seed" not in body and "logprobs" not in body
    assert [str(note) for note in notes] == [
        "seed is left out: /v1/messages has no such field",
        "logprobs is left out: /v1/messages has no such field",
    ]


@pytest.mark.parametrize(
    "body",
    [
        chat(n=2),
        chat(
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
                    ],
                }
            ]
        ),
    ],
)
def test_what_the_api_cannot_carry_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        convert(body)
    assert caught.value.hint == "--protocol openai"
