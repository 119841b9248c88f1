"""`apiyi complete`: legacy completion, one prompt or a line each."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from apiyi_cli.build.complete import complete_call
from apiyi_cli.build.stream_underneath import stream_underneath
from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.loop import print_reply
from apiyi_cli.cli.conversation.request import begin_draft, read_prompt
from apiyi_cli.cli.gateway.parallel import send_softly
from apiyi_cli.cli.inputs.lines import read_line_batches
from apiyi_cli.cli.output.stderr_events import describe_finish, empty_answer
from apiyi_cli.cli.output.usage import UsageTotals, print_usage
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.events import Usage
from apiyi_cli.core.jsontext import write
from apiyi_cli.core.options.chat import AnswerForm, Sampling
from apiyi_cli.core.options.complete import CompleteOptions
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import DraftOptions, Prompt
from apiyi_cli.core.options.request import Model, Request
from apiyi_cli.decode.complete import events
from apiyi_cli.decode.frames.fields import find_places, read_object, read_objects
from apiyi_cli.decode.frames.reply_body import read_json
from apiyi_cli.errors import (
    IncompleteError,
    PartialError,
    RejectedError,
    UnknownModelError,
    UsageError,
    describe_billing,
)
from apiyi_cli.text import Text
from apiyi_cli.wire.send import Sender, find_usage

PROMPTS_AT_ONCE = 20
SHOWN_EMPTY = 5

Build = Callable[[str | Sequence[str], bool], Call]


def complete(
    ctx: Context,
    prompt: Words = None,
    *,
    model: Model,
    source: Prompt,
    draft_options: DraftOptions,
    complete_options: CompleteOptions,
    sampling: Sampling,
    answer: AnswerForm,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Send a legacy completion and print the text as it comes."""
    fill = ctx.settings.fill
    template = begin_draft(ctx)
    complete_options, sampling, answer = fill(complete_options), fill(sampling), fill(answer)
    _refuse_schema(answer)
    options = ctx.inputs.read_options(ctx.settings.request)

    def build(text: str | Sequence[str], stream: bool) -> Call:
        return complete_call(
            model=ctx.settings.models[0],
            prompt=text,
            sampling=sampling,
            complete_options=complete_options,
            stream=stream,
            options=options,
        )

    with _suggesting_chat():
        if complete_options.lines:
            if prompt or fill(source).file:
                why = Text("the prompts are the lines of stdin alone")
                raise UsageError(Text("cannot use --lines"), why)
            _complete_lines(ctx, build, complete_options, sampling.n or 1, answer)
        else:
            text = read_prompt(ctx, prompt, template)
            _complete_prompt(ctx, build, text or "", answer, complete_options, sampling.n or 1)


def _complete_prompt(
    ctx: Context,
    build: Build,
    text: str,
    answer: AnswerForm,
    complete_options: CompleteOptions,
    choices: int,
) -> None:
    stream = ctx.output.form != "json" if answer.stream is None else answer.stream
    if answer.stream and complete_options.best_of:
        ctx.messages.note(
            Text("--best-of turns streaming off: the server chooses among whole texts")
        )
    call = build(text, stream and complete_options.best_of is None)
    if answer.stream is None:
        call = stream_underneath(call, ctx.settings.families)
    if ctx.settings.prints_request:
        ctx.gateway.print_request(call)
    else:
        print_reply(ctx, call, answer, events, choices=choices)


def _complete_lines(
    ctx: Context, build: Build, complete_options: CompleteOptions, choices: int, answer: AnswerForm
) -> None:
    """Complete each line of stdin and print `{"index","text","finish_reason"}` lines in order.

    While a request waits to be tried again the next ones are sent.
    """
    ctx.settings.models  # noqa: B018 - a missing model is reported before stdin is read
    ctx.output.require_ready()
    batch_size = complete_options.batch_size or PROMPTS_AT_ONCE
    calls = (
        (len(texts), build(texts, False)) for texts in read_line_batches(ctx.inputs, batch_size)
    )
    if ctx.settings.prints_request:
        for _, call in calls:
            ctx.gateway.print_request(call)
        return
    totals, stop, finishes = UsageTotals(), threading.Event(), LineFinishes()
    lines = _complete_in_order(ctx, calls, choices, stop, totals, finishes)
    ctx.output.write(ctx.output.filter_lines(lines), stop.set)
    print_usage(totals, ctx.settings, ctx.messages)
    is_strict = bool(answer.strict_finish)
    for notice in () if is_strict else finishes.notices():
        ctx.messages.note(notice)
    finishes.raise_failure(is_strict=is_strict)


