"""Facts about models besides their names: kind, endpoints, groups, successor.

It comes from the vendor's registry and from the gateway's price list, fetched when the user
asks for it. Unreadable entries of either are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from apiyi_cli.core.disk import read_regular
from apiyi_cli.core.families import KINDS, OTHER_COMMANDS, TEXT_COMMANDS
from apiyi_cli.core.jsontext import read_event, whole_characters, write
from apiyi_cli.text import Text

SCHEMA_VERSION = 1
"""The newest schema of the registry whose fields are all known."""
_CONTEXT_NAMES = ("context_window", "context_length", "context", "max_input_tokens")


class ModelFacts(NamedTuple):
    """One model's facts: its kind, its endpoints and groups, its replacement.

    `context` is its length in tokens, None if unknown; `page` its page in the manual.
    """

    kind: str = ""
    endpoints: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    successor: str = ""
    context: int | None = None
    page: str = ""


_PROTOCOLS = {
    "openai": ("openai", "chat", "completions", "responses", "openai-response"),
    "anthropic": ("anthropic", "messages"),
    "google": ("google", "gemini"),
}
"""The names of each protocol's endpoints in registry and price list."""


def find_protocols(facts: ModelFacts) -> list[str]:
    """Return the protocols of a text model's endpoints, [] if none is named."""
    return [name for name, words in _PROTOCOLS.items() if set(words) & set(facts.endpoints)]


_KINDS = {
    "text": "chat",
    "chat": "chat",
    "image": "drawing",
    "video": "video",
    "embedding": "embedding",
    "embeddings": "embedding",
    "rerank": "rerank",
    "tts": "speech",
    "speech": "speech",
    "stt": "transcription",
    "transcription": "transcription",
}
"""The kind of family that a category of the registry is; of others nobody knows what they do."""
_SERVED_BY = {
    "chat": ("chat", "openai", "messages", "anthropic", "gemini", "google"),
    "complete": ("completions",),
    "respond": ("responses", "openai-response"),
    "embed": ("embeddings",),
    "image": ("images", "image-generation", "gemini", "chat"),
    "rank": ("rerank", "jina-rerank"),
    "video": ("video", "videos", "openai-video"),
}
"""What the registry and the price list call the endpoints of each command."""


def find_refusal_in(facts: ModelFacts, command: str) -> Text | None:
    """Return why the registry denies a model a command, None if it may work."""
    kind = _KINDS.get(facts.kind.lower())
    if kind is None or command not in (*TEXT_COMMANDS, *OTHER_COMMANDS):
        return None
    name, commands = KINDS[kind]
    if command in commands or set(_SERVED_BY.get(command, ())) & set(facts.endpoints):
        return None
    return Text(
        "the registry says that it is {kind}, which apiyi {command} cannot use",
        kind=name,
        command=command,
    )


def read_registry(value: Any) -> dict[str, ModelFacts]:
    """Return the models of a registry of any schema; raise ValueError if it has none."""
    rows = value.get("models") if isinstance(value, dict) else None
    models = {
        name: ModelFacts(
            _text(row.get("category")),
            _texts(row.get("endpoints")),
            _texts(row.get("groups")),
            _text(row.get("successor")) or _text(row.get("replaced_by")),
            next(filter(None, (_count(row.get(name)) for name in _CONTEXT_NAMES)), None),
            _text(row.get("docs_url")),
        )
        for name, row in _find_named_rows(rows, "id")
    }
    if not models:
        raise ValueError(Text("it has no list of models"))
    return models


def read_offers(value: Any) -> dict[str, ModelFacts]:
    """Return the price list's facts about models, besides their prices."""
    rows = value.get("data") if isinstance(value, dict) else None
    return {
        name: ModelFacts(
            endpoints=_texts(row.get("supported_endpoint_types")),
            groups=_texts(row.get("enable_groups")),
        )
        for name, row in _find_named_rows(rows, "model_name")
    }


def merge_facts(
    registry: Mapping[str, ModelFacts], offers: Mapping[str, ModelFacts]
) -> dict[str, ModelFacts]:
    """Return both merged; the price list decides about groups."""
    merged = dict(registry)
    for name, offer in offers.items():
        known = registry.get(name, ModelFacts())
        endpoints, groups = known.endpoints or offer.endpoints, offer.groups or known.groups
        merged[name] = known._replace(endpoints=endpoints, groups=groups)
    return merged


def format_facts(models: Mapping[str, ModelFacts]) -> bytes:
    """Return the content of the file that `load_facts` reads."""
    return write({"models": {name: facts._asdict() for name, facts in models.items()}})


def load_facts(path: Path) -> dict[str, ModelFacts]:
    """Return the last stored facts, {} if there are none or they are unreadable."""
    try:
        rows = read_event(read_regular(path))["models"]
        return {
            str(name): ModelFacts(
                _text(row.get("kind")),
                _texts(row.get("endpoints")),
                _texts(row.get("groups")),
                _text(row.get("successor")),
                _count(row.get("context")),
                _text(row.get("page")),
            )
            for name, row in rows.items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _find_named_rows(rows: Any, key: str) -> list[tuple[str, dict[str, Any]]]:
    objects = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [(_text(row.get(key)), row) for row in objects if _text(row.get(key))]


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 53
    return value if is_count else None


def _text(value: Any) -> str:
    return whole_characters(value).strip() if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    texts = [_text(item) for item in value] if isinstance(value, list) else []
    return tuple(text for text in texts if text)
