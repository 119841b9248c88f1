"""Sends an image job. Prints each picture's path or record in the order of the input."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from apiyi_cli.cli.commands.image.job import ImageJob
from apiyi_cli.cli.commands.image.worker import ImageResult, ImageWorker
from apiyi_cli.cli.gateway.parallel import print_item_failure, take_in_order
from apiyi_cli.cli.output.usage import UsageTotals, print_usage
from apiyi_cli.errors import ApiyiError, PartialError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context
    from apiyi_cli.core.terminal_text import Content
    from apiyi_cli.render.progress import Progress


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
        from apiyi_cli.core.jsontext import as_line, write

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
        """Show the saved pictures on the terminal that stdout is."""
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
