"""`--run` and `--mcp`: which command answers a function, with the user's permission."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from apiyi_cli.core.events import ToolCall
from apiyi_cli.core.options.chat import ToolRunOptions
from apiyi_cli.core.terminal_text import neutralize
from apiyi_cli.errors import IncompleteError, UsageError
from apiyi_cli.output.user_terminal import UserTerminal, has_user_terminal
from apiyi_cli.text import Text
from apiyi_cli.tools.run import Tool, ToolResult, parse_run_options, run_tools

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context
    from apiyi_cli.cli.process import Process
    from apiyi_cli.tools.mcp import McpServers

MOST_STEPS = 20
_servers: WeakKeyDictionary[Process, McpServers] = WeakKeyDictionary()
"""The servers of a process, which the turns of a conversation share."""


class ToolCommands(NamedTuple):
    """The commands of `--run` and tools of `--mcp` by function; `declared` are all functions.

    Without `runs_unasked` the user is asked before each call.
    """

    tools: dict[str, Tool]
    declared: tuple[str, ...]
    runs_unasked: bool
    most_steps: int

    def answers(self, name: str) -> bool:
        """Return True if calls of the function are answered here.

        So are calls of undeclared functions: the model gets an error as the result.
        """
        return name in self.tools or name not in self.declared

    def notices(self) -> list[str]:
        """Return notices about parameters that cannot be checked."""
        from apiyi_cli.build.schemas.json_schema import describe_unchecked

        return [
            notice
            for tool in self.tools.values()
            for notice in describe_unchecked(tool.parameters or {}, f"--tool {tool.name}")
        ]


def read_commands(
    ctx: Context, tool_run: ToolRunOptions, functions: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], ToolCommands]:
    """Return all functions and their answerers: `--run` commands, `--mcp` tools.

    The servers of `--mcp` are started here and end with the run. Raises UsageError if nobody
    could be asked and `--yes` was not given.
    """
    headers = _read_headers(ctx, tool_run)
    tools = parse_run_options(tool_run.run or (), functions)
    if not tool_run.yes and not has_user_terminal():
        raise UsageError(
            Text(
                "cannot ask whether {option} may run its commands",
                option="--run" if tool_run.run else "--mcp",
            ),
            Text("there is no terminal"),
            hint=Text("add --yes if they may run unasked"),
        )
    offered: list[dict[str, Any]] = []
    if tool_run.mcp:
        offered, remote = _connect_servers(
            ctx, tool_run.mcp, headers, [tool["function"]["name"] for tool in functions]
        )
        tools |= remote
    functions = [*functions, *offered]
    declared = tuple(tool["function"]["name"] for tool in functions)
    commands = ToolCommands(tools, declared, bool(tool_run.yes), tool_run.max_steps or MOST_STEPS)
    return functions, commands


def _connect_servers(
    ctx: Context,
    values: Sequence[str],
    headers: Mapping[str, Mapping[str, str]],
    taken: Sequence[str],
) -> tuple[list[dict[str, Any]], dict[str, Tool]]:
    """Start the servers of `--mcp` and return their tools; they end with the run."""
    from apiyi_cli.tools.mcp import McpServers, offer_tools

    servers = _servers.get(ctx.process)
    if servers is None:
        # A printed request needs no tools.
        left_s = float("inf") if ctx.settings.prints_request else ctx.gateway.left_s
        servers = _servers[ctx.process] = McpServers(ctx.process.child_environment(), left_s)
        ctx.process.on_exit(servers.close)
    connected = [servers.connect(value, headers.get(value), ctx.messages.note) for value in values]
    return offer_tools(connected, taken, ctx.messages.note_once)


def _read_headers(ctx: Context, tool_run: ToolRunOptions) -> Mapping[str, Mapping[str, str]]:
    """Return the headers by the server's URL; what is secret is never shown."""
    if not tool_run.mcp_header:
        return {}
    from apiyi_cli.tools.mcp import is_url
    from apiyi_cli.tools.mcp_headers import read_mcp_headers

    urls = [value for value in dict.fromkeys(tool_run.mcp or ()) if is_url(value)]
    headers = read_mcp_headers(tool_run.mcp_header, urls, ctx.process.environ)
    ctx.process.secrets += headers.secrets
    return headers.by_url


class ToolRunner:
    """Answers function calls with `--run` commands and `--mcp` tools."""

    def __init__(self, ctx: Context, commands: ToolCommands) -> None:
        self._ctx = ctx
        self._commands = commands

    def run(self, calls: Sequence[ToolCall], finish_reason: str) -> list[ToolResult]:
        """Run the commands, several at once, and return the result of each call in order.

        Raises IncompleteError if the answer was cut off, because arguments may be, too.
        """
        if finish_reason in ("length", "content_filter"):
            raise IncompleteError(
                Text("the function calls were not run"),
                Text(
                    "the answer was cut off ({finished}), and perhaps the arguments",
                    finished=finish_reason,
                ),
                hint=Text("raise --max-tokens"),
            )
        results: dict[int, ToolResult] = {}
        allowed: dict[int, tuple[Tool, ToolCall]] = {}
        for place, call in enumerate(calls):
            tool = self._commands.tools.get(call.name)
            if tool is None:
                known = ", ".join(self._commands.declared)
                why = f"error: there is no function {call.name!r} (there are: {known})"
                results[place] = ToolResult(why)
            elif self._ask_permission(tool, call):
                allowed[place] = tool, call
            else:
                results[place] = ToolResult("error: the user did not allow this call")
        ran = run_tools(
            list(allowed.values()),
            environ=self._ctx.process.child_environment(),
            refuse=self._find_misfit,
        )
        results.update(zip(allowed, ran, strict=True))
        return [results[place] for place in range(len(calls))]

    def _find_misfit(self, schema: dict[str, Any], arguments: str) -> str | None:
        """Return why arguments are refused: they do not fit, or cannot be checked."""
        from apiyi_cli.build.schemas.answer_check import CHECK_S, check_answer

        check = check_answer(schema, arguments, limit_s=min(CHECK_S, self._ctx.gateway.left_s))
        return check.misfit or check.unfinished

    def _ask_permission(self, tool: Tool, call: ToolCall) -> bool:
        message = f"{call.name}({call.arguments}) -> {tool.target}"
        messages = self._ctx.messages
        if self._commands.runs_unasked:
            messages.note(Text("running {message}", message=message))
            return True
        question = messages.translate(Text("run {message}?", message=message))
        with UserTerminal() as terminal:
            return terminal.ask(neutralize(messages.redact(f"apiyi: {question} [y/N] ")))
