"""`--protocol`: the same question, answer and exit code in each of the three APIs."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

CLAUDE = "-m claude-opus-5 --protocol anthropic"
GEMINI = "-m gemini-3.6-flash --protocol google"
NATIVE = pytest.mark.parametrize("line", [CLAUDE, GEMINI])
ALL = pytest.mark.parametrize("line", ["-m gpt-4o", CLAUDE, GEMINI])
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = json.dumps({"name": "weather", "parameters": CITY})
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
HI: list[Any] = [{"role": "user", "content": "hi"}]
TEXT = "[sandbox] You said: hi\n"


def claude_events(*blocks: dict[str, Any], reason: str | None = "end_turn") -> list[Any]:
    """Return the events of a message whose blocks come whole, without `message_stop`."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5"}
    events: list[Any] = [{"type": "message_start", "message": {**message, "content": []}}]
    for k, block in enumerate(blocks):
        events.append({"type": "content_block_start", "index": k, "content_block": block})
        events.append({"type": "content_block_stop", "index": k})
    if reason:
        events.append({"type": "message_delta", "delta": {"stop_reason": reason}})
    return events


def text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def candidate(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **fields}]}


def test_claude_gets_the_request_of_its_own_api(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(f"chat hi {CLAUDE} --effort high --stop END")
    assert (ran.code, ran.err) == (0, "")
    sent = gateway.ledger[0]
    assert sent.path == "/v1/messages"
    assert sent.headers["anthropic-version"] == "2023-06-01"
    assert "x-api-key" in sent.headers and "authorization" not in sent.headers
    assert sent.json == {
        "model": "claude-opus-5",
        "max_tokens": 16384,
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "high"},
        "messages": HI,
        "stop_sequences": ["END"],
        "stream": True,
    }


def test_gemini_gets_the_request_of_its_own_api(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(f"chat hi {GEMINI} -s Short --effort low --max-tokens 9")
    assert (ran.code, ran.err) == (0, "")
    sent = gateway.ledger[0]
    assert sent.path == "/v1beta/models/gemini-3.6-flash:streamGenerateContent"
    assert sent.query == "alt=sse"
    assert sent.headers["authorization"].startswith("Bearer ")
    assert sent.json == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "systemInstruction": {"parts": [{"text": "Short"}]},
        "generationConfig": {
            "maxOutputTokens": 9,
            "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True},
        },
    }


@ALL
@pytest.mark.parametrize("form", ["", "--no-stream"])
def test_the_text_and_the_exit_code_are_the_same(apiyi: Program, line: str, form: str) -> None:
    ran = apiyi(f"chat hi {line} {form}")
    assert (ran.code, ran.text, ran.err) == (0, TEXT, "")


@ALL
def test_the_last_word_is_that_of_option(apiyi: Program, gateway: Gateway, line: str) -> None:
    where = "generationConfig.seed" if "google" in line else "metadata.user_id"
    ran = apiyi(f"chat hi {line} --dry-run -O {where}=7")
    inner, _, name = where.partition(".")
    assert ran.json["body"][inner] == {name: 7}
    assert gateway.ledger == []


def test_auto_takes_the_api_that_an_option_needs(apiyi: Program) -> None:
    def url(line: str) -> str:
        ran = apiyi(f"chat hi --dry-run {line}")
        assert ran.code == 0, ran.err
        return str(ran.json["url"].partition("/v1")[2])

    assert url("-m claude-opus-5") == "/chat/completions"
    assert url("-m claude-opus-5 --effort low") == "/messages"
    assert url("-m claude-opus-5 --reasoning-effort low --protocol openai") == "/chat/completions"
    assert url("-m gpt-5 --effort low") == "/chat/completions"
    assert url("-m claude-opus-5 --cache-prompt -s x") == "/messages"


