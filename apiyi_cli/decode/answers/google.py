"""Answers of Google's generateContent → events, streamed or not.

Each event of a stream is a whole response with the next parts; no `[DONE]` comes, the finish
reason of every candidate is the proof. Source: the gateway's pages on native Gemini calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiyi_cli.core.events import Chunk, Delta, EventBatch, Reasoning, Usage
from apiyi_cli.core.jsontext import write, write_text
from apiyi_cli.decode.answers.answer import Answer, finish_reason
from apiyi_cli.decode.answers.attempts import AttemptFinder
from apiyi_cli.decode.answers.toolcalls import PartialCall, ToolCalls
from apiyi_cli.decode.frames.fields import read_object, read_objects, read_string, usage

REFUSALS = frozenset(
    (
        *("SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "NO_IMAGE"),
        *("IMAGE_SAFETY", "IMAGE_RECITATION", "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER"),
    )
)
"""Finish reasons by which the model, or a filter after it, declines."""


class GenerateAnswer(Answer):
    """The answer of POST /v1beta/models/M:generateContent and :streamGenerateContent."""

    key = "candidates"
    whole_key = "candidates"

    def __init__(self, choices: int = 1) -> None:
        super().__init__(choices)
        self._attempts = AttemptFinder()

    def is_whole(self, value: dict[str, Any]) -> bool:
        """Return True for a response; one to a refused prompt has no candidates."""
        return "candidates" in value or "promptFeedback" in value

    def take(self, value: dict[str, Any], out: EventBatch) -> object:
        """Read one response, which is the next piece of a stream or all of it."""
        if self.choices == 1:
            self._check_attempt(value, out)
        self._response(value, out)
        return None

    def _check_attempt(self, value: dict[str, Any], out: EventBatch) -> None:
        """Restart the answer if this response, or the one before, begins another attempt."""
        previous = self._attempts.previous
        anew = self._attempts.check(value)
        if not anew:
            return
        chunk = out.pop() if out and type(out[-1]) is Chunk else None
        self.begin_anew(out)
        if anew == "before":
            if chunk is not None:
                out.append(Chunk(write(previous)))
            self._response(previous, out)
        if chunk is not None:
            out.append(chunk)

    def _response(self, value: dict[str, Any], out: EventBatch) -> None:
        self.note_about(value.get("responseId"), value.get("modelVersion"))
        if (counts := value.get("usageMetadata")) is not None:
            self.usage = google_usage(counts) or self.usage
        feedback = value.get("promptFeedback")
        if isinstance(feedback, dict) and isinstance(why := feedback.get("blockReason"), str):
            self.started = True
            self.refused = _add_words(why, feedback.get("blockReasonMessage"))
            self.reasons[0] = "content_filter"
        for place, candidate in enumerate(read_objects(value.get("candidates"))):
            self._candidate(candidate, place, out)

    def _candidate(self, candidate: dict[str, Any], place: int, out: EventBatch) -> None:
        given = candidate.get("index")
        index = given if isinstance(given, int) and 0 <= given < 64 and self.choices > 1 else 0
        index = index or (place if self.choices > 1 else 0)
        self.started = True
        self.indices.add(index)
        for part in read_objects(read_object(candidate.get("content")).get("parts")):
            self._part(part, index, out)
        finish = read_string(candidate.get("finishReason"))
        if finish and finish != "FINISH_REASON_UNSPECIFIED":
            if finish in REFUSALS:
                self.refused = _add_words(finish, candidate.get("finishMessage"))
                self.reasons[index] = "content_filter"
            elif reason := finish_reason(finish):
                has_calls = reason == "stop" and index in self.calls
                self.reasons[index] = "tool_calls" if has_calls else reason

    def _part(self, part: dict[str, Any], index: int, out: EventBatch) -> None:
        text = part.get("text")
        if isinstance(text, str) and text:
            self.say(Reasoning if part.get("thought") is True else Delta, text, index, out)
        call = part.get("functionCall")
        if isinstance(call, dict):
            self._call(call, index)
        data = part.get("inlineData") or part.get("inline_data")
        if isinstance(data, dict) and isinstance(encoded := data.get("data"), str):
            kind = read_string(data.get("mimeType") or data.get("mime_type"))
            self.attach(f"data:{kind};base64,{encoded}", index, out)
        file = part.get("fileData") or part.get("file_data")
        if isinstance(file, dict):
            self.attach(file.get("fileUri") or file.get("file_uri"), index, out)
        code = part.get("executableCode")
        if isinstance(code, dict) and isinstance(source := code.get("code"), str):
            self.say(Delta, f"\n```python\n{source}\n```\n", index, out)
        result = part.get("codeExecutionResult")
        if isinstance(result, dict) and isinstance(output := result.get("output"), str):
            self.say(Delta, f"\n```\n{output}\n```\n", index, out)

    def _call(self, call: dict[str, Any], index: int) -> None:
        calls = self.calls.setdefault(index, ToolCalls())
        arguments = call.get("args")
        calls.calls.append(
            PartialCall(
                id=read_string(call.get("id")),
                name=read_string(call.get("name")),
                pieces=[write_text(arguments)] if isinstance(arguments, dict) else [],
            )
        )


def _add_words(reason: str, words: object) -> str:
    return f"{reason}: {words}" if isinstance(words, str) and words else reason


def google_usage(counts: object) -> Usage | None:
    """Return the counts of a `usageMetadata`; thoughts count as completion, as elsewhere."""
    if not isinstance(counts, dict):
        return None
    answer, thought = counts.get("candidatesTokenCount"), counts.get("thoughtsTokenCount")
    completion = [number for number in (answer, thought) if isinstance(number, int)]
    fields = {
        "prompt_tokens": counts.get("promptTokenCount"),
        "completion_tokens": sum(completion) if completion else None,
        "total_tokens": counts.get("totalTokenCount"),
        "completion_tokens_details": {"reasoning_tokens": thought},
        "prompt_tokens_details": {"cached_tokens": counts.get("cachedContentTokenCount")},
    }
    return usage(fields, raw=counts)


def assemble_response(responses: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the response that the events of one stream form together.

    Neighbouring texts of one kind become one part; the last finish reason and counts hold.
    """
    whole: dict[str, Any] = {}
    candidates: dict[int, dict[str, Any]] = {}
    for response in responses:
        whole |= {name: value for name, value in response.items() if name != "candidates"}
        for place, candidate in enumerate(read_objects(response.get("candidates"))):
            index = candidate.get("index")
            known = candidates.setdefault(index if isinstance(index, int) else place, {})
            _merge(known, candidate)
    return {"candidates": [candidates[index] for index in sorted(candidates)], **whole}


def _merge(known: dict[str, Any], candidate: dict[str, Any]) -> None:
    content = candidate.get("content")
    known |= {name: value for name, value in candidate.items() if name != "content"}
    if not isinstance(content, dict):
        return
    merged = known.setdefault("content", {"parts": []})
    merged |= {name: value for name, value in content.items() if name != "parts"}
    given = content.get("parts")
    for part in given if isinstance(given, list) else ():
        last = merged["parts"][-1] if merged["parts"] else None
        if last and _are_texts(last, part):
            last["text"] += part["text"]
        else:
            merged["parts"].append(dict(part) if isinstance(part, dict) else part)


def _are_texts(last: Any, part: Any) -> bool:
    """Return True if two parts are pieces of one text; a signature closes its part."""
    return all(
        isinstance(item, dict) and isinstance(item.get("text"), str) and item.keys() <= _PLAIN
        for item in (last, part)
    ) and last.get("thought") == part.get("thought")


_PLAIN = {"text", "thought"}
