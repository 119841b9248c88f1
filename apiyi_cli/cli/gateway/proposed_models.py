"""A model to propose for each command, taken from the gateway's own list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from apiyi_cli.core.families import KINDS, PROPOSED, find_family

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
