"""`ToolkitReader`: prompts read with prompt_toolkit. The only module that imports it."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from prompt_toolkit.application import Application, get_app, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.history import History as ToolkitHistory
from prompt_toolkit.input import create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output as ToolkitOutput
from prompt_toolkit.output import create_output
from prompt_toolkit.shortcuts import CompleteStyle, PromptSession
from prompt_toolkit.styles import Style

from apiyi_cli.cli.conversation.repl.completion import find_completions, has_open_fence
from apiyi_cli.cli.conversation.repl.dialogue import SIGINT, Dialogue
from apiyi_cli.cli.conversation.repl.status_lines import describe_state
from apiyi_cli.errors import Interrupted
from apiyi_cli.store.sessions import PromptHistory
from apiyi_cli.text import Text

PROMPT = "❯ "
_LEFT_FREE = 12
"""Columns that the status on the right always leaves free beside the prompt."""


class ToolkitReader:
    """Reads prompts of several lines, with history, search, completion and an editor."""

    def __init__(self, dialogue: Dialogue, history: PromptHistory) -> None:
        self._dialogue = dialogue
        self._signal: int | None = None
        self._is_double = False
        self._hint = ""
        self._session: PromptSession[str] = PromptSession(
            PROMPT,
            multiline=True,
            prompt_continuation="  ",
            rprompt=self._describe_state,
            history=_SharedHistory(history),
            completer=_DialogueCompleter(dialogue),
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            search_ignore_case=True,
            enable_suspend=True,
            key_bindings=self._make_keys(),
            style=Style.from_dict({"rprompt": "noreverse fg:ansibrightblack"}),
            include_default_pygments_style=False,
            input=create_input(sys.stdin),
            output=_make_output(),
        )
        self._session.default_buffer.on_text_changed += self._note_typing

    def read(self, draft: str) -> str:
        """Return the next prompt; see `make_reader`."""
        process = self._dialogue.process
        self._signal, self._is_double, self._hint = None, False, ""
        process.on_signal = self._on_signal
        try:
            text = self._session.prompt(default=draft, pre_run=self._leave_if_stopped)
        except EOFError:
            if self._signal is None:
                raise
            text = ""
        except OSError:
            # The terminal went away, and its signal is on the way or has come.
            if self._signal is None:
                raise EOFError from None
            text = ""
        finally:
            process.on_signal = None
        if self._signal is not None:
            raise Interrupted(self._signal)
        if self._is_double:
            raise Interrupted(SIGINT)
        return text

    def _leave_if_stopped(self) -> None:
        """End a prompt whose signal arrived before it could be ended."""
        loop = get_app().loop
        if self._signal is not None and loop is not None:
            loop.call_soon_threadsafe(_leave, get_app())

    def _note_typing(self, buffer: Buffer) -> None:
        if buffer.text:
            self._hint = ""
            self._dialogue.interrupts.reset()

    def _on_signal(self, name: str, signum: int) -> float | None:
        """End the prompt after a signal, which `read` raises once the terminal is restored."""
        self._signal = signum
        app = self._session.app
        if app.loop is not None and app.is_running:
            # Named, because a signal's handler does not know which one is running.
            app.loop.call_soon_threadsafe(_leave, app)
        return None

    def _describe_state(self) -> str:
        app = get_app()
        if app.is_done:
            return ""
        if self._hint:
            return self._hint
        width = app.output.get_size().columns - len(PROMPT) - _LEFT_FREE
        return describe_state(self._dialogue, self._dialogue.messages.translate, width)

    def _make_keys(self) -> KeyBindings:
        keys = KeyBindings()
        at_prompt = has_focus(DEFAULT_BUFFER)

        @keys.add("enter", filter=at_prompt)
        def send(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            if has_open_fence(buffer.text):
                buffer.insert_text("\n")
            else:
                buffer.validate_and_handle()

        @keys.add("escape", "enter", filter=at_prompt)
        @keys.add("c-j", filter=at_prompt)
        def add_line(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @keys.add("c-c", filter=at_prompt)
        def interrupt(event: KeyPressEvent) -> None:
            self._interrupt(event)

        @keys.add("<sigint>")
        def stop(event: KeyPressEvent) -> None:
            # Typed before the terminal handed keys over: it shows ^C where nobody counts on it.
            self._signal = SIGINT
            _leave(event.app)

        @keys.add("c-o", filter=at_prompt)
        def edit(event: KeyPressEvent) -> None:
            run_in_terminal(lambda: self._edit(event))

        return keys

    def _interrupt(self, event: KeyPressEvent) -> None:
        """Clear the draft; the second time end the conversation."""
        if self._dialogue.interrupts.note():
            self._is_double = True
            event.app.exit(result="")
            return
        buffer = self._session.default_buffer
        if buffer.text:
            buffer.reset()
        else:
            translate = self._dialogue.messages.translate
            self._hint = translate(Text("Ctrl-C again or Ctrl-D ends"))
        event.app.layout.focus(buffer)

    def _edit(self, event: KeyPressEvent) -> None:
        from apiyi_cli.cli.inputs.editor import edit_text
        from apiyi_cli.errors import ApiyiError

        buffer = event.current_buffer
        try:
            text = edit_text(self._dialogue.process, buffer.text, Text("the draft is unchanged"))
        except ApiyiError as failure:
            self._dialogue.messages.error(failure)
            return
        buffer.text = text
        buffer.cursor_position = len(text)


class _SharedHistory(ToolkitHistory):
    """The prompts of the history file, which this program writes itself."""

    def __init__(self, history: PromptHistory) -> None:
        super().__init__()
        self._history = history

    async def load(self) -> AsyncGenerator[str, None]:
        """Yield the current prompts, the newest first."""
        for text in reversed(self._history.prompts):
            yield text

    def load_history_strings(self) -> Iterable[str]:
        """Return the prompts, the newest first."""
        return reversed(self._history.prompts)

    def get_strings(self) -> list[str]:
        """Return the prompts, the oldest first."""
        return self._history.prompts

    def append_string(self, string: str) -> None:
        """Do nothing: a prompt is only kept after a check that it holds no key."""

    def store_string(self, string: str) -> None:
        """Do nothing, like `append_string`."""


class _DialogueCompleter(Completer):
    """Completes words of the conversation."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yield completions of the text before the cursor."""
        length, words = find_completions(self._dialogue, document.text_before_cursor)
        return [Completion(word, start_position=-length) for word in words]


def _leave(app: Application[Any]) -> None:
    if app.is_running and not app.is_done:
        app.exit(exception=EOFError())


def _make_output() -> ToolkitOutput:
    """Return an output that does not ask the terminal for the cursor's position.

    Nothing needs it, and the terminal's answer might arrive after the prompt.
    """
    output = create_output(sys.stdout)
    if hasattr(output, "enable_cpr"):
        output.enable_cpr = False
    return output
