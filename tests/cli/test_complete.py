"""`apiyi complete`: legacy completions, one prompt or one for each line."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import DONE, ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


def piece(index: int, text: str, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": index, "text": text, "logprobs": None, "finish_reason": finish}
    return {"id": "c", "object": "text_completion", "choices": [choice]}


def whole(*texts: str | None, finish: str | None = "stop", usage: Any = USAGE) -> ScriptedReply:
    choices = [
        {"index": k, "text": text, "logprobs": None, "finish_reason": finish}
        for k, text in enumerate(texts)
        if text is not None
    ]
    return ScriptedReply.json(
        {"id": "c", "object": "text_completion", "choices": choices, "usage": usage}
    )


def records(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_the_text_comes_as_it_is_made(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    seen = threading.Event()
    gateway.script(
        ScriptedReply.sse(
            piece(0, "first"),
            piece(0, " last", "stop"),
            DONE,
            wait=lambda number: number != 1 or seen.wait(20),
        )
    )
    process = apiyi.start("complete hi")
    stopped.append(process)
    assert process.stdout is not None
    # The second piece is not sent before the first one was seen.
    assert process.stdout.read(5) == b"first"
    seen.set()
    assert process.communicate() == (b" last\n", b"")
    assert process.returncode == 0


def test_only_what_was_set_is_sent(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("complete hi --no-stream").code == 0
    assert gateway.ledger[0].json == {"model": "gpt-4o", "prompt": "hi"}


def test_choices_that_come_interleaved_are_printed_one_after_the_other(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(
        ScriptedReply.sse(
            piece(1, "b1"),
            piece(0, "a1"),
            piece(1, "b2", "stop"),
            piece(0, "a2"),
            piece(0, "", "stop"),
            DONE,
        )
    )
    assert apiyi("complete hi --n 2").text == "a1a2\n\nb1b2\n"


def test_a_choice_that_did_not_finish_exits_8_with_its_text(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply.sse(piece(0, "a", "stop"), piece(1, "b"), DONE))
    ran = apiyi("complete hi --n 2 --retries 0")
    assert ran.code == 8
    assert ran.text.startswith("a")


def test_best_of_turns_streaming_off_and_says_so_only_if_it_was_asked_for(
    apiyi: Program, gateway: Gateway
) -> None:
    assert apiyi("complete hi --best-of 2").err == ""
    assert "--best-of turns streaming off" in apiyi("complete hi --best-of 2 --stream").err
    assert all("stream" not in one.json for one in gateway.ledger)


def test_echo_suffix_and_logprobs_have_their_fields(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("complete hi --echo --suffix end --logprobs 2").text.startswith("hi[sandbox]")
    sent = gateway.ledger[0].json
    assert (sent["echo"], sent["suffix"], sent["logprobs"]) == (True, "end", 2)


@pytest.mark.parametrize(
    ("reply", "is_advised"),
    [
        (
            ScriptedReply.error(404, "This is a chat model and not supported in v1/completions"),
            True,
        ),
        (ScriptedReply.error(404, "not found"), True),
        (ScriptedReply.error(400, "use v1/chat/completions for this model"), True),
        (ScriptedReply.error(400, "bad seed", param="seed"), False),
        (
            ScriptedReply.error(
                503, "no available channels for model x-chat", code="model_not_found"
            ),
            False,
        ),
    ],
)
@pytest.mark.parametrize("lines", ["", "--lines"])
def test_a_model_that_only_chats_is_told_by_name(
    apiyi: Program, gateway: Gateway, reply: ScriptedReply, is_advised: bool, lines: str
) -> None:
    gateway.script(reply)
    ran = apiyi(f"complete {lines} --retries 0 -m x-instruct", stdin=b"hi\n")
    assert ran.code == 6
    assert ("try: apiyi chat (" in ran.err) is is_advised


@pytest.mark.parametrize("option", ["--schema name", "--json-mode"])
def test_forms_that_the_endpoint_does_not_have_are_refused(
    apiyi: Program, gateway: Gateway, option: str
) -> None:
    ran = apiyi(f"complete hi {option}")
    assert ran.code == 2 and "try: apiyi chat" in ran.err
    assert gateway.ledger == []


def test_each_line_is_a_prompt_and_answers_keep_the_order(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(whole("A", "B"), whole("C"))
    ran = apiyi("complete --lines --batch-size 2 -u", stdin=b"a\n\n b \r\nc")
    assert ran.text.splitlines() == [
        '{"index":0,"text":"A","finish_reason":"stop"}',
        '{"index":1,"text":"B","finish_reason":"stop"}',
        '{"index":2,"text":"C","finish_reason":"stop"}',
    ]
    assert [one.json["prompt"] for one in gateway.ledger] == [["a", " b "], ["c"]]
    assert ran.err == "usage: 4 prompt + 6 completion = 10 tokens\n"


def test_several_answers_to_a_line_are_numbered(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(whole("A1", "A2", "B1", "B2"))
    found = records(apiyi("complete --lines --n 2", stdin=b"a\nb\n").out)
    assert [(one["index"], one["choice"], one["text"]) for one in found] == [
        (0, 0, "A1"),
        (0, 1, "A2"),
        (1, 0, "B1"),
        (1, 1, "B2"),
    ]


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (whole("A"), "1 completions came for 2 wanted"),
        (whole("A", "B", "C"), "3 completions came for 2 wanted"),
        (whole(None, "B"), "1 completions came for 2 wanted"),
        (whole("A", "B", finish=None), "no finish_reason"),
    ],
)
def test_answers_that_cannot_be_paired_exit_8(
    apiyi: Program, gateway: Gateway, reply: ScriptedReply, why: str
) -> None:
    gateway.script(reply)
    ran = apiyi("complete --lines --retries 0", stdin=b"a\nb\n")
    assert (ran.code, ran.out) == (8, b"")
    assert why in ran.err


def test_answers_cut_by_the_limit_are_told_in_their_record(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(whole("A", finish="length"), whole("A", finish="length"))
    ran = apiyi("complete --lines", stdin=b"a\n")
    assert ran.code == 0 and records(ran.out)[0]["finish_reason"] == "length"
    strict = apiyi("complete --lines --strict-finish", stdin=b"a\n")
    assert (strict.code, len(records(strict.out))) == (8, 1)


def test_the_lines_are_answered_while_more_are_waited_for(
    apiyi: Program, stopped: list[subprocess.Popen[bytes]]
) -> None:
    process = apiyi.start("complete --lines", stdin=subprocess.PIPE)
    stopped.append(process)
    assert process.stdin is not None and process.stdout is not None
    for index, text in enumerate(("a", "b")):
        process.stdin.write(f"{text}\n".encode())
        assert json.loads(process.stdout.readline())["index"] == index
    process.communicate()
    assert process.returncode == 0


def test_lines_take_no_other_input(apiyi: Program, gateway: Gateway) -> None:
    for line in ("complete hi --lines", "complete -f x --lines"):
        assert apiyi(line, stdin=b"a\n").code == 2
    assert apiyi("complete --lines", stdin=b"").code == 2
    assert gateway.ledger == []


def test_nothing_more_is_asked_when_the_output_is_full(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi.shell("seq 100 | apiyi complete --lines --batch-size 1 > /dev/full")
    assert ran.code == 11
    # The second may be on its way when the first one's line cannot be written.
    (kept,) = (apiyi.home / "state" / "apiyi" / "rescue").iterdir()
    assert 1 <= len(gateway.ledger) <= 2
    assert [one["index"] for one in records(kept.read_bytes())] == [*range(len(gateway.ledger))]


def test_jq_filters_each_record(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(whole("A", "B"))
    assert apiyi("complete --lines --jq .text", stdin=b"a\nb\n").text == "A\nB\n"


@pytest.mark.parametrize(
    ("texts", "code", "said"),
    [
        (("one", ""), 3, "1 of 2, the first at index 1"),
        (("", "two"), 3, "1 of 2, the first at index 0"),
        (("", ""), 8, "the answer has nothing to print"),
    ],
)
def test_an_empty_answer_among_the_lines_is_told(
    apiyi: Program, gateway: Gateway, texts: tuple[str, ...], code: int, said: str
) -> None:
    gateway.script(whole(*texts))
    ran = apiyi("complete --lines", stdin=b"a\nb\n")
    assert ran.code == code and said in ran.err
    assert [one["text"] for one in records(ran.out)] == list(texts)


def test_a_cut_answer_among_the_lines_is_told(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(whole("one", "two", finish="length"))
    ran = apiyi("complete --lines", stdin=b"a\nb\n")
    assert ran.code == 0 and "2 of them: the answer was cut off by the token limit" in ran.err
