"""The run by itself: what its threads do to each other, without a network."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.batch.rows.fields import CommandDefaults
from apiyi_cli.batch.rows.identity import IdAssigner, IdTable
from apiyi_cli.batch.rows.requests import RowOptions
from apiyi_cli.batch.rows.row import Row, RowReader
from apiyi_cli.batch.rows.source import RowSource
from apiyi_cli.batch.run.gate import ConcurrencyGate
from apiyi_cli.batch.run.plan import BatchPlan
from apiyi_cli.batch.run.run import BatchRun
from apiyi_cli.batch.run.scheduler import Scheduler
from apiyi_cli.batch.run.stop_rules import StopRules
from apiyi_cli.batch.run.worker import ClaimWriter
from apiyi_cli.batch.state.output import RecordWriter, StreamTarget
from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.batch.state.resume import ResumeState
from apiyi_cli.core.clock import CLOCK
from apiyi_cli.core.events import Usage
from apiyi_cli.errors import ApiyiError, RejectedError
from apiyi_cli.wire.http.client import Observer
from apiyi_cli.wire.retry.attempts import AttemptCounts


class AnswerWorker:
    """Answers each row with what a function makes of it."""

    is_waiting = False

    def __init__(self, answer: Callable[[Row], RowOutcome]) -> None:
        counts = AttemptCounts()
        self.claims = ClaimWriter(None, ConcurrencyGate(1), CLOCK, counts, Observer())
        self._answer_row = answer

    def send(self, row: Row) -> Iterator[RowOutcome]:
        yield self._answer_row(row)

    def close(self) -> None:
        return


class Retrying(AnswerWorker):
    """Has the first rows wait to be tried again until all others are answered."""

    def __init__(self, waiting: int, others: threading.Semaphore, count: int) -> None:
        super().__init__(self._answer)
        self._waiting, self._others, self._count = waiting, others, count

    def _answer(self, row: Row) -> RowOutcome:
        if row.index >= self._waiting:
            self._others.release()
            return RowOutcome(row, body=b"{}")
        self.is_waiting = True
        for _ in range(self._count):
            assert self._others.acquire(timeout=5), "the others wait for a worker"
        for _ in range(self._count):
            self._others.release()
        self.is_waiting = False
        return RowOutcome(row, body=b"{}")


class FastClock:
    """A clock on which a second passes at each look."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        self._now += 1.0
        return self._now


def batch(
    folder: Path,
    count: int,
    answer: Callable[[Row], RowOutcome],
    *,
    jobs: int = 2,
    rules: StopRules = StopRules(),
    room: int = 8,
    sending: Callable[[], AnswerWorker] | None = None,
    **more: Any,
) -> tuple[BatchRun, Scheduler, list[bytes]]:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": str(n)}) + "\n" for n in range(count)))
    options = RowOptions("jsonl", CommandDefaults("m"))
    rows = RowReader(RowSource(str(path)), options, IdAssigner(IdTable()))
    plan = BatchPlan(jobs, **{"rules": rules, "read_ahead": room, **more})
    feed = Scheduler(plan, rows, ResumeState())
    lines: list[bytes] = []
    opened: Any = sending or (lambda: AnswerWorker(answer))
    made = BatchRun(
        plan, feed, RecordWriter(StreamTarget(lines.append), None), lambda gate: opened()
    )
    return made, feed, lines


def test_as_many_rows_are_under_way_as_may_be_however_the_threads_meet(tmp_path: Path) -> None:
    for _ in range(150):
        together = threading.Barrier(2)

        def answer(row: Row, together: threading.Barrier = together) -> RowOutcome:
            together.wait(5)
            return RowOutcome(row, body=b"{}")

        running, _, _ = batch(tmp_path, 2, answer)
        assert running.run().counts.done == 2


