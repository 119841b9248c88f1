"""Finds an answer's pictures, for each protocol, and its words if it declines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.decode.frames.fields import read_object, read_objects, read_string
from apiyi_cli.text import Text

_SHOWN_CHARS = 200
_DATA_LINK = re.compile(r"data:image/[\w.+-]+(?:;[\w=.-]+)*,[^\s)\"'<>]+", re.ASCII)
_SHOWN_LINK = re.compile(r"!\[[^\]]*\]\(\s*<?(https?://[^\s)>]+)")
_LINK = re.compile(r"\]\(\s*<?(https?://[^\s)>]+)")
_BARE_LINK = re.compile(
    r"https?://[^\s)>\"'<]+\.(?:png|jpe?g|webp|gif|svg|avif)(?:\?[^\s)>\"'<]*)?"
)
_GENERATE_KEYS = {"candidates", "promptFeedback", "usageMetadata"}


def find_items(answer: Any) -> list[Any]:
    """Return the items of an answer that stand for pictures, in order.

    `data` and `images` of the images endpoints, the parts of Gemini's candidates, and the links,
    data URLs and `image_url` parts of a chat completion.
    """
    if not isinstance(answer, dict):
        return answer if isinstance(answer, list) else []
    for name in ("data", "images"):
        listed = answer.get(name)
        if isinstance(listed, list):
            return listed
        if isinstance(listed, dict):
            return [listed]
    if "candidates" in answer:
        return list(_candidate_items(answer))
    if "choices" in answer:
        return [{"url": url} for url in dict.fromkeys(_choice_urls(answer))]
    return [answer] if answer.get("b64_json") or answer.get("url") else []


def describe_refusal(answer: Any) -> str:
    """Return why a Gemini model made no picture, "" if it does not decline.

    Asked of an answer without one, in the order of the gateway's page: refused at input, a
    finish reason, words in place of the picture.
    """
    if not read_object(answer).keys() & _GENERATE_KEYS:
        return ""
    candidates = read_objects(answer.get("candidates"))
    reasons = [read_string(read_object(answer.get("promptFeedback")).get("blockReason"))]
    reasons += (read_string(candidate.get("finishReason")) for candidate in candidates)
    reason = next(filter(None, reasons), "STOP")
    texts = [read_string(candidate.get("finishMessage")) for candidate in candidates]
    texts += (read_string(part.get("text")) for part in _parts(answer))
    text = shorten(" ".join(texts))
    if reason == "MAX_TOKENS":
        return ""
    if reason != "STOP":
        return Text("{reason}: {text}", reason=reason, text=text) if text else reason
    if text:
        return Text("it says: {short}", short=text)
    counts = read_object(answer.get("usageMetadata"))
    if not candidates or counts.get("candidatesTokenCount") == 0:
        return Text("the prompt was refused before anything was drawn")
    return ""


def describe_words(answer: Any) -> str:
    """Return the answer's words, if it has words instead of pictures."""
    fields = read_object(answer)
    candidates = read_objects(fields.get("candidates"))
    if any(candidate.get("finishReason") == "MAX_TOKENS" for candidate in candidates):
        return Text("the model reached its limit of tokens (MAX_TOKENS)")
    messages = [
        read_object(choice.get("message")) for choice in read_objects(fields.get("choices"))
    ]
    texts = [
        *(message.get(name) for message in messages for name in ("content", "refusal")),
        *(fields.get(name) for name in ("text", "message", "output_text")),
        *(item.get("revised_prompt") for item in read_objects(find_items(answer))),
    ]
    words = next(filter(None, (read_string(text).strip() for text in texts)), "")
    return Text("it says: {short}", short=shorten(words)) if words else ""


def shorten(text: str) -> str:
    """Return a text as one line of at most two hundred characters."""
    line = " ".join(whole_characters(text).split())
    return line if len(line) <= _SHOWN_CHARS else f"{line[: _SHOWN_CHARS - 1]}…"


def _parts(answer: Any) -> Iterator[dict[str, Any]]:
    for candidate in read_objects(answer.get("candidates")):
        # Drafts of a thinking model come as thoughts: they are not the answer.
        yield from (
            part
            for part in read_objects(read_object(candidate.get("content")).get("parts"))
            if part.get("thought") is not True
        )


def _candidate_items(answer: Any) -> Iterator[dict[str, Any]]:
    for part in _parts(answer):
        data = part.get("inlineData") or part.get("inline_data")
        file = part.get("fileData") or part.get("file_data")
        if isinstance(data, dict):
            yield {"b64_json": data.get("data")}
        elif isinstance(file, dict):
            yield {"url": file.get("fileUri") or file.get("file_uri")}


def _choice_urls(answer: Any) -> Iterator[str]:
    for choice in read_objects(answer.get("choices")):
        message = read_object(choice.get("message"))
        yield from _urls_in(read_string(message.get("content")))
        for name in ("content", "images"):
            for part in read_objects(message.get(name)):
                link = part.get("image_url")
                if url := read_string(read_object(link).get("url") or link):
                    yield url
                yield from _urls_in(read_string(part.get("text")))


def _urls_in(text: str) -> list[str]:
    """Return the picture URLs in a text: shown ones, else linked, else plain ones."""
    links = _DATA_LINK.findall(text) + _SHOWN_LINK.findall(text)
    return links or _LINK.findall(text) or _BARE_LINK.findall(text)
