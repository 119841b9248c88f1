"""Assembles the chunks of a stream into the object of an unstreamed answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.decode.answers.answer import next_piece
from apiyi_cli.decode.answers.output import assemble_response, read_chunks
from apiyi_cli.decode.answers.toolcalls import ToolCalls
from apiyi_cli.decode.frames.fields import read_objects

_JOINED = ("content", "reasoning_content", "reasoning", "refusal")
_JOINED_FIELDS = {"audio": ("data", "transcript"), "function_call": ("name", "arguments")}
_SAID_ONCE = ("role", "type", "id", "name", "model")
_OBJECTS = {"chat.completion.chunk": "chat.completion"}
_TEXT_FIELDS = frozenset(("type", "text", "index"))
_TEXT_TYPES = (None, "text", "output_text")


def assemble_completion(chunks: Iterable[bytes]) -> dict[str, Any]:
    """Put the chunk objects of one stream together.

    Chat and legacy completions give `chat.completion` and `text_completion` with every choice,
    its text, reasoning, refusal, tool calls and log probabilities; id and creation time are those
    of the first chunk, model and usage of the last one that has them. Events of the Responses API
    give the response (see `output`), those of the other protocols their object. What is not a JSON
    object is passed over; whether the answer is complete is not judged here.
    """
    values = list(read_chunks(chunks))
    if not any("choices" in value for value in values):
        from apiyi_cli.decode.answers.messages import EVENTS, assemble_message

        kinds = {kind for value in values if isinstance(kind := value.get("type"), str)}
        if kinds & EVENTS:
            return assemble_message(values)
        if any(kind.startswith("response.") for kind in kinds):
            return assemble_response(values)
        if any("candidates" in value or "usageMetadata" in value for value in values):
            from apiyi_cli.decode.answers.google import assemble_response as assemble_candidates

            return assemble_candidates(values)
    return _assemble_choices(values)


def _assemble_choices(chunks: Iterable[dict[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    choices: dict[int, _Choice] = {}
    for chunk in chunks:
        if "object" not in chunk and "choices" not in chunk:
            continue
        for name, field in chunk.items():
            if name == "choices":
                # Here is its place in the object.
                whole.setdefault(name, [])
            elif field is None and name in whole:
                continue
            elif name not in ("id", "created", "object") or not whole.get(name):
                whole[name] = field
        for choice in read_objects(chunk.get("choices")):
            index = choice.get("index")
            choices.setdefault(index if isinstance(index, int) else 0, _Choice()).add(choice)
    if isinstance(kind := whole.get("object"), str):
        whole["object"] = _OBJECTS.get(kind, kind)
    if choices:
        whole["choices"] = [choices[index].as_object(index) for index in sorted(choices)]
    else:
        whole.pop("choices", None)
    whole.pop("obfuscation", None)
    return whole


class _Choice:
    def __init__(self) -> None:
        self.has_deltas = False
        self.message: dict[str, Any] = {}
        self.texts: dict[str, list[Any]] = {}
        self.calls = ToolCalls()
        self.rest: dict[str, Any] = {}

    def add(self, choice: dict[str, Any]) -> None:
        """Add one piece of this choice: a delta, a text, log probabilities, the finish."""
        for name, field in choice.items():
            if name == "delta" and isinstance(field, dict):
                self.has_deltas = self.has_deltas or any(map(field.get, _JOINED))
                self._fill(field)
            elif name == "message" and isinstance(field, dict):
                self._add_message(field, choice.get("finish_reason"))
            elif name == "text" and isinstance(field, str):
                self.texts.setdefault("text", []).append(field)
            elif name == "logprobs":
                self.rest[name] = _extend(self.rest.get(name), field)
            elif name not in ("index", "delta") and (field is not None or name not in self.rest):
                self.rest[name] = field

    def _add_message(self, message: dict[str, Any], finish: object) -> None:
        """Add a message in place of a delta; see `answer.next_piece`."""
        if self.has_deltas:
            # A whole message after its pieces: only what they did not say is news.
            news = {name: field for name, field in message.items() if name not in self.texts}
            self._fill(news if not self.calls.calls else {**news, "tool_calls": None})
            return
        content = message.get("content")
        if isinstance(content, str) and "content" in self.texts:
            previous = _join_pieces(self.texts["content"])
            if isinstance(previous, str):
                message = {**message, "content": next_piece(previous, content, finish)}
        self._fill(message)

    def _fill(self, delta: dict[str, Any]) -> None:
        for name, field in delta.items():
            if name == "tool_calls":
                self.calls.add(field)
            elif name in _JOINED and isinstance(field, str | list | dict):
                self.texts.setdefault(name, []).append(field)
            elif name in _JOINED_FIELDS:
                parts = _JOINED_FIELDS[name]
                self.message[name] = _join_fields(self.message.get(name), field, parts)
            elif isinstance(field, str) and name not in _SAID_ONCE:
                # Unknown fields are texts in pieces, as in OpenAI's own client.
                self.message[name] = f"{self.message.get(name) or ''}{field}"
            elif field is not None or name not in self.message:
                self.message[name] = _extend(self.message.get(name), field)

    def as_object(self, index: int) -> dict[str, Any]:
        """Return the choice in the shape of an unstreamed answer."""
        texts = {name: _join_pieces(pieces) for name, pieces in self.texts.items()}
        rest = {"logprobs": None, "finish_reason": None, **self.rest}
        if "text" in texts:
            return {"index": index, "text": texts["text"], **rest}
        message = {"role": "assistant", "content": None, **self.message, **texts}
        if self.calls.calls:
            message["tool_calls"] = [
                {
                    **call.extra,
                    "id": call.id,
                    "type": call.kind,
                    call.kind: {
                        "name": call.name,
                        ("input" if call.kind == "custom" else "arguments"): call.arguments,
                    },
                }
                for call in self.calls.calls
            ]
        if self.calls.calls or message.get("refusal"):
            message["content"] = message["content"] or None
        return {"index": index, "message": message, **rest}


def _join_pieces(pieces: list[Any]) -> Any:
    """Return the pieces' text; a list of parts where some hold more."""
    parts: list[Any] = []
    for piece in pieces:
        for part in piece if isinstance(piece, list) else (piece,):
            text = _text_of(part)
            if text is None:
                parts.append(part)
            elif parts and isinstance(parts[-1], str):
                parts[-1] += text
            else:
                parts.append(text)
    if all(isinstance(part, str) for part in parts):
        return whole_characters("".join(parts))
    return [
        {"type": "text", "text": whole_characters(part)} if isinstance(part, str) else part
        for part in parts
        if part != ""
    ]


def _text_of(part: Any) -> str | None:
    """Return the text of a part that holds nothing else, None for any other part."""
    if isinstance(part, dict):
        is_text = part.keys() <= _TEXT_FIELDS and part.get("type") in _TEXT_TYPES
        return part["text"] if is_text and isinstance(part.get("text"), str) else None
    return part if isinstance(part, str) else None


def _extend(old: Any, new: Any) -> Any:
    """Append lists, also inside objects; otherwise the newer value wins."""
    if isinstance(old, list) and isinstance(new, list):
        return old + new
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{name: _extend(old.get(name), field) for name, field in new.items()}}
    return old if new is None else new


def _join_fields(old: Any, new: Any, names: tuple[str, ...]) -> Any:
    """Append the named texts of two objects; otherwise the newer value wins."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return old if new is None else new
    joined = {
        name: f"{old.get(name) or ''}{new.get(name) or ''}"
        for name in names
        if name in old or name in new
    }
    return {**old, **new, **joined}
