"""Sends an image job: saves its pictures in worker threads, prints them in order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from apiyi_cli.cli.commands.image.job import ImageJob, ImageTask, build_call
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.parallel import print_item_failure, print_notes, take_in_order
from apiyi_cli.cli.output.usage import UsageTotals, print_usage
from apiyi_cli.cli.records import describe_error
from apiyi_cli.core.filetypes import FileType, detect_picture
from apiyi_cli.core.jsontext import as_line, write
from apiyi_cli.decode.image import (
    Picture,
    Pictures,
    UnreadablePicture,
    is_whole,
    join_reasons,
    pictures,
)
from apiyi_cli.errors import ApiyiError, IncompleteError, Interrupted, OutputError, PartialError
from apiyi_cli.output.rescue import describe_loss
from apiyi_cli.text import Text, join_texts, system_reason
from apiyi_cli.wire.send import Sender

if TYPE_CHECKING:
    from apiyi_cli.core.terminal_text import Content
    from apiyi_cli.render.progress import Progress

_EXTENSIONS = {"jpeg": "jpg"} | {
    name: name for name in ("png", "jpg", "webp", "gif", "svg", "avif")
}


class ImageResult(NamedTuple):
    """The result of a task: a record for each picture, and the first failure.

    `content` is the first picture, for stdout.
    """

    task: ImageTask
    records: list[dict[str, Any]]
    reply: Pictures | None = None
    failure: ApiyiError | None = None
    content: bytes = b""
    from_cache: bool = False


class _PictureSaver:
    """The pictures of one reply while they are saved, with the records made so far."""

    def __init__(self, task: ImageTask, reply: Pictures) -> None:
        self.task = task
        self.reply = reply
        self.records: list[dict[str, Any]] = []
        self.extras: list[str] = []
        self.failure: ApiyiError | None = None
        self.content = b""
        self.count = 0

    def pairs(self) -> Iterator[tuple[int, Picture | UnreadablePicture | None]]:
        """Yield each number with its picture, the reason why it is unreadable, or None.

        Every picture of the answer has a number, also beyond those asked for. What was lost
        without leaving a byte counts only where a picture is missing.
        """
        numbers = self.task.numbers
        items: list[Picture | UnreadablePicture | None] = [*self.reply.items]
        items += (lost for lost in self.reply.lost if lost.content)
        items += [None] * (len(numbers) - len(items))
        last = self.task.last
        extra = range(last + 1, last + 1 + len(items) - len(numbers))
        yield from zip((*numbers, *extra), items, strict=True)


class ImageWorker:
    """Makes the pictures of tasks. A job without files keeps them in memory, for stdout."""

    def __init__(self, ctx: Context, job: ImageJob) -> None:
        self._ctx = ctx
        self._job = job
        self._rescue = ctx.process.rescue

    def make(self, sender: Sender, task: ImageTask) -> ImageResult:
        """Send one request and save its pictures; errors become part of the result."""
        call = print_notes(self._ctx.messages, build_call(self._job, task))
        try:
            reply = self._ctx.gateway.ask(
                call, lambda reply: pictures(reply, self._job.model), sender=sender
            )
        except ApiyiError as error:
            records = [self._record(task, n, error=error) for n in task.numbers]
            return ImageResult(task, records, failure=error)
        from_cache = sender.from_cache
        saving = _PictureSaver(task, reply)
        try:
            for n, picture in saving.pairs():
                self._save(sender, saving, n, picture)
        except Interrupted as stop:
            raise Interrupted(stop.signum, self._keep_rest(saving) or stop.note) from stop
        if saving.extras:
            self._ctx.messages.note(
                Text(
                    "more pictures came than were asked for; they are in {paths}",
                    paths=join_texts(saving.extras),
                )
            )
        return ImageResult(task, saving.records, reply, saving.failure, saving.content, from_cache)

    def _save(
        self,
        sender: Sender,
        saving: _PictureSaver,
        n: int,
        item: Picture | UnreadablePicture | None,
    ) -> None:
        task, reply = saving.task, saving.reply
        # Once for each request: the first record has it.
        usage = reply.usage.raw if reply.usage is not None and not saving.records else None
        picture = item if isinstance(item, Picture) else None
        try:
            if picture is None:
                raise self._missing_error(saving, item)  # type: ignore[arg-type]
            content, kind = self._fetch(sender, picture)
            if n in task.numbers:
                saving.content = saving.content or content
                saved = self._write(task, n, content, kind)
            else:
                saved = self._write_extra(task, n, content, kind)
                saving.extras.append(saved["path"])
            saving.records.append(self._record(task, n, picture, usage=usage, **saved))
        except ApiyiError as error:
            saving.failure = saving.failure or error
            saving.records.append(self._record(task, n, picture, usage=usage, error=error))
        saving.count += 1

    def _keep_rest(self, saving: _PictureSaver) -> str:
        """Save the pictures that a signal left unsaved; return where they are."""
        places = []
        for _, item in list(saving.pairs())[saving.count :]:
            if isinstance(item, Picture) and item.url is not None:
                places.append(item.url)
            elif item is not None and item.content:
                with suppress(OSError):
                    places.append(str(self._rescue.keep([item.content])))
        if not places:
            return ""
        return Text("pictures that are paid for: {places}", places=join_texts(places))

    def _fetch(self, sender: Sender, picture: Picture) -> tuple[bytes, FileType]:
        """Return a picture's bytes, downloaded if they are not in the answer, and their kind."""
        content = picture.content
        if not picture.whole:
            raise IncompleteError(
                Text("the picture was cut"),
                Text("{count} bytes of it came", count=len(content)),
                hint=self._keep(content),
            )
        if picture.url is not None:
            from apiyi_cli.wire.download import download

            private = bool(self._job.image_options.allow_private)
            try:
                content = download(picture.url, sender.plan, accepted=_refusal, private=private)
            except IncompleteError as failure:
                if not failure.received:
                    raise
                hints = filter(None, (failure.hint, self._keep(failure.received)))
                raise failure.with_hint(join_texts(hints, "; ")) from failure.__cause__
        kind = detect_picture(content)
        assert kind is not None, "checked by the decoder and by the download"
        return content, kind

    def _keep(self, content: bytes) -> str:
        """Save bytes that are not a whole picture; return the hint that says where."""
        try:
            return Text("take what came from {keep}", keep=self._rescue.keep([content]))
        except OSError as error:
            return describe_loss(Text("the picture"), error)

    def _missing_error(
        self, saving: _PictureSaver, lost: UnreadablePicture | None
    ) -> IncompleteError:
        """Return the error for a picture that is missing or unreadable."""
        if lost is not None:
            return IncompleteError(
                Text("a picture of the answer cannot be read"),
                lost.why,
                hint=self._keep(lost.content),
            )
        reply, wanted = saving.reply, len(saving.task.numbers)
        why = Text(
            "{count} of {wanted} pictures are in the answer", count=len(reply.items), wanted=wanted
        )
        if reply.lost:
            why += Text("; {lost}", lost=join_reasons(reply.lost))
        return IncompleteError(Text("the answer is not what was asked for"), why)

    def _write_extra(
        self, task: ImageTask, n: int, content: bytes, kind: FileType
    ) -> dict[str, Any]:
        """Save a picture beyond those requested: beside the others, or in the rescue folder."""
        fields, files = task.fields(self._job.model, n), self._job.files
        path = files and files.write_extra(fields, kind.extension, content, self._rescue)
        try:
            path = path or self._rescue.keep([content])
        except OSError as failure:
            raise OutputError(
                Text("cannot keep a picture beyond those asked for"), system_reason(failure)
            ) from failure
        return {"path": str(path), "bytes": len(content), "type": kind.mime}

    def _write(self, task: ImageTask, n: int, content: bytes, kind: FileType) -> dict[str, Any]:
        """Save a picture under its name; return what its record says of the file."""
        if self._job.files is None:
            return {}
        fields = task.fields(self._job.model, n)
        path = self._job.files.write(fields, kind.extension, content, self._rescue)
        suffix = path.suffix.lower().removeprefix(".")
        if _EXTENSIONS.get(suffix, kind.extension) != kind.extension:
            text = Text(
                "{path} holds {extension}, whatever its name says",
                path=path,
                extension=kind.extension,
            )
            self._ctx.messages.note(text)
        return {"path": str(path), "bytes": len(content), "type": kind.mime}

    def _record(
        self,
        task: ImageTask,
        n: int,
        picture: Picture | None = None,
        *,
        error: ApiyiError | None = None,
        **saved: Any,
    ) -> dict[str, Any]:
        record = {
            "path": saved.get("path"),
            "index": task.place,
            "n": n,
            "model": self._job.model,
            "revised_prompt": picture.revised_prompt if picture else None,
            "bytes": saved.get("bytes"),
            "type": saved.get("type"),
            "usage": saved.get("usage"),
        }
        if error is not None:
            if picture is not None and picture.url:
                record["url"] = picture.url
            record["error"] = describe_error(error, self._ctx.messages.redact)
        return record


