"""The errors of answers in text that failed, were cut, or lost a part."""

from __future__ import annotations

from collections.abc import Sequence

from apiyi_cli.core.call import Cost, Reply
from apiyi_cli.decode.answers.answer import Answer
from apiyi_cli.decode.frames.fields import is_markup
from apiyi_cli.decode.frames.reply_body import (
    facts_of,
    find_event_refusal,
    find_refusal,
    make_misfit,
)
from apiyi_cli.errors import ApiyiError, IncompleteError, describe_billing
from apiyi_cli.text import Text, join_texts

_QUOTED_BYTES = 4000


def add_words(problem: ApiyiError, stray: bytes, reply: Reply) -> ApiyiError:
    """Return the problem with the text between the events, which may tell its reason.

    Text that is too long for a message is to be kept.
    """
    if not stray or problem.facts.cause is not None:
        return problem
    from apiyi_cli.decode.errors.error_body import quote_text, read_error_page

    if is_markup(stray):
        words = read_error_page(stray, reply.headers).message
    else:
        words = quote_text(stray, reply.headers)
    error = problem.replace_facts()
    if len(stray) > _QUOTED_BYTES:
        error = error.with_received(stray)
    error.why = join_texts((problem.why, Text("beside its events came: {said}", said=words)), "; ")
    return error


def make_reported(
    trouble: object, reply: Reply, answer: Answer, cost: Cost, *, begun: bool | None = None
) -> ApiyiError:
    """Return the error that the gateway sent instead of the rest of the answer.

    Before any of the answer it keeps its class; `begun` says whether other events of its stream
    came before it (None: not a stream), which makes it one that may have been billed.
    """
    phase = answer.phase
    if begun is None:
        error = find_refusal(reply, trouble, cost, phase=phase)
    else:
        error = find_event_refusal(reply, trouble, cost, phase=phase, begun=begun)
    if error is None:
        error = IncompleteError(
            Text("the gateway reported an error"),
            Text("no reason given"),
            facts=facts_of(reply, phase),
        )
    if answer.proved or phase == "opened":
        return error
    return IncompleteError(
        Text("the answer was cut by an error"),
        join_texts((error.why, answer.progress), "; "),
        hint=describe_billing("maybe", *filter(None, (error.hint,))),
        facts=error.facts._replace(billed="maybe"),
    )


def make_unproved(
    reply: Reply, answer: Answer, strangers: Sequence[str] = (), *, whole: bool = False
) -> IncompleteError:
    """Return the error for an answer that ended without proof that it is complete.

    `strangers` are names of unknown objects in its place. A `whole` answer would come
    again unchanged.
    """
    if not answer.started and (strangers or whole):
        from apiyi_cli.decode.answers.dialects import describe_strangers

        why = describe_strangers(strangers) if strangers else Text("there is no answer in it")
        hint = describe_billing("maybe", Text("it was asked for once only"))
        # It would come again, and be billed again: the retry decision reads that from its kind.
        return make_misfit(reply, why, hint=hint, kind="misfit")
    facts = facts_of(reply, answer.phase, kind="misfit" if whole else "cut")
    if not answer.started:
        return IncompleteError(
            Text("the answer is empty"), Text("it ended before it began"), facts=facts
        )
    why = Text("it ended without a sign that it is complete")
    if answer.choices > 1:
        finished = len(answer.reasons.keys() & answer.indices)
        why = Text(
            "{finished} of {choices} choices are complete",
            finished=finished,
            choices=answer.choices,
        )
    return IncompleteError(Text("the answer was cut"), f"{why}; {answer.progress}", facts=facts)


def make_damaged(reply: Reply, answer: Answer) -> IncompleteError:
    """Return the error for an answer that ended well but lost an event before."""
    return IncompleteError(
        Text("a part of the answer is missing"),
        join_texts((Text("an event of its stream is not JSON"), answer.progress), "; "),
        facts=facts_of(reply, answer.phase, kind="cut"),
    )
