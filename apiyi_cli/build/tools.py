"""Function schemas for the model, from what users have at hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from apiyi_cli.build.schema import require_schema
from apiyi_cli.core.jsontext import InvalidJSON, read_strict
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def tools(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Read `--tool` values: a bare function schema, a wrapped one, or an array of either.

    Returns them wrapped, in order. Raises UsageError naming the tool for what is not JSON,
    has no usable name, comes twice, or whose parameters are not a JSON Schema.
    """
    found: list[dict[str, Any]] = []
    names: set[str] = set()
    for text in texts:
        try:
            value = read_strict(text)
        except InvalidJSON as failure:
            raise UsageError(
                Text("cannot use --tool"), Text("not valid JSON: {reason}", reason=failure)
            ) from None
        for item in value if isinstance(value, list) else [value]:
            tool = _wrapped(item)
            name = tool["function"]["name"]
            if name in names:
                raise UsageError(
                    Text("cannot use --tool"), Text("{name} is declared twice", name=name)
                )
            names.add(name)
            found.append(tool)
    return found


def choice(text: str, available: Sequence[dict[str, Any]]) -> str | dict[str, Any]:
    """Return `tool_choice` for auto, none, required or the name of one of the tools."""
    if text in ("auto", "none", "required"):
        return text
    names = [tool["function"]["name"] for tool in available]
    if text not in names:
        raise UsageError(
            Text("cannot use --tool-choice {text}", text=text),
            Text("no --tool has that name (there are: {names})", names=", ".join(names) or "none"),
        )
    return {"type": "function", "function": {"name": text}}


def _wrapped(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise UsageError(Text("cannot use --tool"), Text("a tool is a JSON object"))
    if isinstance(item.get("function"), dict):
        function = item["function"]
    else:
        # A flat tool of the Responses API is a bare schema with a type.
        function = {key: value for key, value in item.items() if key != "type"}
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(
            Text("cannot use --tool"),
            Text("its name is {name}; it must be 1 to 64 of A-Z a-z 0-9 _ -", name=repr(name)),
            hint='--tool \'{"name": "weather", "parameters": {"type": "object", …}}\'',
        )
    if "parameters" in function:
        require_schema(function["parameters"], f"--tool {name}")
    return {"type": "function", "function": function}
