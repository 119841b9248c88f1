"""`apiyi image`: pictures from prompts, edited or varied ones, saved as files."""

from __future__ import annotations

from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.options.connection import Connection, Jobs
from apiyi_cli.core.options.image import ImageOptions
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import Prompt
from apiyi_cli.core.options.request import Model, Request


def image(
    ctx: Context,
    prompt: Words = None,
    *,
    model: Model,
    source: Prompt,
    image_options: ImageOptions,
    jobs: Jobs,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Draw pictures from a prompt, edit or vary given ones, and save them as files.

    Prints the path of each file. With -o PATH: a file, a directory, a template such as
    'out/{index:04}-{slug}.{ext}' (fields: index, slug, model, n, ext; with -i
    also dir, stem), or - for stdout.
    """
    from apiyi_cli.cli.commands.image import job as image_job
    from apiyi_cli.cli.commands.image.worker import send_job
    from apiyi_cli.cli.gateway.parallel import print_notes

    job = image_job.read_job(ctx, prompt or [], ctx.settings.fill(source).file or [])
    if ctx.settings.prints_request:
        for task in image_job.skip_existing(ctx, job).tasks:
            call = print_notes(ctx.messages, image_job.build_call(job, task))
            ctx.gateway.print_request(call)
        return
    send_job(ctx, image_job.prepare(ctx, job))


app = single(spread(image))
