"""Replies of the Responses API, streamed and whole."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from apiyi_cli.core.call import Reply
from apiyi_cli.core.events import (
    About,
    Chunk,
    Delta,
    Empty,
    Event,
    Finish,
    Notice,
    Reasoning,
    Refusal,
    ToolCall,
    Usage,
)
from apiyi_cli.decode.respond import events
from apiyi_cli.errors import (
    ApiyiError,
    FundsError,
    IncompleteError,
    RejectedError,
    TemporaryError,
)

USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
COUNTED = Usage(3, 2, 5, raw=USAGE)


def make_event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields})
    return f"event: {kind}\ndata: {data}\n\n".encode()


def text(piece: str, item: str | None = "m1", output: int = 0, part: int = 0) -> bytes:
    told: dict[str, Any] = {"output_index": output, "content_index": part, "delta": piece}
    if item is not None:
        told["item_id"] = item
    return make_event("response.output_text.delta", **told)


def text_done(full: str, item: str | None = "m1", output: int = 0, part: int = 0) -> bytes:
    told = {"output_index": output, "content_index": part, "text": full}
    return make_event("response.output_text.done", **told, **({"item_id": item} if item else {}))


def message(full: str, id: str = "m1") -> dict[str, Any]:
    return {"type": "message", "id": id, "content": [{"type": "output_text", "text": full}]}


def response(status: str = "completed", *items: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"id": "r1", "model": "m", "status": status, "output": list(items), **rest}


def completed(*items: dict[str, Any], **rest: Any) -> bytes:
    return make_event("response.completed", response=response("completed", *items, **rest))


def read(chunks: Iterable[bytes], **how: Any) -> tuple[list[Event], ApiyiError | None]:
    found: list[Event] = []
    try:
        for batch in events(Reply(200, {"content-type": "text/event-stream"}, chunks), **how):
            found += batch
    except ApiyiError as error:
        return found, error
    return found, None


ABOUT = About("r1", "m")
END: list[Event] = [Finish("stop"), ABOUT]
CREATED = make_event(
    "response.created", response={"id": "r1", "model": "m", "status": "in_progress"}
)
CALL = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "f", "arguments": ""}

STREAMS: dict[str, tuple[list[bytes], list[Event]]] = {
    "text": (
        [CREATED, text("Hel"), text("lo"), text_done("Hello"), completed(message("Hello"))],
        [Delta("Hel"), Delta("lo"), *END],
    ),
    "without names": (
        [
            text("a").split(b"\n", 1)[1],
            completed(message("a")).split(b"\n", 1)[1],
        ],
        [Delta("a"), *END],
    ),
    "a wrong name": (
        [text("a").replace(b"event: response", b"event: x"), completed()],
        [Delta("a"), *END],
    ),
    "done behind the end": ([text("a"), completed(), b"data: [DONE]\n\n"], [Delta("a"), *END]),
    "unknown events": (
        [
            make_event("response.web_search_call.searching", item_id="w"),
            make_event("response.something.new", delta="no"),
            make_event("keepalive"),
            text("a"),
            make_event("response.output_text.annotation.added", annotation={}),
            completed(),
        ],
        [Delta("a"), *END],
    ),
    "lost pieces are repaired by the full text": (
        [text("Hel"), text_done("Hello"), completed(message("Hello"))],
        [Delta("Hel"), Delta("lo"), *END],
    ),
    "no pieces, only the full text": (
        [text_done("Hello"), completed(message("Hello"))],
        [Delta("Hello"), *END],
    ),
    "no pieces, only the item": (
        [
            make_event("response.output_item.done", output_index=0, item=message("Hello")),
            completed(message("Hello")),
        ],
        [Delta("Hello"), *END],
    ),
    "no pieces, only the end": ([completed(message("Hello"))], [Delta("Hello"), *END]),
    "pieces without an item's id": (
        [text("a", None), text_done("ab", None), completed(message("ab"))],
        [Delta("a"), Delta("b"), *END],
    ),
    "another id in every event": (
        [text("a", "x1"), text("b", "x2"), text_done("ab", "x3"), completed(message("ab", "x4"))],
        [Delta("a"), Delta("b"), *END],
    ),
    "two parts of one message": (
        [
            text("a", part=0),
            text("b", part=1),
            text_done("ac", part=0),
            text_done("b", part=1),
            completed(),
        ],
        [Delta("a"), Delta("b"), Delta("c"), *END],
    ),
    "two messages": (
        [
            text("a", "m1", 0),
            text("b", "m2", 1),
            completed(message("a", "m1"), message("b", "m2")),
        ],
        [Delta("a"), Delta("b"), *END],
    ),
    "a text that was corrected": (
        [text("Hallo"), text_done("Hello"), completed(message("Hello"))],
        [
            Delta("Hallo"),
            Notice("the gateway corrected its text afterwards: what was shown differs"),
            *END,
        ],
    ),
    "refusal": (
        [
            make_event("response.refusal.delta", item_id="m1", content_index=0, delta="I won't"),
            make_event("response.refusal.done", item_id="m1", content_index=0, refusal="I won't."),
            completed(),
        ],
        [Refusal("I won't"), Refusal("."), *END],
    ),
    "summaries of reasoning": (
        [
            make_event(
                "response.reasoning_summary_text.delta", item_id="s", summary_index=0, delta="a"
            ),
            make_event(
                "response.reasoning_summary_text.done", item_id="s", summary_index=0, text="a"
            ),
            make_event(
                "response.reasoning_summary_text.delta", item_id="s", summary_index=1, delta="b"
            ),
            text("x"),
            completed(
                {
                    "type": "reasoning",
                    "id": "s",
                    "summary": [
                        {"type": "summary_text", "text": "a"},
                        {"type": "summary_text", "text": "b"},
                    ],
                },
                message("x"),
            ),
        ],
        [Reasoning("a"), Reasoning("\n\nb"), Delta("x"), *END],
    ),
    "reasoning in the open beside its summary": (
        [
            make_event("response.reasoning_text.delta", item_id="s", content_index=0, delta="raw"),
            make_event(
                "response.reasoning_summary_text.delta", item_id="s", summary_index=0, delta="s"
            ),
            completed(),
        ],
        [Reasoning("raw"), Reasoning("\n\ns"), Empty("only reasoning came"), *END],
    ),
    "a function call in pieces": (
        [
            make_event("response.output_item.added", output_index=0, item=CALL),
            make_event("response.function_call_arguments.delta", item_id="f1", delta='{"x"'),
            make_event("response.function_call_arguments.delta", item_id="f1", delta=": 1}"),
            make_event("response.function_call_arguments.done", item_id="f1", arguments='{"x": 1}'),
            make_event("response.output_item.done", item={**CALL, "arguments": '{"x": 1}'}),
            completed({**CALL, "arguments": '{"x": 1}'}),
        ],
        [ToolCall("c1", "f", '{"x": 1}'), Finish("tool_calls"), ABOUT],
    ),
    "a function call at the end only": (
        [completed({**CALL, "arguments": '{"x": 1}'})],
        [ToolCall("c1", "f", '{"x": 1}'), Finish("tool_calls"), ABOUT],
    ),
    "a function call by its place only": (
        [
            make_event("response.output_item.added", output_index=1, item=CALL),
            make_event("response.function_call_arguments.delta", output_index=1, delta='{"x": 1}'),
            completed(),
        ],
        [ToolCall("c1", "f", '{"x": 1}'), Finish("tool_calls"), ABOUT],
    ),
    "two function calls": (
        [
            make_event("response.output_item.added", output_index=0, item=CALL),
            make_event(
                "response.output_item.added",
                output_index=1,
                item={**CALL, "id": "f2", "call_id": "c2", "name": "g"},
            ),
            make_event("response.function_call_arguments.delta", item_id="f2", delta='{"y": 2}'),
            make_event("response.function_call_arguments.delta", item_id="f1", delta='{"x": 1}'),
            completed(),
        ],
        [
            ToolCall("c1", "f", '{"x": 1}'),
            ToolCall("c2", "g", '{"y": 2}'),
            Finish("tool_calls"),
            ABOUT,
        ],
    ),
    "a call without arguments": (
        [make_event("response.output_item.added", output_index=0, item=CALL), completed(CALL)],
        [ToolCall("c1", "f", "{}"), Finish("tool_calls"), ABOUT],
    ),
    "a custom tool": (
        [
            make_event(
                "response.output_item.added",
                output_index=0,
                item={"type": "custom_tool_call", "id": "f1", "call_id": "c1", "name": "f"},
            ),
            make_event("response.custom_tool_call_input.delta", item_id="f1", delta="1+"),
            make_event("response.custom_tool_call_input.done", item_id="f1", input="1+1"),
            completed(),
        ],
        [ToolCall("c1", "f", "1+1"), Finish("tool_calls"), ABOUT],
    ),
    "usage": ([text("a"), completed(usage=USAGE)], [Delta("a"), *END, COUNTED]),
    "incomplete by length": (
        [
            text("a"),
            make_event(
                "response.incomplete",
                response=response("incomplete", incomplete_details={"reason": "max_output_tokens"}),
            ),
        ],
        [Delta("a"), Finish("length"), ABOUT],
    ),
    "incomplete by filter": (
        [
            make_event(
                "response.incomplete",
                response=response("incomplete", incomplete_details={"reason": "content_filter"}),
            )
        ],
        [Empty("a content filter withheld it"), Finish("content_filter"), ABOUT],
    ),
    "ids and indices of wrong types": (
        [
            make_event("response.output_text.delta", item_id={"a": 1}, output_index=[], delta="a"),
            make_event("response.output_text.delta", item_id={"a": 1}, content_index=[], delta=7),
            make_event(
                "response.output_item.done", output_index={}, item={"type": "message", "id": []}
            ),
            make_event("response.output_item.done", item=None),
            completed(),
        ],
        [Delta("a"), *END],
    ),
    "a character in two pieces": (
        [text("a\ud83d"), text("\ude00b"), text_done("a😀b"), completed()],
        [Delta("a"), Delta("😀b"), *END],
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_response_means_the_same_wherever_it_is_cut(name: str) -> None:
    parts, expected = STREAMS[name]
    raw = b"".join(parts)

    assert read(parts) == (expected, None)
    for cut in range(1, len(raw)):
        assert read([raw[:cut], raw[cut:]]) == (expected, None), raw[:cut]


@pytest.mark.parametrize("name", STREAMS)
def test_a_response_that_ends_early_exits_8(name: str) -> None:
    parts, expected = STREAMS[name]
    raw = b"".join(parts[:-1])
    full = "".join(event.text for event in expected if isinstance(event, Delta))

    for end in range(0, len(raw), 3):
        found, error = read([raw[:end]])
        said = "".join(event.text for event in found if isinstance(event, Delta))
        assert full.startswith(said.removesuffix("\ufffd"))
        assert isinstance(error, IncompleteError)


def test_reading_stops_at_the_end_of_the_response() -> None:
    def chunks() -> Iterable[bytes]:
        yield text("a")
        yield completed()
        raise AssertionError("read on after the end")

    assert read(chunks()) == ([Delta("a"), *END], None)


FAILED = {"code": "server_error", "message": "it broke"}


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (make_event("response.failed", response=response("failed", error=FAILED)), TemporaryError),
        (make_event("response.failed", response=response("failed", error=None)), TemporaryError),
        (make_event("error", code="insufficient_quota", message="m", param=None), FundsError),
        (make_event("error", error={"code": "invalid_prompt", "message": "m"}), RejectedError),
        (b'data: {"error":{"message":"m","type":"rate_limit_error"}}\n\n', TemporaryError),
        (b'event: error\ndata: {"message":"m","code":"insufficient_quota"}\n\n', FundsError),
        (make_event("response.completed", response=response("cancelled")), TemporaryError),
    ],
)
def test_a_failed_response_raises_its_class_or_8_after_content(
    raw: bytes, kind: type[ApiyiError]
) -> None:
    found, error = read([CREATED, raw])
    assert type(error) is kind
    assert not any(isinstance(event, Delta) for event in found)

    found, error = read([CREATED, text("a"), raw])
    assert found[0] == Delta("a")
    assert type(error) is IncompleteError


def test_verbatim_gives_each_event_before_its_meaning() -> None:
    found, _ = read([CREATED, text("a"), completed()], verbatim=True)

    assert [type(event) for event in found] == [Chunk, Chunk, Delta, Chunk, Finish, About]


WHOLE = response(
    "completed",
    {"type": "reasoning", "id": "s", "summary": [{"type": "summary_text", "text": "hm"}]},
    message("Hello"),
    {**CALL, "arguments": '{"x": 1}'},
    object="response",
    usage=USAGE,
    error=None,
)


def test_a_response_in_one_piece_gives_the_same_events() -> None:
    assert read([json.dumps(WHOLE).encode()]) == (
        [
            Reasoning("hm"),
            Delta("Hello"),
            ToolCall("c1", "f", '{"x": 1}'),
            Finish("tool_calls"),
            ABOUT,
            COUNTED,
        ],
        None,
    )


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"status": "in_progress"}, IncompleteError),
        ({"status": "queued", "output": []}, IncompleteError),
        ({"status": None}, IncompleteError),
        ({"status": "failed", "error": FAILED}, TemporaryError),
        ({"status": "failed", "output": []}, TemporaryError),
    ],
)
def test_a_response_in_one_piece_must_be_completed(
    changes: dict[str, Any], kind: type[ApiyiError]
) -> None:
    _, error = read([json.dumps({**WHOLE, **changes}).encode()])

    assert type(error) is kind


def test_an_object_of_another_endpoint_is_no_response() -> None:
    _, error = read([b'{"choices":[]}'])

    assert type(error) is RejectedError
