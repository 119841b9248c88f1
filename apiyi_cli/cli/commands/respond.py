"""`apiyi respond`: the Responses endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiyi_cli.build.respond import answer_items, build_items, respond_call
from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.request import Heard, Talk
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.call import Call
from apiyi_cli.core.options.chat import Answer, Kept, Running, Tools
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import Conversation, Prompt
from apiyi_cli.core.options.request import Model, Request
from apiyi_cli.core.options.respond import Responding
from apiyi_cli.decode.output import output_items
from apiyi_cli.decode.respond import events
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


def respond(
    ctx: Context,
    prompt: Words = None,
    *,
    model: Model,
    source: Prompt,
    surroundings: Conversation,
    kept: Kept,
    responding: Responding,
    answer: Answer,
    tools: Tools,
    running: Running,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Ask the Responses endpoint and print the answer as it comes."""
    if responding.instructions is not None and surroundings.system is not None:
        raise UsageError(
            Text("cannot use --instructions with -s"),
            Text("both are the system text"),
            hint=Text("give one of them"),
        )
    talk = Talk(ctx, prompt, source, surroundings, answer, tools, running, kept)
    responding = ctx.settings.fill(responding)
    instructions = responding.instructions
    if instructions is not None:
        instructions = ctx.inputs.at(instructions)
    given, sources = build_items(talk.text, earlier=talk.earlier, attachments=talk.attachments)

    text = talk.text_request(sources)

    def built(state: Sequence[dict[str, Any]]) -> Call:
        return respond_call(
            ctx.settings.models[0],
            state or given,
            responding,
            text,
            instructions=instructions if instructions is not None else talk.system,
        )

    def added(heard: Heard, results: Sequence[str]) -> list[dict[str, Any]]:
        return answer_items(output_items(heard.chunks), heard.calls, results)

    if ctx.settings.prints_request:
        ctx.gateway.print_request(built([]))
        return
    # With tools the input grows, so it has to be a list from the start.
    state: list[Any] = []
    if talk.toolbox is not None:
        state = [{"role": "user", "content": given}] if isinstance(given, str) else list(given)
    talk.finish(built, state, events, added)


app = single(spread(respond))
