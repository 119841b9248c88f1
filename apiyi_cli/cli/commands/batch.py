"""`apiyi batch`: many requests from a file, resumable; `batch verify` and `batch compact`."""

from __future__ import annotations

from apiyi_cli.batch.options import RowDefaults
from apiyi_cli.cli.app import single
from apiyi_cli.cli.session import Session
from apiyi_cli.cli.spread import Words, spread
from apiyi_cli.core.groups import (
    Batching,
    Connection,
    Jobs,
    Model,
    RecordOutput,
    Request,
    TextInput,
)
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

WORDS = ("verify", "compact")


def batch(
    session: Session,
    file: Words = None,
    *,
    model: Model,
    text: TextInput,
    batching: Batching,
    jobs: Jobs,
    rows: RowDefaults,
    connection: Connection,
    output: RecordOutput,
    request: Request,
) -> None:
    """Send the rows of FILE (- for stdin) and record each answer; run again to resume.

    `batch verify OUT` proves that an output and its journal agree; `batch compact OUT` leaves
    out records that newer ones replaced.
    """
    from apiyi_cli.cli import batching as runs

    words = file or []
    if words[:1] == ["verify"] and len(words) == 2:
        runs.verify(session, words[1])
    elif words[:1] == ["compact"] and len(words) == 2:
        runs.compact(session, words[1])
    elif len(words) != 1 or words[0] in WORDS:
        raise UsageError(
            Text("cannot run the batch"),
            (
                Text("{words} takes one output", words=words[0])
                if words[:1] and words[0] in WORDS
                else Text("name one FILE")
            ),
            hint=Text("apiyi batch rows.jsonl -o out.jsonl; - reads stdin; apiyi batch --help"),
        )
    else:
        runs.batch(session, words[0], batching, rows)


app = single(spread(batch))
