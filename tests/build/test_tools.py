"""Function schemas in the forms that users have them in."""

from __future__ import annotations

import json

import pytest

from apiyi_cli.build.tools import choice, tools
from apiyi_cli.errors import UsageError

BARE = {"name": "now", "description": "the time", "parameters": {"type": "object"}}
WRAPPED = {"type": "function", "function": BARE}
FLAT = {"type": "function", **BARE}


@pytest.mark.parametrize("form", [BARE, WRAPPED, FLAT], ids=["bare", "wrapped", "flat"])
def test_every_form_becomes_the_wrapped_one(form: dict[str, object]) -> None:
    assert tools([json.dumps(form)]) == [WRAPPED]


def test_arrays_and_several_options_come_in_their_order() -> None:
    found = tools([json.dumps([BARE, {"name": "b"}]), '{"name":"c"}'])
    assert [tool["function"]["name"] for tool in found] == ["now", "b", "c"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not valid JSON"),
        ("3", "a tool is a JSON object"),
        ("{}", "its name is None"),
        ('{"name": "two words"}', "its name is 'two words'"),
        ('{"name": "a\\n"}', "its name is"),
        ('[{"name":"a"},{"name":"a"}]', "a is declared twice"),
        ('{"name":"a","parameters":{"type":"objekt"}}', "--tool a"),
    ],
)
def test_what_is_no_tool_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        tools([text])


def test_a_choice_is_a_word_of_the_api_or_the_name_of_a_tool() -> None:
    assert choice("none", []) == "none"
    assert choice("now", [WRAPPED]) == {"type": "function", "function": {"name": "now"}}
    with pytest.raises(UsageError, match="there are: now"):
        choice("noww", [WRAPPED])
