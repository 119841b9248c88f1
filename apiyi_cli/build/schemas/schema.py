"""`--schema`: reads a JSON Schema, or a short line that becomes one."""

from __future__ import annotations

import re
from typing import Any

from apiyi_cli.build.schemas.answer_check import refuse_malformed
from apiyi_cli.build.schemas.json_schema import survey
from apiyi_cli.core.jsontext import InvalidJSON, read_typed
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

_SHORT_TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
}
_TYPES = {**_SHORT_TYPES, **{name: name for name in _SHORT_TYPES.values()}}
_EXAMPLE = "--schema 'name, age int'"
# A name is an identifier of any script, such as 姓名.
_FIELD = re.compile(r"^([^\W\d]\w*)(?:\s+([A-Za-z]+)(?:\[([A-Za-z]+)\])?)?$")


def read_schema(text: str) -> dict[str, Any]:
    """Read a schema: a JSON object, or `name, age int, tags list, bio: a word`.

    Returns what goes under `response_format.json_schema`: `{"name", "schema"}`, and
    `"strict": true` where the schema is one that strict mode takes (all of ours are). A JSON
    object that already has "schema" inside is taken as it is. Raises UsageError for what is
    not a JSON Schema, and for one whose references `survey` refuses.
    """
    if not text.strip():
        raise UsageError(Text("cannot use --schema"), Text("it is empty"), hint=_EXAMPLE)
    if text.lstrip().startswith(("{", "[")):
        return wrap_schema(read_json_option(text, "--schema"))
    return {"name": "answer", "strict": True, "schema": _short(text)}


def require_schema(value: Any, what: str) -> dict[str, Any]:
    """Return `value` if it is a JSON Schema that can be used, else raise UsageError.

    The error says where it is none, or which `$ref` leads nowhere. Patterns may be of any
    dialect; those that cannot be read here are reported by `describe_unchecked`.
    """
    if not isinstance(value, dict):
        raise UsageError(Text("cannot use {what}", what=what), Text("a JSON Schema is an object"))
    try:
        refuse_malformed(value, what)
        survey(value, what)
    except RecursionError:
        raise UsageError(
            Text("cannot use {what}", what=what), Text("it is nested too deeply")
        ) from None
    return value


def read_json_option(text: str, option: str) -> Any:
    """Return the JSON value of an option's text; raise UsageError for other text."""
    try:
        return read_typed(text)
    except InvalidJSON as failure:
        raise UsageError(
            Text("cannot use {what}", what=option), Text("not valid JSON: {reason}", reason=failure)
        ) from None


def wrap_schema(value: Any) -> dict[str, Any]:
    """Return a schema as `read_schema` does, from its JSON object."""
    if not isinstance(value, dict):
        raise UsageError(Text("cannot use --schema"), Text("a JSON Schema is an object"))
    if value.get("type") == "json_schema" and isinstance(value.get("json_schema"), dict):
        value = value["json_schema"]
    if isinstance(value.get("schema"), dict) and "properties" not in value:
        require_schema(value["schema"], "--schema")
        return {"name": "answer", **value}
    require_schema(value, "--schema")
    title = re.sub(r"[^A-Za-z0-9_-]", "_", str(value.get("title") or "answer"))[:64]
    strict: dict[str, Any] = {"strict": True} if _strict(value) else {}
    return {"name": title or "answer", **strict, "schema": value}


def _strict(value: Any) -> bool:
    """Return True if strict mode accepts a schema: closed objects, required properties."""
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
    for item in re.split(r"\n" if "\n" in text.strip() else r"[,，、]", text):
        if not item.strip():
            continue
        # An input method for Chinese types the wide ones.
        declared, *rest = re.split(r"[:：]", item, maxsplit=1)
        described = "".join(rest)
        match = _FIELD.match(declared.strip())
        kind = (match[2] or "str").lower() if match else ""
        inner = (match[3] or "str").lower() if match else ""
        if (
            match is None
            or not match[1].isidentifier()
            or kind not in _TYPES
            or inner not in _TYPES
        ):
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
