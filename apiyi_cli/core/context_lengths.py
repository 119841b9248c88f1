"""Context lengths of models in tokens: a conversation and its answer together."""

from __future__ import annotations

from apiyi_cli.core.families import Overrides, find_family, fits

_LENGTHS = (
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
"""The first pattern that fits counts. Source: the vendors' model pages; of the others it is not
known."""


def find_context(model: str, overrides: Overrides | None = None) -> int | None:
    """Return the context length of a model in tokens, None if unknown."""
    own = find_family(model, overrides).context
    if own is not None:
        return own
    name = model.rpartition("/")[2].lower()
    return next((length for pattern, length in _LENGTHS if fits(name, pattern)), None)
