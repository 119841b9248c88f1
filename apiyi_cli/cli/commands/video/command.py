"""`apiyi video`: videos from prompts, saved as files; its tasks listed, resumed, forgotten."""

from __future__ import annotations

from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.options.connection import Connection, Jobs
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import Prompt
from apiyi_cli.core.options.request import Model, Request
from apiyi_cli.core.options.video import TASK_WORDS, VideoOptions


def video(
    ctx: Context,
    prompt: Words = None,
    *,
    model: Model,
    source: Prompt,
    video_options: VideoOptions,
    jobs: Jobs,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Make videos from prompts, pictures and clips, wait for them, and save them as files.

    Prints the path of each file. -o PATH is a file, a directory, or a template such as
    'out/{index:04}-{slug}.{ext}'. `video list` shows the tasks of this machine; `video resume
    [ID...]` waits for those that run and saves those that are done; `video cancel ID` cancels
    one, where its family can; `video forget ID...` removes them from the list.
    """
    words = prompt or []
    video_options = ctx.settings.fill(video_options)
    # Its own status line says how far the tasks are.
    ctx.gateway.waiting_line = None
    if words[:1] and words[0] in TASK_WORDS:
        from apiyi_cli.cli.commands.video.task_list import run_word

        run_word(ctx, words, video_options)
        return
    from apiyi_cli.cli.commands.video.job import VideoJob

    job = VideoJob(ctx, words, ctx.settings.fill(source).file or [], video_options)
    if job.print_requests():
        return
    job.check()
    job.run()


app = single(spread(video))
