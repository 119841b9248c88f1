"""Tools of MCP servers: connects, lists, calls; no server outlives the run.

The official `mcp` package speaks the protocol, in an event loop that runs in a thread. It is an
extra and is imported here alone, when a server is named.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from apiyi_cli.core.hosts import is_loopback, is_private_way, split_url
from apiyi_cli.core.jsontext import InvalidJSON, read_typed
from apiyi_cli.core.secret import mask_url
from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.text import Text, system_reason
from apiyi_cli.tools.mcp_results import read_result
from apiyi_cli.tools.mcp_stdio import StderrTail, connect_stdio
from apiyi_cli.tools.run import Tool, ToolResult

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal
    from mcp import Client
    from mcp.types import Tool as McpTool

START_TIMEOUT_S: Final = 30.0
"""Seconds for each step of the handshake: a server may be downloaded first."""
MOST_PAGES: Final = 100
_NAME_MAX: Final = 64
_EXAMPLE: Final = "--mcp 'npx -y @modelcontextprotocol/server-everything'"


_Key = tuple[str, tuple[tuple[str, str], ...]]
"""A value of `--mcp`, and the headers of the server."""


class McpServer:
    """One connected server; `title` names it in messages, without secrets of its URL.

    `tools` are those that it listed last; `stack` ends it.
    """

    def __init__(
        self,
        portal: BlockingPortal,
        client: Client,
        title: str,
        stderr: StderrTail,
        stack: ExitStack,
    ) -> None:
        self.tools: list[McpTool] = []
        self.stack = stack
        self._portal = portal
        self._client = client
        self._stderr = stderr
        self.title = title
        info = client.server_info
        self.name = info.name if info is not None else title

    def read_tools(self) -> None:
        """Read the list of the server's tools, page by page. Raises SetupError."""
        try:
            self.tools = self._portal.call(self._list_tools)
        except Exception as failure:
            raise _cannot_use(self.title, _explain(failure, self._stderr)) from None

    def call(self, name: str, arguments: str, timeout_s: float, most_bytes: int) -> ToolResult:
        """Call a tool and return its result; a failure becomes an error text."""
        try:
            value = read_typed(arguments or "{}")
        except InvalidJSON as failure:
            return ToolResult(f"error: the arguments are not JSON: {failure}")
        if not isinstance(value, dict):
            return ToolResult("error: the arguments are not a JSON object")
        try:
            result = self._portal.call(self._call, name, value, timeout_s)
        except TimeoutError:
            return ToolResult(f"error: {name} did not end within {timeout_s:g} s")
        except Exception as failure:
            return ToolResult(f"error: {name}: {_explain(failure, self._stderr)}")
        return read_result(result, most_bytes)

    async def _list_tools(self) -> list[McpTool]:
        tools: list[McpTool] = []
        cursor = None
        for _ in range(MOST_PAGES):
            page = await self._client.list_tools(cursor=cursor)
            tools += page.tools
            cursor = page.next_cursor
            if not cursor:
                break
        return tools

    async def _call(self, name: str, arguments: dict[str, Any], timeout_s: float) -> Any:
        import anyio

        # The package's own limit names no tool, and must not come first.
        with anyio.fail_after(timeout_s):
            return await self._client.call_tool(
                name, arguments, read_timeout_seconds=timeout_s + START_TIMEOUT_S
            )


