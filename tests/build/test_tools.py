"""Function schemas in the forms that users have at hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiyi_cli.build.tools import parse_arguments, parse_tool_choice, read_tools
from apiyi_cli.errors import UsageError

PARAMETERS = {"type": "object", "properties": {"x": {"type": "integer"}}}


@pytest.mark.parametrize(
    "value",
    [
        {"name": "f", "parameters": PARAMETERS},
        {"type": "function", "name": "f", "parameters": PARAMETERS},
        {"type": "function", "function": {"name": "f", "parameters": PARAMETERS}},
        {"function": {"name": "f", "parameters": PARAMETERS}},
        [{"name": "f", "parameters": PARAMETERS}],
        {"name": "f", "inputSchema": PARAMETERS, "title": "F", "annotations": {"x": 1},
         "outputSchema": {}, "_meta": {}, "icons": []},
        {"name": "f", "input_schema": PARAMETERS, "cache_control": {"type": "ephemeral"}},
        {"type": "custom", "name": "f", "input_schema": PARAMETERS},
        {"type": "function", "function": {"name": "f", "inputSchema": PARAMETERS}},
        {"type": "function", "name": "f", "parameters": None, "input_schema": PARAMETERS},
        {"tools": [{"name": "f", "inputSchema": PARAMETERS}]},
        {"jsonrpc": "2.0", "id": 1,
         "result": {"tools": [{"name": "f", "inputSchema": PARAMETERS}]}},
        {"functionDeclarations": [{"name": "f", "parameters": PARAMETERS}]},
        {"function_declarations": [{"name": "f", "parameters": PARAMETERS}]},
    ],
)  # fmt: skip
def test_every_form_becomes_the_wrapped_one(value: Any) -> None:
    wrapped = {"type": "function", "function": {"name": "f", "parameters": PARAMETERS}}
    assert read_tools([json.dumps(value)]) == [wrapped]


def test_forms_may_be_mixed_and_what_was_read_is_taken_as_well() -> None:
    mixed = [
        {"name": "a", "inputSchema": PARAMETERS},
        {"name": "b", "input_schema": PARAMETERS, "description": "d"},
        {"type": "function", "function": {"name": "c", "parameters": PARAMETERS}},
        {"type": "function", "name": "d", "parameters": PARAMETERS, "strict": None},
    ]
    read = read_tools([mixed])
    assert read == read_tools([json.dumps(mixed)])
    assert [tool["function"]["parameters"] for tool in read] == [PARAMETERS] * 4
    assert read[1]["function"]["description"] == "d"


def test_other_fields_are_kept_and_order_too() -> None:
    texts = ['[{"name":"a","strict":true},{"name":"b","description":"d"}]', '{"name":"c"}']
    functions = [tool["function"] for tool in read_tools(texts)]
    assert functions == [
        {"name": "a", "strict": True},
        {"name": "b", "description": "d"},
        {"name": "c"},
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not valid JSON"),
        ("7", "a tool is a JSON object"),
        ("[[]]", "a tool is a JSON object"),
        ("{}", "its name is None"),
        ('{"name":""}', "its name is ''"),
        ('{"name":"a b"}', "its name is 'a b'"),
        (json.dumps({"name": "a" * 65}), "its name is"),
        ('{"name":"a\\n"}', "its name is"),
        ('[{"name":"a"},{"name":"a"}]', "a is declared twice"),
        ('{"name":"a","parameters":[]}', "--tool a"),
        ('{"name":"a","inputSchema":[]}', "--tool a"),
        ('{"name":"a","input_schema":{"type":"objekt"}}', "--tool a"),
        ('{"name":"a","input_schema":{"$ref":"#/x"}}', "leads nowhere"),
        ('{"name":"a","parameters":{},"input_schema":{}}', "has both parameters and input_schema"),
        ('{"name":"a","schema":{}}', "'schema' of a is not known"),
        ('{"name":"a","args_schema":{"properties":{}}}', "'args_schema' of a is not known"),
        ('{"name":"a","type":"object","properties":{}}', "the type of a is 'object'"),
        ('{"type":"web_search_20250305","name":"web_search"}', "the type of web_search is"),
        ('{"type":"custom","name":"a","format":{}}', "the type of a is 'custom'"),
        ('{"toolSpec":{"name":"a","inputSchema":{"json":{}}}}', "its name is None"),
        ('{"tools":{"a":{}}}', "its name is None"),
        ('{"name":"a","parameters":{"type":"objekt"}}', "not a JSON Schema"),
    ],
)
def test_what_is_not_a_tool_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_tools([text])
    assert why in str(caught.value)


def test_a_choice_is_a_word_or_the_name_of_a_tool() -> None:
    available = read_tools(['{"name":"f"}'])
    assert [parse_tool_choice(word, available) for word in ("auto", "none", "required")] == [
        "auto", "none", "required"
    ]  # fmt: skip
    assert parse_tool_choice("f", available) == {"type": "function", "function": {"name": "f"}}
    with pytest.raises(UsageError, match="there are: f"):
        parse_tool_choice("g", available)
    with pytest.raises(UsageError, match="there are: none"):
        parse_tool_choice("g", [])


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('{"x": 1}', {"x": 1}),
        ("", {}),
        (None, {}),
        ("[1]", {"arguments": [1]}),
        ("{x", {"arguments": "{x"}),
    ],
)
def test_arguments_are_an_object_for_protocols_that_want_one(
    text: str | None, arguments: dict[str, Any]
) -> None:
    assert parse_arguments(text) == arguments
