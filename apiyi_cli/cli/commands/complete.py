"""`apiyi complete`: legacy completion, one prompt or a line each."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from apiyi_cli.build.complete import complete_call
from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.request import nothing_to_send, printed
from apiyi_cli.cli.output.stderr_events import WARNINGS, empty_answer
from apiyi_cli.cli.output.usage import UsageTotals, print_usage
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.options.chat import Answer, Sampling
from apiyi_cli.core.options.complete import Completing
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import Prompt
from apiyi_cli.core.options.request import Model, Request
from apiyi_cli.decode.complete import events
from apiyi_cli.errors import (
    IncompleteError,
    PartialError,
    RejectedError,
    UnknownModelError,
    UsageError,
    describe_billing,
)
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.wire.send import Sender

BATCH_SIZE = 20
SHOWN_EMPTY = 5


def complete(
    ctx: Context,
    prompt: Words = None,
    *,
    model: Model,
    source: Prompt,
    completing: Completing,
    sampling: Sampling,
    answer: Answer,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Send a legacy completion and print the text as it comes."""
    completing, sampling = ctx.settings.fill(completing), ctx.settings.fill(sampling)
    answer = ctx.settings.fill(answer)
    if answer.schema is not None or answer.json_mode:
        raise UsageError(
            Text("cannot use --schema or --json-mode"),
            Text("the completions endpoint has no response format"),
            hint="apiyi chat",
        )
    options = ctx.inputs.read_options(ctx.settings.request)

    def built(text: str | Sequence[str], stream: bool) -> Call:
        return complete_call(
            model=ctx.settings.models[0],
            prompt=text,
            sampling=sampling,
            completing=completing,
            stream=stream,
            options=options,
        )

    if completing.lines:
        if prompt or ctx.settings.fill(source).file:
            raise UsageError(
                Text("cannot use --lines"), Text("the prompts are the lines of stdin alone")
            )
        ctx.settings.models  # noqa: B018 - what is missing is said before stdin is read
        with _chat_advised():
            ends = _by_line(ctx, built, completing.batch_size or BATCH_SIZE, sampling.n or 1)
        ends.judge(ctx, strict=bool(answer.strict_finish))
        return
    text = ctx.inputs.prompt(prompt or (), ctx.settings.fill(source).file or ())
    if text is None:
        raise nothing_to_send(ctx.settings.command)
    wanted = ctx.output.form != "json" if answer.stream is None else answer.stream
    if answer.stream and completing.best_of:
        ctx.messages.note(
            Text("--best-of turns streaming off: the server chooses among whole texts")
        )
    call = built(text, wanted and completing.best_of is None)
    if ctx.settings.prints_request:
        ctx.gateway.print_request(call)
    else:
        with _chat_advised():
            printed(ctx, call, answer, events, choices=sampling.n or 1)


class LineEnds:
    """How the answers of a run of lines ended: judged at its end as `complete` judges one."""

    def __init__(self) -> None:
        self._total = 0
        self._empty: list[int] = []
        self._reasons: Counter[str] = Counter()

    def add(self, index: int, text: str, reason: str) -> None:
        """Count one answer."""
        self._total += 1
        self._reasons[reason] += 1
        if not text:
            self._empty.append(index)

    def judge(self, ctx: Context, *, strict: bool) -> None:
        """Print what is cut; raise for empty answers, and in strict runs for cut ones.

        IncompleteError where all are empty, PartialError where some are.
        """
        empty, cut = len(self._empty), self._total - self._reasons["stop"]
        if empty and empty == self._total:
            raise empty_answer(Text("no text came in any of the answers"))
        for reason, count in self._reasons.items():
            if not strict and (warning := WARNINGS.get(reason)):
                ctx.messages.note(Text("{count} of them: {warning}", count=count, warning=warning))
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
        if cut and strict:
            raise IncompleteError(
                Text("not every answer is whole"), Text("{cut} did not end by themselves", cut=cut)
            )


def _by_line(ctx: Context, built: Any, batch_size: int, choices: int) -> LineEnds:
    """Complete each line of stdin; print `{"index","text","finish_reason"}` lines in order.

    Returns how the answers ended. While a request waits to be tried again the next ones are
    sent.
    """
    from apiyi_cli.cli.gateway.parallel import send_in_order
    from apiyi_cli.cli.inputs.lines import read_line_batches
    from apiyi_cli.core.jsontext import write
    from apiyi_cli.decode.whole import value
    from apiyi_cli.wire.send import find_usage

    ctx.output.require_ready()
    spent, stop = UsageTotals(), threading.Event()
    ends = LineEnds()
    calls = (
        (len(batch), built([text for _, text in batch], False))
        for batch in read_line_batches(ctx.inputs, "--lines", batch_size)
    )
    if ctx.settings.request.dry_run or ctx.settings.request.code:
        for _, call in calls:
            ctx.gateway.print_request(call)
        return ends

    def decode(reply: Reply) -> Iterator[Any]:
        yield value(reply, cost="text")[0]

    def ask(sender: Sender, item: tuple[int, Call]) -> tuple[int, Any, bool]:
        count, call = item
        (found,) = ctx.gateway.stream(call, decode, sender=sender)
        return count, found, sender.from_cache

    def records() -> Iterator[bytes]:
        index = 0
        for count, found, from_cache in send_in_order(ctx, calls, ask, 1, stop, bulk=True):
            spent.add(find_usage(found), from_cache=from_cache)
            texts = _choices(found, count * choices)
            for place in range(count):
                for number in range(choices):
                    one = texts[place * choices + number]
                    text = one.get("text") or ""
                    ends.add(index + place, text, one["finish_reason"])
                    record = {
                        "index": index + place,
                        **({"choice": number} if choices > 1 else {}),
                        "text": text,
                        "finish_reason": one["finish_reason"],
                    }
                    yield write(record) + b"\n"
            index += count

    ctx.output.write(ctx.output.filter_lines(records()), stop.set)
    print_usage(spent, ctx.settings, ctx.messages)
    return ends


def _choices(found: Any, wanted: int) -> list[dict[str, Any]]:
    listed = found.get("choices") if isinstance(found, dict) else None
    by_index = {
        one.get("index"): one
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict)
    }
    if sorted(key for key in by_index if isinstance(key, int)) != list(range(wanted)):
        raise IncompleteError(
            Text("the answer is not what was asked for"),
            Text(
                "{count} completions came for {wanted} wanted", count=len(by_index), wanted=wanted
            ),
        )
    if not all(isinstance(one.get("finish_reason"), str) for one in by_index.values()):
        raise IncompleteError(Text("the answer was cut"), Text("a completion has no finish_reason"))
    return [by_index[index] for index in range(wanted)]


@contextmanager
def _chat_advised() -> Iterator[None]:
    """Say where a model answers that the gateway says is for the chat endpoint only."""
    try:
        yield
    except RejectedError as failure:
        told = failure.why.lower()
        named = "chat model" in told or "chat/completions" in told
        if named or (failure.facts.status == 404 and not isinstance(failure, UnknownModelError)):
            failure.hint = Text("apiyi chat (this model answers on the chat endpoint only)")
        raise


app = single(spread(complete))
