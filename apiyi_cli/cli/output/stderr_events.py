"""What becomes of the events that are not the answer: stderr, and the proof of completeness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiyi_cli.core.events import Empty, Event, Finish, Notice, Reasoning, Refusal, Usage
from apiyi_cli.core.options.chat import Answer
from apiyi_cli.errors import IncompleteError, describe_billing
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.session import Session

WARNINGS = {
    "length": Text("the answer was cut off by the token limit (raise --max-tokens)"),
    "content_filter": Text("the answer was cut off by a content filter"),
}
DIM = "2"


def empty_answer(why: str) -> IncompleteError:
    """Return the error for a complete answer without anything to print."""
    return IncompleteError(
        Text("the answer has nothing to print"),
        why,
        hint=describe_billing("yes", Text("running it again may be billed again")),
    )


class Aside:
    """Shows reasoning dimmed on a terminal, keeps usage and finish for the end of the run."""

    def __init__(self, session: Session, answer: Answer) -> None:
        self._session = session
        self._strict = bool(answer.strict_finish)
        console = session.console
        self._reasons = (
            console.stderr_is_terminal and not answer.hide_reasoning and not session.output.quiet
        )
        self.usage: Usage | None = None
        self.finishes: list[str] = []
        self._settled: list[str] = []
        self._used: list[tuple[Usage | None, bool]] = []
        self._refusals: list[str] = []
        self._empty = ""
        session.run.closing(console.end_speech)

    def __call__(self, event: Event) -> None:
        """Take one event, in order of arrival."""
        if isinstance(event, Reasoning):
            self._reason(event.text)
        elif isinstance(event, Usage):
            self.usage = event
        elif isinstance(event, Finish):
            self._session.console.end_speech()
            self.finishes.append(event.reason)
        elif isinstance(event, Refusal):
            self._refusals.append(event.text)
        elif isinstance(event, Notice):
            self._session.note(event.text)
        elif isinstance(event, Empty):
            self._empty = event.why

    @property
    def shows_reasoning(self) -> bool:
        """Return True if the user sees the model's reasoning as it comes."""
        return self._reasons

    def step(self) -> None:
        """End one answer of several: only the last one's finish counts."""
        self._session.console.end_speech()
        self._settled, self.finishes = self.finishes, []
        self._used.append((self.usage, self._session.sender.from_cache))
        self.usage = None

    def close(self) -> None:
        """Tell usage and warnings; raise IncompleteError for an empty answer, or a cut one that
        the user refuses."""
        self._session.console.end_speech()
        session = self._session
        if self._refusals:
            session.note(Text("the model refused: {refusals}", refusals="".join(self._refusals)))
        self._tell_usage()
        if self._empty:
            raise empty_answer(self._empty)
        for reason in dict.fromkeys(self.finishes or self._settled):
            if warning := WARNINGS.get(reason):
                if self._strict:
                    raise IncompleteError(Text("the answer is not whole"), warning)
                session.note(warning)

    def _tell_usage(self) -> None:
        if not self._session.output.usage:
            return
        from apiyi_cli.cli.output.usage import Spent

        spent = Spent()
        # Without steps there is one answer, and nobody has ended it.
        for usage, cached in self._used or [(self.usage, self._session.sender.from_cache)]:
            spent.add(usage, from_cache=cached)
        spent.tell(self._session)

    def _reason(self, text: str) -> None:
        if self._reasons and text:
            self._session.console.say(text, end="", style=self._style())

    def _style(self) -> str:
        from apiyi_cli.render.choose import color_wanted

        session = self._session
        when = session.output.color or "auto"
        return DIM if color_wanted(when, session.run.environ, True) else ""
