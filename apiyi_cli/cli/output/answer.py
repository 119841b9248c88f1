"""`AnswerOutput`: writes the answer to stdout or the file of `-o`, in its form."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apiyi_cli.core.jsontext import write
from apiyi_cli.errors import UsageError
from apiyi_cli.output.rescue import keep_received
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.process import Process
    from apiyi_cli.core.events import InlineFile
    from apiyi_cli.core.options.chat import AnswerForm
    from apiyi_cli.core.options.output import Output
    from apiyi_cli.core.terminal_text import Content
    from apiyi_cli.render.choose import Renderer
    from apiyi_cli.render.text import EventHandler


class AnswerOutput:
    """Writes the answer by the output options."""

    def __init__(self, process: Process, options: Output) -> None:
        self._process = process
        self._console = process.console
        self.options = options

    @property
    def form(self) -> str:
        """Return the form of the output: text, ndjson or json (`--jq` alone filters json)."""
        if self.options.ndjson:
            return "ndjson"
        return "json" if self.options.json or self.options.jq is not None else "text"

    @property
    def is_terminal(self) -> bool:
        """Return True if the answer goes to a terminal."""
        return self.options.output is None and self._console.stdout_is_terminal

    @property
    def color(self) -> bool:
        """Return True if the answer gets colour."""
        from apiyi_cli.render.choose import should_color

        return should_color(self.options.color or "auto", self._process.environ, self.is_terminal)

    @cached_property
    def jq_filter(self) -> Any:
        """Return the compiled `--jq` program, None without one. Raises before sending."""
        if self.options.jq is None:
            return None
        from apiyi_cli.render.json_line import compile_filter

        return compile_filter(self.options.jq)

    def filter_lines(self, lines: Iterable[bytes]) -> Iterable[bytes]:
        """Return JSON lines through the `--jq` program, if there is one."""
        if self.jq_filter is None:
            return lines
        from apiyi_cli.render.json_line import apply_filter

        return keep_received(apply_filter(lines, self.jq_filter), self._process.rescue)

    def write_records(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write records as lines of JSON, through the `--jq` program if there is one."""
        lines = (write(record) + b"\n" for record in records)
        self.write(self.filter_lines(lines), content="json")

    def write_own_records(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write records that are not a server's as `write_records` does, without keys."""
        from apiyi_cli.cli.records import write_record

        lines = (write_record(record, self._process.messages.redact) for record in records)
        self.write(self.filter_lines(lines), content="json")

    def format_table(
        self,
        rows: Sequence[Sequence[object]],
        headers: Sequence[str],
        figures: Collection[int] = (),
        whole: Collection[int] = (),
        spare: Sequence[int] = (),
    ) -> bytes:
        """Return a table for people, as wide as the terminal; see `render.table`."""
        from apiyi_cli.render.table import format_table

        table = format_table(
            rows,
            headers,
            width=self._console.width,
            color=self.color,
            translate=self._process.messages.translate,
            figures=figures,
            whole=whole,
            spare=spare,
        )
        return table.encode("utf-8", "replace")

    def renderer(self, on_event: EventHandler, answer: AnswerForm, form: str) -> Renderer:
        """Return the renderer of event batches, by the options and the target."""
        from apiyi_cli.render.choose import choose

        window, is_file = self._console.window, self.options.output not in (None, "-")
        # For a terminal, or for a pipe whose reader wants colours (less -R).
        may_lay_out = self.is_terminal or (self.options.color == "always" and not is_file)
        return choose(
            form,  # type: ignore[arg-type]
            on_event=on_event,
            terminal=self.is_terminal,
            markdown=answer.markdown if may_lay_out else False,
            color=self.color,
            width=self._console.width,
            newline=answer.newline is not False,
            assemble=_assemble,
            program=self.jq_filter,
            screen=window if self.is_terminal and window.can_draw else None,
        )

    def require_ready(self) -> None:
        """Check, before sending, that the answer can be written."""
        target = self.options.output
        if target is None or target == "-":
            self._console.require_stdout()
            return
        from apiyi_cli.output.files import refuse_existing

        refuse_existing(Path(target), force=bool(self.options.force))

    def refuse_terminal(self, what: str, hint: str) -> None:
        """Raise UsageError if binary data would go to the terminal."""
        self._console.require_stdout()
        if self._console.stdout_is_terminal:
            raise UsageError(
                Text("cannot write {what} to the terminal", what=what),
                Text("it is no text"),
                hint=hint,
            )

    def write(
        self,
        lines: Iterable[bytes],
        stop: Callable[[], object] | None = None,
        *,
        content: Content | None = None,
        path: Path | None = None,
        to_stdout: bool = False,
    ) -> None:
        """Write the answer to stdout, or whole to `-o`; rescue it if that fails.

        `path` is the file that `-o` means where it is a directory or a template. `stop` is
        called on a failure: it makes `lines` end with what was on its way. `content` is what the
        lines are; by default JSON where the form of the output is a JSON one. `to_stdout` is
        for an `-o` that names a folder, which gets the files of the answer.
        """
        target = None if to_stdout else path or self.options.output
        rescue = self._process.rescue
        if stop is not None:
            rescue = rescue._replace(stop=stop)
        lines = keep_received(lines, rescue)
        if target is None or target == "-":
            kind = content or ("text" if self.form == "text" else "json")
            self._console.write_lines(lines, rescue, kind)
            return
        from apiyi_cli.output.files import write_file

        write_file(lines, Path(target), force=bool(self.options.force), rescue=rescue)

    def keep_attachment(self, attachment: InlineFile) -> str:
        """Save a picture, sound or file of an answer in text. Return the line that names it."""
        import binascii

        try:
            content = binascii.a2b_base64(attachment.base64)
            path = self._process.rescue.keep([content])
        except (ValueError, OSError) as error:
            self._process.messages.note(
                Text(
                    "a part of the answer ({type}) is lost: {reason}",
                    type=attachment.type or "base64",
                    reason=str(error),
                )
            )
            return ""
        return f"{path}\n"


def _assemble(chunks: list[bytes]) -> Any:
    # Imported here: most answers are text.
    from apiyi_cli.decode.answers.assemble import assemble_completion

    return assemble_completion(chunks)
