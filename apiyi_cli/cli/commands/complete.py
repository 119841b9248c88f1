"""`apiyi complete`: legacy completion, one prompt or a line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from apiyi_cli.build.complete import complete_call
from apiyi_cli.cli.app import single
from apiyi_cli.cli.session import Session
from apiyi_cli.cli.spread import Words, spread
from apiyi_cli.cli.talk import body_options, nothing_to_send, printed
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.groups import (
    Answer,
    Completing,
    Connection,
    Model,
    Output,
    Prompt,
    Request,
    Sampling,
)
from apiyi_cli.decode.complete import events
from apiyi_cli.errors import IncompleteError, RejectedError, UnknownModelError, UsageError

BATCH_SIZE = 20


def complete(
    session: Session,
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
    completing, sampling = session.fill(completing), session.fill(sampling)
    answer = session.fill(answer)
    if answer.schema is not None or answer.json_mode:
        raise UsageError(
            "cannot use --schema or --json-mode",
            "the completions endpoint has no response format",
            hint="apiyi chat",
        )
    options = body_options(session)

    def built(text: str | Sequence[str], stream: bool) -> Call:
        return complete_call(
            model=session.models[0],
            prompt=text,
            sampling=sampling,
            completing=completing,
            stream=stream,
            options=options,
        )

    if completing.lines:
        if prompt or session.fill(source).file:
            raise UsageError("cannot use --lines", "the prompts are the lines of stdin alone")
        _by_line(session, built, completing.batch_size or BATCH_SIZE, sampling.n or 1)
        return
    text = session.sources.prompt(prompt or (), session.fill(source).file or ())
    if text is None:
        raise nothing_to_send(session)
    wanted = session.form != "json" if answer.stream is None else answer.stream
    if answer.stream and completing.best_of:
        session.note("--best-of turns streaming off: the server chooses among whole texts")
    call = built(text, wanted and completing.best_of is None)
    if not session.shown(call):
        try:
            printed(session, call, answer, events, choices=sampling.n or 1)
        except (RejectedError, UnknownModelError) as failure:
            raise _chat_instead(failure) from failure.__cause__


def _by_line(session: Session, built: Any, batch_size: int, choices: int) -> None:
    """Complete each line of stdin; print `{"index","text","finish_reason"}` lines in order."""
    from apiyi_cli.cli.input import batches
    from apiyi_cli.decode.whole import value
    from apiyi_cli.wire.encode import json_bytes

    session.ready()

    def decode(reply: Reply) -> Iterator[Any]:
        yield value(reply, cost="text")[0]

    def records() -> Iterator[bytes]:
        index = 0
        for batch in batches(session.sources, "--lines", batch_size):
            call = built([text for _, text in batch], False)
            if session.shown(call):
                continue
            (found,) = session.answers(call, decode)
            texts = _choices(found, len(batch) * choices)
            for place in range(len(batch)):
                for number in range(choices):
                    one = texts[place * choices + number]
                    record = {
                        "index": index + place,
                        **({"choice": number} if choices > 1 else {}),
                        "text": one.get("text") or "",
                        "finish_reason": one.get("finish_reason"),
                    }
                    yield json_bytes(record) + b"\n"
            index += len(batch)

    session.write(session.filtered(records()))


def _choices(found: Any, wanted: int) -> list[dict[str, Any]]:
    listed = found.get("choices") if isinstance(found, dict) else None
    by_index = {
        one.get("index"): one
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict)
    }
    if sorted(key for key in by_index if isinstance(key, int)) != list(range(wanted)):
        raise IncompleteError(
            "the answer is not what was asked for",
            f"{len(by_index)} completions came for {wanted} wanted",
        )
    return [by_index[index] for index in range(wanted)]


def _chat_instead(failure: RejectedError) -> RejectedError:
    told = str(failure).lower()
    if "chat" in told or failure.facts.status == 404:
        failure.hint = "apiyi chat (this model answers on the chat endpoint only)"
    return failure


app = single(spread(complete))
