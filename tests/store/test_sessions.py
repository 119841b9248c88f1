"""Conversations in files: whole turns or nothing, and names that stay in their folder."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from apiyi_cli.errors import OutputError, SetupError, UsageError
from apiyi_cli.store.sessions import SessionStore

HI = {"role": "user", "content": "hi"}
HELLO = {"role": "assistant", "content": "hello\nworld \u2028 文"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sessions"


def test_what_was_appended_is_read_again_in_order(folder: Path) -> None:
    kept = SessionStore(folder)
    assert kept.messages("a") == []
    kept.append("a", [HI, HELLO])
    kept.append("a", [{"role": "user", "content": None, "big": 2**70}])
    assert kept.messages("a")[:2] == [HI, HELLO]
    assert len((folder / "a.ndjson").read_bytes().split(b"\n")) == 4


def test_the_file_is_the_users_own(folder: Path) -> None:
    before = os.umask(0)
    try:
        SessionStore(folder).append("a", [HI])
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "a.ndjson").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "/etc/x", ".hidden", "-c", "_x", "a b", "a\n", "a\0", "x" * 201],
)
def test_names_that_could_leave_the_folder_are_refused(folder: Path, name: str) -> None:
    for use in (
        SessionStore(folder).messages,
        SessionStore(folder).remove,
        SessionStore(folder).path,
    ):
        with pytest.raises(UsageError):
            use(name)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["a", "Plan-2026.1", "user@host", "计划", "3_x+y", "x" * 200])
def test_ordinary_names_are_taken(folder: Path, name: str) -> None:
    SessionStore(folder).append(name, [HI])
    assert [one.name for one in SessionStore(folder).all()] == [name]


@pytest.mark.parametrize("line", ["{", '{"content":"x"}', "[1]", '{"role":3}'])
def test_a_broken_line_is_named_and_nothing_is_lost(folder: Path, line: str) -> None:
    kept = SessionStore(folder)
    kept.append("a", [HI])
    path = folder / "a.ndjson"
    content = path.read_bytes() + line.encode() + b"\n" + json.dumps(HI).encode() + b"\n"
    path.write_bytes(content)
    with pytest.raises(SetupError) as caught:
        kept.messages("a")
    assert f"{path}:2" in str(caught.value)
    assert path.read_bytes() == content


def test_a_last_line_without_its_end_does_not_spoil_the_next(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "a.ndjson").write_text(json.dumps(HI))
    SessionStore(folder).append("a", [HELLO])
    assert SessionStore(folder).messages("a") == [HI, HELLO]


def test_a_link_in_the_place_of_the_file_is_not_followed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine\n")
    (folder / "a.ndjson").symlink_to(elsewhere)
    with pytest.raises(OutputError):
        SessionStore(folder).append("a", [HI])
    assert elsewhere.read_text() == "mine\n"


FULL_DISK = """
import resource, sys
from pathlib import Path
from apiyi_cli.errors import OutputError
from apiyi_cli.store.sessions import SessionStore

# A limit on the size of files stands in for a full disk: the write comes out short.
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    SessionStore(Path(sys.argv[1])).append("a", [{"role": "user", "content": "long" * 20}] * 2)
except OutputError:
    sys.exit(7)
"""


def test_half_a_turn_is_taken_back_when_the_disk_is_full(folder: Path) -> None:
    SessionStore(folder).append("a", [HI])
    before = (folder / "a.ndjson").read_bytes()
    words = [sys.executable, "-c", FULL_DISK, str(folder), str(len(before) + 10)]
    assert subprocess.run(words, check=False).returncode == 7
    assert (folder / "a.ndjson").read_bytes() == before


def test_the_latest_is_the_one_used_last(folder: Path) -> None:
    kept = SessionStore(folder)
    assert kept.newest() is None and kept.all() == []
    for at, name in ((30, "b"), (20, "a"), (10, "c")):
        kept.append(name, [HI])
        os.utime(folder / f"{name}.ndjson", (at, at))
    (folder / "notes.txt").write_text("not a conversation")
    (folder / ".x.ndjson").write_text("")
    assert getattr(kept.newest(), "name", None) == "b"
    assert [(one.name, one.messages, one.used_s) for one in kept.all()] == [
        ("b", 1, 30.0),
        ("a", 1, 20.0),
        ("c", 1, 10.0),
    ]


def test_one_can_be_removed_once(folder: Path) -> None:
    kept = SessionStore(folder)
    kept.append("a", [HI])
    kept.remove("a")
    with pytest.raises(UsageError, match="no session 'a'"):
        kept.remove("a")
