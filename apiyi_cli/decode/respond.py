"""Answers of the Responses API → events, streamed or not."""

from __future__ import annotations

from collections.abc import Iterator

from apiyi_cli.core.call import Cost, Reply
from apiyi_cli.core.events import EventBatch
from apiyi_cli.decode.answers.answer_reader import read_answer
from apiyi_cli.decode.answers.response_answer import ResponseAnswer


def events(
    reply: Reply, *, choices: int = 1, verbatim: bool = False, cost: Cost = "text"
) -> Iterator[EventBatch]:
    """Yield the events of a response as `read_answer` does.

    There is one choice, whatever `choices` says. Completeness is proved by the event
    `response.completed`, or by the status of a whole response. An incomplete response finishes
    with `length` or `content_filter`; a failed one raises. Events of unknown type are passed over.
    """
    return read_answer(reply, ResponseAnswer(), verbatim=verbatim, cost=cost)
