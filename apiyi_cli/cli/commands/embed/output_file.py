"""`apiyi embed -o FILE`: durable lines, which a later run continues."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.state.journal import journal_path
from apiyi_cli.batch.state.record import name_class
from apiyi_cli.batch.state.resume import PendingLine
from apiyi_cli.batch.state.vectors_file import VectorEntry, VectorsFile, make_row
from apiyi_cli.cli.commands.embed.items import Build, EmbedAnswer, EmbedItem, EmbedResult
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.plan import make_store_lock
from apiyi_cli.cli.process import find_grace_s
from apiyi_cli.core.call import Reply
from apiyi_cli.core.options.embed import EmbedOptions
from apiyi_cli.errors import ApiyiError, Interrupted, OutputError, SetupError, UsageError
from apiyi_cli.output.files import refuse_existing
from apiyi_cli.output.rescue import describe_loss
from apiyi_cli.text import Text
from apiyi_cli.wire.http.client import Observer
from apiyi_cli.wire.http.proxies import Proxy
from apiyi_cli.wire.http.request import HttpRequest

REFUSED: Final = frozenset((429, 503))
"""Statuses of a gateway that has not started to work on a request."""


class EmbedFile:
    """The output file of one run, with the state of earlier runs.

    `lines` are its lines and journal, `observer` notes each request before it is sent.
    """

    def __init__(self, ctx: Context, options: EmbedOptions, build: Build) -> None:
        self._ctx = ctx
        self._build = build
        self.path = path = Path(str(ctx.settings.output.output))
        force = bool(ctx.settings.output.force)
        matrix = path if path.suffix == ".npy" else None
        if matrix is not None:
            self.path = path = self._place_lines(matrix, force)
        # First: what no file can be has no journal that one could look for.
        refuse_existing(path, force=True)
        if not journal_path(path).exists() and path.exists() and path.stat().st_size:
            refuse_existing(path, force=force)
        self._form = f"{options.jsonl}\0{options.lines}\0{options.text}"
        # A missing package is reported before the file is created.
        plan, note = ctx.gateway.sender.plan, ctx.messages.note
        lock, header = make_store_lock(plan, note), make_header(ctx, options, matrix)
        self.lines = VectorsFile(
            path, header, force=force, note=note, matrix=matrix, lock=lock, clock=plan.clock
        )
        ctx.process.on_exit(self.lines.close)
        self.vector_length = self.lines.length()
        self._rows: dict[int, Row] = {}
        self._next = 0
        self._looked = self._met = 0
        self._gap = False
        self._signals: list[int] = []
        self.observer = EmbedClaims(self.lines, plan.observer or Observer())
        self._print_past()

    def _place_lines(self, matrix: Path, force: bool) -> Path:
        """Return the file of lines beside a matrix. Raises UsageError for a bad `-o x.npy`."""
        from apiyi_cli.batch.state.vectors_file import import_numpy

        if self._ctx.settings.output.jq is not None:
            raise UsageError(
                Text("cannot write --jq into {path}", path=matrix), Text("it holds vectors alone")
            )
        import_numpy()
        lines = matrix.with_suffix(".jsonl")
        # A matrix that no run here has begun is somebody's own.
        refuse_existing(matrix, force=force or journal_path(lines).exists())
        return lines

    def find_result(self, item: EmbedItem) -> EmbedResult | None:
        """Return an input's earlier result; None if its line is in the file."""
        row = make_row(item.number, item.place, hash_input(item, self._build, self._form))
        self._looked += 1
        entry = self.lines.find(row)
        if entry is not None:
            self._met += 1
        if isinstance(entry, VectorEntry):
            return None
        self._rows[item.number] = row
        if isinstance(entry, PendingLine):
            return EmbedResult(item, line=entry.line, line_class=entry.failed)
        return EmbedResult(item, error=item.error)

    def claim(self, items: Sequence[EmbedItem]) -> None:
        """Set the inputs of this thread's next request."""
        self.observer.begin([self._rows[item.number] for item in items])

    def release(self, items: Sequence[EmbedItem]) -> None:
        """Note that a request was not billed."""
        self.lines.release([self._rows[item.number] for item in items])

    def keep(self, answer: EmbedAnswer, line: Callable[[EmbedResult], bytes]) -> None:
        """Make an answer durable before its turn to be written. Thread-safe."""
        if self._gap or answer.turn != self._next:
            self.lines.keep(self._entries(answer, line))

    def write(self, answer: EmbedAnswer, line: Callable[[EmbedResult], bytes]) -> None:
        """Write an answer whose turn it is; after a gap it stays in the journal.

        Raises OutputError where the file takes no more.
        """
        entries = self._entries(answer, line)
        if answer.turn != self._next:
            self._gap = True
        if self._gap:
            self.lines.keep(entries)
            return
        try:
            if (trouble := self.lines.find_trouble()) is not None:
                self.lines.keep(entries)
                raise trouble
            self.lines.write(entries)
        except OutputError:
            self._gap = True
            raise
        self._next += 1
        for row, _, _ in entries:
            self._rows.pop(row.index, None)

    def _entries(
        self, answer: EmbedAnswer, line: Callable[[EmbedResult], bytes]
    ) -> list[VectorEntry]:
        return [
            VectorEntry(
                self._rows[result.item.number],
                line(result),
                result.line_class if result.error is None else name_class(result.error),
            )
            for result in answer.results
        ]

    @contextmanager
    def stop_softly(self, stop: threading.Event) -> Iterator[None]:
        """Let the first signal stop the run softly: it waits for requests in flight."""

        def heed(name: str, signum: int) -> float | None:
            if name == "SIGUSR1":
                return None
            self._signals.append(signum)
            if len(self._signals) > 1:
                raise Interrupted(signum)
            stop.set()
            return find_grace_s(name)

        self._ctx.process.on_signal = heed
        try:
            yield
        finally:
            self._ctx.process.on_signal = None

    def end(self, failure: ApiyiError | None) -> None:
        """Note how the run ended, then raise `failure`, or Interrupted after a signal.

        Raises OutputError where the disk did not take all, and SetupError when the file has
        lines of inputs that are no longer there.
        """
        complete = failure is None and not self._signals
        try:
            self.lines.end({"total": self._looked}, complete=complete)
        except OutputError as error:
            failure = failure or error
        self._rescue_unkept()
        if failure is not None:
            raise failure
        if self._signals:
            raise Interrupted(self._signals[0])
        if complete:
            refuse_shorter(self.path, self.lines.known, self._met)

    def _rescue_unkept(self) -> None:
        """Save lines that neither file nor journal accepted, and report where they are."""
        unkept = self.lines.unkept
        if not unkept:
            return
        count = Text("{count} lines that could not be written", count=len(unkept))
        try:
            path = self._ctx.process.rescue.keep(unkept)
        except OSError as error:
            self._ctx.messages.note(describe_loss(count, error))
        else:
            self._ctx.messages.note(Text("{lines} are in {path}", lines=count, path=path))

    def _print_past(self) -> None:
        file, tell = self.lines, self._ctx.messages.note
        if known := file.known:
            tell(Text("going on with {path}: {count} lines in it", path=self.path, count=known))
        if file.lost:
            tell(
                Text(
                    "{count} texts were in flight when an earlier run ended "
                    "and may be billed twice",
                    count=file.lost,
                )
            )


