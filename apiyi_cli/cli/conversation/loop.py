"""The loop of a request: send, render the stream, run tools, send again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from apiyi_cli.cli.conversation.reply import (
    Decode,
    ReplyCollector,
    answer_form,
    find_decode,
    find_printed_text,
    require_fit,
)
from apiyi_cli.cli.output.stderr_events import StderrEvents
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.events import EventBatch
from apiyi_cli.core.options.chat import AnswerForm
from apiyi_cli.errors import LimitError, UsageError
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.build.content import Attachment
    from apiyi_cli.cli.context import Context
    from apiyi_cli.cli.conversation.answer_files import AnswerFiles
    from apiyi_cli.cli.conversation.repl.turn import TurnRecord
    from apiyi_cli.cli.conversation.request import ConversationRequest
    from apiyi_cli.cli.conversation.tools import ToolCommands, ToolRunner


class TextEndpoint(PlainValue):
    """How an endpoint builds a call from its messages and continues after function calls.

    `extend` returns the messages that a reply and the results of its calls add, `show` those
    that show the model pictures. `turn` returns what a stored conversation keeps of a reply
    beside its text and calls.
    """

    build: Callable[[list[Any]], Call]
    decode: Decode
    extend: Callable[[ReplyCollector, Sequence[str]], list[Any]]
    show: Callable[[Sequence[Attachment]], list[Any]]
    turn: Callable[[ReplyCollector], dict[str, Any] | None] = lambda reply: None


def run(
    ctx: Context,
    request: ConversationRequest,
    endpoint: TextEndpoint,
    messages: Any,
    *,
    choices: int = 1,
    observer: TurnRecord | None = None,
) -> None:
    """Send the conversation and print the answer; run the functions it calls and send again.

    The `observer` follows each reply, and has the answer's objects kept.
    Raises IncompleteError for an answer that does not fit `--schema`, after printing it.
    """
    runner = None
    if request.commands is not None:
        from apiyi_cli.cli.conversation.tools import ToolRunner

        if choices > 1:
            raise UsageError(Text("cannot use --run with --n"), Text("only one answer can go on"))
        runner = ToolRunner(ctx, request.commands)
    printer = ReplyPrinter(ctx, request.answer, endpoint.decode, choices, request.commands)
    printer.keeps_chunks = request.keeps_turns or observer is not None
    printer.observer = observer
    replies: list[ReplyCollector] = []
    printer.write(_answer_lines(printer, request, endpoint, messages, runner, replies))
    if request.schema is not None and not replies[-1].calls:
        text = find_printed_text(replies[-1].text, request.form)
        require_fit(request.schema, text, ctx.gateway.left_s)


def print_reply(
    ctx: Context, call: Call, answer: AnswerForm, decode: Decode, *, choices: int = 1
) -> None:
    """Send one call and print its answer, without conversation or tools."""
    printer = ReplyPrinter(ctx, answer, decode, choices)
    printer.write(printer.render(printer.send(call)))


class ReplyPrinter:
    """Sends calls, renders their replies as the options say, and writes the result.

    Raises, before anything is sent, if the output cannot be written.
    """

    def __init__(
        self,
        ctx: Context,
        answer: AnswerForm,
        decode: Decode,
        choices: int,
        commands: ToolCommands | None = None,
    ) -> None:
        self._ctx = ctx
        self._decode = decode
        self._choices = choices
        self._commands = commands
        self.keeps_chunks = commands is not None
        self.observer: TurnRecord | None = None
        self.form = answer_form(ctx.output.form, answer)
        self._files = self._make_files(answer)
        self._to_stdout = self._files is not None and answer.save is None
        if not self._to_stdout:
            ctx.output.require_ready()
        self.stderr_events = StderrEvents(ctx.process, ctx.settings, ctx.gateway, answer)
        self.render = ctx.output.renderer(self.stderr_events, answer, self.form)

    def send(self, call: Call) -> ReplyCollector:
        """Return the reply of a call; it is sent when the reply is iterated."""
        if self.observer is not None:
            self.observer.begin(call)
        verbatim = self.form in ("json", "ndjson") or self.keeps_chunks
        decode_events = find_decode(call, self._decode)
        count = call.json.get("n") if isinstance(call.json, dict) else None
        # `-O n=2` has the last word.
        choices = count if type(count) is int and count > 0 else self._choices

        def decode(reply: Reply) -> Iterator[EventBatch]:
            return decode_events(reply, choices=choices, verbatim=verbatim, cost=call.cost)

        bursts = self._ctx.gateway.stream_events(
            call,
            decode,
            held=self.form in ("json", "extract")
            or self._files is not None
            or self._ctx.settings.output.output not in (None, "-"),
            reasoning=self.stderr_events.shows_reasoning,
        )
        keep_file = self._ctx.output.keep_attachment
        if self._files is not None:
            bursts, keep_file = self._files.replace(bursts), self._files.keep
        return ReplyCollector(
            bursts,
            self._commands,
            keep_file,
            call if self.keeps_chunks else None,
            None if self.observer is None else self.observer.observe,
        )

    def write(self, lines: Iterator[bytes]) -> None:
        """Write the rendered replies; then print usage and warnings on stderr."""
        self._ctx.output.write(lines, content=self.render.content, to_stdout=self._to_stdout)
        self.stderr_events.close()
        if self._files is not None and self._files.failure is not None:
            raise self._files.failure

    def _make_files(self, answer: AnswerForm) -> AnswerFiles | None:
        """Return the saver of the answer's files, None unless text is printed."""
        output = self._ctx.settings.output.output
        if self.form in ("json", "ndjson") or (answer.save is None and output in (None, "-")):
            return None
        from apiyi_cli.cli.conversation.answer_files import make_answer_files

        return make_answer_files(self._ctx, answer, self._ctx.settings.models[0])


def _answer_lines(
    printer: ReplyPrinter,
    request: ConversationRequest,
    endpoint: TextEndpoint,
    messages: Any,
    runner: ToolRunner | None,
    replies: list[ReplyCollector],
) -> Iterator[bytes]:
    """Yield each answer's output until one calls no function; collect `replies`."""
    most_steps = 1 if request.commands is None else request.commands.most_steps
    for step in range(1, most_steps + 1):
        reply = printer.send(endpoint.build(messages))
        replies.append(reply)
        lines = printer.render(reply)
        # Of several objects only the last one is the answer, which is known at its end.
        yield from _final_object(lines, reply) if printer.form == "json" else lines
        printer.stderr_events.step()
        if printer.observer is not None:
            printer.observer.end(reply)
        if runner is None or not reply.runs_commands:
            request.keep(reply.text, reply.calls, endpoint.turn(reply))
            return
        if step == most_steps:
            raise LimitError(
                Text("stopped by --max-steps"),
                Text("the model still calls functions after {step} requests", step=step),
                hint=Text("raise --max-steps"),
            )
        results = runner.run(reply.calls, reply.finish_reason)
        messages.extend(endpoint.extend(reply, [result.text for result in results]))
        if pictures := [picture for result in results for picture in result.pictures]:
            messages.extend(endpoint.show(pictures))


def _final_object(lines: Iterator[bytes], reply: ReplyCollector) -> Iterator[bytes]:
    """Yield an answer's object, if its functions are not run; also when cut."""
    held: list[bytes] = []
    try:
        held.extend(lines)
    except BaseException:
        yield from held
        raise
    if not reply.runs_commands:
        yield from held