def _refusal(content: bytes, declared: str) -> str | None:
    """Return why a download is not a picture, None if it is one."""
    if not content:
        return Text("the file is empty")
    if detect_picture(content) is None:
        return Text(
            "the file is no picture ({partition})",
            partition=declared.partition(";")[0] or "of unknown type",
        )
    if is_whole(content):
        return None
    return Text("the file is cut after {count} bytes", count=len(content))


def send_job(ctx: Context, job: ImageJob) -> None:
    """Send the requests, save the pictures and print the output in its form.

    Each picture is saved as soon as it is there. Raises the error of a single request; of
    several, PartialError at the end, when some failed.
    """
    total = len(job.tasks)
    if not total:
        return
    results = ImageResults(ctx, job)
    worker = ImageWorker(ctx, job)
    if total == 1:
        results.take(worker.make(ctx.gateway.sender, job.tasks[0]))
    else:
        try:
            jobs = min(ctx.settings.jobs, total)
            take_in_order(ctx.gateway, job.tasks, worker.make, jobs, results.take)
        finally:
            if results.progress is not None:
                results.progress.stop()
    print_usage(results.usage, ctx.settings, ctx.messages)
    if results.failures and total == 1:
        raise results.failures[0]
    if results.failures:
        raise PartialError(
            Text("some pictures are missing"),
            Text("{count} of {total} requests failed", count=len(results.failures), total=total),
            hint=Text("run it again with --skip-existing to make only those"),
        )


