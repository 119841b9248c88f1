"""Detects where a stream of Google's whole responses restarts its answer.

No event says so. A gateway that continues with another channel sends other ids from there on; but
some relays make an id for each event, and some send none. So an id counts once it had stayed the
same, and content counts where it repeats what no model would.
"""

from __future__ import annotations

from typing import Any, Literal

from apiyi_cli.decode.frames.fields import read_number, read_object, read_objects, read_string

RestartPoint = Literal["", "here", "before"]
"""No restart; a restart with this event; or with the one before it."""

_CHARS_ALIKE = 4
_CHARS_WHOLE = 12


class AttemptFinder:
    """The events of the current attempt."""

    def __init__(self) -> None:
        self.previous: dict[str, Any] = {}
        self._id = ""
        self._same_ids = 0
        self._ids_vary = False
        self._is_suspect = False
        self._count = 0.0
        self._texts: list[str] = []
        self._chars = 0

    def check(self, value: dict[str, Any]) -> RestartPoint:
        """Add the next event; return whether the answer restarts, and where."""
        text, has_parts = _read_parts(value)
        if not has_parts:
            return ""
        anew: RestartPoint = self._judge(value, text) if self.previous else ""
        if anew == "here":
            self._forget()
        elif anew == "before":
            first, _ = _read_parts(self.previous)
            self._forget()
            self._add(self.previous, first)
        self._add(value, text)
        return anew

    def _judge(self, value: dict[str, Any], text: str) -> RestartPoint:
        id = read_string(value.get("responseId"))
        is_other = bool(id and self._id and id != self._id) and not self._ids_vary
        begins_alike = self._begins_alike(text)
        if is_other and (self._same_ids > 1 or begins_alike):
            return "here"
        if self._is_suspect and id == self._id:
            return "before"
        if is_other:
            # One id an event, as far as is known: twice, and ids say nothing.
            self._ids_vary, self._is_suspect = self._is_suspect, not self._is_suspect
        falls = 0 < _read_count(value) < self._count
        return "here" if (falls and begins_alike) or self._repeats(text) else ""

    def _begins_alike(self, text: str) -> bool:
        """Return True if a text begins like the current attempt."""
        first = self._texts[0] if self._texts else ""
        shorter = min(len(first), len(text))
        return shorter >= _CHARS_ALIKE and first[:shorter] == text[:shorter]

    def _repeats(self, text: str) -> bool:
        """Return True if a text begins with the whole text of several events, refrains apart."""
        if len(self._texts) < 2 or not _CHARS_WHOLE <= self._chars <= len(text):
            return False
        before = "".join(self._texts)
        return text.startswith(before) and before.count(self._texts[0]) == 1

    def _forget(self) -> None:
        self._id, self._same_ids, self._is_suspect = "", 0, False
        self._count = 0.0
        self._texts.clear()
        self._chars = 0

    def _add(self, value: dict[str, Any], text: str) -> None:
        id = read_string(value.get("responseId"))
        self._same_ids = self._same_ids + 1 if id == self._id else 1
        self._id = id
        self._count = max(self._count, _read_count(value))
        self.previous = value
        if text:
            self._texts.append(text)
            self._chars += len(text)


def _read_parts(value: dict[str, Any]) -> tuple[str, bool]:
    """Return an event's answer text, and whether the event has any part."""
    candidates = read_objects(value.get("candidates"))
    parts = (
        read_objects(read_object(candidates[0].get("content")).get("parts")) if candidates else []
    )
    texts = [read_string(part.get("text")) for part in parts if part.get("thought") is not True]
    return "".join(texts), any(part.get("text") != "" for part in parts)


def _read_count(value: dict[str, Any]) -> float:
    """Return the answer's tokens so far; 0 if the event has no count."""
    counts = read_object(value.get("usageMetadata"))
    return read_number(counts.get("candidatesTokenCount")) or 0.0
