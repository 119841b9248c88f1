"""JSON Schema in the part of it that Google's `responseSchema` and `parameters` take.

That is OpenAPI 3.0's: no references, no `const`, no list of types. What it cannot say is left out:
the answer is checked against the whole schema all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEPT = frozenset(
    (
        "type",
        "format",
        "title",
        "description",
        "enum",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minProperties",
        "maxProperties",
        "pattern",
        "required",
        "default",
        "example",
    )
)
_SAME = _KEPT - {"type", "format", "title", "description", "default", "example"}
_TYPES = frozenset(("object", "array", "string", "number", "integer", "boolean", "null"))
_MOST_DEPTH = 32


def openapi_schema(schema: Any) -> dict[str, Any]:
    """Return the schema with its references put in place, as far as OpenAPI 3.0 can say it.

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
    made = {name: value for name, value in schema.items() if name in _SAME}
    if isinstance(kind := schema.get("type"), str) and kind.lower() in _TYPES:
        made["type"] = kind.lower()
    if isinstance(properties := schema.get("properties"), Mapping):
        made["properties"] = {
            name: json_schema(value, depth + 1) for name, value in properties.items()
        }
    if isinstance(schema.get("items"), Mapping):
        made["items"] = json_schema(schema["items"], depth + 1)
    if isinstance(choices := schema.get("anyOf"), list) and choices:
        made["anyOf"] = [json_schema(choice, depth + 1) for choice in choices]
    for name in ("minItems", "maxItems", "minLength", "maxLength", "minProperties"):
        # Google's own clients write 64-bit numbers as texts.
        if isinstance(value := made.get(name), str) and value.isdecimal():
            made[name] = int(value)
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") is True else made


def _convert(schema: Any, definitions: Mapping[str, Any], depth: int) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or depth > _MOST_DEPTH:
        return {}
    if isinstance(reference := schema.get("$ref"), str):
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        schema = {**_as_mapping(definitions.get(reference)), **rest}
    for part in schema.get("allOf") or ():
        schema = {**_as_mapping(part), **{k: v for k, v in schema.items() if k != "allOf"}}
    made = {name: value for name, value in schema.items() if name in _KEPT}
    _set_type(made)
    if "const" in schema:
        made["enum"] = [schema["const"]]
    if isinstance(properties := schema.get("properties"), Mapping):
        made["properties"] = {
            name: _convert(value, definitions, depth + 1) for name, value in properties.items()
        }
        made["propertyOrdering"] = list(properties)
    if isinstance(items := schema.get("items"), Mapping):
        made["items"] = _convert(items, definitions, depth + 1)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(choices, list):
        _set_choices(made, [_convert(one, definitions, depth + 1) for one in choices])
    return made


def _as_mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _set_type(made: dict[str, Any]) -> None:
    """Turn a list of types into one type that may be null, or into a choice of them."""
    kinds = made.get("type")
    if not isinstance(kinds, list):
        return
    others = [kind for kind in kinds if kind != "null"]
    del made["type"]
    if len(others) < len(kinds):
        made["nullable"] = True
    if len(others) == 1:
        made["type"] = others[0]
    elif others:
        made["anyOf"] = [{"type": kind} for kind in others]


def _set_choices(made: dict[str, Any], choices: list[dict[str, Any]]) -> None:
    others = [choice for choice in choices if choice.get("type") != "null"]
    if len(others) < len(choices):
        made["nullable"] = True
    if len(others) == 1:
        made |= others[0]
    else:
        made["anyOf"] = others
