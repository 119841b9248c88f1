"""`apiyi playground`: a local web page for every endpoint."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from apiyi_cli.cli.app import load_command, single
from apiyi_cli.cli.command_table import COMMANDS
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options import Group, flag
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text
from apiyi_cli.wire.cache import parse_ttl

if TYPE_CHECKING:
    from apiyi_cli.playground.facts import PageProgram

IDLE = "30m"
"""Idle time after which the server ends."""


class PlaygroundOptions(Group, config=False):
    """How the page is started, and what its requests may do."""

    profile = flag(
        str,
        "Profile of the configuration to use.",
        metavar="NAME",
        envvar="APIYI_PROFILE",
        complete="profile",
    )
    port = flag(int, Text("Port to listen on (0: any free one)."), low=0, high=65535)
    no_open = flag(bool, Text("Do not open the browser."))
    idle = flag(
        str, Text("End when nobody has used the page so long: 90s, 30m, 2h."), metavar="TIME"
    )
    max_cost = flag(
        float,
        Text("Send nothing that brings the day's estimated cost above so many US dollars."),
        metavar="USD",
        low=0,
    )
    no_history = flag(bool, Text("Keep no history."))
    allow_api = flag(bool, Text("Let the page's `api` use every method."))


def playground(
    ctx: Context,
    command: Annotated[
        str | None,
        typer.Argument(help=Text("Command that the page begins with."), show_default=False),
    ] = None,
    *,
    page_options: PlaygroundOptions,
) -> None:
    """Serve a web page for every endpoint on this machine, until Ctrl-C.

    Prints its address, which works once, and opens it in a browser. The page makes no request
    itself: it runs this program with the options of its forms, and shows the command line.
    """
    from apiyi_cli.playground.server import PlaygroundServer

    idle_s = _read_idle(page_options.idle or IDLE)
    program = make_program(ctx, command, page_options)
    server = PlaygroundServer(program, page_options.port or 0)
    ctx.process.on_exit(server.close)
    server.start()
    ctx.process.console.write(f"{server.url}\n".encode())
    _open_page(ctx, server.url, server.port, is_wanted=not page_options.no_open)
    ctx.messages.note(Text("the playground is running; Ctrl-C ends it"))
    server.wait(idle_s)
    ctx.messages.note(Text("nobody used the page: the playground ends"))


def _read_idle(text: str) -> float:
    try:
        return parse_ttl(text)
    except UsageError:
        why = Text("{text} is not a time", text=repr(text))
        raise UsageError(Text("cannot use --idle"), why, hint=f"--idle {IDLE}") from None


def make_program(ctx: Context, command: str | None, page_options: PlaygroundOptions) -> PageProgram:
    """Return the program's facts for the server. Raises UsageError, SetupError."""
    from apiyi_cli.cli.gateway.models import facts_file
    from apiyi_cli.cli.output.ledger import estimate_cost, load_prices
    from apiyi_cli.core.language import chinese
    from apiyi_cli.playground.facts import PageProgram
    from apiyi_cli.playground.policy import PAGE_COMMANDS
    from apiyi_cli.settings.language import find_configured
    from apiyi_cli.store.registry import load_facts

    if command is not None and command not in PAGE_COMMANDS:
        raise UsageError(
            Text("the page has no command {name}", name=repr(command)),
            Text("it has {names}", names=", ".join(PAGE_COMMANDS)),
            hint="apiyi playground",
        )
    settings = ctx.settings
    environ = settings.environ
    return PageProgram(
        {name: load_command(name).callback.groups for name in PAGE_COMMANDS},
        {name: COMMANDS[name].help for name in PAGE_COMMANDS},
        environ,
        settings.in_profile.name,
        load_prices=load_prices,
        load_models=lambda settings: load_facts(facts_file(settings)),
        estimate_call=lambda prices, call: estimate_cost(prices, call, None, guess=True),
        command=command or "chat",
        max_cost_usd=page_options.max_cost,
        allows_api=bool(page_options.allow_api),
        keeps_history=not page_options.no_history,
        is_chinese=chinese(environ, find_configured(environ)),
    )


def _open_page(ctx: Context, url: str, port: int, *, is_wanted: bool) -> None:
    """Open the browser, or explain how to reach the page over SSH."""
    environ = ctx.settings.environ
    if environ.get("SSH_CONNECTION"):
        host = environ["SSH_CONNECTION"].split()[2:3]
        user = environ.get("USER") or environ.get("LOGNAME") or "USER"
        target = f"{user}@{host[0] if host else 'HOST'}"
        line = f"ssh -L {port}:127.0.0.1:{port} {target}"
        ctx.messages.note(Text("on your own machine, first: {line}", line=line))
        return
    has_screen = sys.platform in ("darwin", "win32") or bool(
        environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"}
    )
    if is_wanted and has_screen and ctx.process.console.stdout_is_terminal:
        import threading
        import webbrowser

        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


app = single(spread(playground))
