"""The field cases of odd replies and inputs, a number a test: what a typed line makes of them.

| case | test |
|---|---|
| 01 | test_01_a_reference_that_leads_nowhere_is_refused_before_sending |
| 02 | test_02_a_slow_pattern_ends_with_max_time |
| 03 | test_03_a_pattern_of_another_dialect_is_sent_and_not_checked |
| 04 | test_04_a_draft_4_schema_is_heeded |
| 05 | test_05_what_is_printed_is_what_is_judged |
| 06 | test_06_a_response_without_output_is_put_together |
| 07 | test_07_an_answer_without_content_is_never_silent |
| 08 | test_08_events_of_another_endpoint_are_asked_for_once |
| 09 | test_09_an_error_without_an_error_member_is_told |
| 10 | test_10_plain_words_typed_as_json_are_told |
| 11 | test_11_a_function_name_in_pieces_is_whole |
| 12 | test_12_tools_of_mcp_servers_keep_their_parameters |
| 13 | test_13_other_encodings_are_refused_as_a_whole |
| 14 | test_14_an_array_is_not_lines |
| 15 | test_15_vectors_with_equal_numbers_are_taken_in_order |
| 16 | test_16_a_page_is_read_in_its_charset |
| 17 | test_17_a_pdf_may_begin_late |
| 18 | test_18_large_numbers_are_sent_as_written |
| 19 | test_19_half_a_surrogate_pair_is_kept_or_told |
| 20 | test_20_the_shorthand_takes_chinese_names |
| 21 | test_21_an_unknown_coding_is_none |
| 22 | test_22_a_firewall_is_named |
| 23 | test_23_a_batch_checks_its_schema |
| 24 | test_24_messages_in_place_of_deltas_are_whole |
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.cases.raw import DONE, Case, chunk, completion, http, json_reply, sse

OBJECT = {"type": "object", "properties": {}}


def schema_of(**properties: Any) -> str:
    return json.dumps({"type": "object", "properties": properties})


def saying(text: str) -> bytes:
    role = chunk({"role": "assistant", "content": ""})
    return sse(role, chunk(text), chunk({}, "stop"), DONE)


@pytest.mark.parametrize("command", ["chat -m m", "respond -m m", "chat -m m -m n"])
@pytest.mark.parametrize("ref", ["#/$defs/Missing", "#/properties/a", "other.json", "http://h/s"])
def test_01_a_reference_that_leads_nowhere_is_refused_before_sending(
    case: Case, command: str, ref: str
) -> None:
    case.reply(saying('{"a":1}'))
    case.write("s.json", schema_of(a={"$ref": ref}))
    ran = case(f"{command} --schema @s.json hi")
    assert ran.code == 2 and "$ref" in ran.err
    assert case.requests == []


def test_02_a_slow_pattern_ends_with_max_time(case: Case) -> None:
    case.reply(saying(json.dumps({"a": "a" * 40 + "!"})))
    case.write("s.json", schema_of(a={"type": "string", "pattern": "^(a+)+$"}))
    began_s = time.monotonic()
    ran = case("chat -m m --max-time 2 --schema @s.json hi")
    assert time.monotonic() - began_s < 6
    assert ran.code in (8, 9) and "aaaa" in ran.text


def test_03_a_pattern_of_another_dialect_is_sent_and_not_checked(case: Case) -> None:
    case.reply(saying('{"name":"李雷"}'))
    case.write("s.json", schema_of(name={"type": "string", "pattern": r"^\p{L}+$"}))
    ran = case("chat -m m --schema @s.json hi")
    assert ran.code == 0 and "李雷" in ran.text
    assert r"\p{L}" in ran.err


@pytest.mark.parametrize(("number", "code"), [(1, 0), (0, 8)])
def test_04_a_draft_4_schema_is_heeded(case: Case, number: int, code: int) -> None:
    case.reply(saying(json.dumps({"n": number})))
    draft = "http://json-schema.org/draft-04/schema#"
    number_of = {"type": "number", "minimum": 0, "exclusiveMinimum": True}
    schema = {"$schema": draft, "type": "object", "properties": {"n": number_of}}
    case.write("s.json", json.dumps(schema))
    assert case("chat -m m --schema @s.json hi").code == code


def test_05_what_is_printed_is_what_is_judged(case: Case) -> None:
    case.reply(saying('Here you are:\n```json\n{"a":1}\n```\n'))
    ran = case("chat -m m -x --schema 'a int' hi")
    assert (ran.code, ran.text.strip()) == (0, '{"a":1}')
    assert case("chat -m m --schema 'a int' hi").code == 8


@pytest.mark.parametrize("output", [[], None])
def test_06_a_response_without_output_is_put_together(case: Case, output: Any) -> None:
    begun = {"id": "r1", "object": "response", "status": "in_progress", "model": "m", "output": []}
    done = {**begun, "status": "completed", "output": output}
    case.reply(
        sse(
            {"type": "response.created", "response": begun},
            {"type": "response.output_text.delta", "output_index": 0, "delta": "hel"},
            {"type": "response.output_text.delta", "output_index": 0, "delta": "lo"},
            {"type": "response.completed", "response": done},
            named=True,
        )
    )
    ran = case("respond -m m --json --stream hi")
    assert ran.code == 0
    assert ran.json["output"][0]["content"][0]["text"] == "hello"


@pytest.mark.parametrize("command", ["chat -m m --no-stream hi", "chat -m m hi"])
def test_07_an_answer_without_content_is_never_silent(case: Case, command: str) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 1120, "total_tokens": 1129}
    if "--no-stream" in command:
        case.reply(json_reply(completion({"role": "assistant"}, usage=usage)))
    else:
        case.reply(saying(""))
    ran = case(command)
    assert (ran.code, ran.text, len(case.posts)) == (8, "", 1)
    assert ran.err.strip()


def test_08_events_of_another_endpoint_are_asked_for_once(case: Case) -> None:
    part = {"type": "output_text", "text": "hello"}
    done = {"id": "r1", "object": "response", "status": "completed", "model": "m"}
    done["output"] = [{"type": "message", "content": [part]}]  # type: ignore[assignment]
    case.reply(
        sse(
            {"type": "response.output_text.delta", "delta": "hello"},
            {"type": "response.completed", "response": done},
            named=True,
        )
    )
    ran = case("chat -m m hi")
    assert len(case.posts) == 1
    assert ran.text == "hello\n" or "response." in ran.err


@pytest.mark.parametrize(
    "command", ["chat -m m --no-stream hi", "embed -m m hi", "respond -m m hi"]
)
def test_09_an_error_without_an_error_member_is_told(case: Case, command: str) -> None:
    told = {"object": "error", "message": "has 5012 tokens", "type": "BadRequestError", "code": 400}
    case.reply(json_reply(told))
    ran = case(command)
    assert ran.code == 6 and "has 5012 tokens" in ran.err
    assert len(case.posts) == 1


def test_10_plain_words_typed_as_json_are_told(case: Case) -> None:
    case.reply(http("upstream request failed"))
    ran = case("chat -m m --retries 0 hi")
    assert ran.code != 0 and "upstream request failed" in ran.err
    assert "not complete JSON" not in ran.err


@pytest.mark.parametrize("rest", ["rch", "search"])
def test_11_a_function_name_in_pieces_is_whole(case: Case, rest: str) -> None:
    first = "search" if rest == "search" else "sea"
    call = {"index": 0, "id": "call_1", "type": "function"}
    case.reply(
        sse(
            chunk({"tool_calls": [{**call, "function": {"name": first, "arguments": ""}}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"name": rest, "arguments": "{}"}}]}),
            chunk({}, "tool_calls"),
            DONE,
        )
    )
    ran = case("chat -m m hi")
    assert (ran.code, ran.json["name"]) == (0, "search")


@pytest.mark.parametrize("wrap", [lambda t: [t], lambda t: {"tools": [t]}, lambda t: t])
@pytest.mark.parametrize("field", ["inputSchema", "input_schema"])
def test_12_tools_of_mcp_servers_keep_their_parameters(case: Case, field: str, wrap: Any) -> None:
    parameters = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    case.write("t.json", json.dumps(wrap({"name": "f", "description": "d", field: parameters})))
    ran = case("chat -m m --tool @t.json --dry-run hi")
    (tool,) = ran.json["body"]["tools"]
    assert tool["function"]["parameters"] == parameters
    assert field not in tool["function"]


def test_12_the_answer_of_tools_list_is_taken(case: Case) -> None:
    answer = {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {"tools": [{"name": "now", "inputSchema": OBJECT}]},
    }
    case.write("t.json", json.dumps(answer))
    ran = case("chat -m m --tool @t.json --dry-run hi")
    assert ran.code in (0, 2)
    if ran.code == 0:
        assert ran.json["body"]["tools"][0]["function"]["parameters"] == OBJECT


@pytest.mark.parametrize(
    ("name", "content", "line", "hint"),
    [
        ("a.txt", "问题 一\n".encode("gb18030"), "batch -m m --lines a.txt -o o", "GB18030"),
        ("a.txt", "问题 一\n".encode("gb18030"), "chat -m m -f a.txt q", "GB18030"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\xff\xfe", "chat -m m -f a.png q", "-a"),
    ],
)
def test_13_other_encodings_are_refused_as_a_whole(
    case: Case, name: str, content: bytes, line: str, hint: str
) -> None:
    case.write(name, content)
    ran = case(line)
    assert ran.code == 2 and hint in ran.err
    assert case.requests == [] and not (case.work / "o").exists()


@pytest.mark.parametrize("line", ["chat -m m -f a.txt q", "batch -m m --lines a.txt -o o"])
def test_13_a_utf_16_mark_is_obeyed(case: Case, line: str) -> None:
    case.reply(json_reply(completion("ok")))
    case.write("a.txt", "问题\n".encode("utf-16"))
    assert case(line).code == 0
    assert "问题" in case.posts[0].json["messages"][0]["content"]


def test_14_an_array_is_not_lines(case: Case) -> None:
    case.write("a.json", '[{"id": "1", "prompt": "a"}, {"id": "2", "prompt": "b"}]')
    ran = case("batch -m m a.json -o o")
    assert ran.code == 2 and "jq -c '.[]'" in ran.err
    assert case.requests == []


def test_15_vectors_with_equal_numbers_are_taken_in_order(case: Case) -> None:
    vectors = ([0.1, 0.2], [0.3, 0.4])
    data = [{"object": "embedding", "index": 0, "embedding": vector} for vector in vectors]
    case.reply(json_reply({"object": "list", "data": data}))
    ran = case("embed -m e a b")
    assert len(case.posts) == 1 and ran.code == 0
    assert [json.loads(line)["embedding"] for line in ran.text.splitlines()] == list(vectors)


def test_16_a_page_is_read_in_its_charset(case: Case) -> None:
    page = "<html><head><title>网关错误</title></head></html>".encode("gbk")
    case.reply(http(page, "text/html; charset=GBK", "502 X"))
    assert "网关错误" in case("chat -m m --retries 0 hi").err


def test_17_a_pdf_may_begin_late(case: Case) -> None:
    case.write("a.pdf", b"\r\n\r\n%PDF-1.4\n1 0 obj\n%%EOF\n")
    ran = case("chat -m m -a a.pdf q --dry-run")
    assert ran.code == 0 and "application/pdf" in ran.text


def test_18_large_numbers_are_sent_as_written(case: Case) -> None:
    number = 18446744073709551616
    case.write("s.json", schema_of(a={"type": "integer", "maximum": number}))
    assert str(number) in case("chat -m m --schema @s.json --dry-run hi").text


def test_19_half_a_surrogate_pair_is_kept_or_told(case: Case) -> None:
    case.reply(json_reply(completion("ok")))
    case.write("m.json", r'[{"role":"user","content":"cut here \ud83d"}]')
    ran = case("chat -m m --no-stream --messages m.json")
    assert ran.code == 0
    assert case.posts[0].body.decode()
    ran = case(["chat", "-m", "m", "-O", r'a={"x":"\ud83d"}', "--dry-run", "hi"])
    assert ran.code in (0, 2)
    if ran.code == 0:
        assert isinstance(ran.json["body"]["a"], dict)


def test_19_a_row_with_half_a_surrogate_pair_is_sent(case: Case) -> None:
    case.reply(json_reply(completion("ok")))
    case.write("r.jsonl", r'{"id":"1","prompt":"cut here \ud83d"}' + "\n")
    assert case("batch -m m r.jsonl -o o").code == 0
    assert case.records("o")[0]["error"] is None


def test_20_the_shorthand_takes_chinese_names(case: Case) -> None:
    ran = case("chat -m m --schema '姓名, 年龄 int' --dry-run hi")
    schema = ran.json["body"]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["年龄"] == {"type": "integer"}
    assert list(schema["properties"]) == ["姓名", "年龄"]


@pytest.mark.parametrize("coding", ["utf-8", "none", "aws-chunked"])
def test_21_an_unknown_coding_is_none(case: Case, coding: str) -> None:
    case.reply(json_reply(completion("ok"), **{"Content-Encoding": coding}))
    assert case("chat -m m --no-stream hi").text == "ok\n"


def test_22_a_firewall_is_named(case: Case) -> None:
    headers = {"Server": "cloudflare", "CF-RAY": "8a1b2c3d4e5f-HKG"}
    case.reply(http("error code: 1020", "text/plain; charset=UTF-8", "403 X", headers))
    ran = case("chat -m m hi")
    assert "firewall" in ran.err and "key's group" not in ran.err


def test_23_a_batch_checks_its_schema(case: Case) -> None:
    case.reply(json_reply(completion("not JSON")))
    case.write("r.jsonl", '{"id":"1","prompt":"x"}\n')
    assert case("batch -m m --schema 'a int' r.jsonl -o o").code == 3
    assert case.records("o")[0]["error"] is not None
    assert len(case.posts) == 1


def test_24_messages_in_place_of_deltas_are_whole(case: Case) -> None:
    pieces = [
        {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
        for text, finish in (("hello", None), (" you", "stop"))
    ]
    case.reply(sse(*({"id": "x", "choices": [piece]} for piece in pieces), DONE))
    ran = case("chat -m m hi")
    assert (ran.code, ran.text) == (0, "hello you\n")
