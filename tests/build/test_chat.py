"""The chat request: messages in the order the API reads them, and nothing unasked."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from apiyi_cli.build.body import TextRequest
from apiyi_cli.build.chat import answer_messages, build_messages, chat_call, parse_messages
from apiyi_cli.build.content import Attachment
from apiyi_cli.core.events import ToolCall
from apiyi_cli.core.options.chat import ChatSampling
from apiyi_cli.errors import UsageError

PNG = b"\x89PNG\r\n\x1a\n1234"


def roles(messages: list[dict[str, Any]]) -> list[str]:
    return [message["role"] for message in messages]


def test_the_system_text_leads_and_the_prompt_ends() -> None:
    earlier = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}]
    messages, sources = build_messages("3", system="S", earlier=earlier)
    assert roles(messages) == ["system", "user", "assistant", "user"]
    assert (messages[0]["content"], messages[-1]["content"], sources) == ("S", "3", ())
    assert len(earlier) == 2


def test_a_second_system_text_follows_the_conversation_that_has_one() -> None:
    earlier = [{"role": "system", "content": "old"}, {"role": "user", "content": "1"}]
    messages, _ = build_messages("2", system="new", earlier=earlier)
    assert [message["content"] for message in messages] == ["old", "1", "new", "2"]


def test_an_attachment_makes_parts_and_says_which_file_it_came_from() -> None:
    messages, sources = build_messages("what", system="S", attachments=[Attachment("a.png", PNG)])
    text, picture = messages[-1]["content"]
    assert text == {"type": "text", "text": "what"}
    (source,) = sources
    assert (source.place, source.path) == ("messages.1.content.1.image_url.url", "a.png")
    assert picture["image_url"]["url"] == source.prefix + b64encode(PNG).decode()


def test_nothing_to_say_adds_no_message() -> None:
    earlier = [{"role": "user", "content": "1"}]
    assert build_messages(None, earlier=earlier)[0] == earlier


def test_a_call_holds_only_what_was_given() -> None:
    call = chat_call("m", [], ChatSampling(), TextRequest(stream=False))
    assert call.json == {"model": "m", "messages": []}
    assert (call.method, call.path, call.stream, call.cost) == (
        "POST", "/chat/completions", False, "text"
    )  # fmt: skip


def test_a_stream_asks_for_its_usage_and_the_body_has_the_last_word() -> None:
    call = chat_call("m", [], ChatSampling())
    assert call.json["stream_options"] == {"include_usage": True}
    assert call.stream
    options = ["stream=false", "model=other"]
    call = chat_call("m", [], ChatSampling(), TextRequest(options=options))
    assert (call.stream, call.model) == (False, "other")


def test_a_schema_excludes_the_json_mode() -> None:
    schema = {"name": "answer", "schema": {}}
    call = chat_call("m", [], ChatSampling(), TextRequest(schema=schema, json_mode=True))
    assert call.json["response_format"] == {"type": "json_schema", "json_schema": schema}


def test_an_answer_with_calls_becomes_messages_with_their_results() -> None:
    calls = [ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}")]
    said, first, second = answer_messages("", calls, ["one", "two"])
    assert said["content"] is None
    assert [call["function"]["name"] for call in said["tool_calls"]] == ["f", "g"]
    assert first == {"role": "tool", "tool_call_id": "a", "content": "one"}
    assert second["content"] == "two"
    assert answer_messages("text", []) == [{"role": "assistant", "content": "text"}]
    assert answer_messages("", []) == [{"role": "assistant", "content": ""}]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "[]", "{}", "[", "[1]", "null", '{"role":"boss"}', '{"role":7}', '"x"']
)
def test_what_is_not_a_conversation_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match="talk"):
        parse_messages(text, "talk")


def test_line_separators_inside_a_message_do_not_end_it() -> None:
    text = '{"role":"user","content":"a\u2028b\u0085c"}\n{"role":"user","content":"d"}'
    assert [message["content"] for message in parse_messages(text, "x")] == ["a\u2028b\x85c", "d"]
