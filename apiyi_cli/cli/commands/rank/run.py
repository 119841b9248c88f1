"""Ranks with a rerank model: pieces of a hundred documents, several requests at once."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from apiyi_cli.build.rank import MAX_DOCUMENTS
from apiyi_cli.cli.commands.rank.documents import Document
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.parallel import take_in_order
from apiyi_cli.cli.output.failures import ItemFailures
from apiyi_cli.cli.output.usage import UsageTotals, print_usage
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.jsontext import write
from apiyi_cli.core.options.rank import RankOptions
from apiyi_cli.decode.rank import Scores, merge_scores, scores
from apiyi_cli.errors import (
    ApiyiError,
    Interrupted,
    OutputError,
    PartialError,
    RejectedError,
    fails_every_item,
    is_about_item,
)
from apiyi_cli.output.rescue import SIGPIPE
from apiyi_cli.text import Text, map_text, system_reason
from apiyi_cli.wire.send import Sender

MEMORY_BYTES: Final = 8 << 20
"""Printed forms stay in memory up to this size."""

Build = Callable[[Sequence[str]], Call]
Failed = tuple[list[Document], ApiyiError]


class RankedDocuments:
    """Collects documents with their scores and returns the best, best first."""

    def __init__(self) -> None:
        self._numbers = array("q")
        self._scores = array("d")
        self._ends = array("q")
        self._file = tempfile.SpooledTemporaryFile(MEMORY_BYTES)

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int, score: float, printed: bytes) -> None:
        """Add a document. Raises OutputError if the temporary folder is full."""
        try:
            self._file.write(printed)
        except OSError as failure:
            raise OutputError(
                Text("cannot keep the documents until they are ranked"),
                system_reason(failure),
                hint=Text("set TMPDIR to a folder with room"),
            ) from failure
        self._numbers.append(number)
        self._scores.append(score)
        self._ends.append(self._file.tell())

    def choose(self, top: int | None, threshold: float | None) -> list[tuple[int, float]]:
        """Return (number, score) of the documents to be printed, best first."""
        return [(self._numbers[at], self._scores[at]) for at in self._order(top, threshold)]

    def best(self, top: int | None, threshold: float | None) -> Iterator[tuple[int, float, bytes]]:
        """Yield number, score and printed form; equal scores in the order of their numbers."""
        for at in self._order(top, threshold):
            begin = self._ends[at - 1] if at else 0
            self._file.seek(begin)
            yield self._numbers[at], self._scores[at], self._file.read(self._ends[at] - begin)

    def _order(self, top: int | None, threshold: float | None) -> list[int]:
        chosen: list[int] = [
            at for at, score in enumerate(self._scores) if threshold is None or score >= threshold
        ]
        chosen.sort(key=lambda at: (-self._scores[at], self._numbers[at]))
        return chosen[:top]


class RankReply(NamedTuple):
    """The answer to one request: its documents' numbers, their scores, its source."""

    numbers: list[int]
    scores: Scores
    from_cache: bool


class PieceResult(NamedTuple):
    """The result for some documents. `ending` is an error that ends the run."""

    scored: list[tuple[Document, float]]
    failed: list[Failed]
    replies: list[RankReply]
    ending: ApiyiError | None = None


def divide(documents: Iterator[Document]) -> Iterator[list[Document]]:
    """Yield the documents in pieces that fit one request."""
    while piece := list(islice(documents, MAX_DOCUMENTS)):
        yield piece


def print_requests(ctx: Context, documents: Iterator[Document], build: Build) -> None:
    """Print the requests instead of sending them; report invalid documents on stderr."""
    failures = ItemFailures(ctx.messages)
    for piece in divide(documents):
        for document in piece:
            if document.error is not None:
                failures.add(document.place, document.error)
        if texts := [document.text for document in piece if document.error is None]:
            ctx.gateway.print_request(build(texts))
    if failures.count:
        raise _partial(failures.count)


