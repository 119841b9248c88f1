"""Outputs that are held in the limits' store, because file locks may be local to a machine."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.batch.state.locks import describe_process
from apiyi_cli.batch.state.store_lock import StoreLock
from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import SetupError
from apiyi_cli.sandbox.server import Gateway
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits.redis_limiter import RedisLimiter
from tests.conftest import KEY, Program
from tests.redis_server import SERVER, Redis

pytestmark = pytest.mark.skipif(SERVER is None, reason="redis-server is not installed")
pytest.importorskip("redis", reason="the Python package redis is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    running = Redis()
    yield running
    running.stop()


class Machine:
    """A store lock on a clock that runs when somebody waits, and what it told."""

    def __init__(self, server: Redis, lease_s: float = 30.0) -> None:
        self.now, self.told = 0.0, list[str]()
        clock = Clock(lambda: self.now, lambda: self.now, self.sleep)
        self.store = RedisLimiter(server.url, KEY, Limits(), clock=clock, lease_s=lease_s)
        self.lock = StoreLock(self.store, clock, self.told.append)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def holder(**other: object) -> str:
    return json.dumps({**describe_process(), "run": "r", **other}, separators=(",", ":"))


def held_by(machine: Machine, name: str) -> Any:
    return json.loads(machine.store.hold_output(name, "nobody") or "null")


def begin(folder: Path, text: str) -> tuple[Path, Path, str]:
    """Write a journal; return output, journal, and the name of both in the store."""
    output, journal = folder / "out.jsonl", folder / "out.jsonl.apiyi-journal"
    line = json.dumps({"t": "H", "run": text}).encode() + b"\n"
    journal.write_bytes(line + b"more\n")
    return output, journal, hashlib.sha256(line).hexdigest()[:32]


def test_another_machine_holds_an_output_as_long_as_it_lives(server: Redis, tmp_path: Path) -> None:
    output, journal, name = begin(tmp_path, "lives")
    other, late = Machine(server), Machine(server)
    assert other.store.hold_output(name, holder(host="node7", pid=41)) is None
    with pytest.raises(SetupError, match=r"out.jsonl is in use: process 41 on node7") as refused:
        late.lock.take(output, journal)
    assert "batch unlock" not in (refused.value.hint or "")
    assert late.now == pytest.approx(36, abs=1)
    (notice,) = late.told
    assert "held by process 41 on node7" in notice and "36 s" in notice
    other.lock.release()
    late.lock.take(output, journal)
    assert held_by(other, name)["pid"] == os.getpid()


def test_the_hold_of_a_dead_run_is_taken_over(server: Redis, tmp_path: Path) -> None:
    output, journal, name = begin(tmp_path, "dead")
    dead = Machine(server)
    assert dead.store.hold_output(name, holder(pid=2**22 + 7)) is None
    again = Machine(server)
    again.lock.take(output, journal)
    assert again.now == 0 and again.told == []
    # A run whose hold was taken over is told so by the next renewal.
    quick = Machine(server, lease_s=0.1)
    output, journal, name = begin(tmp_path, "quick")
    quick.lock.take(output, journal)
    other = Machine(server)
    gone = json.dumps(held_by(other, name), separators=(",", ":"))
    assert other.store.hold_output(name, "other", gone) is None
    until = time.monotonic() + 5
    while quick.lock.find_trouble() is None and time.monotonic() < until:
        time.sleep(0.01)
    trouble = quick.lock.find_trouble()
    assert trouble is not None and "somebody else writes to" in trouble.what


def test_a_new_output_is_held_once_its_journal_is_there(server: Redis, tmp_path: Path) -> None:
    machine = Machine(server)
    machine.lock.take(tmp_path / "new", tmp_path / "new.apiyi-journal")
    output, journal, name = begin(tmp_path, "new")
    assert machine.store.hold_output(name, "other") is None
    machine.lock.release()
    machine.lock.take(output, journal)
    assert held_by(Machine(server), name)["pid"] == os.getpid()


def test_a_batch_holds_its_output_in_the_store(
    apiyi: Program, gateway: Gateway, server: Redis
) -> None:
    (apiyi.work / "rows.txt").write_text("one\n")
    apiyi.environ["APIYI_LIMITS_STORE"] = server.url
    line = "batch rows.txt --lines -o out.jsonl"
    assert apiyi(line).code == 0
    first = (apiyi.work / "out.jsonl.apiyi-journal").read_bytes().splitlines(keepends=True)[0]
    name = hashlib.sha256(first).hexdigest()[:32]
    # Released at the end: another machine gets it at once, and this one is refused then.
    other = Machine(server)
    assert other.store.hold_output(name, holder()) is None
    journal = (apiyi.work / "out.jsonl.apiyi-journal").read_bytes()
    (apiyi.work / "rows.txt").write_text("one\ntwo\n")
    refused = apiyi(line)
    assert refused.code == 10 and "out.jsonl is in use" in refused.err
    assert (apiyi.work / "out.jsonl.apiyi-journal").read_bytes() == journal
    assert len(gateway.ledger) == 1
    other.lock.release()
    assert apiyi(line).code == 0
    assert len(gateway.ledger) == 2
