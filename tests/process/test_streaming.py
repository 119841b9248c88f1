"""What arrives is shown at once, and the end of the answer is the end of the process."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

WORDS = ("one ", "two\n", "three ", "four")


class Steps:
    """Lets the gateway send a piece only when the one before has been seen."""

    def __init__(self) -> None:
        self.seen = threading.Semaphore(0)

    def wait(self, k: int) -> None:
        # Piece 0 is the role; the first word is piece 1.
        if k > 1:
            self.seen.acquire(timeout=20)


@pytest.mark.parametrize("form", ["", "--ndjson"])
def test_each_event_is_seen_in_a_pipe_before_the_next_is_sent(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]], form: str
) -> None:
    steps = Steps()
    gateway.script(ScriptedReply.chat(*WORDS, wait=steps.wait))
    process = apiyi.start(f"chat hi {form}")
    stopped.append(process)
    assert process.stdout is not None
    seen = b""
    for count, word in enumerate(WORDS, 1):
        while word.strip().encode() not in seen:
            piece = os.read(process.stdout.fileno(), 65536)
            assert piece, seen
            seen += piece
        later = [other.strip().encode() for other in WORDS[count:]]
        assert not any(other in seen for other in later)
        steps.seen.release()
    steps.seen.release(5)
    rest, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, b"")
    if not form:
        assert seen + rest == b"one two\nthree four\n"


@pytest.mark.parametrize("form", ["", "--ndjson", "--json --stream"])
def test_the_process_ends_with_the_answer_although_the_socket_stays_open(
    apiyi: Program, gateway: Gateway, form: str
) -> None:
    gateway.script(ScriptedReply.chat("fine").hold())
    ran = apiyi(f"chat hi {form}")
    assert ran.code == 0
    assert "fine" in ran.text
    assert gateway.wait_for(lambda: gateway.ledger[0].closed_by_client_at)


def test_done_with_a_single_line_end_is_not_waited_beyond(apiyi: Program, gateway: Gateway) -> None:
    chat = ScriptedReply.chat("fine", done=False)
    assert isinstance(chat.body, tuple)
    gateway.script(chat.replace(body=(*chat.body, b"data: [DONE]\n")).hold())
    began_s = time.monotonic()
    ran = apiyi("chat hi --timeout 25")
    assert (ran.code, ran.out, ran.err) == (0, b"fine\n", "")
    assert time.monotonic() - began_s < 15


def test_usage_that_comes_after_the_finish_is_still_taken(apiyi: Program, gateway: Gateway) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    gateway.script(ScriptedReply.chat("fine", usage=usage, split="bytes").hold())
    assert apiyi("chat hi -u").err == "usage: 1 prompt + 2 completion = 3 tokens\n"


def test_a_whole_answer_that_is_complete_does_not_wait_for_the_end_of_its_body(
    apiyi: Program, gateway: Gateway
) -> None:
    message = {"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}]}
    gateway.script(ScriptedReply.json(message, transfer="chunked").hold())
    ran = apiyi("chat hi --no-stream --timeout 0.5 --retries 0")
    assert (ran.code, ran.out) == (0, b"fine\n")
