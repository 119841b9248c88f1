"""`apiyi chat`: a conversation in, the model's answer out."""

from __future__ import annotations

from apiyi_cli.build.chat import chat_call, conversation
from apiyi_cli.cli.app import single
from apiyi_cli.cli.session import Session
from apiyi_cli.cli.spread import Words, spread
from apiyi_cli.cli.talk import Talk
from apiyi_cli.core.groups import (
    Answer,
    ChatSampling,
    Connection,
    Conversation,
    Models,
    Output,
    Prompt,
    Request,
    Tools,
)
from apiyi_cli.decode import chat as decoder


def chat(
    session: Session,
    prompt: Words = None,
    *,
    model: Models,
    source: Prompt,
    conversation_: Conversation,
    sampling: ChatSampling,
    answer: Answer,
    tools: Tools,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Send a chat completion and print the answer as it comes."""
    talk = Talk(session, prompt, source, conversation_, answer, tools)
    messages, sources = conversation(
        talk.text, system=talk.system, earlier=talk.earlier, attachments=talk.attachments
    )
    call = chat_call(
        model=session.models[0],
        messages=messages,
        sampling=session.fill(sampling),
        tools=talk.tools,
        functions=talk.functions,
        tool_choice=talk.tool_choice,
        schema=talk.schema,
        json_mode=bool(talk.answer.json_mode),
        stream=talk.streams,
        options=talk.options,
        families=talk.families,
        sources=sources,
    )
    if not session.shown(call):
        talk.finish(call, decoder.events)


app = single(spread(chat))
