"""What a gateway's answer means, independent of how it was framed.

A streamed reply and a whole one decode into the same events, so that renderers have one
path. Decoders hand them on in *bursts*: one list for each read of the socket, so that what
arrived together is written together. Times are not in here; order is the order of arrival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Chunk:
    """One JSON object of the server, byte for byte; `whole` when it is the entire answer."""

    data: bytes
    whole: bool = False


@dataclass(slots=True)
class Delta:
    """A piece of the answer's text, of choice `index`."""

    text: str
    index: int = 0


@dataclass(slots=True)
class Reasoning:
    """A piece of the model's reasoning, which is not part of the answer."""

    text: str
    index: int = 0


@dataclass(slots=True)
class Refusal:
    """A piece of the model's own words why it will not answer."""

    text: str
    index: int = 0


@dataclass(slots=True)
class ToolCall:
    """A complete function call that the model asks for.

    `arguments` is the text as the model wrote it; `""` and null have become `"{}"`.
    Emitted once per call, when its choice has finished or the stream has ended.
    """

    id: str
    name: str
    arguments: str
    index: int = 0


@dataclass(slots=True)
class Usage:
    """Token counts as the gateway gave them; None is "not told", never 0.

    `raw` is the gateway's own object.
    """

    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    raw: dict[str, Any] | None = None


@dataclass(slots=True)
class Finish:
    """Choice `index` is complete. `reason` is normalised: stop, length, tool_calls,
    content_filter, or an unknown word of the server as it came."""

    reason: str
    index: int = 0


@dataclass(slots=True)
class About:
    """What the answer says of itself: its id and the model that really answered."""

    id: str | None
    model: str | None


@dataclass(slots=True)
class Notice:
    """Something for stderr that the decoder noticed and could live with."""

    text: str


Event = Chunk | Delta | Reasoning | Refusal | ToolCall | Usage | Finish | About | Notice
Burst = list[Event]