def test_the_rest_is_counted_while_the_feeding_still_goes_on(tmp_path: Path) -> None:
    rejected = RejectedError("no", "never")

    def answer(row: Row) -> RowOutcome:
        return RowOutcome(row, error=rejected)

    for _ in range(20):
        running, feed, _ = batch(tmp_path, 400, answer, rules=StopRules(max_errors=1), room=300)
        ended = running.run()
        assert ended.failure is not None and not ended.complete
        assert feed.count_rest() + ended.counts.read == 400


def test_a_defect_in_one_row_stops_the_feeding_and_loses_no_other_answer(tmp_path: Path) -> None:
    has_failed = threading.Event()

    def answer(row: Row) -> RowOutcome:
        if row.index == 1:
            has_failed.set()
            raise ZeroDivisionError
        # Under way while the other one fails, and answered long after.
        assert has_failed.wait(5)
        return RowOutcome(row, body=b"{}")

    running, feed, lines = batch(tmp_path, 400, answer)
    ended = running.run()
    assert isinstance(ended.defect, ZeroDivisionError)
    assert not ended.complete and ended.failure is None
    written = b"".join(lines).count(b"\n")
    assert written == ended.counts.done > 0 and feed.given < 400


def test_a_defect_while_writing_counts_or_shows_loses_no_answer(tmp_path: Path) -> None:
    answered: list[str] = []

    def answer(row: Row) -> RowOutcome:
        answered.append(row.id)
        return RowOutcome(row, body=b"{}", usage=Usage(1, 1, 2))

    def broken(*_: object) -> float:
        raise OverflowError("cannot convert float infinity to integer")

    hows: list[dict[str, Any]] = [{"price": broken}, {"show": broken}, {"check_run": broken}]
    for how in hows:
        answered.clear()
        running, _, lines = batch(tmp_path, 9, answer, clock=FastClock(), **how)
        ended = running.run()
        assert isinstance(ended.defect, OverflowError), how
        assert b"".join(lines).count(b"\n") == len(answered) == ended.counts.done


def test_rows_are_answered_in_the_caller_s_thread_where_no_other_can_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = threading.Thread.start
    for allowed in range(3):
        left = [allowed]

        def start(thread: threading.Thread, left: list[int] = left) -> None:
            if not left[0]:
                raise RuntimeError("can't start new thread")
            left[0] -= 1
            begin(thread)

        monkeypatch.setattr(threading.Thread, "start", start)
        told: list[str] = []
        running, _, lines = batch(
            tmp_path, 20, lambda row: RowOutcome(row, body=b"{}"), jobs=4, note=told.append
        )
        ended = running.run()
        assert ended.complete and b"".join(lines).count(b"\n") == ended.counts.done == 20
        assert told == ["1 at once instead of 4: the system allows no more threads here"]


def test_a_row_that_fails_for_all_stops_the_others(tmp_path: Path) -> None:
    from apiyi_cli.errors import FundsError

    broke: ApiyiError = FundsError("no funds", "none")
    running, _, lines = batch(tmp_path, 100, lambda row: RowOutcome(row, error=broke), jobs=1)
    ended = running.run()
    assert ended.failure is broke
    assert len(lines) <= 8 and ended.counts.done < 100


def test_rows_that_wait_to_be_tried_again_do_not_hold_up_the_others(tmp_path: Path) -> None:
    others = threading.Semaphore(0)

    def unused(row: Row) -> RowOutcome:
        raise AssertionError(row)

    running, _, _ = batch(
        tmp_path, 8, unused, jobs=2, room=8, sending=lambda: Retrying(2, others, 6)
    )
    ended = running.run()
    assert ended.defect is None and ended.counts.done == 8


def test_a_paused_slot_is_free_for_others_and_never_one_more() -> None:
    gate = ConcurrencyGate(1)
    gate.enter()
    gate.pause()
    gate.enter()
    returned = threading.Event()

    def come_back() -> None:
        gate.enter()
        returned.set()

    thread = threading.Thread(target=come_back)
    thread.start()
    assert not returned.is_set()
    gate.pause()
    assert returned.wait(5)
    thread.join()
