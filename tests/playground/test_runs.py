"""What the page sends is run by the program itself; its end is the child's end."""

from __future__ import annotations

import json
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.sandbox.server import Gateway
from tests.conftest import LIMIT_S, MODEL, Program
from tests.playground.client import Playground, text_of
from tests.test_readme import picture

HISTORY = "state/apiyi/playground/history.ndjson"


def until(done: object, *, limit_s: float = LIMIT_S) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + limit_s
    while not done():  # type: ignore[operator]
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.02)


def children(playground: Playground) -> list[int]:
    """Return the numbers of the requests' processes."""
    found: list[int] = []
    for tasks in Path(f"/proc/{playground.pid}/task").glob("*/children"):
        found += map(int, tasks.read_text().split())
    return [pid for pid in found if b"-P\0-m\0apiyi_cli" in read_line(pid)]


def read_line(pid: int) -> bytes:
    """Return the command line of a process, empty if it has ended meanwhile."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def history(started: Program) -> list[dict[str, object]]:
    path = started.home / HISTORY
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_an_answer_streams_with_its_meaning_and_its_end(
    playground: Playground, started: Program
) -> None:
    events = playground.run(command="chat", prompt="hello", options={"temperature": "0.5"})
    answer = "[sandbox] You said: hello\nOptions: temperature=0.5"
    assert text_of(events) == answer
    names = [name for name, _ in events]
    assert names[0] == "begin" and names[-1] == "end"
    begin, end = events[0][1], events[-1][1]
    assert begin["line"]["bash"] == "apiyi chat --temperature=0.5 -- hello"
    assert "--ndjson --verbose" in begin["executed"]
    assert (end["exit"], end["name"], end["status"], end["billed"]) == (0, "ok", 200, "")
    assert end["usage"]["completion"] and 0 < end["first_ms"] <= end["ms"]
    times = [data["ms"] for name, data in events if name == "line"]
    assert times == sorted(times) and len(times) > 3
    (entry,) = history(started)
    assert (entry["prompt"], entry["exit"], entry["text"]) == (*("hello", 0, answer),)
    assert stat.S_IMODE((started.home / HISTORY).stat().st_mode) == 0o600
    assert stat.S_IMODE((started.home / HISTORY).parent.stat().st_mode) == 0o700


def test_answers_of_every_protocol_have_the_same_events(playground: Playground) -> None:
    asked: list[dict[str, Any]] = [
        {"command": "respond"},
        {"command": "complete", "options": {"model": "gpt-3.5-turbo-instruct"}},
        {"options": {"model": ["claude-opus-5"], "protocol": "anthropic"}},
        {"options": {"model": ["gemini-3.6-flash"], "protocol": "google"}},
        {"options": {"n": "2"}},
        {"options": {"stream": False}},
    ]
    for request in asked:
        events = playground.run(**{"command": "chat", "prompt": "hello", **request})
        assert "hello" in text_of(events) and events[-1][1]["exit"] == 0, request
        assert events[-1][1]["usage"]["completion"], request
    tool = '{"name": "now", "parameters": {"type": "object"}}'
    events = playground.run(command="chat", prompt="What time?", options={"tool": [tool]})
    assert [data["name"] for name, data in events if name == "call"] == ["now"]
    events = playground.run(command="embed", stdin="a\nb\n", options={"lines": True})
    vectors = [json.loads(data["text"]) for name, data in events if name == "line"]
    assert [row["text"] for row in vectors] == ["a", "b"] and events[0][1]["line"]["bash"] == (
        "apiyi embed --lines <<'EOF'\na\nb\nEOF"
    )
    events = playground.run(command="models", prompt="show gpt-4o")
    lines = [data["text"] for name, data in events if name == "line"]
    assert json.loads(lines[-1])["id"] == "gpt-4o"
    events = playground.run(command="api", prompt="models", method="GET")
    assert events[0][1]["line"]["bash"] == "apiyi api -- GET models"
    assert events[-1][1]["exit"] == 0


@pytest.mark.off_schema
def test_a_preview_gives_its_slot_to_a_request(playground: Playground) -> None:
    stalled = {"command": "chat", "prompt": "x", "options": {"model": ["fault:stall@3"]}}
    running = [playground.begin(**stalled) for _ in range(3)]
    slow = threading.Thread(target=playground.get, args=("/api/models",), daemon=True)
    slow.start()
    until(lambda: len(children(playground)) == 4)
    assert playground.run(command="chat", prompt="now")[-1][1]["exit"] == 0
    slow.join(LIMIT_S)
    for own in running:
        own.close()
    until(lambda: not children(playground))


def test_a_history_that_was_damaged_is_read_as_far_as_it_goes(
    playground: Playground, started: Program
) -> None:
    path = started.home / HISTORY
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"id": "0", "prompt": "old"}\n[1]\n{"id": "1", "pro')
    assert [entry["prompt"] for entry in playground.get("/api/history").value["entries"]] == ["old"]
    assert playground.post("/api/history/export", {"id": "9", "form": "sh"}).status == 404
    assert playground.post("/api/history/export", {"id": "0", "form": "x"}).status == 400
    assert playground.post("/api/history/delete", {"id": ""}).status == 400
    assert playground.get("/kept/0/x").status == playground.get("/made/0/x").status == 404


def test_an_error_is_the_command_lines_own_in_the_language_of_the_page(
    playground: Playground,
) -> None:
    value = {"command": "chat", "prompt": "x", "options": {"temperature": "9"}}
    for lang, words in (("en", "9.0 is not between 0 and 2"), ("zh", "9.0 不在 0 到 2 之间")):
        answered = playground.post("/api/run", {"mode": "run", "request": value, "lang": lang})
        end = json.loads(answered.body.decode().rpartition("data: ")[2])
        assert end["exit"] == 2 and words in end["error"]["message"]
    end = playground.run(
        command="chat", prompt="x", options={"model": ["fault:429*9"], "retries": "0"}
    )[-1][1]
    assert (end["exit"], end["name"], end["error"]["status"]) == (5, "temporary", 429)
    assert end["error"]["hint"] and end["again"] == "free"
    end = playground.run(command="speak", prompt="x", options={"speed": "99"})[-1][1]
    assert end["exit"] == 2 and "not between" in end["error"]["message"]


def test_the_other_tabs_are_dry_run_and_code_of_the_same_line(playground: Playground) -> None:
    events = playground.run("dry-run", command="chat", prompt="hi", options={"seed": "7"})
    shown = next(json.loads(data["text"]) for name, data in events if name == "line")
    assert (shown["method"], shown["body"]["seed"]) == ("POST", 7)
    assert shown["headers"]["Authorization"] == "Bearer ***"
    events = playground.run("code", command="chat", prompt="hi", language="go")
    code = "\n".join(data["text"] for name, data in events if name == "line")
    assert "package main" in code and '"hi"' in code
    assert playground.get("/api/history").value["entries"] == []


def test_the_code_of_every_language_is_what_code_prints(
    playground: Playground, apiyi: Program
) -> None:
    prompt = 'it\'s\n"two" lines: 你好 $HOME `x`'
    languages = playground.get("/api/schema").value["languages"]
    assert len(languages) == 9
    for language in languages:
        options = {"seed": "7", "schema": "name, age int"}
        asked = {"command": "chat", "prompt": prompt, "options": options, "language": language}
        events = playground.run("code", **asked)
        shown = "".join(f"{data['text']}\n" for name, data in events if name == "line")
        line = ["chat", "--seed=7", "--schema=name, age int", f"--code={language}", "--", prompt]
        assert shown == apiyi(line).text, language


def test_uploads_go_into_the_run_and_nothing_that_is_made_is_lost(
    playground: Playground, started: Program, gateway: Gateway
) -> None:
    sent = playground.upload("..%2Fsecret/ph%C3%B6to.png", picture())
    assert (sent["name"], sent["type"]) == ("phöto.png", "image/png")
    playground.run(command="chat", prompt="?", files={"attach": [sent["id"]]})
    assert "data:image/png;base64," in json.dumps(gateway.ledger[-1].json)
    end = playground.run(command="image", prompt="a cat")[-1][1]
    (name,) = end["files"]
    events = playground.run(command="speak", prompt="hello")
    begin, end = events[0][1], events[-1][1]
    assert end["files"] == ["speech.mp3"]
    heard = playground.get(f"/made/{begin['id']}/speech.mp3")
    assert heard.header("Content-Type") == "audio/mpeg" and len(heard.body) > 1000
    assert "sandbox" in heard.header("Content-Security-Policy")
    newest, middle, _ = playground.get("/api/history").value["entries"]
    assert playground.get(f"/kept/{newest['id']}/speech.mp3").body == heard.body
    assert playground.get(f"/kept/{middle['id']}/{name}").header("Content-Type") == "image/png"
    playground.post("/api/upload/drop", {"id": sent["id"]})
    gone = playground.post(
        "/api/run",
        {"mode": "run", "request": {"command": "chat", "files": {"attach": [sent["id"]]}}},
    )
    assert gone.status == 400 and "is gone" in gone.value["error"]["message"]
    lines = {"Content_Length": str((100 << 20) + 1), "Content_Type": "application/octet-stream"}
    assert playground.raw(playground.request("POST", "/api/upload", **lines)).status == 413


def test_an_uploaded_program_is_not_run(playground: Playground, started: Program) -> None:
    trap = b"open('trapped', 'w').close(); raise SystemExit(99)\n"
    names = ("typer.py", "apiyi_cli.py", "sitecustomize.py", "orjson.py")
    ids = [playground.upload(name, trap)["id"] for name in names]
    events = playground.run(command="chat", prompt="?", files={"file": ids})
    assert events[-1][1]["exit"] == 0 and "trapped" in text_of(events)
    assert events[-1][1]["files"] == []


@pytest.mark.off_schema
def test_a_tab_closed_in_mid_stream_ends_its_child_and_may_be_billed(
    playground: Playground, started: Program
) -> None:
    own = playground.begin(command="chat", prompt="long", options={"model": ["fault:stall@5"]})
    assert len(children(playground)) == 1
    own.close()
    until(lambda: not children(playground))
    until(lambda: history(started))
    (entry,) = history(started)
    assert entry["stopped"] and entry["billed"] == "maybe" and "[sandbox]" in str(entry["text"])
    assert entry["billing"] == "it may have been billed"
    shown = playground.get("/api/history").value["entries"]
    assert shown[0]["billed"] == "maybe"


@pytest.mark.off_schema
def test_four_requests_run_and_the_fifth_is_refused(playground: Playground) -> None:
    stalled = {"command": "chat", "prompt": "x", "options": {"model": ["fault:stall@3"]}}
    running = [playground.begin(**stalled) for _ in range(4)]
    fifth = playground.post("/api/run", {"mode": "run", "request": stalled})
    assert fifth.status == 429 and "four requests" in fifth.value["error"]["message"]
    preview = playground.post("/api/run", {"mode": "dry-run", "request": stalled})
    assert preview.status == 429
    assert len(children(playground)) == 4
    running.pop().close()
    # The slot is free a moment after the child is gone.
    fine = {"mode": "run", "request": {"command": "chat", "prompt": "now"}}
    until(lambda: playground.post("/api/run", fine).status == 200)
    for own in running:
        own.close()
    until(lambda: not children(playground))


def test_the_history_is_searched_exported_and_deleted(
    playground: Playground, started: Program, apiyi: Program
) -> None:
    playground.run(command="chat", prompt="the first", options={"model": [MODEL]})
    playground.run(command="embed", prompt="second", options={})
    entries = playground.get("/api/history?q=first").value["entries"]
    assert [entry["prompt"] for entry in entries] == ["the first"]
    id = entries[0]["id"]

    def export(form: str) -> str:
        answered = playground.post("/api/history/export", {"id": id, "form": form})
        assert answered.status == 200, answered
        return str(answered.value["text"])

    line = f"apiyi chat --model={MODEL} -- 'the first'"
    assert export("sh") == f"#!/usr/bin/env bash\nset -euo pipefail\n\n{line}\n"
    assert export("http").startswith("POST http://127.0.0.1:")
    assert "Authorization: Bearer {{apiyi_key}}" in export("http")
    row = json.loads(export("batch"))
    assert row["url"] == "/v1/chat/completions" and row["body"]["model"] == MODEL
    (started.work / "row.jsonl").write_text(export("batch"))
    assert apiyi("batch row.jsonl --text").out == b"[sandbox] You said: the first\n"
    playground.post("/api/history/delete", {"id": id})
    assert [entry["prompt"] for entry in history(started)] == ["second"]
    playground.post("/api/history/delete", {"id": "*"})
    assert history(started) == []


def test_the_page_hears_of_profiles_models_and_keys_but_no_key(playground: Playground) -> None:
    schema = playground.get("/api/schema?lang=zh").value
    assert schema["profiles"] == ["default", "sandbox"] and schema["words"]["Send"] == "发送"
    chat = schema["commands"][0]
    options = {item["name"]: item for part in chat["sections"] for item in part["options"]}
    assert (options["temperature"]["low"], options["temperature"]["high"]) == (0, 2)
    assert options["model"]["value"] == MODEL and "APIYI_MODEL" in options["model"]["origin"]
    assert options["protocol"]["choices"][0] == "auto"
    assert options["max_tokens"]["wire"] == "max_tokens" and options["attach"]["file"]
    status = playground.get("/api/status").value
    assert status["key"] == "…3c2a" and status["source"]
    models = {row["id"]: row for row in playground.get("/api/models").value["models"]}
    assert "chat" in models["text-embedding-3-small"]["unfit"] and not models[MODEL]["unfit"].count(
        "chat"
    )
    unknown = playground.get("/api/schema?profile=nobody")
    assert unknown.status == 400 and "there is no profile" in unknown.value["error"]["message"]


def test_what_an_answer_cost_is_known_from_the_price_list(
    playground: Playground, apiyi: Program
) -> None:
    assert apiyi("models --update").code == 0
    shown = playground.run("dry-run", command="chat", prompt="hello")[-1][1]
    end = playground.run(command="chat", prompt="hello")[-1][1]
    assert 0 < end["cost"] <= shown["estimate"]
    assert playground.get("/api/today").value["usd"] == pytest.approx(end["cost"])
    (entry,) = playground.get("/api/history").value["entries"]
    assert (entry["model"], entry["cost"]) == (MODEL, end["cost"])
    models = {row["id"]: row for row in playground.get("/api/models").value["models"]}
    assert models[MODEL]["price"][:2] == [2.5, 10.0]


def test_max_cost_bounds_the_day(started: Program, apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("models --update").code == 0
    page = Playground.started(started.start("playground --no-open --max-cost 0.000001"))
    page.open()
    end = page.run(command="chat", prompt="x" * 100, options={"model": [MODEL]})[-1][1]
    assert (end["exit"], end["name"]) == (9, "limit")
    # What the page asks for itself cannot lift it.
    options = {"model": [MODEL], "max_cost": "100"}
    assert page.run(command="chat", prompt="x" * 100, options=options)[-1][1]["exit"] == 9
    page.close()
    assert not [entry for entry in gateway.ledger if entry.method == "POST"]
