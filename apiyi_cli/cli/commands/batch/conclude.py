"""The end of a batch: rescues unwritten records, reports, ends the journal, raises."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from apiyi_cli.batch.run.counts import describe_remarks, format_summary
from apiyi_cli.batch.run.run import RunResult
from apiyi_cli.cli.commands.batch.inputs import BatchInputs
from apiyi_cli.cli.commands.batch.outputs import Destination
from apiyi_cli.cli.context import Context
from apiyi_cli.core.disk import read_at
from apiyi_cli.core.jsontext import write
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import Interrupted, OutputError, PartialError
from apiyi_cli.output.files import write_file
from apiyi_cli.text import Text, system_reason

_COPY_BYTES = 1 << 20


def conclude(
    ctx: Context,
    inputs: BatchInputs,
    destination: Destination,
    result: RunResult,
    summary: dict[str, Any],
) -> None:
    """Report how the run ended, note it in the journal, and raise its error."""
    output, journal = destination.output, destination.writer.journal
    failure = result.failure or (None if output is None else output.find_trouble())
    hint = _rescue(ctx, destination, result)
    if failure is not None and hint is not None:
        wrapped = type(failure)(failure.what, failure.why, hint=hint, facts=failure.facts)
        wrapped.__cause__ = failure
        failure = wrapped
    if journal is not None:
        try:
            journal.end(summary, complete=result.complete)
            journal.close()
        except OutputError as broken:
            failure = failure or broken
    if ctx.settings.output.usage:
        ctx.messages.print_line(format_summary(summary))
    elif summary["total"] or failure is None:
        ctx.messages.note(format_summary(summary))
    if remarks := describe_remarks(summary):
        ctx.messages.note(remarks)
    destination.kept.report(ctx.messages)
    _write_summary(ctx, inputs.options.summary, summary)
    if result.signum is not None:
        raise Interrupted(result.signum)
    if result.defect is not None:
        raise result.defect
    if failure is not None:
        raise failure
    if summary["failed"]:
        raise _describe_failures(inputs, destination, result, summary)


def _describe_failures(
    inputs: BatchInputs, destination: Destination, result: RunResult, summary: dict[str, Any]
) -> PartialError:
    """Return the error of a complete run, with the common cause of its failures."""
    causes, output = result.counts.causes, destination.output
    if summary["failed"] > causes.count and output is not None:
        output.count_failures(causes)
    hint = None
    # Without an output the next run knows nothing of these rows.
    if causes.count and (output is not None or len(causes.top()) == 1):
        hint = causes.advise(retries_failed=bool(inputs.options.retry_failed))
    why = Text("their records say why")
    if inputs.writes_texts and inputs.options.errors is None:
        why = Text("each is named above")
    failed, total = f"{summary['failed']:,}", f"{summary['total']:,}"
    return PartialError(
        Text("{failed} of {total} rows failed", failed=failed, total=total),
        causes.explain() if causes.count else why,
        hint=hint,
    )


def _write_summary(ctx: Context, target: str | None, summary: dict[str, Any]) -> None:
    line = write(summary) + b"\n"
    if target == "-":
        ctx.process.console.write(line, "json")
    elif target is not None:
        write_file([line], Path(target), force=True)


def _rescue(ctx: Context, destination: Destination, result: RunResult) -> str | None:
    """Save paid records that were not written; return the hint that restores them."""
    output, pieces = destination.output, _unwritten(destination, result)
    if pieces is None:
        return None
    try:
        path = quote_word(str(ctx.process.rescue.keep(pieces)))
    except OSError as failure:
        count, reason = len(result.rescued), system_reason(failure)
        ctx.messages.note(Text("{count} records were lost: {reason}", count=count, reason=reason))
        return None
    target = ctx.settings.output.output
    if target in (None, "-"):
        return f"cat {path}"
    if output is not None and output.held.replaced:
        return Text(
            "mv {path} {output}; then run it again to go on",
            path=path,
            output=quote_word(str(target)),
        )
    if output is not None:
        target = str(output.rescue_target)
    return Text(
        "make room; cat {path} >> {output}; then run it again to go on",
        path=path,
        output=quote_word(str(target)),
    )


def _unwritten(destination: Destination, result: RunResult) -> Iterable[bytes] | None:
    """Return the records that the output lacks, all if it was removed, None if complete."""
    output = destination.output
    if output is not None and output.held.replaced:
        fd = output.held.fd
        offsets = range(0, os.fstat(fd).st_size, _COPY_BYTES)
        return (read_at(fd, _COPY_BYTES, at) for at in offsets)
    return result.rescued or None
