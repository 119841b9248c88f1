"""Runs of many requests: one that waits to be tried again lets the others pass."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.cli.gateway.ordered import map_in_order
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.errors import ApiyiError
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from apiyi_cli.settings.defaults import INTERACTIVE
from apiyi_cli.wire.http.client import Observer
from apiyi_cli.wire.http.request import HttpRequest
from apiyi_cli.wire.send import Plan, Sender
from tests.conftest import KEY

if TYPE_CHECKING:
    from tests.conftest import Program

PATIENCE_S = 20.0
BUSY = ScriptedReply.error(429, "slow down", headers=(("Retry-After", "0.4"),))


def plan_of(gateway: Gateway, sleep: Callable[[float], object]) -> Plan:
    policy = INTERACTIVE._replace(attempts=9)
    urls = (gateway.base_url,)
    plan = Plan(urls, KEY, lambda text: None, environ={}, policy=policy)

    def wait(wait_s: float) -> None:
        sleep(wait_s)

    return plan._replace(retry_sleep=wait)


def chat(prompt: str) -> Call:
    message = {"role": "user", "content": prompt}
    return Call("POST", "/chat/completions", {"model": "gpt-4o", "messages": [message]})


def ask(sender: Sender, prompt: str) -> str:
    def decode(reply: Reply) -> Iterator[int]:
        from apiyi_cli.decode.frames.reply_body import read_json

        read_json(reply, cost="text")
        yield reply.status

    (status,) = sender.answer(chat(prompt), decode, shows=lambda item: False)
    return f"{prompt} {status}"


def without_boundary(body: bytes) -> bytes:
    first, *_ = body.split(b"\r\n")
    return body.replace(first, b"") if first.startswith(b"--") else body


def prompts_of(gateway: Gateway) -> list[Any]:
    return [one.json["messages"][0]["content"] for one in gateway.ledger]


@pytest.mark.parametrize(("jobs", "refusals"), [(1, 1), (2, 2), (2, 4), (4, 3)])
def test_requests_that_wait_hold_nobody_back_and_come_out_in_their_place(
    gateway: Gateway, jobs: int, refusals: int
) -> None:
    gateway.script(*[BUSY] * refusals)
    items = [str(number) for number in range(12)]
    others = threading.Event()

    def answered() -> bool:
        return sum(one.status == 200 for one in gateway.ledger) >= len(items) - refusals

    def sleep(wait_s: float) -> None:
        gateway.wait_for(answered)
        others.set()

    plan, stop = plan_of(gateway, sleep), threading.Event()
    got = list(map_in_order(plan, iter(items), ask, jobs, stop, lambda text: None))
    assert got == [f"{item} 200" for item in items]
    assert others.is_set()
    refused = [one.json for one in gateway.ledger if one.status == 429]
    assert len(refused) == refusals
    assert all(one.json in refused for one in gateway.ledger[-refusals:])


def test_no_more_requests_than_jobs_are_in_flight_when_the_waits_end(gateway: Gateway) -> None:
    gateway.script(*[BUSY] * 6)
    lock, counts = threading.Lock(), [0, 0]

    class Counting(Observer):
        def on_request(self, request: HttpRequest) -> None:
            with lock:
                counts[0] += 1
                counts[1] = max(counts)

        def on_reply(self, reply: Reply, after_s: float) -> None:
            with lock:
                counts[0] -= 1

    plan = plan_of(gateway, lambda wait_s: None)._replace(observer=Counting())
    items = [str(number) for number in range(20)]
    got = list(map_in_order(plan, iter(items), ask, 2, threading.Event(), lambda text: None))
    assert len(got) == 20 and counts[1] <= 2


def test_a_run_that_stops_does_not_send_again_what_waits(gateway: Gateway) -> None:
    gateway.script(BUSY, ScriptedReply.error(400, "no"))
    stop = threading.Event()
    # As long as the run goes on it waits.
    plan = plan_of(gateway, lambda wait_s: stop.wait(PATIENCE_S))
    with pytest.raises(ApiyiError, match="no"):
        list(map_in_order(plan, iter("abc"), ask, 1, stop, lambda text: None))
    assert prompts_of(gateway) == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "stdin", "count"),
    [
        (
            "embed --lines --batch-size 1 -j 1 --dimensions 2 -m text-embedding-3-small",
            b"a\nb\nc\n",
            3,
        ),
        (
            "embed --lines --batch-size 1 -j 1 --dimensions 2 -m text-embedding-3-small -o v",
            b"a\nb\nc\n",
            3,
        ),
        ("image --lines -j 1 -m gpt-image-1 --size 16x16", b"a\nb\nc\n", 3),
        ("transcribe a.wav b.wav c.wav -j 1 -m whisper-1", b"", 3),
        ("complete --lines --batch-size 1 -m gpt-3.5-turbo-instruct", b"a\nb\nc\n", 3),
    ],
)
def test_every_command_of_many_requests_does_so(
    apiyi: Program, gateway: Gateway, line: str, stdin: bytes, count: int
) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        (apiyi.work / name).write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + name.encode() * 20)
    gateway.script(BUSY)
    ran = apiyi(line, stdin=stdin)
    assert ran.code == 0, ran.err
    assert [one.status for one in gateway.ledger] == [429, *[200] * count]
    assert len(ran.out.splitlines()) == (0 if "-o v" in line else count)
    contents = [without_boundary(one.body) for one in gateway.ledger]
    assert contents.index(contents[-1]) == 0
