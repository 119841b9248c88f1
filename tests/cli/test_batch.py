"""`apiyi batch` as a process: input forms, records, resuming, stop rules, outputs that fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from base64 import b64decode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Program
from tests.rates import find_best_rate

FIELDS = {
    "custom_id",
    "index",
    "response",
    "error",
    "usage",
    "attempts",
    "endpoint",
    "ms",
    "sha",
}


def write(program: Program, rows: Iterable[Any], name: str = "rows.jsonl") -> Path:
    path = program.work / name
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def prompts(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"r{n}", "prompt": f"question {n}", **more} for n in range(count)]


def read(program: Program, name: str = "out.jsonl") -> list[dict[str, Any]]:
    return parsed((program.work / name).read_bytes())


def parsed(data: bytes) -> list[dict[str, Any]]:
    assert data.endswith(b"\n") or not data
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def answers(records: Iterable[dict[str, Any]]) -> dict[str, str]:
    return {
        one["custom_id"]: one["response"]["body"]["choices"][0]["message"]["content"]
        for one in records
        if one["error"] is None
    }


def test_each_row_gets_a_record_that_openais_readers_understand(
    apiyi: Program, gateway: Gateway
) -> None:
    write(apiyi, prompts(5))
    ran = apiyi("batch rows.jsonl -o out.jsonl")
    assert ran.code == 0 and ran.out == b""
    records = read(apiyi)
    assert {one["custom_id"] for one in records} == {f"r{n}" for n in range(5)}
    for one in records:
        assert set(one) == FIELDS
        assert one["error"] is None and one["attempts"] == 1 and len(one["sha"]) == 16
        assert one["response"]["status_code"] == 200 and one["response"]["request_id"]
        assert one["usage"] == one["response"]["body"]["usage"]
        assert one["endpoint"] == f"{gateway.base_url}/chat/completions"
    assert answers(records)["r3"] == "[sandbox] You said: question 3"
    assert "5 rows: 5 ok, 0 failed, 0 skipped" in ran.err


def test_the_body_of_an_openai_row_is_sent_and_streams_underneath(
    apiyi: Program, gateway: Gateway
) -> None:
    chat = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "top_p": 0.5}
    vector = {"model": "text-embedding-3-small", "input": ["a", "b"]}
    rows = [
        {"custom_id": "c", "method": "POST", "url": "/v1/chat/completions", "body": chat},
        {"custom_id": "e", "method": "POST", "url": "/v1/embeddings", "body": vector},
    ]
    write(apiyi, rows)
    ran = apiyi("batch rows.jsonl --temperature 1 --ordered")
    assert ran.code == 0, ran.err
    streamed = {**chat, "stream": True, "stream_options": {"include_usage": True}}
    assert {one.path: one.json for one in gateway.ledger} == {
        "/v1/chat/completions": streamed,
        "/v1/embeddings": vector,
    }
    first, second = parsed(ran.out)
    assert (first["custom_id"], second["custom_id"]) == ("c", "e")
    assert first["response"]["body"]["object"] == "chat.completion"
    write(apiyi, [rows[0], {**rows[0], "custom_id": "s", "body": {**chat, "stream": False}}])
    gateway.ledger.clear()
    whole = apiyi("batch rows.jsonl --no-stream --ordered")
    assert parsed(whole.out)[0]["sha"] == first["sha"]
    bodies = sorted((one.json for one in gateway.ledger), key=len)
    assert bodies == [chat, {**chat, "stream": False}]


def test_a_short_row_has_the_commands_options_as_defaults(apiyi: Program, gateway: Gateway) -> None:
    rows = [
        {"prompt": "a"},
        {"prompt": "b", "temperature": 0.25, "stop": "x", "metadata": {"k": "v"}},
    ]
    write(apiyi, rows)
    options = ["--temperature", "1.5", "-s", "Be brief.", "-j", "1", "--no-stream"]
    ran = apiyi(["batch", "rows.jsonl", *options])
    assert ran.code == 0, ran.err
    first, second = (one.json for one in gateway.ledger)
    system = {"role": "system", "content": "Be brief."}
    assert first == {
        "model": "gpt-4o",
        "messages": [system, {"role": "user", "content": "a"}],
        "temperature": 1.5,
    }
    assert second["temperature"] == 0.25 and second["stop"] == ["x"]
    assert second["metadata"] == {"k": "v"}


def test_a_reasoning_model_gets_max_completion_tokens_from_a_row(
    apiyi: Program, gateway: Gateway
) -> None:
    write(apiyi, [{"prompt": "a", "model": "o4-mini", "max_tokens": 50}])
    assert apiyi("batch rows.jsonl").code == 0
    assert gateway.ledger[0].json["max_completion_tokens"] == 50


@pytest.mark.parametrize(
    ("endpoint", "row", "path"),
    [
        ("complete", {"prompt": "once", "echo": True}, "/v1/completions"),
        ("respond", {"input": "hi", "verbosity": "low"}, "/v1/responses"),
        ("embed", {"input": "hi", "dimensions": 8}, "/v1/embeddings"),
        ("image", {"prompt": "a cat", "size": "256x256"}, "/v1/images/generations"),
    ],
)
def test_rows_of_every_endpoint_are_sent_to_it(
    apiyi: Program, gateway: Gateway, endpoint: str, row: dict[str, Any], path: str
) -> None:
    models = {
        "embed": "text-embedding-3-small",
        "image": "gpt-image-1",
        "complete": "gpt-3.5-turbo-instruct",
    }
    write(apiyi, [row])
    ran = apiyi(
        f"batch rows.jsonl -o out.jsonl --endpoint {endpoint} -m {models.get(endpoint, 'gpt-4o')}"
    )
    assert ran.code == 0, ran.err
    assert [one.path for one in gateway.ledger] == [path]
    assert read(apiyi)[0]["response"]["status_code"] == 200


def test_a_recording_is_named_by_its_row(apiyi: Program, gateway: Gateway) -> None:
    spoken = apiyi(["speak", "hello there", "-o", "a.wav", "-m", "tts-1"])
    assert spoken.code == 0, spoken.err
    write(apiyi, [{"id": "one", "file": "a.wav"}, {"file": "gone.wav"}])
    ran = apiyi("batch rows.jsonl --endpoint transcribe -m whisper-1 -o out.jsonl --language en")
    assert ran.code == 3
    good, bad = sorted(read(apiyi), key=lambda one: str(one["error"]) != "None")
    assert "a.wav" in good["response"]["body"]["text"]
    assert bad["error"]["message"].startswith("rows.jsonl:2:2: file: cannot read gone.wav")


def test_a_table_fills_a_template(apiyi: Program, gateway: Gateway) -> None:
    text = 'id,text,lang\r\n7,hallo,en\r\n8,"a ""b""\nc",fr\r\n'
    (apiyi.work / "t.csv").write_text(text, encoding="utf-8")
    ran = apiyi(["batch", "t.csv", "--template", "To {lang}: {text} {{x}}", "--ordered"])
    assert ran.code == 0, ran.err
    assert [one["custom_id"] for one in parsed(ran.out)] == ["7", "8"]
    said = {one.json["messages"][0]["content"] for one in gateway.ledger}
    assert said == {"To en: hallo {x}", 'To fr: a "b"\nc {x}'}


def test_a_template_that_names_a_missing_column_sends_nothing(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "t.tsv").write_text("id\ttext\n1\ta\n", encoding="utf-8")
    ran = apiyi(["batch", "t.tsv", "--template", "{txt}"])
    assert ran.code == 2 and gateway.ledger == []
    assert "t.tsv:1 has no column txt: its columns are id, text" in ran.err


def test_lines_of_stdin_are_answered_as_texts_in_order(apiyi: Program) -> None:
    ran = apiyi("batch - --lines --text --ordered", stdin=b"one\r\n\n  two\nthree")
    assert ran.code == 0
    said = ["one", "  two", "three"]
    assert ran.text == "".join(f"[sandbox] You said: {text}\n" for text in said)


def test_work_starts_with_the_first_line_of_a_pipe(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    process = apiyi.start("batch - --lines", stdin=subprocess.PIPE)
    stopped.append(process)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"first\n")
    assert json.loads(process.stdout.readline())["index"] == 0
    assert len(gateway.ledger) == 1
    process.stdin.write(b"second\n")
    process.stdin.close()
    assert json.loads(process.stdout.readline())["index"] == 1
    assert process.wait(10) == 0
    process.stdin = None


BAD = [
    ('{"prompt": "x", bad}', "rows.jsonl:2:17: not valid JSON"),
    ('["prompt"]', "rows.jsonl:2:1: the row is not a JSON object"),
    ('{"id":"good"}', "rows.jsonl:2:2: duplicate id good"),
    ('{"prompt":"x","temperature":9}', "rows.jsonl:2:15: temperature: expected a number from 0"),
    ('{"prompt":"  "}', "rows.jsonl:2:2: prompt: expected a text that is not empty"),
    ('{"text":"x"}', "rows.jsonl:2:1: the row has no prompt or messages"),
    ('{"input":"x"}', "rows.jsonl:2:1: the row has an input and no prompt or messages: --endpoint"),
    ('{"messages":[{"content":"x"}]}', "rows.jsonl:2:2: messages: expected a list of messages"),
    ('{"url":"/v1/nothing","body":{}}', "rows.jsonl:2:2: url: no endpoint is known"),
    ('{"url":"/v1/embeddings","body":{"model":"m"}}', "rows.jsonl:2:2: url: /v1/embeddings is a"),
    ('{"method":"GET","body":{"model":"m"}}', "rows.jsonl:2:2: method: it is not POST"),
    ('{"prompt":"x","attach":"nowhere.png"}', "rows.jsonl:2:15: attach: cannot read nowhere.png"),
]


@pytest.mark.parametrize(("line", "told"), BAD)
def test_a_bad_row_is_named_and_the_others_are_sent(
    apiyi: Program, gateway: Gateway, line: str, told: str
) -> None:
    write(apiyi, [{"id": "good", "prompt": "a"}, line, {"prompt": "b"}])
    ran = apiyi("batch rows.jsonl --endpoint chat -o out.jsonl")
    assert ran.code == 3
    assert len(gateway.ledger) == 2
    (failed,) = [one for one in read(apiyi) if one["error"] is not None]
    assert failed["error"]["message"].startswith(told)
    assert failed["error"]["class"] == "usage" and failed["response"] is None
    assert failed["attempts"] == 0 and failed["index"] == 1
    strict = apiyi("batch rows.jsonl --endpoint chat --strict -o strict.jsonl")
    assert strict.code == 2 and "rows.jsonl:2:" in strict.err
    assert len(gateway.ledger) == 2 and not (apiyi.work / "strict.jsonl").exists()


def test_a_line_that_is_not_utf_8_is_named_with_its_byte(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "rows.jsonl").write_bytes(b'{"prompt":"a"}\n{"prompt":"\xff"}\n')
    ran = apiyi("batch rows.jsonl -o out.jsonl")
    assert ran.code == 2 and "cannot read rows.jsonl: not UTF-8 at byte 26" in ran.err
    assert gateway.ledger == [] and not (apiyi.work / "out.jsonl").exists()


def test_strict_refuses_a_field_that_nobody_knows(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, [{"prompt": "a", "temprature": 1}])
    ran = apiyi("batch rows.jsonl --strict")
    assert ran.code == 2 and gateway.ledger == []
    assert "rows.jsonl:1:17: temprature: apiyi chat has no such option or field" in ran.err


def test_strict_reads_a_pipe_to_its_end_before_anything_is_sent(
    apiyi: Program, gateway: Gateway
) -> None:
    assert apiyi("batch - --strict", stdin=b'{"prompt":"a"}\nnothing\n').code == 2
    assert gateway.ledger == []
    ran = apiyi("batch - --strict --ordered", stdin=b'{"prompt":"a"}\n{"prompt":"b"}\n')
    assert ran.code == 0 and len(parsed(ran.out)) == 2


def test_without_any_model_nothing_is_sent(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, [{"prompt": "a"}])
    ran = apiyi("batch rows.jsonl -o out.jsonl", env={"APIYI_MODEL": None})
    assert ran.code == 2 and "no model" in ran.err and "-m MODEL" in ran.err
    assert gateway.ledger == []


def test_check_estimates_and_sends_nothing(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(6000))
    ran = apiyi("batch rows.jsonl --check --json --max-tokens 100")
    found = ran.json
    assert (ran.code, found["rows"], found["bad"], found["requests"]) == (0, 6000, 0, 6000)
    assert 6000 * 100 < found["tokens_estimate"] < 6000 * 200
    assert found["seconds_at_limits"] >= 120 and gateway.ledger == []
    write(apiyi, ["nothing", *prompts(2)])
    assert apiyi("batch rows.jsonl --check").code == 2


def test_dry_run_prints_the_requests_and_needs_no_key(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(3))
    ran = apiyi("batch rows.jsonl --dry-run -o out.jsonl", env={"APIYI_API_KEY": None})
    assert ran.code == 0, ran.err
    shown = parsed(ran.out)
    assert [one["body"]["messages"][0]["content"] for one in shown] == [
        f"question {n}" for n in range(3)
    ]
    assert shown[0]["url"] == f"{gateway.base_url}/chat/completions"
    assert gateway.ledger == [] and not (apiyi.work / "out.jsonl").exists()


def test_a_second_run_asks_for_nothing_that_is_there(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(4))
    apiyi("batch rows.jsonl -o out.jsonl")
    before = (apiyi.work / "out.jsonl").read_bytes()
    ran = apiyi("batch rows.jsonl -o out.jsonl")
    assert ran.code == 0 and len(gateway.ledger) == 4
    assert (apiyi.work / "out.jsonl").read_bytes() == before
    assert "4 from before" in ran.err and "0 requests" in ran.err


def test_appended_rows_run_and_changed_rows_run_again(apiyi: Program, gateway: Gateway) -> None:
    rows = prompts(3)
    write(apiyi, rows)
    apiyi("batch rows.jsonl -o out.jsonl")
    rows[1]["prompt"] = "another question"
    write(apiyi, [*rows, {"id": "new", "prompt": "more"}])
    ran = apiyi("batch rows.jsonl -o out.jsonl --summary s.json")
    assert ran.code == 0 and len(gateway.ledger) == 5
    assert "rows.jsonl:2: row r1 has changed since" in ran.err
    assert answers(read(apiyi))["r1"] == "[sandbox] You said: another question"
    summary = json.loads((apiyi.work / "s.json").read_bytes())
    assert (summary["total"], summary["ok"], summary["resumed"]) == (4, 4, 2)
    assert summary["maybe_billed_twice"] == 0


def test_only_failures_that_may_pass_run_again_by_themselves(
    apiyi: Program, gateway: Gateway
) -> None:
    rows = [
        {"id": "ok", "prompt": "a"},
        {"id": "later", "prompt": "b", "model": "fault:503*1"},
        {"id": "never", "prompt": "c", "model": "fault:400"},
    ]
    write(apiyi, rows)
    assert apiyi("batch rows.jsonl -o out.jsonl --retries 0").code == 3
    kinds = {one["custom_id"]: one["error"] and one["error"]["class"] for one in read(apiyi)}
    assert kinds == {"ok": None, "later": "temporary", "never": "rejected"}
    again = apiyi("batch rows.jsonl -o out.jsonl --retries 0")
    assert again.code == 3 and len(gateway.ledger) == 4
    assert set(answers(read(apiyi))) == {"ok", "later"}
    asked = apiyi("batch rows.jsonl -o out.jsonl --retries 0 --retry-failed")
    assert asked.code == 3 and len(gateway.ledger) == 5
    assert "fault:400" not in asked.err and "--retry-failed" not in asked.err


def test_an_error_record_holds_the_servers_own_words(apiyi: Program) -> None:
    write(apiyi, [{"prompt": "a", "model": "fault:400"}])
    apiyi("batch rows.jsonl -o out.jsonl")
    (record,) = read(apiyi)
    assert record["response"]["status_code"] == 400
    assert record["response"]["body"]["error"]["code"] == record["error"]["code"]
    assert record["error"]["maybe_billed"] is False


def test_an_ambiguous_retry_is_counted_and_told(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, [{"prompt": "a", "model": "fault:504*1"}])
    ran = apiyi("batch rows.jsonl -o out.jsonl --summary s.json")
    assert ran.code == 0 and read(apiyi)[0]["attempts"] == 2
    summary = json.loads((apiyi.work / "s.json").read_bytes())
    assert (summary["requests"], summary["retries"], summary["maybe_billed_twice"]) == (2, 1, 1)
    assert "possibly billed twice: 1" in ran.err
    never = apiyi("batch rows.jsonl -o two.jsonl --retry-ambiguous 0 -m x")
    assert never.code == 0, "the fault of that request has been used up"


def test_an_output_without_a_journal_is_not_touched(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(2))
    (apiyi.work / "out.jsonl").write_text("precious\n")
    ran = apiyi("batch rows.jsonl -o out.jsonl")
    assert ran.code == 10 and "out.jsonl has no journal" in ran.err
    assert (apiyi.work / "out.jsonl").read_text() == "precious\n" and gateway.ledger == []
    forced = apiyi("batch rows.jsonl -o out.jsonl --force")
    assert forced.code == 0 and len(read(apiyi)) == 2


def test_a_lost_journal_is_replaced_with_resume(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(3))
    apiyi("batch rows.jsonl -o out.jsonl --limit 2")
    (apiyi.work / "out.jsonl.apiyi-journal").unlink()
    ran = apiyi("batch rows.jsonl -o out.jsonl --resume")
    assert ran.code == 0 and len(gateway.ledger) == 3 and len(read(apiyi)) == 3


def test_a_journal_whose_output_is_gone_stops_the_run(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(2))
    apiyi("batch rows.jsonl -o out.jsonl")
    (apiyi.work / "out.jsonl").unlink()
    ran = apiyi("batch rows.jsonl -o out.jsonl")
    assert ran.code == 10 and "paid for would be sent again" in ran.err
    assert len(gateway.ledger) == 2 and not (apiyi.work / "out.jsonl").exists()


def test_the_output_of_another_input_is_refused(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, [{"prompt": "a"}, {"prompt": "b"}])
    apiyi("batch rows.jsonl -o out.jsonl")
    write(apiyi, [{"prompt": "x"}, {"prompt": "y"}], "other.jsonl")
    ran = apiyi("batch other.jsonl -o out.jsonl")
    assert ran.code == 10 and "the output belongs to another input" in ran.err
    assert len(gateway.ledger) == 2
    assert apiyi("batch other.jsonl -o out.jsonl --resume").code == 0


def test_a_second_run_on_one_output_names_the_process_that_has_it(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    write(apiyi, prompts(1))
    gateway.script(ScriptedReply.chat("x").stall())
    process = apiyi.start("batch rows.jsonl -o out.jsonl")
    stopped.append(process)
    assert gateway.wait_for(lambda: gateway.ledger)
    ran = apiyi("batch rows.jsonl -o out.jsonl")
    assert ran.code == 10
    assert f"out.jsonl is in use: process {process.pid} is writing to it" in ran.err


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("--fail-fast", "stopped by --fail-fast"),
        ("--max-errors 2", "stopped by --max-errors 2: 2 rows have failed"),
    ],
)
def test_a_stop_rule_ends_the_run_with_9(
    apiyi: Program, gateway: Gateway, rule: str, told: str
) -> None:
    write(apiyi, prompts(50, model="fault:400"))
    ran = apiyi(f"batch rows.jsonl -o out.jsonl -j 1 {rule} --summary s.json")
    assert ran.code == 9 and told in ran.err
    summary = json.loads((apiyi.work / "s.json").read_bytes())
    assert summary["total"] == 50 == summary["failed"] + summary["skipped"]
    assert len(gateway.ledger) == summary["failed"] <= 4


def test_a_share_of_failures_counts_from_20_rows_on(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(60, model="fault:400"))
    ran = apiyi("batch rows.jsonl -o out.jsonl -j 1 --max-errors 50%")
    assert ran.code == 9 and 20 <= len(gateway.ledger) < 30


@pytest.mark.parametrize("text", ["0", "-1", "x", "0%", "101%", "2.5"])
def test_a_stop_rule_that_is_none_is_refused(apiyi: Program, text: str) -> None:
    write(apiyi, prompts(1))
    ran = apiyi(["batch", "rows.jsonl", f"--max-errors={text}"])
    assert ran.code == 2 and "--max-errors" in ran.err


@pytest.mark.parametrize(
    ("model", "code"), [("fault:401", 4), ("fault:quota", 7), ("fault:quota429", 7)]
)
def test_without_key_or_funds_nothing_more_is_started_and_a_later_run_completes(
    apiyi: Program, gateway: Gateway, model: str, code: int
) -> None:
    rows = prompts(40)
    write(apiyi, [{**row, "model": model} for row in rows])
    ran = apiyi("batch rows.jsonl -o out.jsonl -j 4")
    assert ran.code == code
    assert sum(request.method == "POST" for request in gateway.ledger) <= 4 + 1
    write(apiyi, rows)
    later = apiyi("batch rows.jsonl -o out.jsonl -j 4 --resume")
    assert later.code == 0 and len(answers(read(apiyi))) == 40


def test_max_cost_without_a_price_list_is_refused(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(2))
    ran = apiyi("batch rows.jsonl --max-cost 1")
    assert ran.code == 9 and "there is no price list" in ran.err and gateway.ledger == []


def put_prices(apiyi: Program, **models: list[float | None]) -> None:
    prices = apiyi.home / "cache" / "apiyi" / "prices.json"
    prices.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    prices.write_text(json.dumps({"fetched": 1.0, "models": models}))


def test_max_cost_with_a_model_without_a_price_sends_nothing(
    apiyi: Program, gateway: Gateway
) -> None:
    put_prices(apiyi, other=[1.0, 1.0, None])
    write(apiyi, [{"prompt": "x"}, {"prompt": "y"}])
    ran = apiyi("batch rows.jsonl -o out.jsonl --max-cost 1")
    assert ran.code == 9 and gateway.ledger == []
    assert "no price for gpt-4o" in ran.err and "try: apiyi models --update" in ran.err


def test_check_prints_what_the_rows_will_cost(apiyi: Program, gateway: Gateway) -> None:
    put_prices(apiyi, **{"gpt-4o": [None, None, 0.1]})
    write(apiyi, [{"prompt": "x"}, {"prompt": "y"}])
    assert "≈ $0.2000" in apiyi("batch rows.jsonl --check").text
    assert apiyi("batch rows.jsonl --check --json").json["cost_estimate"] == 0.2
    write(apiyi, [{"prompt": "x"}, {"prompt": "y", "model": "nobody-knows"}])
    ran = apiyi("batch rows.jsonl --check")
    assert ran.code == 0 and "≈ $0.1000 + unknown" in ran.text
    assert "no price is known for nobody-knows" in ran.err
    told = apiyi("batch rows.jsonl --check --json").json
    assert told["cost_estimate"] is None and told["unpriced"] == ["nobody-knows"]
    assert gateway.ledger == []


def test_check_without_a_price_list_says_how_to_get_one(apiyi: Program) -> None:
    write(apiyi, [{"prompt": "x"}])
    ran = apiyi("batch rows.jsonl --check")
    assert ran.code == 0 and "price unknown" in ran.text and "models --update" in ran.err


def test_max_cost_stops_when_the_estimate_reaches_it(apiyi: Program, gateway: Gateway) -> None:
    prices = apiyi.home / "cache" / "apiyi" / "prices.json"
    prices.parent.mkdir(parents=True, mode=0o700)
    prices.write_text(json.dumps({"fetched": 1.0, "models": {"gpt-4o": [None, None, 0.1]}}))
    write(apiyi, prompts(20))
    ran = apiyi("batch rows.jsonl -o out.jsonl -j 1 --max-cost 0.35 --summary s.json")
    assert ran.code == 9 and "stopped by --max-cost" in ran.err
    summary = json.loads((apiyi.work / "s.json").read_bytes())
    assert summary["cost_estimate"] == pytest.approx(0.3)
    assert len(gateway.ledger) == 3


def test_rows_in_flight_cost_no_more_than_is_left(apiyi: Program, gateway: Gateway) -> None:
    put_prices(apiyi, **{"gpt-4o": [None, None, 0.1]})
    write(apiyi, prompts(60))
    line = "batch rows.jsonl -o out.jsonl -j 30 --no-limits --max-cost"
    ran = apiyi(f"{line} 1.05 --summary s.json")
    assert ran.code == 9 and "the next request would cost ≈ $0.10" in ran.err
    assert len(gateway.ledger) == 10
    assert json.loads((apiyi.work / "s.json").read_bytes())["ok"] == 10
    # Dearer by their estimate, all the same cheaper: they wait for each other's real costs.
    put_prices(apiyi, **{"gpt-4o": [0.0, 1000.0, None]})
    write(apiyi, [{**row, "max_tokens": 100} for row in prompts(60)])
    gateway.ledger.clear()
    ran = apiyi(f"{line} 0.15 --force --summary s.json")
    spent = json.loads((apiyi.work / "s.json").read_bytes())
    assert ran.code == 9 and spent["cost_estimate"] <= 0.16
    assert spent["ok"] >= 0.1 / (spent["cost_estimate"] / spent["ok"])


def test_max_time_stops_the_run_and_a_later_one_goes_on(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, [*prompts(2), {"id": "slow", "prompt": "x", "model": "fault:slow@30"}])
    ran = apiyi("batch rows.jsonl -o out.jsonl --max-time 1.5 --no-limits")
    assert ran.code == 9 and "stopped by --max-time" in ran.err
    assert set(answers(read(apiyi))) == {"r0", "r1"}
    journal = (apiyi.work / "out.jsonl.apiyi-journal").read_text()
    assert '"t":"A","id":"slow"' in journal and '"billed":true' in journal


def test_limit_ends_a_run_as_asked(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(10))
    ran = apiyi("batch rows.jsonl -o out.jsonl --limit 4 --summary s.json")
    assert ran.code == 0 and len(gateway.ledger) == 4
    summary = json.loads((apiyi.work / "s.json").read_bytes())
    assert (summary["total"], summary["ok"], summary["skipped"]) == (10, 4, 6)
    apiyi("batch rows.jsonl -o out.jsonl --limit 4")
    apiyi("batch rows.jsonl -o out.jsonl --limit 4")
    assert len(answers(read(apiyi))) == 10 == len(gateway.ledger)


def test_failures_can_have_a_file_of_their_own(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, [*prompts(2), {"id": "bad", "prompt": "x", "model": "fault:400"}])
    line = "batch rows.jsonl -o out.jsonl --errors err.jsonl"
    assert apiyi(line).code == 3
    assert set(answers(read(apiyi))) == {"r0", "r1"} and len(read(apiyi)) == 2
    assert [one["custom_id"] for one in read(apiyi, "err.jsonl")] == ["bad"]
    assert apiyi(line).code == 3 and len(gateway.ledger) == 3
    assert apiyi("batch verify out.jsonl").code == 0


def test_texts_in_a_file_are_resumed_as_well(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(4))
    assert apiyi("batch rows.jsonl -o out.txt --text --ordered --limit 2").code == 0
    with (apiyi.work / "out.txt").open("a") as file:
        file.write("torn in the mid")
    ran = apiyi("batch rows.jsonl -o out.txt --text --ordered")
    assert ran.code == 0 and len(gateway.ledger) == 4
    said = "".join(f"[sandbox] You said: question {n}\n" for n in range(4))
    assert (apiyi.work / "out.txt").read_text() == said
    assert apiyi("batch rows.jsonl -o out.txt").code == 10


def test_shards_part_the_rows_and_their_outputs_join(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(60))
    parts: list[set[str]] = []
    for k in range(3):
        assert apiyi(f"batch rows.jsonl -o part{k}.jsonl --shard {k}/3").code == 0
        parts.append(set(answers(read(apiyi, f"part{k}.jsonl"))))
    assert len(gateway.ledger) == 60 == len(parts[0] | parts[1] | parts[2])
    assert all(10 < len(part) < 30 for part in parts)
    write(apiyi, reversed(prompts(60)), "turned.jsonl")
    apiyi("batch turned.jsonl -o turned-part.jsonl --shard 3/3")
    assert set(answers(read(apiyi, "turned-part.jsonl"))) == parts[0]
    whole = b"".join((apiyi.work / f"part{k}.jsonl").read_bytes() for k in range(3))
    (apiyi.work / "whole.jsonl").write_bytes(whole)
    assert apiyi("batch verify whole.jsonl").json["rows"] == 60
    assert apiyi("batch rows.jsonl -o whole.jsonl --resume").code == 0
    assert len(gateway.ledger) == 60 + len(parts[0])


@pytest.mark.parametrize("text", ["4/3", "1/0", "1", "a/b", "-1/3"])
def test_a_shard_that_is_none_is_refused(apiyi: Program, text: str) -> None:
    write(apiyi, prompts(1))
    ran = apiyi(["batch", "rows.jsonl", f"--shard={text}"])
    assert ran.code == 2 and "--shard" in ran.err


def test_verify_finds_what_does_not_add_up(apiyi: Program) -> None:
    write(apiyi, prompts(3))
    apiyi("batch rows.jsonl -o out.jsonl")
    sound = apiyi("batch verify out.jsonl")
    assert sound.code == 0
    assert {name: sound.json[name] for name in ("records", "ok", "requests", "complete")} == {
        "records": 3,
        "ok": 3,
        "requests": 3,
        "complete": True,
    }
    path = apiyi.work / "out.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[1:]))
    missing = apiyi("batch verify out.jsonl")
    assert missing.code == 10 and "1 answers that the journal knows of" in missing.err
    path.write_bytes(whole[:-5])
    torn = apiyi("batch verify out.jsonl")
    assert torn.code == 10 and "out.jsonl:3 is no record (the last line is torn" in torn.err
    assert apiyi("batch verify nothing.jsonl").code == 2


@pytest.mark.parametrize("compacts", [0, 1, 2])
def test_an_answer_that_cannot_be_read_may_be_billed_and_asking_again_is_counted(
    apiyi: Program, gateway: Gateway, compacts: int
) -> None:
    write(apiyi, prompts(1))
    packed = b"\x8b\x06\x80hello world\x03"
    gateway.script(ScriptedReply(body=packed).replace(headers=(("content-encoding", "br"),)))
    ran = apiyi("batch rows.jsonl -o out.jsonl")
    assert ran.code == 3
    (record,) = read(apiyi)
    assert record["error"]["class"] == "rejected" and record["error"]["maybe_billed"]
    assert b64decode(record["response"]["body"]["b64_json"]) == packed
    for _ in range(compacts):
        assert apiyi("batch compact out.jsonl").code == 0
    assert apiyi("batch verify out.jsonl").json["maybe_billed_twice"] == 0
    ran = apiyi("batch rows.jsonl -o out.jsonl --retry-failed")
    assert ran.code == 0 and "possibly billed twice: 1" in ran.err
    for _ in range(2):
        assert apiyi("batch verify out.jsonl").json["maybe_billed_twice"] == 1
        assert apiyi("batch compact out.jsonl").code == 0


def test_compact_leaves_out_what_newer_records_replaced(apiyi: Program, gateway: Gateway) -> None:
    rows = [{"id": "a", "prompt": "a", "model": "fault:503*2"}, {"id": "b", "prompt": "b"}]
    write(apiyi, rows)
    for _ in range(3):
        apiyi("batch rows.jsonl -o out.jsonl --retries 0")
    assert len(read(apiyi)) == 4
    before = apiyi("batch verify out.jsonl").json
    assert before["superseded"] == 2
    assert "2 records kept, 2 left out" in apiyi("batch compact out.jsonl").err
    assert set(answers(read(apiyi))) == {"a", "b"}
    after = apiyi("batch verify out.jsonl")
    assert after.code == 0 and after.json["superseded"] == 0
    assert after.json["requests"] == before["requests"] == len(gateway.ledger)
    assert apiyi("batch rows.jsonl -o out.jsonl").code == 0 and len(gateway.ledger) == 4
    assert apiyi("batch verify out.jsonl").code == 0


def test_a_broken_line_in_the_middle_is_named_and_put_aside_on_request(
    apiyi: Program, gateway: Gateway
) -> None:
    write(apiyi, prompts(3))
    apiyi("batch rows.jsonl -o out.jsonl --ordered")
    path = apiyi.work / "out.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = b"x" + lines[1][1:]
    path.write_bytes(b"".join(lines))
    ran = apiyi("batch rows.jsonl -o out.jsonl")
    assert ran.code == 10 and "out.jsonl:2 is broken" in ran.err and len(gateway.ledger) == 3
    mended = apiyi("batch rows.jsonl -o out.jsonl --repair")
    assert mended.code == 0 and len(gateway.ledger) == 4
    found = [json.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    assert {one["custom_id"] for one in found} == {"r0", "r1", "r2"}
    assert (apiyi.work / "out.jsonl.torn").read_bytes() == lines[1]


def test_a_full_device_is_told_and_the_answers_are_rescued(apiyi: Program) -> None:
    write(apiyi, prompts(3))
    ran = apiyi("batch rows.jsonl -o /dev/full")
    assert ran.code == 11 and "No space left" in ran.err
    (rescued,) = (apiyi.home / "state" / "apiyi" / "rescue").iterdir()
    assert set(answers(parsed(rescued.read_bytes()))) <= {"r0", "r1", "r2"}
    assert str(rescued) in ran.err


def test_an_output_that_is_removed_meanwhile_is_rescued(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    write(apiyi, prompts(3))
    apiyi("batch rows.jsonl -o out.jsonl --limit 2 -j 1")
    gateway.script(
        ScriptedReply.json({"error": {"message": "later"}}, status=503).replace(delay_s=0.0)
    )
    held = ScriptedReply.json({"id": "x", "object": "chat.completion", "choices": []}).stall()
    gateway.script(held)
    process = apiyi.start("batch rows.jsonl -o out.jsonl --no-limits")
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) == 4)
    (apiyi.work / "out.jsonl").unlink()
    # The run looks once a second; what is in flight is not waited for for ever.
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM
    (rescued,) = (apiyi.home / "state" / "apiyi" / "rescue").iterdir()
    assert set(answers(parsed(rescued.read_bytes()))) == {"r0", "r1"}
    assert b"possibly" not in err


def test_a_reader_that_leaves_ends_the_run_as_a_pipe_would(apiyi: Program) -> None:
    write(apiyi, prompts(200))
    ran = apiyi.shell("apiyi batch rows.jsonl -j 8 | head -n 1; exit ${PIPESTATUS[0]}")
    assert ran.code == 128 + signal.SIGPIPE
    assert len(parsed(ran.out)) == 1 and ran.err == ""


def test_a_low_limit_of_open_files_lowers_the_number_at_once(
    apiyi: Program, gateway: Gateway
) -> None:
    write(apiyi, prompts(300))
    ran = apiyi.shell("ulimit -n 64; apiyi batch rows.jsonl -o out.jsonl -j 100 --no-limits")
    assert ran.code == 0, ran.err
    assert "at once instead of 100" in ran.err
    assert len(answers(read(apiyi))) == 300 and gateway.max_in_flight <= 64


def test_pictures_of_rows_are_saved_beside_the_output(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "o").mkdir()
    write(apiyi, [{"id": "../cat", "prompt": "a cat"}, {"id": "d", "prompt": "dogs", "n": 2}])
    line = "batch rows.jsonl -o o/out.jsonl --endpoint image -m gpt-image-1"
    assert apiyi(line).code == 0
    saved = sorted(path.name for path in (apiyi.work / "o").glob("*.png"))
    assert saved == ["_cat.png", "d-1.png", "d-2.png"]
    for record in read(apiyi, "o/out.jsonl"):
        for item in record["response"]["body"]["data"]:
            assert (apiyi.work / item["path"]).stat().st_size == item["bytes"]
            assert "b64_json" not in item
    assert apiyi(line).code == 0 and len(gateway.ledger) == 2


def test_a_picture_that_could_not_be_fetched_is_not_paid_for_again(
    apiyi: Program, gateway: Gateway
) -> None:
    write(apiyi, [{"id": "a", "prompt": "a cat"}])
    broken = ScriptedReply(status=503, content_type="text/plain")
    url = f"{gateway.origin}/files/a.png"
    gateway.script(
        ScriptedReply.json({"created": 1, "data": [{"url": url}]}), path="/images/generations"
    )
    gateway.script(broken, broken, broken, path="/files/a.png")
    line = "batch rows.jsonl -o out.jsonl --endpoint image -m flux-pro"
    first = apiyi(line)
    assert first.code == 3
    (record,) = read(apiyi)
    assert record["error"]["code"] == "not_saved" and record["error"]["maybe_billed"]
    assert record["response"]["body"]["data"][0]["url"] == url
    picture = apiyi(["image", "x", "-o", "x.png", "-m", "gpt-image-1"])
    assert picture.code == 0
    content = (apiyi.work / "x.png").read_bytes()
    gateway.script(ScriptedReply(body=content, content_type="image/png"), path="/files/a.png")
    posts = len(gateway.posts)
    second = apiyi(line)
    assert second.code == 0, second.err
    assert len(gateway.posts) == posts
    assert (apiyi.work / "a.png").read_bytes() == content


def test_no_429_comes_from_a_gateway_whose_limits_are_known(apiyi: Program, tmp_path: Path) -> None:
    from apiyi_cli.sandbox.server import GatewayLimits

    config = tmp_path / "config.toml"
    limits = "rpm = 40\ntpm = 4000\nconcurrency = 6\nwindow_s = 2\n"
    config.write_text(f"[profile.default.limits]\n{limits}")
    write(apiyi, prompts(100, max_tokens=20))
    key = apiyi.environ["APIYI_API_KEY"]
    # A busy machine is late by more than the reserve of so short a window.
    with Gateway(key=key, limits=GatewayLimits(44, 4400, 6, 2.0)) as strict:
        environ = {"APIYI_BASE_URL": strict.base_url, "APIYI_CONFIG": str(config)}
        ran = apiyi("batch rows.jsonl -o out.jsonl -j 20 --summary s.json", env=environ)
        assert ran.code == 0, ran.err
        assert [one.status for one in strict.ledger] == [200] * 100
        assert strict.max_in_flight <= 6
        assert find_best_rate([one.at for one in strict.ledger], 2.0) >= 0.8 * 40 / 2.0
    assert json.loads((apiyi.work / "s.json").read_bytes())["retries"] == 0


def test_a_storm_of_429_loses_no_row(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(40))
    stormy = ScriptedReply.error(429, "slow down", code="rate_limit_exceeded")
    gateway.script(*[stormy.replace(headers=(("retry-after", "0.1"),))] * 5)
    ran = apiyi("batch rows.jsonl -o out.jsonl -j 2 --summary s.json")
    assert ran.code == 0, ran.err
    summary = json.loads((apiyi.work / "s.json").read_bytes())
    assert summary["ok"] == 40 and summary["retries"] == 5
    assert summary["requests"] == len(gateway.ledger) == 45


def test_the_journal_is_private_and_holds_no_key(apiyi: Program) -> None:
    write(apiyi, prompts(2))
    apiyi("batch rows.jsonl -o out.jsonl")
    journal = apiyi.work / "out.jsonl.apiyi-journal"
    assert os.stat(journal).st_mode & 0o777 == 0o600
    kinds = [json.loads(line)["t"] for line in journal.read_bytes().splitlines()]
    assert kinds[0] == "H" and kinds[-1] == "E" and sorted(kinds[1:-1]) == ["D", "D", "S", "S"]


def test_two_files_or_none_are_a_mistake_in_the_line(apiyi: Program) -> None:
    for line in ("batch", "batch a b", "batch verify", "batch compact"):
        ran = apiyi(line)
        assert ran.code == 2 and "cannot run the batch" in ran.err
    gone = apiyi("batch gone.jsonl")
    assert gone.code == 2 and "cannot read gone.jsonl" in gone.err


def test_an_option_of_another_command_is_refused(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(1))
    ran = apiyi("batch rows.jsonl --endpoint embed --temperature 1")
    assert ran.code == 2 and "cannot use --temperature: apiyi embed has no such option" in ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize(("second", "code"), [('{"prompt": "two"}', 0), ("no JSON", 2)])
def test_a_spooled_pipe_leaves_no_temporary_file(apiyi: Program, second: str, code: int) -> None:
    scratch = apiyi.home / "tmp"
    scratch.mkdir()
    rows = b'{"prompt": "one"}\n' + second.encode()
    ran = apiyi("batch - --strict", stdin=rows, env={"TMPDIR": str(scratch)})
    assert ran.code == code, ran.err
    assert list(scratch.iterdir()) == []


def test_quiet_leaves_the_summary_out_unless_usage_is_asked_for(apiyi: Program) -> None:
    write(apiyi, prompts(2))
    assert apiyi("batch rows.jsonl -q").err == ""
    told = apiyi("batch rows.jsonl -q -u")
    assert told.err.startswith("apiyi: 2 rows: 2 ok") and "tokens" in told.err


def test_errors_of_a_batch_are_json_when_that_is_asked_for(apiyi: Program) -> None:
    write(apiyi, prompts(2))
    for form in ("--json", "--ndjson"):
        refused = apiyi(f"batch gone.jsonl {form}")
        assert refused.code == 2
        assert "cannot read gone.jsonl" in json.loads(refused.err)["error"]["message"]
        assert json.loads(apiyi(f"batch rows.jsonl --check {form}").out)["rows"] == 2


def test_the_help_tells_the_defaults_that_hold_for_a_batch() -> None:
    from apiyi_cli.cli.app import load_command
    from apiyi_cli.cli.command_table import COMMANDS
    from apiyi_cli.cli.help.describe import describe
    from apiyi_cli.settings.defaults import BATCH, INTERACTIVE

    for name, policy, jobs in (("batch", BATCH, "32"), ("embed", INTERACTIVE, "4")):
        told = describe(load_command(name), ("apiyi", name), COMMANDS).options
        defaults = {option.names[-1]: option.default for option in told}
        assert defaults["--retries"] == str(policy.attempts - 1)
        assert defaults["--max-retry-time"] == f"{policy.max_retry_time_s:g}"
        assert defaults["--jobs"] == jobs


def test_a_link_to_an_output_has_the_outputs_journal(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(2))
    (apiyi.work / "far").mkdir()
    (apiyi.work / "near.jsonl").symlink_to("far/out.jsonl")
    assert apiyi("batch rows.jsonl -o near.jsonl").code == 0
    assert apiyi("batch rows.jsonl -o far/out.jsonl").code == 0
    assert len(gateway.ledger) == 2
    assert apiyi("batch compact near.jsonl").code == 0
    assert (apiyi.work / "near.jsonl").is_symlink()
    assert apiyi("batch verify near.jsonl").code == 0


@pytest.mark.parametrize(
    "line",
    [
        "batch rows.jsonl -o rows.jsonl --force",
        "batch rows.jsonl -o ./rows.jsonl --resume",
        "batch rows.jsonl -o out.jsonl --errors out.jsonl",
        "batch rows.jsonl -o out.jsonl --summary rows.jsonl",
        "batch rows.jsonl --summary -",
    ],
)
def test_no_file_is_two_things_at_once(apiyi: Program, gateway: Gateway, line: str) -> None:
    write(apiyi, prompts(2))
    before = (apiyi.work / "rows.jsonl").read_bytes()
    refused = apiyi(line)
    assert refused.code == 2 and "cannot use" in refused.err
    assert (apiyi.work / "rows.jsonl").read_bytes() == before
    assert gateway.ledger == []


def test_the_summary_goes_to_stdout_when_the_records_do_not(apiyi: Program) -> None:
    write(apiyi, prompts(2))
    assert apiyi("batch rows.jsonl -o out.jsonl --summary -").json["ok"] == 2


def test_three_batches_of_one_key_get_no_429_and_95_percent_of_the_rate(
    apiyi: Program, tmp_path: Path, stopped: list[subprocess.Popen[bytes]]
) -> None:
    from apiyi_cli.sandbox.server import GatewayLimits

    rpm, window_s = 40, 4.0
    config = tmp_path / "config.toml"
    limits = f"rpm = {rpm}\ntpm = 1000000\nconcurrency = 6\nwindow_s = {window_s}\n"
    config.write_text(f"[profile.default.limits]\n{limits}")
    write(apiyi, prompts(80))
    key = apiyi.environ["APIYI_API_KEY"]
    # A busy machine is late by more than the reserve of so short a window.
    with Gateway(key=key, limits=GatewayLimits(44, 1_000_000, 6, window_s)) as strict:
        environ = {"APIYI_BASE_URL": strict.base_url, "APIYI_CONFIG": str(config)}
        for k in range(3):
            line = f"batch rows.jsonl -o out-{k}.jsonl -j 20 --shard {k}/3"
            stopped.append(apiyi.start(line, env=environ))
        for process in stopped:
            assert (process.communicate(timeout=30)[1], process.returncode)[1] == 0
        assert [one.status for one in strict.ledger] == [200] * 80
        assert strict.max_in_flight <= 6
        arrivals = sorted(one.at for one in strict.ledger)
    # The parts are not alike: while all three have rows, they use what there is.
    assert find_best_rate(arrivals[:64], window_s) >= 0.95 * rpm / window_s
