"""`apiyi transcribe`: what recordings say, as text, subtitles or JSON."""

from __future__ import annotations

from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.options.connection import Connection, Jobs
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import TextInput
from apiyi_cli.core.options.request import Model, Request
from apiyi_cli.core.options.transcribe import Transcribing


def transcribe(
    ctx: Context,
    files: Words = None,
    *,
    model: Model,
    text: TextInput,
    transcribing: Transcribing,
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
    from apiyi_cli.cli.commands.transcribe.job import Desk

    desk = Desk(ctx, files or [], ctx.settings.fill(transcribing))
    if desk.shown():
        return
    desk.prepare()
    desk.run(ctx.settings.jobs)


app = single(spread(transcribe))
