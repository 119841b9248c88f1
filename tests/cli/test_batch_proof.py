"""`batch verify` over several outputs and against the rows, locks of other machines, causes."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Program, Ran


def write(program: Program, rows: list[Any], name: str = "rows.jsonl") -> None:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (program.work / name).write_text("".join(line + "\n" for line in lines))


def prompts(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"r{n}", "prompt": f"question {n}", **more} for n in range(count)]


def run_shards(program: Program, count: int, of: int, *more: str) -> None:
    for part in range(count):
        line = ["batch", "rows.jsonl", "-o", f"out-{part}", "--shard", f"{part}/{of}", *more]
        assert program(line).code == 0


def test_shards_are_proved_together_and_all_payments_counted(
    apiyi: Program, gateway: Gateway
) -> None:
    write(apiyi, prompts(30))
    run_shards(apiyi, 3, 3)
    ran = apiyi("batch verify out-0 out-1 out-2 --rows rows.jsonl")
    assert ran.code == 0, ran.err
    assert (ran.json["answered_rows"], ran.json["requests"]) == (30, 30)
    assert ran.json["complete"] is True and ran.json["missing"] == []
    assert apiyi("batch verify out-0 out-1 out-2").code == 0
    for line in ("out-0 out-1", "out-0 out-1 --rows rows.jsonl"):
        missing = apiyi(f"batch verify {line}")
        assert missing.code == 3 and "shard 2/3 is missing" in missing.err
        assert missing.json["complete"] is False
    alone = apiyi("batch verify out-1")
    assert alone.code == 0 and alone.json["shards"] == ["1/3"]


def test_rows_without_an_id_are_proved_with_the_options_of_their_run(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "rows.txt").write_text("".join(f"item {n}\n" for n in range(12)))
    line = ["--lines", "--template", "Describe {line}", "-m", "gpt-4.1", "--temperature", "0.5"]
    for part in (1, 2):
        words = ["batch", "rows.txt", "-o", f"out-{part}", "--shard", f"{part}/2", *line]
        assert apiyi([*words, "-O", "seed=7"]).code == 0
    ran = apiyi("batch verify out-1 out-2 --rows rows.txt")
    assert ran.code == 0 and ran.json["answered_rows"] == 12, ran.err
    other = apiyi("batch verify out-1 out-2 --rows rows.txt --temperature 1")
    assert other.code == 3 and other.json["missing_rows"] == 12


def test_a_concatenated_output_is_judged_truly(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, prompts(30))
    run_shards(apiyi, 3, 4)
    for name in ("", ".apiyi-journal"):
        parts = [(apiyi.work / f"out-{part}{name}").read_bytes() for part in range(3)]
        (apiyi.work / f"all{name}").write_bytes(b"".join(parts))
    ran = apiyi("batch verify all")
    assert ran.code == 10 and "shard 3/4 is missing" in ran.err
    assert ran.json["complete"] is False and ran.json["requests"] == len(gateway.ledger)
    by_rows = apiyi("batch verify all --rows rows.jsonl")
    assert by_rows.code != 0 and by_rows.json["missing_rows"] == 30 - len(gateway.ledger)
    (apiyi.work / "all.apiyi-journal").unlink()
    by_rows = apiyi("batch verify all --rows rows.jsonl")
    assert by_rows.code == 3 and by_rows.json["missing_rows"] == 30 - len(gateway.ledger)
    run_shards(apiyi, 4, 4)
    for name in ("", ".apiyi-journal"):
        parts = [(apiyi.work / f"out-{part}{name}").read_bytes() for part in range(4)]
        (apiyi.work / f"all{name}").write_bytes(b"".join(parts))
    ran = apiyi("batch verify all --rows rows.jsonl")
    assert ran.code == 0 and ran.json["requests"] == 30 == len(gateway.ledger), ran.err
    assert apiyi("batch compact all out-0").code == 0
    assert apiyi("batch verify all --rows rows.jsonl").code == 0


def test_answers_twice_failures_and_changed_rows_are_no_whole(
    apiyi: Program, gateway: Gateway
) -> None:
    write(apiyi, prompts(6))
    apiyi("batch rows.jsonl -o one")
    shutil.copy(apiyi.work / "one", apiyi.work / "two")
    for line in ("one two", "one two --rows rows.jsonl"):
        doubled = apiyi(f"batch verify {line}")
        assert doubled.code == 10 and "6 rows have an answer in more than one" in doubled.err
    rows = prompts(6)
    rows[1]["prompt"] = "changed"
    write(apiyi, [*rows, {"id": "new", "prompt": "x", "model": "fault:400"}])
    changed = apiyi("batch verify one --rows rows.jsonl")
    assert changed.code == 3 and changed.json["missing_rows"] == 2
    assert "r1 (rows.jsonl:2)" in changed.err
    assert apiyi("batch rows.jsonl -o one").code == 3
    failed = apiyi("batch verify one --rows rows.jsonl")
    assert failed.code == 3 and failed.json["failed_rows"] == 1
    assert "1 rows that failed: new (rows.jsonl:7)" in failed.err


def test_rows_are_for_verify_alone(apiyi: Program) -> None:
    write(apiyi, prompts(1))
    assert apiyi("batch rows.jsonl --rows rows.jsonl -o o").code == 2


def test_the_lock_of_a_machine_that_is_gone_is_taken_on_request(
    apiyi: Program, gateway: Gateway
) -> None:
    write(apiyi, prompts(1))
    apiyi("batch rows.jsonl -o o")
    lock = apiyi.work / "o.apiyi-lock"
    assert apiyi("batch unlock o").code == 2
    lock.write_text('{"host":"gone.example","pid":7,"boot":"x"}')
    ran = apiyi("batch unlock o")
    assert ran.code == 0 and not lock.exists()
    assert "held by process 7 on gone.example" in ran.err and "paid for twice" in ran.err
    import os
    import socket
    from pathlib import Path

    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    ours = {"host": socket.gethostname(), "pid": os.getpid(), "boot": boot}
    lock.write_text(json.dumps(ours))
    assert apiyi("batch unlock o").code == 10 and lock.exists()


def failing(program: Program, rows: list[Any], *more: str) -> Ran:
    write(program, rows)
    ran = program(["batch", "rows.jsonl", "-o", "o", "--retries", "0", *more])
    assert ran.code == 3, ran.err
    return ran


def test_the_one_cause_of_all_failures_is_told(apiyi: Program, gateway: Gateway) -> None:
    ran = failing(apiyi, prompts(3, model="fault:400"))
    assert "3 of 3 rows failed: the gateway refused the request: [sandbox] bad request" in ran.err
    assert "--retry-failed" not in ran.err and "records say why" not in ran.err
    again = failing(apiyi, prompts(3, model="fault:400"))
    assert "3 of 3 rows failed: the gateway refused the request: [sandbox] bad request" in again.err
    assert len(gateway.ledger) == 3


def test_several_causes_are_told_with_their_numbers(apiyi: Program) -> None:
    rows = [*prompts(2, model="fault:400"), "{", "{", "{", {"id": "x"}, {"id": "ok", "prompt": "a"}]
    ran = failing(apiyi, rows)
    assert "3 × not valid JSON" in ran.err and "2 × the gateway refused" in ran.err
    assert "1 × the row has no prompt" in ran.err and "--retry-failed" not in ran.err


@pytest.mark.parametrize(
    ("rows", "hint"),
    [
        ([{"prompt": 7}, {"id": "ok", "prompt": "a"}], "correct these rows, then run it again"),
        ([{"prompt": "x", "model": "fault:503"}], "run it again"),
    ],
)
def test_a_hint_can_help(apiyi: Program, rows: list[Any], hint: str) -> None:
    ran = failing(apiyi, rows)
    assert hint in ran.err and "--retry-failed" not in ran.err
