"""Schemas: read from JSON or a short line, held against an answer."""

from __future__ import annotations

from typing import Any

import pytest

from apiyi_cli.build.schema import misfit, schema
from apiyi_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("name", {"name": {"type": "string"}}),
        ("a, b int", {"a": {"type": "string"}, "b": {"type": "integer"}}),
        (
            "a float,b bool, c dict",
            {"a": {"type": "number"}, "b": {"type": "boolean"}, "c": {"type": "object"}},
        ),
        ("tags list", {"tags": {"type": "array", "items": {"type": "string"}}}),
        ("tags list[int]", {"tags": {"type": "array", "items": {"type": "integer"}}}),
        ("a: some words", {"a": {"type": "string", "description": "some words"}}),
        (
            "a int: years, old\nb",
            {"a": {"type": "integer", "description": "years, old"}, "b": {"type": "string"}},
        ),
        (" a ,, b ", {"a": {"type": "string"}, "b": {"type": "string"}}),
        ("A_1 STR", {"A_1": {"type": "string"}}),
    ],
)
def test_a_short_line_is_a_strict_schema(text: str, properties: dict[str, Any]) -> None:
    found = schema(text)
    assert (found["name"], found["strict"]) == ("answer", True)
    assert found["schema"] == {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@pytest.mark.parametrize("text", ["", " ", "1a", "a b c", "a nope", "a list[nope]", "a-b", ","])
def test_what_is_no_short_line_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--schema"):
        schema(text)


def test_a_json_schema_is_named_after_its_title_and_is_strict_only_where_it_can_be() -> None:
    open_one = schema('{"title": "A b/c", "type": "object", "properties": {"a": {}}}')
    assert (open_one["name"], "strict" in open_one) == ("A_b_c", False)
    closed = schema(
        '{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],'
        ' "additionalProperties": false}'
    )
    assert (closed["name"], closed["strict"]) == ("answer", True)


@pytest.mark.parametrize(
    "text",
    [
        '{"schema": {"type": "object"}, "name": "n", "strict": false}',
        '{"type": "json_schema", "json_schema": {"name": "n", "strict": false,'
        ' "schema": {"type": "object"}}}',
    ],
)
def test_a_wrapped_schema_is_taken_as_it_is(text: str) -> None:
    assert schema(text) == {"name": "n", "strict": False, "schema": {"type": "object"}}


def test_a_schema_with_a_property_called_schema_is_not_wrapped() -> None:
    found = schema('{"properties": {"schema": {"type": "string"}}, "schema": {}}')
    assert "properties" in found["schema"]


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"type": "objekt"}', '{"properties": 7}', '{"schema": {"type": 1}}']
)
def test_what_is_no_json_schema_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        schema(text)


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"enum": [1]}}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ('{"name": "a"}', None),
        ('\n {"name": "a", "tags": [1]} \n', None),
        ('{"name": 7}', "at name: 7 is not of type 'string'"),
        ('{"name": "a", "tags": [1, 2]}', "at tags.1: 2 is not one of [1]"),
        ("{}", "at top level: 'name' is a required property"),
        ('{"name": "a", "x": 1}', "at top level: Additional properties"),
        ("", "it is not JSON"),
        ("```json\n{}\n```", "it is not JSON"),
        ('{"name": "a"', "it is not JSON"),
    ],
)
def test_a_misfit_is_told_in_one_line_with_its_place(answer: str, why: str | None) -> None:
    found = misfit(PERSON, answer)
    assert found == why or (found is not None and why is not None and found.startswith(why))
    assert found is None or "\n" not in found
