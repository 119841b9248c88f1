"""What `apiyi chat` prints, in each of its forms, and where."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from apiyi_cli.sandbox.scripted_reply import DONE, ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

HOSTILE = "\x1b]52;c;AAAA\x07\x1b[2J\x9b\u202e\0"
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def whole(text: str | None, finish: str = "stop", **message: Any) -> ScriptedReply:
    """Return an answer in one piece."""
    said = {"role": "assistant", "content": text, **message}
    choice = {"index": 0, "message": said, "finish_reason": finish}
    return ScriptedReply.json(
        {"id": "c1", "object": "chat.completion", "choices": [choice], "usage": USAGE}
    )


@pytest.mark.parametrize(
    ("text", "options", "printed"),
    [
        ("ends", "", b"ends\n"),
        ("ends\n", "", b"ends\n"),
        ("ends\n\n", "", b"ends\n\n"),
        ("ends", "--no-newline", b"ends"),
        ("ends\n", "--no-newline", b"ends\n"),
        ("  a\r\nb", "", b"  a\r\nb\n"),
        ("list[int] arr[0] [/x] [red] :smile:", "", b"list[int] arr[0] [/x] [red] :smile:\n"),
        (HOSTILE, "", f"{HOSTILE}\n".encode()),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_text_in_a_pipe_is_exact_and_ends_in_a_newline(
    apiyi: Program, gateway: Gateway, text: str, options: str, printed: bytes, stream: str
) -> None:
    gateway.script(ScriptedReply.chat(*text) if stream == "--stream" else whole(text))
    ran = apiyi(f"chat hi {stream} {options}")
    assert ran == (0, printed, "")


CHUNKS = (
    b'{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"x":1.10}',
    b'{ "id" : "c", "choices":[{"index":0,"delta":{"content":"\\u0041\xe2\x80\xa8"}}]}',
    b'{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    b'{"id":"c","choices":[],"usage":{"prompt_tokens":12345678901234567890123}}',
)


def test_ndjson_is_the_servers_chunks_verbatim_a_line_each(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply.sse(*CHUNKS, DONE, pings=1))
    assert apiyi("chat hi --ndjson") == (0, b"".join(chunk + b"\n" for chunk in CHUNKS), "")


def test_ndjson_of_an_answer_in_one_piece_is_that_piece(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(whole("hi"))
    ran = apiyi("chat hi --ndjson --no-stream")
    assert ran.json["choices"][0]["message"]["content"] == "hi"
    assert ran.out.count(b"\n") == 1


def test_json_is_the_servers_object_verbatim_on_one_line(apiyi: Program, gateway: Gateway) -> None:
    body = (
        b'\xef\xbb\xbf\n{ "id":"c1", "created":1.10,\r\n "logprob":-0.12345678901234567,'
        b'"big":123456789012345678901234567890, "choices":[{"index":0,"message":'
        b'{"role":"assistant","content":"\\u4e2d\xe4\xb8\xad"},"finish_reason":"stop"}] }\n'
    )
    gateway.script(ScriptedReply(body=body))
    line = body.removeprefix(b"\xef\xbb\xbf").translate(None, b"\r\n") + b"\n"
    assert apiyi("chat hi --json") == (0, line, "")


def test_json_with_a_stream_is_put_together_from_the_chunks(
    apiyi: Program, gateway: Gateway
) -> None:
    streamed = apiyi("chat hi --json --stream --n 2 -m deepseek-r1").json
    at_once = apiyi("chat hi --json --n 2 -m deepseek-r1").json
    for answer in (streamed, at_once):
        del answer["id"]
        for choice in answer["choices"]:
            choice.pop("logprobs", None)
            choice["message"].pop("refusal", None)
    assert streamed == at_once


def test_a_stream_that_was_cut_still_gives_its_object(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("one ", "two", "three").cut(3))
    ran = apiyi("chat hi --json --stream --retries 0")
    assert ran.code == 8
    assert ran.json["choices"][0]["message"]["content"] == "one two"
    assert json.loads(ran.err)["error"]["exit_code"] == 8


def test_jq_filters_the_object_and_each_chunk(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("chat hi --jq .choices[0].message.content").out == b"[sandbox] You said: hi\n"
    assert apiyi("chat hi --json --jq '.usage|keys[0:2]|.[]'").code == 0
    ran = apiyi("chat hi --ndjson --jq '.choices[0].delta.content // empty'")
    assert ran.out.replace(b"\n", b"") == b"[sandbox] You said: hi"
    assert ran.out.count(b"\n") > 2


def test_without_the_jq_package_the_extra_is_named_before_anything_is_sent(
    apiyi: Program, gateway: Gateway
) -> None:
    # Beside the working directory nothing is on the path before the installed packages.
    stub = apiyi.home / "stub"
    stub.mkdir()
    (stub / "jq.py").write_text("raise ImportError\n")
    ran = apiyi("chat hi --jq .", env={"PYTHONPATH": str(stub)})
    assert ran.code == 10
    assert "apiyi-cli[jq]" in ran.err
    assert gateway.ledger == []


def test_a_filter_that_does_not_fit_the_answer_is_no_success(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi("chat hi --jq '.choices.x'")
    assert (ran.code, ran.out) == (8, b"")
    assert "cannot be applied" in ran.err


def test_output_goes_to_a_file_whole_and_never_over_another(
    apiyi: Program, gateway: Gateway
) -> None:
    target = apiyi.work / "out.txt"
    assert apiyi("chat hi -o out.txt") == (0, b"", "")
    assert target.read_text() == "[sandbox] You said: hi\n"
    sent = len(gateway.ledger)
    again = apiyi("chat ho -o out.txt")
    assert (again.code, len(gateway.ledger)) == (11, sent)
    assert "out.txt: it exists" in again.err and "--force" in again.err
    assert apiyi("chat ho -o out.txt --force").code == 0
    assert target.read_text() == "[sandbox] You said: ho\n"
    assert [path.name for path in apiyi.work.iterdir()] == ["out.txt"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("chat hi -o no/where", "no directory"),
        ("embed hi -o .", "a directory"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_anything_is_sent(
    apiyi: Program, gateway: Gateway, line: str, why: str
) -> None:
    ran = apiyi(line)
    assert (ran.code, gateway.ledger) == (11, [])
    assert why in ran.err


def test_a_dash_as_output_is_stdout(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("chat hi -o -").out == b"[sandbox] You said: hi\n"


def test_a_cut_answer_leaves_no_file_but_is_kept(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("one ", "two").cut(2))
    ran = apiyi("chat hi -o out.txt --retries 0")
    assert ran.code == 8
    assert not (apiyi.work / "out.txt").exists()
    assert [path.name for path in apiyi.work.iterdir()] == []
    (kept,) = (apiyi.home / "state" / "apiyi" / "rescue").iterdir()
    assert kept.read_text() == "one \n"
    assert str(kept) in ran.err


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Here:\n```python\nprint(1)\n```\nand\n```\n2\n```\n", b"print(1)\n"),
        ("no block here", b"no block here\n"),
        ("~~~\na\n```\nb\n~~~", b"a\n```\nb\n"),
        ("```\nnever closed", b"never closed\n"),
        ("- item\n  ```sh\n  ls\n  ```\n", b"ls\n"),
        ("a ```js\nx=1\n``` b", b"a ```js\nx=1\n``` b\n"),
        ("```\n\n```\n```\n\nx\n```", b"\nx\n"),
        ("```\n```", b"```\n```\n"),
    ],
)
def test_extract_prints_the_first_block_else_all(
    apiyi: Program, gateway: Gateway, text: str, printed: bytes
) -> None:
    gateway.script(ScriptedReply.chat(*text))
    assert apiyi("chat hi -x") == (0, printed, "")


def test_several_answers_follow_each_other_a_blank_line_between(
    apiyi: Program, gateway: Gateway
) -> None:
    options = "\nOptions: n=3"
    ran = apiyi("chat hi --n 3")
    assert ran.text.split("\n\n") == [
        f"[sandbox] You said: hi{options}",
        f"[sandbox] (answer 2) You said: hi{options}",
        f"[sandbox] (answer 3) You said: hi{options}\n",
    ]
    assert apiyi("chat hi --n 3 --no-stream").out == ran.out
    assert apiyi("chat hi -O n=3").out == ran.out


def test_one_of_several_answers_that_is_not_finished_is_a_cut(
    apiyi: Program, gateway: Gateway
) -> None:
    def chunk(index: int, text: str, finish: str | None) -> dict[str, Any]:
        delta = {"content": text}
        return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}

    gateway.script(ScriptedReply.sse(chunk(0, "a", "stop"), chunk(1, "b", None), DONE))
    ran = apiyi("chat hi --n 2 --retries 0")
    assert (ran.code, ran.out) == (8, b"a\n\nb\n")
    assert "1 of 2 choices are complete" in ran.err


def test_reasoning_never_stands_on_stdout_or_in_a_pipe(apiyi: Program, gateway: Gateway) -> None:
    thought = {"reasoning_content": "let me think"}
    gateway.script(ScriptedReply.chat(thought, "answer"), whole("answer", **thought))
    assert apiyi("chat hi") == (0, b"answer\n", "")
    assert apiyi("chat hi --no-stream") == (0, b"answer\n", "")


def test_reasoning_is_dim_on_a_terminal_unless_it_is_hidden(
    apiyi: Program, gateway: Gateway
) -> None:
    thought = {"reasoning_content": "let me\x1b[2J think"}
    gateway.script(*[ScriptedReply.chat(thought, "answer")] * 3)
    seen = apiyi.terminal("chat hi", redirect=">out")
    assert (apiyi.work / "out").read_text() == "answer\n"
    assert b"\x1b[2mlet me" in seen.raw and b"\x1b[2J" not in seen.raw
    assert "answer" not in seen.raw.decode()
    assert apiyi.terminal("chat hi -R").lines == ["answer"]
    assert apiyi.terminal("chat hi -q").lines == ["answer"]


def test_usage_is_told_on_stderr(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("a", usage=USAGE), ScriptedReply.chat("a"), whole("a"))
    told = "usage: 7 prompt + 3 completion = 10 tokens\n"
    assert apiyi("chat hi -u") == (0, b"a\n", told)
    assert apiyi("chat hi -u") == (0, b"a\n", "usage: unknown (the gateway did not tell)\n")
    assert apiyi("chat hi -u --json").err == told


@pytest.mark.parametrize(
    ("finish", "warning"),
    [
        ("length", "token limit"),
        ("content_filter", "content filter"),
        ("max_tokens", "token limit"),
    ],
)
def test_an_answer_cut_by_a_limit_warns_and_exits_8_only_if_strict(
    apiyi: Program, gateway: Gateway, finish: str, warning: str
) -> None:
    gateway.script(*[ScriptedReply.chat("par", finish=finish)] * 3)
    ran = apiyi("chat hi")
    assert (ran.code, ran.out) == (0, b"par\n")
    assert warning in ran.err
    assert apiyi("chat hi -q").err == ""
    strict = apiyi("chat hi --strict-finish -q")
    assert (strict.code, strict.out) == (8, b"par\n")
    assert warning in strict.err


def test_a_refusal_is_printed_as_the_answer(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat({"refusal": "I will not."}, finish="content_filter"))
    ran = apiyi("chat hi")
    assert (ran.code, ran.out) == (0, b"I will not.\n")


def test_verbose_tells_the_exchange_without_the_key(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi -v")
    assert f"> POST {gateway.base_url}/chat/completions" in ran.err
    assert "> Authorization: Bearer ***" in ran.err
    assert '"content":"hi"' in ran.err
    assert "< 200" in ran.err
    assert apiyi("-v chat hi").err.count("> POST") == 1


@pytest.mark.parametrize("form", ["--json", "--ndjson"])
def test_errors_are_one_object_on_stderr_for_machines(
    apiyi: Program, gateway: Gateway, form: str
) -> None:
    gateway.script(ScriptedReply.error(401, "无效的令牌", code="invalid_api_key"))
    ran = apiyi(f"chat hi {form}")
    assert (ran.code, ran.out) == (4, b"")
    told = json.loads(ran.err)["error"]
    assert told["exit_code"] == 4
    assert told["status"] == 401
    assert told["code"] == "invalid_api_key"
    assert told["host"] == "127.0.0.1"
    assert told["request_id"].startswith("2025")
    assert "apiyi auth login" in told["hint"]
    assert "无效的令牌" in told["message"]


def test_usage_errors_too_are_objects_for_machines(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi --json --temperature 3")
    assert ran.code == 2
    assert json.loads(ran.err)["error"]["exit_code"] == 2


def test_a_model_name_that_really_answered_may_differ(apiyi: Program, gateway: Gateway) -> None:
    chunk = {
        "id": "c",
        "model": "gpt-4o-2024",
        "choices": [{"index": 0, "delta": {"content": "a"}}],
    }
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    gateway.script(ScriptedReply.sse(chunk, end, DONE))
    assert apiyi("chat hi --jq .model --stream").text == "gpt-4o-2024\n"


def test_several_models_are_compared_a_line_each(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi -m gpt-4o -m fault:400 -m o3")
    assert ran.code == 3
    rows = [orjson.loads(line) for line in ran.out.splitlines()]
    assert {row["model"] for row in rows} == {"gpt-4o", "fault:400", "o3"}
    assert {row["model"]: row["error"] is None for row in rows} == {
        "gpt-4o": True,
        "fault:400": False,
        "o3": True,
    }
    assert {row["text"] for row in rows if row["error"] is None} == {"[sandbox] You said: hi"}
    assert [row["error"]["exit_code"] for row in rows if row["error"]] == [6]
    assert set(rows[0]) == {"model", "text", "usage", "ms", "error"}
