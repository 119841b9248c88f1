"""`apiyi respond`: the Responses endpoint with its typed events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

USAGE = {"input_tokens": 4, "output_tokens": 2, "total_tokens": 6}
TOOL = '{"name":"now","parameters":{"type":"object","properties":{}}}'
NAMED = """
response.created response.in_progress response.queued response.completed response.failed
response.incomplete response.output_item.added response.output_item.done
response.content_part.added response.content_part.done response.output_text.delta
response.output_text.done response.output_text.annotation.added response.refusal.delta
response.refusal.done response.function_call_arguments.delta
response.function_call_arguments.done response.custom_tool_call_input.delta
response.custom_tool_call_input.done response.file_search_call.in_progress
response.file_search_call.searching response.file_search_call.completed
response.web_search_call.in_progress response.web_search_call.searching
response.web_search_call.completed response.reasoning_summary_part.added
response.reasoning_summary_part.done response.reasoning_summary_text.delta
response.reasoning_summary_text.done response.reasoning_text.delta
response.reasoning_text.done response.image_generation_call.completed
response.image_generation_call.generating response.image_generation_call.in_progress
response.image_generation_call.partial_image response.mcp_call_arguments.delta
response.mcp_call_arguments.done response.mcp_call.completed response.mcp_call.failed
response.mcp_call.in_progress response.mcp_list_tools.completed
response.mcp_list_tools.failed response.mcp_list_tools.in_progress
response.code_interpreter_call.in_progress response.code_interpreter_call.interpreting
response.code_interpreter_call.completed response.code_interpreter_call_code.delta
response.code_interpreter_call_code.done response.audio.delta response.audio.done
response.audio.transcript.delta response.audio.transcript.done error
response.apply_patch_call_operation_diff.delta response.apply_patch_call_operation_diff.done
response.shell_call_output_content.delta response.compaction.done keepalive
"""
NAMES = NAMED.split()
ENDS = {"response.completed", "response.failed", "response.incomplete", "error"}


def delta(text: str) -> dict[str, Any]:
    return {
        "type": "response.output_text.delta",
        "item_id": "m",
        "output_index": 0,
        "content_index": 0,
        "delta": text,
    }


def ended(status: str = "completed", *items: dict[str, Any], **rest: Any) -> dict[str, Any]:
    response = {"id": "r", "status": status, "output": list(items), "usage": USAGE, **rest}
    return {"type": f"response.{status}", "response": response}


def message(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    return {"id": "m", "type": "message", "role": "assistant", "content": content}


def test_text_comes_out_and_the_rest_stays_inside(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(
        ScriptedReply.sse(
            delta("Hel"), delta("lo"), ended("completed", message("Hello")), named=True
        )
    )
    ran = apiyi("respond hi -u")
    assert (ran.code, ran.text) == (0, "Hello\n")
    assert ran.err == "usage: 4 prompt + 2 completion = 6 tokens\n"
    assert gateway.ledger[0].json == {"model": "gpt-4o", "input": "hi", "stream": True}


def test_events_are_known_by_their_type_with_or_without_a_name(
    apiyi: Program, gateway: Gateway
) -> None:
    for named in (True, False):
        gateway.script(ScriptedReply.sse(delta("x"), ended(), named=named))
        assert apiyi("respond hi").text == "x\n"


def test_every_event_of_the_endpoint_is_known_or_passed_over(
    apiyi: Program, gateway: Gateway
) -> None:
    assert len(NAMES) == len(set(NAMES)) >= 58
    others = [
        {"type": name, "item_id": "o", "output_index": 7, "sequence_number": k}
        for k, name in enumerate(NAMES)
        if name not in ENDS
    ]
    gateway.script(ScriptedReply.sse(*others, delta("x"), {"type": "response.new.thing"}, ended()))
    ran = apiyi("respond hi")
    assert (ran.code, ran.text, ran.err) == (0, "x\n", "")


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        (
            ended("incomplete", incomplete_details={"reason": "max_output_tokens"}),
            0,
            "cut off by the token limit",
        ),
        (
            ended("incomplete", incomplete_details={"reason": "content_filter"}),
            0,
            "cut off by a content filter",
        ),
        (ended("failed", error={"code": "server_error", "message": "broke"}), 8, "broke"),
        (ended("cancelled"), 8, "cancelled"),
        ({"type": "error", "message": "too much", "code": "rate_limit_exceeded"}, 8, "too much"),
        ({"type": "response.in_progress"}, 8, "without a sign that it is complete"),
    ],
    ids=["length", "filter", "failed", "cancelled", "error", "unproved"],
)
def test_every_end_keeps_the_text_and_has_its_own_code(
    apiyi: Program, gateway: Gateway, end: dict[str, Any], code: int, said: str
) -> None:
    gateway.script(ScriptedReply.sse(delta("part"), end))
    ran = apiyi("respond hi --retries 0")
    assert (ran.code, ran.text.rstrip("\n")) == (code, "part")
    assert said in ran.err


def test_a_cut_by_length_can_be_made_an_error(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.sse(delta("part"), ended("incomplete")))
    assert apiyi("respond hi --strict-finish").code == 8


def test_a_failure_before_any_text_is_the_errors_own(apiyi: Program, gateway: Gateway) -> None:
    error = {"code": "insufficient_quota", "message": "no money"}
    gateway.script(ScriptedReply.sse(ended("failed", error=error)))
    ran = apiyi("respond hi --retries 0")
    assert (ran.code, ran.out) == (7, b"")


def test_ndjson_is_each_event_verbatim_and_json_the_whole_response(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply.sse(delta("x"), ended("completed", message("x"))))
    lines = apiyi("respond hi --ndjson").text.splitlines()
    assert [json.loads(line)["type"] for line in lines] == [
        "response.output_text.delta",
        "response.completed",
    ]
    whole = '{"id":"r","object":"response","status":"completed","output":[],"n":0.10}'
    gateway.script(ScriptedReply(body=whole.encode()))
    assert apiyi("respond hi --json").text == whole + "\n"
    gateway.script(ScriptedReply.sse(delta("x"), ended("completed", message("x"))))
    assert apiyi("respond hi --json --stream").json["output"] == [message("x")]


def test_a_call_is_printed_as_chat_prints_it(apiyi: Program, gateway: Gateway) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "now", "arguments": '{"a":1.0}'}
    gateway.script(ScriptedReply.sse(ended("completed", call)))
    ran = apiyi(["respond", "hi", "--tool", TOOL])
    assert ran.text == '{"id":"c","name":"now","arguments":{"a":1.0}}\n'
    (tool,) = gateway.ledger[0].json["tools"]
    assert (tool["type"], tool["name"], "function" in tool) == ("function", "now", False)


def test_a_schema_is_sent_and_the_answer_checked(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi(["respond", "hi", "--schema", "name, age int"]).code == 0
    assert gateway.ledger[0].json["text"]["format"]["type"] == "json_schema"
    gateway.script(ScriptedReply.sse(delta('{"name":3}'), ended()))
    ran = apiyi(["respond", "hi", "--schema", "name"])
    assert (ran.code, ran.text) == (8, '{"name":3}\n')


def test_attachments_go_as_items(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(16))
    assert apiyi("respond look -a p.png").code == 0
    (item,) = gateway.ledger[0].json["input"]
    assert [part["type"] for part in item["content"]] == ["input_text", "input_image"]


def test_the_systems_text_comes_from_either_option_but_not_from_both(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "role.txt").write_text("from a file")
    assert apiyi("respond hi -s brief").code == 0
    assert apiyi("respond hi --instructions @role.txt").code == 0
    assert [one.json["instructions"] for one in gateway.ledger] == ["brief", "from a file"]
    assert apiyi("respond hi -s brief --instructions kind").code == 2
    assert len(gateway.ledger) == 2


def test_web_search_and_reasoning_are_options(apiyi: Program, gateway: Gateway) -> None:
    line = "respond hi --web-search --reasoning-summary auto --reasoning-effort low"
    assert apiyi(f"{line} --max-output-tokens 16").code == 0
    sent = gateway.ledger[0].json
    assert sent["tools"] == [{"type": "web_search"}]
    assert sent["reasoning"] == {"effort": "low", "summary": "auto"}
    assert sent["max_output_tokens"] == 16


def test_the_thought_that_led_to_a_call_goes_back_with_its_result(
    apiyi: Program, gateway: Gateway
) -> None:
    thought = {"type": "reasoning", "id": "rs", "summary": []}
    call = {
        "type": "function_call",
        "id": "fc",
        "call_id": "c",
        "name": "now",
        "arguments": "{}",
    }
    gateway.script(
        ScriptedReply.sse(ended("completed", thought, call)),
        ScriptedReply.sse(delta("noon"), ended()),
    )
    ran = apiyi(["respond", "hi", "--tool", TOOL, "--run", "now=printf 12:00", "--yes", "-u"])
    assert (ran.code, ran.text) == (0, "noon\n")
    assert gateway.ledger[1].json["input"] == [
        {"role": "user", "content": "hi"},
        thought,
        call,
        {"type": "function_call_output", "call_id": "c", "output": "12:00"},
    ]
    assert "usage: 8 prompt + 4 completion = 12 tokens" in ran.err


def test_history_is_kept_here_and_sent_as_items(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.sse(delta("hello"), ended()))
    assert apiyi("respond hi --session a").code == 0
    assert apiyi("respond again -c").code == 0
    sent = gateway.ledger[1].json
    assert "previous_response_id" not in sent
    assert sent["input"] == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "again"},
    ]
