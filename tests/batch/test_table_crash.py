"""`-o x.csv` killed at any byte and run again: each answer once, none paid for again untold."""

from __future__ import annotations

import csv
import os
import random
import re
import subprocess
from pathlib import Path

import pytest

from apiyi_cli.batch.state.output import FileTarget
from apiyi_cli.batch.state.verify import Evidence
from apiyi_cli.sandbox.server import Gateway
from tests.batch.crash_runner import CrashServer, Runner
from tests.batch.test_crash import JOBS, paid_twice
from tests.sampled import more_at_night

TABLE = 'id,text\r\n1,one\r\n2,"two\nlines, ""quoted"""\r\n3,三\r\n4,too,many\r\n5,five\r\n'
GOOD_ROWS = 4
LINE = ("x-in.csv", "--template", "{text}", "-o", "x.csv", "-j", str(JOBS))


@pytest.fixture
def runner(tmp_path: Path, gateway: Gateway, crashes: CrashServer) -> Runner:
    (tmp_path / "x-in.csv").write_text(TABLE, encoding="utf-8", newline="")
    return Runner(crashes, tmp_path, gateway.base_url)


def rows(folder: Path) -> list[list[str]]:
    with open(folder / "x.csv", encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def clear(folder: Path, gateway: Gateway) -> None:
    gateway.ledger.clear()
    for path in folder.glob("x.csv*"):
        path.unlink()


def check(runner: Runner, gateway: Gateway, expected: list[list[str]], k: int) -> None:
    found = rows(runner.folder)
    assert found[0] == ["id", "text", "answer"], k
    assert sorted(found[1:]) == sorted(expected[1:]), k
    told = Evidence(runner.folder / "x.csv").judge().summary
    assert told["problems"] == [] and told["unknown"] == 0, k
    assert (told["rows"], told["ok"], told["failed"]) == (GOOD_ROWS + 1, GOOD_ROWS, 1)
    assert paid_twice(gateway) <= told["maybe_billed_twice"] <= JOBS, k


@pytest.mark.parametrize("samples", more_at_night(6, 12))
@pytest.mark.parametrize("more", [(), ("--ordered",), ("--errors", "x.csv.errors")])
def test_a_table_that_was_killed_at_any_byte_goes_on_with_what_is_missing(
    runner: Runner, gateway: Gateway, more: tuple[str, ...], samples: int
) -> None:
    whole = runner(*LINE, *more)
    assert whole.code == 3, whole.err
    expected = rows(runner.folder)
    assert len(expected) == GOOD_ROWS + 1
    for k in random.Random(str(more)).sample(range(1, whole.recorded), samples):
        clear(runner.folder, gateway)
        assert runner(*LINE, *more, kill_at=k).code == -9
        ended = runner(*LINE, *more)
        assert ended.code == 3, (k, ended.err)
        check(runner, gateway, expected, k)
        if "--ordered" in more:
            assert rows(runner.folder) == expected


def test_an_answer_kept_in_the_journal_is_written_and_not_asked_for_again(
    runner: Runner, gateway: Gateway
) -> None:
    whole = runner(*LINE)
    expected = rows(runner.folder)
    journal = runner.folder / "x.csv.apiyi-journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    # As if it had been killed between the journal's line of an answer and the output's.
    kept = [line for line in lines if not line.startswith((b'{"t":"D"', b'{"t":"E"'))]
    assert sum(line.startswith(b'{"t":"W"') for line in kept) == GOOD_ROWS
    journal.write_bytes(b"".join(kept))
    gateway.ledger.clear()
    assert runner(*LINE).code == whole.code == 3
    assert gateway.ledger == [] and sorted(rows(runner.folder)) == sorted(expected)
    assert rows(runner.folder)[0] == expected[0]


def test_what_a_full_disk_did_not_take_comes_back_by_the_line_of_the_hint(
    runner: Runner, gateway: Gateway
) -> None:
    whole = runner(*LINE)
    expected = rows(runner.folder)
    for k in random.Random(3).sample(range(800, whole.recorded - 400), 6):
        clear(runner.folder, gateway)
        broken = runner(*LINE, fail_at=k)
        assert broken.code == 11, broken.err
        hint = re.search(r"make room; (cat .*?); then", broken.err)
        if hint is not None:
            subprocess.run(hint[1], shell=True, check=True, cwd=runner.folder)
            sent = len(gateway.ledger)
            assert runner(*LINE).code == 3
            assert len(gateway.ledger) <= GOOD_ROWS, (k, sent)
        else:
            assert runner(*LINE).code == 3
        check(runner, gateway, expected, k)


def test_a_row_without_a_line_does_not_look_like_a_shortened_file(tmp_path: Path) -> None:
    """A failed row writes nothing; a descriptor just opened stands at the file's beginning."""
    path = tmp_path / "x.csv"
    path.write_bytes(b"id,answer\n1,one\n")
    fd = os.open(path, os.O_RDWR | os.O_APPEND)
    target = FileTarget(fd, "x.csv")
    assert target.take([b""]) == [16]
    assert target.take([b"2,two\n"]) == [16]
    assert target.find_trouble(path) is None
    os.close(fd)
