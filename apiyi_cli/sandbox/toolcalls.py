"""Chooses the tools that the sandbox's model calls, and their arguments."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any, NamedTuple

from apiyi_cli.sandbox.example_value import example_json
from apiyi_cli.sandbox.request_summary import RequestSummary

_EVERY = re.compile(
    r"\b(?:every|each|all)\b.*\b(?:tools?|functions?)\b|所有工具|每个工具", re.I | re.S
)


class ToolSpec(NamedTuple):
    """A function that the model may call, with the JSON Schema of its arguments."""

    name: str
    parameters: dict[str, Any]


class ChosenCall(NamedTuple):
    """A call that the model asks for; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


def choose_calls(
    tools: list[ToolSpec], named: str | None, fields: dict[str, Any], summary: RequestSummary
) -> tuple[ChosenCall, ...]:
    """Return the calls: none after results, the named tool, the first, or all.

    `fields` may hold `tool_choice` ("none" calls nothing) and `parallel_tool_calls` (false:
    one call at most).
    """
    prompt = summary.prompt
    if summary.results or fields.get("tool_choice") == "none":
        return ()
    if named is not None:
        chosen = [tool for tool in tools if tool.name == named]
    elif _EVERY.search(prompt) and fields.get("parallel_tool_calls") is not False:
        chosen = tools
    else:
        chosen = tools[:1]
    return tuple(
        ChosenCall(_call_id(k, tool, prompt), tool.name, example_json(tool.parameters, prompt))
        for k, tool in enumerate(chosen)
    )


def _call_id(k: int, tool: ToolSpec, prompt: str) -> str:
    digest = sha256(f"{k}\0{tool.name}\0{prompt}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"call_{digest[:20]}"
