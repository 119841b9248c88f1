"""Model families: the abilities of models, and the parameters that the gateway refuses.

The table is data (`families.toml`, with its sources), read from the JSON that `make manual`
makes of it. A user's `[families]` in config.toml have the last word, field by field; a name
that no pattern fits is a plain OpenAI model that may do everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from apiyi_cli.errors import SetupError
from apiyi_cli.text import Text, system_reason

Overrides = Mapping[str, Mapping[str, Any]]
"""The user's own families: pattern → fields, the first pattern that fits counts."""

TEXT_COMMANDS = ("chat", "complete", "respond")
OTHER_COMMANDS = ("embed", "image", "transcribe", "speak", "rank", "video")
"""Commands that never use the model that was chosen for text."""

PROPOSED = {
    "chat": "gpt-5.4-mini",
    "complete": "gpt-3.5-turbo-instruct",
    "respond": "gpt-5.4-mini",
    "batch": "gpt-5.4-mini",
    "embed": "text-embedding-3-small",
    "image": "gpt-image-2.5-flare",
    "transcribe": "whisper-1",
    "speak": "gpt-4o-mini-tts",
    "rank": "bge-reranker-v2-m3",
    "video": "wan2.7-t2v",
}
"""An example model for each command, for hints; it accepts every option, such as srt."""

KINDS: Mapping[str, tuple[Text, tuple[str, ...]]] = {
    "chat": (Text("a text model"), TEXT_COMMANDS),
    "legacy": (Text("a legacy completion model"), ("complete",)),
    "embedding": (Text("an embedding model"), ("embed",)),
    "rerank": (Text("a rerank model"), ("rank",)),
    "image": (Text("an image model"), ("image",)),
    "drawing": (Text("an image model"), ("image", "chat")),
    "transcription": (Text("a speech-to-text model"), ("transcribe",)),
    "speech": (Text("a text-to-speech model"), ("speak",)),
    "video": (Text("a video model"), ("video",)),
    "moderation": (Text("a model of the moderation endpoint"), ()),
    "realtime": (Text("a realtime model"), ()),
}
"""The kinds of models: their description, and the commands that they can do."""


_CONTEXT_LENGTHS = (
    ("gpt-3.5-turbo*", 16_385),
    ("gpt-4.1*", 1_047_576),
    ("gpt-4o*", 128_000),
    ("chatgpt-4o*", 128_000),
    ("gpt-4-turbo*", 128_000),
    ("gpt-4.5*", 128_000),
    ("gpt-4", 8_192),
    ("gpt-oss*", 131_072),
    ("gpt-*-chat*", 128_000),
    ("gpt-5*", 400_000),
    ("o1*", 200_000),
    ("o3*", 200_000),
    ("o4*", 200_000),
    ("claude-*", 200_000),
    ("gemini-2*", 1_048_576),
    ("gemini-3*", 1_048_576),
    ("deepseek-*", 128_000),
    ("kimi-k2*", 262_144),
)
"""Tokens of a conversation and its answer together: the first pattern that fits counts. Source: the
vendors' model pages; of the others it is not known."""


class PictureSupport:
    """How a family accepts and makes pictures; the fields are those of `families.toml`."""

    route: str = "openai"
    edits: bool = True
    masks: bool = True
    one_each: bool = False
    inputs_most: int = 16
    input_mb: int = 50
    inputs_total_mb: int | None = None
    input_types: Sequence[str] = ("png", "jpg", "webp")
    sizes: Sequence[str] = ()
    ratios: Sequence[str] = ()
    qualities: Sequence[str] = ()
    formats: Sequence[str] = ()
    format: str = "png"
    timeout_s: float | None = None

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.__dict__.update(fields)


class Family:
    """The facts about models whose names match a pattern; `kind` is "" if unknown."""

    kind: str = ""
    max_tokens: str = "max_tokens"
    refuses: Sequence[str] = ()
    ignores: Sequence[str] = ()
    effort: Sequence[str] | None = None
    structured: str = "json_schema"
    protocols: Sequence[str] = ("openai",)
    thinking: str | None = None
    tools_need_effort_none: bool = False
    cache_minimum_tokens: int | None = None
    context: int | None = None
    streams: bool = True
    input_types: Sequence[str] | None = None
    dimensions: Sequence[int] = ()
    video: str | None = None
    retired: bool = False
    successor: str | None = None
    group: str | None = None

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.__dict__.update(fields)
        self.picture = PictureSupport(fields.get("picture", {}))

    @property
    def is_known(self) -> bool:
        """Return True if a pattern matched."""
        return bool(self.kind)


def field_types(fields_of: type[Family | PictureSupport]) -> dict[str, str]:
    """Return the type of each field, as it is declared: str, bool, Sequence[int] …"""
    declared = fields_of.__annotations__
    return {name: str(kind).removesuffix(" | None") for name, kind in declared.items()}


def find_family(model: str, overrides: Overrides | None = None) -> Family:
    """Return the family of a model; the user's first matching pattern overrides its fields."""
    name = model.rpartition("/")[2].lower()
    fields = _find_shipped(name)
    for pattern, own in (overrides or {}).items():
        if fits(name, pattern.lower()):
            fields = {**fields, **own}
            if "picture" in own and "picture" in fields:
                fields["picture"] = {**fields["picture"], **own["picture"]}
            break
    return Family(fields)


def refusal(model: str, command: str, overrides: Overrides | None = None) -> Text | None:
    """Return why a model cannot do a command, None if it may."""
    if command not in TEXT_COMMANDS and command not in OTHER_COMMANDS:
        return None
    family = find_family(model, overrides)
    if not family.is_known:
        return None
    kind, commands = KINDS[family.kind]
    if command in commands:
        return None
    return Text("it is {kind}, which apiyi {command} cannot use", kind=kind, command=command)


def find_context(model: str, overrides: Overrides | None = None) -> int | None:
    """Return the context length of a model in tokens, None if unknown."""
    own = find_family(model, overrides).context
    if own is not None:
        return own
    name = model.rpartition("/")[2].lower()
    return next((length for pattern, length in _CONTEXT_LENGTHS if fits(name, pattern)), None)


def fits(name: str, pattern: str) -> bool:
    """Return True if a name matches a shell pattern, both in lower case.

    `fnmatch` would compile a regular expression for each pattern: 6 ms for the table.
    """
    if "[" in pattern or "?" in pattern:
        from fnmatch import fnmatchcase

        return fnmatchcase(name, pattern)
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    last = rest.pop()
    if not name.startswith(first) or len(name) < len(first) + len(last):
        return False
    at, end = len(first), len(name) - len(last)
    for piece in rest:
        at = name.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return at <= end and name.endswith(last)


# A batch asks for the same few models in each row, and the table has over a hundred patterns.
@lru_cache(maxsize=64)
def _find_shipped(name: str) -> dict[str, Any]:
    families = ((pattern, fields) for fields in _table() for pattern in fields["patterns"])
    return next((fields for pattern, fields in families if fits(name, pattern)), {})


@cache
def _table() -> list[dict[str, Any]]:
    path = Path(__file__).with_name("families.json")
    try:
        from apiyi_cli.core.jsontext import read_plain

        table: list[dict[str, Any]] = read_plain(path.read_bytes())
    except OSError as error:
        raise SetupError(Text("cannot read {path}", path=path), system_reason(error)) from error
    return table
