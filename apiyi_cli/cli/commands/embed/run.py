"""One run of `apiyi embed`: groups inputs into requests, prints lines in order."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apiyi_cli.build.embed import BATCH_SIZE
from apiyi_cli.cli.commands.embed.items import (
    Build,
    EmbedAnswer,
    EmbedItem,
    EmbedResult,
    group_items,
)
from apiyi_cli.cli.commands.embed.requests import Embedder, merge_answers, require_length
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.parallel import send_in_order, send_softly
from apiyi_cli.cli.output.failures import ItemFailures
from apiyi_cli.cli.output.usage import UsageTotals, print_usage
from apiyi_cli.cli.records import Redact
from apiyi_cli.core.disk import is_same_file
from apiyi_cli.core.encodings import show_name
from apiyi_cli.core.jsontext import write
from apiyi_cli.core.options.embed import EmbedOptions
from apiyi_cli.core.shells import quote_word
from apiyi_cli.decode.embed import with_error, with_vector
from apiyi_cli.errors import (
    ApiyiError,
    IncompleteError,
    Interrupted,
    OutputError,
    PartialError,
    RejectedError,
    UsageError,
)
from apiyi_cli.text import Text, map_text

if TYPE_CHECKING:
    from apiyi_cli.cli.commands.embed.output_file import EmbedFile
    from apiyi_cli.wire.send import Sender


def describe_error(error: ApiyiError, redact: Redact) -> dict[str, Any]:
    """Return an error in the form of batch records."""
    from apiyi_cli.batch.state.record import name_class

    facts = error.facts
    return {
        "code": facts.code or (str(facts.status) if facts.status is not None else None),
        "type": type(error).__name__,
        "message": map_text(str(error.summary()), redact),
        "class": name_class(error),
        "maybe_billed": False,
    }


def raise_failures(failures: ItemFailures, succeeded: int, earlier: int = 0) -> None:
    """Raise what the run ends with, if inputs have no vector.

    That is the refusal itself where all failed alike, else PartialError. `earlier` runs have
    failures in the file, too.
    """
    count = failures.count + earlier
    if not count:
        return
    if isinstance(failures.common, RejectedError) and not succeeded and not earlier:
        raise failures.common
    why = Text("their lines in the output say why") if earlier else Text("they are named above")
    raise PartialError(Text("{count} inputs have no vector", count=count), why)


def print_requests(ctx: Context, groups: Iterator[list[EmbedResult]], build: Build) -> None:
    """Print the requests instead of sending them; report invalid inputs on stderr."""
    failures = ItemFailures(ctx.messages)
    for group in groups:
        for result in group:
            if result.error is not None:
                failures.add(result.item.place, result.error)
        if texts := [entry.item.text for entry in group if entry.error is None]:
            ctx.gateway.print_request(build(texts))
    raise_failures(failures, 1)


class EmbedRun:
    """Embeds the inputs of one command line."""

    def __init__(
        self, ctx: Context, options: EmbedOptions, build: Build, files: Sequence[str] = ()
    ) -> None:
        self._ctx = ctx
        self._files = files
        self._options = options
        self._build = build
        self._failures = ItemFailures(ctx.messages)
        self._usage = UsageTotals()
        self._succeeded = 0

    def run(self, items: Iterator[EmbedItem | None]) -> None:
        """Embed all inputs; raise PartialError at the end if some have no vector."""
        ctx = self._ctx
        target = ctx.settings.output.output
        if self._resumes(target):
            from apiyi_cli.cli.commands.embed.output_file import EmbedFile

            self._refuse_one_object(str(target))
            self._refuse_own_input(Path(str(target)))
            first = [next(items, None)]
            self._run_into(EmbedFile(ctx, self._options, self._build), chain(first, items))
            return
        ctx.output.require_ready()
        stop = threading.Event()
        answers = self._answers(items, stop)
        if ctx.settings.output.json:
            lines = self._one_object(answers)
        else:
            lines = (b"".join(map(self._count_line, answer.results)) for answer in answers)
        ctx.output.write(ctx.output.filter_lines(lines), stop.set, content="json")
        print_usage(self._usage, ctx.settings, ctx.messages)
        raise_failures(self._failures, self._succeeded)

    def _resumes(self, target: str | None) -> bool:
        """Return True if the output is a file that later runs can continue."""
        from apiyi_cli.output.files import is_device

        ctx = self._ctx
        if target in (None, "-") or is_device(Path(str(target))):
            return False
        is_matrix = Path(str(target)).suffix == ".npy"
        return not ctx.settings.output.json or self._reads_lines or is_matrix

    @property
    def _reads_lines(self) -> bool:
        return bool(self._options.lines) or self._options.jsonl is not None

    def _refuse_one_object(self, path: str) -> None:
        """Raise UsageError for `--json`: a single object cannot be continued."""
        if self._ctx.settings.output.json:
            raise UsageError(
                Text("cannot write --json into {path}", path=path),
                Text(
                    "one object for all lines is only there when the last is answered, and a run "
                    "that ends before could not go on"
                ),
                hint=Text(
                    "leave out --json (a line for each text), or > {path}", path=quote_word(path)
                ),
            )

    def _refuse_own_input(self, path: Path) -> None:
        """Raise UsageError if the output file is also an input, under any name."""
        for name in self._files:
            if name != "-" and path.exists() and is_same_file(path, Path(name)):
                raise UsageError(
                    Text("cannot use -o {path}", path=path),
                    Text("it is the file of -f {name}", name=show_name(name)),
                )
        try:
            same = os.path.samestat(os.fstat(0), path.stat())
        except OSError:
            return
        if same:
            raise UsageError(
                Text("cannot use -o {path}", path=path), Text("it is the file that stdin reads")
            )

    def _answers(
        self,
        items: Iterator[EmbedItem | None],
        stop: threading.Event,
        file: EmbedFile | None = None,
    ) -> Iterator[EmbedAnswer]:
        options, ctx = self._options, self._ctx
        listed = None if self._reads_lines else list(items)
        embedder = Embedder(
            ctx,
            self._build,
            options.dimensions,
            keep_body=bool(ctx.settings.output.json),
            is_alone=listed is not None and len(listed) == 1,
            file=file,
        )

        ask = partial(self._ask, embedder, file)
        find = (file.find_result,) if file else ()
        groups = enumerate(group_items(items if listed is None else iter(listed), options, *find))
        bulk = listed is None or len(listed) > (options.batch_size or BATCH_SIZE)
        length = file.vector_length if file else 0
        jobs, gateway = ctx.settings.jobs, ctx.gateway
        if file is not None:
            answers = send_in_order(gateway, groups, ask, jobs, stop, bulk, file.observer)
        else:
            send = send_softly if bulk else send_in_order
            answers = send(gateway, groups, ask, jobs, stop)
        for answer in answers:
            for _, got, from_cache in answer.replies:
                self._usage.add(got.usage, from_cache=from_cache)
            length = require_length(answer, length)
            yield answer

    def _ask(
        self,
        embedder: Embedder,
        file: EmbedFile | None,
        sender: Sender,
        numbered: tuple[int, list[EmbedResult]],
    ) -> EmbedAnswer:
        answer = embedder.ask(sender, *numbered)
        if file is not None:
            answer = answer._replace(results=[*map(self._filter, answer.results)])
            file.keep(answer, self._format)
        return answer

    def _filter(self, result: EmbedResult) -> EmbedResult:
        """Return a result with its line through `--jq`; if that fails, the line is kept."""
        output = self._ctx.output
        if output.jq_filter is None or result.line is not None:
            return result
        line = self._format(result)
        try:
            return result._replace(line=b"".join(output.filter_lines([line])))
        except IncompleteError as failure:
            return result._replace(line=line, error=result.error or failure)

    def _format(self, result: EmbedResult) -> bytes:
        item, options = result.item, self._options
        if result.line is not None:
            return result.line
        error = b""
        if result.error is not None:
            error = write(describe_error(result.error, self._ctx.messages.redact))
            if item.line:
                return with_error(item.line, error)
        elif options.jsonl is not None and result.vector is not None:
            return with_vector(item.line, result.vector)
        has_text = options.text is not False and item.text
        text = b'"text":%s,' % write(item.text) if has_text else b""
        if error:
            return b'{"index":%d,%s"error":%s}\n' % (item.number, text, error)
        return b'{"index":%d,%s"embedding":%s}\n' % (item.number, text, result.vector)

    def _count_line(self, result: EmbedResult) -> bytes:
        if result.error is not None:
            self._failures.add(result.item.place, result.error)
        elif result.line_class is None:
            self._succeeded += 1
        return self._format(result)

    def _one_object(self, answers: Iterator[EmbedAnswer]) -> Iterator[bytes]:
        """Yield the server's object verbatim; of several requests one of the same shape."""
        kept: list[EmbedAnswer] = []
        errors: list[dict[str, Any]] = []
        try:
            for answer in answers:
                kept.append(answer)
                errors += self._count_failures(answer)
        except (ApiyiError, Interrupted):
            # What came before the end of the run is paid for.
            if self._succeeded:
                yield merge_answers(kept, errors) + b"\n"
            raise
        if self._succeeded or not errors:
            yield merge_answers(kept, errors) + b"\n"

    def _count_failures(self, answer: EmbedAnswer) -> Iterator[dict[str, Any]]:
        for result in answer.results:
            if result.error is None:
                self._succeeded += 1
                continue
            self._failures.add(result.item.place, result.error)
            error = describe_error(result.error, self._ctx.messages.redact)
            yield {"index": result.item.number, "error": error}

    def _run_into(self, file: EmbedFile, items: Iterator[EmbedItem | None]) -> None:
        """Write the lines into a file that can resume, and end as the run ended."""
        stop = threading.Event()
        failure: ApiyiError | None = None
        with file.stop_softly(stop):
            try:
                for answer in self._answers(items, stop, file):
                    try:
                        file.write(answer, self._count_line)
                    except OutputError as error:
                        # Requests in flight are paid for: their answers are awaited and rescued.
                        failure = failure or error
                        stop.set()
            except ApiyiError as error:
                failure = failure or error
        try:
            file.end(failure)
        finally:
            print_usage(self._usage, self._ctx.settings, self._ctx.messages)
        succeeded = self._succeeded + file.lines.done - file.lines.failed
        raise_failures(self._failures, succeeded, file.lines.failed)
