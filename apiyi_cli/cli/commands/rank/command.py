"""`apiyi rank`: documents in the order of how well they answer a query."""

from __future__ import annotations

from collections.abc import Sequence

from apiyi_cli.build.rank import rank_call
from apiyi_cli.cli.app import single
from apiyi_cli.cli.commands.rank.documents import EXAMPLE, read_documents
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.call import Call
from apiyi_cli.core.options.connection import Connection, Jobs
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.rank import RankOptions
from apiyi_cli.core.options.request import Model, Request
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


def rank(
    ctx: Context,
    query: Words = None,
    *,
    model: Model,
    rank_options: RankOptions,
    jobs: Jobs,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Print lines, objects or file names, those first that answer QUERY best."""
    from apiyi_cli.cli.commands.rank.run import RankRun, print_requests

    rank_options = ctx.settings.fill(rank_options)
    text, files = _split(ctx, query or [], rank_options.file or [])
    if rank_options.vectors is not None:
        from apiyi_cli.cli.commands.rank.search import choose_model, search

        refuse_documents(rank_options, files)
        name = choose_model(ctx, model)
        options = ctx.inputs.read_options(ctx.settings.request)
        search(ctx, rank_options, text, name, options)
        return
    name = ctx.settings.models[0]
    options = ctx.inputs.read_options(ctx.settings.request)
    as_json = ctx.output.form == "ndjson"
    documents = read_documents(ctx, files, rank_options, as_json=as_json)

    def build(texts: Sequence[str]) -> Call:
        return rank_call(model=name, query=text, documents=texts, options=options)

    if ctx.settings.prints_request:
        print_requests(ctx, documents, build)
        return
    RankRun(ctx, rank_options, build).run(documents)


def refuse_documents(rank_options: RankOptions, files: Sequence[str]) -> None:
    """Raise UsageError for documents given together with `--vectors`."""
    given = {"--lines": rank_options.lines, "--jsonl": rank_options.jsonl, "-f": files}
    for option, value in given.items():
        if value:
            raise UsageError(
                Text("cannot use {option} with --vectors", option=option),
                Text("the documents are the lines that the vectors are of"),
            )


def _split(ctx: Context, words: Sequence[str], files: Sequence[str]) -> tuple[str, list[str]]:
    """Return the query and the files; with -f words after it are files."""
    text = ctx.inputs.prompt(words[:1], (), joins_stdin=False) if words else None
    if text is None:
        raise UsageError(Text("nothing to rank by"), Text("no query was given"), hint=EXAMPLE)
    if words[1:] and not files:
        raise UsageError(
            Text("cannot use {word}", word=repr(words[1])),
            Text("the query is one argument"),
            hint=Text("put quotes around the query; -f before files"),
        )
    return text, [*files, *words[1:]]


app = single(spread(rank))