def test_the_profile_may_set_the_protocol(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("config set protocol anthropic").code == 0
    assert apiyi("chat hi -m claude-opus-5").text == TEXT
    assert apiyi("respond hi -m gpt-4o").code == 0
    assert [sent.path for sent in gateway.ledger] == ["/v1/messages", "/v1/responses"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "-m gpt-4o --protocol anthropic",
            "cannot use --protocol anthropic with gpt-4o: its family has no /v1/messages, only"
            " /v1/chat/completions",
        ),
        (
            "-m gpt-4o --cache-prompt",
            "cannot use --cache-prompt with gpt-4o: its family has no /v1/messages, only"
            " /v1/chat/completions",
        ),
        ("-m claude-opus-5 --protocol google", "its family has no /v1beta/models/"),
    ],
)
def test_a_model_without_the_endpoint_is_refused_before_sending(
    apiyi: Program, gateway: Gateway, line: str, said: str
) -> None:
    ran = apiyi(f"chat hi {line}")
    assert (ran.code, ran.out) == (2, b"")
    assert said in ran.err and "--force-model" in ran.err
    assert gateway.ledger == []


def test_force_model_sends_it_all_the_same(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi -m gpt-4o --protocol anthropic --force-model --retries 0")
    assert ran.code == 5
    assert gateway.ledger[0].path == "/v1/messages"


def test_an_unknown_model_is_believed(apiyi: Program) -> None:
    ran = apiyi("chat hi -m sandbox-1 --protocol anthropic")
    assert (ran.code, ran.text) == (0, TEXT)


@pytest.mark.parametrize(
    "line", ["respond hi --protocol anthropic", "respond hi --protocol google"]
)
def test_respond_has_one_protocol(apiyi: Program, gateway: Gateway, line: str) -> None:
    ran = apiyi(line)
    assert ran.code == 2 and "apiyi chat --protocol" in ran.err
    assert gateway.ledger == []


@NATIVE
def test_json_is_the_object_of_the_protocol(apiyi: Program, gateway: Gateway, line: str) -> None:
    key = {CLAUDE: "content", GEMINI: "candidates"}[line]
    whole = apiyi(f"chat hi {line} --json").json
    joined = apiyi(f"chat hi {line} --json --stream").json
    assert key in whole
    assert joined[key] == whole[key]
    events = [json.loads(row) for row in apiyi(f"chat hi {line} --ndjson").out.splitlines()]
    assert len(events) > 2


@NATIVE
def test_usage_adds_up_as_everywhere(apiyi: Program, line: str) -> None:
    ran = apiyi(f"chat hi {line} --effort low -u")
    assert ran.code == 0
    assert "tokens" in ran.err


def test_claude_usage_counts_what_the_cache_holds(apiyi: Program, gateway: Gateway) -> None:
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 1000,
        "output_tokens": 5,
    }
    message = {"type": "message", "role": "assistant", "content": [text_block("ok")]}
    gateway.script(ScriptedReply.json({**message, "stop_reason": "end_turn", "usage": usage}))
    ran = apiyi(f"chat hi {CLAUDE} --no-stream -u")
    assert (ran.code, ran.text) == (0, "ok\n")
    assert "1103" in ran.err.replace(",", "") and "1000" in ran.err.replace(",", "")


def test_claude_is_complete_only_with_message_stop(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.sse(*claude_events(text_block("half")), named=True))
    ran = apiyi(f"chat hi {CLAUDE}")
    assert (ran.code, ran.out) == (8, b"half\n")
    events = [*claude_events(text_block("half"), reason=None), {"type": "message_stop"}]
    gateway.script(ScriptedReply.sse(*events, named=True))
    assert apiyi(f"chat hi {CLAUDE}").code == 8
    events = [*claude_events(text_block("all")), {"type": "message_stop"}]
    gateway.script(ScriptedReply.sse(*events, named=True))
    assert apiyi(f"chat hi {CLAUDE}").code == 0


