"""Chat completions → events, streamed or not, as gateways and their upstreams really send them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiyi_cli.core.call import Cost, Reply
from apiyi_cli.core.events import Burst, Delta, Reasoning, Refusal
from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.decode.answer import Answer
from apiyi_cli.decode.reading import bursts
from apiyi_cli.decode.toolcalls import ToolCalls
from apiyi_cli.decode.usage import usage
from apiyi_cli.text import Text

_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "refusal": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "blocklist": "content_filter",
    "spii": "content_filter",
}
_THOUGHTS = ("thinking", "reasoning")


def events(
    reply: Reply, *, choices: int = 1, verbatim: bool = False, cost: Cost = "text"
) -> Iterator[Burst]:
    """Yield the events of a chat reply; see `reading.bursts` for bursts, ends and errors.

    With `choices=1` whatever the server numbers its choices is one choice, 0 (relays number the
    content blocks of Claude). Tool calls, finishes, the last usage, the first id and the last
    model come at the end, in that order. Reasoning is taken from `reasoning_content`, else from
    `reasoning`. Every choice asked for must have a `finish_reason`.
    """
    return bursts(reply, ChatAnswer(choices), verbatim=verbatim, cost=cost)


def finish_reason(told: object) -> str | None:
    """Return the reason in the API's own words; None where the choice is not finished.

    What other vendors say is translated; an unknown word stays as it came.
    """
    if not isinstance(told, str) or told.strip().lower() in ("", "null", "none"):
        return None
    word = told.strip().lower()
    return _REASONS.get(word) or (word if word in _KNOWN else whole_characters(told.strip()))


_KNOWN = frozenset(_REASONS.values())


class ChatAnswer(Answer):
    """The answer of POST /chat/completions."""

    def take(self, value: dict[str, Any], out: Burst) -> object:
        """Read a chunk, or a whole completion, which differs only in saying `message`."""
        given = value.get("choices")
        if type(given) is list and len(given) == 1 and self._plain(given[0], out):
            told = None
        else:
            told = self._choices(given, out)
        if self.id is None or value.get("model") != self.model:
            self.note_about(value.get("id"), value.get("model"))
        if (counts := value.get("usage")) is not None:
            self.usage = usage(counts) or self.usage
        return told

    def _plain(self, choice: Any, out: Burst) -> bool:
        """Take a choice that is just the next piece of text, as nearly all are; else tell so."""
        if self.torn or self.choices != 1 or type(choice) is not dict:
            return False
        delta = choice.get("delta")
        if type(delta) is not dict or len(delta) != 1 or choice.get("finish_reason") is not None:
            return False
        text = delta.get("content")
        if type(text) is not str or not text or not self.indices or choice.get("usage"):
            return False
        self.pieces += 1
        self.chars += len(text)
        out.append(Delta(text, 0))
        return True

    def _choices(self, given: object, out: Burst) -> object:
        trouble: object = None
        # A whole message after pieces of it (some relays close a stream so) is no news.
        fresh = not self.pieces
        for place, choice in enumerate(given if isinstance(given, list) else ()):
            if not isinstance(choice, dict):
                continue
            index = 0 if self.choices == 1 else _index(choice.get("index"), place)
            self.started = True
            self.indices.add(index)
            delta = choice.get("delta")
            if isinstance(delta, dict):
                self._delta(delta, index, out)
            elif fresh and isinstance(message := choice.get("message"), dict):
                self._delta(message, index, out)
            elif isinstance(text := choice.get("text"), str):
                self.say(Delta, text, index, out)
            told = choice.get("finish_reason")
            if told is not None:
                trouble = self._finish(choice, told, index) or trouble
            if (counts := choice.get("usage")) is not None:
                self.usage = usage(counts) or self.usage
        return trouble

    def _delta(self, delta: dict[str, Any], index: int, out: Burst) -> None:
        """Read the fields of a delta or message, reasoning first."""
        thought = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))
        if thought:
            self.say(Reasoning, thought, index, out)
        content = _text(delta.get("content"))
        audio = delta.get("audio")
        if not content and isinstance(audio, dict):
            content = _text(audio.get("transcript"))
        if content:
            self.say(Delta, content, index, out)
        if refusal := _text(delta.get("refusal")):
            self.say(Refusal, refusal, index, out)
        if pieces := delta.get("tool_calls"):
            self.calls.setdefault(index, ToolCalls()).add(pieces)
        if piece := delta.get("function_call"):
            self.calls.setdefault(index, ToolCalls()).add_legacy(piece)

    def _finish(self, choice: dict[str, Any], told: object, index: int) -> object:
        """Note that a choice is finished; return its error if that is what ended it."""
        if told == "error":
            return {"error": choice.get("error") or Text("the model ended with an error")}
        if reason := finish_reason(told):
            self.reasons[index] = reason
        return None


def _index(told: object, place: int) -> int:
    if isinstance(told, int):
        return int(told)
    return int(told) if isinstance(told, str) and told.isdecimal() else place


def _text(content: object) -> str:
    """Return the text of a string, of an object with `text`, or of an array of such parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return "" if content.get("type") in _THOUGHTS else _text(content.get("text"))
    if isinstance(content, list):
        return "".join(_text(part) for part in content)
    return ""
