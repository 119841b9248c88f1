"""The journal while workers write to it: looking at the file tells no trouble that is none."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from apiyi_cli.batch.state.journal import Journal

LINES = 3000


@pytest.fixture
def eager_switches() -> Iterator[None]:
    """Let threads take turns within almost every line."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("eager_switches")
def test_lines_that_come_while_the_file_is_looked_at_are_no_trouble(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "o.apiyi-journal", fsync="never")

    def write() -> None:
        for number in range(LINES):
            journal.note_missing("R", [{"id": str(number), "sha": "0"}])

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    found = []
    while any(writer.is_alive() for writer in writers):
        found.append(journal.find_trouble())
    for writer in writers:
        writer.join()
    journal.close()
    assert not any(found)


def test_a_file_that_somebody_shortens_is_trouble(tmp_path: Path) -> None:
    path = tmp_path / "o.apiyi-journal"
    journal = Journal(path, fsync="never")
    journal.note_missing("R", [{"id": "a", "sha": "0"}])
    assert journal.find_trouble() is None
    path.write_bytes(b"")
    trouble = journal.find_trouble()
    assert trouble is not None and "has shortened" in str(trouble)
    journal.close()


def test_a_line_of_somebody_else_is_trouble(tmp_path: Path) -> None:
    path = tmp_path / "o.apiyi-journal"
    journal = Journal(path, fsync="never")
    journal.note_missing("R", [{"id": "a", "sha": "0"}])
    with open(path, "ab") as file:
        file.write(b"{}\n")
    journal.note_missing("R", [{"id": "b", "sha": "0"}])
    trouble = journal.find_trouble()
    assert trouble is not None and "writes to" in str(trouble)


def test_what_no_thread_has_synced_is_on_the_disk_when_the_journal_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    synced: list[int] = []
    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(os, "fsync", synced.append)
    journal = Journal(tmp_path / "o.apiyi-journal", synced=(7,))
    journal.note_missing("R", [{"id": "a", "sha": "0"}])
    assert not synced
    journal.close()
    assert synced[0] == 7 and len(synced) == 2
