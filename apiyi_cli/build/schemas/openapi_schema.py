"""JSON Schema as Google's `responseSchema` and `parameters` accept it.

That is OpenAPI 3.0's: no references, no `const`, no list of types. The rest is left out:
the answer is checked against the whole schema all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SAME = frozenset(
    (
        *("enum", "pattern", "required", "minimum", "maximum", "minLength", "maxLength"),
        *("minItems", "maxItems", "minProperties", "maxProperties"),
    )
)
_KEPT = _SAME | {"type", "format", "title", "description", "default", "example"}
_TYPES = frozenset(("object", "array", "string", "number", "integer", "boolean", "null"))
_MOST_DEPTH = 32


def openapi_schema(schema: Any) -> dict[str, Any]:
    """Return the schema with its references inlined, as far as OpenAPI 3.0 can express it.

    A schema that refers to itself is cut after 32 levels.
    """
    definitions: dict[str, Any] = {}
    if isinstance(schema, Mapping):
        for name in ("$defs", "definitions"):
            if isinstance(given := schema.get(name), Mapping):
                definitions |= {f"#/{name}/{key}": value for key, value in given.items()}
    return _convert(schema, definitions, 0)


def json_schema(schema: Any, depth: int = 0) -> dict[str, Any]:
    """Return a schema of OpenAPI 3.0, with Google's names of types, as JSON Schema."""
    if not isinstance(schema, Mapping) or depth > _MOST_DEPTH:
        return {}
    result = {name: value for name, value in schema.items() if name in _SAME}
    if isinstance(kind := schema.get("type"), str) and kind.lower() in _TYPES:
        result["type"] = kind.lower()
    if isinstance(properties := schema.get("properties"), Mapping):
        result["properties"] = {
            name: json_schema(value, depth + 1) for name, value in properties.items()
        }
    if isinstance(schema.get("items"), Mapping):
        result["items"] = json_schema(schema["items"], depth + 1)
    if isinstance(choices := schema.get("anyOf"), list) and choices:
        result["anyOf"] = [json_schema(choice, depth + 1) for choice in choices]
    for name in ("minItems", "maxItems", "minLength", "maxLength", "minProperties"):
        # Google's own clients write 64-bit numbers as texts.
        if isinstance(value := result.get(name), str) and value.isdecimal():
            result[name] = int(value)
    return {"anyOf": [result, {"type": "null"}]} if schema.get("nullable") is True else result


def _convert(schema: Any, definitions: Mapping[str, Any], depth: int) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or depth > _MOST_DEPTH:
        return {}
    if isinstance(reference := schema.get("$ref"), str):
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        schema = {**_as_mapping(definitions.get(reference)), **rest}
    for part in schema.get("allOf") or ():
        schema = {**_as_mapping(part), **{k: v for k, v in schema.items() if k != "allOf"}}
    result = {name: value for name, value in schema.items() if name in _KEPT}
    _set_type(result)
    if "const" in schema:
        result["enum"] = [schema["const"]]
    if isinstance(properties := schema.get("properties"), Mapping):
        result["properties"] = {
            name: _convert(value, definitions, depth + 1) for name, value in properties.items()
        }
        result["propertyOrdering"] = list(properties)
    if isinstance(items := schema.get("items"), Mapping):
        result["items"] = _convert(items, definitions, depth + 1)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(choices, list):
        _set_choices(result, [_convert(item, definitions, depth + 1) for item in choices])
    return result


def _as_mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _set_type(result: dict[str, Any]) -> None:
    """Turn a list of types into one nullable type, or into a choice."""
    kinds = result.get("type")
    if not isinstance(kinds, list):
        return
    others = [kind for kind in kinds if kind != "null"]
    del result["type"]
    if len(others) < len(kinds):
        result["nullable"] = True
    if len(others) == 1:
        result["type"] = others[0]
    elif others:
        result["anyOf"] = [{"type": kind} for kind in others]


def _set_choices(result: dict[str, Any], choices: list[dict[str, Any]]) -> None:
    others = [choice for choice in choices if choice.get("type") != "null"]
    if len(others) < len(choices):
        result["nullable"] = True
    if len(others) == 1:
        result |= others[0]
    else:
        result["anyOf"] = others
