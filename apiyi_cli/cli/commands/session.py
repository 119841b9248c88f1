"""`apiyi session`: the conversations that `chat --session` keeps."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from apiyi_cli.cli.app import several
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.terminal_text import neutralize, neutralize_line
from apiyi_cli.errors import UsageError
from apiyi_cli.store.sessions import SessionInfo, SessionStore
from apiyi_cli.text import Text

Name = Annotated[str, typer.Argument(help=Text("Name of the conversation."), show_default=False)]
Names = Annotated[
    list[str], typer.Argument(help=Text("Names of conversations."), show_default=False)
]


def listed(ctx: Context, *, output: Output) -> None:
    """List the conversations, the one that was used last first."""
    from apiyi_cli.core.jsontext import write

    kept = SessionStore.open(ctx.process.environ).all()
    if ctx.output.form != "text":
        lines = (write(_record(info)) + b"\n" for info in kept)
        ctx.output.write(ctx.output.filter_lines(lines))
    elif ctx.process.console.stdout_is_terminal:
        from apiyi_cli.render.table import format_table

        rows = [
            [
                one.name,
                str(one.messages),
                time.strftime("%Y-%m-%d %H:%M", time.localtime(one.used_s)),
            ]
            for one in kept
        ]
        headers = [Text("session"), Text("messages"), Text("last used")]
        table = format_table(
            rows,
            headers,
            width=ctx.process.console.width,
            color=ctx.output.color,
            translate=ctx.messages.translate,
        )
        ctx.output.write([table.encode("utf-8", "replace")], content="styled")
    else:
        ctx.output.write(f"{one.name}\n".encode() for one in kept)


def _record(info: SessionInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "messages": info.messages,
        "used": info.used_s,
        "bytes": info.size,
    }


def show(ctx: Context, name: Name, *, output: Output) -> None:
    """Print a conversation: its messages as NDJSON, as --messages reads them."""
    from apiyi_cli.core.jsontext import write

    messages = SessionStore.open(ctx.process.environ).messages(name)
    if not messages:
        raise UsageError(
            Text("there is no session {name}", name=repr(name)), "", hint="apiyi session list"
        )
    if ctx.process.console.stdout_is_terminal and ctx.output.form == "text":
        spoken = (_spoken(ctx, message) for message in messages)
        ctx.output.write(spoken, content="styled")
    else:
        lines = (write(message) + b"\n" for message in messages)
        ctx.output.write(ctx.output.filter_lines(lines), content="json")


def rm(ctx: Context, names: Names, *, output: Output) -> None:
    """Remove conversations."""
    for name in names:
        SessionStore.open(ctx.process.environ).path(name)
    for name in names:
        SessionStore.open(ctx.process.environ).remove(name)


def _spoken(ctx: Context, message: dict[str, object]) -> bytes:
    content = message.get("content")
    text = content if isinstance(content, str) else "" if content is None else repr(content)
    role = neutralize_line(str(message["role"]))
    if ctx.output.color:
        role = f"\x1b[1m{role}\x1b[0m"
    return f"{role}: {neutralize(text)}\n".encode("utf-8", "replace")


app = several(list=spread(listed), show=spread(show), rm=spread(rm))
