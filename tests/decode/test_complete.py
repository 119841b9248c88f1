"""Replies of the legacy completions endpoint."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiyi_cli.core.call import Reply
from apiyi_cli.core.events import About, Chunk, Delta, Event, Finish, Usage
from apiyi_cli.decode.complete import events
from apiyi_cli.errors import IncompleteError


def piece(index: int, text: str, finish: str | None = None, **rest: Any) -> bytes:
    choice = {"index": index, "text": text, "logprobs": None, "finish_reason": finish}
    data = json.dumps({"id": "i", "object": "text_completion", "choices": [choice], **rest})
    return f"data: {data}\n\n".encode()


def flat(chunks: list[bytes], **how: Any) -> list[Event]:
    return [event for batch in events(Reply(200, {}, chunks), **how) for event in batch]


def test_a_streamed_completion_gives_its_text_wherever_it_is_cut() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    last = json.dumps({"choices": [], "usage": usage}).encode()
    raw = piece(0, "Hel") + piece(0, "lo") + piece(0, "", "stop")
    raw += b"data: " + last + b"\n\ndata: [DONE]\n\n"
    expected = [
        Delta("Hel"),
        Delta("lo"),
        Finish("stop"),
        About("i", None),
        Usage(1, 2, 3, raw=usage),
    ]

    for cut in range(len(raw)):
        assert flat([raw[:cut], raw[cut:]]) == expected


def test_the_choices_of_several_prompts_come_interleaved_and_must_all_finish() -> None:
    chunks = [piece(2, "x"), piece(0, "a"), piece(1, "m", "stop"), piece(2, "y", "length")]

    assert flat([*chunks, piece(0, "", "stop")], choices=3)[:7] == [
        Delta("x", 2),
        Delta("a", 0),
        Delta("m", 1),
        Delta("y", 2),
        Finish("stop", 0),
        Finish("stop", 1),
        Finish("length", 2),
    ]
    with pytest.raises(IncompleteError, match="2 of 3 choices"):
        flat(chunks, choices=3)


def test_a_completion_in_one_piece_gives_the_same_events() -> None:
    value = {
        "id": "i",
        "model": "m",
        "choices": [{"index": 0, "text": "Hello", "finish_reason": "length"}],
    }
    raw = json.dumps(value).encode()

    assert flat([raw], verbatim=True) == [
        Chunk(raw, whole=True),
        Delta("Hello"),
        Finish("length"),
        About("i", "m"),
    ]


def test_a_completion_that_is_cut_exits_8() -> None:
    with pytest.raises(IncompleteError) as caught:
        flat([piece(0, "a"), b"data: [DONE]\n\n"])
    assert caught.value.exit_code == 8
