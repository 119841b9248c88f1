"""Answers of Anthropic's Messages API → events, streamed or not.

A gateway that routes a chat to a channel of the other kind may pass its answer on untranslated.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiyi_cli.core.events import Delta, EventBatch, Notice, Reasoning, Usage
from apiyi_cli.core.jsontext import write_text
from apiyi_cli.decode.answers.answer import Answer, finish_reason
from apiyi_cli.decode.answers.toolcalls import PartialCall, ToolCalls
from apiyi_cli.decode.frames.fields import read_object, read_objects, read_string, read_word, usage
from apiyi_cli.text import Text

EVENTS = frozenset(
    (
        *("message_start", "message_delta", "message_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
    )
)
_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class MessageAnswer(Answer):
    """The answer of POST /messages.

    Where a function gives the answer, text beside its call is held back until it is known
    whether there is a call: without one the text is the answer.
    """

    key = "type"
    whole_key = "content"

    def __init__(self, answer_tool: str | None = None) -> None:
        super().__init__()
        self._answer_tool = answer_tool
        self._counts: dict[str, Any] = {}

    def forget(self) -> None:
        """Set what belongs to one attempt at the answer as it is before anything came."""
        super().forget()
        self._answer_places: set[object] = set()
        self._held: list[str] = []
        self._calls: dict[object, PartialCall] = {}

    def take(self, value: dict[str, Any], out: EventBatch) -> object:
        """Read one event of a stream."""
        kind = value.get("type")
        if kind == "error":
            return value
        if not isinstance(kind, str) or kind not in EVENTS:
            return None
        self.started = True
        place = value.get("index") if isinstance(value.get("index"), int) else None
        if kind == "message_start" and isinstance(message := value.get("message"), dict):
            if self.pieces or self.calls:
                self.begin_anew(out)
            self.note_about(message.get("id"), message.get("model"))
            self._count(message.get("usage"))
        elif kind == "content_block_start":
            self._block(read_object(value.get("content_block")), place, out)
        elif kind == "content_block_delta" and isinstance(delta := value.get("delta"), dict):
            self._piece(delta, place, out)
        elif kind == "message_delta":
            self._count(value.get("usage"))
            if isinstance(delta := value.get("delta"), dict):
                self._stop(delta)
        self.ended = kind == "message_stop"
        return None

    def take_whole(self, value: dict[str, Any], out: EventBatch) -> object:
        """Read an unstreamed message."""
        self.started = True
        self.note_about(value.get("id"), value.get("model"))
        for place, block in enumerate(read_objects(value.get("content"))):
            self._block(block, place, out)
        self._count(value.get("usage"))
        self._stop(value)
        self.ended = True
        return None

    @property
    def proved(self) -> bool:
        """Return True if the gateway ended the stream after a stop reason."""
        return self.ended and super().proved

    def release(self, out: EventBatch) -> None:
        """Add held text: beside an answer it is a notice, else it is the answer."""
        held = "".join(self._held)
        self._held.clear()
        if self._answer_places and held.strip():
            out.append(Notice(Text("beside its answer the model said: {text}", text=held.strip())))
        elif held:
            self.say(Delta, held, 0, out)

    def close(self, out: EventBatch) -> None:
        """Add the events of the end, and held text."""
        self.release(out)
        super().close(out)

    def _block(self, block: dict[str, Any], place: int | None, out: EventBatch) -> None:
        kind = block.get("type")
        if kind == "tool_use" and block.get("name") == self._answer_tool:
            self._answer_places.add(place)
            if given := block.get("input"):
                self.say(Delta, write_text(given), 0, out)
        elif kind == "tool_use":
            name, given = block.get("name"), block.get("input")
            call = PartialCall(
                id=read_string(block.get("id")),
                name=read_string(name),
                pieces=[write_text(given)] if isinstance(given, dict) and given else [],
            )
            self._calls[place] = call
            self.calls.setdefault(0, ToolCalls()).calls.append(call)
        elif kind == "text":
            self._say_text(read_string(block.get("text")), out)
        elif kind == "thinking":
            self.say(Reasoning, read_string(block.get("thinking")), 0, out)
        elif isinstance(kind, str):
            self.others.append(Text("an item of type {kind}", kind=read_word(kind)))

    def _piece(self, delta: dict[str, Any], place: int | None, out: EventBatch) -> None:
        kind = delta.get("type")
        if not isinstance(kind, str) or kind not in _TEXTS:
            return
        piece = read_string(delta.get(_TEXTS[kind]))
        if kind == "text_delta":
            self._say_text(piece, out)
        elif kind == "input_json_delta" and place in self._answer_places:
            self.say(Delta, piece, 0, out)
        elif kind == "thinking_delta":
            self.say(Reasoning, piece, 0, out)
        elif place in self._calls:
            self._calls[place].pieces.append(piece)

    def _say_text(self, text: str, out: EventBatch) -> None:
        if self._answer_tool is None:
            self.say(Delta, text, 0, out)
        else:
            self._held.append(text)

    def _count(self, counts: object) -> None:
        if isinstance(counts, dict):
            self._counts = {**self._counts, **counts}
            self.usage = message_usage(self._counts) or self.usage

    def _stop(self, fields: dict[str, Any]) -> None:
        """Read why the message ended, and the explanation of a refusal."""
        if reason := finish_reason(fields.get("stop_reason")):
            # The function that returns the answer is not a call to run.
            is_answer = reason == "tool_calls" and self._answer_places and not self.calls
            self.reasons[0] = "stop" if is_answer else reason
        details = read_object(fields.get("stop_details"))
        words = (read_string(details.get(name)) for name in ("explanation", "category"))
        self.refused = next(filter(None, words), self.refused)


def message_usage(counts: dict[str, Any]) -> Usage | None:
    """Return the counts of a message; cached tokens are part of the prompt's."""
    read = counts.get("cache_read_input_tokens")
    numbers = (counts.get("input_tokens"), counts.get("cache_creation_input_tokens"), read)
    prompt = [number for number in numbers if type(number) is int]
    if len(prompt) < 2:
        return usage(counts)
    fields = {
        "input_tokens": sum(prompt),
        "output_tokens": counts.get("output_tokens"),
        "input_tokens_details": {"cached_tokens": read},
    }
    return usage(fields, raw=counts)


