"""The options that `apiyi batch` takes for its short rows: those of the commands they are for.

Made from the commands' own groups, so that a new option of theirs is one of the batch, too.
Where two commands spell an option alike the first one's words are shown.
"""

from __future__ import annotations

from collections.abc import Iterable

from apiyi_cli.core import groups
from apiyi_cli.core.opt import Group


class RowDefaults(Group):
    """What holds for every short row that does not say otherwise."""


_PICKED: tuple[tuple[type[Group], tuple[str, ...] | None], ...] = (
    (groups.Conversation, ("system",)),
    (groups.ChatSampling, None),
    (groups.Answer, ("schema", "json_mode")),
    (groups.Tools, None),
    (groups.Completing, ("suffix", "echo", "best_of")),
    (groups.Responding, ("web_search", "reasoning_summary")),
    (groups.Embedding, ("dimensions", "base64")),
    (
        groups.Imaging,
        (
            "size",
            "quality",
            "style",
            "background",
            "output_format",
            "output_compression",
            "aspect_ratio",
            "allow_private",
        ),
    ),
    (groups.Transcribing, ("language", "timestamps", "diarize", "translate")),
    (groups.Speaking, ("voice", "speed", "instructions")),
)


def _adopt(own: type[Group], picked: Iterable[tuple[type[Group], tuple[str, ...] | None]]) -> None:
    """Give a group options of others, each with its declaration."""
    annotations: dict[str, str] = {}
    spellings: set[str] = set()
    for group, names in picked:
        texts: dict[str, str] = {}
        for base in reversed(group.__mro__):
            texts.update(vars(base).get("__annotations__", {}))
        for name, opt in group._table.items():
            if (names is None or name in names) and spellings.isdisjoint(opt.names):
                own._table[name] = opt
                annotations[name] = texts[name]
                spellings.update(opt.names)
    own.__annotations__ = annotations


_adopt(RowDefaults, _PICKED)
