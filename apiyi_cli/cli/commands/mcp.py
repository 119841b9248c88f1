"""`apiyi mcp`: the commands as tools for agents, over MCP."""

from __future__ import annotations

import os
from pathlib import Path

from apiyi_cli.cli.app import describe_all, single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options import Flag, list_given
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.mcp import McpOptions
from apiyi_cli.core.options.output import Output
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


def mcp(ctx: Context, *, mcp_options: McpOptions, connection: Connection, output: Output) -> None:
    """Serve the commands to agents as tools of an MCP server, on stdin and stdout.

    The tools are chat, image, video, embed, rank, transcribe, speak, models, balance and
    batch_status. Files go by path. Needs apiyi-cli[mcp].
    """
    from apiyi_cli import __version__
    from apiyi_cli.agents.mcp_server import ServerOptions, serve
    from apiyi_cli.cli.gateway.cost_limit import COST_REPORT
    from apiyi_cli.tools.mcp import require_package

    require_package(Text("cannot serve MCP"))
    ctx.output.require_ready()
    # An unknown profile is told here, not by each call.
    profile = ctx.settings.in_profile.name
    if ctx.settings.origin("profile").startswith("flag"):
        # Also where it was typed before the command.
        connection = connection.replace(profile=profile)
    folder = Path(mcp_options.folder or "").absolute()
    if not folder.is_dir():
        raise UsageError(
            Text("cannot use --folder {path}", path=folder), Text("it is not a folder")
        )
    if ctx.process.console.stdin_is_terminal:
        line = Text("agents speak to this by JSON: name the line in their configuration")
        ctx.messages.note(Text("{line}; Ctrl-C ends it", line=line))
    options = ServerOptions(
        shared=tuple(
            _write_option(option, item)
            for option, value in list_given(connection)
            for item in (value if option.many else [value])
        ),
        max_usd=mcp_options.max_cost,
        folder=folder,
        scratch=ctx.process.make_scratch_folder(),
        environ=os.environ,
        cost_report=COST_REPORT,
    )
    commands = {command.name: command for command in describe_all().commands}
    serve(options, commands, __version__, ctx.messages.translate)


def _write_option(option: Flag, value: object) -> str:
    """Return an option as it is typed, for the command of each call."""
    yes, _, no = option.names[-1].partition("/")
    if value is True:
        return yes
    return no if value is False else f"{option.long}={value}"


app = single(spread(mcp))
