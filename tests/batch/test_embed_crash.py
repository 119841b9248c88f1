"""`embed -o` killed at any byte and run again: what has a line is never asked for again."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.server import Gateway
from tests.batch.crash_runner import CrashServer, Runner
from tests.sampled import more_at_night

TEXTS = [f"text {number}" for number in range(9)]
LINE = (*TEXTS, "--batch-size", "2", "-m", "text-embedding-3-small", "--dimensions", "2")
LINE = (*LINE, "-o", "x.out", "-j", "2")
MOST_IN_FLIGHT = 6
"""Two requests of two texts, and an answer that is just being written."""


@pytest.fixture
def runner(tmp_path: Path, gateway: Gateway, crashes: CrashServer) -> Runner:
    return Runner(crashes, tmp_path, gateway.base_url, "embed")


def texts_in_file(folder: Path) -> list[str]:
    path = folder / "x.out"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line)["text"] for line in lines]


def asked(received: ReceivedRequest) -> list[str]:
    given = received.json["input"]
    return [given] if isinstance(given, str) else given


def paid(gateway: Gateway) -> Counter[str]:
    return Counter(text for one in gateway.ledger if one.billed for text in asked(one))


def clear(folder: Path, gateway: Gateway) -> None:
    gateway.ledger.clear()
    for path in folder.glob("x.out*"):
        path.unlink()


def count_in_flight(err: str) -> int:
    words = [line.split() for line in err.splitlines() if "may be billed twice" in line]
    return sum(int(line[1]) for line in words)


@pytest.mark.parametrize("samples", more_at_night(12, 30))
def test_what_has_a_line_when_it_is_killed_is_never_asked_for_again(
    runner: Runner, gateway: Gateway, samples: int
) -> None:
    whole = runner(*LINE)
    assert whole.code == 0, whole.err
    expected = (runner.folder / "x.out").read_bytes()
    for k in random.Random(1).sample(range(1, whole.recorded), samples):
        clear(runner.folder, gateway)
        # How many lines wait in the journal differs, and so does how much is written in all.
        assert runner(*LINE, kill_at=k).code in (-9, 0)
        written = texts_in_file(runner.folder)
        ended = runner(*LINE)
        assert ended.code == 0, (k, ended.err)
        assert (runner.folder / "x.out").read_bytes() == expected, k
        counts = paid(gateway)
        assert all(counts[text] == 1 for text in written), (k, written)
        twice = sum(count - 1 for count in counts.values())
        assert twice <= count_in_flight(ended.err) <= MOST_IN_FLIGHT, (k, ended.err)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_lines_of_which_the_journal_does_not_know_are_proved_by_what_it_announced(
    runner: Runner, gateway: Gateway, count: int
) -> None:
    assert runner(*LINE).code == 0
    expected = (runner.folder / "x.out").read_bytes()
    journal = runner.folder / "x.out.apiyi-journal"
    entries = journal.read_bytes().splitlines(keepends=True)
    last = max(at for at, entry in enumerate(entries) if entry.startswith(b'{"t":"P"'))
    # As if it had been killed between the last lines and their notes; some may wait there, too.
    kept = [one for one in entries[: last + 1] if not one.startswith(b'{"t":"W"')]
    journal.write_bytes(b"".join(kept))
    (runner.folder / "x.out").write_bytes(expected[: len(expected) - count])
    gateway.ledger.clear()
    ended = runner(*LINE)
    assert ended.code == 0, ended.err
    assert (runner.folder / "x.out").read_bytes() == expected
    assert [asked(one) for one in gateway.ledger] == ([TEXTS[-1:]] if count else [])
