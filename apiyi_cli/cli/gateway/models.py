"""The gateway's model list: fetched, cleaned, and stored as a plain file for completion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.disk import read_regular
from apiyi_cli.core.endpoints import MODELS, PRICING
from apiyi_cli.core.families import KINDS, PROPOSED, find_family
from apiyi_cli.core.hosts import is_loopback
from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.decode.frames.fields import read_object
from apiyi_cli.decode.frames.reply_body import read_json
from apiyi_cli.errors import ApiyiError, IncompleteError, SetupError
from apiyi_cli.settings.paths import cache_dir, private_dir, private_write
from apiyi_cli.text import Text
from apiyi_cli.wire.send import Sender

if TYPE_CHECKING:
    from pathlib import Path

    from apiyi_cli.settings.resolve import Settings
    from apiyi_cli.store.registry import ModelFacts
    from apiyi_cli.wire.send import Plan

REGISTRY_URL = "https://docs.apiyi.com/model-registry.json"
Ask = Callable[..., Any]
"""Sends a call and returns the result of `read`, like `GatewayClient.ask`."""

MODEL_ORDER: Final = ("chat", "embed", "image", "transcribe", "speak", "rank", "video")
PREFERRED: Mapping[str, Sequence[str]] = {
    "chat": ("gpt-5-mini", "gpt-4.1-mini", "gpt-4o-mini", "gpt-4o"),
    "embed": ("text-embedding-3-large", "bge-m3"),
    "image": ("gpt-image-2.6-flare", "gpt-image-2", "gpt-image-1"),
    "transcribe": ("gpt-4o-mini-transcribe", "gpt-4o-transcribe"),
    "speak": ("tts-1", "tts-1-hd"),
    "video": ("doubao-seedance-2-0-mini-260615", "grok-imagine-video"),
}
"""What is proposed where the list lacks the first choice; then any model of the kind."""


def models_file(settings: Settings) -> Path:
    """Return the path of the file for completion, with one model name a line."""
    return cache_dir(settings.environ) / "models" / settings.profile


def read_cached_models(settings: Settings) -> list[str]:
    """Return the names of the last fetched list, [] if there is none."""
    path = models_file(settings)
    try:
        return read_regular(path).decode().split("\n")[:-1]
    except (OSError, UnicodeDecodeError):
        return []


def fetch_models(
    ask: Ask, settings: Settings, debug: Callable[[str], None]
) -> tuple[list[dict[str, Any]], bytes]:
    """Fetch the list of models, and store their names for completion; see `read_models`."""
    models, raw = ask(MODELS.call(), read_models)
    keep_model_names(settings, [model["id"] for model in models], debug)
    return models, raw


def read_models(reply: Reply) -> tuple[list[dict[str, Any]], bytes]:
    """Return the models of a list, each id once, sorted, and the server's own bytes.

    Raises IncompleteError for a list without models.
    """
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


def update_catalogue(
    ask: Ask, plan: Plan, settings: Settings, now_s: float, note: Callable[[str], None]
) -> Path:
    """Fetch and store the public price list and the registry; return the list's path.

    `plan` is one for what is public (`GatewayClient.make_public_plan`). A
    registry that cannot be read is reported by `note`; the prices are stored anyway.
    """
    from apiyi_cli.store.prices import encode_price_list, has_price_list
    from apiyi_cli.store.registry import format_facts, merge_facts, read_offers

    prices, refusal = None, None
    try:
        prices = fetch_pricing(ask, plan)
        if not has_price_list(prices):
            raise IncompleteError(Text("the answer has no list of models"), PRICING.path)
    except ApiyiError as failure:
        prices, refusal = None, failure
    registry, models = fetch_registry(ask, plan, settings, note)
    if refusal is not None:
        if registry is None:
            raise refusal
        why = refusal.summary()
        note(Text("the price list cannot be read: {why}; list prices are used", why=why))
    try:
        content = encode_price_list(prices, now_s, registry)
    except ValueError as failure:
        raise IncompleteError(Text("cannot read the price list"), str(failure)) from None
    path = facts_file(settings).with_name("prices.json")
    private_dir(path.parent)
    private_write(path, content)
    private_write(facts_file(settings), format_facts(merge_facts(models, read_offers(prices))))
    return path


def fetch_pricing(ask: Ask, plan: Plan) -> Any:
    """Return the gateway's public price list; a key is neither needed nor sent."""
    return _ask_json(ask, plan, PRICING.call())


