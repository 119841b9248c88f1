"""`--schema` at work: what is refused before it is sent, and how answers are judged."""

from __future__ import annotations

import json
import shlex
import time
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import DONE, ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

A = "--schema 'a int'"
LETTERS = {"type": "object", "properties": {"name": {"pattern": "^\\p{L}+$"}}, "required": ["name"]}
SLOW = {"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}}}
HOSTILE = json.dumps({"a": "a" * 60 + "!"})


def chat(text: str) -> ScriptedReply:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return ScriptedReply.json({"id": "c", "choices": [choice]})


def stream(text: str) -> ScriptedReply:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop"}
    return ScriptedReply.sse({"id": "c", "choices": [choice]}, DONE)


def response(text: str) -> ScriptedReply:
    item = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    return ScriptedReply.json({"id": "r", "status": "completed", "output": [item]})


def option(schema: Any) -> str:
    return f"--schema {shlex.quote(json.dumps(schema))}"


@pytest.mark.parametrize("line", ["chat", "chat -m a -m b", "respond"])
@pytest.mark.parametrize(
    "reference",
    ["#/$defs/Missing", "https://example.com/s.json", "file:///etc/passwd", "other.json", "#"],
)
def test_a_reference_that_cannot_be_followed_sends_nothing(
    apiyi: Program, gateway: Gateway, line: str, reference: str
) -> None:
    schema = {"$ref": reference} if reference == "#" else {"items": {"$ref": reference}}
    ran = apiyi(f"{line} hi {option(schema)}")
    assert (ran.code, ran.out, gateway.ledger) == (2, b"", [])
    assert f"its $ref {reference!r} leads" in ran.err
    tool = {"name": "f", "parameters": {"type": "object", **schema}}
    ran = apiyi(f"{line} hi --tool {shlex.quote(json.dumps(tool))}")
    assert (ran.code, gateway.ledger) == (2, [])
    assert "--tool f" in ran.err and f"its $ref {reference!r} leads" in ran.err


def test_a_recursive_schema_works(apiyi: Program, gateway: Gateway) -> None:
    tree = {
        "type": "object",
        "properties": {"v": {"type": "integer"}, "kids": {"items": {"$ref": "#"}}},
        "required": ["v"],
    }
    gateway.script(chat('{"v":1,"kids":[{"v":2,"kids":[]}]}'), chat('{"v":1,"kids":[{}]}'))
    assert apiyi(f"chat hi --no-stream {option(tree)}").code == 0
    ran = apiyi(f"chat hi --no-stream {option(tree)}")
    assert ran.code == 8
    assert "at kids.0: 'v' is a required property" in ran.err


@pytest.mark.parametrize(("line", "reply"), [("chat", stream), ("respond --no-stream", response)])
def test_a_pattern_of_another_dialect_is_not_checked_and_that_is_said_once(
    apiyi: Program, gateway: Gateway, line: str, reply: Any
) -> None:
    gateway.script(reply('{"name": "张三"}'), reply('{"name": 7, "x": 1}'), reply("{}"))
    for code in (0, 0, 8):
        ran = apiyi(f"{line} hi {option(LETTERS)}")
        assert ran.code == code, ran.err
        assert ran.err.count("is not checked") == 1
    assert apiyi(f"{line} hi {option(LETTERS)} --dry-run").err.count("is not checked") == 1
    assert apiyi(f"{line} hi {option(LETTERS)} --dry-run -q").err == ""


def test_the_dialect_that_a_schema_names_is_heeded(apiyi: Program, gateway: Gateway) -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "properties": {"n": {"minimum": 0, "exclusiveMinimum": True}},
    }
    gateway.script(chat('{"n": 1}'), chat('{"n": 0}'), chat('{"n": 1}'))
    assert apiyi(f"chat hi --no-stream {option(schema)}") == (0, b'{"n": 1}\n', "")
    assert apiyi(f"chat hi --no-stream {option(schema)}").code == 8
    strange = {"$schema": "https://example.com/own", "required": ["n"]}
    ran = apiyi(f"chat hi --no-stream {option(strange)}")
    assert ran.code == 0
    assert ran.err.count("is not known; read as 2020-12") == 1


