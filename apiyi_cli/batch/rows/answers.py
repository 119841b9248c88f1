"""Reads the reply to a row's request: the answer with its text and usage."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.events import Chunk, Delta, Empty, Finish, Refusal, Restart, ToolCall, Usage
from apiyi_cli.core.jsontext import InvalidJSON, one_line, read_strict, write


class RowAnswer(NamedTuple):
    """The answer to a row: the server's object, the text in it, its usage.

    For an answer in text `finish` is the reason why it ended; `calls` says that it calls
    functions, `refused` that the model refused, `is_empty` that there is nothing in it.
    """

    body: bytes
    text: str
    usage: Usage | None
    finish: str = ""
    calls: bool = False
    refused: bool = False
    is_empty: bool = False


Reader = Callable[[Call, Reply], Iterator[Any]]
"""Yields an empty list for each event batch, and the RowAnswer last, once its end is proved."""


def read_chat(call: Call, reply: Reply) -> Iterator[Any]:
    """Read an answer of chat."""
    from apiyi_cli.decode.chat import find_events

    return _read_text(find_events(call), call, reply, _count_choices(call))


def read_complete(call: Call, reply: Reply) -> Iterator[Any]:
    """Read the answers of a completion: each prompt has its own choices."""
    from apiyi_cli.decode.complete import events

    return _read_text(events, call, reply, _count_inputs(call, "prompt") * _count_choices(call))


def read_respond(call: Call, reply: Reply) -> Iterator[Any]:
    """Read an answer of the Responses API."""
    from apiyi_cli.decode.respond import events

    return _read_text(events, call, reply, 1)


def read_embed(call: Call, reply: Reply) -> Iterator[Any]:
    """Read vectors; the text of a single one is its numbers."""
    from apiyi_cli.decode.embed import vectors

    inputs = _count_inputs(call, "input")
    answer = vectors(reply, inputs, call.json.get("dimensions"), keep_body=True)
    text = bytes(answer.texts[0]).decode("ascii") if len(answer.texts) == 1 else ""
    yield RowAnswer(one_line(answer.raw), text, answer.usage)


def read_scores(call: Call, reply: Reply) -> Iterator[Any]:
    """Read the scores of documents; their text is the indices, best first."""
    from apiyi_cli.decode.rank import scores

    answer = scores(reply, len(call.json["documents"]), call.json.get("top_n"), keep_body=True)
    yield RowAnswer(one_line(answer.raw), "\n".join(map(str, answer.by_index)), answer.usage)


def read_speech(call: Call, reply: Reply) -> Iterator[Any]:
    """Read speech to its end; the answer holds it as base64 until it is saved."""
    from apiyi_cli.decode.speak import audio

    pieces: list[bytes] = []
    for piece in audio(reply, call.model):
        pieces.append(piece)
        yield []
    content = base64.b64encode(b"".join(pieces)).decode("ascii")
    yield RowAnswer(write({"b64_json": content}), "", None)


def read_pictures(call: Call, reply: Reply) -> Iterator[Any]:
    """Read an answer with pictures; they are checked where they are saved."""
    from apiyi_cli.decode.image import pictures

    answer = pictures(reply, call.model)
    yield RowAnswer(one_line(answer.raw), "", answer.usage)


def read_transcript(call: Call, reply: Reply) -> Iterator[Any]:
    """Read a transcript. One that is not a JSON object is put into one, as `text`."""
    from apiyi_cli.build.transcribe import asks_json
    from apiyi_cli.decode.transcribe import transcript

    answer = transcript(reply, call.model, asks_json=asks_json(call))
    if answer.value is not None:
        yield RowAnswer(one_line(answer.raw), answer.lines, answer.usage)
        return
    text = answer.raw.decode("utf-8", "replace")
    yield RowAnswer(write({"text": text}), text, None)


def _count_choices(call: Call) -> int:
    value = call.json.get("n")
    if call.protocol == "google":
        value = (call.json.get("generationConfig") or {}).get("candidateCount")
    return value if isinstance(value, int) and value > 0 else 1


def _count_inputs(call: Call, name: str) -> int:
    """Return how many inputs a field holds; a list of token numbers is one."""
    value = call.json.get(name)
    several = isinstance(value, list) and all(isinstance(item, (str, list)) for item in value)
    return len(value) if several else 1


def _read_text(events: Any, call: Call, reply: Reply, choices: int) -> Iterator[Any]:
    chunks: list[bytes] = []
    texts: list[str] = []
    usage: Usage | None = None
    whole = refused = is_empty = False
    finish = ""
    calls: list[str] = []
    for batch in events(reply, choices=choices, verbatim=True, cost=call.cost):
        for event in batch:
            if isinstance(event, Chunk):
                chunks.append(event.data if event.whole else event.source)
                whole = event.whole
            elif isinstance(event, Delta) and event.index == 0:
                texts.append(event.text)
            elif isinstance(event, Usage):
                usage = event
            elif isinstance(event, Finish):
                # Of several answers the one that was cut off must be reported.
                finish = event.reason if finish in ("", "stop", "tool_calls") else finish
            elif isinstance(event, Refusal):
                refused = True
            elif isinstance(event, ToolCall):
                calls.append(_format_call(event))
            elif isinstance(event, Empty):
                is_empty = True
            elif isinstance(event, Restart):
                chunks.clear()
                texts.clear()
                calls.clear()
                refused = False
        yield []
    body = chunks[0] if len(chunks) == 1 and whole else _assemble(chunks)
    text = "".join(texts)
    if calls:
        text = "\n".join([text, *calls] if text else calls)
    yield RowAnswer(body, text, usage, finish, bool(calls), refused, is_empty)


def _assemble(chunks: list[bytes]) -> bytes:
    from apiyi_cli.decode.answers.assemble import assemble_completion

    return write(assemble_completion(chunks))


def _format_call(call: ToolCall) -> str:
    """Return a function call as `chat` prints it."""
    try:
        arguments = read_strict(call.arguments)
    except InvalidJSON:
        arguments = call.arguments
    return write({"id": call.id, "name": call.name, "arguments": arguments}).decode()
