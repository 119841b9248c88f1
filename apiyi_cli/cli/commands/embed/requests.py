"""Requests for vectors: many texts each; a refused text is found by bisection."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Final

from apiyi_cli.build.embed import divide_refused
from apiyi_cli.cli.commands.embed.items import Build, EmbedAnswer, EmbedItem, EmbedResult
from apiyi_cli.core.call import Reply
from apiyi_cli.decode.embed import Vectors, helps_alone, vectors
from apiyi_cli.errors import ApiyiError, IncompleteError, RejectedError, is_about_item
from apiyi_cli.text import Text, join_texts

if TYPE_CHECKING:
    from apiyi_cli.cli.commands.embed.output_file import EmbedFile
    from apiyi_cli.cli.context import Context
    from apiyi_cli.wire.send import Sender

ALIKE_REFUSALS: Final = 3
"""After so many refusals of the same kind, and no success, the texts are not the cause."""


class Embedder:
    """Requests the vectors of inputs. Its methods may be called from any thread.

    `build` makes the request for some texts; `file` notes which inputs each request is for.
    `is_alone` is a run for a single text, whose refusal is the run's own.
    """

    def __init__(
        self,
        ctx: Context,
        build: Build,
        dimensions: int | None,
        *,
        keep_body: bool,
        is_alone: bool,
        file: EmbedFile | None = None,
    ) -> None:
        self._ctx = ctx
        self._build = build
        self._dimensions = dimensions
        self._keep_body = keep_body
        self._is_alone = is_alone
        self._file = file
        self._lock = threading.Lock()
        self._refused: list[RejectedError] = []
        self.accepts = file is not None and file.vector_length > 0

    def ask(self, sender: Sender, turn: int, items: Sequence[EmbedResult]) -> EmbedAnswer:
        """Return the results of inputs; those that already have one are not requested.

        A request that is refused is divided until the text is found that the gateway does not
        take; the others are requested once each. Raises errors that are not about a text.
        """
        asked = [
            result.item
            for result in items
            if result.line is None and result.error is None and result.vector is None
        ]
        replies: list[tuple[list[int], Vectors, bool]] = []
        by_number = {result.item.number: result for result in self._divide(sender, asked, replies)}
        results = [by_number.get(item.item.number, item) for item in items]
        return EmbedAnswer(turn, results, sorted(replies, key=lambda reply: reply[0]))

    def _divide(
        self, sender: Sender, items: list[EmbedItem], replies: list[tuple[list[int], Vectors, bool]]
    ) -> Iterator[EmbedResult]:
        waiting = [items] if items else []
        while waiting:
            some = waiting.pop()
            try:
                got = self._request(sender, some)
            except RejectedError as refusal:
                self._release(some)
                if not is_about_item(refusal) or (len(some) == 1 and self._is_alone):
                    raise
                if len(some) == 1:
                    self._note_refused(refusal)
                    yield EmbedResult(some[0], error=refusal)
                else:
                    parts = divide_refused(
                        some, lambda item: len(item.text), any_accepted=self.accepts
                    )
                    waiting += reversed(parts)
                continue
            except IncompleteError as failure:
                if len(some) == 1 or not helps_alone(failure):
                    raise
                way = Text("--batch-size 1 asks for each text alone, which is billed again")
                hint = join_texts(filter(None, (failure.hint, way)), "; ")
                raise failure.with_hint(hint) from failure.__cause__
            except ApiyiError as failure:
                # It was not billed.
                if failure.facts.phase in ("connect", "status"):
                    self._release(some)
                raise
            self.accepts = True
            replies.append(([item.number for item in some], got, sender.from_cache))
            for item, vector in zip(some, got.texts, strict=True):
                yield EmbedResult(item, vector)

    def _note_refused(self, refusal: RejectedError) -> None:
        """Raise the refusal if every text so far was refused for the same reason."""
        with self._lock:
            self._refused.append(refusal)
            alike = {(error.facts.status, error.facts.code, error.why) for error in self._refused}
            if not self.accepts and len(self._refused) >= ALIKE_REFUSALS and len(alike) == 1:
                raise refusal

    def _request(self, sender: Sender, items: list[EmbedItem]) -> Vectors:
        def read(reply: Reply) -> Vectors:
            return vectors(reply, len(items), self._dimensions, keep_body=self._keep_body)

        call = self._build([item.text for item in items])
        if self._file is not None:
            self._file.claim(items)
        try:
            return self._ctx.gateway.ask(call, read, sender=sender)
        except CancelledError:
            if self._file is not None and self._file.observer.is_refused:
                self._file.release(items)
            raise

    def _release(self, items: list[EmbedItem]) -> None:
        if self._file is not None:
            self._file.release(items)


def require_length(answer: EmbedAnswer, length: int) -> int:
    """Return the length of the run's vectors, 0 before the first.

    Raises IncompleteError for vectors whose length differs from earlier ones.
    """
    for _, got, _ in answer.replies:
        length = length or got.length
        if got.length != length:
            raise IncompleteError(
                Text("the answer is not what was asked for"),
                Text(
                    "vectors of {length} numbers came after vectors of {length2}",
                    length=got.length,
                    length2=length,
                ),
            )
    return length


def merge_answers(answers: Sequence[EmbedAnswer], errors: list[dict[str, Any]]) -> bytes:
    """Return the server's object; several are merged, with the inputs' numbers as index."""
    from apiyi_cli.decode.embed import merge_replies

    replies = [(indexes, got.raw) for answer in answers for indexes, got, _ in answer.replies]
    return merge_replies([raw for _, raw in replies], [indexes for indexes, _ in replies], errors)
