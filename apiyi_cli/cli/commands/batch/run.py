"""Runs a batch: its options become rows, an output, workers, and an exit code."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from apiyi_cli.batch.rows.options import RowDefaults
from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.answer_judgement import AnswerRules
from apiyi_cli.batch.run.counts import Counts, Throughput
from apiyi_cli.batch.run.gate import ConcurrencyGate
from apiyi_cli.batch.run.plan import BatchPlan
from apiyi_cli.batch.run.run import BatchRun
from apiyi_cli.batch.run.scheduler import Scheduler
from apiyi_cli.batch.run.stop_rules import (
    CostBudget,
    StopRules,
    make_time_error,
    make_unpriced_error,
)
from apiyi_cli.batch.run.worker import Worker
from apiyi_cli.batch.state.media_files import MediaSaver
from apiyi_cli.batch.state.resume import ResumeState
from apiyi_cli.build.tokens import FIRST_ANSWER, estimate_tokens
from apiyi_cli.cli.commands.batch.conclude import conclude
from apiyi_cli.cli.commands.batch.inputs import BatchInputs
from apiyi_cli.cli.commands.batch.outputs import Destination, open_destination, refuse_shared_files
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.cost_limit import require_prices
from apiyi_cli.cli.gateway.plan import make_bulk_plan
from apiyi_cli.cli.output.ledger import estimate_cost, load_prices
from apiyi_cli.cli.process import Process, find_grace_s
from apiyi_cli.core.events import Usage
from apiyi_cli.core.options.batch import BatchOptions
from apiyi_cli.errors import ApiyiError, OutputError, UsageError
from apiyi_cli.settings.defaults import BATCH
from apiyi_cli.store.prices import Prices, format_cost
from apiyi_cli.text import Text
from apiyi_cli.wire.send import Plan

_MAX_ERRORS = 1 << 60


def run_batch(ctx: Context, path: str, batch_options: BatchOptions, rows: RowDefaults) -> None:
    """Check, show or send the rows of a file, as the options say."""
    from apiyi_cli.cli.commands.batch.check import check_rows, print_requests, refuse_bad_rows

    inputs = BatchInputs(ctx, path, ctx.settings.fill(batch_options), rows)
    if inputs.options.check:
        check_rows(ctx, inputs.rows(ResumeState()), inputs.make_packer())
        return
    if ctx.settings.request.dry_run or ctx.settings.request.code:
        print_requests(ctx, inputs.rows(ResumeState()), inputs.make_packer(), inputs.prepare)
        return
    if inputs.options.strict:
        inputs.source.spool()
        refuse_bad_rows(ctx, inputs.rows(ResumeState()))
    send_rows(ctx, inputs)


def send_rows(ctx: Context, inputs: BatchInputs) -> None:
    """Send the rows and record their answers; raise the error that ends the run."""
    options, clock = inputs.options, ctx.process.clock
    wire_plan = make_wire_plan(ctx)
    jobs = _limit_jobs(ctx, wire_plan)
    refuse_shared_files(inputs.source.path, ctx.settings.output.output, options)
    inputs.refuse_columns()
    prices = load_prices(ctx.settings)
    rules = read_stop_rules(options, ctx.settings.request.max_cost)
    if rules.max_cost is not None:
        require_prices(prices)
    destination = open_destination(ctx, inputs, wire_plan)
    plan = _make_plan(ctx, inputs, destination, wire_plan, prices, (jobs, rules))
    scheduler = Scheduler(plan, inputs.rows(destination.past), destination.past)
    open_worker = _make_worker_factory(inputs, destination, wire_plan)
    run = BatchRun(plan, scheduler, destination.writer, open_worker)
    began_s = clock.monotonic()
    # A batch runs long, and failures make cycles.
    gc.enable()
    with SignalHandler(ctx.process, run):
        result = run.run()
    ctx.process.console.status("")
    counts, output = scheduler.counts, destination.output
    if not scheduler.has_ended and result.signum is None and inputs.source.is_regular:
        counts.rest = scheduler.count_rest()
    if output is not None and scheduler.has_ended and inputs.has_replaced(destination.past):
        with suppress(OutputError):
            output.drop_replaced_errors()
    conclude(ctx, inputs, destination, result, counts.summary(clock.monotonic() - began_s))


def _make_plan(
    ctx: Context,
    inputs: BatchInputs,
    destination: Destination,
    wire_plan: Plan,
    prices: Prices,
    limits: tuple[int, StopRules],
) -> BatchPlan:
    options = inputs.options
    jobs, rules = limits
    return BatchPlan(
        jobs,
        ordered=bool(options.ordered),
        limit=options.limit,
        retry_failed=bool(options.retry_failed),
        on_unknown=options.on_unknown,  # type: ignore[arg-type]
        pack_size=inputs.defaults.pack_size,
        same_input=inputs.is_same(destination.past),
        rules=rules,
        price=lambda row, usage: estimate_cost(prices, row.call, usage) if row.call else None,
        check_row=check_price(prices) if rules.max_cost is not None else lambda row: None,
        budget=None
        if rules.max_cost is None
        else CostBudget(rules.max_cost, partial(estimate_row, prices)),
        check_run=lambda: _find_trouble(ctx, wire_plan, destination),
        show=ProgressReporter(ctx, inputs.total, wire_plan).show,
        note=ctx.messages.note,
        clock=ctx.process.clock,
    )


def _make_worker_factory(
    inputs: BatchInputs, destination: Destination, wire_plan: Plan
) -> Callable[[ConcurrencyGate], Worker]:
    options, output = inputs.options, destination.output
    folder = Path() if output is None else output.output.parent
    saver = MediaSaver(options.save, folder, wire_plan, private=inputs.allow_private)
    is_extracted, is_strict = bool(options.extract), bool(options.strict_finish)
    answers = AnswerRules(is_extracted, is_strict, options.retry_misfit or 0, inputs.prepare)
    journal = destination.writer.journal
    return lambda gate: Worker(wire_plan, journal, gate, saver, answers)


def _find_trouble(ctx: Context, plan: Plan, destination: Destination) -> ApiyiError | None:
    """Return the error that stops the run though no row has it, else None."""
    total_at = plan.timeouts.total_at
    if total_at is not None and ctx.process.clock.monotonic() >= total_at:
        return make_time_error()
    return None if destination.output is None else destination.output.find_trouble()


def make_wire_plan(ctx: Context) -> Plan:
    """Return the plan of the requests, with the retry policy of a batch."""
    plan = ctx.gateway.make_plan()
    if plan.account is not None:
        plan.account.many = True
    policy = ctx.settings.retry_policy(BATCH)
    return make_bulk_plan(plan)._replace(policy=policy, tell=ctx.messages.debug)


class SignalHandler:
    """Handles signals during a batch: stops it softly, or shows the progress."""

    def __init__(self, process: Process, run: BatchRun) -> None:
        self._process = process
        self._run = run

    def __enter__(self) -> None:
        self._process.on_signal = self._handle

    def __exit__(self, *failure: object) -> None:
        self._process.on_signal = None

    def _handle(self, name: str, signum: int) -> float | None:
        if name == "SIGUSR1":
            self._run.request_report()
            return None
        return self._run.request_stop(signum, find_grace_s(name))


class ProgressReporter:
    """Progress on stderr: an updated line on a terminal, else occasional lines."""

    def __init__(self, ctx: Context, total: int | None, plan: Plan) -> None:
        from apiyi_cli.render.progress import Progress

        console = ctx.process.console
        self._print = ctx.messages.print
        self._quiet = bool(ctx.settings.output.quiet)
        self._limits = plan.limiter.limits if plan.limiter is not None else None
        self._progress = Progress(
            None if self._quiet else total,
            say=ctx.messages.print,
            status=console.status if console.stderr_is_terminal else None,
            width=console.width,
            clock=ctx.process.clock,
        )

    def show(self, counts: Counts, throughput: Throughput, now: bool) -> None:
        """Draw the current state if it is time to; `now` always prints it."""
        if self._quiet and not now:
            return
        requests, tokens = throughput.per_minute()
        limits = self._limits
        fields: dict[str, object] = {
            "req/min": f"{requests:,}/{limits.rpm:,}" if limits else f"{requests:,}",
            "tok/min": f"{tokens:,}/{limits.tpm:,}" if limits else f"{tokens:,}",
        }
        if counts.cost is not None:
            fields["cost"] = format_cost(counts.cost)
        done = counts.done + counts.resumed
        state = {"ok": counts.ok, "failed": counts.all_failed, "resumed": counts.resumed}
        if now:
            self._print(self._progress.line(done, **state, fields=fields))
        self._progress.show(done, **state, fields=fields)


def _limit_jobs(ctx: Context, plan: Plan) -> int:
    """Return the number of concurrent requests, from the key's limits and open files."""
    from apiyi_cli.wire.http.descriptors import limit_jobs

    wanted = ctx.settings.jobs
    if plan.limiter is not None:
        wanted = min(wanted, plan.limiter.limits.concurrency)
    jobs = limit_jobs(wanted)
    if jobs < wanted:
        ctx.messages.note(
            Text(
                "{jobs} at once instead of {jobs2}: few files may be open here",
                jobs=jobs,
                jobs2=wanted,
            )
        )
    return jobs


