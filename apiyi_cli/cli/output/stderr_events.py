"""`StderrEvents`: prints events outside the answer; checks that the answer is whole."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from apiyi_cli.cli.process import Process
from apiyi_cli.cli.settings import CommandSettings
from apiyi_cli.core.events import Empty, Event, Finish, Notice, Reasoning, Refusal, Usage
from apiyi_cli.core.options.chat import AnswerForm
from apiyi_cli.errors import IncompleteError, describe_billing
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.gateway.client import GatewayClient

_WARNINGS = {
    "stop": "",
    "tool_calls": "",
    "length": Text("the answer was cut off by the token limit (raise --max-tokens)"),
    "content_filter": Text("the answer was cut off by a content filter"),
}
DIM = "2"


def describe_finish(reason: str) -> str:
    """Return the warning about why an answer ended, "" for a usual end."""
    if (warning := _WARNINGS.get(reason)) is not None:
        return warning
    return Text(
        "the answer ended for an unknown reason, {reason}: it may lack its end", reason=reason
    )


def empty_answer(why: str, place: str | None = None) -> IncompleteError:
    """Return the error for a complete answer with nothing to print, kept at `place`."""
    advice = filter(None, (Text("running it again may be billed again"), place))
    return IncompleteError(
        Text("the answer has nothing to print"), why, hint=describe_billing("yes", *advice)
    )


class StderrEvents:
    """Prints events outside the answer on stderr; checks at the end that it is whole.

    Reasoning is dim, and shown on a terminal only. An answer of which nothing was printed is kept.
    """

    def __init__(
        self,
        process: Process,
        settings: CommandSettings,
        gateway: GatewayClient,
        answer: AnswerForm,
    ) -> None:
        self._console = console = process.console
        self._messages = process.messages
        self._settings = settings
        self._gateway = gateway
        self._strict = bool(answer.strict_finish)
        self.shows_reasoning = (
            console.stderr_is_terminal and not answer.hide_reasoning and not settings.output.quiet
        )
        self.usage: Usage | None = None
        self.finishes: list[str] = []
        self._finishes_before: list[str] = []
        self._usages: list[tuple[Usage | None, bool]] = []
        self._refusals: list[str] = []
        self._empty = ""

    def __call__(self, event: Event) -> None:
        """Handle one event, in order of arrival."""
        if isinstance(event, Reasoning):
            if self.shows_reasoning and event.text:
                self._messages.print_piece(event.text, self._style)
        elif isinstance(event, Usage):
            self.usage = event
        elif isinstance(event, Finish):
            self._console.end_speech()
            self.finishes.append(event.reason)
        elif isinstance(event, Refusal):
            self._refusals.append(event.text)
        elif isinstance(event, Notice):
            self._messages.note(event.text)
        elif isinstance(event, Empty):
            self._empty = event.why

    def step(self) -> None:
        """End one answer of several: only the last one's finish counts."""
        self._console.end_speech()
        self._finishes_before, self.finishes = self.finishes, []
        self._usages.append((self.usage, self._gateway.sender.from_cache))
        self.usage = None

    def close(self) -> None:
        """Print usage and warnings.

        Raises IncompleteError for an empty answer, and with `--strict-finish` for a cut one.
        """
        self._console.end_speech()
        if self._refusals:
            self._messages.note(
                Text("the model refused: {refusals}", refusals="".join(self._refusals))
            )
        self._print_usage()
        if self._empty:
            raise empty_answer(self._empty, self._gateway.keep_unused())
        for reason in dict.fromkeys(self.finishes or self._finishes_before):
            if warning := describe_finish(reason):
                if self._strict:
                    raise IncompleteError(Text("the answer is not whole"), warning)
                self._messages.note(warning)

    def _print_usage(self) -> None:
        if not self._settings.output.usage:
            return
        from apiyi_cli.cli.output.usage import UsageTotals, print_usage

        totals = UsageTotals()
        # Without steps there is one answer, which is still open.
        for usage, cached in self._usages or [(self.usage, self._gateway.sender.from_cache)]:
            totals.add(usage, from_cache=cached)
        print_usage(totals, self._settings, self._messages)

    @cached_property
    def _style(self) -> str:
        from apiyi_cli.render.choose import should_color

        when = self._settings.output.color or "auto"
        return DIM if should_color(when, self._settings.environ, True) else ""
