"""The usage ledger: every record once, whoever writes and whoever reads meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat
from datetime import datetime
from pathlib import Path

import pytest

from apiyi_cli.errors import SetupError
from apiyi_cli.store.ledger import LINGER_S, Ledger, Record, Total

NOON = datetime(2026, 1, 31, 12).timestamp()


def record(**values: object) -> Record:
    ordinary = Record(
        at=NOON,
        profile="default",
        model="m",
        endpoint="/chat/completions",
        prompt_tokens=10,
        completion_tokens=5,
        total_tokens=15,
        ms=100,
        exit=0,
        request_id="r",
        cached=False,
        cost=0.5,
    )
    return ordinary._replace(**values)


def requests(ledger: Ledger) -> int:
    return sum(total.requests for total in ledger.totals(0, "model"))


def test_sums_are_by_group_the_dearest_first(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([record(model="cheap", cost=0.1), record(model="dear", cost=2.0)])
    ledger.append([record(model="cheap", cost=0.1, cached=True)])
    assert ledger.totals(0, "model") == [
        Total("dear", 1, 0, 0, 10, 5, 15, 0, 2.0, 0),
        Total("cheap", 2, 0, 1, 20, 10, 30, 0, 0.2, 0),
    ]


def test_what_is_not_known_is_counted_and_never_summed_as_zero(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    unknown = record(prompt_tokens=None, completion_tokens=None, total_tokens=None, cost=None)
    ledger.append([unknown, unknown._replace(exit=5)])
    assert ledger.totals(0, "model") == [Total("m", 2, 1, 0, None, None, None, 1, None, 1)]


def test_days_are_those_of_the_local_clock_in_their_order(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([record(at=NOON + 86400, cost=9.0), record()])
    assert [one.group for one in ledger.totals(0, "day")] == ["2026-01-31", "2026-02-01"]
    assert [one.group for one in ledger.totals(NOON + 1, "day")] == ["2026-02-01"]


@pytest.mark.parametrize(("by", "group"), [("profile", "work"), ("endpoint", "/embeddings")])
def test_profiles_and_endpoints_are_groups_too(tmp_path: Path, by: str, group: str) -> None:
    Ledger(tmp_path).append([record(profile="work", endpoint="/embeddings")])
    assert [one.group for one in Ledger(tmp_path).totals(0, by)] == [group]


def test_reading_twice_counts_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([record()])
    assert requests(ledger) == requests(ledger) == 1
    ledger.append([record()])
    assert requests(ledger) == 2


def test_a_run_that_had_the_spool_open_while_it_was_taken_is_still_counted(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([record()])
    late = os.open(tmp_path / "usage.spool", os.O_WRONLY | os.O_APPEND)
    line = (tmp_path / "usage.spool").read_bytes()
    assert requests(ledger) == 1
    os.write(late, line[:20])
    assert requests(ledger) == 1
    os.write(late, line[20:] + line)
    os.close(late)
    assert requests(ledger) == 3


def test_a_spool_that_nobody_can_write_to_any_more_is_removed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([record()])
    assert requests(ledger) == 1
    (taken,) = tmp_path.glob("usage.taken-*")
    long_ago = taken.stat().st_mtime - LINGER_S - 1
    os.utime(taken, (long_ago, long_ago))
    assert requests(ledger) == 1
    assert list(tmp_path.glob("usage.taken-*")) == []
    assert requests(ledger) == 1


def test_a_half_written_line_is_left_out(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([record()])
    with (tmp_path / "usage.spool").open("ab") as spool:
        spool.write(b'{"not":"a record"}\n[1,2]\n\xff\n[17')
    assert requests(ledger) == 1


def test_the_files_are_the_users_own(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    before = os.umask(0)
    try:
        Ledger(folder).append([record()])
        Ledger(folder).totals(0, "model")
        Ledger(folder).append([record()])
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_spool_that_grew_large_is_moved_without_being_asked(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([record(model="x" * 1000)] * 4200)
    assert not (tmp_path / "usage.spool").exists()
    assert requests(ledger) == 4200


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.path.write_text("something else\n" * 100)
    ledger.append([record()])
    with pytest.raises(SetupError) as caught:
        ledger.totals(0, "model")
    assert str(ledger.path) in str(caught.value)
    assert ledger.path.read_text().startswith("something else")
    assert (tmp_path / "usage.spool").exists()


def _write(folder: Path, count: int) -> None:
    for _ in range(count):
        Ledger(folder).append([record()])


def _read(folder: Path, count: int) -> None:
    for _ in range(count):
        Ledger(folder).totals(0, "model")


def test_writers_and_readers_at_once_lose_and_repeat_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write, args=(tmp_path, 200)) for _ in range(3)]
    processes += [context.Process(target=_read, args=(tmp_path, 20)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert requests(Ledger(tmp_path)) == 600


def test_the_database_can_be_read_with_any_tool(tmp_path: Path) -> None:
    Ledger(tmp_path).append([record()])
    Ledger(tmp_path).totals(0, "model")
    with sqlite3.connect(Ledger(tmp_path).path) as database:
        names = [row[1] for row in database.execute("PRAGMA table_info(calls)")]
    database.close()
    assert names == list(Record._fields)