def test_gemini_is_complete_with_a_finish_reason(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.sse(candidate({"text": "half"})))
    ran = apiyi(f"chat hi {GEMINI}")
    assert (ran.code, ran.out) == (8, b"half\n")
    gateway.script(ScriptedReply.sse(candidate({"text": "one"}, finishReason="STOP", index=0)))
    assert apiyi(f"chat hi {GEMINI} --n 2").code == 8


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (GEMINI, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
        (GEMINI, candidate(finishReason="PROHIBITED_CONTENT")),
        (
            CLAUDE,
            {
                "type": "message",
                "content": [],
                "stop_reason": "refusal",
                "stop_details": {"explanation": "PROHIBITED_CONTENT"},
            },
        ),
    ],
)
def test_a_refusal_is_told_in_its_own_words(
    apiyi: Program, gateway: Gateway, line: str, reply: dict[str, Any]
) -> None:
    gateway.script(ScriptedReply.json(reply))
    ran = apiyi(f"chat hi {line} --no-stream")
    assert (ran.code, ran.out) == (8, b"")
    assert "it was refused: PROHIBITED_CONTENT" in ran.err


@ALL
@pytest.mark.parametrize("form", ["", "--no-stream"])
def test_a_schema_gives_one_object(apiyi: Program, line: str, form: str) -> None:
    ran = apiyi(f"chat hi {line} --schema 'name, age int' {form}")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out).keys() == {"name", "age"}


def test_a_schema_is_offered_where_no_tool_can_be_forced(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi -m claude-fable-5 --protocol anthropic --schema 'name'")
    assert ran.code == 0, ran.err
    assert gateway.ledger[0].json["tool_choice"] == {"type": "auto"}


def test_text_beside_the_object_does_not_spoil_it(apiyi: Program, gateway: Gateway) -> None:
    call = {"type": "tool_use", "id": "t1", "name": "answer", "input": {"name": "Ann"}}
    events = claude_events(text_block("Here it is."), call, reason="tool_use")
    gateway.script(ScriptedReply.sse(*events, {"type": "message_stop"}, named=True))
    ran = apiyi(f"chat hi {CLAUDE} --schema name")
    assert (ran.code, ran.text) == (0, '{"name":"Ann"}\n')
    assert "Here it is." in ran.err


def test_an_object_that_does_not_fit_exits_8(apiyi: Program, gateway: Gateway) -> None:
    call = {"type": "tool_use", "id": "t1", "name": "answer", "input": {"name": 1}}
    events = claude_events(call, reason="tool_use")
    gateway.script(ScriptedReply.sse(*events, {"type": "message_stop"}, named=True))
    ran = apiyi(f"chat hi {CLAUDE} --schema name")
    assert (ran.code, ran.text) == (8, '{"name":1}\n')


@ALL
def test_a_tool_loop_ends_with_an_answer(apiyi: Program, gateway: Gateway, line: str) -> None:
    effort = "" if "gpt" in line else "--effort high"
    ran = apiyi(
        ["chat", "weather?", *f"{line} {effort} --yes --run weather=cat".split(), "--tool", WEATHER]
    )
    assert (ran.code, len(gateway.ledger)) == (0, 2), ran.err
    assert ran.text.startswith("[sandbox] The tool weather answered: {")


def test_thoughts_go_back_with_their_signature(apiyi: Program, gateway: Gateway) -> None:
    line = f"{CLAUDE} --effort high --yes --run weather=cat --no-stream"
    ran = apiyi(["chat", "weather?", *line.split(), "--tool", WEATHER])
    assert ran.code == 0, ran.err
    _, turn, result = gateway.ledger[1].json["messages"]
    assert [block["type"] for block in turn["content"]] == ["thinking", "tool_use"]
    assert turn["content"][0]["signature"]
    assert result["content"][0]["tool_use_id"] == turn["content"][1]["id"]


@pytest.mark.off_schema
def test_openai_turns_go_back_with_unknown_fields(apiyi: Program, gateway: Gateway) -> None:
    signature = {"google": {"thought_signature": "c2ln"}}
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "weather", "arguments": "{}"},
        "extra_content": signature,
    }
    delta = {"reasoning_content": "hm", "tool_calls": [{"index": 0, **call}]}
    gateway.script(ScriptedReply.chat(delta, finish="tool_calls"))
    line = "-m gemini-3.6-flash --yes --run weather=cat"
    ran = apiyi(["chat", "weather?", *line.split(), "--tool", WEATHER])
    assert ran.code == 0, ran.err
    turn = gateway.ledger[1].json["messages"][1]
    assert turn == {
        "role": "assistant",
        "content": None,
        "reasoning_content": "hm",
        "tool_calls": [call],
    }


