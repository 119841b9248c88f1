"""`apiyi cache`: the response cache of `--cache`."""

from __future__ import annotations

from apiyi_cli.cli.app import several
from apiyi_cli.cli.session import Session
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options.output import Output
from apiyi_cli.settings.paths import cache_dir
from apiyi_cli.text import Text
from apiyi_cli.wire.cache import Cache


def cache(session: Session) -> Cache:
    """Return the cache, closed with the run."""
    found = Cache(cache_dir(session.run.environ) / "replies.sqlite3", clock=session.run.clock)
    session.run.closing(found.close)
    return found


def path(session: Session, *, output: Output) -> None:
    """Print where the cache is."""
    session.write([f"{cache(session).path}\n".encode("utf-8", "surrogateescape")])


def stats(session: Session, *, output: Output) -> None:
    """Show how many answers are kept and how large they are."""
    from apiyi_cli.core.jsontext import write

    found = cache(session).stats()
    if session.form == "text" and session.console.stdout_is_terminal:
        state = Text("; it is damaged: apiyi cache clear") if found.is_damaged else ""
        text = f"{found.entries} answers, {found.bytes} of {found.cap_bytes} bytes{state}\n"
        session.write([text.encode()])
        return
    line = write({**found._asdict(), "path": str(found.path)}) + b"\n"
    session.write(session.filtered([line]), content="json")


def clear(session: Session, *, output: Output) -> None:
    """Remove every kept answer."""
    cache(session).clear()


app = several(path=spread(path), stats=spread(stats), clear=spread(clear))
