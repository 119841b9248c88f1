"""A paid answer that cannot be used is kept, and its place is told, in every command."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from tests.cases.raw import DONE, Case, chunk, completion, http, json_reply, sse
from tests.matrix.commands import PNG, RECORDING, SOUND

ROLE = chunk({"role": "assistant", "content": ""})
LONG = "这是付过钱的答案。" * 100
LINES = {
    "chat": "chat -m m hi",
    "chat --no-stream": "chat -m m --no-stream hi",
    "chat --json": "chat -m m --json hi",
    "chat --ndjson": "chat -m m --ndjson hi",
    "chat -o": "chat -m m -o out.txt hi",
    "chat --session": "chat -m m --session s hi",
    "two models": "chat -m m -m n hi",
    "respond": "respond -m m hi",
    "complete": "complete -m m --no-stream hi",
    "claude": "chat -m claude-opus-5 --protocol anthropic hi",
    "gemini": "chat -m gemini-3.6-flash --protocol google hi",
    "embed": "embed -m e a b",
    "embed -o": "embed -m e -o v.jsonl a b",
    "rank": "rank q -m bge-reranker-v2-m3 -f a -f b",
    "image": "image -m gpt-image-1 cat",
    "speak": "speak -m tts-1 -o a.mp3 hi",
    "video": "video cat -m wan2.7-t2v --poll 0.1 -o v.mp4",
}


def rescued(case: Case) -> list[Path]:
    folder = case.apiyi.home / "state" / "apiyi" / "rescue"
    return sorted(folder.iterdir()) if folder.exists() else []


def check_kept(case: Case, line: str, content: bytes) -> None:
    case.write("a", "one")
    case.write("b", "two")
    ran = case(f"{line} --retries 0")
    kept = rescued(case)
    assert ran.code in (6, 8) and kept, ran.err
    for path in kept:
        assert path.read_bytes() == content
        assert str(path) in ran.err or str(path).encode() in ran.out
    assert all(len(part) < 3000 for part in ran.err.splitlines())


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_long_words_are_kept_whole(case: Case, line: str) -> None:
    case.reply(http(LONG, "text/plain; charset=utf-8"))
    check_kept(case, line, LONG.encode())


@pytest.mark.parametrize("line", [LINES["chat --no-stream"], LINES["claude"] + " --no-stream"])
def test_an_object_of_no_known_kind_is_kept_with_what_follows_it(case: Case, line: str) -> None:
    content = '{"id": "a"}, {"type": "text", "text": "paid"}'
    case.reply(http(content, "application/json"))
    check_kept(case, line, content.encode())


@pytest.mark.parametrize("name", [name for name in LINES if name != "speak"])
def test_binary_data_is_named_and_kept(case: Case, name: str) -> None:
    content = SOUND if name == "image" else PNG
    case.reply(http(content, "application/octet-stream"))
    check_kept(case, LINES[name], content)
    ran = case(f"{LINES[name]} --retries 0 --force" if "-o" in name else LINES[name])
    assert ("audio/mpeg" if name == "image" else "image/png") in ran.err
    assert "\ufffd" not in ran.err


def test_short_words_are_in_the_message(case: Case) -> None:
    case.reply(http("upstream request failed", "application/json"))
    assert "upstream request failed" in case("chat -m m --retries 0 hi").err
    assert rescued(case) == []


@pytest.mark.parametrize("how", ["", "-o out.txt", "-x", "--no-stream"])
def test_what_came_without_anything_to_print_is_kept(case: Case, how: str) -> None:
    answer = sse(ROLE, chunk({"reasoning_content": "long thoughts"}), chunk({}, "stop"), DONE)
    case.reply(answer)
    ran = case(f"chat -m m {how} hi")
    (path,) = rescued(case)
    assert ran.code == 8 and str(path) in ran.err
    assert b"long thoughts" in path.read_bytes()


@pytest.mark.parametrize("how", ["", "-o out.txt", "-x"])
@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "long thoughts"},
        {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a'}}]},
    ],
)
def test_a_cut_before_anything_was_shown_keeps_what_came(
    case: Case, how: str, delta: dict[str, object]
) -> None:
    case.reply(sse(ROLE, chunk(delta)))
    ran = case(f"chat -m m --retries 0 {how} hi")
    (path,) = rescued(case)
    assert ran.code == 8 and str(path) in ran.err
    assert json.dumps(delta).encode()[1:-1] in path.read_bytes()


def test_an_error_after_an_opening_event_leaves_nothing(case: Case) -> None:
    case.reply(sse(ROLE, {"error": {"message": "no", "type": "new_api_error"}}))
    assert case("chat -m m --retries 0 hi").code == 8
    assert rescued(case) == []


def test_a_batch_keeps_long_answers_and_bytes(case: Case) -> None:
    case.write("rows.jsonl", '{"id":"a","prompt":"hi"}\n')
    line = "batch -m m rows.jsonl -o out.jsonl --retries 0 --force"
    parts = [chunk("word ") for _ in range(2000)]
    case.reply(sse(ROLE, *parts))
    assert case(line).code == 3
    (record,) = case.records("out.jsonl")
    assert record["response"]["body"].count('"word "') == 2000
    case.reply(http(PNG, "image/png"))
    assert case(line).code == 3
    (record,) = case.records("out.jsonl")
    assert base64.b64decode(record["response"]["body"]["b64_json"]) == PNG
    assert "image/png" in record["error"]["message"]


WORDS = [
    ("upstream request failed", "text/plain", 8),
    ("上游请求失败", "application/octet-stream", 8),
    ("额度不足，请充值", "text/plain", 7),
    ("当前分组上游负载已饱和，请稍后再试", "audio/mpeg", 5),
]


@pytest.mark.parametrize(("words", "declared", "code"), WORDS)
def test_words_in_place_of_speech_are_no_sound(
    case: Case, words: str, declared: str, code: int
) -> None:
    case.reply(http(words, declared))
    for line in ("speak -m tts-1 -o a.mp3 hi", "speak -m tts-1 -o - hi"):
        ran = case(f"{line} --retries 0")
        assert (ran.code, ran.out) == (code, b"") and words in ran.err
        assert not (case.work / "a.mp3").exists()


def test_words_in_the_charset_that_they_name(case: Case) -> None:
    case.write("a.wav", RECORDING)
    text = "上游请求失败，今天的语音"
    case.reply(http(text.encode("gbk"), "text/plain; charset=GBK"))
    assert text in case("speak -m tts-1 -o a.mp3 --retries 0 hi").err
    assert case("transcribe -m whisper-1 a.wav").text == f"{text}\n"
    body = json.dumps({"text": text}, ensure_ascii=False)
    case.reply(http(body.encode("gbk"), "application/json; charset=gb2312"))
    assert case("transcribe -m whisper-1 a.wav").text == f"{text}\n"


@pytest.mark.parametrize("charset", ["GBK", "gb2312", "big5"])
def test_answers_in_the_charset_that_they_name(case: Case, charset: str) -> None:
    text = "天空是的"
    stream = f"data: {json.dumps(chunk(text), ensure_ascii=False)}\n\n"
    stream += f"data: {json.dumps(chunk({}, 'stop'))}\n\ndata: [DONE]\n\n"
    case.reply(http(stream.encode(charset), f"text/event-stream; charset={charset}"))
    assert case("chat -m m hi").text == f"{text}\n"
    ran = case("chat -m m --json --stream hi")
    assert ran.json["choices"][0]["message"]["content"] == text and ran.err == ""
    answer = json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})
    answer = answer.encode().decode("unicode-escape")
    case.reply(http(answer.encode(charset), f"application/json;charset={charset}"))
    assert case("chat -m m --no-stream hi").text == f"{text}\n"


def test_a_charset_that_is_not_the_answers_changes_nothing(case: Case) -> None:
    case.reply(
        http(
            json.dumps({"choices": [{"message": {"content": "天空"}, "finish_reason": "stop"}]}),
            "application/json; charset=gbk",
        )
    )
    assert case("chat -m m --no-stream hi").text == "天空\n"


def test_base64_in_place_of_a_link_is_the_picture(case: Case) -> None:
    packed = base64.b64encode(PNG).decode()
    case.reply(json_reply({"data": [{"url": packed}]}))
    assert case("image -m gpt-image-1 cat").text == "cat-1.png\n"
    case.reply(json_reply({"data": [{"url": "A" * 20_000}]}))
    ran = case("image -m gpt-image-1 dog --retries 0")
    (path,) = rescued(case)
    assert ran.code == 8 and str(path) in ran.err and len(ran.err) < 1000


def test_bytes_in_place_of_a_transcript_are_not_printed(case: Case) -> None:
    case.write("a.wav", RECORDING)
    case.reply(http(PNG, "image/png"))
    for how in ("", "--format srt", "--stream", "-o t.txt"):
        ran = case(f"transcribe -m whisper-1 a.wav --retries 0 {how}")
        assert (ran.code, ran.out) in ((8, b""), (6, b"")) and "image/png" in ran.err


def test_silence_is_said(case: Case) -> None:
    case.write("a.wav", RECORDING)
    case.reply(json_reply({"text": ""}))
    ran = case("transcribe -m whisper-1 a.wav")
    assert ran.code == 0 and "no speech" in ran.err


def test_what_was_billed_is_not_asked_about(case: Case) -> None:
    case.reply(json_reply({"data": []}))
    err = case("embed -m e a --retries 0").err
    assert "it was billed" in err and not re.search("whether it was billed", err)


def test_of_several_requests_each_place_is_told(case: Case) -> None:
    case.reply(json_reply({"odd": 1}))
    lines = [
        "chat -m m -m n hi",
        "embed -m e --lines --batch-size 1 -j 1 -o v.jsonl",
        "complete -m m --lines --batch-size 1",
    ]
    for line in lines:
        stdin = b"" if line.startswith("chat") else b"one\ntwo\nthree\n"
        ran = case(f"{line} --retries 0", stdin=stdin)
        assert ran.code in (3, 6, 8) and rescued(case)
        for path in rescued(case):
            assert str(path) in ran.err, (line, ran.err)
            path.unlink()


BROTLI = b"\x0b\x02\x80hello\x03"
ANSWER = json.dumps(completion("paid for")).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
UNREAD = {
    "a coding": http(BROTLI, headers={"Content-Encoding": "br"}),
    "a coding without a label": http(b"\x28\xb5\x2f\xfd" + BROTLI),
    "a length below nothing": HEAD + b"Content-Length: -1\r\n\r\n" + ANSWER,
    "two lengths": HEAD + b"Content-Length: 9\r\nContent-Length: 8\r\n\r\n" + ANSWER,
    "a broken header": HEAD + b"X-Reason: a\0b\r\n\r\n" + ANSWER,
    "a transfer coding": HEAD + b"Transfer-Encoding: identity\r\n\r\n" + ANSWER,
    "chunks that are none": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + ANSWER,
}


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        *(("chat", reply) for reply in UNREAD.values()),
        *((name, UNREAD["a coding"]) for name in LINES),
        *((name, UNREAD["two lengths"]) for name in LINES),
    ],
)
def test_what_the_engine_cannot_read_is_kept_and_may_be_billed(
    case: Case, name: str, reply: bytes
) -> None:
    case.write("a", "one")
    case.write("b", "two")
    case.reply(reply)
    ran = case(f"{LINES[name]} --retries 0")
    kept = rescued(case)
    content = reply.partition(b"\r\n\r\n")[2]
    assert ran.code in (6, 8) and kept, ran.err
    assert {path.read_bytes() for path in kept} == {content}
    assert all(str(path) in ran.err or str(path).encode() in ran.out for path in kept)
    assert "billed" in ran.err or b"billed" in ran.out


@pytest.mark.parametrize("reply", UNREAD.values(), ids=UNREAD)
def test_a_row_keeps_what_the_engine_cannot_read(case: Case, reply: bytes) -> None:
    case.reply(reply)
    assert case("batch --lines - -m m -o out --retries 0", stdin=b"hi\n").code == 3
    (record,) = case.records("out")
    body, content = record["response"]["body"], reply.partition(b"\r\n\r\n")[2]
    got = base64.b64decode(body["b64_json"]) if "b64_json" in body else json.dumps(body).encode()
    assert got == content
    assert record["error"]["maybe_billed"] is True
    assert case("batch verify out").code == 0


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n", b"-ERR unknown command\r\n", b"\0\0\0\0"])
def test_what_is_no_http_was_not_billed(case: Case, said: bytes) -> None:
    case.reply(said)
    ran = case("chat -m m hi")
    assert (ran.code, len(case.posts)) == (6, 1)
    assert "not HTTP" in ran.err and "billed" not in ran.err


FILTERED = {
    "chat": "chat -m m hi",
    "chat --json": "chat -m m --json hi",
    "chat --ndjson": "chat -m m --ndjson hi",
    "chat -o": "chat -m m -o f hi",
    "two models": "chat -m m -m n hi",
    "api": "api /v1/chat/completions -f a=b",
    "batch": "batch --lines - -m m",
}


@pytest.mark.parametrize("line", FILTERED.values(), ids=FILTERED)
def test_what_jq_fails_on_is_kept(case: Case, line: str) -> None:
    case.reply(json_reply(completion("paid for")))
    ran = case(f"{line} --jq .nope.x.y|tonumber", stdin=b"a\nb\n")
    kept = rescued(case)
    assert (ran.code, ran.out, len(kept)) == (8, b"", 1), ran.err
    assert b"paid for" in kept[0].read_bytes() and str(kept[0]) in ran.err
    assert "--json first" not in ran.err, "that would be paid for again"


@pytest.mark.parametrize(
    ("indexes", "texts"),
    [
        ([0, 1], ["x", "y"]),
        ([1, 0], ["y", "x"]),
        ([1, 2], ["x", "y"]),
        ([None, None], ["x", "y"]),
        ([0, 0], ["x", "y"]),
        ([[], {}], ["x", "y"]),
    ],
)
def test_completions_are_paired_by_any_index(
    case: Case, indexes: list[object], texts: list[str]
) -> None:
    choices = [
        {"text": text, "index": index, "finish_reason": "stop"}
        for text, index in zip("xy", indexes, strict=True)
    ]
    case.reply(json_reply({"choices": choices}))
    ran = case("complete -m m --lines --batch-size 2", stdin=b"a\nb\n")
    assert ran.code == 0, ran.err
    assert [json.loads(line)["text"] for line in ran.out.splitlines()] == texts


NO_ANSWER = {"closed": b"", "late": http("", "text/html", "504 Gateway Timeout")}


@pytest.mark.parametrize("reply", NO_ANSWER.values(), ids=NO_ANSWER)
def test_one_model_of_several_without_an_answer_may_have_been_billed(
    case: Case, reply: bytes
) -> None:
    case.reply(json_reply(completion("well")), reply)
    ran = case("chat -m m -m n --no-stream --retries 0 hi")
    assert ran.code == 3 and ran.err.count("it may have been billed") == 1, ran.err
