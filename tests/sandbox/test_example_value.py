"""Values made for schemas are judged by jsonschema, never by our own reading of them."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiyi_cli.sandbox.example_value import example_json, example_value, matching

TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                "parent": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["name", "children", "parent"],
            "additionalProperties": False,
        }
    },
}

SCHEMAS: list[Any] = [
    {},
    True,
    {"type": "null"},
    {"type": "boolean"},
    {"type": ["null", "integer"], "minimum": 7},
    {"enum": ["red", "green"]},
    {"const": {"a": [1]}},
    {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
    {"type": "integer", "maximum": -4},
    {"type": "integer", "multipleOf": 7, "minimum": 20},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "number", "minimum": 0.25, "maximum": 0.5},
    {"type": "number", "multipleOf": 0.5, "maximum": 0.75},
    {"type": "string", "maxLength": 3},
    {"type": "string", "minLength": 40},
    {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{2,4}$"},
    {"type": "string", "pattern": "^(cat|dog)s?$"},
    {"type": "string", "format": "date-time"},
    {"type": "string", "format": "uuid"},
    {"type": "array"},
    {"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True},
    {"type": "array", "maxItems": 0},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    {"properties": {"a": {"type": "integer"}}, "required": ["a", "b"]},
    {"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}},
    {"allOf": [{"type": "object", "required": ["a"]}, {"properties": {"a": {"type": "number"}}}]},
    {"oneOf": [{"type": "integer"}, {"type": "string"}]},
    {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "integer", "minimum": 9}}},
    TREE,
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:40])
def test_a_value_fits_its_schema(schema: Any) -> None:
    value = json.loads(example_json(schema, "the prompt"))
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema, format_checker=checker).validate(value)


def test_free_strings_say_who_made_them_and_repeat_the_text() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    assert example_value(schema, "to Oslo") == {"city": "[sandbox] to Oslo"}
    assert example_value(schema) == {"city": "[sandbox] city"}


def test_a_reference_to_nothing_is_free() -> None:
    assert example_value({"$ref": "#/$defs/gone"}, "x") == "[sandbox] x"


SCALARS = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer", "minimum": -3, "maximum": 3},
        {"type": "boolean"},
        {"enum": [1, None, "x"]},
    ]
)


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(
        lambda known: {"type": "object", "properties": known, "required": sorted(known)}
    )
    arrays = st.tuples(inner, st.integers(0, 3)).map(
        lambda made: {"type": "array", "items": made[0], "minItems": made[1]}
    )
    either = st.lists(inner, min_size=1, max_size=3).map(lambda made: {"anyOf": made})
    return objects | arrays | either


@given(st.recursive(SCALARS, _deeper, max_leaves=12))
def test_nested_schemas_fit_too(schema: Any) -> None:
    jsonschema.Draft202012Validator(schema).validate(example_value(schema, "x"))


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{4}-\d{2}$",
        r"[^a-z0-9]",
        r"^(?:a|b)+c*$",
        r"^(\w+)-\1$",
        r"^\S+@\S+\.\w{2,}$",
        r"^[^\d]{2}$",
        r"^.{5}$",
        r"^[\dA-F]{6}$",
        r"^a{2}?$",
        r"^(?>ab)$",
    ],
)
def test_a_text_matches_its_pattern(pattern: str) -> None:
    assert re.search(pattern, matching(pattern))


def test_a_broken_pattern_gives_an_empty_text() -> None:
    assert matching("(") == ""
