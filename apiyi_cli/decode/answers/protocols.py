"""Reads the reply to a call in another protocol than OpenAI's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from apiyi_cli.core.call import Call, Cost, Reply
from apiyi_cli.core.events import EventBatch
from apiyi_cli.decode.answers.answer_reader import read_answer


def find_events(call: Call) -> Callable[..., Iterator[EventBatch]]:
    """Return the decoder for a call to /messages or generateContent; see `read_answer`.

    A reply of /messages has one choice, whatever `choices` says.
    """

    def events(
        reply: Reply, *, choices: int = 1, verbatim: bool = False, cost: Cost = "text"
    ) -> Iterator[EventBatch]:
        if call.protocol == "google":
            from apiyi_cli.decode.answers.google import GenerateAnswer

            return read_answer(reply, GenerateAnswer(choices), verbatim=verbatim, cost=cost)
        from apiyi_cli.decode.answers.messages import MessageAnswer

        return read_answer(reply, MessageAnswer(call.answer_tool), verbatim=verbatim, cost=cost)

    return events
