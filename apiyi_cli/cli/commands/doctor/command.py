"""`apiyi doctor`: what works, what does not, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from apiyi_cli.cli.app import single
from apiyi_cli.cli.commands.doctor import checks as checkup
from apiyi_cli.cli.commands.doctor.checks import nodes
from apiyi_cli.cli.commands.doctor.finding import Finding, State, make_failure
from apiyi_cli.cli.commands.doctor.models import list_models
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.terminal_text import neutralize
from apiyi_cli.errors import ApiyiError, LimitError
from apiyi_cli.text import Text

MARKS: dict[State, tuple[str, str]] = {
    "ok": ("ok", "32"),
    "warning": ("warn", "33"),
    "failure": ("FAIL", "31"),
}
_NAMES = (
    *(Text("balance"), Text("clock"), Text("completion"), Text("config"), Text("host")),
    *(Text("key"), Text("keyring"), Text("limits"), Text("manual"), Text("model")),
    *(Text("path"), Text("proxy"), Text("terminal"), Text("tls")),
)
CHECKS = {str(name): name for name in _NAMES}
"""The name of each check on a terminal; machines read its key."""
CHECK_NAMES = {"list_models": "model", "hosts": "host", "nodes": "host"}
"""The checks whose functions have another name."""


Brief = Annotated[
    bool,
    typer.Option("--brief", help=Text("Say in one line whether a request would work (check).")),
]


def doctor(ctx: Context, *, brief: Brief = False, connection: Connection, output: Output) -> int:
    """Check configuration, key, network, all nodes, clock, terminal and installation.

    Exits 0 when nothing failed, else with the code of the first failure.
    """
    if brief:
        from apiyi_cli.cli.commands.doctor.check_report import print_brief

        return print_brief(ctx)
    try:
        ctx.settings.output  # noqa: B018
    except ApiyiError:
        # The configuration cannot be read, which the first check will say.
        ctx.settings.output = output
    findings: list[Finding] = []
    lines = _list_lines(ctx, _run_checks(ctx, connection), findings)
    if ctx.output.form == "text":
        ctx.output.write(lines, content="styled")
    else:
        ctx.output.write(ctx.output.filter_lines(lines))
    return next((item.exit_code for item in findings if item.state == "failure"), 0)


def _list_lines(ctx: Context, findings: Iterator[Finding], seen: list[Finding]) -> Iterator[bytes]:
    """Yield the findings as lines, or as one object at the end. Collect them in `seen`."""
    from apiyi_cli.cli.records import write_record

    for finding in findings:
        seen.append(finding)
        if ctx.output.form == "text":
            yield _format_finding(ctx, finding)
        elif ctx.output.form == "ndjson":
            yield write_record(_make_record(finding), ctx.messages.redact)
    if ctx.output.form == "json":
        record = {"checks": [_make_record(finding) for finding in seen]}
        yield write_record(record, ctx.messages.redact)


def _run_checks(ctx: Context, typed: Connection) -> Iterator[Finding]:
    checks: tuple[Callable[[Context], Iterator[Finding]], ...] = (
        checkup.config,
        list_models,
        checkup.key,
        checkup.keyring,
        checkup.proxy,
        checkup.tls,
        checkup.hosts,
        nodes,
        checkup.balance,
        checkup.terminal,
        checkup.path,
        checkup.installation,
        checkup.limits,
    )
    max_time_s = _find_max_time(ctx, typed)
    for check in checks:
        try:
            if max_time_s is None:
                yield from check(ctx)
            else:
                ends_at_s = ctx.process.started_s + max_time_s
                yield from _run_bounded(ctx, check, ends_at_s - ctx.process.clock.monotonic())
        except ApiyiError as failure:
            yield make_failure(CHECK_NAMES.get(check.__name__, check.__name__), failure)
            if isinstance(failure, LimitError) or check is checkup.config:
                return


def _find_max_time(ctx: Context, typed: Connection) -> float | None:
    try:
        return ctx.settings.fill(Connection()).max_time
    except ApiyiError:
        return typed.max_time


def _run_bounded(
    ctx: Context, check: Callable[[Context], Iterator[Finding]], left_s: float
) -> list[Finding]:
    """Return a check's findings within the time left; raise LimitError after it.

    In a thread that may be given up: a keyring, a key_command or a server can stay silent.
    """
    import threading
    from concurrent.futures import Future, wait

    result: Future[list[Finding]] = Future()

    def run() -> None:
        try:
            result.set_result(list(check(ctx)))
        except BaseException as failure:
            result.set_exception(failure)

    if left_s > 0:
        threading.Thread(target=run, name=check.__name__, daemon=True).start()
    if not wait((result,), max(left_s, 0.0)).done:
        why = Text("the checks from here on were not made")
        raise LimitError(Text("stopped by --max-time"), why, hint=Text("raise --max-time"))
    return result.result()


def _make_record(finding: Finding) -> dict[str, object]:
    return {name: value for name, value in finding._asdict().items() if value not in ("", 0)}


def _format_finding(ctx: Context, finding: Finding) -> bytes:
    from apiyi_cli.render.wrap import pad

    mark, style = MARKS[finding.state]
    shown = f"\x1b[{style}m{mark:4}\x1b[0m" if ctx.output.color else f"{mark:4}"
    say = ctx.messages.translate
    check: str = finding.check
    if ctx.process.console.stdout_is_terminal:
        check = say(CHECKS.get(check, check))
    text = f"{pad(check, 12)} {say(finding.told)}"
    if finding.advice:
        text += f"\n       {say(Text('try: '))}{say(finding.advice)}"
    return f"{shown} {neutralize(ctx.messages.redact(text))}\n".encode("utf-8", "replace")


app = single(spread(doctor))