def test_a_session_gives_back_the_turn_as_it_came(apiyi: Program, gateway: Gateway) -> None:
    for _ in range(2):
        ran = apiyi(f"chat hi {CLAUDE} --effort low --session s")
        assert ran.code == 0, ran.err
    turn = gateway.ledger[1].json["messages"][1]
    assert [block["type"] for block in turn["content"]] == ["thinking", "text"]
    ran = apiyi("chat hi -m gpt-4o --session s")
    assert ran.code == 0
    assert gateway.ledger[2].json["messages"][1] == {
        "role": "assistant",
        "content": '[sandbox] You said: hi\nOptions: output_config={"effort":"low"}',
    }
    assert apiyi("respond hi -m gpt-4o --session s").code == 0
    assert b"native" not in gateway.ledger[3].body
    assert apiyi(f"chat hi {GEMINI} --session s").code == 0


def test_the_prompt_is_marked_for_the_cache(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "book.txt").write_text("long " * 1000)
    ran = apiyi("chat why? -m claude-opus-5 --cache-prompt -s Short -f book.txt")
    assert (ran.code, ran.err) == (0, "")
    body = gateway.ledger[0].json
    mark = {"cache_control": {"type": "ephemeral"}}
    assert body["system"] == [{"type": "text", "text": "Short", **mark}]
    book, question = body["messages"][0]["content"]
    assert book == {"type": "text", "text": ("long " * 1000), **mark}
    assert question["text"].strip() == "why?"


def test_a_prompt_that_is_too_short_for_the_cache_is_said(apiyi: Program) -> None:
    ran = apiyi("chat hi -m claude-opus-5 --cache-prompt -s Short --dry-run")
    assert ran.code == 0
    assert "too short to be cached" in ran.err and "claude-opus-5 needs 512" in ran.err
    ran = apiyi("chat hi -m claude-opus-5 --cache-prompt --dry-run")
    assert "nothing is marked for the cache" in ran.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{CLAUDE} --temperature 0", "claude-opus-5 is known to refuse temperature"),
        (f"{CLAUDE} --seed 1", "seed is left out: /v1/messages has no such field"),
        (f"{GEMINI} --user me", "user is left out: generateContent has no such field"),
        ("-m deepseek-v4-flash --n 2", "is known to ignore n"),
        ("-m claude-sonnet-4-6 --effort max", "is known to take --effort low, medium, high only"),
    ],
)
def test_what_a_family_does_not_take_is_said_with_dry_run(
    apiyi: Program, line: str, said: str
) -> None:
    ran = apiyi(f"chat hi {line} --dry-run")
    assert ran.code == 0
    assert said in ran.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{CLAUDE} --n 2", "/v1/messages gives one"),
        (f"{GEMINI} --cache-prompt", "cannot use --cache-prompt with --protocol google"),
        ("-m gpt-4o --protocol grpc", "none of auto, openai, anthropic, google"),
    ],
)
def test_what_a_protocol_cannot_do_is_refused(
    apiyi: Program, gateway: Gateway, line: str, said: str
) -> None:
    ran = apiyi(f"chat hi {line}")
    assert ran.code == 2 and said in ran.err
    assert gateway.ledger == []


def test_models_of_three_protocols_are_compared(apiyi: Program) -> None:
    ran = apiyi("chat hi -m claude-opus-5 -m gpt-5 --effort low")
    assert ran.code == 0, ran.err
    rows = [json.loads(row) for row in ran.out.splitlines()]
    assert {row["model"] for row in rows} == {"claude-opus-5", "gpt-5"}
    assert all(row["text"].startswith("[sandbox] You said: hi") for row in rows)


