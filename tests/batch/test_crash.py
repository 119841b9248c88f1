"""Killed at any byte, run again: the same records, and no payment that is not told."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.sandbox.server import Gateway
from tests.batch.crash_runner import CrashServer, Runner, RunResult
from tests.sampled import more_at_night

ROWS = [
    {"id": "a", "prompt": "alpha"},
    {"prompt": "beta", "temperature": 0.5},
    {"id": "c", "prompt": "gamma\u2028 and \U0001f600"},
    "this is no JSON",
    {"id": "e", "messages": [{"role": "user", "content": "epsilon"}]},
    {"id": "f", "prompt": "phi"},
]
GOOD_ROWS = 5
JOBS = 2


@pytest.fixture
def runner(tmp_path: Path, gateway: Gateway, crashes: CrashServer) -> Runner:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in ROWS]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Runner(crashes, tmp_path, gateway.base_url)


def records(folder: Path, name: str = "x.out") -> dict[str, tuple[Any, ...]]:
    """The newest record of each id, by what does not differ from run to run."""
    found = {}
    for line in (folder / name).read_bytes().split(b"\n")[:-1]:
        record = json.loads(line)
        body = (record["response"] or {}).get("body")
        text = body["choices"][0]["message"]["content"] if body else None
        error = record["error"] and record["error"]["message"]
        found[record["custom_id"]] = (record["index"], text, error, record["sha"])
    return found


def clear(folder: Path, gateway: Gateway) -> None:
    gateway.ledger.clear()
    for path in folder.glob("x.out*"):
        path.unlink()


def paid_twice(gateway: Gateway) -> int:
    paid = Counter(one.body for one in gateway.posts)
    return sum(count - 1 for count in paid.values())


def undisturbed(runner: Runner) -> tuple[dict[str, tuple[Any, ...]], int]:
    whole = runner("rows.jsonl", "-o", "x.out", "-j", str(JOBS))
    assert whole.code == 3, whole.err
    return records(runner.folder), whole.recorded


def check_resumed(runner: Runner, gateway: Gateway, expected: object, ended: RunResult) -> None:
    assert ended.code == 3, ended.err
    assert records(runner.folder) == expected
    told = ended.summary["maybe_billed_twice"]
    assert paid_twice(gateway) <= told <= JOBS
    verify_output = runner_verify(runner)
    assert verify_output["problems"] == [] and verify_output["unknown"] == 0
    assert verify_output["maybe_billed_twice"] == told
    claims = (runner.folder / "x.out.apiyi-journal").read_bytes().count(b'"t":"S"')
    assert claims == verify_output["requests"] == GOOD_ROWS + told
    # A claim may have been written and its request not sent.
    assert len(gateway.ledger) <= claims


def runner_verify(runner: Runner) -> dict[str, Any]:
    from apiyi_cli.batch.state.verify import Evidence

    return Evidence(runner.folder / "x.out").judge().summary


def check_every(runner: Runner, gateway: Gateway, points: list[int], *more: str) -> None:
    words = ("rows.jsonl", "-o", "x.out", "-j", str(JOBS), *more)
    expected, _ = undisturbed(runner)
    for k in points:
        clear(runner.folder, gateway)
        killed = runner(*words, kill_at=k)
        assert killed.code == -9, (k, killed.err)
        check_resumed(runner, gateway, expected, runner(*words))


def test_killed_after_some_bytes_and_run_again_all_records_are_there(
    runner: Runner, gateway: Gateway
) -> None:
    _, size = undisturbed(runner)
    check_every(runner, gateway, random.Random(5).sample(range(1, size), 16))


@pytest.mark.parametrize("samples", more_at_night(8, 20))
def test_an_ordered_output_loses_no_answer_that_waited_for_its_turn(
    runner: Runner, gateway: Gateway, samples: int
) -> None:
    _, size = undisturbed(runner)
    check_every(runner, gateway, random.Random(6).sample(range(1, size), samples), "--ordered")


@pytest.mark.nightly
def test_killed_after_every_byte_and_run_again_all_records_are_there(
    runner: Runner, gateway: Gateway
) -> None:
    _, size = undisturbed(runner)
    assert size > 2_000
    check_every(runner, gateway, list(range(1, size)))


@pytest.mark.parametrize("samples", more_at_night(3, 6))
def test_killed_while_resuming_three_deep_all_records_are_there(
    runner: Runner, gateway: Gateway, samples: int
) -> None:
    words = ("rows.jsonl", "-o", "x.out", "-j", str(JOBS))
    expected, size = undisturbed(runner)
    chance = random.Random(7)
    for _ in range(samples):
        clear(runner.folder, gateway)
        told = 0
        for depth in range(3):
            killed = runner(*words, kill_at=chance.randrange(1, size // (2 + depth)))
            assert killed.code == -9, killed.err
            told += JOBS
        ended = runner(*words)
        assert ended.code == 3, ended.err
        assert records(runner.folder) == expected
        # Each killed run may have left as many as it had in flight, and says so.
        verify_output = runner_verify(runner)
        assert paid_twice(gateway) <= verify_output["maybe_billed_twice"] <= told
        assert verify_output["problems"] == []


@pytest.mark.parametrize("samples", more_at_night(4, 10))
@pytest.mark.parametrize(
    ("error", "told"), [("ENOSPC", "No space left"), ("EIO", "Input/output error")]
)
def test_a_disk_that_fails_at_some_byte_ends_the_run_with_11_and_resuming_completes(
    runner: Runner, gateway: Gateway, error: str, told: str, samples: int
) -> None:
    words = ("rows.jsonl", "-o", "x.out", "-j", str(JOBS))
    expected, size = undisturbed(runner)
    for k in random.Random(error).sample(range(1, size - 300), samples):
        clear(runner.folder, gateway)
        broken = runner(*words, fail_at=k, error=error)
        assert broken.code == 11, (k, broken.err)
        assert told in broken.err
        ended = runner(*words)
        assert ended.code == 3, (k, ended.err)
        assert records(runner.folder) == expected
        verify_output = runner_verify(runner)
        assert verify_output["problems"] == [], k
        assert paid_twice(gateway) <= verify_output["maybe_billed_twice"] <= JOBS, k


def test_a_disk_that_loses_what_it_took_ends_the_run_with_11(
    runner: Runner, gateway: Gateway
) -> None:
    words = ("rows.jsonl", "-o", "x.out", "-j", str(JOBS))
    expected, _ = undisturbed(runner)
    clear(runner.folder, gateway)
    lost = runner(*words, error="EIO", sync=True)
    assert lost.code == 11 and "Input/output error" in lost.err
    assert runner(*words).code == 3
    assert records(runner.folder) == expected
    # Some file systems have no way to do it: that loses nothing.
    clear(runner.folder, gateway)
    assert runner(*words, error="EINVAL", sync=True).code == 3
