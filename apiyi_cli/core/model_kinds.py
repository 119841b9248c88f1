"""Which commands a model can do, by the pattern of its name: a table of known families.

The first pattern that fits counts; a name that no pattern fits may do everything. It is not
for the table to know every model, only to keep a request from going where it cannot be
answered: `chat` with a picture model, `embed` with a chat model. Sources: the gateway's model
pages and its registry's endpoints.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

from apiyi_cli.text import Text

TEXT = ("chat", "complete", "respond")
NOT_TEXT = ("embed", "image", "transcribe", "speak", "rank", "video")
"""Commands whose model is never the one that was chosen for text."""

PROPOSED = {
    "chat": "gpt-5.4-mini",
    "complete": "gpt-3.5-turbo-instruct",
    "respond": "gpt-5.4-mini",
    "batch": "gpt-5.4-mini",
    "embed": "text-embedding-3-small",
    "image": "gpt-image-2.5-flare",
    "transcribe": "gpt-4o-mini-transcribe",
    "speak": "gpt-4o-mini-tts",
    "rank": "bge-reranker-v2-m3",
    "video": "wan2.7-t2v",
}
"""A model for each command that a hint can name."""


class Kind(NamedTuple):
    """What the models of a family are, and the commands that they can do."""

    name: Text
    commands: tuple[str, ...]


_RERANK = Kind(Text("a rerank model"), ("rank",))
_EMBEDDING = Kind(Text("an embedding model"), ("embed", "rank"))
_IMAGE = Kind(Text("an image model"), ("image",))
_DRAWING = Kind(Text("an image model"), ("image", "chat"))
_TRANSCRIPTION = Kind(Text("a speech-to-text model"), ("transcribe",))
_SPEECH = Kind(Text("a text-to-speech model"), ("speak",))
_VIDEO = Kind(Text("a video model"), ("video",))
_OTHER = Kind(Text("a model of the moderation endpoint"), ())
_REALTIME = Kind(Text("a realtime model"), ())
_LEGACY = Kind(Text("a legacy completion model"), ("complete",))
_TEXT = Kind(Text("a text model"), TEXT)

_FAMILIES: tuple[tuple[str, Kind], ...] = (
    ("*rerank*", _RERANK),
    ("*embed*", _EMBEDDING),
    ("bge-*", _EMBEDDING),
    ("*moderation*", _OTHER),
    ("*realtime*", _REALTIME),
    ("*video*", _VIDEO),
    ("*-t2v*", _VIDEO),
    ("*-i2v*", _VIDEO),
    ("*-r2v*", _VIDEO),
    ("*seedance*", _VIDEO),
    ("happyhorse*", _VIDEO),
    ("sora-*", _VIDEO),
    ("veo-*", _VIDEO),
    ("veo3*", _VIDEO),
    ("gpt-image-*-all", _DRAWING),
    ("gpt-image-*-vip", _DRAWING),
    ("gpt-4o-image*", _DRAWING),
    ("sora_image", _DRAWING),
    ("gemini-*-image*", _DRAWING),
    ("gpt-image-*", _IMAGE),
    ("dall-e-*", _IMAGE),
    ("flux-*", _IMAGE),
    ("*seedream*", _IMAGE),
    ("grok-imagine-image*", _IMAGE),
    ("imagen-*", _IMAGE),
    ("whisper-*", _TRANSCRIPTION),
    ("*-transcribe*", _TRANSCRIPTION),
    ("tts-*", _SPEECH),
    ("*-tts*", _SPEECH),
    ("*-instruct-0914", _LEGACY),
    ("gpt-3.5-turbo-instruct", _LEGACY),
    ("davinci-002", _LEGACY),
    ("babbage-002", _LEGACY),
    ("gpt-*", _TEXT),
    ("chatgpt-*", _TEXT),
    ("chat-latest", _TEXT),
    ("o1*", _TEXT),
    ("o3*", _TEXT),
    ("o4*", _TEXT),
    ("claude-*", _TEXT),
    ("gemini-*", _TEXT),
    ("deepseek-*", _TEXT),
    ("grok-*", _TEXT),
    ("qwen*", _TEXT),
    ("qwq-*", _TEXT),
    ("kimi-*", _TEXT),
    ("glm-*", _TEXT),
    ("minimax-*", _TEXT),
)


def kind_of(model: str) -> Kind | None:
    """Return what a model is known to be, None for a name that no pattern fits."""
    name = model.lower().rpartition("/")[2]
    return next((kind for pattern, kind in _FAMILIES if fnmatchcase(name, pattern)), None)


def refusal(model: str, command: str) -> Text | None:
    """Say why a model cannot do a command, None when it can or nobody knows."""
    if command not in TEXT and command not in NOT_TEXT:
        return None
    kind = kind_of(model)
    if kind is None or command in kind.commands:
        return None
    return Text("it is {kind}, which apiyi {command} cannot use", kind=kind.name, command=command)
