"""A conversation on the terminal: starts it, reads prompts, sends them or runs commands."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import TYPE_CHECKING

from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.history import find_history
from apiyi_cli.cli.conversation.repl.dialogue import (
    SIGINT,
    Dialogue,
    SendTurn,
    several_models_error,
)
from apiyi_cli.cli.conversation.repl.log import ConversationLog, new_log
from apiyi_cli.cli.conversation.repl.options import ConversationOptions, literal
from apiyi_cli.cli.conversation.repl.status_lines import describe_start
from apiyi_cli.core.options import Group
from apiyi_cli.core.options.chat import SessionOptions
from apiyi_cli.core.secret import redact
from apiyi_cli.errors import ApiyiError, Interrupted, UsageError
from apiyi_cli.store.sessions import PromptHistory
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.conversation.repl.plain import PlainReader
    from apiyi_cli.cli.conversation.repl.toolkit import ToolkitReader

_FOR_ONE_PROMPT = ("file", "attach", "messages", "template", "param", "edit")


def run_loop(dialogue: Dialogue, *, keeps_history: bool) -> None:
    """Read and answer until the end of the input."""
    history = PromptHistory.open(dialogue.process.environ) if keeps_history else PromptHistory(None)
    reader = make_reader(dialogue, history)
    draft = ""
    while True:
        try:
            # An inner loop, because a signal may come between two rounds, too.
            while True:
                draft = answer(dialogue, reader.read(draft), history)
        except EOFError:
            return
        except Interrupted as stop:
            # Also one that comes while nothing is read and nothing is answered.
            interrupts = dialogue.interrupts
            if stop.signum != SIGINT or interrupts.is_second or interrupts.note():
                raise
            draft = ""
            # Below the ^C that the terminal shows where nobody reads keys.
            dialogue.messages.print("")


def answer(dialogue: Dialogue, text: str, history: PromptHistory) -> str:
    """Send a prompt or run a command; return the draft of the next prompt."""
    if not text.strip():
        return ""
    dialogue.interrupts.reset()
    if redact(text, dialogue.process.secrets) != text:
        dialogue.messages.error(
            UsageError(
                Text("not sent and not kept"),
                Text("it holds what looks like a key"),
                hint=Text("take it out; apiyi auth login keeps a key"),
            )
        )
        return text
    history.add(text)
    if text.startswith("/") and not text.startswith("//"):
        from apiyi_cli.cli.conversation.repl.commands import run_command

        try:
            return run_command(dialogue, text)
        except ApiyiError as failure:
            dialogue.messages.error(failure)
            return ""
    return "" if dialogue.ask(text.removeprefix("/") if text[:1] == "/" else text) else text


def make_reader(dialogue: Dialogue, history: PromptHistory) -> ToolkitReader | PlainReader:
    """Return the best reader that is installed and that the terminal can be used with.

    Its `read(draft)` returns the next prompt, which starts with `draft`. It raises EOFError when
    the user ends the conversation, Interrupted for a signal and for two quick Ctrl-C.
    """
    if dialogue.process.console.window.can_draw:
        try:
            from apiyi_cli.cli.conversation.repl.toolkit import ToolkitReader
        except ImportError:
            dialogue.lacks_package = True
        else:
            return ToolkitReader(dialogue, history)
    from apiyi_cli.cli.conversation.repl.plain import PlainReader

    dialogue.has_keys = False
    return PlainReader(dialogue, history)


def converse(
    ctx: Context, words: Sequence[str] | None, groups: Sequence[Group], send: SendTurn
) -> None:
    """Run a conversation on the terminal until the user ends it.

    `groups` are the options as typed: the state that the conversation begins with. The words
    are its first prompt. Raises UsageError without a terminal, and AuthError without a key.
    """
    _require_terminal(ctx)
    process = ctx.process
    # A conversation lasts: what others see of it must not wait for its end.
    gc.enable()
    process.is_long = True
    kept = ctx.settings.fill(SessionOptions())
    log = _open_log(ctx, kept)
    options = _resolve_system(ctx, ConversationOptions(groups))
    first = options.replace(**dict.fromkeys(_FOR_ONE_PROMPT), session=None, continue_=None)
    dialogue = Dialogue(process, first, log, send)
    pending = dialogue.pending
    pending.files = list(options.value("file") or ())
    pending.attach = list(options.value("attach") or ())
    pending.messages = options.value("messages")
    _set_template(dialogue, options)
    if "-" in (*pending.files, pending.messages):
        raise UsageError(
            Text("cannot read stdin in a conversation"), Text("that is where the prompts come from")
        )
    if len(ctx.settings.models) > 1:
        raise several_models_error(ctx.settings.models)
    # A missing key ends the run, not each turn.
    _ = dialogue.context.gateway
    process.messages.print_faint(describe_start(dialogue))
    if words or options.value("edit"):
        dialogue.ask(" ".join(words or ()), options={"edit": options.value("edit")})
    run_loop(dialogue, keeps_history=not kept.no_keep)
    if dialogue.is_strict:
        process.exit_code = dialogue.exit_code


def _set_template(dialogue: Dialogue, options: ConversationOptions) -> None:
    """Set the template of the first prompt. Raises UsageError or SetupError if it is bad."""
    name, params = options.value("template"), options.value("param") or ()
    if name is None and not params:
        return
    from apiyi_cli.cli.conversation.prompt_template import check_template

    check_template(dialogue.context.settings, name, params)
    dialogue.pending.template, dialogue.pending.params = name, list(params)


def _require_terminal(ctx: Context) -> None:
    console = ctx.process.console
    streams = (
        ("stdin", console.stdin_is_terminal),
        ("stdout", console.stdout_is_terminal),
        ("stderr", console.stderr_is_terminal),
    )
    for name, is_terminal in streams:
        if not is_terminal:
            raise UsageError(
                Text("cannot begin a conversation"),
                Text("{name} is not a terminal", name=name),
                hint=Text('apiyi chat "…" asks once; --session NAME goes on with it'),
            )


def _open_log(ctx: Context, kept: SessionOptions) -> ConversationLog:
    """Return the log of the conversation that the options name, else an empty one."""
    from apiyi_cli.store.sessions import SessionStore

    if kept.session is None and not kept.continue_:
        return new_log(ctx)
    history = find_history(ctx.process, kept)
    assert history is not None
    if history.notice is not None:
        ctx.messages.note(history.notice)
    store = history.store
    if kept.no_keep:
        return ConversationLog(messages=store.messages(history.name))
    is_named = store == SessionStore.open(ctx.process.environ)
    return ConversationLog(store, history.name, is_named=is_named)


def _resolve_system(ctx: Context, options: ConversationOptions) -> ConversationOptions:
    """Return the options with the system text read from its file."""
    system = options.value("system")
    if system is None:
        return options
    return options.replace(system=literal(ctx.inputs.expand_file(system)))
