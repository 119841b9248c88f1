"""`apiyi embed`: texts in, one JSON line with a vector for each out."""

from __future__ import annotations

from collections.abc import Sequence

from apiyi_cli.build.embed import embed_call
from apiyi_cli.cli.app import single
from apiyi_cli.cli.commands.embed.items import group_items, read_items
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.parallel import print_notes
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.call import Call
from apiyi_cli.core.options.connection import Connection, Jobs
from apiyi_cli.core.options.embed import EmbedOptions
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import Prompt
from apiyi_cli.core.options.request import Model, Request


def embed(
    ctx: Context,
    inputs: Words = None,
    *,
    model: Model,
    source: Prompt,
    embed_options: EmbedOptions,
    jobs: Jobs,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Embed texts: one JSON line for each, in the order of the input."""
    from apiyi_cli.cli.commands.embed.run import EmbedRun, print_requests

    embed_options = ctx.settings.fill(embed_options)
    ctx.settings.models  # noqa: B018 - what is missing is said before stdin is read
    options = ctx.inputs.read_options(ctx.settings.request)
    files = ctx.settings.fill(source).file or []
    items = read_items(ctx, inputs or [], files, embed_options)

    def build(texts: Sequence[str]) -> Call:
        call = embed_call(
            model=ctx.settings.models[0],
            inputs=texts,
            embed_options=embed_options,
            options=options,
            families=ctx.settings.families,
        )
        return print_notes(ctx.messages, call)

    if ctx.settings.request.dry_run or ctx.settings.request.code:
        print_requests(ctx, group_items(items, embed_options), build)
        return
    EmbedRun(ctx, embed_options, build, files).run(items)


app = single(spread(embed))
