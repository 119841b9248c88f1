"""Schemas: read from JSON or a short line, held against an answer."""

from __future__ import annotations

from typing import Any

import pytest

from apiyi_cli.build.schemas.schema import read_schema
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
        ("姓名, 年龄 int", {"姓名": {"type": "string"}, "年龄": {"type": "integer"}}),
        (
            "姓名，年龄 int：周岁: 整数、city",
            {
                "姓名": {"type": "string"},
                "年龄": {"type": "integer", "description": "周岁: 整数"},
                "city": {"type": "string"},
            },
        ),
        (
            "prénom, имя list[int]",
            {
                "prénom": {"type": "string"},
                "имя": {"type": "array", "items": {"type": "integer"}},
            },
        ),
    ],
)
def test_a_short_line_is_a_strict_schema(text: str, properties: dict[str, Any]) -> None:
    found = read_schema(text)
    assert (found["name"], found["strict"]) == ("answer", True)
    assert found["schema"] == {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "text", ["", " ", "1a", "a b c", "a nope", "a list[nope]", "a-b", ",", "年-龄", "²", "٣a"]
)
def test_what_is_not_a_short_line_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--schema"):
        read_schema(text)


def test_a_json_schema_is_named_after_its_title_and_is_strict_only_where_it_can_be() -> None:
    open_one = read_schema('{"title": "A b/c", "type": "object", "properties": {"a": {}}}')
    assert (open_one["name"], "strict" in open_one) == ("A_b_c", False)
    closed = read_schema(
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
    assert read_schema(text) == {"name": "n", "strict": False, "schema": {"type": "object"}}


def test_a_schema_with_a_property_called_schema_is_not_wrapped() -> None:
    found = read_schema('{"properties": {"schema": {"type": "string"}}, "schema": {}}')
    assert "properties" in found["schema"]


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"type": "objekt"}', '{"properties": 7}', '{"schema": {"type": 1}}']
)
def test_what_is_not_a_json_schema_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_schema(text)
