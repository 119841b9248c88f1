"""The outcomes of rows that share one request: their parts of its answer or refusal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from apiyi_cli.batch.rows.packing import divide_pack, list_texts
from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.state.record import PackedRequest, RowOutcome
from apiyi_cli.decode.embed import InputAnswer, helps_alone, split_answer
from apiyi_cli.errors import RejectedError, is_about_item
from apiyi_cli.text import Text

MAX_COPIED_BYTES: Final = 4096
"""A longer body of an answer that failed is in the record of the pack's first row alone."""


class PackDivision:
    """Divides a refused pack, and an answered one's outcome among its rows.

    The requests that were refused, and what may have been billed, count with what follows. An
    answer that does not fit would come again, and be billed again: its pack is not divided.
    """

    def __init__(self) -> None:
        self._any_accepted = False
        self._requests = self._retries = 0
        self._ambiguous: defaultdict[int, int] = defaultdict(int)

    def applies_to(self, outcome: RowOutcome) -> bool:
        """Return True if a pack was refused for something that may be only one row's."""
        error = outcome.error
        return isinstance(error, RejectedError) and not outcome.unsent and is_about_item(error)

    def divide(self, outcome: RowOutcome) -> list[Row]:
        """Return the packs and rows in which to send a refused pack again."""
        self._requests += outcome.attempts
        self._retries += max(0, outcome.attempts - 1)
        if outcome.maybe_billed:
            for row in outcome.row.rows:
                # Asked for again, each after an attempt that may have been billed.
                self._ambiguous[id(row)] += outcome.ambiguous + 1
        return divide_pack(outcome.row, any_accepted=self._any_accepted)

    def list_outcomes(self, outcome: RowOutcome) -> Iterator[RowOutcome]:
        """Yield the outcomes of the rows in a request, in their order."""
        self._any_accepted = self._any_accepted or outcome.error is None
        if outcome.row.packed and outcome.error is not None and helps_alone(outcome.error):
            hint = Text(
                "run it again with --batch-size 1 --retry-failed; those rows are billed again"
            )
            outcome.error = outcome.error.with_hint(hint)
        for item in self._split(outcome):
            item.ambiguous += self._ambiguous[id(item.row)]
            yield item

    def _split(self, outcome: RowOutcome) -> list[RowOutcome]:
        pack = outcome.row
        if not pack.packed and not self._requests:
            return [outcome]
        rows = pack.rows
        requests, retries = outcome.attempts, max(0, outcome.attempts - 1)
        requests, self._requests = requests + self._requests, 0
        retries, self._retries = retries + self._retries, 0
        shared = PackedRequest(pack, outcome.usage, requests, retries, True)
        answers = _read_answers(outcome)
        items = []
        for number, row in enumerate(rows):
            item = replace(
                outcome,
                row=row,
                pack=shared._replace(is_first=number == 0),
                holds_slot=outcome.holds_slot and number == len(rows) - 1,
            )
            if answers:
                item.body, item.text, item.usage = answers[number]
            elif number and len(outcome.refusal or b"") > MAX_COPIED_BYTES:
                item.refusal = None
            items.append(item)
        return items


def _read_answers(outcome: RowOutcome) -> list[InputAnswer]:
    if outcome.body is None or outcome.error is not None or not outcome.row.packed:
        return []
    texts = [list_texts(row.call) for row in outcome.row.rows]
    weights = [sum(len(text.encode("utf-8", "replace")) for text in some) for some in texts]
    return list(split_answer(outcome.body, [len(some) for some in texts], weights))
