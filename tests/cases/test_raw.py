"""The case fixture itself: bytes are played as they are, requests are counted."""

from __future__ import annotations

from tests.cases.raw import DONE, Case, chunk, completion, http, json_reply, sse


def test_a_raw_reply_is_played_as_it_is(case: Case) -> None:
    case.reply(b"HTTP/1.1 451 Too Much\r\nContent-Length: 2\r\n\r\nno")
    assert case("chat -m m hi").code == 6
    assert len(case.posts) == 1


def test_replies_come_in_their_order_and_the_last_one_stays(case: Case) -> None:
    case.reply(http("busy", "text/plain", "503 Busy"), json_reply(completion("first")))
    assert case("chat -m m --no-stream hi").text == "first\n"
    assert case("chat -m m --no-stream again").text == "first\n"
    assert len(case.posts) == 3
    assert case.posts[0].json["messages"][0]["content"] == "hi"


def test_a_stream_is_played_from_its_events(case: Case) -> None:
    case.reply(sse(chunk({"role": "assistant"}), chunk("hi"), chunk({}, "stop"), DONE))
    assert case("chat -m m hi").text == "hi\n"


def test_files_are_written_and_read_beside_the_line(case: Case) -> None:
    case.reply(json_reply(completion("one")))
    case.write("rows.jsonl", '{"prompt": "a"}\n')
    assert case("batch -m m rows.jsonl -o out.jsonl").code == 0
    assert [record["index"] for record in case.records("out.jsonl")] == [0]