def _ask_json(ask: Ask, plan: Plan, call: Call) -> Any:
    sender = Sender(plan)
    try:
        return ask(call, lambda reply: read_json(reply, cost="free")[0], sender=sender)
    finally:
        sender.close()


def facts_file(settings: Settings) -> Path:
    """Return the path of the file with facts about models; it may not exist."""
    return cache_dir(settings.environ) / "registry.json"


def fetch_registry(
    ask: Ask, plan: Plan, settings: Settings, note: Callable[[str], None]
) -> tuple[Any, dict[str, ModelFacts]]:
    """Return the registry and its models; None and {} if it cannot be read."""
    from apiyi_cli.store.registry import SCHEMA_VERSION, read_registry

    url = settings.config.registry_url or _default_registry(plan.base_urls[0])
    if url is None:
        return None, {}
    parts = urlsplit(url)
    call = Call("GET", parts.path + (f"?{parts.query}" if parts.query else ""), cost="free")
    plan = plan._replace(base_urls=(f"{parts.scheme}://{parts.netloc}",), failover=None)
    try:
        value = _ask_json(ask, plan, call)
        models = read_registry(value)
    except (ApiyiError, ValueError) as failure:
        why = failure.summary() if isinstance(failure, ApiyiError) else failure.args[0]
        note(Text("the registry at {url} cannot be read: {why}", url=url, why=why))
        return None, {}
    version = read_object(value).get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        note(
            Text(
                "the registry has schema version {version}, newer than this program knows; "
                "what it knows was read",
                version=version,
            )
        )
    return value, models


def _default_registry(base_url: str) -> str | None:
    """Return the URL of a gateway's registry, None if it has none."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host == "apiyi.com" or host.endswith(".apiyi.com"):
        return REGISTRY_URL
    # The sandbox, which serves its own.
    return f"{parts.scheme}://{parts.netloc}/model-registry.json" if is_loopback(host) else None


def keep_model_names(settings: Settings, names: list[str], debug: Callable[[str], None]) -> None:
    """Write the names to the file for completion; a failure is only reported by `-v`."""
    path = models_file(settings)
    # With the user's own names, which complete as the models do.
    plain = [name for name in (*settings.config.aliases, *names) if "\n" not in name]
    try:
        private_dir(path.parent)
        private_write(path, "".join(f"{name}\n" for name in plain).encode())
    except (OSError, ValueError, SetupError):
        debug(Text("* the model list could not be kept for completion"))


def propose_models(names: Sequence[str]) -> dict[str, str]:
    """Return a model of the list for each command that has one."""
    proposals = {command: propose_model(command, names) for command in MODEL_ORDER}
    return {command: model for command, model in proposals.items() if model is not None}


def propose_model(command: str, names: Sequence[str]) -> str | None:
    """Return the model of the list to propose for a command, or None.

    For `chat` also one that no family is known of: servers of one vendor have their own names.
    """
    for name in (PROPOSED[command], *PREFERRED.get(command, ())):
        if name in names:
            return name
    able = [name for name in names if _is_made_for(name, command)]
    if not able and command == "chat":
        able = [name for name in names if not find_family(name).is_known]
    return able[0] if able else None


def _is_made_for(name: str, command: str) -> bool:
    family = find_family(name)
    return family.is_known and not family.retired and command in KINDS[family.kind][1]
