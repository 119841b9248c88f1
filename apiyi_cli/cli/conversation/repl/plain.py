"""`PlainReader`: prompts read with `input()`, and with readline if Python has it.

It is there where prompt_toolkit is not installed. A pasted text is one prompt: the terminal is
asked to mark it. A line of ``` opens a block, which another one ends.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from apiyi_cli.cli.conversation.repl.completion import find_completions, has_open_fence
from apiyi_cli.cli.conversation.repl.dialogue import SIGINT, Dialogue
from apiyi_cli.cli.conversation.repl.status_lines import describe_state
from apiyi_cli.errors import Interrupted
from apiyi_cli.store.sessions import PromptHistory

PROMPT, MORE = "❯ ", "  "
_PASTE_ON, _PASTE_OFF = "\x1b[?2004h", "\x1b[?2004l"
_PASTE_BEGIN, _PASTE_END = "\x1b[200~", "\x1b[201~"


class PlainReader:
    """Reads a prompt line by line; the status is a line above the prompt."""

    def __init__(self, dialogue: Dialogue, history: PromptHistory) -> None:
        self._dialogue = dialogue
        self._history = history
        self._completions: list[str] = []
        self._locale = _find_utf8_locale()
        self._readline = None if self._locale is None else _load_readline()
        # GNU readline reads pasted text whole; others hand its marks over.
        is_editline = "libedit" in (getattr(self._readline, "__doc__", None) or "")
        can_draw = dialogue.process.console.window.can_draw
        self._marks_paste = can_draw and (self._readline is None or is_editline)
        if self._readline is not None:
            self._prepare(self._readline, is_editline)

    def read(self, draft: str) -> str:
        """Return the next prompt; see `make_reader`."""
        dialogue = self._dialogue
        state = describe_state(
            dialogue, dialogue.messages.translate, dialogue.process.console.width
        )
        if state:
            dialogue.messages.print_faint(state)
        before = signal.getsignal(signal.SIGINT)
        dialogue.process.on_signal = _raise_once
        try:
            while True:
                try:
                    with self._stopping_between_lines():
                        return self._read_prompt(draft)
                except _Stopped as stop:
                    sys.stdout.write("\n")
                    sys.stdout.flush()
                    os.kill(os.getpid(), signal.SIGTSTP)
                    draft = stop.draft
                except Interrupted as stop:
                    signal.signal(signal.SIGINT, before)
                    if stop.signum != SIGINT or dialogue.interrupts.note():
                        raise
                    draft = ""
                    sys.stdout.write("\n")
                except EOFError:
                    sys.stdout.write("\n")
                    raise
                finally:
                    sys.stdout.flush()
        finally:
            dialogue.process.on_signal = None
            signal.signal(signal.SIGINT, before)

    @contextmanager
    def _stopping_between_lines(self) -> Iterator[None]:
        """Raise _Stopped for Ctrl-Z: readline as Python uses it leaves the terminal as it is."""
        number = getattr(signal, "SIGTSTP", None)
        if number is None or signal.getsignal(number) is signal.SIG_IGN:
            yield
            return
        signal.signal(number, self._on_stop)
        try:
            yield
        finally:
            signal.signal(number, signal.SIG_DFL)

    def _on_stop(self, signum: int, frame: FrameType | None) -> None:
        signal.signal(signum, signal.SIG_IGN)
        raise _Stopped("" if self._readline is None else self._readline.get_line_buffer())

    def _read_prompt(self, draft: str) -> str:
        """Return one prompt: a line, a pasted text, or a block between fences."""
        text = self._read_line(PROMPT, draft)
        while has_open_fence(text):
            try:
                text += "\n" + self._read_line(MORE, "")
            except _Stopped as stop:
                raise _Stopped(f"{text}\n{stop.draft}") from None
        return text

    def _read_line(self, prompt: str, draft: str) -> str:
        readline = self._readline
        if readline is None:
            if draft:
                self._dialogue.messages.print(draft)
            return self._read_marked(prompt)
        readline.clear_history()
        for text in self._history.prompts:
            readline.add_history(text)
        if draft:
            readline.set_startup_hook(lambda: readline.insert_text(draft))
        try:
            return self._read_marked(prompt)
        finally:
            readline.set_startup_hook(None)

    def _read_marked(self, prompt: str) -> str:
        """Return a line; a bracketed paste is read to its end."""
        if not self._marks_paste:
            with self._reading_utf8():
                return input(prompt)
        sys.stdout.write(_PASTE_ON)
        sys.stdout.flush()
        try:
            text = input(prompt)
            while text.count(_PASTE_BEGIN) > text.count(_PASTE_END):
                text += "\n" + input()
            return text.replace(_PASTE_BEGIN, "").replace(_PASTE_END, "")
        finally:
            sys.stdout.write(_PASTE_OFF)
            sys.stdout.flush()

    @contextmanager
    def _reading_utf8(self) -> Iterator[None]:
        """Let readline read UTF-8, which it takes for single bytes in the C locale.

        Python has it look at the environment for each line.
        """
        if not self._locale:
            yield
            return
        before = os.environ.get("LC_ALL")
        os.environ["LC_ALL"] = self._locale
        try:
            yield
        finally:
            del os.environ["LC_ALL"]
            if before is not None:
                os.environ["LC_ALL"] = before

    def _prepare(self, readline: Any, is_editline: bool) -> None:
        readline.set_auto_history(False)
        readline.set_completer(self._complete)
        readline.set_completer_delims(" \n")
        readline.parse_and_bind("bind ^I rl_complete" if is_editline else "tab: complete")
        if not is_editline and self._dialogue.process.console.window.can_draw:
            readline.parse_and_bind("set enable-bracketed-paste on")

    def _complete(self, text: str, number: int) -> str | None:
        """Return one completion of the word before the cursor, None after the last."""
        if number == 0 and self._readline is not None:
            before = self._readline.get_line_buffer()[: self._readline.get_endidx()]
            length, words = find_completions(self._dialogue, before)
            kept = text[: len(text) - length]
            self._completions = [f"{kept}{word}" for word in words]
        return self._completions[number] if number < len(self._completions) else None


class _Stopped(Exception):
    """Ctrl-Z was pressed; `draft` is what was typed."""

    def __init__(self, draft: str) -> None:
        self.draft = draft


def _raise_once(name: str, signum: int) -> float | None:
    """End the input for a signal; a Ctrl-C until that has happened is ignored.

    Its handler would run within readline's C code while an exception is set there, which
    Python takes for a defect.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Interrupted(signum)


def _find_utf8_locale() -> str | None:
    """Set a locale with UTF-8 and return its name.

    It is "" for the user's own, None without one.
    """
    import codecs
    import locale

    if not hasattr(locale, "nl_langinfo"):
        return ""
    with suppress(locale.Error, LookupError):
        locale.setlocale(locale.LC_CTYPE, "")
        if codecs.lookup(locale.nl_langinfo(locale.CODESET)).name == "utf-8":
            return ""
    for name in ("C.UTF-8", "en_US.UTF-8"):
        with suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, name)
            return name
    return None


def _load_readline() -> Any:
    with suppress(ImportError):
        import readline

        return readline
    return None
