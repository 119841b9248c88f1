"""Asks several models at once; one failure does not hide the other answers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from apiyi_cli.cli.conversation.answer_files import is_folder, make_answer_files
from apiyi_cli.cli.conversation.compare_row import CompareRow
from apiyi_cli.cli.conversation.reply import find_decode, require_fit
from apiyi_cli.cli.gateway.ordered import QUEUE_POLL_S
from apiyi_cli.cli.gateway.parallel import end_if_stopped, end_when_stopped
from apiyi_cli.cli.output.failures import describe_item
from apiyi_cli.cli.output.stderr_events import empty_answer
from apiyi_cli.cli.records import describe_error
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.clock import start_thread
from apiyi_cli.core.jsontext import write
from apiyi_cli.errors import ApiyiError, IncompleteError, PartialError, UsageError
from apiyi_cli.text import Text
from apiyi_cli.wire.send import Sender

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context
    from apiyi_cli.cli.conversation.reply import Decode
    from apiyi_cli.cli.conversation.request import ConversationRequest
    from apiyi_cli.core.events import EventBatch


def compare(
    ctx: Context, request: ConversationRequest, calls: Sequence[Call], decode: Decode
) -> None:
    """Send all calls at once and print each answer when it is complete.

    In a pipe one JSON object a line: `{"model","text","usage","ms","error"}`. On a terminal
    each is shown as it is done, side by side where they fit. A signal prints what has come.
    Raises PartialError if some models failed, and the error itself if all failed alike.
    """
    if request.commands is not None or request.is_kept:
        raise UsageError(
            Text("cannot compare models in a conversation"),
            Text("--run, --session and --continue work with one model"),
            hint=Text("give one -m"),
        )
    if any((call.json or {}).get("n", 1) != 1 for call in calls):
        raise UsageError(Text("cannot use --n with several models"), Text("each gives one answer"))
    if ctx.settings.prints_request:
        for call in calls:
            ctx.gateway.print_request(call)
        return
    saved = [make_answer_files(ctx, request.answer, call.model or "") for call in calls]
    to_stdout = is_folder(ctx.settings.output.output)
    if not to_stdout:
        ctx.output.require_ready()
    rows = [CompareRow(call, request.form, files) for call, files in zip(calls, saved, strict=True)]
    # Its own status line says which models are done.
    ctx.gateway.waiting_line = None
    try:
        _print_rows(ctx, request, rows, decode, to_stdout)
    finally:
        ctx.process.console.status("")
        # The client may be a conversation's; its next turn shows what it waits for.
        ctx.gateway.__dict__.pop("waiting_line", None)
    _print_notes(ctx, rows)
    if failure := _find_failure(rows):
        raise failure


def _print_rows(
    ctx: Context,
    request: ConversationRequest,
    rows: Sequence[CompareRow],
    decode: Decode,
    to_stdout: bool,
) -> None:
    done = _ask_all(ctx, request, rows, decode, _make_status(ctx, rows))
    if ctx.output.form == "text" and ctx.process.console.stdout_is_terminal:
        from apiyi_cli.cli.conversation.compare_page import ComparePage

        page = ComparePage(ctx, rows, request.answer.markdown)
        ctx.output.write(page.lines(done), content="live", to_stdout=to_stdout)
    else:
        lines = ctx.output.filter_lines(_records(ctx, rows, done))
        ctx.output.write(lines, content="json", to_stdout=to_stdout)


def _records(
    ctx: Context, rows: Sequence[CompareRow], done: Iterator[CompareRow]
) -> Iterator[bytes]:
    """Yield a line for each model when it is done. Raise a failure after all the lines."""
    left = list(rows)
    try:
        for row in done:
            left.remove(row)
            yield write(_record(ctx, row)) + b"\n"
    except GeneratorExit:
        raise
    except BaseException:
        for row in left:
            if row.is_done or row.texts or row.calls:
                yield write(_record(ctx, row)) + b"\n"
        raise


def _ask_all(
    ctx: Context,
    request: ConversationRequest,
    rows: Sequence[CompareRow],
    decode: Decode,
    show_status: Callable[[], None],
) -> Iterator[CompareRow]:
    """Ask all models, each on its own connection; yield each row when it is done.

    While it waits it calls `show_status`. An unexpected exception is raised after the last.
    What is left at the end of the iteration is given up.
    """
    stop = threading.Event()
    # Made once, so that a missing key ends the run and not each thread.
    plan = end_when_stopped(ctx.gateway.plan, stop)
    done: queue.SimpleQueue[CompareRow] = queue.SimpleQueue()

    def ask(row: CompareRow) -> None:
        sender = Sender(plan)
        _ask(ctx, request, row, decode, sender, stop)
        sender.close()
        done.put(row)

    ctx.process.on_exit(stop.set)
    try:
        for row in rows:
            if start_thread(partial(ask, row)) is None:
                ask(row)
        for _ in rows:
            row = _wait_for(done, show_status)
            # Here, so that no two threads look for a free name.
            row.save_files(ctx.output.keep_attachment)
            yield row
    finally:
        stop.set()
    if defect := next((row.defect for row in rows if row.defect is not None), None):
        raise defect


def _make_status(ctx: Context, rows: Sequence[CompareRow]) -> Callable[[], None]:
    """Return a function that shows on a terminal which models are done, and the time."""
    clock = ctx.process.clock
    started_s = clock.monotonic()
    if not ctx.process.console.stderr_is_terminal or ctx.process.environ.get("TERM") == "dumb":
        return lambda: None

    def show_status() -> None:
        seconds = int(clock.monotonic() - started_s)
        parts = (f"{row.model} ✓" if row.is_done else f"{row.model} … {seconds} s" for row in rows)
        is_over = all(row.is_done for row in rows)
        ctx.messages.status("" if is_over or not seconds else " · ".join(parts))

    return show_status


def _wait_for(done: queue.SimpleQueue[CompareRow], show_status: Callable[[], None]) -> CompareRow:
    while True:
        show_status()
        # Polls, because a signal just before an endless wait would not end it.
        with suppress(queue.Empty):
            return done.get(timeout=QUEUE_POLL_S)


def _ask(
    ctx: Context,
    request: ConversationRequest,
    row: CompareRow,
    decode: Decode,
    sender: Sender,
    stop: threading.Event,
) -> None:
    """Ask one model and collect its answer, until `stop` is set."""
    started_s = ctx.process.clock.monotonic()
    call = row.call
    decode = find_decode(call, decode)

    def collect(reply: Reply) -> Iterator[EventBatch]:
        # Here, because what is yielded is held back until no other attempt can follow.
        row.begin()
        for burst in decode(reply, choices=1, cost=call.cost):
            end_if_stopped(stop)
            row.add(burst)
            yield burst

    try:
        for _ in ctx.gateway.stream(call, collect, sender=sender):
            pass
        if row.empty_reason:
            row.error = empty_answer(row.empty_reason)
        elif row.warning and request.answer.strict_finish:
            row.error = IncompleteError(Text("the answer is not whole"), row.warning)
        elif not row.calls:
            require_fit(request.schema, row.text, ctx.gateway.left_s)
    except ApiyiError as failure:
        row.error = failure
    except Exception as defect:
        row.defect = defect
    finally:
        row.ms = round((ctx.process.clock.monotonic() - started_s) * 1000)
        row.from_cache = sender.from_cache
        if row.error:
            row.warning = ""
        row.is_done = True


def _print_notes(ctx: Context, rows: Sequence[CompareRow]) -> None:
    for row in rows:
        if row.warning:
            ctx.messages.note(Text("{model}: {warning}", model=row.model, warning=row.warning))
        if ctx.settings.output.usage and row.error is None:
            from apiyi_cli.render.choose import format_usage

            usage = format_usage(row.usage) if row.usage else Text("usage: unknown")
            cached = Text(" (answered from the cache)") if row.from_cache else ""
            ctx.messages.print(Text("{model}: {usage}", model=row.model, usage=usage + cached))
    raised = _find_failure(rows)
    for row in rows:
        if row.error is not None and row.error is not raised:
            ctx.messages.note(
                Text("{model}: {error}", model=row.model, error=describe_item(row.error))
            )


def _find_failure(rows: Sequence[CompareRow]) -> ApiyiError | None:
    """Return the first error if all models failed alike, PartialError if some failed."""
    failures = [row.error for row in rows if row.error is not None]
    if not failures:
        return None
    if len(failures) == len(rows) and len({failure.exit_code for failure in failures}) == 1:
        return failures[0]
    why = Text("{count} of {count2}", count=len(failures), count2=len(rows))
    return PartialError(Text("some models failed"), why)


def _record(ctx: Context, row: CompareRow) -> dict[str, Any]:
    error = describe_error(row.error, ctx.messages.redact) if row.error else None
    if not row.is_done:
        error = {"message": "the run was stopped before the answer was complete"}
    elif row.defect is not None:
        error = {"message": f"internal error: {type(row.defect).__name__}"}
    record: dict[str, Any] = {
        "model": row.model,
        "text": row.text,
        "usage": row.usage.raw if row.usage else None,
        "ms": row.ms,
        "error": error,
    }
    if row.calls:
        record["tool_calls"] = [
            {"id": call.id, "name": call.name, "arguments": call.arguments} for call in row.calls
        ]
    return record
