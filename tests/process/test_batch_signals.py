"""A batch and the signals: drained once, abandoned twice, and the journal knows which."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import time
from functools import partial
from typing import Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Program

LINE = "batch rows.jsonl -o out.jsonl -j 2 --no-limits"


def write(program: Program, count: int) -> None:
    rows = (json.dumps({"id": f"r{n}", "prompt": f"question {n}"}) for n in range(count))
    (program.work / "rows.jsonl").write_text("".join(f"{row}\n" for row in rows))


def stall_requests(gateway: Gateway, count: int) -> None:
    """Have the next requests wait until they are given up."""
    gateway.script(*[ScriptedReply.json({}).stall()] * count)


def records(program: Program) -> list[dict[str, Any]]:
    data = (program.work / "out.jsonl").read_bytes()
    return [json.loads(line) for line in data.splitlines()]


def journal(program: Program) -> list[dict[str, Any]]:
    data = (program.work / "out.jsonl.apiyi-journal").read_bytes()
    return [json.loads(line) for line in data.splitlines()]


def line_of(process: subprocess.Popen[bytes], word: bytes) -> bytes:
    """Read stderr up to the line that has a word."""
    assert process.stderr is not None
    while line := process.stderr.readline():
        if word in line:
            return line
    raise AssertionError(f"stderr ended without {word!r}")


def test_one_interrupt_drains_and_then_ends_by_the_signal(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    import threading

    write(apiyi, 30)
    go_on = threading.Event()
    answer = ScriptedReply.json(
        {
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "x"},
                    "finish_reason": "stop",
                }
            ],
        }
    )
    gateway.script(*[answer.replace(wait=lambda piece: go_on.wait(20))] * 2)
    process = apiyi.start(LINE)
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) == 2)
    process.send_signal(signal.SIGINT)
    told = line_of(process, b"stopping")
    go_on.set()
    process.communicate(timeout=20)
    assert b"2 in flight, waiting up to 30 s; ^C again to abandon them (they may be billed)" in told
    assert process.returncode == -signal.SIGINT
    assert len(gateway.ledger) == 2 == len(records(apiyi))
    assert not [line for line in journal(apiyi) if line["t"] == "A"]
    resumed = apiyi(LINE)
    assert resumed.code == 0 and len(records(apiyi)) == 30 == len(gateway.ledger)


def test_two_interrupts_abandon_within_a_second_and_the_journal_says_so(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    write(apiyi, 10)
    stall_requests(gateway, 2)
    process = apiyi.start(LINE)
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) == 2)
    process.send_signal(signal.SIGINT)
    line_of(process, b"stopping")
    began_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert time.monotonic() - began_s < 1.0
    assert process.returncode == -signal.SIGINT
    abandoned = [line for line in journal(apiyi) if line["t"] == "A"]
    assert {line["id"] for line in abandoned} == {"r0", "r1"}
    assert all(line["billed"] for line in abandoned)
    resumed = apiyi(f"{LINE} --summary s.json")
    assert resumed.code == 0
    assert "2 requests were in flight when an earlier run ended" in resumed.err
    summary = json.loads((apiyi.work / "s.json").read_bytes())
    assert summary["maybe_billed_twice"] == 2 and summary["ok"] == 10


def test_rows_in_flight_when_a_run_died_can_be_left_alone_or_end_the_next_run(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    write(apiyi, 5)
    stall_requests(gateway, 2)
    process = apiyi.start(LINE)
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) == 2)
    process.kill()
    process.communicate(timeout=20)
    asked = apiyi(f"{LINE} --on-unknown fail")
    assert asked.code == 8 and "was in flight when an earlier run ended" in asked.err
    assert len(gateway.ledger) == 2
    skipped = apiyi(f"{LINE} --on-unknown skip --summary s.json")
    assert skipped.code == 3 and len(gateway.ledger) == 5
    failed = {one["custom_id"]: one["error"] for one in records(apiyi) if one["error"]}
    assert set(failed) == {"r0", "r1"}
    assert all(one["maybe_billed"] and one["class"] == "incomplete" for one in failed.values())
    assert json.loads((apiyi.work / "s.json").read_bytes())["maybe_billed_twice"] == 0
    again = apiyi(f"{LINE} --retry-failed --summary s.json")
    assert again.code == 0 and len(gateway.ledger) == 7
    assert json.loads((apiyi.work / "s.json").read_bytes())["maybe_billed_twice"] == 2


def test_a_termination_drains_and_ends_by_the_signal(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    write(apiyi, 400)
    process = apiyi.start(LINE)
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) > 20)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM
    assert b"skipped" in err
    found = records(apiyi)
    assert len(found) == len(gateway.ledger) < 400
    assert apiyi(LINE).code == 0 and len(gateway.ledger) == 400


def test_a_termination_ends_a_batch_whose_reader_has_stopped_reading(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    rows = (json.dumps({"prompt": "x" * 200_000}) for _ in range(8))
    (apiyi.work / "rows.jsonl").write_text("".join(f"{row}\n" for row in rows))
    process = apiyi.start("batch rows.jsonl -j 2 --no-limits")
    stopped.append(process)
    assert gateway.wait_for(lambda: sum(one.done for one in gateway.ledger) >= 2)
    assert process.stdout is not None and process.stdout.read(1000)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == -signal.SIGTERM


def test_a_row_that_waits_for_its_retry_is_not_waited_for(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    write(apiyi, 1)
    gateway.script(ScriptedReply.error(503, "later").replace(headers=(("retry-after", "60"),)))
    process = apiyi.start(f"{LINE} -v")
    stopped.append(process)
    line_of(process, b"retry 1 of 5 in 60.0 s")
    began_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert time.monotonic() - began_s < 2.0 and process.returncode == -signal.SIGINT
    (given_up,) = [line for line in journal(apiyi) if line["t"] == "A"]
    assert given_up["id"] == "r0" and given_up["billed"] is False
    resumed = apiyi(f"{LINE} --summary s.json")
    assert resumed.code == 0
    assert json.loads((apiyi.work / "s.json").read_bytes())["maybe_billed_twice"] == 0


def test_the_user_signal_shows_how_far_it_is(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    write(apiyi, 3)
    stall_requests(gateway, 1)
    process = apiyi.start("batch rows.jsonl -o out.jsonl -j 2 -q")
    stopped.append(process)
    assert gateway.wait_for(lambda: sum(one.done for one in gateway.ledger) == 2)
    told = b""
    # What the gateway has sent may not have been read yet.
    while b"ok 2  failed 0" not in told:
        process.send_signal(signal.SIGUSR1)
        told = line_of(process, b"ok")
    assert b"req/min 2/3,000" in told
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)


def test_the_user_signal_still_ends_other_commands(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    stall_requests(gateway, 1)
    process = apiyi.start("chat -n hi")
    stopped.append(process)
    assert gateway.wait_for(lambda: gateway.ledger)
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGUSR1


def test_an_interrupt_that_was_ignored_stays_ignored(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, 150)
    script = (
        "trap '' INT; apiyi batch rows.jsonl -o out.jsonl -j 2 & "
        "until [ -s out.jsonl ]; do sleep 0.02; done; kill -INT $!; wait $!"
    )
    ran = apiyi.shell(script)
    assert ran.code == 0 and len(records(apiyi)) == 150


def test_progress_renews_itself_on_a_terminal_and_leaves_nothing(apiyi: Program) -> None:
    write(apiyi, 200)
    screen = apiyi.terminal("batch rows.jsonl -o out.jsonl -j 2", columns=100)
    assert screen.code == 0
    assert b"200" in screen.raw and b"req/min" in screen.raw
    assert [line for line in screen.lines if "req/min" in line] == []
    assert screen.lines[-1].startswith("apiyi: 200 rows: 200 ok")


def test_a_batch_that_is_killed_at_random_moments_loses_nothing(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    check_killed(apiyi, gateway, stopped, kills=4, rows=120, size=100_000, seed=3)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(20))
def test_a_batch_of_long_answers_that_is_killed_at_random_moments_loses_nothing(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]], seed: int
) -> None:
    check_killed(apiyi, gateway, stopped, kills=10, rows=300, size=300_000, seed=seed)


def test_a_batch_that_is_suspended_for_longer_than_a_timeout_loses_nothing(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    write(apiyi, 60)
    process = apiyi.start(f"{LINE} --timeout 0.5")
    stopped.append(process)
    for wanted in (10, 30):
        assert gateway.wait_for(partial(has_asked, gateway, wanted))
        # What a terminal sends does not stop a process of an orphaned group.
        process.send_signal(signal.SIGSTOP)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.8)
        assert process.returncode is None
        process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert sorted(one["custom_id"] for one in records(apiyi)) == sorted(f"r{n}" for n in range(60))
    # Whatever was answered meanwhile and had to be asked again is known to the journal.
    assert len(gateway.ledger) == sum(one["t"] == "S" for one in journal(apiyi))


def has_asked(gateway: Gateway, wanted: int) -> bool:
    return len(gateway.ledger) >= wanted


def check_killed(
    apiyi: Program,
    gateway: Gateway,
    stopped: list[subprocess.Popen[bytes]],
    *,
    kills: int,
    rows: int,
    size: int,
    seed: int,
) -> None:
    """Kill a run `kills` times after a number of requests; the answers are up to `size` long."""
    import random
    from collections import Counter

    chance = random.Random(seed)
    lines = (
        json.dumps({"id": f"r{n}", "prompt": f"{n} " + "x" * chance.randrange(size)})
        for n in range(rows)
    )
    (apiyi.work / "rows.jsonl").write_text("".join(f"{line}\n" for line in lines))
    line = "batch rows.jsonl -o out.jsonl -j 20 --no-limits --summary s.json"
    told: list[int] = []
    for _ in range(kills):
        wanted = len(gateway.ledger) + chance.randrange(1, 1 + rows // (kills + 1))
        process = apiyi.start(line)
        stopped.append(process)
        assert gateway.wait_for(partial(has_asked, gateway, wanted))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, 0.02))
        process.kill()
        told.append(in_flight(process.communicate(timeout=20)[1].decode()))
    ended = apiyi(line)
    assert ended.code == 0, ended.err
    told.append(in_flight(ended.err))
    assert max(told) <= 20
    found = Counter(one["custom_id"] for one in records(apiyi))
    assert found == {f"r{n}": 1 for n in range(rows)}
    texts = {one["custom_id"]: one["response"]["body"] for one in records(apiyi)}
    assert all(
        texts[f"r{n}"]["choices"][0]["message"]["content"].startswith(f"[sandbox] You said: {n} ")
        for n in range(rows)
    )
    verified = apiyi("batch verify out.jsonl")
    assert verified.code == 0 and verified.json["problems"] == []
    assert len(gateway.ledger) <= verified.json["requests"]
    # Each run's own line tells of those that the runs before it left in flight.
    assert len(gateway.posts) - rows <= verified.json["lost"] <= sum(told)
    assert verified.json["requests"] - rows == verified.json["lost"]
    assert json.loads((apiyi.work / "s.json").read_bytes())["maybe_billed_twice"] == told[-1]
    assert verified.json["maybe_billed_twice"] == verified.json["lost"]


def test_what_a_killed_run_sent_twice_is_told_by_the_next(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    write(apiyi, 1)
    answer = ScriptedReply.chat("x")
    gateway.script(answer.cut(at=100), answer.stall())
    line = "batch rows.jsonl -o out.jsonl -j 1 --no-limits --summary s.json"
    process = apiyi.start(line)
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) == 2)
    process.kill()
    process.communicate(timeout=20)
    ended = apiyi(line)
    assert ended.code == 0 and len(gateway.ledger) == 3
    # One for the second attempt, of which the killed run could not tell, one for the third.
    assert json.loads((apiyi.work / "s.json").read_bytes())["maybe_billed_twice"] == 2
    assert apiyi("batch verify out.jsonl").json["maybe_billed_twice"] == 2
    assert apiyi("batch compact out.jsonl").code == 0
    assert apiyi("batch verify out.jsonl").json["maybe_billed_twice"] == 2


def test_a_compacted_journal_tells_once_of_what_is_still_unknown(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    write(apiyi, 2)
    answer = ScriptedReply.chat("x")
    gateway.script(answer, answer.cut(at=100), answer.stall())
    process = apiyi.start("batch rows.jsonl -o out.jsonl -j 1 --no-limits")
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) == 3)
    process.kill()
    process.communicate(timeout=20)
    before = apiyi("batch verify out.jsonl")
    assert before.code == 3 and before.json["maybe_billed_twice"] == before.json["unknown"] == 1
    assert apiyi("batch compact out.jsonl").code == 0
    after = apiyi("batch verify out.jsonl").json
    assert after["maybe_billed_twice"] == after["unknown"] == 1
    assert apiyi("batch rows.jsonl -o out.jsonl -j 1").code == 0
    assert apiyi("batch verify out.jsonl").json["maybe_billed_twice"] == 2


def in_flight(err: str) -> int:
    """Return how many requests a run says were in flight when an earlier one ended."""
    found = re.search(r"(\d+) requests were in flight", err)
    return int(found[1]) if found else 0
