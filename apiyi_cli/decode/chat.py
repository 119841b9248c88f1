"""Answers to a chat in any protocol → events, streamed or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from apiyi_cli.core.call import Call, Cost, Reply
from apiyi_cli.core.events import EventBatch
from apiyi_cli.decode.answers.answer_reader import read_answer
from apiyi_cli.decode.answers.chat_answer import ChatAnswer


def events(
    reply: Reply, *, choices: int = 1, verbatim: bool = False, cost: Cost = "text"
) -> Iterator[EventBatch]:
    """Yield the events of a chat reply as `read_answer` does.

    With `choices=1` whatever the server numbers its choices is one choice, 0 (relays number the
    content blocks of Claude). Tool calls, finishes, the last usage, the first id and the last
    model come at the end, in that order. Reasoning is taken from `reasoning_content`, else from
    `reasoning`. Every choice asked for must have a `finish_reason`.
    """
    return read_answer(reply, ChatAnswer(choices), verbatim=verbatim, cost=cost)


def find_events(call: Call) -> Callable[..., Iterator[EventBatch]]:
    """Return the decoder for the protocol of a chat's call; see `read_answer`.

    A reply of /messages has one choice, whatever `choices` says.
    """
    if call.protocol == "openai":
        return events

    def native_events(
        reply: Reply, *, choices: int = 1, verbatim: bool = False, cost: Cost = "text"
    ) -> Iterator[EventBatch]:
        if call.protocol == "google":
            from apiyi_cli.decode.answers.google import GenerateAnswer

            return read_answer(reply, GenerateAnswer(choices), verbatim=verbatim, cost=cost)
        from apiyi_cli.decode.answers.messages import MessageAnswer

        return read_answer(reply, MessageAnswer(call.answer_tool), verbatim=verbatim, cost=cost)

    return native_events
