"""What a batch brings to the disk, and in which order: seen by a recorder in its interpreter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Program

RECORDER = """
import errno, os, sys
log = os.open(os.environ["RECORDED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
write, fsync, left = os.write, os.fsync, [int(os.environ["JOURNAL_ROOM"])]
def name(fd):
    return os.path.basename(os.readlink(f"/proc/self/fd/{fd}"))
def recorded(fd, data):
    of = name(fd)
    if of.endswith(".apiyi-journal"):
        if len(data) > left[0]:
            if not left[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = bytes(data)[: left[0]]
        left[0] -= len(data)
    done = write(fd, data)
    if of.startswith("out"):
        kind = bytes(data)[6:7].decode() if of.endswith("-journal") else "record"
        write(log, f"write {of} {kind}\\n".encode())
    return done
def synced(fd):
    fsync(fd)
    if name(fd).startswith("out"):
        write(log, f"sync {name(fd)} -\\n".encode())
os.write, os.fsync = recorded, synced
"""
OUT, JOURNAL = "out", "out.apiyi-journal"
Events = list[tuple[str, str, str]]


def record(
    program: Program, folder: Path, line: str, *, room: int = 1 << 30, rows: int = 5
) -> tuple[int, Events]:
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(RECORDER)
    log = folder / "recorded"
    log.unlink(missing_ok=True)
    text = "".join(json.dumps({"id": f"r{n}", "prompt": f"q {n}"}) + "\n" for n in range(rows))
    (program.work / "rows.jsonl").write_text(text)
    env = {"PYTHONPATH": str(site), "RECORDED": str(log), "JOURNAL_ROOM": str(room)}
    ran = program(f"batch rows.jsonl -o out -j 1 {line}", env=env)
    events = [tuple(one.split(" ")) for one in log.read_text().splitlines()]
    return ran.code, events  # type: ignore[return-value]


def test_with_always_each_line_is_on_the_disk_before_anything_else_is_written(
    apiyi: Program, gateway: Gateway, tmp_path: Path
) -> None:
    code, events = record(apiyi, tmp_path, "--fsync always")
    assert code == 0
    for at, (what, name, kind) in enumerate(events):
        if what == "write" and name == JOURNAL:
            following = events[at + 1 : at + 3]
            assert following == [("sync", OUT, "-"), ("sync", JOURNAL, "-")], (at, kind)
    kinds = [kind for what, _, kind in events if what == "write"]
    assert kinds == ["H", *["S", "record", "D"] * 5, "E"]


@pytest.mark.parametrize("line", ["", "--errors out-errors", "--ordered"])
def test_all_is_on_the_disk_at_the_end_the_output_before_its_journal(
    apiyi: Program, gateway: Gateway, tmp_path: Path, line: str
) -> None:
    code, events = record(apiyi, tmp_path, line)
    assert code == 0
    last = {(what, name): at for at, (what, name, _) in enumerate(events)}
    assert last["write", OUT] < last["sync", OUT] < last["sync", JOURNAL]
    assert last["write", JOURNAL] < last["sync", OUT]
    for at, (what, name, _) in enumerate(events):
        # Never is the journal on the disk with a record that is not.
        if (what, name) == ("sync", JOURNAL):
            assert events[at - 1][0] == "sync" and ("sync", OUT, "-") in events[at - 2 : at]


def test_with_never_nothing_is_synced(apiyi: Program, gateway: Gateway, tmp_path: Path) -> None:
    code, events = record(apiyi, tmp_path, "--fsync never")
    assert code == 0 and not [what for what, _, _ in events if what == "sync"]


@pytest.mark.parametrize("room", [400, 700, 900, 1100])
def test_after_a_write_that_failed_the_journal_ends_with_a_whole_line(
    apiyi: Program, gateway: Gateway, tmp_path: Path, room: int
) -> None:
    code, _ = record(apiyi, tmp_path, "", room=room)
    assert code == 11
    content = (apiyi.work / JOURNAL).read_bytes()
    assert not content or content.endswith(b"\n")
    for line in content.splitlines():
        json.loads(line)
    # A claim that could not be written kept its request from being sent.
    claims = content.count(b'"t":"S"')
    assert len(gateway.ledger) == claims
    code, _ = record(apiyi, tmp_path, "")
    assert code == 0 and len(gateway.ledger) == 5
