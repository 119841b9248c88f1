"""`Messages`: everything that the program prints on stderr, translated and redacted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from apiyi_cli.core.options.output import Output
from apiyi_cli.errors import ApiyiError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.core.language import Translate
    from apiyi_cli.core.terminal_text import Content
    from apiyi_cli.output.console import Console


class Messages:
    """The only writer of messages on stderr.

    `as_json` has errors printed as JSON objects, for programs; where the run `is_verbose`, after
    the lines for people, which are in their language. `options` returns the output
    options in force; it is set when the command is known, and asked when it is needed: reading
    them may fail with the configuration.
    """

    def __init__(self, console: Console, environ: Mapping[str, str]) -> None:
        self._console = console
        self._environ = environ
        self.as_json = False
        self.is_verbose = False
        self._noted: set[str] = set()
        self.options: Callable[[], Output] = Output

    def note(self, text: str) -> None:
        """Print a notice unless -q is given."""
        if not self.options().quiet:
            self.print_line(text)

    def note_once(self, text: str) -> None:
        """Print a notice as `note` does, unless it was printed so before."""
        if text not in self._noted:
            self._noted.add(text)
            self.note(text)

    def debug(self, text: str) -> None:
        """Print a text if -v is given."""
        if self.options().verbose:
            self.print(text)

    def error(self, failure: ApiyiError) -> None:
        """Print an error: a line and a hint, or one JSON object for programs."""
        as_json = self._wants_json()
        if not as_json or self.is_verbose:
            self.print_line(failure.sentence())
            if failure.hint:
                try_ = self.translate(Text("try: "))
                self._console.say(f"  {try_}{self.translate(failure.hint)}")
        if as_json:
            from apiyi_cli.cli.records import describe_error
            from apiyi_cli.core.jsontext import write_text

            self.print(write_text({"error": describe_error(failure, self.redact)}), "json")

    def print_line(self, text: str) -> None:
        """Print a message with the name of the program before it."""
        self._console.say(f"apiyi: {self.translate(text)}")

    def print(self, text: str, content: Content = "text") -> None:
        """Print a text unchanged."""
        self._console.say(self.translate(text), content=content)

    def print_piece(self, text: str, style: str) -> None:
        """Print a piece of a longer text, such as reasoning."""
        self._console.say(text, end="", style=style)

    def ask(self, question: str) -> str | None:
        """Ask a question and return the typed answer, stripped; None at the end of stdin."""
        return self._console.ask(self.translate(question))

    def print_faint(self, text: str) -> None:
        """Print a secondary line, dim if stderr has colour, unless -q is given."""
        output = self.options()
        if output.quiet:
            return
        from apiyi_cli.render.choose import should_color

        dim = should_color(output.color or "auto", self._environ, self._console.stderr_is_terminal)
        self._console.say(self.translate(text), style="2" if dim else "")

    def status(self, text: str) -> None:
        """Show a text as the terminal's last line, cut to it; "" removes it."""
        if self.options().quiet:
            return
        if text:
            from apiyi_cli.render.wrap import clip

            text = clip(self.translate(text), self._console.width - 1)
        self._console.status(text)

    def redact(self, text: str) -> str:
        """Return the text with keys redacted."""
        return self._console.redact(text)

    @cached_property
    def translate(self) -> Translate:
        """Return the translator into the user's language."""
        from apiyi_cli.core.language import translator
        from apiyi_cli.settings.language import find_configured

        return translator(self._environ, find_configured(self._environ))

    def _wants_json(self) -> bool:
        if self.as_json:
            return True
        try:
            output = self.options()
        except ApiyiError:
            return False
        return bool(output.json or output.ndjson)
