"""Several models asked the same, all at once; one's failure does not hide the others."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.events import Delta, ToolCall, Usage
from apiyi_cli.errors import ApiyiError, PartialError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apiyi_cli.cli.session import Session
    from apiyi_cli.cli.talk import Decode, Talk
    from apiyi_cli.core.events import Burst


class Outcome(NamedTuple):
    """What one model answered, how long it took, or how it failed."""

    model: str
    text: str
    calls: tuple[ToolCall, ...]
    usage: dict[str, Any] | None
    ms: int
    error: ApiyiError | None


def compare(session: Session, talk: Talk, calls: Sequence[Call], decode: Decode) -> None:
    """Send every call at once and print the outcomes in the order of the models.

    In a pipe one JSON object a line: `{"model","text","usage","ms","error"}`. On a terminal
    the answers stand side by side. Raises PartialError when some failed, and the error
    itself when all failed alike.
    """
    if talk.toolbox is not None or talk.keeps:
        raise UsageError(
            "cannot compare models in a conversation",
            "--run, --session and --continue work with one model",
            hint="give one -m",
        )
    if session.request.code or session.request.dry_run:
        for call in calls:
            session.shown(call)
        return
    session.ready()
    session.sender  # noqa: B018 - what is wrong with the set-up is said once, not per model
    with ThreadPoolExecutor(len(calls)) as pool:
        outcomes = pool.map(lambda call: _asked(session, call, decode), calls)
        seen: list[Outcome] = []

        def lines() -> Iterator[bytes]:
            from apiyi_cli.wire.encode import json_bytes

            for outcome in outcomes:
                seen.append(outcome)
                yield json_bytes(_record(outcome)) + b"\n"

        if session.console.stdout_is_terminal and session.form == "text":
            seen.extend(outcomes)
            session.write([_side_by_side(session, seen)])
        else:
            session.write(session.filtered(lines()))
    failures = [one.error for one in seen if one.error is not None]
    for outcome in seen:
        if outcome.error is not None:
            session.note(f"{outcome.model}: {outcome.error}")
    if failures and len(failures) == len(seen) and len({f.exit_code for f in failures}) == 1:
        raise failures[0]
    if failures:
        raise PartialError("some models failed", f"{len(failures)} of {len(seen)}")


def _asked(session: Session, call: Call, decode: Decode) -> Outcome:
    """Ask one model, on a connection of its own."""
    from apiyi_cli.cli.advice import advised
    from apiyi_cli.wire.send import Sender

    began_s = session.run.clock.monotonic()
    texts: list[str] = []
    calls: list[ToolCall] = []
    usage: dict[str, Any] | None = None
    error: ApiyiError | None = None

    def decoded(reply: Reply) -> Iterator[Burst]:
        return decode(reply, choices=1, cost=call.cost)

    sender = Sender(session.sender.plan)
    try:
        for burst in sender.answer(call, decoded, shows=lambda burst: False):
            for event in burst:
                if isinstance(event, Delta):
                    texts.append(event.text)
                elif isinstance(event, ToolCall):
                    calls.append(event)
                elif isinstance(event, Usage):
                    usage = event.raw
    except ApiyiError as failure:
        error = advised(failure, session, call)
    finally:
        sender.close()
    ms = round((session.run.clock.monotonic() - began_s) * 1000)
    return Outcome(call.model or "", "".join(texts), tuple(calls), usage, ms, error)


def _record(outcome: Outcome) -> dict[str, Any]:
    record: dict[str, Any] = {
        "model": outcome.model,
        "text": outcome.text,
        "usage": outcome.usage,
        "ms": outcome.ms,
        "error": outcome.error.as_json()["error"] if outcome.error else None,
    }
    if outcome.calls:
        record["tool_calls"] = [
            {"id": one.id, "name": one.name, "arguments": one.arguments} for one in outcome.calls
        ]
    return record


def _side_by_side(session: Session, outcomes: Sequence[Outcome]) -> bytes:
    from apiyi_cli.render.columns import columns

    shown = []
    for one in outcomes:
        seconds = f"{one.ms / 1000:.1f} s"
        text = one.text if one.error is None else f"{one.text}\n({one.error})".lstrip("\n")
        shown.append((f"{one.model} · {seconds}", text))
    return columns(shown, width=session.console.width, color=session.color)
