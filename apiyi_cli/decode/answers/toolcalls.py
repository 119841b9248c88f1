"""Assembles function calls from their pieces.

OpenAI numbers the calls of a choice by `index`. Google, Ollama and relays leave the number out,
repeat it for every call, repeat ids or send none; pieces are then matched by id, by place,
and by whether the arguments so far are complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apiyi_cli.core.jsontext import read_event, whole_characters, write_text
from apiyi_cli.decode.frames.fields import read_object, read_string

_DEFINED = frozenset(("index", "id", "type", "function", "custom"))


class PartialCall:
    """One call so far; `pieces` are those of its arguments.

    `extra` are the fields that this API does not define, such as signatures of thoughts.
    """

    # A dataclass would take 0.3 ms of each start.
    __slots__ = ("extra", "id", "kind", "name", "pieces")

    def __init__(
        self, id: str = "", name: str = "", kind: str = "function", pieces: Iterable[str] = ()
    ) -> None:
        self.id = id
        self.name = name
        self.kind = kind
        self.pieces = list(pieces)
        self.extra: dict[str, Any] = {}

    @property
    def arguments(self) -> str:
        """Return the arguments as the model wrote them, `{}` if it wrote none."""
        return whole_characters("".join(self.pieces)).strip() or "{}"

    @property
    def is_complete(self) -> bool:
        """Return True if the arguments so far are a whole JSON object."""
        try:
            return isinstance(read_event("".join(self.pieces).encode("utf-8", "replace")), dict)
        except ValueError:
            return False


class ToolCalls:
    """The calls of one choice, in the order of their beginnings."""

    def __init__(self) -> None:
        self.calls: list[PartialCall] = []
        self._by_index: dict[int, PartialCall] = {}

    def add(self, pieces: object) -> None:
        """Add the `tool_calls` of one delta or message; other values are skipped."""
        if not isinstance(pieces, list):
            return
        several = len(pieces) > 1
        for place, piece in enumerate(pieces):
            if isinstance(piece, Mapping):
                self._add(piece, place if several else None)

    def add_legacy(self, piece: object) -> None:
        """Add the `function_call` of one delta or message; there can be only one."""
        if isinstance(piece, Mapping):
            self._extend(self.calls[-1] if self.calls else self._begin(), "", piece, "function")

    def _add(self, piece: Mapping[str, Any], place: int | None) -> None:
        kind = "custom" if isinstance(piece.get("custom"), Mapping) else "function"
        function = read_object(piece.get(kind))
        id = read_string(piece.get("id"))
        index = piece.get("index")
        if isinstance(index, int):
            call = self._by_index.get(index)
            if call is None or self._is_other(call, id, function.get("name")):
                call = self._by_index[index] = self._begin()
        else:
            call = self._without_index(id, function, place)
        self._extend(call, id, function, kind)
        for name in piece.keys() - _DEFINED:
            if piece[name] is not None:
                call.extra[name] = piece[name]

    def _is_other(self, call: PartialCall, id: str, name: object) -> bool:
        """Return True if a piece with the number of this call begins another one."""
        if not name or not call.name or name == call.name:
            return bool(name and id and call.id not in ("", id))
        return call.id not in ("", id) if id else call.is_complete

    def _without_index(
        self, id: str, function: Mapping[str, Any], place: int | None
    ) -> PartialCall:
        if id:
            return next((call for call in self.calls if call.id == id), None) or self._begin()
        at = len(self.calls) - 1 if place is None else place
        if 0 <= at < len(self.calls) and not self._is_new(self.calls[at], function):
            return self.calls[at]
        return self._begin()

    def _is_new(self, call: PartialCall, function: Mapping[str, Any]) -> bool:
        name = function.get("name")
        return bool(name and call.name and (name != call.name or call.is_complete))

    def _begin(self) -> PartialCall:
        call = PartialCall()
        self.calls.append(call)
        return call

    def _extend(self, call: PartialCall, id: str, function: Mapping[str, Any], kind: str) -> None:
        call.id = call.id or whole_characters(id)
        name = function.get("name")
        if isinstance(name, str) and name != call.name:
            # It may come in pieces, and some servers repeat what came before with each piece.
            longer = call.name and name.startswith(call.name)
            call.name = whole_characters(name if longer else call.name + name)
        call.kind = kind if kind != "function" else call.kind
        arguments = function.get("input" if kind == "custom" else "arguments")
        if isinstance(arguments, str):
            call.pieces.append(arguments)
        elif arguments is not None:
            call.pieces.append(write_text(arguments))
