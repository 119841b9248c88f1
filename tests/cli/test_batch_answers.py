"""What counts as ok in a batch: what `chat` would exit 0 for."""

from __future__ import annotations

import gzip
import json
import time
from base64 import b64decode
from typing import Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Program

SCHEMA = "label, score float"
GOOD = '{"label": "good", "score": 0.9}'


def reply(content: str | None, finish: str = "stop", **message: Any) -> ScriptedReply:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **message},
        "finish_reason": finish,
    }
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    body = {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]}
    return ScriptedReply(body=json.dumps({**body, "usage": usage}).encode())


def read_body(play: ScriptedReply) -> Any:
    assert isinstance(play.body, bytes)
    return json.loads(play.body)


def batch(apiyi: Program, *options: str) -> tuple[int, dict[str, Any], dict[str, Any], str]:
    """Run one row; return the exit code, the record, the summary and stderr."""
    (apiyi.work / "r.jsonl").write_text('{"id":"1","prompt":"x","metadata":{"k":"v"}}\n')
    ran = apiyi(["batch", "r.jsonl", "-m", "m", "-o", "o", "--summary", "s", *options])
    record = json.loads((apiyi.work / "o").read_text())
    return ran.code, record, json.loads((apiyi.work / "s").read_text()), ran.err


MISFITS = {
    "wrong-type": reply('{"label": "good", "score": "high"}'),
    "half-json": reply('{"label": "go', "length"),
    "fence": reply(f"Here it is:\n```json\n{GOOD}\n```"),
    "no-json": reply("not JSON"),
}


@pytest.mark.parametrize("play", MISFITS.values(), ids=MISFITS)
def test_an_answer_that_does_not_fit_is_a_failure_and_is_kept(
    apiyi: Program, gateway: Gateway, play: ScriptedReply
) -> None:
    gateway.script(play)
    code, record, summary, _ = batch(apiyi, "--schema", SCHEMA)
    assert code == 3 and len(gateway.ledger) == 1
    assert (record["error"]["class"], record["error"]["code"]) == ("incomplete", "misfit")
    assert record["response"]["body"] == read_body(play)
    assert record["usage"]["total_tokens"] == 13 and summary["prompt_tokens"] == 9
    again = apiyi(["batch", "r.jsonl", "-m", "m", "-o", "o", "--schema", SCHEMA])
    assert again.code == 3 and len(gateway.ledger) == 1