def test_a_picture_of_gemini_is_kept(apiyi: Program, gateway: Gateway) -> None:
    part = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    gateway.script(ScriptedReply.sse(candidate(part, finishReason="STOP")))
    ran = apiyi(f"chat 'a cat' {GEMINI}")
    assert ran.code == 0, ran.err
    assert Path(ran.text.strip()).read_bytes() == b64decode(PIXEL)


def rows_of(ran: Any) -> list[dict[str, Any]]:
    return [json.loads(row) for row in ran.out.splitlines()]


MESSAGE_ROW = {
    "custom_id": "a",
    "url": "/v1/messages",
    "body": {"model": "claude-opus-5", "max_tokens": 50, "messages": HI, "metadata": {"x": 1}},
}
GENERATE_ROW = {
    "custom_id": "b",
    "url": "/v1beta/models/gemini-3.6-flash:generateContent",
    "body": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}


def test_batch_rows_of_other_protocols_are_sent_and_stream_underneath(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "rows.jsonl").write_text(f"{json.dumps(MESSAGE_ROW)}\n{json.dumps(GENERATE_ROW)}")
    for options in ("", "--no-stream"):
        ran = apiyi(f"batch rows.jsonl --ordered {options}")
        assert ran.code == 0, ran.err
        message, response = (row["response"]["body"] for row in rows_of(ran))
        assert message["content"] == [{"type": "text", "text": TEXT.strip()}]
        assert response["candidates"][0]["finishReason"] == "STOP"
    streamed = {request.path: request for request in gateway.ledger[:2]}
    assert streamed["/v1/messages"].json.pop("stream") is True
    assert streamed["/v1/messages"].json == MESSAGE_ROW["body"]
    url = str(GENERATE_ROW["url"]).replace(":generate", ":streamGenerate")
    assert streamed[url].json == GENERATE_ROW["body"]
    sent = {request.path: request for request in gateway.ledger[2:]}
    assert sent["/v1/messages"].json == MESSAGE_ROW["body"]
    assert sent["/v1/messages"].headers["anthropic-version"] == "2023-06-01"
    assert sent[str(GENERATE_ROW["url"])].json == GENERATE_ROW["body"]


def test_a_batch_row_without_a_stop_reason_is_no_answer(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "rows.jsonl").write_text(json.dumps(MESSAGE_ROW))
    message = {"type": "message", "content": [text_block("half")], "stop_reason": None}
    gateway.script(ScriptedReply.json(message))
    ran = apiyi("batch rows.jsonl --retries 0")
    assert ran.code == 3
    assert rows_of(ran)[0]["error"]["code"] != ""


def test_short_batch_rows_take_the_protocol(apiyi: Program, gateway: Gateway) -> None:
    line = "batch - --lines -m claude-opus-5 --protocol anthropic --schema name --text"
    ran = apiyi(line, stdin=b"Ann\n")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out).keys() == {"name"}
    assert gateway.ledger[0].path == "/v1/messages"


def test_api_adds_what_messages_needs(apiyi: Program, gateway: Gateway) -> None:
    body = json.dumps({"model": "claude-opus-5", "max_tokens": 50, "messages": HI})
    for line in ("api messages --input -", "api /v1/messages --input -"):
        ran = apiyi(line, stdin=body.encode())
        assert ran.code == 0, ran.err
        assert ran.json["stop_reason"] == "end_turn"
    sent = gateway.ledger[0]
    assert sent.headers["anthropic-version"] == "2023-06-01" and "x-api-key" in sent.headers
    assert sent.body == body.encode()
    ran = apiyi("api messages --input - -H 'anthropic-version: 2026-10-21'", stdin=body.encode())
    assert gateway.ledger[-1].headers["anthropic-version"] == "2026-10-21"