def assemble_message(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the message that the events of one stream form together."""
    whole: dict[str, Any] = {"type": "message", "role": "assistant", "content": []}
    blocks: dict[object, dict[str, Any]] = {}
    pieces: dict[object, list[tuple[str, str]]] = {}
    for event in events:
        kind, place = event.get("type"), event.get("index")
        place = place if isinstance(place, int) else 0
        if kind == "message_start" and isinstance(message := event.get("message"), dict):
            whole, blocks, pieces = {**whole, **message}, {}, {}
        elif kind == "content_block_start" and isinstance(event.get("content_block"), dict):
            blocks[place] = dict(event["content_block"])
        elif kind == "content_block_delta" and isinstance(delta := event.get("delta"), dict):
            name = _TEXTS.get(read_string(delta.get("type")), "")
            if isinstance(piece := delta.get(name), str):
                pieces.setdefault(place, []).append((name, piece))
            elif isinstance(sign := delta.get("signature"), str):
                blocks.setdefault(place, {})["signature"] = sign
            elif isinstance(source := delta.get("citation"), dict):
                block = blocks.setdefault(place, {"type": "text"})
                block["citations"] = [*(block.get("citations") or ()), source]
        elif kind == "message_delta":
            delta, counts = event.get("delta"), event.get("usage")
            whole |= delta if isinstance(delta, dict) else {}
            if isinstance(counts, dict):
                known = whole.get("usage")
                whole["usage"] = {**(known if isinstance(known, dict) else {}), **counts}
    for place, block_pieces in pieces.items():
        _fill(blocks.setdefault(place, {"type": "text"}), block_pieces)
    whole["content"] = [blocks[place] for place in blocks]
    return whole


def _fill(block: dict[str, Any], pieces: list[tuple[str, str]]) -> None:
    from apiyi_cli.core.jsontext import InvalidJSON, read_exact

    name = pieces[0][0]
    text = "".join(piece for _, piece in pieces)
    if name == "partial_json" and not text:
        # A call without arguments: its block says {} already.
        return
    if name != "partial_json":
        block[name] = read_string(block.get(name)) + text
        return
    try:
        block["input"] = read_exact(text)
    except InvalidJSON:
        block["input"] = text
