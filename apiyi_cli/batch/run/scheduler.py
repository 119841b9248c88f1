"""Decides for each row what is to be done with it, in a thread that reads the input.

What earlier runs settled is passed over; what has to be sent is handed on as far as there is
room, so that memory does not grow with the input.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Literal

from apiyi_cli.batch.rows.identity import is_generated_id
from apiyi_cli.batch.rows.row import Row, RowReader
from apiyi_cli.batch.run.counts import Counts
from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.batch.state.resume import OK, RECORD, ResumeState, RowState
from apiyi_cli.errors import IncompleteError, SetupError, describe_billing
from apiyi_cli.text import Text

OnUnknown = Literal["retry", "skip", "fail"]
FIRST_LOOK = 64


class Scheduler:
    """The rows of a run that need something done.

    `send` takes a row to be sent, `settle` an outcome that needs no request. `limit` is how
    many rows to start at most. With `same_input` False the first rows must show that the
    output is theirs. `check` raises for a row that must not be sent: that ends the run.
    """

    def __init__(
        self,
        rows: RowReader,
        past: ResumeState,
        counts: Counts,
        *,
        room: int,
        limit: int | None = None,
        retry_failed: bool = False,
        on_unknown: OnUnknown | None = None,
        same_input: bool = True,
        check: Callable[[Row], None] = lambda row: None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._rows = rows
        self._past = past
        self._counts = counts
        self._room = threading.Semaphore(room)
        self._limit = limit
        self._retry_failed = retry_failed
        self._on_unknown = on_unknown
        self._same_input = same_input
        self._check = check
        self._tell = tell
        self._stopped = False
        # Reentrant: without a thread of its own the feeding itself may stop the run.
        self._lock = threading.RLock()
        self._is_through = threading.Event()
        self.given = 0
        self.is_limited = False
        self.has_ended = False

    def run(
        self,
        send: Callable[[Row], None],
        settle: Callable[[RowOutcome], None],
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Go through the input to its end, the limit or `stop`; to be called once.

        `then` is called after each row that was handed on.
        """
        try:
            self._run(send, settle, then)
        finally:
            self._is_through.set()

    def _run(
        self,
        send: Callable[[Row], None],
        settle: Callable[[RowOutcome], None],
        then: Callable[[], None],
    ) -> None:
        for row in self._checked():
            self._counts.read += 1
            if self._stopped:
                return
            verdict = self._past.of(row, retry_failed=self._retry_failed)
            outcome, sends = self._judged(row, verdict)
            if outcome is None and not sends:
                continue
            if sends and self._limit is not None and self._counts.started >= self._limit:
                self.is_limited = True
                return
            if sends:
                self._check(row)
            self._room.acquire()
            with self._lock:
                if self._stopped:
                    return
                row.seq = self.given
                self.given += 1
                self._counts.started += sends
                self._count(row, verdict, sends)
                if outcome is None:
                    send(row)
                else:
                    settle(outcome)
            then()
        self.has_ended = True

    def release(self, count: int) -> None:
        """Make room for further rows."""
        self._room.release(count)

    def stop(self) -> None:
        """Hand nothing on any more."""
        with self._lock:
            self._stopped = True
        self._room.release()

    def count_rest(self) -> int:
        """Count the rows that were not read, once `run` has returned: both read one input."""
        self._is_through.wait()
        return self._rows.count_rest()

    def _judged(self, row: Row, verdict: RowState) -> tuple[RowOutcome | None, bool]:
        """Return an outcome without a request, or whether to send; neither: nothing to do."""
        counts = self._counts
        if verdict == "done":
            counts.resumed += 1
            return None, False
        if verdict == "failed" or (verdict == "again" and row.error is not None):
            counts.resumed += 1
            counts.resumed_failed += 1
            return None, False
        if verdict == "held":
            waiting = self._past.waiting[row.id]
            kept = RowOutcome(row, line=waiting.line, line_class=waiting.failed, is_kept=True)
            return kept, False
        if verdict == "run" and row.index < self._past.total and is_generated_id(row.id):
            counts.unnamed += 1
            if counts.unnamed == 1:
                self._tell(
                    Text(
                        "{place}: a row without an id is not in the output as it is now: "
                        "it is new or has changed, and is sent",
                        place=row.place,
                    )
                )
        if verdict == "changed":
            counts.changed += 1
            if counts.changed == 1:
                self._tell(
                    Text(
                        "{place}: row {id} has changed since; changed rows run again",
                        place=row.place,
                        id=row.id,
                    )
                )
        if row.error is not None:
            return RowOutcome(row, error=row.error), False
        if verdict == "unsaved":
            row.unsaved = self._past.unsaved[row.id].body()
        if verdict == "unknown" and self._policy(row) != "retry":
            return self._skipped(row), False
        return None, True

    def _count(self, row: Row, verdict: RowState, sends: bool) -> None:
        if verdict == "unknown":
            self._counts.unknown += 1
            self._counts.twice += sends * self._past.lost(row.id)
        elif verdict == "again" and self._past.billed(row):
            self._counts.twice += sends

    def _policy(self, row: Row) -> OnUnknown:
        if self._on_unknown is not None:
            return self._on_unknown
        return "skip" if row.call is not None and row.call.cost == "heavy" else "retry"

    def _skipped(self, row: Row) -> RowOutcome:
        if self._policy(row) == "fail":
            raise IncompleteError(
                Text(
                    "{place}: row {id} was in flight when an earlier run ended",
                    place=row.place,
                    id=row.id,
                ),
                describe_billing("maybe"),
                hint=Text("--on-unknown retry to send such rows again, or skip"),
            )
        error = IncompleteError(
            Text("not sent again"),
            Text(
                "it was in flight when an earlier run ended; {billing}",
                billing=describe_billing("maybe"),
            ),
            hint="--retry-failed",
        )
        return RowOutcome(row, error=error, maybe_billed=True)

    def _checked(self) -> Iterator[Row]:
        """Yield the rows, once the first of them have shown that the output is theirs."""
        rows = iter(self._rows)
        if self._same_input:
            return rows
        first = list(islice(rows, FIRST_LOOK))
        verdicts = [self._past.of(row) for row in first]
        paid = self._past.count(OK | RECORD)
        if first and paid and all(verdict in ("run", "changed") for verdict in verdicts):
            raise SetupError(
                Text("the output belongs to another input"),
                Text("none of the first {count} rows is in it as it is now", count=len(first)),
                hint=Text("name another -o; --resume to add these rows all the same"),
            )
        return chain(first, rows)
