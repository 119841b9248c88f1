"""Options: the MCP server of `apiyi mcp`."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class McpOptions(Group, panel="Options"):
    """Options that apply to every call of a session."""

    max_cost = flag(
        float,
        "Refuse calls that bring the estimated cost of the session above so many US dollars.",
        metavar="USD",
        low=0,
    )
    folder = flag(
        str,
        "Where files are written and relative paths begin (else the working directory).",
        complete="dir",
    )
