"""Detects which API an answer belongs to, if it is not the requested one.

Gateways route one request to channels of several kinds and now and then pass an answer on
untranslated. Readable answers are read: they were paid for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiyi_cli.core.endpoints import CHAT, GENERATE, IMAGE, MESSAGES, RESPOND
from apiyi_cli.core.events import EventBatch
from apiyi_cli.decode.answers.answer import Answer
from apiyi_cli.decode.frames.fields import read_objects, read_word
from apiyi_cli.text import Text

_MOST_NAMED = 4


class PicturesAnswer(Answer):
    """Pictures in the form of /images/generations: each link becomes a line of text."""

    whole_key = "data"

    def take_whole(self, value: dict[str, Any], out: EventBatch) -> object:
        """Read the `data` of the answer."""
        self.started = True
        for item in read_objects(value["data"]):
            self.attach(item.get("url") or item.get("b64_json"), 0, out)
        self.reasons[0] = "stop"
        return None


def find_dialect(value: dict[str, Any], answer: Answer) -> tuple[str, Answer] | None:
    """Return the path of an object's API, and the reader for it.

    None where the object is of no API that is known, or of the one that `answer` reads.
    """
    dialect = _detect(value, answer.choices)
    return None if dialect is None or type(dialect[1]) is type(answer) else dialect


def _detect(value: dict[str, Any], choices: int) -> tuple[str, Answer] | None:
    from apiyi_cli.decode.answers.chat_answer import ChatAnswer
    from apiyi_cli.decode.answers.google import GenerateAnswer
    from apiyi_cli.decode.answers.messages import EVENTS, MessageAnswer
    from apiyi_cli.decode.answers.response_answer import ResponseAnswer

    kind, content = value.get("type"), value.get("content")
    if isinstance(given := value.get("choices"), list) and given:
        return CHAT.path, ChatAnswer(choices)
    if isinstance(value.get("candidates"), list):
        return GENERATE.path, GenerateAnswer(choices)
    if isinstance(kind, str):
        if kind.startswith("response."):
            return RESPOND.path, ResponseAnswer()
        if kind in EVENTS or (kind == "message" and isinstance(content, list)):
            return MESSAGES.path, MessageAnswer()
    if value.get("object") == "response" and "output" in value:
        return RESPOND.path, ResponseAnswer()
    items = read_objects(value.get("data"))
    if any(item.get("url") or item.get("b64_json") for item in items):
        return IMAGE.path, PicturesAnswer()
    return None


def name_object(value: dict[str, Any]) -> str:
    """Return a short description of an object: its type, or its first fields."""
    for name in ("type", "object"):
        if word := read_word(value.get(name)):
            return word
    names = ", ".join(str(name)[:30] for name in list(value)[:3])
    return f"{{{names}}}"


def describe_strangers(names: Iterable[str]) -> str:
    """Return the message about unknown objects in place of the answer."""
    distinct = list(dict.fromkeys(names))
    if len(distinct) > _MOST_NAMED:
        distinct[_MOST_NAMED:] = ["…"]
    return Text("what came is unknown: {names}", names=", ".join(distinct))
