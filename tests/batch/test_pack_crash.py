"""Rows in packs, killed at any byte and run again: the same records, every payment told."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.sandbox.server import Gateway
from tests.batch.crash_runner import CrashServer, Runner
from tests.batch.test_crash import clear, runner_verify
from tests.sampled import more_at_night

TEXTS = [f"text {number}" for number in range(10)]
REFUSED = 3
LINE: tuple[str, ...] = (
    "rows.jsonl",
    "-o",
    "x.out",
    "--endpoint",
    "embed",
    "--batch-size",
    "4",
    "-j",
    "2",
)
LINE = (*LINE, "-m", "text-embedding-3-small", "--dimensions", "2")


@pytest.fixture
def runner(tmp_path: Path, gateway: Gateway, crashes: CrashServer) -> Runner:
    rows = [{"id": f"r{number}", "input": text} for number, text in enumerate(TEXTS)]
    rows[REFUSED]["input"] = "word " * 9000
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Runner(crashes, tmp_path, gateway.base_url)


def vectors(folder: Path) -> dict[str, Any]:
    found = {}
    for line in (folder / "x.out").read_bytes().splitlines():
        record = json.loads(line)
        body = record["response"]["body"]
        found[record["custom_id"]] = (record["error"] is None and body["data"], record["sha"])
    return found


@pytest.mark.parametrize("samples", more_at_night(8, 15))
def test_killed_between_any_two_steps_rows_in_packs_are_all_there_and_payments_told(
    runner: Runner, gateway: Gateway, samples: int
) -> None:
    whole = runner(*LINE)
    assert whole.code == 3, whole.err
    expected = vectors(runner.folder)
    assert len(expected) == len(TEXTS)
    for k in random.Random(8).sample(range(1, whole.recorded - 300), samples):
        clear(runner.folder, gateway)
        killed = runner(*LINE, kill_at=k)
        # Which rows share a request differs, and so does how much is written in all.
        assert killed.code in (-9, 3), (k, killed.err)
        ended = runner(*LINE)
        assert ended.code == 3, (k, ended.err)
        assert vectors(runner.folder) == expected, k
        paid = Counter(
            text
            for one in gateway.ledger
            if one.billed
            for text in (one.json["input"] if isinstance(one.json["input"], list) else [])
        )
        twice = sum(count - 1 for count in paid.values())
        verified = runner_verify(runner)
        assert verified["problems"] == [] and verified["unknown"] == 0, k
        # Two requests of four rows are in flight at most.
        assert twice <= verified["maybe_billed_twice"] <= 8, k
        assert len(gateway.ledger) <= verified["requests"], k
