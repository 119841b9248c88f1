"""Decides for each row whether to send it, in a thread that reads the input.

Rows that earlier runs finished are skipped; rows to send are handed on as far as there is
room, so that memory does not grow with the input.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Final

from apiyi_cli.batch.rows.identity import is_generated_id
from apiyi_cli.batch.rows.packing import Packer
from apiyi_cli.batch.rows.row import Row, RowReader
from apiyi_cli.batch.run.counts import Counts
from apiyi_cli.batch.run.plan import BatchPlan, OnUnknown
from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.batch.state.resume import OK, RECORD, ResumeState, RowState
from apiyi_cli.errors import IncompleteError, SetupError, describe_billing
from apiyi_cli.text import Text

FIRST_ROWS: Final = 64
PACK_WAIT_S: Final = 0.2
"""Seconds after the last row for which a pack waits for further rows, if a worker is free."""


class Scheduler:
    """Yields the rows that need a request; `counts` are the numbers of the run.

    `given` counts the rows handed on, `has_ended` is True once all input was.
    """

    def __init__(self, plan: BatchPlan, rows: RowReader, past: ResumeState) -> None:
        self.counts = Counts()
        self.given = 0
        self.has_ended = False
        self._plan = plan
        self._rows = rows
        self._past = past
        self._room = threading.Semaphore(plan.room)
        self._packer = Packer(plan.pack_size)
        self._send: Callable[[Row], None] = lambda row: None
        self._added_at_s = 0.0
        self._stopped = False
        # Reentrant: without a separate thread the feeding itself may stop the run.
        self._lock = threading.RLock()
        self._has_returned = threading.Event()

    def run(
        self,
        send: Callable[[Row], None],
        settle: Callable[[RowOutcome], None],
        after_each: Callable[[], None],
        before_wait: Callable[[], None],
    ) -> None:
        """Read the input until its end, the limit or `stop`; call it once.

        `send` takes a row to be sent, or several in a pack, `settle` an outcome that needs no
        request; `after_each` is called after each of them, `before_wait` where there is no room.
        """
        self._send = send
        try:
            self._run(settle, after_each, before_wait)
        finally:
            # What was handed on must be answered, whatever ended the reading.
            self.flush()
            after_each()
            self._has_returned.set()

    def _run(
        self,
        settle: Callable[[RowOutcome], None],
        after_each: Callable[[], None],
        before_wait: Callable[[], None],
    ) -> None:
        counts, limit = self.counts, self._plan.limit
        for row in self._check_first_rows():
            counts.read += 1
            if self._stopped:
                return
            state = self._past.of(row, retry_failed=self._plan.retry_failed)
            outcome, sends = self._decide(row, state)
            if outcome is None and not sends:
                continue
            if sends:
                if limit is not None and counts.started >= limit:
                    return
                self._plan.check_row(row)
            row.room = self._packer.count_room(row) if sends else 1
            if row.room and not self._room.acquire(blocking=False):
                before_wait()
                self._room.acquire()
            with self._lock:
                if self._stopped:
                    return
                row.seq = self.given
                self.given += 1
                counts.started += sends
                self._count(row, state, sends)
                if outcome is None:
                    self._pack(row)
                else:
                    settle(outcome)
            after_each()
        self.has_ended = True

    def _pack(self, row: Row) -> None:
        self._added_at_s = self._plan.clock.monotonic()
        for ready in self._packer.add(row):
            self._send(ready)

    def flush(self) -> None:
        """Send the rows that wait for others to be packed with."""
        with self._lock:
            for pack in self._packer.flush():
                self._send(pack)

    def flush_late(self) -> None:
        """Send the rows in packs if no further row has come for a moment."""
        if self._plan.clock.monotonic() - self._added_at_s > PACK_WAIT_S:
            self.flush()

    def release(self, outcomes: Iterable[RowOutcome]) -> None:
        """Make room for further rows."""
        if room := sum(outcome.row.room for outcome in outcomes):
            self._room.release(room)

    def stop(self) -> None:
        """Yield no more rows from now on."""
        with self._lock:
            self._stopped = True
            self.flush()
        self._room.release()

    def count_rest(self) -> int:
        """Count the unread rows; call it after `run` has returned, because both read one input."""
        self._has_returned.wait()
        return self._rows.count_rest()

    def _decide(self, row: Row, state: RowState) -> tuple[RowOutcome | None, bool]:
        """Return an outcome without a request, and whether to send the row."""
        counts = self.counts
        if state == "done":
            counts.resumed += 1
            return None, False
        if state == "failed" or (state == "again" and row.error is not None):
            counts.resumed += 1
            counts.resumed_failed += 1
            return None, False
        if state == "held":
            held = self._past.waiting[row.id]
            return RowOutcome(row, line=held.line, line_class=held.failed, is_kept=True), False
        self._note_new_content(row, state)
        if row.error is not None:
            return RowOutcome(row, error=row.error), False
        if state == "unsaved":
            row.unsaved = self._past.unsaved[row.id].body()
        if state == "unknown" and (policy := self._policy(row)) != "retry":
            if policy == "fail":
                named = {"place": row.place, "id": row.id}
                what = Text("{place}: row {id} was in flight when an earlier run ended", **named)
                hint = Text("--on-unknown retry to send such rows again, or skip")
                raise IncompleteError(what, describe_billing("maybe"), hint=hint)
            return _skip_unknown(row), False
        return None, True

    def _note_new_content(self, row: Row, state: RowState) -> None:
        """Count rows that the output has with other content; name the first on stderr."""
        counts, named = self.counts, {"place": row.place, "id": row.id}
        if state == "run" and row.index < self._past.total and is_generated_id(row.id):
            counts.unnamed += 1
            if counts.unnamed == 1:
                message = Text(
                    "{place}: a row without an id is not in the output as it is now: "
                    "it is new or has changed, and is sent",
                    **named,
                )
                self._plan.note(message)
        if state == "changed":
            counts.changed += 1
            if counts.changed == 1:
                message = Text(
                    "{place}: row {id} has changed since; changed rows run again", **named
                )
                self._plan.note(message)

    def _count(self, row: Row, state: RowState, sends: bool) -> None:
        if state == "unknown":
            self.counts.unknown += 1
            self.counts.twice += sends * self._past.count_lost(row.id)
        elif state == "again" and self._past.may_be_billed(row):
            self.counts.twice += sends

    def _policy(self, row: Row) -> OnUnknown:
        if self._plan.on_unknown is not None:
            return self._plan.on_unknown
        return "skip" if row.call is not None and row.call.cost == "heavy" else "retry"

    def _check_first_rows(self) -> Iterator[Row]:
        """Yield the rows once the first of them prove that the output belongs to them."""
        rows = iter(self._rows)
        if self._plan.same_input:
            return rows
        first = list(islice(rows, FIRST_ROWS))
        states = [self._past.of(row) for row in first]
        paid = self._past.count(OK | RECORD)
        if first and paid and all(state in ("run", "changed") for state in states):
            why = Text("none of the first {count} rows is in it as it is now", count=len(first))
            hint = Text("name another -o; --resume to add these rows all the same")
            raise SetupError(Text("the output belongs to another input"), why, hint=hint)
        return chain(first, rows)


def _skip_unknown(row: Row) -> RowOutcome:
    """Return the error record for a request without a known answer, for `skip`."""
    why = Text(
        "it was in flight when an earlier run ended; {billing}", billing=describe_billing("maybe")
    )
    error = IncompleteError(Text("not sent again"), why, hint="--retry-failed")
    return RowOutcome(row, error=error, maybe_billed=True)
