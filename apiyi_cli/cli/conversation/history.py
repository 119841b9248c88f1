"""Which conversation a run goes on with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from time import localtime, strftime
from typing import TYPE_CHECKING, Any, NamedTuple

from apiyi_cli.core.options.chat import Kept
from apiyi_cli.errors import OutputError, UsageError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context
    from apiyi_cli.store.sessions import Sessions


MOST_TERMINAL_S = 7 * 86400.0
"""How long the last exchange of a terminal is kept."""


def sessions(ctx: Context) -> Sessions:
    """Return the conversations under the state directory."""
    from apiyi_cli.settings.paths import state_dir
    from apiyi_cli.store.sessions import Sessions

    return Sessions(state_dir(ctx.process.environ) / "sessions")


class Place(NamedTuple):
    """Where a conversation is kept; `begins` drops what was kept there before.

    `spare` is True for the last exchange of a terminal, which nobody asked to keep: failing
    to keep it is no error.
    """

    sessions: Sessions
    name: str
    begins: bool = False
    spare: bool = False

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages that the next request goes on from."""
        return [] if self.begins else self.sessions.messages(self.name)

    def keep(self, messages: Sequence[dict[str, Any]]) -> None:
        """Keep the new messages. Raises OutputError, except for a spare place."""
        try:
            if self.begins:
                self.sessions.drop_old(MOST_TERMINAL_S)
                self.sessions.drop(self.name)
            self.sessions.append(self.name, messages)
        except OutputError:
            if not self.spare:
                raise


def find_place(ctx: Context, kept: Kept) -> Place | None:
    """Return where the conversation goes on or is kept, None when it is not to be kept.

    `-c` goes on with the last exchange on this terminal, or with the session that was used
    last if that is later, and says which. Raises UsageError when there is neither.
    """
    if kept.session is not None:
        named = sessions(ctx)
        named.path(kept.session)
        return Place(named, kept.session)
    terminal = _terminal(ctx)
    if not kept.continue_:
        return None if terminal is None else Place(_terminals(ctx), terminal, True, True)
    named = sessions(ctx)
    newest = named.newest()
    here = None if terminal is None else _terminals(ctx).find(terminal)
    if here is not None and (newest is None or here.used >= newest.used):
        ctx.messages.note(Text("going on with the last exchange on this terminal"))
        return Place(_terminals(ctx), here.name, spare=True)
    if newest is None:
        raise UsageError(
            Text("there is no conversation to continue"),
            Text("none was kept yet"),
            hint=Text("apiyi chat --session NAME … keeps one"),
        )
    when = strftime("%Y-%m-%d %H:%M", localtime(newest.used))
    ctx.messages.note(
        Text("going on with the session {name}, used last {when}", name=newest.name, when=when)
    )
    return Place(named, newest.name)


def _terminals(ctx: Context) -> Sessions:
    """Return the last exchanges of terminals, apart from what the user has named."""
    from apiyi_cli.settings.paths import state_dir
    from apiyi_cli.store.sessions import Sessions

    return Sessions(state_dir(ctx.process.environ) / "terminals")


def _terminal(ctx: Context) -> str | None:
    """Return a name for the login on this terminal, None without a terminal.

    A terminal's number is given out again to the next window: the process that leads its
    session, and when that began, belong to the name.
    """
    console = ctx.process.console
    shown = (console.stdin_is_terminal, console.stdout_is_terminal, console.stderr_is_terminal)
    if True not in shown or not hasattr(os, "getsid"):
        return None
    try:
        leader = os.getsid(0)
        device = os.ttyname(shown.index(True))
    except OSError:
        return None
    import hashlib

    digest = hashlib.sha256(f"{device}\0{leader}\0{_began(leader)}".encode())
    return digest.hexdigest()[:16]


def _began(pid: int) -> str:
    """Return when a process began, as the system counts it, "" where that cannot be seen."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""
