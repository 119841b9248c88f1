"""`apiyi respond`: the Responses endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiyi_cli.build.content import PICTURES_TEXT, Attachment
from apiyi_cli.build.respond import answer_items, build_items, respond_call
from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.loop import TextEndpoint, run
from apiyi_cli.cli.conversation.reply import ReplyCollector
from apiyi_cli.cli.conversation.request import read_request
from apiyi_cli.cli.inputs.prompt import find_at_source
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.call import Call, Source
from apiyi_cli.core.options.chat import (
    AnswerForm,
    ProtocolOptions,
    SessionOptions,
    ToolRunOptions,
    Tools,
)
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import Conversation, DraftOptions, Prompt
from apiyi_cli.core.options.request import Model, Request
from apiyi_cli.core.options.respond import RespondOptions
from apiyi_cli.decode.answers.output import output_items
from apiyi_cli.decode.respond import events
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


def respond(
    ctx: Context,
    prompt: Words = None,
    *,
    model: Model,
    source: Prompt,
    draft_options: DraftOptions,
    surroundings: Conversation,
    sessions: SessionOptions,
    respond_options: RespondOptions,
    protocols: ProtocolOptions,
    answer: AnswerForm,
    tools: Tools,
    tool_run: ToolRunOptions,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Ask the Responses endpoint and print the answer as it comes."""
    _refuse_misfits(protocols, respond_options, surroundings)
    asked = read_request(ctx, prompt)
    for notice in asked.notices():
        ctx.messages.note(notice)
    respond_options = ctx.settings.fill(respond_options)
    given = respond_options.instructions
    instructions = asked.system if given is None else ctx.inputs.expand_file(given)
    items, sources = build_items(asked.text, earlier=asked.earlier, attachments=asked.attachments)
    text = asked.text_request((*_text_sources(ctx, items, asked.text, instructions), *sources))

    def build(items: str | Sequence[dict[str, Any]]) -> Call:
        model = ctx.settings.models[0]
        return respond_call(model, items, respond_options, text, instructions=instructions)

    if ctx.settings.prints_request:
        ctx.gateway.print_request(build(items))
    else:
        # With tools the input grows, so it is a list from the start.
        if asked.commands is not None and isinstance(items, str):
            items = [{"role": "user", "content": items}]
        run(ctx, asked, TextEndpoint(build, events, _extend, _show), items)


def _text_sources(
    ctx: Context, items: str | Sequence[dict[str, Any]], text: str | None, instructions: str | None
) -> tuple[Source, ...]:
    """Return the files that the texts came from, for programs that read them."""
    if not ctx.settings.request.code:
        return ()
    sources = find_at_source(ctx.inputs, instructions, "instructions")
    if text is None:
        return sources
    place = "input"
    if not isinstance(items, str):
        part = "" if isinstance(items[-1]["content"], str) else ".0.text"
        place = f"input.{len(items) - 1}.content{part}"
    return (*sources, *ctx.inputs.find_sources(text, place))


def _extend(reply: ReplyCollector, results: Sequence[str]) -> list[dict[str, Any]]:
    return answer_items(output_items(reply.chunks), reply.calls, results)


def _show(pictures: Sequence[Attachment]) -> list[dict[str, Any]]:
    items, _ = build_items(PICTURES_TEXT, attachments=pictures)
    assert not isinstance(items, str)
    return items


def _refuse_misfits(
    protocols: ProtocolOptions, respond_options: RespondOptions, surroundings: Conversation
) -> None:
    """Raise UsageError for two system texts, or for another API than the endpoint's."""
    if respond_options.instructions is not None and surroundings.system is not None:
        raise UsageError(
            Text("cannot use --instructions with -s"),
            Text("both are the system text"),
            hint=Text("give one of them"),
        )
    option = "--cache-prompt" if protocols.cache_prompt else None
    if protocols.protocol in ("anthropic", "google"):
        option = f"--protocol {protocols.protocol}"
    if option is not None:
        raise UsageError(
            Text("cannot use {option} with apiyi respond", option=option),
            Text("the Responses API is OpenAI's"),
            hint=f"apiyi chat {option}",
        )


app = single(spread(respond))