def test_what_is_extracted_is_what_is_judged(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(MISFITS["fence"])
    code, record, _, _ = batch(apiyi, "--schema", SCHEMA, "-x")
    assert code == 0 and record["error"] is None
    gateway.script(MISFITS["fence"])
    ran = apiyi(["batch", "r.jsonl", "-m", "m", "--schema", SCHEMA, "-x", "--text"])
    assert ran.text == GOOD + "\n"


@pytest.mark.parametrize("mode", ["--json-mode", "row", "body"])
def test_json_mode_and_a_rows_own_format_are_judged(
    apiyi: Program, gateway: Gateway, mode: str
) -> None:
    form = {"type": "json_object"}
    row: dict[str, Any] = {"prompt": "x"}
    if mode == "row":
        row["schema"] = {"type": "object"}
    elif mode == "body":
        body = {
            "model": "m",
            "messages": [{"role": "user", "content": "x"}],
            "response_format": form,
        }
        row = {"custom_id": "1", "url": "/v1/chat/completions", "body": body}
    (apiyi.work / "r.jsonl").write_text(json.dumps(row))
    options = ["--json-mode"] if mode == "--json-mode" else []
    for content, code in (("[1]", 3), ('{"a":1}', 0)):
        gateway.script(reply(content))
        ran = apiyi(["batch", "r.jsonl", "-m", "m", *options])
        assert ran.code == code, ran.err


def test_a_misfit_is_asked_for_again_as_often_as_allowed(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(MISFITS["no-json"], MISFITS["wrong-type"], reply(GOOD))
    code, record, summary, _ = batch(apiyi, "--schema", SCHEMA, "--retry-misfit", "2")
    assert code == 0 and record["attempts"] == 3
    assert (summary["requests"], summary["prompt_tokens"]) == (3, 27)
    assert apiyi("batch verify o").code == 0
    gateway.script(*[MISFITS["no-json"]] * 3)
    line = ["batch", "r.jsonl", "-m", "m", "-o", "o2", "--schema", SCHEMA, "--retry-misfit", "2"]
    assert apiyi(line).code == 3
    assert len(gateway.ledger) == 6


REMARKABLE = {
    "length": reply("The three reasons are: first,", "length"),
    "content_filter": reply("", "content_filter"),
    "refusal": reply(None, refusal="I can't help with that."),
    "empty": reply(""),
}


@pytest.mark.parametrize(("remark", "play"), REMARKABLE.items(), ids=REMARKABLE)
def test_a_remarkable_answer_is_counted_told_and_an_error_only_when_asked(
    apiyi: Program, gateway: Gateway, remark: str, play: ScriptedReply
) -> None:
    gateway.script(play, play)
    code, record, summary, err = batch(apiyi)
    assert (code, record["error"]) == (0, None)
    assert {name for name in REMARKABLE if summary[name]} == {remark}
    assert "--strict-finish makes them errors" in err
    (apiyi.work / "o").unlink()
    (apiyi.work / "o.apiyi-journal").unlink()
    code, record, summary, _ = batch(apiyi, "--strict-finish")
    assert code == 3 and summary[remark] == 1
    assert (record["error"]["class"], record["error"]["code"]) == ("incomplete", remark)
    assert record["response"]["body"] == read_body(play)


def test_join_puts_the_row_into_its_record(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(reply("hi"))
    code, record, _, _ = batch(apiyi, "--join")
    assert code == 0, record["error"]
    assert record["row"] == {"id": "1", "prompt": "x", "metadata": {"k": "v"}}
    (apiyi.work / "t.csv").write_text('id,text,,text 2\n1,"a\n""b""",x,y\n')
    ran = apiyi("batch t.csv --template {text} --join")
    row = {"id": "1", "text": 'a\n"b"', "column 3": "x", "text 2": "y"}
    assert json.loads(ran.out)["row"] == row
    ran = apiyi("batch - --join", stdin=b'{"prompt":"a"}\n{"prompt": 1}\nnonsense\n')
    rows = [json.loads(line)["row"] for line in ran.out.splitlines()]
    assert sorted(rows, key=str) == sorted([{"prompt": "a"}, {"prompt": 1}, "nonsense"], key=str)


def test_a_pattern_that_cannot_be_checked_is_said_once(apiyi: Program, gateway: Gateway) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": r"\p{L}+\K"}}}
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    body["response_format"] = {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": schema},
    }
    row = {"custom_id": "c", "method": "POST", "url": "/v1/chat/completions", "body": body}
    rows = [{"prompt": "x"}, {"prompt": "y"}, {"prompt": "z", "schema": schema}, row]
    (apiyi.work / "r.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    gateway.script(*[reply('{"a": "b"}')] * 4)
    ran = apiyi(["batch", "r.jsonl", "-m", "m", "-o", "o", "--schema", json.dumps(schema)])
    assert ran.code == 0 and ran.err.count("is not checked") == 1
    chat = apiyi(["chat", "x", "-m", "m", "--schema", json.dumps(schema), "--dry-run"])
    assert next(line for line in ran.err.split("\n") if "is not checked" in line) in chat.err


def test_a_schema_with_a_reference_to_nowhere_is_a_bad_row(
    apiyi: Program, gateway: Gateway
) -> None:
    schema = {"$ref": "#/nowhere"}
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    body["response_format"] = {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": schema},
    }
    row = {"custom_id": "c", "method": "POST", "url": "/v1/chat/completions", "body": body}
    (apiyi.work / "r.jsonl").write_text(json.dumps(row) + "\n")
    ran = apiyi("batch r.jsonl -o o")
    assert ran.code == 3 and gateway.ledger == []
    assert "$ref" in json.loads((apiyi.work / "o").read_text())["error"]["message"]


def test_checking_an_answer_takes_no_longer_than_the_run_may(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(reply(json.dumps({"a": "a" * 60 + "!"})))
    schema = {"properties": {"a": {"pattern": "^(a|aa|a?a)+$"}}}
    began = time.monotonic()
    code, record, _, _ = batch(apiyi, "--schema", json.dumps(schema), "--max-time", "1")
    assert time.monotonic() - began < 4.5
    assert code in (3, 9) and record["error"]["class"] == "incomplete"
    assert "did not end within" in record["error"]["message"]


AGE = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
GEMINI = "/v1beta/models/gemini-3.6-flash:generateContent"


@pytest.mark.parametrize("form", ["short", "responseSchema", "responseJsonSchema"])
def test_rows_for_gemini_are_judged_by_their_schema(
    apiyi: Program, gateway: Gateway, form: str
) -> None:
    def says(text: str) -> ScriptedReply:
        content = {"role": "model", "parts": [{"text": text}]}
        return ScriptedReply.json({"candidates": [{"content": content, "finishReason": "STOP"}]})

    config = {"responseMimeType": "application/json", form: {**AGE, "type": "object"}}
    body = {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": config}
    row = {"prompt": "hi"} if form == "short" else {"method": "POST", "url": GEMINI, "body": body}
    rows = [{**row, "custom_id": name} for name in ("good", "bad", "none")]
    (apiyi.work / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = ('{"age": 3}', '{"age": "three"}', "three")
    gateway.script(*map(says, texts), path=GEMINI.replace(":generate", ":streamGenerate"))
    line = "batch r.jsonl -o o -j 1 -m gemini-3.6-flash"
    if form == "short":
        line += f" --protocol google --schema '{json.dumps(AGE)}'"
    ran = apiyi(line)
    assert ran.code == 3, ran.err
    records = [json.loads(line) for line in (apiyi.work / "o").read_text().splitlines()]
    errors = {record["custom_id"]: record["error"] for record in records}
    assert errors["good"] is None
    assert errors["bad"]["class"] == errors["none"]["class"] == "incomplete"
    assert "age" in errors["bad"]["message"]
    assert "does not fit --schema" in errors["none"]["message"]


def rescued(apiyi: Program) -> list[Any]:
    folder = apiyi.home / "state" / "apiyi" / "rescue"
    files = sorted(folder.iterdir()) if folder.exists() else []
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


@pytest.mark.parametrize("form", ["-o o --text", "--text", "-o o.csv", "--text --ordered"])
def test_an_output_of_texts_loses_no_answer_that_failed(
    apiyi: Program, gateway: Gateway, form: str
) -> None:
    (apiyi.work / "r.jsonl").write_text("".join(f'{{"id":"{n}","prompt":"x"}}\n' for n in "abc"))
    torn = b'{"id": "c", "choices": [{"message": {"content": "paid'
    refused = ScriptedReply.error(400, "no", code="invalid_request")
    gateway.script(MISFITS["wrong-type"], ScriptedReply(body=torn), refused)
    ran = apiyi(f"batch r.jsonl -m m {form} -j 1 --no-stream --retries 0 --schema '{SCHEMA}'")
    assert ran.code == 3 and "what came for 2 failed rows is in /" in ran.err, ran.err
    first, second = rescued(apiyi)
    assert first["custom_id"] == "a" and first["error"]["code"] == "misfit"
    assert first["response"]["body"] == read_body(MISFITS["wrong-type"])
    assert second["custom_id"] == "b" and second["response"]["body"] == torn.decode()


def test_an_output_of_texts_keeps_nothing_that_is_kept_elsewhere(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "r.jsonl").write_text('{"id":"1","prompt":"x"}\n')
    gateway.script(MISFITS["no-json"])
    line = f"batch r.jsonl -m m --text --errors e --retries 0 --schema '{SCHEMA}'"
    assert apiyi(line).code == 3 and rescued(apiyi) == []
    assert json.loads((apiyi.work / "e").read_text())["error"]["code"] == "misfit"


def test_what_could_not_be_unpacked_is_in_the_record(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply(body=b"\x1f\x8b\x08paid", content_type="application/json"))
    code, record, _, err = batch(apiyi, "--retries", "0", "--no-stream")
    assert code == 3 and record["error"]["class"] == "incomplete", err
    assert b64decode(record["response"]["body"]["b64_json"]).endswith(b"paid")


def test_a_body_that_unfolds_too_far_is_not_kept(apiyi: Program, gateway: Gateway) -> None:
    headers = (("Content-Encoding", "gzip"),)
    gateway.script(ScriptedReply(body=gzip.compress(bytes(24 << 20)), headers=headers))
    ran = apiyi("batch --lines - -m gpt-4o -o out.jsonl", stdin=b"hi\n")
    assert (ran.code, "unfolds to more than" in ran.err) == (3, True)
    assert (apiyi.work / "out.jsonl").stat().st_size < 2000