class ImageResults:
    """Prints and counts the results of a job, in order."""

    def __init__(self, ctx: Context, job: ImageJob) -> None:
        self._ctx = ctx
        self._job = job
        self._is_single = len(job.tasks) == 1
        self.progress = None if self._is_single else _make_progress(ctx, len(job.tasks))
        self._count = 0
        self.usage = UsageTotals()
        self.failures: list[ApiyiError] = []

    def take(self, result: ImageResult) -> None:
        """Print the result of one task; raise a failure that every task would have."""
        ctx = self._ctx
        self._count += 1
        if result.reply is not None:
            self.usage.add(result.reply.usage, from_cache=result.from_cache)
        if self._job.files is None and result.content:
            ctx.process.console.write_lines([result.content], ctx.process.rescue, "raw")
        elif ctx.output.form != "ndjson" or result.reply is not None or not self._is_single:
            content: Content = "text" if ctx.output.form == "text" else "json"
            for line in ctx.output.filter_lines(list(self._format_lines(result))):
                ctx.process.console.write(line, content)
        if self._job.image_options.preview:
            self._show(result)
        if result.failure is not None:
            self.failures.append(result.failure)
            if not self._is_single:
                print_item_failure(ctx.messages, result.task.name, result.failure)
        if self.progress is not None:
            failed = len(self.failures)
            self.progress.show(self._count, ok=self._count - failed, failed=failed)

    def _format_lines(self, result: ImageResult) -> Iterator[bytes]:
        form = self._ctx.output.form
        if form == "json":
            if result.reply is not None:
                yield as_line(result.reply.raw) + b"\n"
            return
        for record in result.records:
            if form == "ndjson":
                yield write(record) + b"\n"
            elif record["path"] is not None:
                yield os.fsencode(record["path"]) + b"\n"

    def _show(self, result: ImageResult) -> None:
        if not self._ctx.process.console.stdout_is_terminal:
            return
        from apiyi_cli.cli.output.terminal_image import show_picture

        for record in result.records:
            if record["path"] is not None:
                show_picture(self._ctx.process, record["path"])


def _make_progress(ctx: Context, total: int) -> Progress | None:
    console = ctx.process.console
    if ctx.settings.output.quiet or not console.stderr_is_terminal:
        return None
    from apiyi_cli.render.progress import Progress

    return Progress(total, say=ctx.messages.print, status=console.status, width=console.width)
