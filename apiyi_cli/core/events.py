"""The events of a gateway's answer, independent of its framing.

A streamed reply and a whole one decode into the same events, so that renderers have one
path. Decoders hand them on in *batches*: one list for each read of the socket, so that what
arrived together is written together. Times are not in here; order is the order of arrival.

Events are made a hundred thousand times in a run and declared in every start-up, so they
are plain classes with slots: dataclasses would cost two milliseconds before the first byte.
"""

from __future__ import annotations

from typing import Any


class _Event:
    """Base of events; equal to an event of the same kind with the same values."""

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


class Chunk(_Event):
    """One JSON object of the server, byte for byte. `whole` if it is the entire answer.

    `opening` is True if nothing of the answer came with it or before it. `source` is what an
    answer is put together from: it may hold half a character, whose other half comes next.
    """

    __slots__ = ("data", "opening", "source", "whole")
    __match_args__ = ("data", "whole")

    def __init__(
        self,
        data: bytes,
        whole: bool = False,
        opening: bool = False,
        source: bytes | None = None,
    ) -> None:
        self.data = data
        self.source = data if source is None else source
        self.whole = whole
        self.opening = opening


class _TextEvent(_Event):
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


class ToolCall(_Event):
    """A complete function call that the model asks for.

    `arguments` is the text as the model wrote it; `""` and null have become `"{}"`.
    Emitted once per call, when its choice has finished or the stream has ended.
    """

    __slots__ = __match_args__ = ("id", "name", "arguments", "index")

    def __init__(self, id: str, name: str, arguments: str, index: int = 0) -> None:
        self.id = id
        self.name = name
        self.arguments = arguments
        self.index = index


class Usage(_Event):
    """Token counts from the gateway; None is unknown, never 0.

    `raw` is the gateway's own object.
    """

    __slots__ = __match_args__ = (
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "reasoning_tokens",
        "cached_tokens",
        "raw",
    )

    def __init__(
        self,
        prompt_tokens: int | None,
        completion_tokens: int | None,
        total_tokens: int | None,
        reasoning_tokens: int | None = None,
        cached_tokens: int | None = None,
        raw: dict[str, Any] | None = None,
    ) -> None:
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens
        self.total_tokens = total_tokens
        self.reasoning_tokens = reasoning_tokens
        self.cached_tokens = cached_tokens
        self.raw = raw


class Finish(_Event):
    """Choice `index` is complete. `reason` is normalised: stop, length, tool_calls,
    content_filter, or an unknown word of the server as it came."""

    __slots__ = __match_args__ = ("reason", "index")

    def __init__(self, reason: str, index: int = 0) -> None:
        self.reason = reason
        self.index = index


class About(_Event):
    """The answer's own id and the model that really answered."""

    __slots__ = __match_args__ = ("id", "model")

    def __init__(self, id: str | None, model: str | None) -> None:
        self.id = id
        self.model = model


class Notice(_Event):
    """A defect that the decoder noticed and tolerated, for stderr."""

    __slots__ = __match_args__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class InlineFile(_Event):
    """A picture, sound or file of the answer that came as base64. `type` is its media type."""

    __slots__ = __match_args__ = ("type", "base64")

    def __init__(self, type: str, base64: str) -> None:
        self.type = type
        self.base64 = base64


class Restart(_Event):
    """The gateway restarted the answer: earlier events belong to an abandoned attempt."""

    __slots__ = __match_args__ = ()


class Empty(_Event):
    """A complete answer with nothing to print; `why` says what came instead."""

    __slots__ = __match_args__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why


Event = (
    InlineFile
    | Chunk
    | Delta
    | Reasoning
    | Refusal
    | ToolCall
    | Usage
    | Finish
    | About
    | Notice
    | Restart
    | Empty
)
EventBatch = list[Event]
