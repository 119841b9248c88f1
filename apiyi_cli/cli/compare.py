"""Several models asked the same, all at once; one's failure does not hide the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from apiyi_cli.cli.aside import WARNINGS
from apiyi_cli.cli.flow import flow
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.events import Delta, Finish, ToolCall, Usage
from apiyi_cli.errors import ApiyiError, IncompleteError, PartialError, UsageError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apiyi_cli.cli.session import Session
    from apiyi_cli.cli.talk import Decode, Talk
    from apiyi_cli.core.events import Burst
    from apiyi_cli.wire.send import Sender


class Outcome(NamedTuple):
    """What one model answered, how long it took, or how it failed; `warning` is what is wrong
    with an answer that is complete all the same."""

    model: str
    text: str
    calls: tuple[ToolCall, ...]
    usage: Usage | None
    from_cache: bool
    ms: int
    warning: str
    error: ApiyiError | None


def compare(session: Session, talk: Talk, calls: Sequence[Call], decode: Decode) -> None:
    """Send every call at once and print the outcomes in the order of the models.

    In a pipe one JSON object a line: `{"model","text","usage","ms","error"}`. On a terminal
    the answers stand side by side. Raises PartialError when some failed, and the error
    itself when all failed alike.
    """
    if talk.toolbox is not None or talk.keeps:
        raise UsageError(
            Text("cannot compare models in a conversation"),
            Text("--run, --session and --continue work with one model"),
            hint=Text("give one -m"),
        )
    if any((call.json or {}).get("n", 1) != 1 for call in calls):
        raise UsageError(Text("cannot use --n with several models"), Text("each gives one answer"))
    if session.request.code or session.request.dry_run:
        for call in calls:
            session.shown(call)
        return
    session.ready()

    def work(sender: Sender, call: Call) -> Outcome:
        return _asked(session, talk, call, decode, sender)

    outcomes = flow(session, iter(calls), work, len(calls))
    seen: list[Outcome] = []

    def lines() -> Iterator[bytes]:
        from apiyi_cli.core.jsontext import write

        for outcome in outcomes:
            seen.append(outcome)
            yield write(_record(outcome)) + b"\n"

    if session.console.stdout_is_terminal and session.form == "text":
        seen.extend(outcomes)
        session.write([_side_by_side(session, seen)])
    else:
        session.write(session.filtered(lines()))
    _concluded(session, seen)


def _concluded(session: Session, outcomes: Sequence[Outcome]) -> None:
    """Tell usage and warnings; raise the error that stands for those of the models."""
    for one in outcomes:
        if one.warning:
            session.note(Text("{model}: {warning}", model=one.model, warning=one.warning))
        if session.output.usage and one.error is None:
            from apiyi_cli.render.choose import usage_line

            told = usage_line(one.usage) if one.usage else Text("usage: unknown")
            cached = Text(" (answered from the cache)") if one.from_cache else ""
            say = session.run.translate
            session.console.say(say(Text("{model}: {usage}", model=one.model, usage=told + cached)))
    failures = [one.error for one in outcomes if one.error is not None]
    alike = len(failures) == len(outcomes) and len({one.exit_code for one in failures}) == 1
    for one in outcomes:
        if one.error is not None and not (alike and one.error is failures[0]):
            session.note(Text("{model}: {error}", model=one.model, error=one.error.sentence()))
    if failures and alike:
        raise failures[0]
    if failures:
        raise PartialError(
            Text("some models failed"),
            Text("{count} of {count2}", count=len(failures), count2=len(outcomes)),
        )


def _asked(session: Session, talk: Talk, call: Call, decode: Decode, sender: Sender) -> Outcome:
    """Ask one model, on a connection of its own."""
    began_s = session.run.clock.monotonic()
    texts: list[str] = []
    calls: list[ToolCall] = []
    usage: Usage | None = None
    warning = ""
    error: ApiyiError | None = None

    def decoded(reply: Reply) -> Iterator[Burst]:
        return decode(reply, choices=1, cost=call.cost)

    try:
        for burst in session.answers(call, decoded, sender=sender):
            for event in burst:
                if isinstance(event, Delta):
                    texts.append(event.text)
                elif isinstance(event, ToolCall):
                    calls.append(event)
                elif isinstance(event, Usage):
                    usage = event
                elif isinstance(event, Finish):
                    warning = WARNINGS.get(event.reason, "")
        text = "".join(texts)
        if warning and talk.answer.strict_finish:
            error = IncompleteError(Text("the answer is not whole"), warning)
        elif talk.schema is not None and not calls:
            talk.fitting(text)
    except ApiyiError as failure:
        error = failure
    ms = round((session.run.clock.monotonic() - began_s) * 1000)
    return Outcome(
        model=call.model or "",
        text="".join(texts),
        calls=tuple(calls),
        usage=usage,
        from_cache=sender.from_cache,
        ms=ms,
        warning="" if error else warning,
        error=error,
    )


def _record(outcome: Outcome) -> dict[str, Any]:
    record: dict[str, Any] = {
        "model": outcome.model,
        "text": outcome.text,
        "usage": outcome.usage.raw if outcome.usage else None,
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
