"""`apiyi chat`: a conversation in, the model's answer out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from apiyi_cli.build.body import TextRequest
from apiyi_cli.build.chat import answer_messages, build_messages, chat_call
from apiyi_cli.build.content import PICTURES_TEXT, Attachment
from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.loop import TextEndpoint, run
from apiyi_cli.cli.conversation.reply import ReplyCollector
from apiyi_cli.cli.conversation.request import ConversationRequest, read_request
from apiyi_cli.cli.inputs.prompt import find_at_source
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.call import Call, Source
from apiyi_cli.core.options.chat import (
    AnswerForm,
    ChatSampling,
    InteractiveOptions,
    ProtocolOptions,
    SessionOptions,
    ToolRunOptions,
    Tools,
)
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import Conversation, DraftOptions, Prompt
from apiyi_cli.core.options.request import Models, Request
from apiyi_cli.decode.chat import events

if TYPE_CHECKING:
    from apiyi_cli.cli.conversation.repl.turn import TurnRecord


def chat(
    ctx: Context,
    prompt: Words = None,
    *,
    model: Models,
    source: Prompt,
    draft_options: DraftOptions,
    surroundings: Conversation,
    sessions: SessionOptions,
    interactive: InteractiveOptions,
    sampling: ChatSampling,
    protocols: ProtocolOptions,
    answer: AnswerForm,
    tools: Tools,
    tool_run: ToolRunOptions,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Send a chat completion and print the answer as it comes."""
    if sessions.last:
        from apiyi_cli.cli.conversation.history import print_last_answer

        print_last_answer(ctx)
        return
    has_draft = draft_options.template or draft_options.edit or draft_options.param
    has_prompt = prompt or source.file or surroundings.attach or surroundings.messages
    if interactive.interactive or (_is_terminal(ctx) and not (has_prompt or has_draft)):
        from apiyi_cli.cli.conversation.repl.loop import converse

        prompts = (model, source, draft_options, surroundings, sessions, interactive, sampling)
        groups = (*prompts, protocols, answer, tools, tool_run, connection, output, request)
        converse(ctx, prompt, groups, _send)
        return
    asked = read_request(ctx, prompt)
    for notice in asked.notices():
        ctx.messages.note(notice)
    _send(ctx, asked)


def _is_terminal(ctx: Context) -> bool:
    console = ctx.process.console
    return console.stdin_is_terminal and console.stdout_is_terminal and console.stderr_is_terminal


def _send(ctx: Context, asked: ConversationRequest, observer: TurnRecord | None = None) -> None:
    """Send the request, print it, or compare models, as the options say."""
    sampling = ctx.settings.fill(ChatSampling())
    messages, sources = asked.chat_messages()
    text = asked.text_request((*_text_sources(ctx, asked, messages), *sources))
    text = _with_protocol(ctx, asked, text)
    models = ctx.settings.models

    def build(messages: Sequence[dict[str, Any]], model: str = models[0]) -> Call:
        return chat_call(model, messages, sampling, text)

    if len(models) > 1:
        from apiyi_cli.cli.conversation.compare import compare

        compare(ctx, asked, [build(messages, model) for model in models], events)
    elif ctx.settings.prints_request:
        ctx.gateway.print_request(build(messages))
    else:
        endpoint = TextEndpoint(build, events, _extend, _show, _turn)
        run(ctx, asked, endpoint, messages, choices=sampling.n or 1, observer=observer)


def _extend(reply: ReplyCollector, results: Sequence[str]) -> list[dict[str, Any]]:
    return answer_messages(reply.text, reply.calls, results, _turn(reply))


def _show(pictures: Sequence[Attachment]) -> list[dict[str, Any]]:
    messages, _ = build_messages(PICTURES_TEXT, attachments=pictures)
    return messages


def _turn(reply: ReplyCollector) -> dict[str, Any] | None:
    """Return the assistant's turn in native form, None if it is not needed."""
    if reply.call is None:
        return None
    from apiyi_cli.decode.answers.turns import read_turn

    return read_turn(reply.call, reply.chunks)


def _with_protocol(ctx: Context, asked: ConversationRequest, text: TextRequest) -> TextRequest:
    protocols = ctx.settings.fill(ProtocolOptions())
    cached_chars = 0
    if protocols.cache_prompt:
        from apiyi_cli.cli.inputs.prompt import count_file_chars

        cached_chars = count_file_chars(ctx.inputs, asked.text or "")
    return text._replace(
        families=_with_registry(ctx, asked, protocols),
        protocol=protocols.protocol or "auto",
        force=bool(ctx.settings.fill(Models()).force_model),
        cache_prompt=bool(protocols.cache_prompt),
        cached_chars=cached_chars,
    )


def _with_registry(
    ctx: Context, asked: ConversationRequest, protocols: ProtocolOptions
) -> Mapping[str, Mapping[str, Any]]:
    """Return the user's families, then the registry's endpoints of the models.

    It is read only where another protocol than OpenAI's is asked for by name.
    """
    asks = protocols.protocol in ("anthropic", "google") or protocols.cache_prompt
    if not asks:
        return asked.families
    from apiyi_cli.store.registry import find_protocols

    known, families = ctx.settings.model_facts, dict(asked.families)
    for model in ctx.settings.models:
        facts = known.get(model)
        if facts is not None and (named := find_protocols(facts)):
            families.setdefault(model, {"kind": "chat", "protocols": named})
    return families


def _text_sources(
    ctx: Context, asked: ConversationRequest, messages: Sequence[dict[str, Any]]
) -> tuple[Source, ...]:
    """Return the files that the texts came from, for programs that read them."""
    if not ctx.settings.request.code:
        return ()
    sources: tuple[Source, ...] = ()
    for number, message in enumerate(messages):
        if message["role"] == "system" and message["content"] == asked.system:
            sources = find_at_source(ctx.inputs, asked.system, f"messages.{number}.content")
    if asked.text is None:
        return sources
    part = ".0.text" if asked.attachments else ""
    place = f"messages.{len(messages) - 1}.content{part}"
    return (*sources, *ctx.inputs.find_sources(asked.text, place))


app = single(spread(chat))
