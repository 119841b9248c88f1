"""Function schemas for the model, from what users have at hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from apiyi_cli.build.schema import checked
from apiyi_cli.core.jsontext import InvalidJSON, read_strict
from apiyi_cli.errors import UsageError

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
            raise UsageError("cannot use --tool", f"not valid JSON: {failure}") from None
        for item in value if isinstance(value, list) else [value]:
            tool = _wrapped(item)
            name = tool["function"]["name"]
            if name in names:
                raise UsageError("cannot use --tool", f"{name} is declared twice")
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
            f"cannot use --tool-choice {text}",
            f"no --tool has that name (there are: {', '.join(names) or 'none'})",
        )
    return {"type": "function", "function": {"name": text}}


def _wrapped(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise UsageError("cannot use --tool", "a tool is a JSON object")
    if isinstance(item.get("function"), dict):
        function = item["function"]
    else:
        # A flat tool of the Responses API is a bare schema with a type.
        function = {key: value for key, value in item.items() if key != "type"}
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(
            "cannot use --tool",
            f"its name is {name!r}; it must be 1 to 64 of A-Z a-z 0-9 _ -",
            hint='--tool \'{"name": "weather", "parameters": {"type": "object", …}}\'',
        )
    if "parameters" in function:
        checked(function["parameters"], f"--tool {name}")
    return {"type": "function", "function": function}