def make_header(ctx: Context, options: EmbedOptions, matrix: Path | None) -> dict[str, Any]:
    """Return what a file's lines are made with; later runs must match."""
    program = ctx.settings.output.jq
    return {
        "model": ctx.settings.models[0],
        "dimensions": options.dimensions,
        "field": options.jsonl,
        "text": options.text,
        **({} if program is None else {"jq": program}),
        **({} if matrix is None else {"matrix": matrix.name}),
    }


class EmbedClaims(Observer):
    """Notes in the journal the inputs of a request, right before it is sent."""

    def __init__(self, lines: VectorsFile, then: Observer) -> None:
        self._lines = lines
        self._then = then
        self._local = threading.local()

    def begin(self, rows: Sequence[Row]) -> None:
        """Set the inputs of this thread's following requests."""
        self._local.rows = rows
        self._local.unrefused = 0

    @property
    def is_refused(self) -> bool:
        """Return True if each request of this thread for these inputs was refused."""
        return not self._local.unrefused

    def on_connect(self, url: str, proxy: Proxy | None) -> None:
        """Forward to the next observer."""
        self._then.on_connect(url, proxy)

    def on_request(self, request: HttpRequest) -> None:
        """Write the claim; if that raises, the request is not sent."""
        if not request.free:
            self._lines.claim(getattr(self._local, "rows", ()))
            self._local.unrefused = getattr(self._local, "unrefused", 0) + 1
        self._then.on_request(request)

    def on_reply(self, reply: Reply, after_s: float) -> None:
        """Note a refusal that was not billed."""
        if reply.status in REFUSED:
            self._local.unrefused = getattr(self._local, "unrefused", 0) - 1
        self._then.on_reply(reply, after_s)


def hash_input(item: EmbedItem, build: Build, form: str) -> str:
    """Return 16 hex digits that identify an input and the options of its line."""
    from apiyi_cli.batch.rows.row import hash_call

    digest = hashlib.sha256(f"{form}\0".encode())
    digest.update(item.line)
    if item.error is None:
        digest.update(hash_call(build([item.text])).encode())
    else:
        digest.update(f"\0{item.error.why}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def refuse_shorter(path: Path, known: int, met: int) -> None:
    """Raise SetupError if the file has more lines than the input."""
    if met < known:
        raise SetupError(
            Text("{path} belongs to another input", path=path),
            Text("it has {count} lines more than the input", count=known - met),
            hint=Text("name another -o; --force to begin anew"),
        )
