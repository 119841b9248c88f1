"""`apiyi batch`: many requests from a file, resumable; `batch verify` and `batch compact`."""

from __future__ import annotations

from apiyi_cli.batch.rows.options import RowDefaults
from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.options.batch import BatchOptions
from apiyi_cli.core.options.connection import Connection, Jobs
from apiyi_cli.core.options.output import RecordOutput
from apiyi_cli.core.options.prompt import TextInput
from apiyi_cli.core.options.request import Model, Request
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

WORDS = ("verify", "compact", "unlock")


def batch(
    ctx: Context,
    file: Words = None,
    *,
    model: Model,
    text: TextInput,
    batch_options: BatchOptions,
    jobs: Jobs,
    rows: RowDefaults,
    connection: Connection,
    output: RecordOutput,
    request: Request,
) -> None:
    """Send the rows of FILE (- for stdin) and record each answer; run again to resume.

    `batch verify OUT...` proves that outputs and their journals agree, with --rows FILE that
    each row has exactly one answer; `batch compact OUT...` leaves out records that newer ones
    replaced; `batch unlock OUT` takes an output from a machine that is gone.
    """
    words = file or []
    if words[:1] and words[0] in WORDS:
        from apiyi_cli.cli.commands.batch.verify import run_word

        run_word(ctx, words, model, batch_options, rows)
        return
    if batch_options.rows is not None:
        raise UsageError(
            Text("cannot use --rows"),
            Text("it is for batch verify"),
            hint="apiyi batch rows.jsonl -o out.jsonl",
        )
    if len(words) != 1:
        raise UsageError(
            Text("cannot run the batch"),
            Text("name one FILE"),
            hint=Text("apiyi batch rows.jsonl -o out.jsonl; - reads stdin; apiyi batch --help"),
        )
    from apiyi_cli.cli.commands.batch.run import run_batch

    run_batch(ctx, words[0], batch_options, rows)


app = single(spread(batch))
