"""`apiyi session`: the conversations that `chat --session` keeps."""

from __future__ import annotations

from typing import Annotated

import typer

from apiyi_cli.cli.app import several
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.history import format_sessions
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.terminal_text import neutralize, neutralize_line
from apiyi_cli.errors import UsageError
from apiyi_cli.store.sessions import SessionStore
from apiyi_cli.text import Text

Name = Annotated[str, typer.Argument(help=Text("Name of the conversation."), show_default=False)]
Names = Annotated[
    list[str], typer.Argument(help=Text("Names of conversations."), show_default=False)
]


def list_(ctx: Context, *, output: Output) -> None:
    """List the conversations, the one that was used last first."""
    sessions = SessionStore.open(ctx.process.environ).all()
    if ctx.output.form != "text":
        ctx.output.write_records(
            {"name": item.name, "messages": item.messages, "used": item.used_s, "bytes": item.size}
            for item in sessions
        )
    elif ctx.process.console.stdout_is_terminal and not sessions:
        ctx.messages.note(Text("no conversation is kept: apiyi chat --session NAME keeps one"))
    elif ctx.process.console.stdout_is_terminal:
        ctx.output.write([format_sessions(ctx.output, sessions)], content="styled")
    else:
        ctx.output.write(f"{session.name}\n".encode() for session in sessions)


def show(ctx: Context, name: Name, *, output: Output) -> None:
    """Print a conversation: its messages as NDJSON, as --messages reads them."""
    messages = SessionStore.open(ctx.process.environ).messages(name)
    if not messages:
        raise UsageError(
            Text("there is no session {name}", name=repr(name)), "", hint="apiyi session list"
        )
    if ctx.process.console.stdout_is_terminal and ctx.output.form == "text":
        cut = ctx.messages.translate(Text("cut"))
        lines = (_format_message(message, cut, color=ctx.output.color) for message in messages)
        ctx.output.write(lines, content="styled")
    else:
        ctx.output.write_records(messages)


def rm(ctx: Context, names: Names, *, output: Output) -> None:
    """Remove conversations."""
    store = SessionStore.open(ctx.process.environ)
    for name in names:
        # Before any is removed: a name that cannot be one refuses them all.
        store.path(name)
    for name in names:
        store.remove(name)


def _format_message(message: dict[str, object], cut: str, *, color: bool) -> bytes:
    """Return a message for people; `cut` is the note after an answer that was cut."""
    content = message.get("content")
    text = content if isinstance(content, str) else "" if content is None else repr(content)
    role = neutralize_line(str(message["role"]))
    if message.get("cut"):
        role = f"{role} ({cut})"
    if color:
        role = f"\x1b[1m{role}\x1b[0m"
    return f"{role}: {neutralize(text)}\n".encode("utf-8", "replace")


app = several(list=spread(list_), show=spread(show), rm=spread(rm))
