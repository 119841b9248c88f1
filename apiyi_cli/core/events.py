"""The events of a gateway's answer, independent of its framing.

A streamed reply and a whole one decode into the same events, so that renderers have one
path. Decoders hand them on in *batches*: one list for each read of the socket, so that what
arrived together is written together. Times are not in here; order is the order of arrival.

Pieces of an answer are made a hundred thousand times in a run and declared in every start-up, so
they are plain classes with slots: dataclasses would cost two milliseconds before the first byte.
"""

from __future__ import annotations

from typing import Any

from apiyi_cli.plain_value import PlainValue


class _Slotted:
    """Base of frequent events; equal to one of the same kind with the same values."""

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__match_args__)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._values() == other._values()

    def __repr__(self) -> str:
        fields = (f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__name__}({', '.join(fields)})"

    __hash__ = None  # type: ignore[assignment]


class Chunk(_Slotted):
    """One JSON object of the server, byte for byte. `whole` if it is the entire answer.

    `opening` is True if nothing of the answer came with it or before it. `source` is what an
    answer is put together from: it may hold half a character, whose other half comes next.
    """

    __slots__ = ("data", "opening", "source", "whole")
    __match_args__ = ("data", "whole")

    def __init__(
        self, data: bytes, whole: bool = False, opening: bool = False, source: bytes | None = None
    ) -> None:
        self.data = data
        self.source = data if source is None else source
        self.whole = whole
        self.opening = opening


class _TextEvent(_Slotted):
    """A piece of text of choice `index`."""

    __slots__ = __match_args__ = ("text", "index")

    def __init__(self, text: str, index: int = 0) -> None:
        self.text = text
        self.index = index


class Delta(_TextEvent):
    """A piece of the answer's text."""

    __slots__ = ()


class Reasoning(_TextEvent):
    """A piece of the model's reasoning, which is not part of the answer."""

    __slots__ = ()


class Refusal(_TextEvent):
    """A piece of the model's explanation why it will not answer."""

    __slots__ = ()


class ToolCall(PlainValue):
    """A complete function call that the model asks for.

    `arguments` is the text as the model wrote it; `""` and null have become `"{}"`.
    Emitted once per call, when its choice has finished or the stream has ended.
    """

    id: str
    name: str
    arguments: str
    index: int = 0


class Usage(PlainValue):
    """Token counts from the gateway; None is unknown, never 0.

    `raw` is the gateway's own object.
    """

    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    raw: dict[str, Any] | None = None


class Finish(PlainValue):
    """Choice `index` is complete. `reason` is normalised: stop, length, tool_calls,
    content_filter, or an unknown word of the server as it came."""

    reason: str
    index: int = 0


class About(PlainValue):
    """The answer's own id and the model that really answered."""

    id: str | None
    model: str | None


class Notice(PlainValue):
    """A defect that the decoder noticed and tolerated, for stderr."""

    text: str


class InlineFile(PlainValue):
    """A picture, sound or file of the answer that came as base64. `type` is its media type."""

    type: str
    base64: str


class Restart(PlainValue):
    """The gateway restarted the answer: earlier events belong to an abandoned attempt."""


class Empty(PlainValue):
    """A complete answer with nothing to print; `why` says what came instead."""

    why: str


Piece = Delta | Reasoning | Refusal
_Outcome = ToolCall | Finish | Empty | About | Usage
Event = Chunk | Piece | InlineFile | Restart | Notice | _Outcome
EventBatch = list[Event]