def test_a_refused_field_names_the_option_that_was_given(apiyi: Program) -> None:
    ran = apiyi(f"chat hi {CLAUDE} --temperature 0")
    assert ran.code == 6
    assert "leave out --temperature" in ran.err
    ran = apiyi(f"chat hi {CLAUDE} -O logprobs=true")
    assert ran.code == 6
    assert "leave out -O logprobs" in ran.err
    ran = apiyi("chat hi -m gpt-5 --stop x")
    assert ran.code == 6
    assert "leave out --stop" in ran.err


def test_a_fixed_budget_of_the_newest_claude_is_refused(apiyi: Program) -> None:
    thinking = '{"type":"enabled","budget_tokens":1024}'
    ran = apiyi(["chat", "hi", *CLAUDE.split(), "-O", f"thinking={thinking}"])
    assert ran.code == 6
    assert '"thinking.type.enabled" is not supported for this model' in ran.err


@pytest.mark.parametrize(
    "language", ["curl", "requests", "node", "java", "csharp", "go", "php", "ruby"]
)
def test_programs_send_the_key_of_the_protocol(apiyi: Program, language: str) -> None:
    ran = apiyi(f"chat hi {CLAUDE} --code {language}")
    assert ran.code == 0
    assert "/v1/messages" in ran.text
    assert "x-api-key" in ran.text and "Bearer" not in ran.text
    assert "anthropic-version" in ran.text


def test_a_program_of_the_shell_gets_an_answer(apiyi: Program) -> None:
    for line in (CLAUDE, GEMINI):
        ran = apiyi.shell(f"apiyi chat hi {line} --no-stream --code curl | bash")
        assert ran.code == 0, ran.err
        assert "You said: hi" in ran.text


@pytest.mark.parametrize(
    ("fault", "code"), [("html", 6), ("nothing", 8), ("cut@1", 8), ("500", 5), ("filter", 8)]
)
@pytest.mark.parametrize("form", ["", "--json"])
def test_faults_of_googles_protocol_have_their_exit_codes(
    apiyi: Program, fault: str, code: int, form: str
) -> None:
    ran = apiyi(f"chat -m fault:{fault} --protocol google --retries 0 {form} hi")
    assert ran.code == code, ran.err


@pytest.mark.parametrize(
    "line",
    [
        "-m claude-opus-5 --protocol anthropic",
        "-m claude-opus-5 --cache-prompt",
        "-m gemini-3.6-flash --protocol google",
        "-m gpt-4o",
    ],
)
def test_a_program_reads_large_files_itself_in_every_protocol(
    apiyi: Program, gateway: Gateway, line: str
) -> None:
    (apiyi.work / "long.txt").write_text("a long text\n" * 1000)
    (apiyi.work / "rules.txt").write_text("a long rule\n" * 1000)
    (apiyi.work / "large.png").write_bytes(b64decode(PIXEL) + bytes(9000))
    asked = f"chat hi {line} -s @rules.txt -f long.txt -a large.png --no-stream"
    ran = apiyi(f"{asked} --code requests")
    assert (ran.code, ran.err) == (0, "")
    assert "a long text" not in ran.text and "a long rule" not in ran.text
    assert len(ran.text) < 5000
    (apiyi.work / "program.py").write_bytes(ran.out)
    words = [sys.executable, "program.py"]
    done = subprocess.run(words, cwd=apiyi.work, env=apiyi.environ, capture_output=True, check=True)
    sent = gateway.ledger[0]
    assert sent.json == apiyi(f"{asked} --dry-run").json["body"]
    assert b"[sandbox] You said: a long text" in done.stdout


def test_a_program_saves_the_pictures_of_gemini(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("image cat -m gemini-3-pro-image --code python")
    assert ran.code == 0, ran.err
    (apiyi.work / "program.py").write_bytes(ran.out)
    words = [sys.executable, "program.py"]
    done = subprocess.run(words, cwd=apiyi.work, env=apiyi.environ, capture_output=True, check=True)
    assert b"image-1.png" in done.stdout
    assert (apiyi.work / "image-1.png").read_bytes().startswith(b"\x89PNG")
