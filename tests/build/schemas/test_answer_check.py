"""Answers held against schemas: exactly, in the schema's dialect, in bounded time."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from apiyi_cli.build.schemas.answer_check import check_answer
from apiyi_cli.build.schemas.json_schema import describe_unchecked
from apiyi_cli.build.schemas.schema import read_schema
from apiyi_cli.errors import UsageError

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"enum": [1]}}},
    "required": ["name"],
    "additionalProperties": False,
}
TREE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "children": {"type": "array", "items": {"$ref": "#"}},
        "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/link"}]},
    },
    "required": ["name"],
    "$defs": {"link": {"type": "object", "properties": {"to": {"$ref": "#/$defs/link"}}}},
}


def schema_of(value: Any) -> Any:
    return read_schema(json.dumps({"schema": value}))["schema"]


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
        ('{"name": NaN}', "it is not JSON"),
        ('{"name": "a", "a\\nb": 1}', "at top level"),
    ],
)
def test_a_misfit_is_told_in_one_line_with_its_place(answer: str, why: str | None) -> None:
    check = check_answer(PERSON, answer)
    assert check.unfinished is None
    found = check.misfit
    assert found == why or (found is not None and why is not None and found.startswith(why))
    assert found is None or "\n" not in found
    error = check.error()
    assert (error is None) is (why is None)
    assert error is None or error.exit_code == 8


@pytest.mark.parametrize(
    ("schema", "fits", "unfit"),
    [
        ({"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 0,
          "exclusiveMinimum": True}, ["1"], ["0"]),
        ({"$schema": "http://json-schema.org/draft-06/schema#", "exclusiveMinimum": 0},
         ["1"], ["0"]),
        ({"$schema": "http://json-schema.org/draft-07/schema", "if": {"type": "string"},
          "then": {"minLength": 2}}, ["1", '"ab"'], ['"a"']),
        ({"$schema": "https://json-schema.org/draft/2019-09/schema",
          "items": [{"type": "string"}], "unevaluatedItems": False}, ['["a"]'], ['["a", 1]']),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema",
          "prefixItems": [{"type": "string"}]}, ['["a"]'], ["[1]"]),
        ({"$schema": "https://example.com/own", "prefixItems": [{"type": "string"}]},
         ['["a"]'], ["[1]"]),
        (TREE, ['{"name": "a", "children": [{"name": "b", "children": []}]}',
                '{"name": "a", "next": {"to": {"to": {}}}}'],
         ['{"name": "a", "children": [{"children": []}]}', '{"name": "a", "next": {"to": 1}}']),
        ({"properties": {"$ref": {"type": "string"}}}, ['{"$ref": "x"}'], ['{"$ref": 1}']),
        ({"enum": [{"$ref": "#/nowhere"}]}, ['{"$ref": "#/nowhere"}'], ["1"]),
        ({"enum": [1, "a", [1, {"b": None}]]}, ["1.0", '[1, {"b": null}]'], ["true", "[1]"]),
        ({"uniqueItems": True}, ['[1, true, "1", [1], {"a": 1}, {"a": true}]'],
         ["[1, 1.0]", '[{"a": [1]}, {"a": [1.0]}]']),
        ({"multipleOf": 0.1}, ["0.3", "7", "1e40"], ["0.35"]),
        ({"multipleOf": 3}, ["3" * 400], ["3" * 399 + "4"]),
        ({"maximum": 2**64}, [str(2**64)], [str(2**64 + 1)]),
        ({"const": 2**70}, [str(2**70)], [str(2**70 + 1)]),
        ({"pattern": "^(?<year>\\d{4})-\\k<year>$"}, ['"2020-2020"'], ['"2020-2021"']),
        ({"pattern": "^[\\w-.]+@x$"}, ['"a-b.c@x"'], ['"a b@x"']),
        ({"pattern": "^[^]$"}, ['"\\n"'], ['""']),
        ({"pattern": "^\\u{1F600}$"}, ['"😀"'], ['"a"']),
        ({"patternProperties": {"^(?<n>a)": {"type": "integer"}}, "additionalProperties": False},
         ['{"ab": 1}'], ['{"ab": "1"}', '{"b": 1}']),
        ({"patternProperties": {"^a": {}}, "additionalProperties": {"type": "integer"}},
         ['{"ab": "1", "b": 1}'], ['{"b": "1"}']),
        ({"patternProperties": {"^a": {}}, "unevaluatedProperties": False},
         ['{"ab": 1}'], ['{"b": 1}']),
    ],
)  # fmt: skip
def test_each_dialect_and_keyword_judges(schema: Any, fits: list[str], unfit: list[str]) -> None:
    schema = schema_of(schema)
    for answer in fits:
        assert check_answer(schema, answer) == (None, None), answer
    for answer in unfit:
        check = check_answer(schema, answer)
        assert check.misfit is not None and check.unfinished is None, answer


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"properties": {"a": {"$ref": "#/$defs/Missing"}}}, "'#/$defs/Missing' leads nowhere"),
        ({"properties": {"a": {"$ref": "#nowhere"}}}, "'#nowhere' leads nowhere"),
        ({"items": {"$ref": "#/items/x/y"}}, "leads nowhere"),
        ({"allOf": [{"$ref": "#/allOf/one"}]}, "leads nowhere"),
        ({"$ref": "https://example.com/a.json"}, "leads out of the schema"),
        ({"$ref": "file:///etc/passwd"}, "leads out of the schema"),
        ({"$ref": "other.json#/a"}, "leads out of the schema"),
        ({"$ref": "http://["}, "leads out of the schema"),
        ({"$ref": "#"}, "'#' leads back to itself"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}}, "'#/$defs/a' leads back to itself"),
        (
            {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]},
                       "b": {"not": {"$ref": "#/$defs/a"}}}},
            "leads back to itself",
        ),
        ({"anyOf": [{"type": "null"}, {"$ref": "#"}]}, "leads back to itself"),
        ({"title": "abc", "$ref": "#/title"}, "leads to what is no schema"),
        ({"$dynamicRef": "#nowhere"}, "leads nowhere"),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "$ref": 7}, "is not a text"),
        ({"properties": {"a": {"$ref": "#/parts/b"}}, "parts": {"b": {"$ref": "#/gone"}}},
         "'#/gone' leads nowhere"),
    ],
)  # fmt: skip
def test_a_reference_that_cannot_be_followed_is_refused(schema: Any, why: str) -> None:
    with pytest.raises(UsageError, match="--schema") as caught:
        schema_of(schema)
    assert why in caught.value.why and "$ref" in caught.value.why


@pytest.mark.parametrize(
    "schema",
    [
        TREE,
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"$id": "https://example.com/a", "items": {"$ref": "https://example.com/a#/$defs/b"},
         "$defs": {"b": {}}},
        {"$ref": "#node", "$defs": {"n": {"$anchor": "node", "items": {"$ref": "#node"}}}},
        {"$schema": "http://json-schema.org/draft-07/schema#",
         "definitions": {"a": {"items": {"$ref": "#/definitions/a"}}},
         "$ref": "#/definitions/a", "anyOf": [{"$ref": "#"}]},
    ],
)  # fmt: skip
def test_a_reference_that_can_be_followed_is_taken(schema: Any) -> None:
    check = check_answer(schema_of(schema), "[[]]")
    assert check.unfinished is None


def test_what_cannot_be_checked_is_said_and_fits() -> None:
    schema = schema_of(
        {
            "properties": {"a": {"pattern": "^\\p{L}+$"}, "b": {"pattern": "(?<=a|bc)d"}},
            "patternProperties": {"\\p{Lu}": {"type": "integer"}},
            "additionalProperties": False,
        }
    )
    messages = describe_unchecked(schema, "--schema")
    assert [text.count("is not checked") for text in messages] == [1, 1, 1]
    assert check_answer(schema, '{"a": "7", "b": "x", "C": "y"}') == (None, None)
    assert check_answer(schema, '{"a": 1} x').misfit is not None
    (message,) = describe_unchecked({"$schema": "https://example.com/own"}, "--schema")
    assert "'https://example.com/own'" in message and "2020-12" in message
    assert describe_unchecked(TREE, "--schema") == ()


SLOW: dict[str, tuple[Any, str]] = {
    "pattern": ({"pattern": "^(a+)+$"}, json.dumps("a" * 60 + "!")),
    "names": ({"propertyNames": {"pattern": "^(a|a)*$"}}, json.dumps({"a" * 60 + "!": 1})),
    "named members": ({"patternProperties": {"^(a+)+$": {}}}, json.dumps({"a" * 60 + "!": 1})),
    "others": (
        {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False},
        json.dumps({"a" * 60 + "!": 1}),
    ),
    "blanks": ({"pattern": "\\s+$"}, json.dumps(" " * 200_000 + "x")),
    "choices": (
        {"$defs": {"a": {"anyOf": [{"items": {"$ref": "#/$defs/a"}, "minItems": 1, "type": "array"},
                                   {"items": {"$ref": "#/$defs/a"}, "minItems": 1,
                                    "type": "array"}]}}, "$ref": "#/$defs/a"},
        "[" * 40 + "]" * 40,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_check_ends_in_time_and_is_no_misfit(name: str) -> None:
    schema, answer = SLOW[name]
    began_s = time.monotonic()
    check = check_answer(schema_of(schema), answer, limit_s=0.3)
    assert time.monotonic() - began_s < 2
    assert check.misfit is None and check.unfinished is not None
    assert "0.3 s" in check.unfinished
    error = check.error()
    assert error is not None and error.exit_code == 8


def test_a_slow_pattern_may_still_be_found_out_in_time() -> None:
    schema = schema_of({"items": {"pattern": "^([a-z]+-?)+$"}})
    assert check_answer(schema, json.dumps(["abc-def-ghi-jkl-mno"] * 20)) == (None, None)
    assert check_answer(schema, json.dumps(["a-b-c-d-e-f-g-h-!"])).misfit is not None


def test_large_answers_are_judged_at_once() -> None:
    objects = json.dumps([{"id": number, "tags": [number]} for number in range(20_000)])
    schema = schema_of(
        {"uniqueItems": True, "items": {"properties": {"id": {"enum": list(range(20_000))}}}}
    )
    began_s = time.monotonic()
    assert check_answer(schema, objects, limit_s=60) == (None, None)
    assert time.monotonic() - began_s < 15
    twice = json.dumps([{"a": 1}] * 2)
    assert check_answer(schema, twice).misfit is not None


def test_numbers_beyond_all_bounds_are_not_judged_wrongly() -> None:
    assert check_answer({"type": "integer"}, "9" * 4000) == (None, None)
    for schema, answer in (({"type": "integer"}, "9" * 5000), ({"multipleOf": 3}, "1e400")):
        check = check_answer(schema, answer)
        assert check.misfit is None and check.unfinished is not None
    assert check_answer({"maximum": 3}, "1e400").misfit is not None


def test_an_answer_that_is_nested_too_deeply_is_not_lost() -> None:
    schema = schema_of({"items": {"$ref": "#"}})
    for depth in (500, 1500, 20_000):
        check = check_answer(schema, "[" * depth + "]" * depth)
        assert check.misfit is None or "JSON" in check.misfit


def test_schemas_do_not_answer_for_each_other() -> None:
    for number in range(200):
        schema = schema_of({"const": number, "pattern": f"^{number}$"})
        assert check_answer(schema, str(number)) == (None, None)
        assert check_answer(schema, str(number + 1)).misfit is not None


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"pattern": 7}),
        json.dumps({"$schema": "http://json-schema.org/draft-04/schema#", "exclusiveMinimum": 1}),
        '{"items":' * 900 + "{}" + "}" * 900,
    ],
)
def test_what_is_not_a_schema_of_its_dialect_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--schema"):
        read_schema(text)
