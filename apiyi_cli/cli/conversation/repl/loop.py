"""The loop of a conversation: reads a prompt, then sends it or runs a command."""

from __future__ import annotations

from typing import Protocol

from apiyi_cli.cli.conversation.repl.dialogue import SIGINT, Dialogue
from apiyi_cli.core.secret import redact
from apiyi_cli.errors import ApiyiError, Interrupted, UsageError
from apiyi_cli.store.prompt_history import PromptHistory
from apiyi_cli.text import Text


class PromptReader(Protocol):
    """Reads prompts from the terminal."""

    def read(self, draft: str) -> str:
        """Return the next prompt; it starts with `draft`.

        Raises EOFError when the user ends the conversation, Interrupted for a signal and for two
        quick Ctrl-C.
        """


def run_loop(dialogue: Dialogue, *, keeps_history: bool) -> None:
    """Read and answer until the end of the input."""
    history = PromptHistory.open(dialogue.process.environ) if keeps_history else PromptHistory(None)
    reader = make_reader(dialogue, history)
    draft = ""
    while True:
        try:
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


def make_reader(dialogue: Dialogue, history: PromptHistory) -> PromptReader:
    """Return the best reader that is installed and that the terminal can be used with."""
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
