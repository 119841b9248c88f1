"""`ConversationLog`: the messages of a conversation, in memory and in its file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.history import MOST_TERMINAL_S, identify_terminal, without_marks
from apiyi_cli.core.options.chat import SessionOptions
from apiyi_cli.errors import OutputError
from apiyi_cli.store.session_writer import TurnWriter
from apiyi_cli.store.sessions import SessionStore
from apiyi_cli.text import Text


class ConversationLog:
    """One conversation; its file is written turn by turn, each answer as it arrives.

    Without a `store` nothing is kept. `is_named` is a session of the user's; another one is the
    terminal's last exchange, and failing to keep that does no harm. `is_new` replaces what is
    stored under its name by the first turn.
    """

    notice: Text | None = None

    def __init__(
        self,
        store: SessionStore | None = None,
        name: str = "",
        *,
        is_named: bool = False,
        is_new: bool = False,
        messages: Sequence[dict[str, Any]] | None = None,
    ) -> None:
        self.store = store
        self.name = name
        self.is_named = is_named
        self._replaces = is_new
        self._messages = list(messages or ())
        if store is not None and not is_new and messages is None:
            self._messages = store.messages(name)
        self._asked: list[dict[str, Any]] = []
        self._base = 0
        self._texts: list[str] = []
        self._writer: TurnWriter | None = None
        self._failure: OutputError | None = None
        self.is_answering = False

    @property
    def is_new(self) -> bool:
        """Return False: the messages in memory are continued."""
        return False

    @property
    def everything(self) -> list[dict[str, Any]]:
        """Return the messages with their marks, as they are stored."""
        return self._messages

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages that the next request continues."""
        return without_marks(self._messages[: self._base] if self.is_answering else self._messages)

    def last_exchange(self) -> int | None:
        """Return the index of the last prompt among the messages, None without one."""
        places = range(len(self._messages) - 1, -1, -1)
        return next((place for place in places if self._messages[place]["role"] == "user"), None)

    def begin_turn(self, base: int | None = None) -> None:
        """Begin a turn after the first `base` messages; later messages are replaced."""
        self._base = len(self._messages) if base is None else base
        self._asked, self._texts, self._writer, self._failure = [], [], None, None
        self.is_answering = True

    def set_asked(self, asked: Sequence[dict[str, Any]]) -> None:
        """Set the messages that the turn adds before its answer."""
        self._asked = list(asked)

    def add(self, text: str) -> None:
        """Add a piece of the answer, and write it to the file."""
        self._texts.append(text)
        try:
            if self._writer is None:
                self._writer = self._start_writing()
            if self._writer is not None and self._failure is None:
                self._writer.add(text)
        except OutputError as failure:
            # The answer continues; the failure is reported at its end.
            self._failure = failure

    def restart(self) -> None:
        """Drop the answer so far: another attempt follows."""
        self._texts = []
        if self._writer is not None and self._failure is None:
            try:
                self._writer.restart()
            except OutputError as failure:
                self._failure = failure

    def append(self, messages: Sequence[dict[str, Any]]) -> None:
        """End the turn: `messages` are its question and the finished answer.

        Raises OutputError for a session that cannot be written.
        """
        asked, answer = messages[: len(self._asked)], messages[len(self._asked) :]
        self._end([*asked], [*answer])

    def cut(self) -> bool:
        """End a turn that was cut: the part stays, marked. Return False if there is none."""
        if not self.is_answering:
            return True
        text = "".join(self._texts)
        if not text:
            self.drop_turn()
            return False
        self._end(self._asked, [{"role": "assistant", "content": text, "cut": True}])
        return True

    def drop_turn(self) -> None:
        """End a turn of which nothing is kept."""
        self.is_answering = False
        if self._writer is not None:
            self.restart()
            self._writer.close()

    def undo(self) -> None:
        """Remove the last exchange."""
        place = self.last_exchange()
        if place is not None:
            self.replace(self._messages[:place])

    def set_system(self, text: str) -> None:
        """Set the system text at the start of the conversation."""
        others = [item for item in self._messages if item["role"] not in ("system", "developer")]
        if others:
            self.replace([{"role": "system", "content": text}, *others])

    def replace(self, messages: Sequence[dict[str, Any]]) -> None:
        """Replace all messages of the conversation. Raises OutputError as `append` does."""
        self._messages = list(messages)
        if self.store is None or self._replaces:
            return
        try:
            self.store.replace(self.name, self._messages)
        except OutputError:
            if self.is_named:
                raise

    def _start_writing(self) -> TurnWriter | None:
        """Return the writer of this turn; the file has all earlier messages."""
        if self.store is None:
            return None
        if self._replaces:
            self.store.drop_old(MOST_TERMINAL_S)
            self.store.drop(self.name)
            self._replaces = False
            if self._base:
                self.store.replace(self.name, self._messages[: self._base])
        elif self._base < len(self._messages):
            self.store.replace(self.name, self._messages[: self._base])
        return TurnWriter(self.store.path(self.name), self._asked)

    def _end(self, asked: list[dict[str, Any]], answer: list[dict[str, Any]]) -> None:
        self.is_answering = False
        try:
            if self._writer is None and self._failure is None:
                self._writer = self._start_writing()
            if self._writer is not None and self._failure is None:
                self._writer.end(answer)
        except OutputError as failure:
            self._failure = failure
        self._messages[self._base :] = [*asked, *answer]
        if self._writer is not None:
            self._writer.close()
        if self._failure is not None and self.is_named:
            raise self._failure


def new_log(ctx: Context) -> ConversationLog:
    """Return an empty conversation, kept as the last one of the terminal unless `--no-keep`."""
    from apiyi_cli.store.sessions import SessionStore

    name = identify_terminal(ctx.process.console)
    if name is None or ctx.settings.fill(SessionOptions()).no_keep:
        return ConversationLog()
    store = SessionStore.open(ctx.process.environ, "terminals")
    return ConversationLog(store, name, is_new=True)
