"""Opens the output of a batch: a file that can resume, a device, or stdout."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from apiyi_cli.batch.state.files import open_errors_file
from apiyi_cli.batch.state.journal import journal_path
from apiyi_cli.batch.state.open_output import OpenOptions, OpenOutput
from apiyi_cli.batch.state.output import FileTarget, RecordWriter, StreamTarget
from apiyi_cli.batch.state.resume import ResumeState
from apiyi_cli.cli.commands.batch.inputs import BatchInputs
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.plan import make_store_lock
from apiyi_cli.cli.messages import Messages
from apiyi_cli.core.disk import BINARY, first_clash, is_reserved, write_all
from apiyi_cli.core.options.batch import BatchOptions
from apiyi_cli.core.terminal_text import Content
from apiyi_cli.errors import IncompleteError, UsageError
from apiyi_cli.output.rescue import Rescue
from apiyi_cli.text import Text, system_reason
from apiyi_cli.wire.send import Plan


class KeptAnswers:
    """A file in the rescue folder with the records of failed rows that were answered."""

    def __init__(self, rescue: Rescue) -> None:
        self._rescue = rescue
        self._path: Path | None = None
        self._count = self._lost = 0
        self._reason = ""

    def take(self, record: bytes) -> None:
        """Append a record; the first one makes the file."""
        try:
            if self._path is None:
                self._path = self._rescue.keep([record])
            else:
                fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | BINARY)
                try:
                    write_all(fd, record)
                    os.fsync(fd)
                finally:
                    os.close(fd)
        except OSError as failure:
            self._lost += 1
            self._reason = system_reason(failure)
        else:
            self._count += 1

    def report(self, messages: Messages) -> None:
        """Print where the records are, and how many were lost."""
        if self._count:
            count = f"{self._count:,}"
            messages.note(
                Text("what came for {count} failed rows is in {path}", count=count, path=self._path)
            )
        if self._lost:
            count = f"{self._lost:,}"
            messages.note(
                Text("{count} records were lost: {reason}", count=count, reason=self._reason)
            )


class Destination(NamedTuple):
    """The target of records, earlier runs' state, and the output if resumable."""

    writer: RecordWriter
    past: ResumeState
    output: OpenOutput | None
    kept: KeptAnswers


def refuse_shared_files(rows: str, target: str | None, options: BatchOptions) -> None:
    """Raise UsageError if one file has two uses: rows, output, summary, errors."""
    named = {
        name: Path(path)
        for name, path in (
            ("FILE", rows),
            ("-o", target),
            ("--errors", options.errors),
            ("--summary", options.summary),
        )
        if path not in (None, "-")
    }
    for name, path in named.items():
        if name != "FILE" and is_reserved(path):
            why = Text("its name is that of a batch's own journal or lock")
            raise UsageError(Text("cannot use {name} {path}", name=name, path=path), why)
    if "-o" in named:
        named[Text("the journal")] = journal_path(named["-o"])
    clash = first_clash(named.items())
    if clash is not None:
        name, other = clash
        what = Text("cannot use {name} {path}", name=name, path=named[name])
        raise UsageError(what, Text("it is the file of {other}", other=other))
    if options.summary == "-" and target in (None, "-"):
        why = Text("the records go to stdout")
        raise UsageError(Text("cannot use --summary -"), why, hint="-o FILE")


def open_destination(ctx: Context, inputs: BatchInputs, plan: Plan) -> Destination:
    """Open the target of records, and read it if it can resume."""
    from apiyi_cli.output.files import is_device, refuse_existing

    options, target, note = inputs.options, ctx.settings.output.output, ctx.messages.note
    kept = KeptAnswers(ctx.process.rescue)
    shared = _share(ctx, inputs, kept)
    if options.summary not in (None, "-"):
        refuse_existing(Path(options.summary), force=True)
    if target is None or target == "-":
        return _open_stdout(ctx, inputs, shared, kept)
    if ctx.output.jq_filter is not None:
        raise UsageError(Text("cannot use --jq with -o"), Text("the output holds whole records"))
    path = Path(target)
    if is_device(path):
        device = FileTarget(os.open(path, os.O_WRONLY | os.O_APPEND | BINARY), str(path))
        return Destination(RecordWriter(device, None, **shared), ResumeState(), None, kept)
    refuse_existing(path, force=True)
    open_options = OpenOptions(
        None if options.errors is None else Path(options.errors),
        force=bool(ctx.settings.output.force),
        resume=bool(options.resume),
        repair=bool(options.repair),
        form="table" if inputs.table is not None else "texts" if options.text else "records",
        fsync=options.fsync or "group",  # type: ignore[arg-type]
        shard=inputs.shard,
    )
    output = OpenOutput(path, open_options, note, make_store_lock(plan, note))
    ctx.process.on_exit(output.close)
    if inputs.table is not None:
        inputs.table.resume(path)
    journal = output.begin(inputs.header())
    _print_past(path, output.past, note)
    writer = RecordWriter(output.out, journal, errors=output.errors, **shared)
    return Destination(writer, output.past, output, kept)


def _share(ctx: Context, inputs: BatchInputs, kept: KeptAnswers) -> dict[str, Any]:
    """Return what the writers of all kinds of output are given."""
    return {
        "texts": inputs.writes_texts,
        "table": inputs.table,
        "note": ctx.messages.note,
        "keep": kept.take,
        "redact": ctx.messages.redact,
    }


def _open_stdout(
    ctx: Context, inputs: BatchInputs, shared: dict[str, Any], kept: KeptAnswers
) -> Destination:
    console = ctx.process.console
    content: Content = "text" if inputs.writes_texts else "json"
    console.require_stdout()

    def write(data: bytes) -> None:
        if ctx.output.jq_filter is not None:
            data = _filter(data, ctx.output.jq_filter, kept)
        console.write(data, content)

    errors = None
    if inputs.options.errors is not None:
        path = Path(inputs.options.errors)
        if ctx.settings.output.force:
            path.unlink(missing_ok=True)
        errors = FileTarget(open_errors_file(path, fresh=True), str(path))
    writer = RecordWriter(StreamTarget(write), None, errors=errors, **shared)
    return Destination(writer, ResumeState(), None, kept)


def _filter(data: bytes, program: Any, kept: KeptAnswers) -> bytes:
    """Return records through the `--jq` program; keep those that it fails on."""
    from apiyi_cli.render.json_line import apply_filter

    try:
        return b"".join(apply_filter([data], program))
    except IncompleteError as failure:
        kept.take(failure.received)
        raise


def _print_past(path: Path, past: ResumeState, note: Callable[[str], None]) -> None:
    if past.records:
        count = f"{past.records:,}"
        note(Text("going on with {target}: {records} records in it", target=path, records=count))
    if past.claims:
        note(
            Text(
                "{lost} requests were in flight when an earlier run ended and "
                "may be billed twice if they are sent again (--on-unknown skip "
                "does not)",
                lost=sum(past.count_lost(id) for id in past.claims),
            )
        )