class _Completions(NamedTuple):
    """The choices of one answer; the ledger finds the usage in it."""

    choices: list[dict[str, Any]]
    usage: Usage | None


def _complete_in_order(
    ctx: Context,
    calls: Iterator[tuple[int, Call]],
    choices: int,
    stop: threading.Event,
    totals: UsageTotals,
    finishes: LineFinishes,
) -> Iterator[bytes]:
    """Send the calls and yield a JSON line for each completion; sum usage and finishes."""

    def ask(sender: Sender, item: tuple[int, Call]) -> tuple[int, _Completions, bool]:
        count, call = item

        def read(reply: Reply) -> _Completions:
            answer = read_json(reply, cost="text")[0]
            return _Completions(_read_choices(answer, count * choices), find_usage(answer))

        return count, ctx.gateway.ask(call, read, sender=sender), sender.from_cache

    index = 0
    results = send_softly(ctx.gateway, calls, ask, 1, stop)
    for count, answer, from_cache in results:
        totals.add(answer.usage, from_cache=from_cache)
        for position, choice in enumerate(answer.choices):
            line, number = divmod(position, choices)
            text, reason = choice.get("text") or "", choice["finish_reason"]
            finishes.add(index + line, text, reason)
            record = {
                "index": index + line,
                **({"choice": number} if choices > 1 else {}),
                "text": text,
                "finish_reason": reason,
            }
            yield write(record) + b"\n"
        index += count


class LineFinishes:
    """The finish reasons of many lines; judged at the end like that of one prompt."""

    def __init__(self) -> None:
        self._total = 0
        self._empty: list[int] = []
        self._reasons: Counter[str] = Counter()

    def add(self, index: int, text: str, reason: str) -> None:
        """Count one completion."""
        self._total += 1
        self._reasons[reason] += 1
        if not text:
            self._empty.append(index)

    def notices(self) -> list[Text]:
        """Return messages about completions that were cut off."""
        if self._total and len(self._empty) == self._total:
            return []
        return [
            Text("{count} of them: {warning}", count=count, warning=warning)
            for reason, count in self._reasons.items()
            if (warning := describe_finish(reason))
        ]

    def raise_failure(self, *, is_strict: bool) -> None:
        """Raise for empty completions, and with --strict for those that were cut off.

        IncompleteError if all are empty, PartialError if some are.
        """
        empty, cut = len(self._empty), self._total - self._reasons["stop"]
        if empty and empty == self._total:
            raise empty_answer(Text("no text came in any of the answers"))
        if empty:
            first = ", ".join(map(str, self._empty[:SHOWN_EMPTY]))
            raise PartialError(
                Text("some answers have nothing to print"),
                Text(
                    "{count} of {total}, the first at index {first}",
                    count=empty,
                    total=self._total,
                    first=first,
                ),
                hint=describe_billing("yes", Text("running it again may be billed again")),
            )
        if cut and is_strict:
            raise IncompleteError(
                Text("not every answer is whole"), Text("{cut} did not end by themselves", cut=cut)
            )


def _read_choices(answer: Any, count: int) -> list[dict[str, Any]]:
    """Return the choices of an answer by index; raise IncompleteError if one is missing."""
    items = read_objects(read_object(answer).get("choices"))
    places = find_places(items)
    if places is None or len(items) != count:
        why = Text("the indexes in it are not those of the inputs")
        if len(items) != count:
            came = len(items)
            why = Text("{count} completions came for {wanted} wanted", count=came, wanted=count)
        raise IncompleteError(Text("the answer is not what was asked for"), why)
    if not all(isinstance(item.get("finish_reason"), str) for item in items):
        raise IncompleteError(Text("the answer was cut"), Text("a completion has no finish_reason"))
    return [items[at] for _, at in sorted(zip(places, range(count), strict=True))]


def _refuse_schema(answer: AnswerForm) -> None:
    if answer.schema is not None or answer.json_mode:
        raise UsageError(
            Text("cannot use --schema or --json-mode"),
            Text("the completions endpoint has no response format"),
            hint="apiyi chat",
        )


@contextmanager
def _suggesting_chat() -> Iterator[None]:
    """Name `apiyi chat` if the gateway says that the model has the chat endpoint only."""
    try:
        yield
    except RejectedError as failure:
        why = failure.why.lower()
        is_named = "chat model" in why or "chat/completions" in why
        is_unknown = failure.facts.status == 404 and not isinstance(failure, UnknownModelError)
        if not (is_named or is_unknown):
            raise
        hint = Text("apiyi chat (this model answers on the chat endpoint only)")
        raise failure.with_hint(hint) from failure.__cause__


app = single(spread(complete))
