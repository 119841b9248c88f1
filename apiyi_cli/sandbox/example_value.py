"""Deterministic values that fit a JSON Schema: the shortest that contain `[sandbox]`."""

from __future__ import annotations

import math
import re
from importlib import import_module
from typing import Any

from apiyi_cli.core.jsontext import write_text

DEPTH_MAX = 12

_FORMATS = {
    "date-time": "2025-01-01T00:00:00Z",
    "date": "2025-01-01",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "sandbox@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_TYPE_OF_KEYWORD = {
    "properties": "object",
    "required": "object",
    "additionalProperties": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "minimum": "number",
    "maximum": "number",
    "multipleOf": "number",
    "pattern": "string",
    "format": "string",
    "minLength": "string",
    "maxLength": "string",
}


def example_json(schema: Any, text: str = "") -> str:
    """Return a value that fits, as JSON text; see `example_value`."""
    return write_text(example_value(schema, text))


def example_value(schema: Any, text: str = "") -> Any:
    """Return a value that fits a schema (draft 2020-12); `text` seeds its free strings.

    Known: type, enum, const, properties, required, items, prefixItems, the bounds of
    numbers, strings and arrays, format, pattern, allOf, anyOf, oneOf, and `$ref` within the
    schema. Of an optional property a value is given, too, until the depth limit.
    """
    return _ExampleWriter(schema, text).value(schema, "value", 0)