def test_the_check_ends_with_max_time_and_the_answer_is_printed(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(stream(HOSTILE))
    began_s = time.monotonic()
    ran = apiyi(f"chat hi --max-time 1 {option(SLOW)}")
    assert time.monotonic() - began_s < 5
    assert (ran.code, ran.text) == (9, HOSTILE + "\n")
    assert "stopped by --max-time" in ran.err and "the answer is complete" in ran.err


def test_of_several_models_a_misfit_takes_no_other_answer_away(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(chat(HOSTILE), chat(HOSTILE))
    ran = apiyi(f"chat hi -m a -m b --max-time 1 --no-stream {option(SLOW)}")
    assert ran.code == 9
    texts = [json.loads(line) for line in ran.out.splitlines()]
    assert [text["text"] for text in texts] == [HOSTILE, HOSTILE]
    gateway.script(chat('```json\n{"a":1}\n```'), chat('```json\n{"a":"x"}\n```'))
    ran = apiyi(f"chat hi -m a -m b -x --no-stream {A}")
    records = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 3
    assert sorted(record["text"] for record in records) == ['{"a":"x"}\n', '{"a":1}\n']
    assert sorted(record["error"] is None for record in records) == [False, True]


@pytest.mark.parametrize("line", ["chat --no-stream", "chat"])
def test_what_is_printed_is_what_is_judged(apiyi: Program, gateway: Gateway, line: str) -> None:
    text = 'Here it is:\n\n```json\n{"a":1}\n```\nand {"a": "no"}'
    reply = stream if line == "chat" else chat
    gateway.script(reply(text), reply(text), reply('```\n{"a":"x"}\n```'))
    assert apiyi(f"{line} -x hi {A}") == (0, b'{"a":1}\n', "")
    whole = apiyi(f"{line} hi {A}")
    assert (whole.code, whole.text) == (8, text + "\n")
    assert "it is not JSON" in whole.err
    assert apiyi(f"{line} -x hi {A}").code == 8


def test_a_call_as_answer_is_not_judged(apiyi: Program, gateway: Gateway) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "one moment", "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    gateway.script(*[ScriptedReply.json({"id": "c", "choices": [choice]})] * 2)
    tool = """--tool '{"name": "f"}'"""
    assert apiyi(f"chat hi --no-stream {A} {tool}").code == 0
    assert apiyi(f"chat hi --no-stream -m a -m b {A} {tool}").code in (0, 3)


def test_integers_beyond_64_bits_are_sent_and_judged_as_written(
    apiyi: Program, gateway: Gateway
) -> None:
    schema = '{"properties":{"a":{"type":"integer","maximum":18446744073709551616}}}'
    ran = apiyi(["chat", "hi", "--schema", schema, "--dry-run"])
    assert ran.code == 0 and b"18446744073709551616}" in ran.out
    tool = '{"name":"f","parameters":{"properties":{"a":{"const":18446744073709551617}}}}'
    ran = apiyi(["chat", "hi", "--tool", tool, "--dry-run"])
    assert ran.code == 0 and b"18446744073709551617}" in ran.out
    gateway.script(chat('{"a":18446744073709551616}'), chat('{"a":18446744073709551617}'))
    assert apiyi(["chat", "hi", "--no-stream", "--schema", schema]).code == 0
    assert apiyi(["chat", "hi", "--no-stream", "--schema", schema]).code == 8


def test_arguments_that_cannot_be_checked_are_told_to_the_model(
    apiyi: Program, gateway: Gateway
) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": HOSTILE}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    gateway.script(ScriptedReply.json({"id": "c", "choices": [choice]}), chat("done"))
    tool = json.dumps({"name": "f", "parameters": SLOW})
    words = ["chat", "hi", "--no-stream", "--tool", tool, "--run", "f=touch ran", "--yes"]
    ran = apiyi([*words, "--max-time", "1"])
    told = gateway.posts[-1].json["messages"][-1]["content"] if len(gateway.posts) > 1 else ""
    assert ran.code == 9 or "the arguments were not used: the check did not end" in told
    assert "Traceback" not in ran.err and not (apiyi.work / "ran").exists()


def test_names_of_any_script_make_a_schema(apiyi: Program) -> None:
    ran = apiyi("chat hi --schema '姓名, 年龄 int' --dry-run")
    schema = ran.json["body"]["response_format"]["json_schema"]["schema"]
    assert schema["properties"] == {"姓名": {"type": "string"}, "年龄": {"type": "integer"}}
    assert schema["required"] == ["姓名", "年龄"]


@pytest.mark.parametrize("line", ["chat", "respond", "batch"])
def test_a_tool_of_any_form_is_sent_with_its_parameters(apiyi: Program, line: str) -> None:
    parameters = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    forms = [
        [{"name": "f", "description": "d", "inputSchema": parameters}],
        {"name": "f", "description": "d", "input_schema": parameters},
        {"result": {"tools": [{"name": "f", "description": "d", "inputSchema": parameters}]}},
    ]
    for form in forms:
        (apiyi.work / "tool.json").write_text(json.dumps(form))
        (apiyi.work / "rows.jsonl").write_text(json.dumps({"prompt": "q", "tools": form}) + "\n")
        words = "rows.jsonl" if line == "batch" else "--tool @tool.json hi"
        ran = apiyi(f"{line} {words} --dry-run")
        assert ran.code == 0, ran.err
        (tool,) = ran.json["body"]["tools"]
        tool = tool.get("function", tool)
        assert (tool["parameters"], tool["description"]) == (parameters, "d")
        assert "inputSchema" not in tool and "input_schema" not in tool


@pytest.mark.parametrize("line", ["chat", "chat -m a -m b", "respond"])
def test_a_tool_of_no_known_form_is_not_sent(apiyi: Program, gateway: Gateway, line: str) -> None:
    tool = """--tool '{"name": "f", "args": {"type": "object"}}'"""
    ran = apiyi(f"{line} hi {tool}")
    assert (ran.code, ran.out, gateway.ledger) == (2, b"", [])
    assert "'args' of f is not known" in ran.err and "try: --tool" in ran.err


def test_half_a_character_is_never_another_type(apiyi: Program, gateway: Gateway) -> None:
    half = "cut \\ud83d"
    (apiyi.work / "m.json").write_text(f'[{{"role":"user","content":"{half}"}}]')
    (apiyi.work / "s.json").write_text(f'{{"properties":{{"a":{{"const":"{half}"}}}}}}')
    (apiyi.work / "t.json").write_text(f'{{"name":"f","description":"{half}"}}')
    (apiyi.work / "r.jsonl").write_text(f'{{"prompt":"{half}"}}\n')
    lines = {
        "chat --messages m.json": ("messages", 0, "content"),
        "chat hi --schema @s.json": (
            "response_format", "json_schema", "schema", "properties", "a", "const"),
        "chat hi --tool @t.json": ("tools", 0, "function", "description"),
        "batch r.jsonl": ("messages", 0, "content"),
        f"""chat hi -O 'a={{"x":"{half}"}}'""": ("a", "x"),
    }  # fmt: skip
    for line, path in lines.items():
        ran = apiyi(f"{line} --dry-run")
        assert ran.code == 0, ran.err
        value = ran.json["body"]
        for step in path:
            value = value[step]
        assert value in ("cut \ufffd", "cut \ud83d"), line


@pytest.mark.parametrize(
    "number", ["1.10", "1.0", "0.12345678901234567890", "1e400", "1E5", "-0.0"]
)
def test_a_number_is_sent_as_it_was_typed(apiyi: Program, gateway: Gateway, number: str) -> None:
    (apiyi.work / "m.json").write_text(f'[{{"role":"user","content":"hi","x":{number}}}]')
    option = f'"x":{number}'.encode()
    for line in (
        f"chat hi -O x={number} --dry-run",
        f"""chat hi -O 'y={{"x":{number}}}' --dry-run""",
        "chat --messages m.json --dry-run",
        f"""chat hi --schema '{{"default":{{"x":{number}}}}}' --dry-run""",
        f"""chat hi --tool '{{"name":"f","x":{number}}}' --dry-run""",
    ):
        ran = apiyi(line)
        assert ran.code == 0 and option in ran.out, ran
    apiyi(f"chat hi -O x={number}")
    assert option in gateway.posts[-1].body
    shown = apiyi(f"chat hi -O x={number} --code curl")
    assert shown.code == 0 and number in shown.text
