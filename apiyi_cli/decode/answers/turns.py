"""The assistant's native turn, for the next request or a stored conversation.

Models that think get their thoughts back by it, signatures included: a turn without them is
refused by some, and makes others worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiyi_cli.core.call import Call
from apiyi_cli.core.jsontext import read_exact
from apiyi_cli.decode.answers.assemble import assemble_completion
from apiyi_cli.decode.frames.fields import read_object, read_objects

_SAID = frozenset(("role", "content", "tool_calls"))
# Fields of an answer that a question does not have.
_ANSWER_ONLY = frozenset(("audio", "annotations", "function_call", "refusal"))


def read_turn(call: Call, chunks: Sequence[bytes]) -> dict[str, Any] | None:
    """Return the `native` field of an answer's message; `chunks` are the answer's objects.

    None where text and function calls say all: then, or if the answer came in the form of
    another API, the message is made of them. So it is where a function gave the answer.
    """
    if call.answer_tool is not None:
        return None
    whole = _read_whole(chunks)
    content: Any = None
    if call.protocol == "anthropic":
        blocks = read_objects(whole.get("content"))
        # The API refuses a text block that is empty, though it sends them.
        content = [block for block in blocks if block != {"type": "text", "text": ""}]
    elif call.protocol == "google":
        inner = read_object(_first(whole.get("candidates")).get("content"))
        content = read_objects(inner.get("parts"))
    else:
        content = _openai_message(_first(whole.get("choices")).get("message"))
    return {"protocol": call.protocol, "model": call.model, "content": content} if content else None


def _read_whole(chunks: Sequence[bytes]) -> dict[str, Any]:
    """Return the object of an answer, assembled if it came in pieces."""
    if len(chunks) == 1:
        try:
            value = read_exact(chunks[0])
        except ValueError:
            return {}
        if isinstance(value, dict) and "delta" not in _first(value.get("choices")):
            return value
    return assemble_completion(chunks)


def _first(items: Any) -> dict[str, Any]:
    return next(iter(read_objects(items)), {})


def _openai_message(message: Any) -> dict[str, Any] | None:
    """Return a message with more than text and plain calls, without empty fields; else None."""
    if not isinstance(message, dict):
        return None
    own = {
        name: value
        for name, value in message.items()
        if name in _SAID or (name not in _ANSWER_ONLY and value not in (None, "", [], {}))
    }
    calls = read_objects(own.get("tool_calls"))
    if not calls:
        own.pop("tool_calls", None)
    has_extra = any(call.keys() - {"id", "type", "function", "index"} for call in calls)
    return own if has_extra or own.keys() - _SAID else None
