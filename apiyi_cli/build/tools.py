"""Function schemas for the model, read from the forms that users already have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from apiyi_cli.build.schemas.schema import read_json_option, require_schema
from apiyi_cli.core.jsontext import InvalidJSON, read_typed
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PARAMETERS: Final = ("parameters", "inputSchema", "input_schema")
# Of the forms of MCP and Anthropic, what means nothing to a model behind this API.
_FOREIGN: Final = frozenset(
    ("title", "annotations", "outputSchema", "icons", "execution", "_meta", "cache_control")
)
_DECLARATIONS: Final = ("functionDeclarations", "function_declarations")
_EXAMPLE: Final = '--tool \'{"name": "weather", "parameters": {"type": "object", …}}\''


def read_tools(values: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the functions of `--tool` values, wrapped as chat requires, in order.

    A value is JSON text or what was read of it: one tool, an array of them, or an object that
    holds an array (what an MCP server answers to tools/list). Forms of a tool: wrapped in
    `function`, bare, flat with `"type": "function"` (Responses), MCP's `inputSchema`, Anthropic's
    `input_schema`; they may be mixed. Raises UsageError naming the tool for what is none of
    them, has no usable name, comes twice, or whose parameters are not a JSON Schema: a tool is
    never sent without the parameters that it was given with.
    """
    tools: list[dict[str, Any]] = []
    names: set[str] = set()
    for value in values:
        read = read_json_option(value, "--tool") if isinstance(value, str) else value
        for tool in map(_wrap, _items(read)):
            name = tool["function"]["name"]
            if name in names:
                raise UsageError(
                    Text("cannot use --tool"), Text("{name} is declared twice", name=name)
                )
            names.add(name)
            tools.append(tool)
    return tools


def parse_arguments(text: str | None) -> dict[str, Any]:
    """Return a call's arguments as an object, which other protocols require.

    Any other value, or text that is not JSON, is put under `arguments`.
    """
    try:
        value = read_typed(text or "{}")
    except InvalidJSON:
        value = text
    return value if isinstance(value, dict) else {"arguments": value}


def parse_tool_choice(text: str, available: Sequence[dict[str, Any]]) -> str | dict[str, Any]:
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


def _items(value: Any) -> list[Any]:
    for _ in range(2):
        if isinstance(value, dict) and not {"name", "function"} & value.keys():
            # JSON-RPC holds them in `result`.
            held = (value.get(name) for name in ("tools", "result", *_DECLARATIONS))
            value = next((inner for inner in held if isinstance(inner, (list, dict))), value)
    return value if isinstance(value, list) else [value]


def _wrap(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise _refuse(Text("a tool is a JSON object"))
    kind = item.get("type", "function")
    if isinstance(item.get("function"), dict):
        fields = dict(item["function"])
    else:
        fields = {name: value for name, value in item.items() if name != "type"}
    name = fields.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        why = Text("its name is {name}; it must be 1 to 64 of A-Z a-z 0-9 _ -", name=repr(name))
        raise _refuse(why)
    # Anthropic calls its tools custom, OpenAI calls so what has no parameters.
    if kind != "function" and not (kind == "custom" and "input_schema" in fields):
        raise _refuse(
            Text("the type of {name} is {kind}, not function", name=name, kind=repr(kind)[:80])
        )
    return {"type": "function", "function": _unify(name, fields)}


def _unify(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return a function's fields under OpenAI's names; other dialects' names are removed."""
    spellings = [spelling for spelling in _PARAMETERS if fields.get(spelling) is not None]
    if len(spellings) > 1:
        raise _refuse(
            Text(
                "{name} has both {first} and {second}",
                name=name,
                first=spellings[0],
                second=spellings[1],
            )
        )
    is_foreign = bool(spellings) and spellings[0] != "parameters"
    function = {}
    for field, value in fields.items():
        if field in spellings:
            function["parameters"] = require_schema(value, f"--tool {name}")
        elif field in _PARAMETERS or (is_foreign and field in _FOREIGN):
            continue
        elif isinstance(value, (dict, list)):
            raise _refuse(
                Text(
                    "{field} of {name} is not known; its parameters go into parameters",
                    field=repr(field)[:80],
                    name=name,
                )
            )
        else:
            function[field] = value
    return function


def _refuse(why: str) -> UsageError:
    return UsageError(Text("cannot use --tool"), why, hint=_EXAMPLE)
