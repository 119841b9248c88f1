"""The gateway's model list: fetched, cleaned, and kept as a plain file for completion."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.disk import read_regular
from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.errors import IncompleteError, SetupError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from pathlib import Path

    from apiyi_cli.settings.resolve import Settings

Ask = Callable[[Call, Callable[[Reply], Any]], Any]
"""Sends a call and returns what a function makes of its reply: `GatewayClient.ask`."""


def models_file(settings: Settings) -> Path:
    """Return the file with one model name a line, read by the shells' completions."""
    from apiyi_cli.settings.paths import cache_dir

    return cache_dir(settings.environ) / "models" / settings.profile


def cached_models(settings: Settings) -> list[str]:
    """Return the names of the last list that was fetched, [] when there is none."""
    path = models_file(settings)
    try:
        return read_regular(path).decode().split("\n")[:-1]
    except (OSError, UnicodeDecodeError):
        return []


def fetch_models(
    ask: Ask, settings: Settings, debug: Callable[[str], None]
) -> tuple[list[dict[str, Any]], bytes]:
    """Fetch the list of models, and keep their names for completion; see `read_models`."""
    from apiyi_cli.core.endpoints import MODELS

    models, raw = ask(MODELS.call(), read_models)
    keep_model_names(settings, [model["id"] for model in models], debug)
    return models, raw


def read_models(reply: Reply) -> tuple[list[dict[str, Any]], bytes]:
    """Return the objects of a list of models, each id once, sorted, and the server's own bytes.

    Raises IncompleteError for a list without models.
    """
    from apiyi_cli.decode.reply_body import read_json

    value, raw = read_json(reply, cost="free")
    items = value.get("data") if isinstance(value, dict) else value
    by_id: dict[str, dict[str, Any]] = {}
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and isinstance(item.get("id"), str) and item["id"].strip():
            # Half a surrogate pair does not justify losing the others.
            name = whole_characters(item["id"])
            by_id.setdefault(name, {**item, "id": name})
    if not by_id:
        raise IncompleteError(Text("the model list is empty"), Text("the gateway named no models"))
    models = [by_id[name] for name in sorted(by_id, key=lambda name: (name.lower(), name))]
    return models, raw


def update_prices(ask: Ask, settings: Settings, now_s: float) -> Path:
    """Fetch the gateway's public price list, keep it with its date, and return its path."""
    from apiyi_cli.core.endpoints import PRICING
    from apiyi_cli.decode.reply_body import read_json
    from apiyi_cli.settings.paths import cache_dir, private_dir, private_write
    from apiyi_cli.store.prices import encode_price_list

    prices = ask(PRICING.call(), lambda reply: read_json(reply, cost="free")[0])
    try:
        content = encode_price_list(prices, now_s)
    except ValueError as failure:
        raise IncompleteError(Text("cannot read the price list"), str(failure)) from None
    path = private_dir(cache_dir(settings.environ)) / "prices.json"
    private_write(path, content)
    return path


def keep_model_names(settings: Settings, names: list[str], debug: Callable[[str], None]) -> None:
    """Keep the names in the file that completion reads; a failure is told by `-v` alone."""
    from apiyi_cli.settings.paths import private_dir, private_write

    path = models_file(settings)
    plain = [name for name in names if "\n" not in name]
    try:
        private_dir(path.parent)
        private_write(path, "".join(f"{name}\n" for name in plain).encode())
    except (OSError, ValueError, SetupError):
        debug(Text("* the model list could not be kept for completion"))
