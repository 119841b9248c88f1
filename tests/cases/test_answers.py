"""Answers that are empty, begun anew, unfit or of another API are neither lost nor paid twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, product, repeat
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from tests.cases.raw import DONE, Case, chunk, completion, http, json_reply, sse
from tests.sampled import sampled

ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk({}, "stop")


def created(**more: Any) -> dict[str, Any]:
    return {"type": "response.created", "response": response("in_progress", **more)}


def response(status: str, **more: Any) -> dict[str, Any]:
    return {"id": "r1", "object": "response", "status": status, "model": "m", **more}


def delta(text: str, **more: Any) -> dict[str, Any]:
    where = {"item_id": "m1", "output_index": 0, "content_index": 0}
    return {"type": "response.output_text.delta", **where, "delta": text, **more}


def ended(status: str = "completed", **more: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": response(status, **more)}


def text_of(answer: dict[str, Any]) -> str:
    """Return the text of a response object."""
    return "".join(part["text"] for item in answer["output"] for part in item["content"])


NOTHING = {
    "absent": {"role": "assistant"},
    "null": {"role": "assistant", "content": None},
    "empty": {"role": "assistant", "content": ""},
    "blanks": {"role": "assistant", "content": " \n"},
    "no parts": {"role": "assistant", "content": []},
    "reasoning": {"role": "assistant", "content": "", "reasoning_content": "hm"},
}


@pytest.mark.parametrize("message", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize("how", ["", "-x", "-o out.txt", "--json", "--ndjson", "--session s", "-q"])
def test_an_answer_with_nothing_to_print_is_never_silent(
    case: Case, message: dict[str, Any], how: str
) -> None:
    case.reply(json_reply(completion(message)))
    ran = case(f"chat -m m --no-stream {how} hi")
    assert ran.code == 8
    assert "nothing to print" in ran.err
    assert ("reasoning" in ran.err) == ("reasoning_content" in message)
    assert len(case.posts) == 1


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("chat -m m hi", sse(ROLE, chunk({"content": ""}), STOP, DONE)),
        ("chat -m m -m n hi", json_reply(completion(""))),
        ("complete -m m hi", json_reply({"choices": [{"text": "", "finish_reason": "stop"}]})),
        ("respond -m m --no-stream hi", json_reply(response("completed", output=[]))),
        ("respond -m m hi", sse(created(output=[]), ended(output=[]), named=True)),
    ],
)
def test_every_command_tells_of_an_empty_answer(case: Case, line: str, reply: bytes) -> None:
    case.reply(reply)
    ran = case(line)
    assert ran.code == 8
    assert "nothing to print" in ran.err + ran.text
    assert len(case.posts) == line.count("-m ")


@pytest.mark.parametrize("line", ["chat -m m --no-stream hi", "chat -m m --json --no-stream hi"])
def test_a_whole_reply_without_choices_is_asked_for_once(case: Case, line: str) -> None:
    case.reply(json_reply(completion("x", choices=[])))
    assert case(line).code == 8
    assert len(case.posts) == 1


BEGUN_ANEW = (ROLE, chunk("Claude says "), ROLE, chunk("Claude "), chunk("says hi"), STOP, DONE)


def test_an_answer_that_begins_anew_is_told_of_where_its_text_was_shown(case: Case) -> None:
    case.reply(sse(*BEGUN_ANEW))
    ran = case("chat -m m hi")
    assert ran.code == 8
    assert ran.text == "Claude says \nClaude says hi\n"
    assert "anew" in ran.err
    assert len(case.posts) == 1


@pytest.mark.parametrize("how", ["-o out.txt", "-x", "--json --stream"])
def test_what_is_buffered_keeps_the_newest_attempt_alone(case: Case, how: str) -> None:
    case.reply(sse(*BEGUN_ANEW))
    ran = case(f"chat -m m {how} hi")
    assert ran.code == 0, ran.err
    text = case.read("out.txt") if "-o" in how else ran.text
    if "--json" in how:
        text = json.loads(text)["choices"][0]["message"]["content"] + "\n"
    assert text == "Claude says hi\n"


def test_models_that_are_compared_and_rows_of_a_batch_keep_the_newest_attempt(case: Case) -> None:
    case.reply(sse(*BEGUN_ANEW))
    lines = case("chat -m m -m n hi").text.splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["Claude says hi"] * 2
    case.write("rows.jsonl", '{"prompt": "a"}')
    assert case("batch -m m rows.jsonl -O stream=true -o out.jsonl").code == 0
    (record,) = case.records("out.jsonl")
    assert record["response"]["body"]["choices"][0]["message"]["content"] == "Claude says hi"


def test_a_response_that_begins_anew_is_kept_once(case: Case) -> None:
    begun = (created(output=[]), delta("hello "), created(output=[]), delta("hello you"), ended())
    case.reply(sse(*begun, named=True))
    assert case("respond -m m hi").code == 8
    ran = case("respond -m m --json --stream hi")
    assert ran.code == 0
    assert text_of(json.loads(ran.text)) == "hello you"


@pytest.mark.parametrize(
    "events",
    [
        (
            chunk({"role": "assistant", "content": "a"}),
            chunk({"role": "assistant", "content": "b"}),
        ),
        (ROLE, chunk("ab"), ROLE),
        (ROLE, chunk("ab"), chunk({"role": "assistant", "content": ""}, "stop")),
        (ROLE, chunk("a"), chunk({"content": ""}), chunk("b")),
    ],
)
def test_a_role_alone_begins_nothing_anew(case: Case, events: tuple[Any, ...]) -> None:
    case.reply(sse(*events, STOP, DONE))
    ran = case("chat -m m hi")
    assert (ran.code, ran.text) == (0, "ab\n")


def test_what_only_opens_an_answer_is_not_shown_and_is_asked_again(case: Case) -> None:
    cut = http(b"data: " + json.dumps(ROLE).encode() + b"\n\n", "text/event-stream")
    for form in ("", "--ndjson", "-o out.txt"):
        case.reply(cut, sse(ROLE, chunk("hi"), STOP, DONE))
        before = len(case.posts)
        ran = case(f"chat -m m {form} hi")
        assert ran.code == 0, ran.err
        assert len(case.posts) - before == 2


@pytest.mark.parametrize("output", [{"output": []}, {"output": None}, {}], ids=str)
@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_a_response_is_built_from_its_events(case: Case, output: Any, status: str) -> None:
    case.reply(sse(created(output=[]), delta("hello "), delta("you"), ended(status, **output)))
    ran = case("respond -m m --json --stream hi")
    assert ran.code == 0
    answer = json.loads(ran.text)
    assert answer["status"] == status
    assert text_of(answer) == "hello you"


def test_a_cut_response_and_its_calls_are_built_from_events(case: Case) -> None:
    item = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "find", "arguments": ""}
    case.reply(
        sse(
            created(output=[]),
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.function_call_arguments.delta", "item_id": "f1", "delta": '{"a":'},
            {"type": "response.function_call_arguments.delta", "item_id": "f1", "delta": "1}"},
        )
    )
    ran = case("respond -m m --json --stream --retries 0 hi")
    assert ran.code == 8
    assert json.loads(ran.text)["output"] == [
        {**item, "arguments": '{"a":1}', "status": "incomplete"}
    ]


MESSAGE = {"id": "a1", "type": "message", "role": "assistant", "model": "claude"}
MESSAGES = (
    {"type": "message_start", "message": {**MESSAGE, "content": [], "usage": {"input_tokens": 3}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
)
TEXT_BLOCK = [{"type": "text", "text": "hello"}]
WHOLE_MESSAGE = {**MESSAGE, "content": TEXT_BLOCK, "stop_reason": "end_turn"}
OUTPUT = [{"type": "message", "content": [{"type": "output_text", "text": "hello"}]}]


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("chat -m m", sse(delta("hello"), ended(output=OUTPUT), named=True)),
        ("chat -m m", json_reply(response("completed", output=OUTPUT))),
        ("chat -m m", sse(*MESSAGES, named=True)),
        ("chat -m m", json_reply(WHOLE_MESSAGE)),
        ("respond -m m", sse(*MESSAGES, named=True)),
        ("respond -m m", sse(ROLE, chunk("hello"), STOP, DONE)),
        ("respond -m m", json_reply(completion("hello"))),
        ("complete -m m", sse(delta("hello"), ended(output=OUTPUT))),
    ],
)
def test_an_answer_of_another_api_is_read(case: Case, line: str, reply: bytes) -> None:
    case.reply(reply)
    ran = case(f"{line} hi")
    assert (ran.code, ran.text) == (0, "hello\n"), ran.err
    assert "in the form of /" in ran.err
    for form in ("--json --stream", "--ndjson"):
        ran = case(f"{line} {form} hi")
        assert ran.code == 0, ran.err
        assert "hel" in ran.text
    assert len(case.posts) == 3


def test_a_message_is_put_together(case: Case) -> None:
    case.reply(sse(*MESSAGES))
    ran = case("chat -m m --json --stream -u hi")
    usage = {"input_tokens": 3, "output_tokens": 2}
    assert json.loads(ran.text) == {**WHOLE_MESSAGE, "usage": usage}
    assert "3 prompt + 2 completion" in ran.err


def test_unknown_events_are_asked_for_once_and_named(case: Case) -> None:
    case.reply(sse({"type": "surprise", "text": "hello"}, {"type": "end"}))
    for command in ("chat", "respond", "complete"):
        before = len(case.posts)
        ran = case(f"{command} -m m hi")
        assert ran.code == 8
        assert "surprise" in ran.err
        assert len(case.posts) - before == 1


def test_links_to_pictures_are_printed_and_pictures_are_kept(case: Case) -> None:
    data = [{"url": "https://example.com/a.png"}, {"b64_json": "aGVsbG8="}]
    case.reply(json_reply({"created": 1, "data": data}))
    ran = case("chat -m m hi")
    assert ran.code == 0
    link, path = ran.text.splitlines()
    assert link == "https://example.com/a.png"
    assert Path(path).read_bytes() == b"hello"


@pytest.mark.parametrize(
    ("names", "name"),
    [(("sea", "rch"), "search"), (("search", "search"), "search"), (("sea", "search"), "search")],
)
def test_a_function_name_in_pieces_is_whole(case: Case, names: tuple[str, str], name: str) -> None:
    first = {"index": 0, "id": "c1", "function": {"name": names[0], "arguments": ""}}
    second = {"index": 0, "function": {"name": names[1], "arguments": "{}"}}
    events = (chunk({"tool_calls": [first]}), chunk({"tool_calls": [second]}))
    case.reply(sse(*events, chunk({}, "tool_calls"), DONE))
    assert json.loads(case("chat -m m hi").text)["name"] == name
    whole = json.loads(case("chat -m m --json --stream hi").text)
    assert whole["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == name


@pytest.mark.parametrize(
    "texts", [("hello", " you"), ("hello", "hello you"), ("hello", "hello you", "hello you")]
)
def test_messages_in_place_of_deltas_are_read(case: Case, texts: tuple[str, ...]) -> None:
    events: list[Any] = [
        {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": None}]}
        for text in texts
    ]
    events[-1]["choices"][0]["finish_reason"] = "stop"
    case.reply(sse(*events, DONE))
    assert case("chat -m m hi").text == "hello you\n"
    whole = json.loads(case("chat -m m --json --stream hi").text)
    assert whole["choices"][0]["message"]["content"] == "hello you"


@pytest.mark.parametrize("indexes", [(0, 0), (1, 2), (None, None)])
def test_vectors_are_paired_by_their_order(case: Case, indexes: tuple[Any, Any]) -> None:
    data = [{"index": index, "embedding": [n]} for n, index in enumerate(indexes)]
    case.reply(json_reply({"object": "list", "data": data}))
    ran = case("embed -m e a b")
    assert ran.code == 0, ran.err
    assert [json.loads(line)["embedding"] for line in ran.text.splitlines()] == [[0], [1]]
    assert len(case.posts) == 1


@pytest.mark.parametrize("how", ["a", "a b c", "--dimensions 2 a b"])
def test_vectors_that_do_not_fit_are_asked_for_once(case: Case, how: str) -> None:
    case.reply(json_reply({"data": [{"index": n, "embedding": [1, 2, 3]} for n in (0, 1)]}))
    ran = case(f"embed -m e {how}")
    assert ran.code == 8
    assert len(case.posts) == 1


ENDLESS = {
    "blanks": b" " * 4096,
    "comments": b": keep-alive\n" * 300,
    "empty events": b"data:\n\n" * 500,
}
CALLS = (
    "chat -m m --no-stream hi",
    "chat -m m hi",
    "embed -m e hi",
    "image -m i hi",
    "speak -m s -o a.mp3 hi",
    "rank -m r -f hi.txt hi",
    "video -m seedance-2-0 -o a.mp4 hi",
    "models",
)


ENDLESS_REPLIES = list(product(CALLS, ENDLESS))


@pytest.mark.parametrize(
    ("line", "filling"), sampled(ENDLESS_REPLIES, 2, map(" ".join, ENDLESS_REPLIES))
)
def test_a_reply_of_nothing_without_end_ends_by_the_clocks(
    case: Case, line: str, filling: str
) -> None:
    case.write("hi.txt", "hi")
    case.reply(
        ScriptedReply(body=lambda: repeat(ENDLESS[filling]), content_type="text/event-stream")
    )
    if line.startswith("chat"):
        ran = case(f"{line} --max-time 0.4")
        assert ran.code == 9, ran.err
        assert "--max-time" in ran.err
    ran = case(f"{line} --timeout 0.3 --retries 0")
    assert ran.code == 8, ran.err
    assert "went silent" in ran.err


def test_an_answer_before_endless_blanks_is_taken(case: Case) -> None:
    whole = json.dumps(completion("hi")).encode()

    def endless() -> Iterator[bytes]:
        return chain([whole], repeat(b" " * 65536))

    case.reply(ScriptedReply(body=endless, content_type="application/json"))
    assert case("chat -m m --no-stream --max-time 20 hi").text == "hi\n"


@pytest.mark.parametrize("coding", ["utf-8", "none", "aws-chunked", "UTF-8, none", "identity, x"])
def test_a_content_encoding_that_is_none_leaves_the_answer_as_it_is(
    case: Case, coding: str
) -> None:
    named = {"Content-Encoding": coding}
    whole = json.dumps(completion("ok"))
    case.reply(http(whole, headers=named))
    assert case("chat -m m --no-stream hi").text == "ok\n"
    events = "".join(f"data: {json.dumps(one)}\n\n" for one in (chunk("ok"), STOP))
    case.reply(http(events, "text/event-stream", headers=named))
    assert case("chat -m m hi").text == "ok\n"
    case.reply(http('{"error":{"message":"so it is"}}', status="400 Bad", headers=named))
    assert "so it is" in case("chat -m m hi").err


@pytest.mark.parametrize("line", ["chat -m m --no-stream hi", "chat -m m --json hi"])
def test_an_answer_in_an_encoding_that_it_does_not_name_is_read(case: Case, line: str) -> None:
    said = "你好，这是付过钱的答案"
    body = json.dumps(completion(said), ensure_ascii=False).encode("gb18030")
    case.reply(http(body))
    ran = case(line)
    assert ran.code == 0 and said.encode() in ran.out, ran.err
    assert case("batch --lines - -m m -o out", stdin=b"hi\n").code == 0
    (record,) = case.records("out")
    assert record["response"]["body"]["choices"][0]["message"]["content"] == said


def test_bytes_that_belong_to_nothing_are_said_to_be_replaced(case: Case) -> None:
    body = json.dumps(completion("好的好的"), ensure_ascii=False).encode()
    case.reply(http(body.replace("好".encode(), b"\xff", 1)))
    ran = case("chat -m m --no-stream hi")
    assert (ran.code, ran.text) == (0, "\ufffd的好的\n")
    assert ran.err.count("were replaced by U+FFFD") == 1
