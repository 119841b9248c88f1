"""Which conversation a run goes on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiyi_cli.core.groups import Kept
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.session import Session
    from apiyi_cli.store.sessions import Sessions


def sessions(session: Session) -> Sessions:
    """Return the conversations under the state directory."""
    from apiyi_cli.settings.paths import state_dir
    from apiyi_cli.store.sessions import Sessions

    return Sessions(state_dir(session.run.environ) / "sessions")


def session_name(session: Session, kept: Kept) -> str | None:
    """Return the name to keep the conversation under, None when it is not to be kept."""
    if kept.session is not None:
        sessions(session).path(kept.session)
        return kept.session
    if not kept.continue_:
        return None
    latest = sessions(session).latest()
    if latest is None:
        raise UsageError(
            Text("there is no conversation to continue"),
            Text("none was kept yet"),
            hint=Text("apiyi chat --session NAME … keeps one"),
        )
    return latest
