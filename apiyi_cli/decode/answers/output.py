"""Assembles the output items of a response from its events.

The last event of a stream should carry the whole response. Gateways of this family send it
with an empty `output`, or without; then the items are put together from the events before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from apiyi_cli.core.jsontext import read_exact, whole_characters
from apiyi_cli.decode.frames.fields import read_objects, read_string

_TEXTS = {
    "response.output_text": ("output_text", "text"),
    "response.refusal": ("refusal", "refusal"),
    "response.reasoning_text": ("reasoning_text", "text"),
    "response.reasoning_summary_text": ("summary_text", "text"),
}
_ARGUMENTS = {
    "response.function_call_arguments": ("function_call", "arguments"),
    "response.custom_tool_call_input": ("custom_tool_call", "input"),
}
_OWNERS = {"reasoning_text": "reasoning", "summary_text": "reasoning"}


def output_items(chunks: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the `output` of a reply's JSON objects: stream events, or one whole response."""
    return read_objects(assemble_response(read_chunks(chunks)).get("output"))


def read_chunks(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects among the chunks of an answer."""
    for data in chunks:
        with suppress(ValueError):
            value = read_exact(data)
            if isinstance(value, dict):
                yield value


def assemble_response(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the response that events form together; {} if none belongs to one.

    That is the last response which an event carries. Where it has no `output`, or an item of that
    no text, the other events give it. An object without `type` is taken for a whole response.
    """
    whole: dict[str, Any] = {}
    items = _Items()
    for event in events:
        kind = event.get("type")
        if not isinstance(kind, str):
            if "output" in event:
                whole = event
            continue
        if kind == "response.created":
            items = _Items()
        if isinstance(response := event.get("response"), dict):
            whole = response
        else:
            items.take(kind, event)
    if sent := read_objects(whole.get("output")):
        items.complete(sent)
    else:
        output = items.build(complete=whole.get("status") == "completed")
        whole = {"object": "response", **whole, "output": output} if output else whole
    return whole


class _Items:
    """Output items as far as they have arrived, by position."""

    def __init__(self) -> None:
        self._items: dict[object, dict[str, Any]] = {}
        self._texts: dict[object, dict[tuple[str, int], list[str]]] = {}
        self._arguments: dict[object, list[str]] = {}
        self._done: set[object] = set()
        self._places: dict[object, object] = {}

    def take(self, kind: str, event: dict[str, Any]) -> None:
        """Read one event of the stream."""
        name, _, stage = kind.rpartition(".")
        place = self._place(event)
        if name == "response.output_item" and isinstance(item := event.get("item"), dict):
            self._items[place] = {**self._items.get(place, {}), **item}
            if stage == "done":
                self._done.add(place)
        elif name in _TEXTS:
            self._text(_TEXTS[name], stage, place, event)
        elif name in _ARGUMENTS:
            kind, field = _ARGUMENTS[name]
            self._begin(place, kind, event)
            if stage == "delta" and isinstance(piece := event.get("delta"), str):
                self._arguments.setdefault(place, []).append(piece)
            elif stage == "done" and isinstance(full := event.get(field), str) and full:
                self._arguments[place] = [full]

    def build(self, *, complete: bool) -> list[dict[str, Any]]:
        """Return the items in their order in the output."""
        places = sorted(self._items, key=lambda place: place if isinstance(place, int) else 1 << 30)
        return [self._finish(place, complete) for place in places]

    def complete(self, output: list[dict[str, Any]]) -> None:
        """Add what came before to items that lack it."""
        for number, item in enumerate(output):
            id = read_string(item.get("id"))
            place = self._places.get(id, id if id in self._items else number)
            if self._items.get(place, {}).get("type") == item.get("type"):
                self._fill(item, place)

    def _place(self, event: dict[str, Any]) -> object:
        """Return the key of an item: its number, or its id without one."""
        item = event.get("item")
        id = item.get("id") if isinstance(item, dict) else event.get("item_id")
        number = event.get("output_index")
        id = id if isinstance(id, str) and id else None
        if isinstance(number, int) and not isinstance(number, bool) and abs(number) < 1 << 20:
            if id is not None:
                self._places.setdefault(id, number)
            return number
        return self._places.get(id, id) if id is not None else 0

    def _begin(self, place: object, kind: str, event: dict[str, Any]) -> None:
        if place not in self._items:
            id = event.get("item_id")
            self._items[place] = {"type": kind, **({"id": id} if isinstance(id, str) else {})}

    def _text(
        self, part: tuple[str, str], stage: str, place: object, event: dict[str, Any]
    ) -> None:
        kind, field = part
        self._begin(place, _OWNERS.get(kind, "message"), event)
        number = event.get("summary_index" if kind == "summary_text" else "content_index")
        where = (kind, number if isinstance(number, int) else 0)
        texts = self._texts.setdefault(place, {})
        if stage == "delta" and isinstance(piece := event.get("delta"), str):
            texts.setdefault(where, []).append(piece)
        elif stage == "done" and isinstance(full := event.get(field), str) and full:
            texts[where] = [full]

    def _finish(self, place: object, complete: bool) -> dict[str, Any]:
        item = dict(self._items[place])
        self._fill(item, place)
        if item.get("type") == "message":
            item.setdefault("role", "assistant")
        if place not in self._done:
            item["status"] = "completed" if complete else "incomplete"
        return item

    def _fill(self, item: dict[str, Any], place: object) -> None:
        """Add the texts and arguments that an item lacks."""
        field = "input" if item.get("type") == "custom_tool_call" else "arguments"
        if place in self._arguments and not read_string(item.get(field)):
            item[field] = "".join(self._arguments[place])
        texts = self._texts.get(place, {})
        for name, kinds in (
            ("content", ("output_text", "refusal", "reasoning_text")),
            ("summary", ("summary_text",)),
        ):
            wanted = [(part, pieces) for part, pieces in texts.items() if part[0] in kinds]
            if wanted and not read_objects(item.get(name)):
                item[name] = [_part(part[0], pieces) for part, pieces in wanted]


def _part(kind: str, pieces: list[str]) -> dict[str, Any]:
    text = whole_characters("".join(pieces))
    if kind == "refusal":
        return {"type": kind, "refusal": text}
    extra: dict[str, Any] = {"annotations": []} if kind == "output_text" else {}
    return {"type": kind, "text": text, **extra}
