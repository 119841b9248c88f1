"""Answers in envelopes that no API documents: what was paid for is read, in every form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cases.raw import DONE, Case, chunk, completion, http, json_reply, sse

ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk({}, "stop")
ROW = '{"id":"a","prompt":"hi","stream":true}\n'


def by_batch(case: Case) -> Any:
    """Return the record of one streamed row."""
    case.write("rows.jsonl", ROW)
    case("batch -m m rows.jsonl -o out.jsonl --retries 0 --force")
    (record,) = case.records("out.jsonl")
    return record


def text_of(answer: Any) -> Any:
    return answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        (([{"type": "text", "text": "one "}], [{"type": "text", "text": "two"}]), "one two"),
        (({"text": "one "}, "two"), "one two"),
        (("one ", {"type": "text", "text": "two"}), "one two"),
        ((["one ", "two"],), "one two"),
        (([{"type": "text", "text": "\ud83d"}], [{"type": "text", "text": "\ude00"}]), "😀"),
    ],
)
def test_content_in_parts_is_in_every_form(case: Case, contents: Any, text: str) -> None:
    case.reply(sse(ROLE, *(chunk({"content": one}) for one in contents), STOP, DONE))
    assert case("chat -m m hi").text == f"{text}\n"
    assert text_of(case("chat -m m --json --stream hi").json) == text
    assert text_of(by_batch(case)["response"]["body"]) == text


def test_parts_that_are_more_than_text_stay_parts(case: Case) -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
    case.reply(sse(ROLE, chunk("see "), chunk({"content": [picture, "x"]}), STOP, DONE))
    wanted = [{"type": "text", "text": "see "}, picture, {"type": "text", "text": "x"}]
    assert text_of(case("chat -m m --json --stream hi").json) == wanted
    assert text_of(by_batch(case)["response"]["body"]) == wanted


def pieces(*texts: str) -> list[Any]:
    return [ROLE, *map(chunk, texts), STOP]


ENVELOPES = {
    "JSON lines": http("\n".join(map(json.dumps, pieces("one ", "two"))), "application/x-ndjson"),
    "JSON lines with CRLF": http("\r\n".join(map(json.dumps, pieces("one ", "two"))) + "\r\n"),
    "an array": http(json.dumps(pieces("one ", "two"))),
    "an array over lines": http(json.dumps(pieces("one ", "two"), indent=1)),
}


@pytest.mark.parametrize("reply", ENVELOPES.values(), ids=ENVELOPES)
def test_a_stream_without_frames_is_read(case: Case, reply: bytes) -> None:
    case.reply(reply)
    assert case("chat -m m hi").text == "one two\n"
    assert case("chat -m m -o out.txt hi").code == 0
    assert case.read("out.txt") == "one two\n"
    assert text_of(case("chat -m m --json --stream hi").json) == "one two"
    assert len(case("chat -m m --ndjson hi").text.splitlines()) == 4
    assert text_of(by_batch(case)["response"]["body"]) == "one two"
    assert len(case.posts) == 5


def test_googles_array_is_a_stream(case: Case) -> None:
    parts = ({"content": {"parts": [{"text": word}]}, "index": 0} for word in ("one ", "two"))
    answers: list[Any] = [{"candidates": [part]} for part in parts]
    answers[-1]["candidates"][0]["finishReason"] = "STOP"
    for reply in (json.dumps(answers, indent=1), "\n".join(map(json.dumps, answers))):
        case.reply(http(reply))
        ran = case("chat -m gemini-3.6-flash --protocol google hi")
        assert (ran.code, ran.text) == (0, "one two\n")


def test_messages_without_frames_are_read(case: Case) -> None:
    start = {"type": "message_start", "message": {"id": "m", "role": "assistant", "content": []}}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}
    delta = {"type": "content_block_delta", "index": 0}
    events = [
        start,
        block,
        {**delta, "delta": {"type": "text_delta", "text": "one"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ]
    case.reply(http("\n".join(map(json.dumps, events)), "application/x-ndjson"))
    assert case("chat -m claude-opus-5 --protocol anthropic hi").text == "one\n"


def test_a_cut_stream_without_frames_is_cut(case: Case) -> None:
    case.reply(http("\n".join(map(json.dumps, pieces("one ")[:-1])), "application/x-ndjson"))
    ran = case("chat -m m --retries 0 hi")
    assert (ran.code, ran.text) == (8, "one \n")
    body = by_batch(case)["response"]["body"]
    assert isinstance(body, str) and '"one "' in body


def test_of_whole_answers_back_to_back_the_first_counts(case: Case) -> None:
    case.reply(http(json.dumps(completion("one")) + "\n" + json.dumps(completion("two"))))
    assert case("chat -m m --no-stream hi").text == "one\n"


WORDS = {
    "plain words": ("upstream connect error", "upstream connect error"),
    "a page": ("<html><head><title>502 网关</title></head></html>", "502 网关"),
    "an error over lines": (
        json.dumps({"error": {"message": "channel gone"}}, indent=1),
        "channel gone",
    ),
    "data": ("data: stream disconnected before completion", "stream disconnected"),
}


@pytest.mark.parametrize(("line", "said"), WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("before", [[], [ROLE], [ROLE, chunk("one")]], ids=len)
def test_words_among_the_events_tell_why_the_answer_is_not_whole(
    case: Case, line: str, said: str, before: list[Any]
) -> None:
    events = "".join(f"data: {json.dumps(event)}\n\n" for event in before)
    case.reply(http(f": ping\n\n{events}{line}\n\n", "text/event-stream"))
    ran = case("chat -m m --retries 0 hi")
    assert said in ran.err and ran.code in ((5, 8) if not before else (8,))
    assert len(ran.err.splitlines()) in (2, 3)
    assert said in by_batch(case)["error"]["message"]


def test_words_beside_a_whole_answer_are_not_an_error(case: Case) -> None:
    events = "".join(f"data: {json.dumps(event)}\n\n" for event in pieces("one"))
    case.reply(http(f"<!-- proxy -->\n\n{events}<!-- end -->\n\n", "text/event-stream"))
    ran = case("chat -m m hi")
    assert (ran.code, ran.text, ran.err) == (0, "one\n", "")


@pytest.mark.parametrize("reason", ["network_error", "insufficient_system_resource", "abort"])
def test_a_reason_that_is_a_failure_is_one(case: Case, reason: str) -> None:
    case.reply(sse(ROLE, chunk("one"), chunk({}, reason), DONE))
    ran = case("chat -m m --retries 0 hi")
    assert (ran.code, ran.text) == (8, "one\n") and reason in ran.err
    assert by_batch(case)["error"]["class"] == "incomplete"
    case.reply(json_reply(completion("one", reason)))
    assert case("chat -m m --no-stream --retries 0 hi").code == 8


@pytest.mark.parametrize("reason", ["sensitive", "image_safety"])
def test_words_of_others_for_a_filter_are_known(case: Case, reason: str) -> None:
    case.reply(sse(ROLE, chunk("one"), chunk({}, reason), DONE))
    assert "content filter" in case("chat -m m hi").err
    assert case("chat -m m --strict-finish hi").code == 8


def test_an_unknown_reason_is_said(case: Case) -> None:
    case.reply(sse(ROLE, chunk("one"), chunk({}, "language"), DONE))
    ran = case("chat -m m hi")
    assert (ran.code, ran.text) == (0, "one\n") and "unknown reason, language" in ran.err
    assert case("chat -m m --strict-finish hi").code == 8
    by_batch(case)
    ran = case("batch -m m rows.jsonl -o out.jsonl --force --strict-finish --retries 0")
    assert ran.code == 3 and "unknown reason" in ran.err
    assert "unknown reason" in case("chat -m m -m n hi").err


def test_an_incomplete_response_is_never_silent(case: Case) -> None:
    part = {"type": "output_text", "text": "one"}
    item = {"type": "message", "role": "assistant", "content": [part]}
    details = {"reason": "max_prompt_tokens"}
    answer = {"object": "response", "status": "incomplete", "incomplete_details": details}
    case.reply(json_reply({**answer, "output": [item]}))
    ran = case("respond -m m --no-stream hi")
    assert (ran.code, ran.text) == (0, "one\n") and "max_prompt_tokens" in ran.err
