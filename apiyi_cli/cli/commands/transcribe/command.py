"""`apiyi transcribe`: what recordings say, as text, subtitles or JSON."""

from __future__ import annotations

from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.options.connection import Connection, Jobs
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import TextInput
from apiyi_cli.core.options.request import Model, Request
from apiyi_cli.core.options.transcribe import TranscribeOptions


def transcribe(
    ctx: Context,
    files: Words = None,
    *,
    model: Model,
    text: TextInput,
    transcribe_options: TranscribeOptions,
    jobs: Jobs,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Write down what recordings say, or translate them into English.

    Several files are sent at once and printed in their order; - is standard input. -o PATH may
    be a file, a directory or a template such as '{dir}/{stem}.srt' (fields: dir, stem, index,
    model, ext); with --skip-existing only what is missing is sent.
    """
    from apiyi_cli.cli.commands.transcribe import job as transcribe_job
    from apiyi_cli.cli.commands.transcribe.results import print_streams, send_job
    from apiyi_cli.cli.gateway.parallel import print_notes

    job = transcribe_job.read_job(ctx, files or [])
    if ctx.settings.prints_request:
        for recording in transcribe_job.skip_existing(ctx, job).recordings:
            call = transcribe_job.build_call(job, recording.upload)
            ctx.gateway.print_request(print_notes(ctx.messages, call))
        return
    job = transcribe_job.prepare(ctx, job)
    if job.transcribe_options.stream and job.files is None:
        print_streams(ctx, job)
    else:
        send_job(ctx, job)


app = single(spread(transcribe))
