"""How a batch is put together: options become rows, an output, lanes, and an exit code."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from apiyi_cli.batch.rows.options import RowDefaults
from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.causes import FailureCauses
from apiyi_cli.batch.run.counts import describe_remarks, format_summary
from apiyi_cli.batch.run.judging import AnswerRules
from apiyi_cli.batch.run.plan import BatchPlan
from apiyi_cli.batch.run.run import BatchRun, RunResult
from apiyi_cli.batch.run.scheduler import Scheduler
from apiyi_cli.batch.run.stopping import StopRules, price_unknown
from apiyi_cli.batch.run.worker import Worker
from apiyi_cli.batch.state.journal import journal_path
from apiyi_cli.batch.state.opening import OpenOptions, OpenOutput, open_errors_file
from apiyi_cli.batch.state.output import FileTarget, RecordWriter, StreamTarget
from apiyi_cli.batch.state.resume import ResumeState
from apiyi_cli.batch.state.saving import MediaSaver
from apiyi_cli.cli.commands.batch.inputs import BatchInputs
from apiyi_cli.cli.commands.batch.progress import ProgressReporter, SignalHandler
from apiyi_cli.core.options.batch import Batching
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.errors import (
    ApiyiError,
    Interrupted,
    LimitError,
    OutputError,
    PartialError,
    UsageError,
)
from apiyi_cli.text import Text, system_reason

if TYPE_CHECKING:
    from apiyi_cli.batch.state.journal import Journal
    from apiyi_cli.cli.context import Context
    from apiyi_cli.core.events import Usage
    from apiyi_cli.core.terminal_text import Content
    from apiyi_cli.wire.send import Plan


def batch(ctx: Context, path: str, batching: Batching, rows: RowDefaults) -> None:
    """Check, show or run a batch, as its options say."""
    made = BatchInputs(ctx, path, ctx.settings.fill(batching), rows)
    if made.options.check:
        from apiyi_cli.cli.commands.batch.check import check

        check(ctx, made.rows(ResumeState()))
    elif ctx.settings.request.dry_run or ctx.settings.request.code:
        from apiyi_cli.cli.commands.batch.check import show

        show(ctx, made.rows(ResumeState()))
    else:
        if made.options.strict:
            from apiyi_cli.cli.commands.batch.check import refuse_bad

            made.source.spooled()
            refuse_bad(ctx, made.rows(ResumeState()))
        _Running(ctx, made, ctx.settings.jobs).run()


class _Running:
    """One run, from opening its output to its exit code."""

    def __init__(self, ctx: Context, inputs: BatchInputs, jobs: int) -> None:
        from apiyi_cli.wire.http.descriptors import limit_jobs

        self._ctx = ctx
        self._inputs = inputs
        self._options = inputs.options
        self._target = ctx.settings.output.output
        self._opened: OpenOutput | None = None
        self._plan = plan = _plan(ctx)
        if plan.limiter is not None:
            jobs = min(jobs, plan.limiter.limits.concurrency)
        self._jobs = limit_jobs(jobs)
        if self._jobs < jobs:
            ctx.messages.note(
                Text(
                    "{jobs} at once instead of {jobs2}: few files may be open here",
                    jobs=self._jobs,
                    jobs2=jobs,
                )
            )

    def run(self) -> None:
        """Run the batch; raise what it ends with, unless all is well."""
        ctx, options, inputs = self._ctx, self._options, self._inputs
        self._refuse_shared_files()
        inputs.refuse_columns()
        rules = _rules(ctx, options)
        writer, past = self._outputs()
        journal = writer.journal
        plan = BatchPlan(
            self._jobs,
            ordered=bool(options.ordered),
            limit=options.limit,
            retry_failed=bool(options.retry_failed),
            on_unknown=options.on_unknown,  # type: ignore[arg-type]
            same_input=inputs.is_same(past),
            rules=rules,
            price=_cost(ctx),
            check_row=_price_check(ctx, options),
            check_run=self._trouble,
            show=ProgressReporter(ctx, inputs, self._plan).show,
            note=ctx.messages.note,
            clock=ctx.process.clock,
        )
        scheduler = Scheduler(plan, inputs.rows(past), past)
        folder = Path() if self._opened is None else self._opened.output.parent
        saver = MediaSaver(options.save, folder, self._plan, private=inputs.allow_private)
        answers = AnswerRules(
            bool(options.extract), bool(options.strict_finish), options.retry_misfit or 0
        )
        running = BatchRun(
            plan,
            scheduler,
            writer,
            lambda gate: Worker(self._plan, journal, gate, saver, answers),
        )
        counts = scheduler.counts
        began_s = ctx.process.clock.monotonic()
        # A run is long here, and failures make cycles.
        gc.enable()
        with SignalHandler(ctx, running):
            ended = running.run()
        ctx.process.console.status("")
        if not ended.complete and ended.signum is None and inputs.source.is_regular:
            counts.rest = scheduler.count_rest() if not scheduler.has_ended else 0
        if self._opened is not None and scheduler.has_ended and inputs.has_replaced(past):
            with suppress(OutputError):
                self._opened.drop_replaced_errors()
        self._close(
            ended, counts.summary(ctx.process.clock.monotonic() - began_s), journal, counts.causes
        )

    def _refuse_shared_files(self) -> None:
        """Raise UsageError where one file would be two things: the rows, an output, a summary."""
        from apiyi_cli.core.disk import first_clash, is_reserved

        source, options = self._inputs.source, self._options
        given = {
            "FILE": source.path,
            "-o": self._target,
            "--errors": options.errors,
            "--summary": options.summary,
        }
        named = {name: Path(path) for name, path in given.items() if path not in (None, "-")}
        for name, path in list(named.items()):
            if name != "FILE" and is_reserved(path):
                raise UsageError(
                    Text("cannot use {name} {path}", name=name, path=path),
                    Text("its name is that of a batch's own journal or lock"),
                )
        if "-o" in named:
            named[Text("the journal")] = journal_path(named["-o"])
        clash = first_clash(named.items())
        if clash is not None:
            name, other = clash
            raise UsageError(
                Text("cannot use {name} {path}", name=name, path=named[name]),
                Text("it is the file of {other}", other=other),
            )
        if options.summary == "-" and self._target in (None, "-"):
            raise UsageError(
                Text("cannot use --summary -"), Text("the records go to stdout"), hint="-o FILE"
            )

    def _outputs(self) -> tuple[RecordWriter, ResumeState]:
        """Open where the records go; with a file, read what is there."""
        from apiyi_cli.output.files import is_device, refuse_existing

        ctx, options = self._ctx, self._options
        table = self._inputs.table
        texts = bool(options.text) or table is not None
        format_summary: dict[str, Any] = {
            "texts": texts,
            "table": table,
            "tell": ctx.messages.note,
            "redact": ctx.messages.redact,
        }
        errors = None if options.errors is None else Path(options.errors)
        if options.summary not in (None, "-"):
            refuse_existing(Path(options.summary), force=True)
        if self._target is None or self._target == "-":
            ctx.process.console.require_stdout()
            content: Content = "text" if texts else "json"
            stream = StreamTarget(
                lambda data: ctx.process.console.write(self._filtered(data), content)
            )
            own = None
            if errors is not None:
                if ctx.settings.output.force:
                    errors.unlink(missing_ok=True)
                own = FileTarget(open_errors_file(errors, fresh=True), str(errors))
            return RecordWriter(stream, None, errors=own, **format_summary), ResumeState()
        if ctx.output.jq_filter is not None:
            raise UsageError(
                Text("cannot use --jq with -o"), Text("the output holds whole records")
            )
        path = Path(self._target)
        if is_device(path):
            import os

            device = FileTarget(os.open(path, os.O_WRONLY | os.O_APPEND), str(path))
            return RecordWriter(device, None, **format_summary), ResumeState()
        refuse_existing(path, force=True)
        terms = OpenOptions(
            errors,
            bool(ctx.settings.output.force),
            bool(options.resume),
            bool(options.repair),
            "table" if table is not None else "texts" if texts else "records",
            options.fsync or "group",  # type: ignore[arg-type]
            self._inputs.shard,
        )
        opened = self._opened = OpenOutput(path, terms, ctx.messages.note)
        ctx.process.on_exit(opened.close)
        if table is not None:
            table.go_on_with(path)
        journal = opened.begin(self._inputs.header())
        self._tell_past(opened.past)
        recorder = RecordWriter(opened.out, journal, errors=opened.errors, **format_summary)
        return recorder, opened.past

    def _tell_past(self, past: ResumeState) -> None:
        if past.records:
            self._ctx.messages.note(
                Text(
                    "going on with {target}: {records} records in it",
                    target=self._target,
                    records=f"{past.records:,}",
                )
            )
        if past.claims:
            lost = sum(past.lost(id) for id in past.claims)
            self._ctx.messages.note(
                Text(
                    "{lost} requests were in flight when an earlier run ended and "
                    "may be billed twice if they are sent again (--on-unknown skip "
                    "does not)",
                    lost=lost,
                )
            )

    def _filtered(self, data: bytes) -> bytes:
        if self._ctx.output.jq_filter is None:
            return data
        return b"".join(self._ctx.output.filter_lines(data.splitlines(keepends=True)))

    def _trouble(self) -> ApiyiError | None:
        """Return why the run cannot go on, though no row says so."""
        total_at = self._plan.timeouts.total_at
        if total_at is not None and self._ctx.process.clock.monotonic() >= total_at:
            return LimitError(
                Text("stopped by --max-time"),
                Text("not all rows were sent"),
                hint=Text("run it again to go on"),
            )
        return None if self._opened is None else self._opened.find_trouble()

    def _close(
        self,
        ended: RunResult,
        summary: dict[str, Any],
        journal: Journal | None,
        causes: FailureCauses,
    ) -> None:
        """Say and note how the run ended, and raise what it ended with."""
        ctx = self._ctx
        failure = ended.failure or self._trouble_at_end()
        self._rescue(ended, failure)
        if journal is not None:
            try:
                journal.ended(summary, complete=ended.complete)
                journal.close()
            except OutputError as broken:
                failure = failure or broken
        if ctx.settings.output.usage:
            ctx.messages.print_line(format_summary(summary))
        elif summary["total"] or failure is None:
            ctx.messages.note(format_summary(summary))
        if remarks := describe_remarks(summary):
            ctx.messages.note(remarks)
        self._write_summary(summary)
        if ended.signum is not None:
            raise Interrupted(ended.signum)
        if ended.defect is not None:
            raise ended.defect
        if failure is not None:
            raise failure
        if summary["failed"]:
            raise self._partial(summary, causes)

    def _partial(self, summary: dict[str, Any], causes: FailureCauses) -> PartialError:
        """Return the error of a run that went through, with what its failures have in common."""
        if summary["failed"] > causes.count and self._opened is not None:
            self._opened.count_failures(causes)
        retries_failed = bool(self._options.retry_failed)
        hint = causes.advise(retries_failed=retries_failed) if causes.count else None
        if self._opened is None and hint is not None and len(causes.top()) > 1:
            # Without an output nothing is known of these rows the next time.
            hint = None
        format_summary = Text("their records say why")
        if self._has_no_records:
            format_summary = Text("each is named above")
        return PartialError(
            Text(
                "{failed} of {total} rows failed",
                failed=f"{summary['failed']:,}",
                total=f"{summary['total']:,}",
            ),
            causes.explain() if causes.count else format_summary,
            hint=hint,
        )

    @property
    def _has_no_records(self) -> bool:
        """Return True if failed rows are told on stderr alone."""
        is_text = bool(self._options.text) or self._inputs.table is not None
        return is_text and self._options.errors is None

    def _write_summary(self, summary: dict[str, Any]) -> None:
        from apiyi_cli.core.jsontext import write
        from apiyi_cli.output.files import write_file

        line = write(summary) + b"\n"
        if self._options.summary == "-":
            self._ctx.process.console.write(line, "json")
        elif self._options.summary is not None:
            write_file([line], Path(self._options.summary), force=True)

    def _trouble_at_end(self) -> ApiyiError | None:
        return None if self._opened is None else self._opened.find_trouble()

    def _rescue(self, ended: RunResult, failure: ApiyiError | None) -> None:
        """Keep elsewhere what was paid for and could not be written, and say where."""
        import os

        pieces: Iterator[bytes] | list[bytes] = ended.rescued
        replaced = self._opened is not None and self._opened.held.replaced
        if self._opened is not None and replaced:
            fd = self._opened.held.fd
            size = os.fstat(fd).st_size
            pieces = (os.pread(fd, 1 << 20, at) for at in range(0, size, 1 << 20))
        elif not ended.rescued:
            return
        try:
            path = self._ctx.process.rescue.keep(pieces)
        except OSError as lost:
            self._ctx.messages.note(
                Text(
                    "{count} records were lost: {reason}",
                    count=len(ended.rescued),
                    reason=system_reason(lost),
                )
            )
            return
        if failure is not None:
            output = quote(str(self._target))
            target = self._target if self._opened is None else self._opened.rescue_target
            if replaced:
                failure.hint = Text(
                    "mv {path} {output}; then run it again to go on",
                    path=quote(str(path)),
                    output=output,
                )
            else:
                failure.hint = Text(
                    "make room; cat {path} >> {output}; then run it again to go on",
                    path=quote(str(path)),
                    output=quote(str(target)),
                )


def _plan(ctx: Context) -> Plan:
    """Return the session's plan with the policy of a batch."""
    from apiyi_cli.cli.gateway.plan import make_bulk_plan, make_policy
    from apiyi_cli.settings.defaults import BATCH

    made = ctx.gateway.make_plan()
    if made.account is not None:
        made.account.many = True
    return make_bulk_plan(made)._replace(
        policy=make_policy(ctx.settings.given(Connection()), BATCH),
        tell=ctx.messages.debug,
    )


