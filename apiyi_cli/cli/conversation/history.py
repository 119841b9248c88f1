"""Stored conversations: which one a run continues, where it is kept, its last answer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from time import localtime, strftime
from typing import TYPE_CHECKING, Any

from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.reply import answer_form
from apiyi_cli.cli.process import Process
from apiyi_cli.core.digest import sha256
from apiyi_cli.core.events import Delta, Finish
from apiyi_cli.core.options.chat import AnswerForm, SessionOptions
from apiyi_cli.errors import OutputError, UsageError
from apiyi_cli.output.console import Console
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.output.answer import AnswerOutput
    from apiyi_cli.store.sessions import SessionInfo, SessionStore

MOST_TERMINAL_S = 7 * 86400.0
"""How long a terminal's last exchange is kept."""


class History(PlainValue):
    """One stored conversation; `is_new` replaces the one under its name.

    `is_optional` is True for the last exchange of a terminal: the user did not ask for it, so a
    failure to keep it is not an error. `notice` says what is continued.
    """

    store: SessionStore
    name: str
    is_new: bool = False
    is_optional: bool = False
    notice: Text | None = None

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages that the next request continues."""
        return [] if self.is_new else without_marks(self.store.messages(self.name))

    def append(self, messages: Sequence[dict[str, Any]]) -> None:
        """Store new messages. Raises OutputError unless the history is optional."""
        try:
            if self.is_new:
                self.store.drop_old(MOST_TERMINAL_S)
                self.store.drop(self.name)
            self.store.append(self.name, messages)
        except OutputError:
            if not self.is_optional:
                raise


def find_history(process: Process, sessions: SessionOptions) -> History | None:
    """Return the history that the run continues or adds to, None if nothing is kept.

    `-c` continues the last exchange on this terminal, or the session used last if that is
    later. Raises UsageError if there is neither.
    """
    terminal = None if sessions.no_keep else identify_terminal(process.console)
    if sessions.session is None and not sessions.continue_ and terminal is None:
        return None
    from apiyi_cli.store.sessions import SessionStore

    store = SessionStore.open(process.environ)
    if sessions.session is not None:
        store.path(sessions.session)
        return History(store, sessions.session)
    terminals = SessionStore.open(process.environ, "terminals")
    if terminal is not None and not sessions.continue_:
        return History(terminals, terminal, True, True)
    newest = store.newest()
    last = None if terminal is None else terminals.find(terminal)
    if last is not None and (newest is None or last.used_s >= newest.used_s):
        notice = Text("going on with the last exchange on this terminal")
        return History(terminals, last.name, is_optional=True, notice=notice)
    if newest is None:
        raise UsageError(
            Text("there is no conversation to continue"),
            Text("none was kept yet"),
            hint=Text("apiyi chat --session NAME … keeps one"),
        )
    when = _format_time(newest.used_s)
    notice = Text("going on with the session {name}, used last {when}", name=newest.name, when=when)
    return History(store, newest.name, notice=notice)


def format_sessions(output: AnswerOutput, sessions: Sequence[SessionInfo]) -> bytes:
    """Return a table of stored conversations."""
    headers = [Text("session"), Text("messages"), Text("last used")]
    rows = [[info.name, str(info.messages), _format_time(info.used_s)] for info in sessions]
    return output.format_table(rows, headers)


def _format_time(at_s: float) -> str:
    return strftime("%Y-%m-%d %H:%M", localtime(at_s))


def without_marks(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages for a request, without our own mark of cut answers."""
    return [
        {name: value for name, value in message.items() if name != "cut"}
        if "cut" in message
        else message
        for message in messages
    ]


def identify_terminal(console: Console) -> str | None:
    """Return a name for the login session on this terminal, None without a terminal.

    The number of a terminal is reused by the next window, so the name includes the process
    that leads the login session and when that process started.
    """
    shown = (console.stdin_is_terminal, console.stdout_is_terminal, console.stderr_is_terminal)
    if True not in shown or not hasattr(os, "getsid"):
        return None
    try:
        leader = os.getsid(0)
        device = os.ttyname(shown.index(True))
    except OSError:
        return None
    digest: str = sha256(f"{device}\0{leader}\0{_start_time(leader)}".encode()).hexdigest()
    return digest[:16]


def _start_time(pid: int) -> str:
    """Return a process's start time in the system's units, "" if unknown."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""


def print_last_answer(ctx: Context) -> None:
    """Print the last answer of the conversation that `-c` would continue."""
    kept = ctx.settings.fill(SessionOptions()).replace(continue_=True)
    history = find_history(ctx.process, kept)
    messages = [] if history is None else history.messages()
    answers = [item for item in messages if item.get("role") == "assistant"]
    text = _text_of(answers[-1]) if answers else ""
    if not text:
        raise UsageError(Text("there is no answer to print"), Text("the last one had no text"))
    answer = ctx.settings.fill(AnswerForm())
    form = answer_form(ctx.output.form, answer)
    if form in ("json", "ndjson"):
        ctx.output.write_records([answers[-1]])
        return
    render = ctx.output.renderer(lambda event: None, answer, form)
    lines = render([[Delta(text)], [Finish("stop")]])
    ctx.output.write(lines, content=render.content)


def _text_of(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
