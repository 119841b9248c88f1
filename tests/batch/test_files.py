"""The files of a batch: held by one run at a time, made whole, cut, and never lost."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.batch.state.files import blank_lines, read_raw_lines, repair_tail, truncate_at
from apiyi_cli.batch.state.locks import LOCK_SUFFIX, LockedFile
from apiyi_cli.errors import OutputError, SetupError


def nobody() -> None:
    return None


def refuse_locks(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Let the system answer every `flock` so."""

    def flock(fd: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.fixture(params=["no locks on this file system", "no locks on this system"])
def lockless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "no locks on this system":
        monkeypatch.setitem(sys.modules, "fcntl", None)
    else:
        refuse_locks(monkeypatch, errno.ENOLCK)


def lock_of(path: Path) -> Path:
    return path.with_name(path.name + LOCK_SUFFIX)


def left_behind(path: Path, **changed: Any) -> None:
    """Leave the lock file of a process that is gone."""
    held = LockedFile(path, nobody)
    content = json.loads(lock_of(path).read_bytes())
    held.close()
    gone = subprocess.Popen(["true"])
    gone.wait()
    lock_of(path).write_text(json.dumps({**content, "pid": gone.pid, **changed}))


def test_an_output_is_held_once_and_the_holder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    first = LockedFile(path, nobody)
    with pytest.raises(SetupError, match="process 4711 is writing to it"):
        LockedFile(path, lambda: 4711)
    with pytest.raises(SetupError, match="another process is writing to it"):
        LockedFile(path, nobody)
    first.close()
    first.close()
    LockedFile(path, nobody).close()
    assert [one.name for one in tmp_path.iterdir()] == ["out.jsonl"]


@pytest.mark.usefixtures("lockless")
def test_without_locks_a_file_beside_it_names_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    first = LockedFile(path, nobody)
    with pytest.raises(SetupError, match=f"process {os.getpid()} on {socket.gethostname()}"):
        LockedFile(path, nobody)
    assert lock_of(path).stat().st_mode & 0o777 == 0o600
    first.close()
    assert not lock_of(path).exists()
    LockedFile(path, nobody).close()


@pytest.mark.usefixtures("lockless")
@pytest.mark.parametrize("changed", [{}, {"boot": "before", "pid": os.getpid()}])
def test_a_lock_file_of_a_process_that_is_gone_is_taken_over(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    path = tmp_path / "out.jsonl"
    left_behind(path, **changed)
    held = LockedFile(path, nobody)
    assert json.loads(lock_of(path).read_bytes())["pid"] == os.getpid()
    held.close()


@pytest.mark.usefixtures("lockless")
@pytest.mark.parametrize("changed", [{"host": "elsewhere"}, {"pid": "x"}, {"pid": 1 << 80}])
def test_a_lock_file_that_may_be_somebody_s_is_left(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    path = tmp_path / "out.jsonl"
    left_behind(path, **changed)
    with pytest.raises(SetupError, match="is in use"):
        LockedFile(path, nobody)
    assert lock_of(path).exists()


@pytest.mark.usefixtures("lockless")
@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_a_lock_file_that_cannot_be_read_is_left(tmp_path: Path, content: str) -> None:
    path = tmp_path / "out.jsonl"
    lock_of(path).write_text(content)
    with pytest.raises(SetupError, match="another process is writing to it"):
        LockedFile(path, nobody)
    assert lock_of(path).read_text() == content


def test_a_lock_that_fails_otherwise_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_locks(monkeypatch, errno.EIO)
    with pytest.raises(SetupError, match="cannot lock"):
        LockedFile(tmp_path / "out.jsonl", nobody)


def test_an_output_in_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        LockedFile(tmp_path / "no" / "out.jsonl", nobody)


def test_an_output_that_was_removed_or_replaced_is_noticed(tmp_path: Path) -> None:
    path, other = tmp_path / "out.jsonl", tmp_path / "other"
    held = LockedFile(path, nobody)
    assert not held.replaced
    path.unlink()
    assert held.replaced
    other.touch()
    other.rename(path)
    assert held.replaced
    held.close()


def is_whole(line: bytes) -> bool:
    return line.endswith(b"}")


@pytest.mark.parametrize(
    ("content", "after", "torn"),
    [
        (b"", b"", None),
        (b"{1}\n", b"{1}\n", None),
        (b"{1}\n{2}", b"{1}\n{2}\n", None),
        (b"{1}\n{2", b"{1}\n", b"{2\n"),
        (b"{2", b"", b"{2\n"),
        (b"{1}\n" + b"x" * 200_000, b"{1}\n", b"x" * 200_000 + b"\n"),
        (b"x" * 200_000, b"", b"x" * 200_000 + b"\n"),
    ],
    ids=["empty", "whole", "without its end", "torn", "one torn line", "long", "long, alone"],
)
def test_a_torn_last_line_is_made_whole_or_put_aside(
    tmp_path: Path, content: bytes, after: bytes, torn: bytes | None
) -> None:
    path, aside = tmp_path / "out.jsonl", tmp_path / "out.jsonl.torn"
    path.write_bytes(content)
    told = repair_tail(path, is_whole)
    assert (told is None) == (content == after)
    assert path.read_bytes() == after
    assert (aside.read_bytes() if aside.exists() else None) == torn
    assert repair_tail(path, is_whole) is None


def test_what_stands_after_a_size_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"{1}\n{2}\n")
    assert not truncate_at(path, 8)
    assert truncate_at(path, 4)
    assert path.read_bytes() == b"{1}\n"
    assert (tmp_path / "out.jsonl.torn").read_bytes() == b"{2}\n"


def test_broken_lines_leave_blanks_and_all_else_stays_put(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"{1}\nbad\n{2}\nworse")
    places = [
        (offset, line) for _, offset, line in read_raw_lines(path) if not line.startswith(b"{")
    ]
    blank_lines(path, places)
    assert path.read_bytes() == b"{1}\n   \n{2}\n     "
    assert [*read_raw_lines(path)] == [(1, 0, b"{1}\n"), (3, 8, b"{2}\n")]
    assert (tmp_path / "out.jsonl.torn").read_bytes() == b"bad\nworse\n"
