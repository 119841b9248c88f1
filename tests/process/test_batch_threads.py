"""Bulk runs where the system has few threads to give, or where something breaks unexpectedly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Program

FEW = """
import os, threading
left = [int(os.environ["THREADS_LEFT"])]
begin = threading.Thread.start
def start(thread):
    if left[0] <= 0:
        raise RuntimeError("can't start new thread")
    left[0] -= 1
    begin(thread)
threading.Thread.start = start
"""
BREAKING = """
import os, threading
count = [0]
draw = os.urandom
def urandom(size):
    if threading.current_thread() is not threading.main_thread():
        count[0] += 1
        if count[0] == 9:
            raise ZeroDivisionError("a defect")
    return draw(size)
os.urandom = urandom
"""


def make_site(folder: Path, code: str) -> dict[str, str | None]:
    """Have the interpreter run some code before the program."""
    place = folder / "site"
    place.mkdir()
    (place / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": str(place)}


def prompts(program: Program, count: int) -> None:
    lines = [json.dumps({"id": f"r{n}", "prompt": f"q {n}"}) + "\n" for n in range(count)]
    (program.work / "rows.jsonl").write_text("".join(lines))


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_a_batch_gets_along_with_the_threads_that_there_are(
    apiyi: Program, gateway: Gateway, tmp_path: Path, allowed: int
) -> None:
    prompts(apiyi, 30)
    env = {**make_site(tmp_path, FEW), "THREADS_LEFT": str(allowed)}
    ran = apiyi("batch rows.jsonl -o out.jsonl -j 8", env=env)
    assert ran.code == 0, ran.err
    assert len((apiyi.work / "out.jsonl").read_bytes().splitlines()) == 30
    assert len(gateway.ledger) == 30
    assert ran.err.count("at once instead of 8: the system allows no more threads here") == 1


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_other_runs_of_many_requests_do_so_as_well(
    apiyi: Program, gateway: Gateway, tmp_path: Path, allowed: int
) -> None:
    env = {**make_site(tmp_path, FEW), "THREADS_LEFT": str(allowed)}
    line = "embed --lines --batch-size 1 -j 4 -m text-embedding-3-small --dimensions 8"
    ran = apiyi(line, stdin=b"one\ntwo\nthree\nfour\nfive\n", env=env)
    assert ran.code == 0, ran.err
    indexes = [json.loads(line)["index"] for line in ran.out.splitlines()]
    assert indexes == [0, 1, 2, 3, 4] and len(gateway.ledger) == 5
    assert ran.err.count("at once instead of 4") == 1


def test_a_defect_in_one_row_keeps_the_answers_of_the_others_and_exits_1(
    apiyi: Program, gateway: Gateway, tmp_path: Path
) -> None:
    prompts(apiyi, 60)
    ran = apiyi("batch rows.jsonl -o out.jsonl -j 4", env=make_site(tmp_path, BREAKING))
    assert ran.code == 1 and "internal error: ZeroDivisionError: a defect" in ran.err
    records = [json.loads(line) for line in (apiyi.work / "out.jsonl").read_bytes().splitlines()]
    assert len([one for one in records if one["error"] is None]) == len(gateway.ledger) < 60
    again = apiyi("batch rows.jsonl -o out.jsonl -j 4")
    assert again.code == 0 and len(gateway.ledger) == 60
