"""Chat completions in the form of generateContent: every option, every kind of message."""

from __future__ import annotations

from typing import Any

import pytest

from apiyi_cli.build.native.google import generate_body
from apiyi_cli.build.schemas.openapi_schema import json_schema, openapi_schema
from apiyi_cli.core.endpoints import generate_path

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "additionalProperties": False,
}
OPENAPI = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "propertyOrdering": ["name"],
}
HI = [{"role": "user", "parts": [{"text": "hi"}]}]


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "gemini-3.6-flash", "messages": [{"role": "user", "content": "hi"}], **fields}


def convert(**fields: Any) -> dict[str, Any]:
    return generate_body(chat(**fields))[0]


def test_the_path_names_the_model_and_the_form() -> None:
    assert generate_path("m", stream=False) == "/v1beta/models/m:generateContent"
    assert generate_path("m", stream=True) == "/v1beta/models/m:streamGenerateContent?alt=sse"
    assert generate_path("a/b?c", stream=False) == "/v1beta/models/a%2Fb%3Fc:generateContent"


@pytest.mark.parametrize(
    ("asked", "config"),
    [
        ({"max_tokens": 7}, {"maxOutputTokens": 7}),
        ({"max_completion_tokens": 7}, {"maxOutputTokens": 7}),
        ({"temperature": 0.5, "top_p": 1.0}, {"temperature": 0.5, "topP": 1.0}),
        ({"n": 2, "seed": 3}, {"candidateCount": 2, "seed": 3}),
        ({"stop": "x"}, {"stopSequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stopSequences": ["x", "y"]}),
        (
            {"presence_penalty": 1.0, "frequency_penalty": 0.5},
            {"presencePenalty": 1.0, "frequencyPenalty": 0.5},
        ),
        ({"logprobs": True, "top_logprobs": 2}, {"responseLogprobs": True, "logprobs": 2}),
        (
            {"reasoning_effort": "high"},
            {"thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True}},
        ),
        (
            {"reasoning_effort": "none"},
            {"thinkingConfig": {"thinkingLevel": "minimal", "includeThoughts": False}},
        ),
        ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
            {"responseMimeType": "application/json", "responseSchema": OPENAPI},
        ),
    ],
)
def test_each_option_has_its_field(asked: dict[str, Any], config: dict[str, Any]) -> None:
    assert convert(**asked) == {"contents": HI, "generationConfig": config}


def test_a_stream_is_asked_for_by_the_path_alone() -> None:
    assert convert(stream=True, stream_options={"include_usage": True}) == {"contents": HI}


def test_system_texts_are_apart_and_neighbours_are_one_turn() -> None:
    body = convert(
        messages=[
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "a"},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": "c"},
        ]
    )
    assert body == {
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
            {"role": "model", "parts": [{"text": "c"}]},
        ],
    }


def test_pictures_sound_and_documents_are_inline() -> None:
    content = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}},
        {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
        {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}},
        {
            "type": "file",
            "file": {"filename": "a", "file_data": "data:application/pdf;base64,QQ=="},
        },
    ]
    (turn,) = convert(messages=[{"role": "user", "content": content}])["contents"]
    assert turn["parts"] == [
        {"text": "look"},
        {"inlineData": {"mimeType": "image/png", "data": "QQ=="}},
        {"fileData": {"mimeType": "image/*", "fileUri": "https://a/b.png"}},
        {"inlineData": {"mimeType": "audio/mp3", "data": "QQ=="}},
        {"inlineData": {"mimeType": "application/pdf", "data": "QQ=="}},
    ]


def test_calls_go_back_with_their_signature_and_results_by_name() -> None:
    call = {
        "id": "c1",
        "function": {"name": "f", "arguments": '{"x": 1}'},
        "extra_content": {"google": {"thought_signature": "SIG"}},
    }
    body = convert(
        messages=[
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "yes"},
        ]
    )
    assert body["contents"][1:] == [
        {
            "role": "model",
            "parts": [{"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "SIG"}],
        },
        {
            "role": "user",
            "parts": [{"functionResponse": {"name": "f", "response": {"result": "yes"}}}],
        },
    ]


def test_a_turn_of_this_api_goes_back_as_it_came() -> None:
    parts = [{"text": "hm", "thought": True}, {"text": "a", "thoughtSignature": "s"}]
    said = {"role": "assistant", "content": "a", "native": {"protocol": "google", "content": parts}}
    body = convert(messages=[*chat()["messages"], said])
    assert body["contents"][1] == {"role": "model", "parts": parts}


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"mode": "AUTO"}),
        ("required", {"mode": "ANY"}),
        ("none", {"mode": "NONE"}),
        (
            {"type": "function", "function": {"name": "f"}},
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
        ),
    ],
)
def test_tools_and_the_choice_among_them(choice: Any, sent: dict[str, Any]) -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}
    body = convert(tools=[tool], tool_choice=choice)
    declared = {"name": "f", "description": "d", "parameters": OPENAPI}
    assert body["tools"] == [{"functionDeclarations": [declared]}]
    assert body["toolConfig"] == {"functionCallingConfig": sent}


def test_what_has_no_field_is_left_out_and_said() -> None:
    body, notes = generate_body(chat(logit_bias={"1": 2}))
    assert body == {"contents": HI}
    assert [str(note) for note in notes] == [
        "logit_bias is left out: generateContent has no such field"
    ]


def test_a_schema_is_told_as_openapi_can_say_it() -> None:
    schema = {
        "$defs": {"leaf": {"type": "object", "properties": {"v": {"const": 1}}}},
        "type": "object",
        "properties": {
            "a": {"type": ["string", "null"], "minLength": 1},
            "b": {"$ref": "#/$defs/leaf", "description": "B"},
            "c": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "d": {"type": "array", "items": {"oneOf": [{"type": "string"}, {"type": "number"}]}},
            "e": {"allOf": [{"type": "string"}], "title": "E"},
        },
        "required": ["a"],
    }
    assert openapi_schema(schema) == {
        "type": "object",
        "properties": {
            "a": {"type": "string", "nullable": True, "minLength": 1},
            "b": {
                "type": "object",
                "properties": {"v": {"enum": [1]}},
                "propertyOrdering": ["v"],
                "description": "B",
            },
            "c": {"type": "integer", "nullable": True},
            "d": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}]}},
            "e": {"type": "string", "title": "E"},
        },
        "propertyOrdering": ["a", "b", "c", "d", "e"],
        "required": ["a"],
    }


def test_a_schema_that_refers_to_itself_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    assert openapi_schema({"$defs": {"node": node}, "$ref": "#/$defs/node"})["type"] == "object"


def test_a_schema_of_google_becomes_json_schema() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "name": {"type": "STRING", "minLength": "1", "description": "x"},
            "age": {"type": "INTEGER", "nullable": True},
            "tags": {"type": "ARRAY", "items": {"type": "STRING", "enum": ["a", "b"]}},
            "odd": {"type": "WHATEVER", "anyOf": [], "items": 3},
        },
        "required": ["name"],
        "propertyOrdering": ["name", "age"],
    }
    assert json_schema(schema) == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "age": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
            "odd": {},
        },
        "required": ["name"],
    }
    assert json_schema(None) == json_schema([]) == {}
