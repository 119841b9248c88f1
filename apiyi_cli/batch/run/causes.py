"""Counts why rows failed, so that one cause of many failures is reported once."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from apiyi_cli.batch.state.record import FREE_AGAIN, name_class
from apiyi_cli.errors import ApiyiError, UsageError
from apiyi_cli.text import Text, join_texts

MAX_KINDS: Final = 1000
_SHOWN: Final = 3
_MAX_CHARACTERS: Final = 200
_NUMBER = re.compile(r"\d+")
_PLACE = re.compile(r".*?:\d+(:\d+)?: ")


class FailureCause(NamedTuple):
    """One cause: its message, the class of its failures, a hint, the number of rows."""

    message: str
    kind: str
    hint: str | None
    rows: int


class FailureCauses:
    """The causes of failures; messages that differ in numbers only count as one."""

    def __init__(self) -> None:
        self._causes: dict[tuple[str, str], FailureCause] = {}
        self._others = 0

    def add(self, error: ApiyiError) -> None:
        """Count the failure of one row."""
        # The place differs from row to row; the reason is what rows have in common.
        message = error.why if isinstance(error, UsageError) and error.why else error.summary()
        self._count(FailureCause(message, name_class(error), error.hint, 1))

    def add_record(self, error: dict[str, Any]) -> None:
        """Count the failure in an error record of an earlier run."""
        message = str(error.get("message") or error.get("code") or error["class"])
        if error["class"] == "usage":
            message = _PLACE.sub("", message, count=1)
        # What nobody could read may have been paid for, as an incomplete answer.
        is_paid = error["class"] == "rejected" and error.get("maybe_billed") is True
        kind = "incomplete" if is_paid else error["class"]
        self._count(FailureCause(message, kind, None, 1))

    @property
    def count(self) -> int:
        """Return how many failures were counted."""
        return self._others + sum(cause.rows for cause in self._causes.values())

    def top(self) -> list[FailureCause]:
        """Return the causes, the most frequent first."""
        return sorted(self._causes.values(), key=lambda cause: -cause.rows)

    def explain(self) -> str:
        """Return the only cause, or the most frequent ones with their counts."""
        top = self.top()
        if len(top) == 1 and not self._others:
            return top[0].message
        lines = [
            Text("{count} × {message}", count=f"{cause.rows:,}", message=cause.message)
            for cause in top[:_SHOWN]
        ]
        if rest := self.count - sum(cause.rows for cause in top[:_SHOWN]):
            lines.append(Text("{count} others", count=f"{rest:,}"))
        return join_texts(lines, "; ")

    def advise(self, *, retries_failed: bool) -> str | None:
        """Return a hint that helps against all counted failures, None if there is none.

        `retries_failed` says that the run sent permanent failures again.
        """
        top = self.top()
        if len(top) == 1 and not self._others and top[0].hint:
            return top[0].hint
        kinds = {cause.kind for cause in top}
        if kinds <= FREE_AGAIN:
            return Text("run it again: these rows are sent again")
        if "incomplete" in kinds and not retries_failed:
            return Text("run it again with --retry-failed; those rows may be billed again")
        if kinds == {"usage"}:
            return Text("correct these rows, then run it again: only they are sent")
        return Text("correct these rows or the options, then run it again")

    def _count(self, cause: FailureCause) -> None:
        text = " ".join(_NUMBER.sub("0", cause.message[:_MAX_CHARACTERS]).split())
        key = (cause.kind, text)
        before = self._causes.get(key)
        if before is not None:
            self._causes[key] = before._replace(rows=before.rows + 1)
        elif len(self._causes) < MAX_KINDS:
            self._causes[key] = cause
        else:
            self._others += 1
