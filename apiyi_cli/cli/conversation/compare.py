"""Several models asked the same, all at once; one's failure does not hide the others."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from apiyi_cli.cli.gateway.parallel import POLL_S, silence_when_stopped
from apiyi_cli.cli.output.stderr_events import WARNINGS, empty_answer
from apiyi_cli.cli.records import describe_error
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.events import Delta, Empty, Finish, InlineFile, Restart, ToolCall, Usage
from apiyi_cli.core.threads import start_thread
from apiyi_cli.errors import ApiyiError, IncompleteError, PartialError, UsageError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context
    from apiyi_cli.cli.conversation.request import Decode, Talk
    from apiyi_cli.core.events import Burst
    from apiyi_cli.wire.send import Sender


class ModelAnswer:
    """What one model has answered so far, how long it took, or how it failed.

    Filled by a worker thread while the main thread may look at it. `warning` is what is wrong
    with an answer that is complete all the same; `defect` an exception that nobody expected.
    """

    def __init__(self, call: Call, show: Callable[[str], str]) -> None:
        self.call = call
        self._show = show
        self.model = call.model or ""
        self.texts: list[str] = []
        self.calls: list[ToolCall] = []
        self.usage: Usage | None = None
        self.from_cache = False
        self.ms = 0
        self.warning = ""
        self.error: ApiyiError | None = None
        self.defect: Exception | None = None
        self.is_done = False

    def begin(self) -> None:
        """Forget what an attempt that failed has left."""
        self.texts, self.calls = [], []
        self.usage, self.warning, self.empty = None, "", ""
        self.files: list[InlineFile] = []

    @property
    def text(self) -> str:
        """Return what is shown of the text that has come."""
        return self._show("".join(self.texts))

    def take(self, burst: Burst) -> None:
        """Add the events of a burst."""
        for event in burst:
            if isinstance(event, Delta):
                self.texts.append(event.text)
            elif isinstance(event, ToolCall):
                self.calls.append(event)
            elif isinstance(event, Usage):
                self.usage = event
            elif isinstance(event, Finish):
                self.warning = WARNINGS.get(event.reason, "")
            elif isinstance(event, InlineFile):
                self.files.append(event)
            elif isinstance(event, Empty):
                self.empty = event.why
            elif isinstance(event, Restart):
                self.begin()


def compare(ctx: Context, talk: Talk, calls: Sequence[Call], decode: Decode) -> None:
    """Send every call at once and print each answer as it is done.

    In a pipe one JSON object a line: `{"model","text","usage","ms","error"}`. On a terminal
    the answers stand side by side. A signal prints what has come, finished or not. Raises
    PartialError when some failed, and the error itself when all failed alike.
    """
    if talk.toolbox is not None or talk.keeps:
        raise UsageError(
            Text("cannot compare models in a conversation"),
            Text("--run, --session and --continue work with one model"),
            hint=Text("give one -m"),
        )
    if any((call.json or {}).get("n", 1) != 1 for call in calls):
        raise UsageError(Text("cannot use --n with several models"), Text("each gives one answer"))
    if ctx.settings.request.code or ctx.settings.request.dry_run:
        for call in calls:
            ctx.gateway.print_request(call)
        return
    ctx.output.require_ready()
    answers = [ModelAnswer(call, talk.shown_of) for call in calls]
    done = _ask_all(ctx, talk, answers, decode)
    if ctx.process.console.stdout_is_terminal and ctx.output.form == "text":
        ctx.output.write(_page(ctx, answers, done), content="styled")
    else:
        ctx.output.write(ctx.output.filter_lines(_records(ctx, answers, done)), content="json")
    _conclude(ctx, answers)


def _records(
    ctx: Context, answers: Sequence[ModelAnswer], done: Iterator[ModelAnswer]
) -> Iterator[bytes]:
    """Yield a line for each model as it is done; before a failure goes on, for all the others."""
    from apiyi_cli.core.jsontext import write

    left = list(answers)
    try:
        for answer in done:
            left.remove(answer)
            yield write(_record(ctx, answer)) + b"\n"
    except GeneratorExit:
        raise
    except BaseException:
        for answer in left:
            if answer.is_done or answer.texts or answer.calls:
                yield write(_record(ctx, answer)) + b"\n"
        raise


def _page(
    ctx: Context, answers: Sequence[ModelAnswer], done: Iterator[ModelAnswer]
) -> Iterator[bytes]:
    """Yield the answers beside each other once all are done, or as far as they have come."""
    try:
        for _ in done:
            pass
    except GeneratorExit:
        raise
    except BaseException:
        if any(answer.is_done or answer.texts for answer in answers):
            yield _side_by_side(ctx, answers)
        raise
    yield _side_by_side(ctx, answers)


def _ask_all(
    ctx: Context, talk: Talk, answers: Sequence[ModelAnswer], decode: Decode
) -> Iterator[ModelAnswer]:
    """Ask all models, each on a connection of its own; yield the answers as they are done.

    An exception that nobody expected is raised after the last of them.
    """
    from apiyi_cli.wire.send import Sender

    stop = threading.Event()
    # Made here once: a missing key ends the run, not each of its threads.
    plan = silence_when_stopped(ctx.gateway.sender.plan, stop)
    ended: queue.SimpleQueue[ModelAnswer] = queue.SimpleQueue()

    def ask(answer: ModelAnswer) -> None:
        sender = Sender(plan)
        try:
            _ask(ctx, talk, answer, decode, sender)
        except Exception as defect:
            answer.defect = defect
        answer.is_done = True
        ended.put(answer)
        sender.close()

    ctx.process.on_exit(stop.set)
    for answer in answers:
        if start_thread(partial(ask, answer)) is None:
            ask(answer)
    for _ in answers:
        yield _wait_for(ended)
    for answer in answers:
        if answer.defect is not None:
            raise answer.defect


def _wait_for(ended: queue.SimpleQueue[ModelAnswer]) -> ModelAnswer:
    while True:
        # An endless wait would not be ended by a signal that comes just before it.
        with suppress(queue.Empty):
            return ended.get(timeout=POLL_S)


def _ask(ctx: Context, talk: Talk, answer: ModelAnswer, decode: Decode, sender: Sender) -> None:
    """Ask one model and collect what it says."""
    began_s = ctx.process.clock.monotonic()
    call = answer.call

    def decoded(reply: Reply) -> Iterator[Burst]:
        # Here, because what is yielded is held back until no other attempt can follow.
        answer.begin()
        for burst in decode(reply, choices=1, cost=call.cost):
            answer.take(burst)
            yield burst

    try:
        for _ in ctx.gateway.stream(call, decoded, sender=sender):
            pass
        answer.texts += map(ctx.output.keep_attachment, answer.files)
        if answer.empty:
            answer.error = empty_answer(answer.empty)
        elif answer.warning and talk.answer.strict_finish:
            answer.error = IncompleteError(Text("the answer is not whole"), answer.warning)
        elif not answer.calls:
            talk.check_shown(answer.text)
    except ApiyiError as failure:
        answer.error = failure
    finally:
        answer.ms = round((ctx.process.clock.monotonic() - began_s) * 1000)
        answer.from_cache = sender.from_cache
        if answer.error:
            answer.warning = ""


def _conclude(ctx: Context, answers: Sequence[ModelAnswer]) -> None:
    """Print usage and warnings; raise the error that stands for those of the models."""
    for one in answers:
        if one.warning:
            ctx.messages.note(Text("{model}: {warning}", model=one.model, warning=one.warning))
        if ctx.settings.output.usage and one.error is None:
            from apiyi_cli.render.choose import usage_line

            told = usage_line(one.usage) if one.usage else Text("usage: unknown")
            cached = Text(" (answered from the cache)") if one.from_cache else ""
            say = ctx.messages.translate
            ctx.process.console.say(
                say(Text("{model}: {usage}", model=one.model, usage=told + cached))
            )
    failures = [one.error for one in answers if one.error is not None]
    alike = len(failures) == len(answers) and len({one.exit_code for one in failures}) == 1
    for one in answers:
        if one.error is not None and not (alike and one.error is failures[0]):
            ctx.messages.note(Text("{model}: {error}", model=one.model, error=one.error.sentence()))
    if failures and alike:
        raise failures[0]
    if failures:
        raise PartialError(
            Text("some models failed"),
            Text("{count} of {count2}", count=len(failures), count2=len(answers)),
        )


def _record(ctx: Context, answer: ModelAnswer) -> dict[str, Any]:
    error: object = describe_error(answer.error, ctx.messages.redact) if answer.error else None
    if not answer.is_done:
        error = {"message": "the run was stopped before the answer was complete"}
    elif answer.defect is not None:
        error = {"message": f"internal error: {type(answer.defect).__name__}"}
    record: dict[str, Any] = {
        "model": answer.model,
        "text": answer.text,
        "usage": answer.usage.raw if answer.usage else None,
        "ms": answer.ms,
        "error": error,
    }
    if answer.calls:
        record["tool_calls"] = [
            {"id": one.id, "name": one.name, "arguments": one.arguments} for one in answer.calls
        ]
    return record


def _side_by_side(ctx: Context, answers: Sequence[ModelAnswer]) -> bytes:
    from apiyi_cli.render.table import format_side_by_side

    shown = []
    for one in answers:
        title = f"{one.model} · {one.ms / 1000:.1f} s" if one.is_done else f"{one.model} · …"
        text = one.text
        if one.error is not None:
            text = f"{text}\n({one.error})".lstrip("\n")
        shown.append((title, text))
    width = ctx.process.console.width
    table = format_side_by_side(shown, width=width, color=ctx.output.color)
    return table.encode("utf-8", "replace")
