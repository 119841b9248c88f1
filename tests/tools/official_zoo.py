"""An MCP server of the official package, for tests: over stdio, or HTTP on the port given.

Over HTTP it answers only who sends the token given after the port.
Its tools are what a server may do to a client. `ZOO_PID`, if set, names a file for its pid.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import TextContent

PNG = Path(__file__).with_name("pixel.png").read_bytes()
server = MCPServer(sys.argv[1] if len(sys.argv) > 1 else "zoo")


@server.tool()
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@server.tool(name="dotted.name")
def dotted() -> str:
    """Have a name that models do not take."""
    return "dotted"


@server.tool()
def environment() -> str:
    """Return the names and values of all variables."""
    return repr(sorted(os.environ.items()))


@server.tool(structured_output=False)
def picture() -> list[Any]:
    """Return a picture."""
    return [TextContent(type="text", text="one red dot"), Image(data=PNG, format="png")]


@server.tool()
def huge() -> str:
    """Return a megabyte."""
    return "x" * (1 << 20)


@server.tool()
def slow() -> str:
    """Answer late."""
    time.sleep(30)
    return "late"


@server.tool()
def fail() -> str:
    """Fail."""
    raise ToolError("no luck today")


@server.tool()
def die() -> str:
    """End the server, and leave a child behind that holds its pipes."""
    child = subprocess.Popen(["sleep", "60"])
    Path(os.environ["ZOO_CHILD"]).write_text(str(child.pid))
    print("the cage is open", file=sys.stderr, flush=True)
    os._exit(3)


def serve_guarded(port: int, token: str) -> None:
    """Serve over HTTP; a request without the token gets a 401."""
    import uvicorn

    app: Any = server.streamable_http_app()

    async def guard(scope: Any, receive: Any, send: Any) -> None:
        sent = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] != "http" or sent == f"Bearer {token}".encode():
            await app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    uvicorn.run(guard, host="127.0.0.1", port=port)


if __name__ == "__main__":
    if place := os.environ.get("ZOO_PID"):
        Path(place).write_text(str(os.getpid()))
    if len(sys.argv) > 2:
        serve_guarded(int(sys.argv[2]), sys.argv[3])
    else:
        server.run()