def _rules(ctx: Context, options: Batching) -> StopRules:
    text = "1" if options.fail_fast else options.max_errors
    most, percent = None, None
    if text is not None:
        number = text.removesuffix("%")
        try:
            value = float(number) if text.endswith("%") else int(number)
        except ValueError:
            value = -1
        if not 0 < value <= (100 if text.endswith("%") else 1 << 60):
            raise UsageError(
                Text("cannot use --max-errors {text}", text=text), Text("it is not N or N%")
            )
        most, percent = (None, value) if text.endswith("%") else (int(value), None)
    if options.max_cost is not None:
        from apiyi_cli.cli.output.ledger import load_prices

        if not len(load_prices(ctx.settings)):
            raise LimitError(
                Text("cannot keep to --max-cost"),
                Text("there is no price list"),
                hint="apiyi models --update",
            )
    return StopRules(most, percent, options.max_cost)


def _price_check(ctx: Context, options: Batching) -> Callable[[Row], None]:
    """Return what raises LimitError for a row whose price nobody knows, under `--max-cost`."""
    from apiyi_cli.cli.output.ledger import estimate_cost, load_prices

    if options.max_cost is None:
        return lambda row: None
    prices = load_prices(ctx.settings)

    def check(row: Row) -> None:
        if row.call is not None and estimate_cost(prices, row.call, None, guess=True) is None:
            raise price_unknown(row.call.model)

    return check


def _cost(ctx: Context) -> Callable[[Row, Usage | None], float | None]:
    from apiyi_cli.cli.output.ledger import estimate_cost, load_prices

    prices = load_prices(ctx.settings)

    def cost(row: Row, usage: Usage | None) -> float | None:
        return None if row.call is None else estimate_cost(prices, row.call, usage)

    return cost