class RankRun:
    """Ranks the documents of one command line and prints them, best first."""

    def __init__(self, ctx: Context, options: RankOptions, build: Build) -> None:
        self._ctx = ctx
        self._ranking = options
        self._is_object = ctx.output.form == "json"
        self._build = build
        self._accepts = False
        self._ranked = RankedDocuments()
        self._failures = ItemFailures(ctx.messages)
        self._errors: list[dict[str, Any]] = []
        # Not named yet: where all fail alike the error that ends the run says it once.
        self._failed: list[Failed] = []
        self._replies: list[RankReply] = []
        self._usage = UsageTotals()

    def run(self, documents: Iterator[Document]) -> None:
        """Rank the documents and print them.

        An error that ends the run is raised after all answers are printed. Raises
        PartialError where some documents have no score, their own error where none has.
        """
        ctx = self._ctx
        ctx.output.require_ready()
        ctx.output.jq_filter  # noqa: B018 - a broken program is said before anything is sent
        try:
            pieces, jobs = divide(documents), ctx.settings.jobs
            take_in_order(ctx.gateway, pieces, self._ask, jobs, self._take)
        except BaseException as stop:
            if len(self._ranked) and not (isinstance(stop, Interrupted) and stop.signum == SIGPIPE):
                count = len(self._ranked)
                ctx.messages.note(
                    Text("the {count} documents that were ranked until then follow", count=count)
                )
                self._print()
            raise
        if not len(self._ranked):
            self._raise_common()
        self._name_failed()
        self._print()
        if self._failures.count:
            raise _partial(self._failures.count)

    def _ask(self, sender: Sender, piece: list[Document]) -> PieceResult:
        """Return the scores of a piece; called by any thread.

        A piece that is refused is divided until the document is found that the gateway does not
        take. Where nothing was accepted so far the shortest document is asked for alone: a refusal
        of that one is about all of them. Raises what is about none of them.
        """
        result = PieceResult([], [], [])
        for document in piece:
            if document.error is not None:
                result.failed.append(([document], document.error))
        waiting = [[document for document in piece if document.error is None]]
        while waiting:
            some = waiting.pop()
            if not some:
                continue
            try:
                reply = self._request(sender, some)
            except RejectedError as refusal:
                if not is_about_item(refusal) or (len(some) == 1 and not self._accepts):
                    return self._end(result, refusal)
                if len(some) == 1:
                    result.failed.append((some, refusal))
                else:
                    waiting += reversed(self._parts(some))
                continue
            except ApiyiError as failure:
                if fails_every_item(failure):
                    return self._end(result, failure)
                result.failed.append((some, failure))
                continue
            self._accepts = True
            by_index = reply.scores.by_index
            result.replies.append(reply)
            result.scored.extend((some[index], score) for index, score in by_index.items())
        return result

    def _end(self, result: PieceResult, failure: ApiyiError) -> PieceResult:
        if not result.scored:
            raise failure
        return result._replace(ending=failure)

    def _parts(self, documents: list[Document]) -> list[list[Document]]:
        if not self._accepts:
            shortest = min(documents, key=lambda document: len(document.text))
            rest = [document for document in documents if document is not shortest]
            return [[shortest], rest]
        middle = len(documents) // 2
        return [documents[:middle], documents[middle:]]

    def _request(self, sender: Sender, documents: list[Document]) -> RankReply:
        call = self._build([document.text for document in documents])
        top_n = call.json.get("top_n")

        most = top_n if isinstance(top_n, int) else None

        def read(reply: Reply) -> Scores:
            return scores(reply, len(documents), most, keep_body=self._is_object)

        answer = self._ctx.gateway.ask(call, read, sender=sender)
        return RankReply([document.number for document in documents], answer, sender.from_cache)

    def _raise_common(self) -> None:
        """Raise the first failure if nothing has a score; report the others if they differ."""
        first = self._failed[0][1] if self._failed else None
        alike = {(type(error), error.facts.status, error.why) for _, error in self._failed}
        if len(alike) > 1:
            self._name_failed()
        if first is not None:
            raise first

    def _name_failed(self) -> None:
        for documents, error in self._failed:
            self._note_failed(documents, error)
        self._failed.clear()

    def _take(self, result: PieceResult) -> None:
        for document, score in result.scored:
            self._ranked.add(document.number, score, document.printed)
        self._failed += result.failed
        if len(self._ranked):
            self._name_failed()
        for reply in result.replies:
            self._usage.add(reply.scores.usage, from_cache=reply.from_cache)
            if self._is_object:
                self._replies.append(reply)
        if result.ending is not None:
            raise result.ending

    def _note_failed(self, documents: list[Document], error: ApiyiError) -> None:
        place = documents[0].place
        if len(documents) > 1:
            place = Text("{first} to {last}", first=place, last=documents[-1].place)
        self._failures.add(place, error, len(documents))
        if self._is_object:
            message = map_text(error.summary(), self._ctx.messages.redact)
            described = {"type": type(error).__name__, "message": message}
            self._errors += ({"index": item.number, "error": described} for item in documents)

    def _print(self) -> None:
        ctx, options = self._ctx, self._ranking
        if self._is_object:
            replies = [(reply.numbers, reply.scores.raw) for reply in self._replies]
            chosen = self._ranked.choose(options.top, options.threshold)
            lines: Iterator[bytes] = iter((merge_scores(replies, chosen, self._errors) + b"\n",))
        else:
            best = self._ranked.best(options.top, options.threshold)
            lines = format_lines(best, as_json=ctx.output.form == "ndjson")
        kind: Final = "text" if ctx.output.form == "text" and options.jsonl is None else "json"
        ctx.output.write(ctx.output.filter_lines(lines), content=kind)
        print_usage(self._usage, ctx.settings, ctx.messages)


def format_lines(best: Iterator[tuple[int, float, bytes]], *, as_json: bool) -> Iterator[bytes]:
    """Yield the line of each document: its printed form, or an object with its score."""
    for number, score, printed in best:
        if as_json:
            members = b"," + printed if printed else b""
            yield b'{"index":%d,"score":%s%s}\n' % (number, write(score), members)
        else:
            yield printed + b"\n"


def _partial(count: int) -> PartialError:
    return PartialError(
        Text("{count} documents have no score", count=count), Text("they are named above")
    )