class McpServers:
    """The servers of a run. `close` ends them all, and so does the end of the process."""

    def __init__(self, environ: Mapping[str, str], timeout_s: float = START_TIMEOUT_S) -> None:
        """`environ` is the whole environment of a server, `timeout_s` bounds its handshake."""
        self._environ = dict(environ)
        self._timeout_s = min(START_TIMEOUT_S, timeout_s)
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._connected: dict[_Key, McpServer] = {}
        self._ended: dict[_Key, str] = {}

    def connect(
        self,
        value: str,
        headers: Mapping[str, str] | None = None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> McpServer:
        """Return the server that a value of `--mcp` names, with its current tools.

        A URL is reached by streamable HTTP, with the `headers`; anything else is a command,
        split like a shell command but run without a shell. A server is connected once; one that
        has ended meanwhile is started again, which `tell` hears. Raises UsageError or SetupError.
        """
        key = value, tuple((headers or {}).items())
        if (server := self._connected.get(key)) is not None:
            try:
                server.read_tools()
            except SetupError as failure:
                self._ended[key] = failure.why
                del self._connected[key]
                with suppress(Exception):
                    server.stack.close()
            else:
                return server
        why = self._ended.get(key)
        try:
            server = self._begin(key)
        except SetupError as failure:
            hint = Text("/unset mcp goes on without its tools")
            raise failure.with_hint(hint) if why else failure from None
        if why:
            tell(Text("started the MCP server {title} again: {why}", title=server.title, why=why))
            del self._ended[key]
        return server

    def _begin(self, key: _Key) -> McpServer:
        """Connect a server and read its tools."""
        value, headers = key
        if is_url(value):
            _require_private_way(value)
        portal = self._open_portal()
        stderr = StderrTail()
        refusals: list[int] = []
        if is_url(value):
            title = _hide_secrets(value)
            transport: Any = _connect_http(value, dict(headers), refusals)
        else:
            argv, title = self._split(value), value
            transport = connect_stdio(argv, self._environ, stderr)
        from mcp import Client

        client = Client(transport, read_timeout_seconds=self._timeout_s, cache=None)
        connection: AbstractContextManager[Client] = portal.wrap_async_context_manager(client)
        stack = self._stack.enter_context(ExitStack())
        try:
            connected = stack.enter_context(connection)
        except Exception as failure:
            if refusals:
                raise _describe_refusal(title, refusals[-1]) from None
            raise _cannot_use(title, _explain(failure, stderr)) from None
        server = self._connected[key] = McpServer(portal, connected, title, stderr, stack)
        server.read_tools()
        return server

    def close(self) -> None:
        """End the servers and the event loop; may be repeated."""
        self._stack.close()
        self._portal = None
        self._connected.clear()

    def _open_portal(self) -> BlockingPortal:
        if self._portal is None:
            require_package(Text("cannot use --mcp"))
            from anyio.from_thread import start_blocking_portal

            self._portal = self._stack.enter_context(start_blocking_portal())
        return self._portal

    def _split(self, value: str) -> list[str]:
        """Split a command into words; the first becomes the path of a program."""
        try:
            argv = shlex.split(value)
        except ValueError as failure:
            raise UsageError(
                Text("cannot use --mcp {value}", value=value), str(failure).lower()
            ) from None
        if not argv:
            raise UsageError(Text("cannot use --mcp"), Text("the command is empty"), hint=_EXAMPLE)
        # On Windows npx is npx.cmd, which a process without a shell does not find by itself.
        program = shutil.which(argv[0], path=self._environ.get("PATH"))
        if program is None:
            raise _cannot_use(argv[0], Text("there is no such program"))
        return [program, *argv[1:]]


def offer_tools(
    servers: Sequence[McpServer], taken: Sequence[str], tell: Callable[[str], None]
) -> tuple[list[dict[str, Any]], dict[str, Tool]]:
    """Return the tools of all servers as functions for the model, and what answers each.

    A name that models do not take is spelled anew, one that is taken gets the server's before
    it; `tell` hears of both, and of tools whose parameters are not a JSON Schema: they are left
    out.
    """
    from apiyi_cli.build.tools import read_tools

    functions: list[dict[str, Any]] = []
    tools: dict[str, Tool] = {}
    for server in servers:
        for tool in server.tools:
            name = _free_name(server.name, tool.name, {*taken, *tools})
            names = {"tool": tool.name, "server": server.name}
            described = {"description": tool.description or "", "inputSchema": tool.input_schema}
            try:
                functions += read_tools([{"name": name, **described}])
            except UsageError as failure:
                tell(
                    Text("{tool} of {server} is not offered: {reason}", **names, reason=failure.why)
                )
                continue
            if name != tool.name:
                tell(Text("{tool} of {server} is offered as {name}", **names, name=name))
            tools[name] = Tool(name, (), tool.input_schema, _Remote(server, tool.name))
    return functions, tools


class _Remote:
    """A function that calls a server's tool; as text it says where the call goes."""

    def __init__(self, server: McpServer, name: str) -> None:
        self._server = server
        self._name = name

    def __str__(self) -> str:
        return f"{self._server.name} ({self._server.title})"

    def __call__(self, arguments: str, timeout_s: float, most_bytes: int) -> ToolResult:
        return self._server.call(self._name, arguments, timeout_s, most_bytes)


def _free_name(server: str, name: str, taken: set[str]) -> str:
    """Return a valid function name that is not in use."""
    base = _spell(name)
    if base not in taken:
        return base
    base = _spell(f"{server}_{name}")
    candidates = (
        base if count == 1 else f"{base[: _NAME_MAX - 3]}_{count}" for count in range(1, 100)
    )
    return next(candidate for candidate in candidates if candidate not in taken)


def _spell(name: str) -> str:
    """Return a name with `_` in place of invalid characters."""
    spelled = "".join(
        character if character.isascii() and (character.isalnum() or character in "_-") else "_"
        for character in name
    )
    return spelled[:_NAME_MAX] or "_"


@asynccontextmanager
async def _connect_http(url: str, headers: dict[str, str], refusals: list[int]) -> Any:
    """Yield the streams of messages of a server that is reached by streamable HTTP.

    The package does not tell the status of an answer that is an error: `refusals` gets it.
    """
    from httpx2 import AsyncClient, Timeout
    from mcp.client.streamable_http import streamable_http_client

    timeout = Timeout(START_TIMEOUT_S, read=None)
    parts = split_url(url)
    # As everywhere in the program: loopback is never reached through a proxy.
    is_proxied = parts is None or not is_loopback(parts.hostname or "")

    async def note_refusal(response: Any) -> None:
        if response.status_code >= 400:
            refusals.append(response.status_code)

    async with (
        AsyncClient(
            timeout=timeout,
            headers=headers,
            event_hooks={"response": [note_refusal]},
            trust_env=is_proxied,
        ) as client,
        streamable_http_client(url, http_client=client) as streams,
    ):
        yield streams


def _require_private_way(url: str) -> None:
    """Refuse plain http over a network, like a base URL: it exposes the tools' data."""
    if is_private_way(url):
        return
    title = _hide_secrets(url)
    parts = split_url(url)
    if parts is None or not parts.hostname:
        raise _cannot_use(title, Text("this is not a URL"))
    why = Text(
        "plain http would show what is sent to all on the way to {host}", host=parts.hostname
    )
    raise _cannot_use(title, why, Text("use https{rest}", rest=title.removeprefix("http")))


def is_url(value: str) -> bool:
    """Return True if a value of `--mcp` is an address, not a command."""
    return value.startswith(("http://", "https://"))


def _hide_secrets(url: str) -> str:
    """Return a URL without its query and password, which may be secret."""
    return mask_url(url.partition("?")[0].partition("#")[0])


def _explain(failure: BaseException, stderr: StderrTail) -> str:
    """Return why a server cannot be used, with the end of its stderr."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    if isinstance(failure, OSError) and failure.strerror:
        why = system_reason(failure)
    else:
        # Behind the number that the package's HTTP client leaves in.
        why = re.sub(r"^\[Errno -?\d+\] ", "", " ".join(str(failure).split()))
        why = why or type(failure).__name__
    if last := stderr.last_line:
        return Text("{why} (its last words: {last})", why=why, last=last)
    return why


def _cannot_use(title: str, why: str, hint: str | None = None) -> SetupError:
    return SetupError(Text("cannot use the MCP server {title}", title=title), why, hint=hint)


def _describe_refusal(title: str, status: int) -> SetupError:
    """Return the error for a server that answered with an HTTP status of refusal."""
    if status not in (401, 403):
        return _cannot_use(title, f"HTTP {status}")
    return _cannot_use(
        title,
        Text("it wants a token (HTTP {status})", status=status),
        "--mcp-header 'Authorization: Bearer @FILE'",
    )


def require_package(what: Text) -> None:
    """Raise SetupError with the command that installs the package if it is missing."""
    try:
        import mcp  # noqa: F401
    except ImportError:
        raise SetupError(
            what, Text("the mcp package is missing"), hint="pip install 'apiyi-cli[mcp]'"
        ) from None
    import logging

    # It reports what it skips with the logging of the standard library, on stderr.
    logging.getLogger("mcp").addHandler(logging.NullHandler())
    logging.getLogger("mcp").propagate = False
