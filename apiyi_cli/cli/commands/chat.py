"""`apiyi chat`: a conversation in, the model's answer out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiyi_cli.build.chat import answer_messages, build_messages, chat_call
from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.request import Heard, Talk
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.call import Call
from apiyi_cli.core.options.chat import Answer, ChatSampling, Kept, Running, Tools
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import Conversation, Prompt
from apiyi_cli.core.options.request import Models, Request
from apiyi_cli.decode.chat import events


def chat(
    ctx: Context,
    prompt: Words = None,
    *,
    model: Models,
    source: Prompt,
    surroundings: Conversation,
    kept: Kept,
    sampling: ChatSampling,
    answer: Answer,
    tools: Tools,
    running: Running,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Send a chat completion and print the answer as it comes."""
    talk = Talk(ctx, prompt, source, surroundings, answer, tools, running, kept)
    sampling = ctx.settings.fill(sampling)
    messages, sources = build_messages(
        talk.text, system=talk.system, earlier=talk.earlier, attachments=talk.attachments
    )
    if talk.text is not None and ctx.settings.request.code:
        inner = ".0.text" if talk.attachments else ""
        place = f"messages.{len(messages) - 1}.content{inner}"
        sources = (*ctx.inputs.places(talk.text, place), *sources)

    text = talk.text_request(sources)

    def built(messages: Sequence[dict[str, Any]], model: str = ctx.settings.models[0]) -> Call:
        return chat_call(model, messages, sampling, text)

    def added(heard: Heard, results: Sequence[str]) -> list[dict[str, Any]]:
        return answer_messages(heard.text, heard.calls, results)

    if len(ctx.settings.models) > 1:
        from apiyi_cli.cli.conversation.compare import compare

        compare(ctx, talk, [built(messages, model) for model in ctx.settings.models], events)
    elif ctx.settings.prints_request:
        ctx.gateway.print_request(built(messages))
    else:
        talk.finish(built, messages, events, added, choices=sampling.n or 1)


app = single(spread(chat))
