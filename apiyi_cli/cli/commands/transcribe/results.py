"""Sends a transcription job; transcripts are written in the order of the recordings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from apiyi_cli.build.transcribe import asks_json
from apiyi_cli.build.upload import Upload
from apiyi_cli.cli.commands.transcribe.job import Recording, TranscribeJob, build_call, needs_split
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.loop import print_reply
from apiyi_cli.cli.gateway.parallel import print_item_failure, print_notes, take_in_order
from apiyi_cli.cli.output.usage import UsageTotals, print_usage
from apiyi_cli.core.call import Reply
from apiyi_cli.core.events import Delta, EventBatch, Usage
from apiyi_cli.core.jsontext import write
from apiyi_cli.core.options.chat import AnswerForm
from apiyi_cli.core.terminal_text import Content
from apiyi_cli.decode.transcribe import (
    Transcript,
    events,
    format_transcript,
    join_transcripts,
    transcript,
)
from apiyi_cli.errors import ApiyiError, IncompleteError, PartialError
from apiyi_cli.output.rescue import describe_loss
from apiyi_cli.text import Text, join_texts
from apiyi_cli.wire.send import Sender


class RecordingPart(NamedTuple):
    """The content of one request: a recording, or a part of one with its start.

    Parts of a recording have `number` 0, 1 …; the last one ends it. A `failure` replaces what
    could not be cut.
    """

    recording: Recording
    upload: Upload
    begin_s: float = 0.0
    number: int = 0
    is_last: bool = True
    failure: ApiyiError | None = None


class PartResult(NamedTuple):
    """The transcript of a part, or its failure."""

    part: RecordingPart
    transcript: Transcript | None
    failure: ApiyiError | None = None
    from_cache: bool = False


def send_job(ctx: Context, job: TranscribeJob) -> None:
    """Send the recordings and write the transcripts in their order.

    Raises the error of a single recording; of several, PartialError at the end.
    """
    if not job.recordings:
        return
    ask = partial(_ask, ctx, job)
    results = TranscribeResults(ctx, job)
    first = job.recordings[0]
    try:
        if len(job.recordings) == 1 and not needs_split(first.upload):
            results.take(ask(ctx.gateway.sender, RecordingPart(first, first.upload)))
        else:
            parts, jobs = _cut(ctx, job), ctx.settings.jobs
            take_in_order(ctx.gateway, parts, ask, jobs, results.take)
    except BaseException:
        results.end_early()
        raise
    finally:
        print_usage(results.usage, ctx.settings, ctx.messages)
    count, failures = len(job.recordings), results.failures
    if failures and count == 1:
        raise failures[0]
    if failures:
        raise PartialError(
            Text("some recordings are missing"),
            Text("{count} of {count2} failed", count=len(failures), count2=count),
            hint=None
            if job.files is None
            else Text("run it again with --skip-existing to send only those"),
        )


def print_streams(ctx: Context, job: TranscribeJob) -> None:
    """Print the texts as they arrive, one recording after the other."""

    def decode(reply: Reply, **how: Any) -> Iterator[EventBatch]:
        return _events(job, reply, verbatim=bool(how.get("verbatim")))

    for recording in job.recordings:
        call = print_notes(ctx.messages, build_call(job, recording.upload))
        print_reply(ctx, call, AnswerForm(), decode)


class TranscribeResults:
    """Joins the parts of each recording and writes its transcript, in order."""

    def __init__(self, ctx: Context, job: TranscribeJob) -> None:
        self._ctx = ctx
        self._job = job
        self._is_single = len(job.recordings) == 1
        self._open: Recording | None = None
        self._parts: list[tuple[Transcript, float]] = []
        self._taken = 0
        self._failure: ApiyiError | None = None
        self.failures: list[ApiyiError] = []
        self.usage = UsageTotals()

    def take(self, result: PartResult) -> None:
        """Add a part; write the transcript of a recording whose parts are complete.

        A stopped run may lack a part in the middle. Raises a failure that every recording
        would have.
        """
        part = result.part
        if self._open is not part.recording:
            self.end_open()
            self._open = part.recording
        if result.transcript is not None:
            self.usage.add(result.transcript.usage, from_cache=result.from_cache)
            self._parts.append((result.transcript, part.begin_s))
        self._failure = self._failure or result.failure
        if part.number != self._taken:
            self._failure = self._failure or _make_gap_failure()
        self._taken = part.number + 1
        failure = self._end(part.recording) if part.is_last else None
        if failure is not None and not self._is_single:
            print_item_failure(self._ctx.messages, part.recording.name, failure)

    def end_open(self) -> None:
        """End the recording whose last part has not come; save what was heard of it."""
        if (recording := self._open) is not None:
            self._failure = self._failure or _make_gap_failure()
            failure = self._end(recording)
            if failure is not None and not self._is_single:
                self._ctx.messages.error(failure.for_item(recording.name))

    def end_early(self) -> None:
        """Report what a stopped run has not: nobody raises the failure of a single recording."""
        self.end_open()
        if self._is_single:
            for failure in self.failures:
                self._ctx.messages.error(failure)

    def _end(self, recording: Recording) -> ApiyiError | None:
        """Write the transcript and return None, or the failure after saving what there is."""
        parts, failure = self._parts, self._failure
        self._open, self._parts, self._taken, self._failure = None, [], 0, None
        if failure is None:
            try:
                self._write(recording, join_transcripts(parts))
                return None
            except IncompleteError as error:
                failure = error
        if parts:
            failure = self._keep(failure, join_transcripts(parts))
        self.failures.append(failure)
        return failure

    def _keep(self, failure: ApiyiError, part: Transcript) -> ApiyiError:
        """Save the paid transcript so far; return the failure with its path in the hint."""
        try:
            path = self._ctx.process.rescue.keep([format_transcript(part, "text")])
            kept = Text("what was heard is in {path}", path=path)
        except OSError as error:
            kept = describe_loss(Text("what was heard"), error)
        return failure.with_hint(join_texts(filter(None, (failure.hint, kept)), "; "))

    def _write(self, recording: Recording, result: Transcript) -> None:
        ctx, form = self._ctx, self._job.form
        has_timestamps = (result.value or {}).keys() & {"segments", "words"}
        if form == "verbose_json" and not has_timestamps:
            ctx.messages.note(Text("{name}: the gateway told no timestamps", name=recording.name))
        if not result.lines.strip():
            ctx.messages.note(Text("{name}: no speech was found in it", name=recording.name))
        is_json = "json" in form
        line = _record(recording, result) if form == "ndjson" else format_transcript(result, form)
        lines = list(ctx.output.filter_lines([line])) if is_json else [line]
        if self._job.files is None:
            content: Content = "json" if is_json else "text"
            ctx.process.console.write_lines(lines, ctx.process.rescue, content)
            return
        fields = recording.fields(self._job.model)
        path = self._job.files.write(
            fields, self._job.extension, b"".join(lines), ctx.process.rescue
        )
        ctx.messages.debug(Text("saved {path}", path=path))


def _make_gap_failure() -> IncompleteError:
    return IncompleteError(
        Text("a part of the recording was not sent"), Text("the run was stopped before it")
    )


def _cut(ctx: Context, job: TranscribeJob) -> Iterator[RecordingPart]:
    """Yield the parts to send. A recording that cannot be cut is a part with a failure."""
    for recording in job.recordings:
        if not needs_split(recording.upload):
            yield RecordingPart(recording, recording.upload)
            continue
        from apiyi_cli.cli.commands.transcribe.split import split_recording

        part: RecordingPart | None = None
        try:
            for cut in split_recording(ctx, recording.upload, ctx.process.make_scratch_folder()):
                if part is not None:
                    yield part
                number = 0 if part is None else part.number + 1
                part = RecordingPart(recording, cut.upload, cut.begin_s, number, is_last=False)
        except ApiyiError as failure:
            number = 0 if part is None else part.number
            part = RecordingPart(recording, recording.upload, number=number, failure=failure)
        if part is not None:
            yield part._replace(is_last=True)


def _ask(ctx: Context, job: TranscribeJob, sender: Sender, part: RecordingPart) -> PartResult:
    """Send one part; errors become part of the result."""
    if part.failure is not None:
        return PartResult(part, None, part.failure)
    call = print_notes(ctx.messages, build_call(job, part.upload))

    def read(reply: Reply) -> Transcript:
        if call.stream:
            return _join_events(_events(job, reply))
        return transcript(reply, call.model, asks_json=asks_json(call))

    try:
        result = ctx.gateway.ask(call, read, sender=sender)
    except ApiyiError as failure:
        return PartResult(part, None, failure)
    return PartResult(part, result, from_cache=sender.from_cache)


def _events(job: TranscribeJob, reply: Reply, *, verbatim: bool = False) -> Iterator[EventBatch]:
    return events(reply, verbatim=verbatim, speakers=bool(job.transcribe_options.diarize))


def _join_events(bursts: Iterator[EventBatch]) -> Transcript:
    pieces: list[str] = []
    usage: dict[str, Any] | None = None
    for burst in bursts:
        for event in burst:
            if isinstance(event, Delta):
                pieces.append(event.text)
            elif isinstance(event, Usage) and event.raw is not None:
                usage = event.raw
    text = "".join(pieces)
    value = None if usage is None else {"text": text, "usage": usage}
    return Transcript(text, text.encode("utf-8", "replace"), value)


def _record(recording: Recording, result: Transcript) -> bytes:
    fields = result.value if result.value is not None else {"text": result.text}
    return write({"index": recording.place, "file": recording.name, **fields}) + b"\n"
