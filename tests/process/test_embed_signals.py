"""`apiyi embed -o` and the signals: what was paid for stays, whatever ends the process."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from collections import Counter
from typing import Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Program

LINE = "embed --lines --dimensions 2 --batch-size 3 -j 3 -o v"
COUNT = 120


@pytest.fixture
def apiyi(started: Program) -> Program:
    started.environ["APIYI_MODEL"] = "text-embedding-3-small"
    (started.work / "in").write_bytes(b"".join(b"text %d\n" % number for number in range(COUNT)))
    return started


def records(apiyi: Program) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (apiyi.work / "v").read_bytes().splitlines()]


def paid(gateway: Gateway) -> Counter[str]:
    """Return how often each text was answered, whoever still heard it."""
    found: Counter[str] = Counter()
    for one in gateway.ledger:
        if one.billed:
            given = one.json["input"]
            found.update([given] if isinstance(given, str) else given)
    return found


def run(apiyi: Program) -> subprocess.Popen[bytes]:
    with (apiyi.work / "in").open("rb") as stdin:
        return apiyi.start(LINE, stdin=stdin)


def wait_until(gateway: Gateway, process: subprocess.Popen[bytes], count: int) -> None:
    while process.poll() is None and len(gateway.posts) < count:
        gateway.wait_for(lambda: len(gateway.posts) >= count, 0.05)


def check_whole(apiyi: Program) -> None:
    assert [one["text"] for one in records(apiyi)] == [f"text {n}" for n in range(COUNT)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_keeps_what_has_come_and_what_is_in_flight(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]], number: int
) -> None:
    process = run(apiyi)
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.posts) >= 6)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode in (-number, 0)
    with (apiyi.work / "in").open("rb") as stdin:
        ran = apiyi(LINE, stdin=stdin)
    assert ran.code == 0, ran.err
    check_whole(apiyi)
    assert set(paid(gateway).values()) == {1} and len(paid(gateway)) == COUNT


@pytest.mark.parametrize("seed", range(2))
def test_kill_loses_at_most_what_was_in_flight_and_says_how_much(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]], seed: int
) -> None:
    chance = random.Random(seed)
    kills = told = 0
    while True:
        before = len(gateway.posts)
        process = run(apiyi)
        stopped.append(process)
        after = before + chance.randint(2, 16)
        wait_until(gateway, process, after)
        process.kill()
        _, err = process.communicate(timeout=20)
        for line in err.decode().splitlines():
            if "may be billed twice" in line:
                told += int(line.split("apiyi: ")[1].split()[0])
        if process.returncode == 0:
            break
        kills += 1
        assert kills < 80
    check_whole(apiyi)
    counts = paid(gateway)
    assert len(counts) == COUNT
    twice = sum(count - 1 for count in counts.values())
    # Three requests of three texts at most, each time, and an answer that is being written.
    assert twice <= told <= 12 * kills


def test_a_second_signal_does_not_wait(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    gateway.script(*[ScriptedReply.json({}).stall()] * 3)
    process = run(apiyi)
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.posts) >= 3)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode in (-signal.SIGTERM, -signal.SIGINT)
    with (apiyi.work / "in").open("rb") as stdin:
        ran = apiyi(LINE, stdin=stdin)
    assert ran.code == 0 and "9 texts were in flight" in ran.err
    check_whole(apiyi)


def test_a_matrix_is_whole_after_kills_and_nothing_is_paid_for_again(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    import numpy

    line = LINE.replace("-o v", "-o v.npy")
    lost = kills = 0
    while True:
        before = len(gateway.posts)
        with (apiyi.work / "in").open("rb") as stdin:
            process = apiyi.start(line, stdin=stdin)
        stopped.append(process)
        wait_until(gateway, process, before + 9)
        process.kill()
        _, err = process.communicate(timeout=20)
        for told in err.decode().splitlines():
            if "may be billed twice" in told:
                lost += int(told.split("apiyi: ")[1].split()[0])
        if process.returncode == 0:
            break
        kills += 1
        assert kills < 40
    texts = [json.loads(line) for line in (apiyi.work / "v.jsonl").read_bytes().splitlines()]
    assert [one["text"] for one in texts] == [f"text {n}" for n in range(COUNT)]
    matrix = numpy.load(apiyi.work / "v.npy")
    assert matrix.shape == (COUNT, 2)
    with (apiyi.work / "in").open("rb") as stdin:
        ran = apiyi(LINE.replace(" -o v", ""), stdin=stdin)
    wanted = [json.loads(line)["embedding"] for line in ran.out.splitlines()]
    assert numpy.array_equal(matrix, numpy.array(wanted, "f4"))
    assert sum(count - 2 for count in paid(gateway).values()) <= lost
