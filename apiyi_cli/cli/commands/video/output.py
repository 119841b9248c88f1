"""Prints a run of `apiyi video`: paths or records, failures, and its progress line."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from apiyi_cli.cli.commands.video.messages import describe_going_on
from apiyi_cli.cli.commands.video.saver import note_task
from apiyi_cli.cli.commands.video.worker import TaskStatus
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.parallel import print_item_failure, send_in_order
from apiyi_cli.cli.output.usage import UsageTotals
from apiyi_cli.cli.records import describe_error, write_record
from apiyi_cli.core.jsontext import as_line
from apiyi_cli.core.shells import quote_word
from apiyi_cli.decode.frames.fields import usage
from apiyi_cli.decode.video import VideoTask
from apiyi_cli.errors import ApiyiError, OutputError, PartialError
from apiyi_cli.store.video_tasks import VideoRecord, VideoTasks
from apiyi_cli.text import Text
from apiyi_cli.wire.send import Sender

T = TypeVar("T")
_PIECE_BYTES = 1 << 20


class VideoOutcome(NamedTuple):
    """The outcome of one requested video: its record, last state, file and failure."""

    place: int
    label: str
    record: VideoRecord | None = None
    look: TaskStatus | None = None
    path: str | None = None
    failure: ApiyiError | None = None


class VideoOutput:
    """Prints outcomes as they come, and keeps failures; `show` is thread-safe."""

    def __init__(self, ctx: Context, *, alone: bool) -> None:
        self.failed: list[ApiyiError] = []
        self.usage = UsageTotals()
        self._ctx = ctx
        self._alone = alone
        self._claims: list[str] = []
        self._states: dict[str, str] = {}
        self._began_s = 0.0
        self._lock = threading.Lock()
        console = ctx.process.console
        self._shows = console.stderr_is_terminal and not ctx.settings.output.quiet

    def begin(self, record: VideoRecord) -> None:
        """Add a task that was submitted."""
        with self._lock:
            self._claims.append(record.claim)
        self.show(record, VideoTask("queued"))

    def show(self, record: VideoRecord, task: VideoTask) -> None:
        """Draw the progress of the tasks on a terminal."""
        if not self._shows:
            return
        with self._lock:
            percent = "" if task.percent is None else f" {task.percent} %"
            self._states[record.name] = self._ctx.messages.translate(_STATES[task.state]) + percent
            self._began_s = record.began
            self._draw()

    def _draw(self) -> None:
        """Draw the line of the tasks that are not printed yet. Erase it if there are none."""
        if not self._states:
            self._ctx.messages.status("")
            return
        elapsed_s = self._ctx.process.clock.wall() - self._began_s
        self._ctx.messages.status(
            Text(
                "{tasks}, {elapsed} s; Ctrl-C leaves it running",
                tasks=", ".join(f"{name}: {state}" for name, state in self._states.items()),
                elapsed=f"{elapsed_s:.0f}",
            )
        )

    def end(self) -> None:
        """Remove the progress line."""
        if self._shows:
            self._ctx.process.console.status("")

    def add(self, outcome: VideoOutcome) -> None:
        """Print one outcome; raise a failure that every further task would meet as well."""
        ctx = self._ctx
        if outcome.record is not None and self._shows:
            with self._lock:
                self._states.pop(outcome.record.name, None)
                self._draw()
        if outcome.look is not None:
            self.usage.add(usage({"completion_tokens": outcome.look.task.tokens}))
        if line := self._line(outcome):
            for piece in ctx.output.filter_lines([line]):
                ctx.process.console.write(piece, "text" if ctx.output.form == "text" else "json")
        if outcome.failure is not None:
            self.failed.append(outcome.failure)
            if not self._alone:
                print_item_failure(ctx.messages, outcome.label, outcome.failure)

    def add_all(
        self, items: Sequence[T], make: Callable[[Sender, T], VideoOutcome], stop: threading.Event
    ) -> VideoOutcome:
        """Make the videos of all items, print each outcome, and return the last one."""
        gateway, jobs = self._ctx.gateway, min(self._ctx.settings.jobs, len(items))
        if len(items) == 1:
            outcomes = iter((make(gateway.sender, items[0]),))
        else:
            outcomes = send_in_order(gateway, iter(items), make, jobs, stop, bulk=True)
        for outcome in outcomes:
            self.add(outcome)
        return outcome

    def raise_failures(self, total: int, hint: str) -> None:
        """Raise the failure of the only video; of several, PartialError with the hint."""
        if self.failed and total == 1:
            raise self.failed[0]
        if self.failed:
            raise PartialError(
                Text("some videos are missing"),
                Text("{count} of {total} failed", count=len(self.failed), total=total),
                hint=hint,
            )

    def describe_open(self, tasks: VideoTasks) -> Text | None:
        """Return the message about tasks of this run that are not saved, None without any."""
        records = [
            record for record in tasks.read() if record.claim in self._claims and record.is_open
        ]
        if not records:
            return None
        if len(records) == 1:
            return describe_going_on(records[0])
        return Text(
            "{count} tasks go on without us, and are billed: apiyi video resume", count=len(records)
        )

    def _line(self, outcome: VideoOutcome) -> bytes | None:
        form, look = self._ctx.output.form, outcome.look
        if form == "json":
            return None if look is None else as_line(look.raw) + b"\n"
        if form == "ndjson":
            if self._alone and outcome.record is None:
                return None
            return write_record(self._describe(outcome), self._ctx.messages.redact)
        return None if outcome.path is None else os.fsencode(outcome.path) + b"\n"

    def _describe(self, outcome: VideoOutcome) -> dict[str, Any]:
        record, look = outcome.record, outcome.look
        described: dict[str, Any] = {
            "path": outcome.path,
            "index": outcome.place,
            "model": None if record is None else record.model,
            "task": None if record is None else record.task,
            "bytes": None if record is None else record.size,
            "tokens": None if look is None else look.task.tokens,
        }
        if outcome.failure is not None:
            if record is not None and record.url is not None:
                described["url"] = record.url
            described["error"] = describe_error(outcome.failure, self._ctx.messages.redact)
        return described


def refuse_stdout(ctx: Context, *, several: bool) -> Text | None:
    """Return why `-o -` is not possible, None if stdout can take one video."""
    if several:
        return Text("stdout takes one video")
    if ctx.output.form != "text":
        return Text("stdout takes the video (-o -) or the JSON, not both")
    if ctx.process.console.stdout_is_terminal:
        return Text("a terminal cannot show a video: -o FILE, or a pipe behind it")
    return None


def write_out(ctx: Context, tasks: VideoTasks, record: VideoRecord | None) -> None:
    """Write a saved video to stdout; after that remove its file and note that.

    Where stdout does not take all of it, the file stays and the error names it.
    """
    assert record is not None and record.saved is not None, "it is saved"
    with open(record.saved, "rb") as file:
        try:
            ctx.process.console.write_lines(
                iter(partial(file.read, _PIECE_BYTES), b""), None, "raw"
            )
            ctx.process.console.finish()
        except OutputError as failure:
            kept = Text("the video is in {path}", path=quote_word(record.saved))
            raise failure.with_hint(kept) from failure
    note_task(ctx, tasks, record._replace(saved="-"))
    with suppress(OSError):
        os.unlink(record.saved)


_STATES: dict[str, Text] = {
    "queued": Text("queued"),
    "running": Text("running"),
    "unknown": Text("running"),
    "done": Text("done, being saved"),
    "failed": Text("failed"),
    "expired": Text("expired"),
}
