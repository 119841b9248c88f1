"""Legacy completions → events, streamed or not."""

from __future__ import annotations

from collections.abc import Iterator

from apiyi_cli.core.call import Cost, Reply
from apiyi_cli.core.events import EventBatch
from apiyi_cli.decode.answers.answer_reader import read_answer
from apiyi_cli.decode.answers.chat_answer import ChatAnswer


def events(
    reply: Reply, *, choices: int = 1, verbatim: bool = False, cost: Cost = "text"
) -> Iterator[EventBatch]:
    """Yield the events of a completion as `read_answer` does.

    `choices` is the number of prompts times `n`: the server numbers them all in one row, and
    their pieces come interleaved. A choice says `text` where one of a chat says `delta`; all
    else, the proof of completeness included, is as in `chat.events`.
    """
    return read_answer(reply, ChatAnswer(choices), verbatim=verbatim, cost=cost)
