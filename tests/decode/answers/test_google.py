"""Answers of generateContent, streamed and whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apiyi_cli.core.call import Reply
from apiyi_cli.core.events import (
    About,
    Delta,
    Empty,
    Finish,
    InlineFile,
    Reasoning,
    Restart,
    ToolCall,
    Usage,
)
from apiyi_cli.core.jsontext import write
from apiyi_cli.decode.answers.answer_reader import read_answer
from apiyi_cli.decode.answers.google import GenerateAnswer, assemble_response
from apiyi_cli.errors import IncompleteError, RejectedError

COUNTS = {
    "promptTokenCount": 3,
    "candidatesTokenCount": 4,
    "thoughtsTokenCount": 5,
    "totalTokenCount": 12,
    "cachedContentTokenCount": 2,
}


def response(*parts: dict[str, Any], reason: str | None = None, **rest: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}}
    if reason:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], **rest}


def read(*responses: dict[str, Any], stream: bool = True) -> Iterator[Any]:
    if stream:
        body = b"".join(b"data: " + write(one) + b"\r\n\r\n" for one in responses)
        kind = "text/event-stream"
    else:
        body, kind = write(responses[0]), "application/json"
    reply = Reply(200, {"content-type": kind}, [body], host="h")
    for batch in read_answer(reply, GenerateAnswer()):
        yield from batch


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_gives_text_thoughts_and_counts(stream: bool) -> None:
    whole = response(
        {"text": "hm", "thought": True},
        {"text": "Hi", "thoughtSignature": "s"},
        reason="STOP",
        usageMetadata=COUNTS,
        modelVersion="gemini-3.6-flash",
        responseId="r1",
    )
    *said, usage = read(whole, stream=stream)
    assert said == [
        Reasoning("hm"),
        Delta("Hi"),
        Finish("stop"),
        About("r1", "gemini-3.6-flash"),
    ]
    assert isinstance(usage, Usage)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 9, 12)
    assert (usage.reasoning_tokens, usage.cached_tokens) == (5, 2)


def test_a_stream_ends_with_its_finish_reason() -> None:
    pieces = [response({"text": "a"}), response({"text": "b"}, reason="STOP")]
    assert [event for event in read(*pieces) if isinstance(event, Delta)] == [
        Delta("a"),
        Delta("b"),
    ]
    with pytest.raises(IncompleteError):
        list(read(pieces[0]))


def test_calls_pictures_and_code_are_found() -> None:
    events = list(
        read(
            response(
                {"functionCall": {"name": "f", "args": {"x": 1}, "id": "c1"}},
                {"inlineData": {"mimeType": "image/png", "data": "QQ=="}},
                {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
                {"fileData": {"fileUri": "https://a/b.mp4"}},
                reason="STOP",
            )
        )
    )
    assert ToolCall("c1", "f", '{"x":1}') in events
    assert InlineFile("image/png", "QQ==") in events
    text = "".join(event.text for event in events if isinstance(event, Delta))
    assert "```python\nprint(1)\n```" in text
    assert "```\n1\n```" in text
    assert "https://a/b.mp4" in text


@pytest.mark.parametrize(
    "refused",
    [
        response(reason="IMAGE_SAFETY"),
        {"promptFeedback": {"blockReason": "IMAGE_SAFETY"}, "candidates": []},
        {"promptFeedback": {"blockReason": "IMAGE_SAFETY"}, "candidates": None},
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_is_named(refused: dict[str, Any], stream: bool) -> None:
    events = list(read(refused, stream=stream))
    (empty,) = [event for event in events if isinstance(event, Empty)]
    assert str(empty.why) == "it was refused: IMAGE_SAFETY"
    assert Finish("content_filter") in events


def test_no_candidates_at_all_is_an_answer_without_proof() -> None:
    with pytest.raises(IncompleteError):
        list(read({"candidates": [], "usageMetadata": {"promptTokenCount": 3}}, stream=False))
    with pytest.raises(RejectedError):
        list(read({"choices": []}, stream=False))


def test_an_error_in_a_stream_keeps_its_class() -> None:
    error = {"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}
    with pytest.raises(RejectedError):
        list(read(error))


def test_the_pieces_of_a_stream_make_one_response() -> None:
    whole = assemble_response(
        [
            response({"text": "h", "thought": True}),
            response({"text": "m", "thought": True}),
            response({"text": "a"}),
            response({"text": "b"}, {"text": "", "thoughtSignature": "s"}, reason="STOP"),
            {"usageMetadata": COUNTS},
        ]
    )
    assert whole == {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [
                        {"text": "hm", "thought": True},
                        {"text": "ab"},
                        {"text": "", "thoughtSignature": "s"},
                    ],
                },
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": COUNTS,
    }


def begun_anew(*pieces: tuple[str, str, int]) -> tuple[str, int]:
    """Return the text of the last attempt, and how often the answer began anew.

    A piece is a text, its event's responseId ("" for none) and the answer's tokens so far.
    """
    events = [
        response({"text": text})
        | ({"responseId": id} if id else {})
        | ({"usageMetadata": {"candidatesTokenCount": count}} if count else {})
        for text, id, count in pieces
    ]
    events[-1]["candidates"][0]["finishReason"] = "STOP"
    texts: list[str] = []
    attempts = 0
    for event in read(*events):
        if isinstance(event, Restart):
            attempts += 1
            texts.clear()
        elif isinstance(event, Delta):
            texts.append(event.text)
    return "".join(texts), attempts


@pytest.mark.parametrize(
    ("pieces", "text", "attempts"),
    [
        # The id changes, after it had stayed the same.
        ([("Hel", "a", 0), ("lo wo", "a", 0), ("Good ", "b", 0), ("day", "b", 0)], "Good day", 1),
        # After one event, with the same beginning; or known by the next event.
        ([("Claude says", "a", 0), ("Claude says hi", "b", 0)], "Claude says hi", 1),
        ([("Hello", "a", 0), ("Good ", "b", 0), ("day", "b", 0), ("!", "b", 0)], "Good day!", 1),
        # Twice.
        (
            [("Hel", "a", 0), ("lo", "a", 0), ("Hel", "b", 0), ("Hel", "c", 0), ("lo!", "c", 0)],
            "Hello!",
            2,
        ),
        # Without ids: fewer tokens and the same beginning; or all that came, once more.
        ([("Hello", "", 2), (" world", "", 4), ("Hello world", "", 3)], "Hello world", 1),
        ([("Hello", "", 0), (" world, you", "", 0), ("Hello world, you all", "", 0)], None, 1),
        # An id for each event, a word that returns, a refrain, counts by the event: no proof.
        ([("Hi ", "a", 0), ("you ", "b", 0), ("two ", "c", 0), ("Hi ", "d", 0)], None, 0),
        ([("ha ha ha ", "a", 1), ("ha ha ha ", "a", 2), ("ha ha ha ha ", "a", 3)], None, 0),
        ([("one more line\n", "", 0)] * 2 + [("one more line\none more line\n", "", 0)], None, 0),
        ([("Hello", "", 5), (" you", "", 3), (" two", "", 4)], None, 0),
    ],
)
def test_an_answer_that_begins_anew_is_known_by_what_comes(
    pieces: list[tuple[str, str, int]], text: str | None, attempts: int
) -> None:
    said, found = begun_anew(*pieces)
    assert found == attempts
    joined = "".join(piece for piece, _, _ in pieces)
    assert said == (text or (pieces[-1][0] if attempts else joined))
