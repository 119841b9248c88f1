"""The gateway's model list: fetched, cleaned, and kept as a plain file for completion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from apiyi_cli.core.call import Reply
from apiyi_cli.core.disk import read_regular
from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.errors import IncompleteError, SetupError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from pathlib import Path

    from apiyi_cli.cli.session import Session
    from apiyi_cli.wire.send import Sender


def models_file(session: Session) -> Path:
    """Return the file with one model name a line, read by the shells' completions."""
    from apiyi_cli.settings.paths import cache_dir

    return cache_dir(session.run.environ) / "models" / session.settings.profile


def cached_models(session: Session) -> list[str]:
    """Return the names of the last list that was fetched, [] when there is none."""
    path = models_file(session)
    try:
        return read_regular(path).decode().split("\n")[:-1]
    except (OSError, UnicodeDecodeError):
        return []


def fetched_models(
    session: Session, sender: Sender | None = None
) -> tuple[list[dict[str, Any]], bytes]:
    """Fetch the list; return its objects, each id once, sorted, and the server's own bytes.

    Goes through the session's sender where none is given. Keeps the names for completion.
    Raises what sending raises, and IncompleteError for a list without models.
    """
    from apiyi_cli.core.endpoints import MODELS
    from apiyi_cli.decode.whole import value

    def decode(reply: Reply) -> Iterator[tuple[Any, bytes]]:
        yield value(reply, cost="free")

    ((found, raw),) = session.answers(MODELS.call(), decode, sender=sender)
    listed = found.get("data") if isinstance(found, dict) else found
    by_id: dict[str, dict[str, Any]] = {}
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("id"), str) and one["id"].strip():
            # Half a surrogate pair is no reason to lose the others.
            name = whole_characters(one["id"])
            by_id.setdefault(name, {**one, "id": name})
    if not by_id:
        raise IncompleteError(Text("the model list is empty"), Text("the gateway named no models"))
    models = [by_id[name] for name in sorted(by_id, key=lambda name: (name.lower(), name))]
    _keep(session, [one["id"] for one in models])
    return models, raw


def updated_prices(session: Session) -> None:
    """Fetch the gateway's public price list and keep it with its date."""
    from apiyi_cli.core.endpoints import PRICING
    from apiyi_cli.decode.whole import value
    from apiyi_cli.settings.paths import cache_dir, private_dir, private_write
    from apiyi_cli.store.prices import listed

    def decode(reply: Reply) -> Iterator[Any]:
        yield value(reply, cost="free")[0]

    (found,) = session.answers(PRICING.call(), decode)
    try:
        content = listed(found, session.run.clock.wall())
    except ValueError as failure:
        raise IncompleteError(Text("cannot read the price list"), str(failure)) from None
    path = private_dir(cache_dir(session.run.environ)) / "prices.json"
    private_write(path, content)
    session.note(Text("kept the prices in {path}", path=path))


def _keep(session: Session, names: list[str]) -> None:
    from apiyi_cli.settings.paths import private_dir, private_write

    path = models_file(session)
    plain = [name for name in names if "\n" not in name]
    try:
        private_dir(path.parent)
        private_write(path, "".join(f"{name}\n" for name in plain).encode())
    except (OSError, ValueError, SetupError):
        session.detail(Text("* the model list could not be kept for completion"))
