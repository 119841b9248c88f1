"""The answer of /chat/completions, with the deviations of real gateways and upstreams."""

from __future__ import annotations

from typing import Any

from apiyi_cli.core.events import Delta, EventBatch, Reasoning, Refusal
from apiyi_cli.decode.answers.answer import Answer, finish_reason, is_failure, next_piece
from apiyi_cli.decode.answers.toolcalls import ToolCalls
from apiyi_cli.decode.frames.fields import read_count, usage
from apiyi_cli.text import Text

_THOUGHTS = ("thinking", "reasoning")
_CONTENTS = ("content", "tool_calls", "function_call", "reasoning_content", "reasoning", "refusal")
_MOST_CHOICES = 4096
_MAX_DEPTH = 50


class ChatAnswer(Answer):
    """The answer of POST /chat/completions."""

    _repeats_role = False

    def forget(self) -> None:
        """Set what belongs to one attempt at the answer as it is before anything came."""
        super().forget()
        self._messages: dict[int, str] = {}
        self._spoken: set[int] = set()
        self._new_roles: set[int] = set()

    def take(self, value: dict[str, Any], out: EventBatch) -> object:
        """Read a chunk or a whole completion, which has `message` instead of `delta`."""
        given = value.get("choices")
        if type(given) is list and len(given) == 1 and self._take_plain(given[0], out):
            trouble = None
        else:
            trouble = self._choices(given, value.get("id"), out)
        if self.id is None or value.get("model") != self.model:
            self.note_about(value.get("id"), value.get("model"))
        if (counts := value.get("usage")) is not None:
            self.usage = usage(counts) or self.usage
        return trouble

    def _take_plain(self, choice: Any, out: EventBatch) -> bool:
        """Read a choice that only adds text, as nearly all do; else return False."""
        if self.torn or self.choices != 1 or not self.visible or self._new_roles:
            return False
        # Subscripts and `in`, because there are many of these: `get` takes twice as long.
        try:
            delta = choice["delta"]
            text = delta["content"]
        except (KeyError, TypeError):
            return False
        if type(text) is not str or not text or type(delta) is not dict or len(delta) != 1:
            return False
        if "usage" in choice or ("finish_reason" in choice and choice["finish_reason"] is not None):
            return False
        self.pieces += 1
        self.chars += len(text)
        out.append(Delta(text, 0))
        return True

    def _choices(self, given: object, id: object, out: EventBatch) -> object:
        trouble: object = None
        for place, choice in enumerate(given if isinstance(given, list) else ()):
            if not isinstance(choice, dict):
                continue
            index = 0
            if self.choices > 1:
                number = read_count(choice.get("index"), _MOST_CHOICES - 1)
                index = place if number is None else number
            finish = choice.get("finish_reason")
            delta, message = choice.get("delta"), choice.get("message")
            if isinstance(delta, dict) and (delta or not isinstance(message, dict)):
                self._check_role(delta, finish, id, index, out)
                self._begin_choice(index)
                self._delta(delta, index, out)
            else:
                self._begin_choice(index)
                if isinstance(message, dict):
                    self._message(message, finish, index, out)
            if isinstance(text := choice.get("text"), str):
                self._say(text, index, out)
            if finish is not None:
                trouble = self._finish(choice, finish, index) or trouble
            if (counts := choice.get("usage")) is not None:
                self.usage = usage(counts) or self.usage
        return trouble

    def _begin_choice(self, index: int) -> None:
        self.started = True
        self.indices.add(index)

    def _check_role(
        self, delta: dict[str, Any], finish: object, id: object, index: int, out: EventBatch
    ) -> None:
        """Restart the answer if this chunk announces that.

        A gateway that continues with another channel sends the opening chunk again: a role and
        no content, after text. It counts once something follows it: some servers close a stream
        with such a chunk. Servers that say the role with every piece mean nothing by it.
        """
        has_more = any(delta.get(name) for name in _CONTENTS)
        if index in self._new_roles and has_more:
            self.begin_anew(out)
        if delta.get("role") != "assistant" or self._repeats_role:
            return
        begun = index in self._spoken or index in self.calls
        if has_more:
            other = isinstance(id, str) and self.id is not None and id != self.id
            if begun and other and delta.get("content"):
                self.begin_anew(out)
            elif delta.get("content"):
                self._repeats_role = True
        elif begun and finish is None:
            self._new_roles.add(index)

    def _message(
        self, message: dict[str, Any], finish: object, index: int, out: EventBatch
    ) -> None:
        """Read a message instead of a delta: the whole text, or its next piece.

        A whole message after pieces of it (some relays close a stream so) adds nothing.
        """
        previous = self._messages.get(index)
        if previous is None and index in self._spoken:
            if index not in self.calls and (pieces := message.get("tool_calls")):
                self.calls.setdefault(index, ToolCalls()).add(pieces)
            return
        full = _join_text(message.get("content"))
        if previous is None:
            self._messages[index] = full
            self._delta(message, index, out)
            return
        rest = next_piece(previous, full, finish)
        self._messages[index] = previous + rest
        self._delta({**message, "content": rest}, index, out)

    def _delta(self, delta: dict[str, Any], index: int, out: EventBatch) -> None:
        """Read the fields of a delta or message, reasoning first."""
        thought = _join_text(delta.get("reasoning_content")) or _join_text(delta.get("reasoning"))
        if thought:
            self.say(Reasoning, thought, index, out)
        given = delta.get("content")
        content = _join_text(given)
        audio = delta.get("audio")
        if isinstance(audio, dict):
            content = content or _join_text(audio.get("transcript"))
            if audio.get("data"):
                self.others.append(Text("a sound"))
        if content:
            self._say(content, index, out)
        if isinstance(given, list | dict):
            self._pictures(given, index, out)
        if images := delta.get("images"):
            self._pictures(images, index, out)
        if refusal := _join_text(delta.get("refusal")):
            self.say(Refusal, refusal, index, out)
        if pieces := delta.get("tool_calls"):
            self.calls.setdefault(index, ToolCalls()).add(pieces)
        if piece := delta.get("function_call"):
            self.calls.setdefault(index, ToolCalls()).add_legacy(piece)

    def _say(self, text: str, index: int, out: EventBatch) -> None:
        self.say(Delta, text, index, out)
        self._spoken.add(index)

    def _pictures(self, given: object, index: int, out: EventBatch) -> None:
        for part in given if isinstance(given, list) else (given,):
            if isinstance(part, dict):
                picture = part.get("image_url") or part.get("b64_json")
                if isinstance(picture, dict):
                    picture = picture.get("url")
                self.attach(picture, index, out)

    def _finish(self, choice: dict[str, Any], finish: object, index: int) -> object:
        """Finish a choice; return its error if an error ended it."""
        if is_failure(finish):
            why = Text("the model ended with an error")
            if finish != "error":
                why = Text("the model ended with {reason}", reason=finish)
            return {"error": choice.get("error") or why}
        if reason := finish_reason(finish):
            self.reasons[index] = reason
        return None


def _join_text(content: object, depth: int = 0) -> str:
    """Return the text of a string, an object with `text`, or an array of these."""
    if isinstance(content, str):
        return content
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(content, dict):
        return (
            "" if content.get("type") in _THOUGHTS else _join_text(content.get("text"), depth + 1)
        )
    if isinstance(content, list):
        return "".join(_join_text(part, depth + 1) for part in content)
    return ""
