"""Requests to the Responses endpoint: chat's conversation in items, chat's tools flat."""

from __future__ import annotations

from typing import Any

import pytest

from apiyi_cli.build.body import TextRequest
from apiyi_cli.build.content import Attachment
from apiyi_cli.build.respond import answer_items, build_items, respond_call
from apiyi_cli.core.events import ToolCall
from apiyi_cli.core.options.chat import Tools
from apiyi_cli.core.options.respond import RespondOptions
from apiyi_cli.errors import UsageError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
HISTORY: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What time is it?"}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "noon"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "Noon."}]},
]


def body(
    respond_options: RespondOptions | None = None, *, instructions: str | None = None, **fields: Any
) -> dict[str, Any]:
    text = TextRequest(stream=False, **fields)
    call = respond_call(
        "m", "hi", respond_options or RespondOptions(), text, instructions=instructions
    )
    json: dict[str, Any] = call.json
    return json


def test_a_prompt_alone_is_sent_as_bare_text_and_nothing_else() -> None:
    assert build_items("hi") == ("hi", ())
    assert body() == {"model": "m", "input": "hi"}


def test_a_chat_history_becomes_items() -> None:
    found, _ = build_items("And now?", earlier=HISTORY)
    assert found == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "What time is it?"}]},
        {"type": "function_call", "call_id": "c1", "name": "now", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "noon"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Noon."}]},
        {"role": "user", "content": "And now?"},
    ]


def test_attachments_come_behind_the_text_and_their_sources_are_known() -> None:
    found, sources = build_items(
        "Look", attachments=[Attachment("a/p.png", PNG), Attachment("https://x/y.png")]
    )
    assert isinstance(found, list)
    content = found[0]["content"]
    assert content[0] == {"type": "input_text", "text": "Look"}
    assert content[1]["image_url"].startswith("data:image/png;base64,iVBORw0KGgo")
    assert content[2] == {"type": "input_image", "image_url": "https://x/y.png"}
    assert [(one.place, one.path) for one in sources] == [
        ("input.0.content.1.image_url", "a/p.png")
    ]


def test_a_document_is_a_file_with_its_name() -> None:
    found, _ = build_items(None, attachments=[Attachment("dir/paper.pdf", b"%PDF-1.7\n")])
    assert isinstance(found, list)
    assert found[0]["content"][0]["filename"] == "paper.pdf"
    assert found[0]["content"][0]["file_data"].startswith("data:application/pdf;base64,")


def test_sound_is_refused_with_the_way_out() -> None:
    sound = Attachment("a.wav", b"RIFF\x24\0\0\0WAVEfmt ")
    with pytest.raises(UsageError) as caught:
        build_items("hi", attachments=[sound])
    assert caught.value.hint == "apiyi chat takes audio"


def test_tools_are_flat_and_a_choice_names_one() -> None:
    choice = {"type": "function", "function": {"name": "now"}}
    found = body(
        respond_options=RespondOptions(web_search=True),
        functions=[TOOL],
        tool_choice=choice,
        tools=Tools(parallel_tools=False),
    )
    assert found["tools"] == [
        {"type": "function", "name": "now", "parameters": {"type": "object"}, "strict": None},
        {"type": "web_search"},
    ]
    assert found["tool_choice"] == {"type": "function", "name": "now"}
    assert found["parallel_tool_calls"] is False


def test_options_nest_where_the_endpoint_has_them() -> None:
    found = body(
        respond_options=RespondOptions(
            reasoning_effort="low",
            reasoning_summary="auto",
            verbosity="high",
            max_output_tokens=20,
        ),
        instructions="Be kind.",
        schema={"name": "answer", "schema": {"type": "object"}, "strict": True},
    )
    assert found["reasoning"] == {"effort": "low", "summary": "auto"}
    assert found["text"]["verbosity"] == "high"
    assert found["text"]["format"]["type"] == "json_schema"
    assert found["text"]["format"]["schema"] == {"type": "object"}
    assert (found["max_output_tokens"], found["instructions"]) == (20, "Be kind.")


def test_json_mode_asks_for_an_object() -> None:
    assert body(json_mode=True)["text"] == {"format": {"type": "json_object"}}


def test_the_answers_own_items_go_back_before_the_results() -> None:
    output = [
        {"type": "reasoning", "id": "rs"},
        {"type": "web_search_call", "id": "ws"},
        {"type": "function_call", "call_id": "c1", "name": "now", "arguments": "{}"},
    ]
    call = ToolCall("c1", "now", "{}")
    assert answer_items(output, [call], ["noon"]) == [
        output[0],
        output[2],
        {"type": "function_call_output", "call_id": "c1", "output": "noon"},
    ]


def test_calls_without_their_items_are_written_anew() -> None:
    call = ToolCall("c1", "now", '{"a":1}')
    assert answer_items([], [call], ["noon"]) == [
        {"type": "function_call", "call_id": "c1", "name": "now", "arguments": '{"a":1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "noon"},
    ]


def test_parts_of_a_chat_message_get_the_endpoints_names() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:x"}},
        {"type": "input_text", "text": "already"},
    ]
    found, _ = build_items(None, earlier=[{"role": "user", "content": parts}])
    assert isinstance(found, list)
    assert found[0]["content"] == [
        {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:x"},
        {"type": "input_text", "text": "already"},
    ]


def test_a_stream_is_asked_for_in_the_body_and_told_of_the_call() -> None:
    call = respond_call("m", "hi", RespondOptions())
    assert (call.stream, call.json["stream"], call.path) == (True, True, "/responses")