class _ExampleWriter:
    def __init__(self, root: Any, text: str) -> None:
        self.root = root
        self.text = text

    def value(self, schema: Any, name: str, depth: int) -> Any:
        schema = self.flatten(schema, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        match _type_of(schema):
            case "object":
                return self._object(schema, name, depth)
            case "array":
                return self._array(schema, name, depth)
            case "string":
                return self._string(schema, name)
            case "integer":
                return int(_number(schema, 1))
            case "number":
                return _number(schema, 0)
            case "boolean":
                return True
        return None

    def flatten(self, schema: Any, depth: int) -> dict[str, Any]:
        """Return a schema with its references and alternatives resolved into one object."""
        seen = 0
        while isinstance(schema, dict) and seen < DEPTH_MAX:
            seen += 1
            if "$ref" in schema:
                rest = {k: v for k, v in schema.items() if k != "$ref"}
                schema = _merge_schemas(self.target(schema["$ref"]), rest)
            elif "allOf" in schema:
                rest = {k: v for k, v in schema.items() if k != "allOf"}
                for item in schema["allOf"]:
                    rest = _merge_schemas(rest, self.flatten(item, depth))
                schema = rest
            elif alternatives := schema.get("anyOf") or schema.get("oneOf"):
                rest = {k: v for k, v in schema.items() if k not in ("anyOf", "oneOf")}
                schema = _merge_schemas(rest, self.choose(alternatives, depth))
            else:
                break
        return schema if isinstance(schema, dict) else {}

    def choose(self, alternatives: list[Any], depth: int) -> Any:
        """Return the first alternative, deep down the simplest, so that recursion ends."""
        if depth < DEPTH_MAX // 2:
            return alternatives[0]
        simple = [a for a in alternatives if _type_of(self.flatten(a, depth)) in _SIMPLE]
        return (simple or alternatives)[0]

    def target(self, reference: str) -> Any:
        node = self.root
        for step in reference.removeprefix("#").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict) or step not in node:
                return {}
            node = node[step]
        return node

    def _object(self, schema: dict[str, Any], name: str, depth: int) -> dict[str, Any]:
        known = schema.get("properties") or {}
        wanted = list(schema.get("required") or ())
        if depth < DEPTH_MAX // 2:
            wanted += [key for key in known if key not in wanted]
        else:
            wanted = [key for key in wanted if depth < DEPTH_MAX * 2]
        ordered = [key for key in known if key in wanted] + [k for k in wanted if k not in known]
        result = {key: self.value(known.get(key, {}), key, depth + 1) for key in ordered}
        extra = schema.get("additionalProperties")
        for k in range(len(result), int(schema.get("minProperties") or 0)):
            inner = extra if isinstance(extra, dict) else {}
            result[f"key{k + 1}"] = self.value(inner, name, depth + 1)
        return result

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        first = schema.get("prefixItems") or []
        fewest, most = int(schema.get("minItems") or 0), schema.get("maxItems")
        size = max(fewest, len(first), 1 if depth < DEPTH_MAX // 2 else 0)
        size = min(size, int(most)) if most is not None else size
        items = schema.get("items")
        result = [
            self.value(first[k] if k < len(first) else items, name, depth + 1) for k in range(size)
        ]
        return _unlike(result) if schema.get("uniqueItems") else result

    def _string(self, schema: dict[str, Any], name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        if pattern := schema.get("pattern"):
            return matching(pattern)
        fewest, most = int(schema.get("minLength") or 0), schema.get("maxLength")
        result = f"[sandbox] {self.text or name}".ljust(fewest, ".")
        return result if most is None else result[: int(most)]


_SIMPLE = ("null", "string", "integer", "number", "boolean")


def _type_of(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if kind in ("object", "array", *_SIMPLE):
        return kind
    return next((t for word, t in _TYPE_OF_KEYWORD.items() if word in schema), "string")


def _merge_schemas(first: Any, second: Any) -> Any:
    """Return two schemas merged, so that bounds and properties of both apply."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        return second if isinstance(second, dict) else first
    both = {**first, **second}
    for key in ("properties", "$defs"):
        if key in first and key in second:
            both[key] = {**first[key], **second[key]}
    if "required" in first and "required" in second:
        both["required"] = [*first["required"], *second["required"]]
    return both


def _number(schema: dict[str, Any], whole_step: int) -> float | int:
    """Return the number nearest to 1 within the bounds; `whole_step` 1 for an integer."""
    step = schema.get("multipleOf") or whole_step
    low, high = _find_bounds(schema, step)
    if not step:
        return min(max(1, low), high)
    result = math.ceil(max(1, low) / step) * step
    return result if result <= high else math.floor(high / step) * step


def _find_bounds(schema: dict[str, Any], step: float) -> tuple[float, float]:
    """Return the bounds of a number; excluded ones are moved inwards by the step."""
    # In older drafts an excluded bound is true or false.
    schema = {name: value for name, value in schema.items() if not isinstance(value, bool)}
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum", low), schema.get("exclusiveMaximum", high)
    width = below - above
    nudge = step or (width / 4 if math.isfinite(width) else 0.5)
    if "exclusiveMinimum" in schema:
        low = max(low, above + nudge)
    if "exclusiveMaximum" in schema:
        high = min(high, below - nudge)
    return low, high


def _unlike(result: list[Any]) -> list[Any]:
    """Return the values with equal strings and numbers made different."""
    seen: list[Any] = []
    for k, value in enumerate(result):
        if value in seen and isinstance(value, str):
            value = f"{value} {k + 1}"
        elif value in seen and isinstance(value, int | float):
            value = max(seen) + 1
        seen.append(value)
    return seen


_PRINTABLE = [chr(code) for code in (*range(97, 123), *range(48, 58), *range(32, 127))]


def matching(pattern: str) -> str:
    """Return the shortest plain text that matches; an empty text for a broken pattern."""
    try:
        tree = import_module("re._parser").parse(pattern)
    except (re.error, ImportError):
        return ""
    return "".join(_MatchWriter().text(tree))


class _MatchWriter:
    def __init__(self) -> None:
        self.groups: dict[int, str] = {}

    def text(self, tree: Any) -> str:
        return "".join(self.item(str(op), value) for op, value in tree)

    def item(self, op: str, value: Any) -> str:
        if op == "LITERAL":
            return chr(value)
        if op == "IN":
            return _member(value)
        if op == "NOT_LITERAL":
            return _member([("NEGATE", None), ("LITERAL", value)])
        if op == "ANY":
            return "a"
        if op in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return self.text(value[2]) * int(value[0])
        if op == "BRANCH":
            return self.text(value[1][0])
        if op == "SUBPATTERN":
            matched = self.text(value[3])
            if value[0] is not None:
                self.groups[value[0]] = matched
            return matched
        if op == "ATOMIC_GROUP":
            return self.text(value)
        return self.groups.get(value, "") if op == "GROUPREF" else ""


def _member(items: Any) -> str:
    op, value = str(items[0][0]), items[0][1]
    if op == "NEGATE":
        return next((c for c in _PRINTABLE if not _within(c, items[1:])), "")
    if op == "CATEGORY":
        return next(c for c in _PRINTABLE if _within(c, items[:1]))
    return chr(value[0] if op == "RANGE" else value)


def _within(character: str, items: Any) -> bool:
    for op, value in items:
        kind = str(op)
        if kind == "LITERAL" and ord(character) == value:
            return True
        if kind == "RANGE" and value[0] <= ord(character) <= value[1]:
            return True
        if kind == "CATEGORY" and re.match(_CLASS_PATTERNS[str(value)], character):
            return True
    return False


_CLASS_PATTERNS = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_NOT_WORD": r"\W",
    "CATEGORY_NOT_SPACE": r"\S",
}
