"""Shows the progress of a batch, and turns signals into its soft stop."""

from __future__ import annotations

from apiyi_cli.batch.run.counts import Counts, Throughput
from apiyi_cli.batch.run.run import BatchRun
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.process import Process, find_grace_s
from apiyi_cli.store.prices import format_cost
from apiyi_cli.wire.send import Plan


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
        state = {"ok": counts.ok, "failed": counts.all_failed}
        if now:
            self._print(self._progress.line(done, **state, fields=fields))
        self._progress.show(done, **state, fields=fields)
