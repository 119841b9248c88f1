"""An MCP server over stdio, of the standard library alone: it starts in a fiftieth of the time.

It has the tools of `official_zoo.py` and does what that does. `ZOO_PID`, if set, names a file
for its pid.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

PNG = Path(__file__).with_name("pixel.png").read_bytes()
NOTHING = {"type": "object", "properties": {}}
NUMBERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}
TOOLS = {
    "add": ("Add two numbers.", NUMBERS),
    "dotted.name": ("Have a name that models do not take.", NOTHING),
    "environment": ("Return the names and values of all variables.", NOTHING),
    "picture": ("Return a picture.", NOTHING),
    "huge": ("Return a megabyte.", NOTHING),
    "slow": ("Answer never.", NOTHING),
    "fail": ("Fail.", NOTHING),
    "die": ("End the server, and leave a child behind that holds its stderr.", NOTHING),
}


def call(name: str, arguments: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the content of a tool's result, None for none ever; raise ValueError if it fails."""
    if name == "picture":
        image = {"type": "image", "data": b64encode(PNG).decode(), "mimeType": "image/png"}
        return [{"type": "text", "text": "one red dot"}, image]
    if name == "slow":
        return None
    if name == "die":
        nothing = subprocess.DEVNULL
        child = subprocess.Popen(["sleep", "60"], stdin=nothing, stdout=nothing)
        Path(os.environ["ZOO_CHILD"]).write_text(str(child.pid))
        print("the cage is open", file=sys.stderr, flush=True)
        os._exit(3)
    if name == "fail":
        raise ValueError("no luck today")
    if name not in TOOLS:
        raise ValueError(f"unknown tool: {name}")
    texts = {"dotted.name": "dotted", "environment": repr(sorted(os.environ.items()))}
    if name == "add":
        if not all(isinstance(arguments.get(one), int) for one in "ab"):
            raise ValueError("a and b must be integers")
        texts["add"] = str(arguments["a"] + arguments["b"])
    return [{"type": "text", "text": texts.get(name, "x" * (1 << 20))}]


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a request is answered with, besides its id."""
    if method == "initialize":
        name = sys.argv[1] if len(sys.argv) > 1 else "zoo"
        result = {"capabilities": {"tools": {}}, "serverInfo": {"name": name, "version": "1"}}
        return {"result": {**result, "protocolVersion": params["protocolVersion"]}}
    if method == "tools/list":
        listed = [
            {"name": name, "description": text, "inputSchema": schema}
            for name, (text, schema) in TOOLS.items()
        ]
        return {"result": {"tools": listed}}
    if method != "tools/call":
        return {"error": {"code": -32601, "message": "unknown"}}
    try:
        content = call(params["name"], params.get("arguments") or {})
    except ValueError as failure:
        words = [{"type": "text", "text": str(failure)}]
        return {"result": {"content": words, "isError": True}}
    return None if content is None else {"result": {"content": content}}


if __name__ == "__main__":
    if place := os.environ.get("ZOO_PID"):
        Path(place).write_text(str(os.getpid()))
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" in asked and (said := answer(asked["method"], asked.get("params", {}))):
            print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **said}), flush=True)