def read_stop_rules(options: BatchOptions, max_cost: float | None) -> StopRules:
    """Return when to stop by --fail-fast, --max-errors and --max-cost."""
    text = "1" if options.fail_fast else options.max_errors
    max_errors, percent = None, None
    if text is not None:
        is_percent = text.endswith("%")
        try:
            value = float(text.removesuffix("%")) if is_percent else int(text)
        except ValueError:
            value = -1
        if not 0 < value <= (100 if is_percent else _MAX_ERRORS):
            why = Text("it is not N or N%")
            raise UsageError(Text("cannot use --max-errors {text}", text=text), why)
        max_errors, percent = (None, value) if is_percent else (int(value), None)
    return StopRules(max_errors, percent, max_cost)


def check_price(prices: Prices) -> Callable[[Row], None]:
    """Return a function that raises LimitError for a row whose price is unknown."""

    def check(row: Row) -> None:
        if row.call is not None and estimate_cost(prices, row.call, None, guess=True) is None:
            raise make_unpriced_error(row.call.model)

    return check


def estimate_row(prices: Prices, row: Row, answer_mean: float | None) -> float | None:
    """Return the likely cost of a row or pack in US dollars, None if its price is unknown.

    An answer in text is taken for as long as the run's mean, or its own bound if
    that is less.
    """
    call = row.call
    if call is None or call.cost != "text":
        return 0.0 if call is None else estimate_cost(prices, call, None, guess=True)
    likely = FIRST_ANSWER if answer_mean is None else answer_mean
    prompt = estimate_tokens(call._replace(cost="light"))
    # With a mean of 0 only its own bound counts.
    bound = estimate_tokens(call, 0.0) - prompt
    answer = min(bound, likely) if bound > 0 else likely
    return estimate_cost(prices, call, Usage(prompt, round(answer), None))
