"""One run of `apiyi embed`: its inputs in requests, several at once, lines out in order."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from apiyi_cli.build.embed import MOST_INPUTS, MOST_TOKENS
from apiyi_cli.cli.commands.embed.items import Item
from apiyi_cli.cli.commands.embed.requests import (
    Answer,
    Consistency,
    Embedder,
    Result,
    merged_object,
    usages,
)
from apiyi_cli.cli.gateway.parallel import send_in_order
from apiyi_cli.cli.output.usage import UsageTotals, print_usage
from apiyi_cli.core.call import Call
from apiyi_cli.core.disk import is_same_file
from apiyi_cli.core.encodings import show_name
from apiyi_cli.core.options.embed import Embedding
from apiyi_cli.errors import (
    ApiyiError,
    IncompleteError,
    OutputError,
    PartialError,
    RejectedError,
    SetupError,
    UsageError,
)
from apiyi_cli.text import Text, map_text

if TYPE_CHECKING:
    from apiyi_cli.cli.commands.embed.output_file import EmbedFile
    from apiyi_cli.cli.context import Context
    from apiyi_cli.wire.send import Sender

BATCH_SIZE: Final = 128
# Bytes are a safe measure of tokens: no tokenizer makes more than one token of a byte.
TEXT_MOST_BYTES: Final = MOST_TOKENS
ERRORS_NAMED: Final = 20

Build = Callable[[Sequence[str]], Call]
Look = Callable[[Item], Result | None]


def groups_of(
    items: Iterator[Item | None], embedding: Embedding, look: Look | None = None
) -> Iterator[list[Result]]:
    """Yield the inputs in lists that one request can take, those without a text among them.

    A list is handed on early when no further line comes for a moment, so that a slow pipe is
    answered as it speaks. `look` tells what an input has from earlier runs, None to leave it out.
    """
    size = embedding.batch_size or min(BATCH_SIZE, MOST_INPUTS)
    group: list[Result] = []
    count = weight = 0
    for item in items:
        result = None if item is None else look(item) if look else Result(item, error=item.error)
        if item is not None and result is None:
            continue
        length = len(result.item.text) * 4 if result is not None else 0
        if result is not None and result.item.text.isascii():
            length //= 4
        if group and (result is None or count == size or weight + length > TEXT_MOST_BYTES):
            yield group
            group, count, weight = [], 0, 0
        if result is not None:
            group.append(result)
            count += 1
            weight += length
    if group:
        yield group


def print_requests(ctx: Context, groups: Iterator[list[Result]], build: Build) -> None:
    """Print the requests instead of sending them; what cannot be sent is said on stderr."""
    failures = Failures(ctx)
    for group in groups:
        for result in group:
            if result.error is not None:
                failures.add(result)
        if texts := [one.item.text for one in group if one.error is None]:
            ctx.gateway.print_request(build(texts))
    failures.raise_any(1)


class Failures:
    """Names the inputs without a vector on stderr, the first of them one by one."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._errors: list[ApiyiError] = []
        self.count = 0

    def add(self, result: Result) -> None:
        """Say which input failed and why."""
        error = result.error
        assert error is not None
        self.count += 1
        if self.count > ERRORS_NAMED:
            return
        self._errors.append(error)
        ctx = self._ctx
        if isinstance(error, UsageError):
            told = error.sentence()
        else:
            told = Text("{place}: {error}", place=result.item.place, error=error.sentence())
        ctx.messages.print_line(told)

    def raise_any(self, succeeded: int, earlier: int = 0) -> None:
        """Raise what the run ends with: the refusal itself where all failed alike, else
        PartialError; `earlier` runs have failures in the file, too."""
        count = self.count + earlier
        if not count:
            return
        first = self._errors[0] if self._errors else None
        alike = {(type(one), one.facts.status, one.why) for one in self._errors}
        if isinstance(first, RejectedError) and not succeeded and not earlier and len(alike) == 1:
            raise first
        raise PartialError(
            Text("{count} inputs have no vector", count=count),
            Text("they are named above")
            if not earlier
            else Text("their lines in the output say why"),
        )


