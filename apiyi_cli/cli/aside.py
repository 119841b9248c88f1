"""What becomes of the events that are not the answer: stderr, and the proof of completeness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiyi_cli.core.events import Event, Finish, Notice, Reasoning, Refusal, Usage
from apiyi_cli.core.groups import Answer
from apiyi_cli.errors import IncompleteError

if TYPE_CHECKING:
    from apiyi_cli.cli.session import Session

_WARNINGS = {
    "length": "the answer was cut off by the token limit (raise --max-tokens)",
    "content_filter": "the answer was cut off by a content filter",
}
DIM = "2"


class Aside:
    """Shows reasoning dimmed on a terminal, keeps usage and finish for the end of the run."""

    def __init__(self, session: Session, answer: Answer) -> None:
        self._session = session
        self._strict = bool(answer.strict_finish)
        console = session.console
        self._reasons = (
            console.stderr_is_terminal and not answer.hide_reasoning and not session.output.quiet
        )
        self._styled = False
        self._open = False
        self.usage: Usage | None = None
        self.finishes: list[str] = []
        self._settled: list[str] = []
        self._refusals: list[str] = []
        session.run.closing(self._end_line)

    def __call__(self, event: Event) -> None:
        """Take one event, in order of arrival."""
        if isinstance(event, Reasoning):
            self._reason(event.text)
        elif isinstance(event, Usage):
            self.usage = event
        elif isinstance(event, Finish):
            self._end_line()
            self.finishes.append(event.reason)
        elif isinstance(event, Refusal):
            self._refusals.append(event.text)
        elif isinstance(event, Notice):
            self._session.note(event.text)

    def step(self) -> None:
        """End one answer of several: only the last one's finish counts."""
        self._end_line()
        self._settled, self.finishes = self.finishes, []

    def close(self) -> None:
        """Tell usage and warnings; raise IncompleteError for a cut that the user refuses."""
        self._end_line()
        session = self._session
        if self._refusals:
            session.note(f"the model refused: {''.join(self._refusals)}")
        if session.output.usage and session.sender.from_cache:
            session.console.say("usage: none (answered from the cache)")
        elif session.output.usage and self.usage is not None:
            from apiyi_cli.cli.books import estimate
            from apiyi_cli.render.choose import usage_line

            cost = estimate(session, session.models[0], self.usage)
            session.console.say(usage_line(self.usage) + cost)
        elif session.output.usage:
            session.console.say("usage: unknown (the gateway did not tell)")
        for reason in dict.fromkeys(self.finishes or self._settled):
            if warning := _WARNINGS.get(reason):
                if self._strict:
                    raise IncompleteError("the answer is not whole", warning)
                session.note(warning)

    def _reason(self, text: str) -> None:
        if self._reasons and text:
            self._open = not text.endswith("\n")
            self._session.console.say(text, end="", style=self._style())

    def _style(self) -> str:
        from apiyi_cli.render.choose import color_wanted

        session = self._session
        when = session.output.color or "auto"
        return DIM if color_wanted(when, session.run.environ, True) else ""

    def _end_line(self) -> None:
        if self._open:
            self._open = False
            self._session.console.say("")
