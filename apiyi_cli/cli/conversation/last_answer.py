"""`chat --last`: the last answer of this terminal, printed again."""

from __future__ import annotations

from typing import Any

from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.history import find_history
from apiyi_cli.cli.conversation.reply import answer_form
from apiyi_cli.core.events import Delta, Finish
from apiyi_cli.core.options.chat import AnswerForm, SessionOptions
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


def print_last_answer(ctx: Context, sessions: SessionOptions, answer: AnswerForm) -> None:
    """Print the last answer of the conversation that `-c` would continue."""
    history = find_history(ctx.process, sessions.replace(continue_=True))
    messages = [] if history is None else history.messages()
    answers = [item for item in messages if item.get("role") == "assistant"]
    text = _text_of(answers[-1]) if answers else ""
    if not text:
        raise UsageError(Text("there is no answer to print"), Text("the last one had no text"))
    answer = ctx.settings.fill(answer)
    form = answer_form(ctx.output.form, answer)
    if form in ("json", "ndjson"):
        ctx.output.write_records([answers[-1]])
        return
    render = ctx.output.renderer(lambda event: None, answer, form)
    lines = render([[Delta(text)], [Finish("stop")]])
    ctx.output.write(lines, content=render.content)


def _text_of(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