class EmbedRun:
    """Embeds the inputs of one command line."""

    def __init__(
        self, ctx: Context, embedding: Embedding, build: Build, files: Sequence[str] = ()
    ) -> None:
        self._ctx = ctx
        self._files = files
        self._embedding = embedding
        self._build = build
        self._failures = Failures(ctx)
        self._spent = UsageTotals()
        self._succeeded = 0

    def run(self, items: Iterator[Item | None]) -> None:
        """Embed all inputs; raise PartialError at the end where some have no vector."""
        ctx = self._ctx
        target = ctx.settings.output.output
        if self._resumes(target):
            from apiyi_cli.cli.commands.embed.output_file import EmbedFile

            self._refuse_one_object(str(target))
            self._refuse_own_input(Path(str(target)))
            first = [next(items, None)]
            with EmbedFile(ctx, self._embedding, self._build) as file:
                self._run_into(file, chain(first, items))
            return
        ctx.output.require_ready()
        stop = threading.Event()
        answers = self._answers(items, stop)
        one_object = bool(ctx.settings.output.json)
        lines = self._one_object(answers) if one_object else self._lines(answers)
        ctx.output.write(ctx.output.filter_lines(lines), stop.set, content="json")
        print_usage(self._spent, ctx.settings, ctx.messages)
        self._failures.raise_any(self._succeeded)

    def _resumes(self, target: str | None) -> bool:
        """Return True if the output is a file of lines, which a later run can go on with."""
        from apiyi_cli.output.files import is_device

        ctx = self._ctx
        if target in (None, "-") or is_device(Path(str(target))):
            return False
        return not ctx.settings.output.json or self._reads_lines

    @property
    def _reads_lines(self) -> bool:
        return bool(self._embedding.lines) or self._embedding.jsonl is not None

    def _refuse_one_object(self, path: str) -> None:
        """Raise UsageError for `--json`: one object for all lines cannot be gone on with."""
        if self._ctx.settings.output.json:
            raise UsageError(
                Text("cannot write --json into {path}", path=path),
                Text(
                    "one object for all lines is only there when the last is answered, and a run "
                    "that ends before could not go on"
                ),
                hint=Text("leave out --json (a line for each text), or > {path}", path=quote(path)),
            )

    def _refuse_own_input(self, path: Path) -> None:
        """Raise UsageError where the output is a file that is read, under whichever name."""
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
        self, items: Iterator[Item | None], stop: threading.Event, file: EmbedFile | None = None
    ) -> Iterator[Answer]:
        """Yield the answers in the order of the inputs."""
        embedding, ctx = self._embedding, self._ctx
        listed = None if self._reads_lines else list(items)
        is_alone = listed is not None and len(listed) == 1
        embedder = Embedder(
            ctx,
            self._build,
            embedding.dimensions,
            keep_body=bool(ctx.settings.output.json),
            is_alone=is_alone,
            claim=file.claim if file else lambda items: None,
            release=file.release if file else lambda items: None,
        )
        embedder.accepts = bool(file and file.has_vectors)

        def ask(sender: Sender, numbered: tuple[int, list[Result]]) -> Answer:
            answer = embedder.ask(sender, *numbered)
            if file is None:
                return answer
            answer = answer._replace(results=[*map(self._filtered, answer.results)])
            file.keep(answer, self.line)
            return answer

        given = items if listed is None else iter(listed)
        groups = enumerate(groups_of(given, embedding, file.look if file else None))
        bulk = listed is None or len(listed) > (embedding.batch_size or BATCH_SIZE)
        consistency = Consistency(file.vector_length if file else 0)
        watch = file.watch if file else None
        for answer in send_in_order(
            ctx, groups, ask, ctx.settings.jobs, stop, bulk=bulk, observer=watch
        ):
            for usage, from_cache in usages(answer):
                self._spent.add(usage, from_cache=from_cache)
            consistency.check(answer)
            yield answer

    def _lines(self, answers: Iterator[Answer]) -> Iterator[bytes]:
        """Yield one line for each input, the lines of one answer together."""
        for answer in answers:
            yield b"".join(map(self._counted_line, answer.results))

    def _counted_line(self, result: Result) -> bytes:
        if result.error is not None:
            self._failures.add(result)
        elif result.line_class is None:
            self._succeeded += 1
        return self.line(result)

    def _filtered(self, result: Result) -> Result:
        """Return a result with its line through `--jq`; an answer that it fails on stays whole."""
        ctx = self._ctx
        if ctx.output.jq_filter is None or result.line is not None:
            return result
        line = self.line(result)
        try:
            return result._replace(line=b"".join(ctx.output.filter_lines([line])))
        except IncompleteError as failure:
            return result._replace(line=line, error=result.error or failure)

    def line(self, result: Result) -> bytes:
        """Return the output line of an input."""
        from apiyi_cli.core.jsontext import write
        from apiyi_cli.decode.embed import with_error, with_vector

        item, embedding = result.item, self._embedding
        if result.line is not None:
            return result.line
        if result.error is not None:
            error = write(self._described(result.error))
            if item.line:
                return with_error(item.line, error)
            text = b"" if embedding.text is False or not item.text else write(item.text)
            shown = b'"text":%s,' % text if text else b""
            return b'{"index":%d,%s"error":%s}\n' % (item.number, shown, error)
        assert result.vector is not None
        if embedding.jsonl is not None:
            return with_vector(item.line, result.vector)
        if embedding.text is False:
            return b'{"index":%d,"embedding":%s}\n' % (item.number, result.vector)
        text = write(item.text)
        return b'{"index":%d,"text":%s,"embedding":%s}\n' % (item.number, text, result.vector)

    def _described(self, error: ApiyiError) -> dict[str, Any]:
        """Return an error as the records of a batch have it."""
        from apiyi_cli.batch.state.record import name_class

        facts = error.facts
        message = f"{error.what}: {error.why}" if error.why else str(error.what)
        return {
            "code": facts.code or (str(facts.status) if facts.status is not None else None),
            "type": type(error).__name__,
            "message": map_text(message, self._ctx.messages.redact),
            "class": name_class(error),
            "maybe_billed": False,
        }

    def _one_object(self, answers: Iterator[Answer]) -> Iterator[bytes]:
        """Yield the server's object verbatim; of several requests one of the same shape."""
        kept: list[Answer] = []
        errors: list[dict[str, Any]] = []
        for answer in answers:
            kept.append(answer)
            for result in answer.results:
                if result.error is None:
                    self._succeeded += 1
                    continue
                self._failures.add(result)
                index = result.item.number
                errors.append({"index": index, "error": self._described(result.error)})
        if self._succeeded or not errors:
            yield merged_object(kept, errors) + b"\n"

    def _run_into(self, file: EmbedFile, items: Iterator[Item | None]) -> None:
        """Write the lines into a file that resumes, and end as the run ended."""
        stop = threading.Event()
        failure: ApiyiError | None = None
        with file.heeding(stop):
            try:
                for answer in self._answers(items, stop, file):
                    try:
                        file.write(answer, self._counted_line)
                    except OutputError as error:
                        # What is in flight is paid for: it comes, and is kept elsewhere.
                        failure = failure or error
                        stop.set()
            except ApiyiError as error:
                failure = failure or error
        try:
            file.end(failure)
        finally:
            print_usage(self._spent, self._ctx.settings, self._ctx.messages)
        self._failures.raise_any(self._succeeded + file.ok_before, file.failed_before)


def hash_of_input(item: Item, build: Build, form: str) -> str:
    """Return 16 hex digits that stand for an input and all that its line is made with."""
    from apiyi_cli.batch.rows.row import hash_call

    digest = hashlib.sha256(f"{form}\0".encode())
    digest.update(item.line)
    if item.error is None:
        digest.update(hash_call(build([item.text])).encode())
    else:
        digest.update(f"\0{item.error.why}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def refuse_shorter(path: Path, known: int, met: int) -> None:
    """Raise SetupError where the file has lines of inputs that are no longer there."""
    if met < known:
        raise SetupError(
            Text("{path} belongs to another input", path=path),
            Text("it has {count} lines more than the input", count=known - met),
            hint=Text("name another -o; --force to begin anew"),
        )
