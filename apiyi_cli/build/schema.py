"""JSON Schemas: read from JSON or from a short line, and held against an answer."""

from __future__ import annotations

import re
from typing import Any

from apiyi_cli.core.jsontext import InvalidJSON, read_strict
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

_TYPES = {
    "str": "string",
    "string": "string",
    "int": "integer",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
    "list": "array",
    "array": "array",
    "object": "object",
    "dict": "object",
}
_EXAMPLE = "--schema 'name, age int'"
_FIELD = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)(?:\s+([A-Za-z]+)(?:\[([A-Za-z]+)\])?)?$")


def schema(text: str) -> dict[str, Any]:
    """Read a schema: a JSON object, or a line like `name, age int, tags list, bio: in a word`.

    Returns what goes under `response_format.json_schema`: `{"name", "schema"}`, and
    `"strict": true` where the schema is one that strict mode takes (all of ours are). A JSON
    object that already has "schema" inside is taken as it is. Raises UsageError.
    """
    if not text.strip():
        raise UsageError(Text("cannot use --schema"), Text("it is empty"), hint=_EXAMPLE)
    if text.lstrip().startswith(("{", "[")):
        return _wrapped(_json(text))
    return {"name": "answer", "strict": True, "schema": _short(text)}


def checked(value: Any, what: str) -> dict[str, Any]:
    """Return `value` if it is a JSON Schema, else raise UsageError saying where it is not."""
    import jsonschema

    if not isinstance(value, dict):
        raise UsageError(Text("cannot use {what}", what=what), Text("a JSON Schema is an object"))
    try:
        jsonschema.Draft202012Validator.check_schema(value)
    except jsonschema.SchemaError as failure:
        where = ".".join(str(step) for step in failure.absolute_path) or Text("top level")
        raise UsageError(
            Text("cannot use {what}", what=what),
            Text(
                "not a JSON Schema, at {where}: {message}",
                where=where,
                message=failure.message[:200],
            ),
        ) from None
    return value


def misfit(wanted: dict[str, Any], answer: str) -> str | None:
    """Say in one line where an answer does not fit the schema, None when it fits."""
    import jsonschema

    try:
        value = read_strict(answer)
    except InvalidJSON as failure:
        return Text("it is not JSON ({reason})", reason=failure)
    validator = jsonschema.Draft202012Validator(wanted)
    error = next(iter(sorted(validator.iter_errors(value), key=str)), None)
    if error is None:
        return None
    where = ".".join(str(step) for step in error.absolute_path) or Text("top level")
    return Text("at {where}: {message}", where=where, message=error.message[:200])


def _json(text: str) -> dict[str, Any]:
    try:
        value = read_strict(text)
    except InvalidJSON as failure:
        raise UsageError(
            Text("cannot use --schema"), Text("not valid JSON: {reason}", reason=failure)
        ) from None
    if not isinstance(value, dict):
        raise UsageError(Text("cannot use --schema"), Text("a JSON Schema is an object"))
    return value


def _wrapped(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("type") == "json_schema" and isinstance(value.get("json_schema"), dict):
        value = value["json_schema"]
    if isinstance(value.get("schema"), dict) and "properties" not in value:
        checked(value["schema"], "--schema")
        return {"name": "answer", **value}
    checked(value, "--schema")
    title = re.sub(r"[^A-Za-z0-9_-]", "_", str(value.get("title") or "answer"))[:64]
    strict: dict[str, Any] = {"strict": True} if _strict(value) else {}
    return {"name": title or "answer", **strict, "schema": value}


def _strict(value: Any) -> bool:
    """Tell whether strict mode takes a schema: every object closed, every property required."""
    if isinstance(value, list):
        return all(_strict(item) for item in value)
    if not isinstance(value, dict):
        return True
    if value.get("type") == "object" or "properties" in value:
        closed = value.get("additionalProperties") is False
        if not closed or set(value.get("required", ())) != set(value.get("properties", {})):
            return False
    return all(_strict(item) for item in value.values())


def _short(text: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for item in re.split(r"\n" if "\n" in text.strip() else r",", text):
        if not item.strip():
            continue
        declared, _, described = item.partition(":")
        match = _FIELD.match(declared.strip())
        kind = (match[2] or "str").lower() if match else ""
        inner = (match[3] or "str").lower() if match else ""
        if match is None or kind not in _TYPES or inner not in _TYPES:
            raise UsageError(
                Text("cannot use --schema"),
                Text(
                    "{strip} is not NAME or NAME TYPE (types: {value})",
                    strip=repr(item.strip()),
                    value=", ".join(("str", "int", "float", "bool", "list", "list[int]")),
                ),
                hint="--schema 'name, age int, tags list, bio: one sentence'",
            )
        field: dict[str, Any] = {"type": _TYPES[kind]}
        if field["type"] == "array":
            field["items"] = {"type": _TYPES[inner]}
        if described.strip():
            field["description"] = described.strip()
        properties[match[1]] = field
    if not properties:
        raise UsageError(Text("cannot use --schema"), Text("it is empty"), hint=_EXAMPLE)
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
