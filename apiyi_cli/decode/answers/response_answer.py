"""The answer of /responses, whose events carry its pieces and then the whole.

An event is known by the `type` in its data; its SSE name may be missing. Texts come in pieces
and again in full when they are done: the full text repairs what was lost on the way, and is
never appended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apiyi_cli.core.events import Delta, EventBatch, Reasoning, Refusal
from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.decode.answers.answer import Answer, Spoken
from apiyi_cli.decode.answers.toolcalls import PartialCall, ToolCalls
from apiyi_cli.decode.frames.fields import read_object, read_objects, read_word, usage
from apiyi_cli.text import Text

_TEXTS: dict[str, Spoken] = {
    "response.output_text": Delta,
    "response.refusal": Refusal,
    "response.reasoning_text": Reasoning,
    "response.reasoning_summary_text": Reasoning,
}
_PARTS: dict[str, tuple[Spoken, str]] = {
    "output_text": (Delta, "text"),
    "text": (Delta, "text"),
    "refusal": (Refusal, "refusal"),
    "reasoning_text": (Reasoning, "text"),
    "summary_text": (Reasoning, "text"),
}
_ARGUMENTS = ("response.function_call_arguments", "response.custom_tool_call_input")
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_Part = tuple[str, str | int]
_CUTS = {"max_output_tokens": "length", "max_tokens": "length"}


@dataclass(slots=True)
class _PartialText:
    """One text of the answer, as far as its pieces have arrived."""

    kind: Spoken
    pieces: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return whole_characters("".join(self.pieces))


class ResponseAnswer(Answer):
    """The answer of POST /responses."""

    key = "type"
    whole_key = "output"

    def forget(self) -> None:
        """Set what belongs to one attempt at the answer as it is before anything came."""
        super().forget()
        self._texts: dict[tuple[object, ...], _PartialText] = {}
        self._calls: dict[str | int | None, PartialCall] = {}
        self._differs = False

    def take(self, value: dict[str, Any], out: EventBatch) -> object:
        """Read one event of a stream."""
        kind = value.get("type")
        if not isinstance(kind, str):
            return None
        if kind == "error":
            return value
        if not kind.startswith("response."):
            return None
        if kind == "response.created" and (self._texts or self.calls):
            self.begin_anew(out)
        # An error that is the first event of all came before anything was made.
        self.started = self.started or kind != "response.failed"
        name, _, stage = kind.rpartition(".")
        if name in _TEXTS:
            self._text_event(_TEXTS[name], name, stage, value, out)
        elif name in _ARGUMENTS:
            self._arguments_event(stage, value)
        elif name == "response.output_item":
            if isinstance(item := value.get("item"), dict):
                self._item(item, value.get("output_index"), out, done=stage == "done")
        elif isinstance(response := value.get("response"), dict):
            self.note_about(response.get("id"), response.get("model"))
            if kind in _ENDS:
                self.ended = True
                return self._end(response, stage, out)
        return None

    def take_whole(self, value: dict[str, Any], out: EventBatch) -> object:
        """Read an unstreamed response."""
        self.started = True
        self.note_about(value.get("id"), value.get("model"))
        return self._end(value, "", out)

    def _text_event(
        self, kind: Spoken, name: str, stage: str, value: dict[str, Any], out: EventBatch
    ) -> None:
        family = "summary" if "summary" in name else "content"
        part = (family, _name(value.get(f"{family}_index")) or 0)
        where = (_name(value.get("item_id")), _name(value.get("output_index")))
        if stage == "delta" and isinstance(piece := value.get("delta"), str):
            self._say(self._text(kind, *where, part), piece, out)
        elif stage == "done":
            self._repair(kind, *where, part, value.get("text") or value.get("refusal"), out)

    def _find_text(self, item: object, output: object, part: _Part) -> _PartialText | None:
        """Return the text begun under the item's id, or else at its position."""
        for place in ((item, output), (item, None), (None, output)):
            if place != (None, None) and (text := self._texts.get((*place, *part))):
                return text
        return None

    def _text(self, kind: Spoken, item: object, output: object, part: _Part) -> _PartialText:
        text = self._find_text(item, output, part) or _PartialText(kind)
        for place in {(item, output), (item, None) if item else (None, output)}:
            self._texts[(*place, *part)] = text
        return text

    def _say(self, text: _PartialText, piece: str, out: EventBatch) -> None:
        follows = text.kind is Reasoning and not text.pieces and self.reasoned
        text.pieces.append(piece)
        self.say(text.kind, f"\n\n{piece}" if follows else piece, 0, out)

    def _repair(
        self, kind: Spoken, item: object, output: object, part: _Part, full: object, out: EventBatch
    ) -> None:
        """Add the missing rest of a text that is now known in full."""
        if not isinstance(full, str) or not full:
            return
        text = self._find_text(item, output, part)
        full = whole_characters(full)
        if text is None:
            # Some relays give each piece of one text another item id.
            if self._join_texts(kind).endswith(full):
                return
            text = self._text(kind, item, output, part)
        previous = str(text)
        if full.startswith(previous):
            if rest := full[len(previous) :]:
                self._say(text, rest, out)
        else:
            self.note_correction(out)
            text.pieces = [full]
            self._differs = True

    def _join_texts(self, kind: Spoken) -> str:
        distinct = {id(text): text for text in self._texts.values() if text.kind is kind}
        return "".join(map(str, distinct.values()))

    def _call(self, *places: object) -> PartialCall:
        """Return the call with any of these ids and positions, else a new one."""
        keys = [place for place in map(_name, places) if place not in (None, "")]
        call = next((self._calls[key] for key in keys if key in self._calls), None)
        if call is None:
            call = PartialCall()
            self.calls.setdefault(0, ToolCalls()).calls.append(call)
        for key in keys:
            self._calls.setdefault(key, call)
        return call

    def _arguments_event(self, stage: str, value: dict[str, Any]) -> None:
        call = self._call(value.get("item_id"), value.get("output_index"))
        if stage == "delta" and isinstance(piece := value.get("delta"), str):
            call.pieces.append(piece)
        elif stage == "done":
            self._fill(call, value, value.get("arguments") or value.get("input"))

    def _fill(self, call: PartialCall, fields: dict[str, Any], arguments: object) -> None:
        for name, value in (("id", fields.get("call_id")), ("name", fields.get("name"))):
            if isinstance(value, str) and value:
                setattr(call, name, whole_characters(value))
        if isinstance(arguments, str) and arguments:
            call.pieces = [arguments]

    def _item(self, item: dict[str, Any], output: object, out: EventBatch, *, done: bool) -> None:
        kind = read_word(item.get("type"))
        if kind in _CALLS:
            call = self._call(item.get("call_id"), item.get("id"), output)
            self._fill(call, item, item.get(_CALLS[kind]))
        elif done:
            where = (_name(item.get("id")), _name(output))
            for name in ("summary", "content"):
                for place, part in enumerate(read_objects(item.get(name))):
                    if known := _PARTS.get(read_word(part.get("type"))):
                        self._repair(known[0], *where, (name, place), part.get(known[1]), out)
            if kind == "image_generation_call":
                self.attach(item.get("result"), 0, out)
            elif kind not in ("message", "reasoning"):
                self.others.append(Text("an item of type {kind}", kind=kind))

    def _end(self, response: dict[str, Any], stage: str, out: EventBatch) -> object:
        items = read_objects(response.get("output"))
        for place, item in enumerate(items):
            self._item(item, place, out, done=True)
        if items:
            # What was lost on the way is in it.
            self.damaged = self.damaged and self._differs
        self.usage = usage(response.get("usage")) or self.usage
        status = response.get("status") or stage
        if status == "incomplete":
            reason = read_word(read_object(response.get("incomplete_details")).get("reason"))
            self.reasons[0] = _CUTS.get(reason, whole_characters(reason or "length"))
        elif status == "completed":
            self.reasons[0] = "tool_calls" if self.calls else "stop"
        elif status in ("failed", "cancelled"):
            return {
                "error": response.get("error") or Text("the response is {status}", status=status)
            }
        return None


def _name(value: object) -> str | int | None:
    """Return an id or a number that identifies pieces, None for anything else."""
    return value if isinstance(value, str | int) else None
