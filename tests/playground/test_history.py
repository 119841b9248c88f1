"""The history: thousands of entries are as fast as ten, and none is lost by a crash."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.playground.history import FILE_NAME, PAGE_ENTRIES, PageHistory


def entry(number: int, **more: Any) -> dict[str, Any]:
    named = {"id": f"{number:016x}", "at": 1.0 * number, "command": "chat", "model": "gpt-4o"}
    return {**named, "prompt": f"question {number}", "exit": 0, "text": "x" * 20, **more}


def fill(folder: Path, count: int, text: str = "x" * 2000) -> PageHistory:
    folder.mkdir(exist_ok=True)
    lines = (json.dumps(entry(number, text=text)) for number in range(count))
    (folder / FILE_NAME).write_text("".join(f"{line}\n" for line in lines))
    return PageHistory(folder)


def ids(found: dict[str, Any]) -> list[int]:
    return [int(row["id"], 16) for row in found["entries"]]


def test_thousands_of_entries_come_page_by_page_newest_first(tmp_path: Path) -> None:
    history = fill(tmp_path, 5000)
    seen: list[int] = []
    page = history.search()
    while True:
        assert len(page["entries"]) <= PAGE_ENTRIES and page["total"] == 5000
        seen += ids(page)
        if not page["more"]:
            break
        page = history.search(before=page["entries"][-1]["id"])
    assert seen == list(range(4999, -1, -1))
    assert "text" not in history.search()["entries"][0]


def test_a_search_after_the_first_reads_only_what_is_new(tmp_path: Path) -> None:
    history = fill(tmp_path, 5000, "x" * 5000)
    start = time.perf_counter()
    history.search()
    first_s = time.perf_counter() - start
    start = time.perf_counter()
    for number in range(10):
        history.add(entry(5000 + number), [])
        assert ids(history.search("question"))[0] == 5000 + number
        assert ids(history.search("gpt-4o 4321")) == [4321]
    # Ten entries and twenty searches together: reading anew would take ten times the first.
    assert time.perf_counter() - start < max(3 * first_s, 0.5)


def test_an_entry_after_a_line_that_was_cut_is_whole(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes() + b'{"id": "00000000000000ff", "pro')
    history = PageHistory(tmp_path)
    assert ids(history.search()) == [1, 0]
    history.add(entry(2), [])
    assert ids(history.search()) == [2, 1, 0]


def test_two_playgrounds_see_each_others_entries_and_deletions(tmp_path: Path) -> None:
    one, other = PageHistory(tmp_path), PageHistory(tmp_path)
    for number in range(4):
        (one if number % 2 else other).add(entry(number), [])
    assert ids(one.search()) == ids(other.search()) == [3, 2, 1, 0]
    one.delete(f"{1:016x}")
    other.add(entry(9), [])
    assert ids(one.search()) == ids(other.search()) == [9, 3, 2, 0]
    # The last is replaced by one of the same length.
    other.delete(f"{9:016x}")
    one.add(entry(8), [])
    assert ids(other.search()) == ids(one.search()) == [8, 3, 2, 0]
    assert (other.find(f"{8:016x}") or {})["prompt"] == "question 8"
    assert other.find(f"{9:016x}") is None
    one.delete("")
    assert other.search() == {"entries": [], "more": False, "total": 0}


@pytest.mark.parametrize(("most", "most_bytes"), [(20, 1 << 30), (10_000, 20 * 1100)])
def test_the_oldest_entries_go_with_their_files(tmp_path: Path, most: int, most_bytes: int) -> None:
    made = tmp_path / "made.png"
    made.write_bytes(b"p" * 900)
    history = PageHistory(tmp_path / "kept", most_entries=most, most_bytes=most_bytes)
    for number in range(30):
        history.add(entry(number), [made])
    shown = ids(history.search())
    assert shown[0] == 29 and 10 <= len(shown) <= 20
    assert shown == list(range(29, 29 - len(shown), -1))
    kept = {int(path.name, 16) for path in (tmp_path / "kept").iterdir() if path.is_dir()}
    assert kept == set(shown)
    assert history.find_file(f"{29:016x}", "made.png")
    assert not history.find_file(f"{0:016x}", "made.png")


def test_an_entry_that_is_larger_than_the_limit_is_kept_alone(tmp_path: Path) -> None:
    history = PageHistory(tmp_path, most_bytes=1000)
    for number in range(3):
        history.add(entry(number, text="x" * 5000), [])
    assert ids(history.search()) == [2]
