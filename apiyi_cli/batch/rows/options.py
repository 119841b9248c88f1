"""Options of `apiyi batch` for short rows: copies of other commands' options.

Made from the commands' own groups, so that a new option of theirs is one of the batch, too.
Where two commands spell an option alike the first one's words are shown.
"""

from __future__ import annotations

from collections.abc import Iterable

from apiyi_cli.core.options import Group
from apiyi_cli.core.options.chat import AnswerForm, ChatSampling, ProtocolOptions, Tools
from apiyi_cli.core.options.complete import CompleteOptions
from apiyi_cli.core.options.embed import EmbedOptions
from apiyi_cli.core.options.image import ImageOptions
from apiyi_cli.core.options.prompt import Conversation
from apiyi_cli.core.options.respond import RespondOptions
from apiyi_cli.core.options.speak import SpeakOptions
from apiyi_cli.core.options.transcribe import TranscribeOptions


class RowDefaults(Group):
    """Values for every short row that does not set them itself."""


_IMAGE = "size quality style background output_format output_compression aspect_ratio allow_private"
_PICKED: tuple[tuple[type[Group], str | None], ...] = (
    (Conversation, "system"),
    (ChatSampling, None),
    (ProtocolOptions, "protocol"),
    (AnswerForm, "schema json_mode"),
    (Tools, None),
    (CompleteOptions, "suffix echo best_of"),
    (RespondOptions, "web_search reasoning_summary"),
    (EmbedOptions, "dimensions base64 batch_size"),
    (ImageOptions, _IMAGE),
    (TranscribeOptions, "language timestamps diarize translate"),
    (SpeakOptions, "voice speed instructions"),
)
"""The groups, each with the names of the options that are taken, None for all."""


def _adopt(own: type[Group], picked: Iterable[tuple[type[Group], str | None]]) -> None:
    """Add options of other groups to a group, each with its declaration."""
    spellings: set[str] = set()
    for group, names in picked:
        for name, option in group.flags.items():
            is_picked = names is None or name in names.split()
            if is_picked and spellings.isdisjoint(option.names):
                own.flags[name] = option
                spellings.update(option.names)


_adopt(RowDefaults, _PICKED)
