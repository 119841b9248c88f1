"""Function schemas in the forms that users have at hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiyi_cli.build.tools import choice, tools
from apiyi_cli.errors import UsageError

PARAMETERS = {"type": "object", "properties": {"x": {"type": "integer"}}}


@pytest.mark.parametrize(
    "value",
    [
        {"name": "f", "parameters": PARAMETERS},
        {"type": "function", "name": "f", "parameters": PARAMETERS},
        {"type": "function", "function": {"name": "f", "parameters": PARAMETERS}},
        [{"name": "f", "parameters": PARAMETERS}],
    ],
    ids=["bare", "flat", "wrapped", "array"],
)
def test_every_form_becomes_the_wrapped_one(value: Any) -> None:
    wrapped = {"type": "function", "function": {"name": "f", "parameters": PARAMETERS}}
    assert tools([json.dumps(value)]) == [wrapped]


def test_other_fields_are_kept_and_order_too() -> None:
    texts = ['[{"name":"a","strict":true},{"name":"b","description":"d"}]', '{"name":"c"}']
    functions = [tool["function"] for tool in tools(texts)]
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
        ('{"name":"a","parameters":{"type":"objekt"}}', "not a JSON Schema"),
    ],
)
def test_what_is_no_tool_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        tools([text])
    assert why in str(caught.value)


def test_a_choice_is_a_word_or_the_name_of_a_tool() -> None:
    available = tools(['{"name":"f"}'])
    assert [choice(word, available) for word in ("auto", "none", "required")] == [
        "auto", "none", "required"
    ]  # fmt: skip
    assert choice("f", available) == {"type": "function", "function": {"name": "f"}}
    with pytest.raises(UsageError, match="there are: f"):
        choice("g", available)
    with pytest.raises(UsageError, match="there are: none"):
        choice("g", [])
