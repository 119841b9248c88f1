"""Output lines of `apiyi embed`, and messages about inputs without a vector."""

from __future__ import annotations

from typing import Any

from apiyi_cli.cli.commands.embed.items import EmbedResult
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.output.failures import ItemFailures
from apiyi_cli.core.options.embed import EmbedOptions
from apiyi_cli.errors import ApiyiError, IncompleteError, PartialError, RejectedError
from apiyi_cli.text import Text, map_text


class LineFormatter:
    """Makes the output lines of inputs. Its methods may be called from any thread."""

    def __init__(self, ctx: Context, options: EmbedOptions) -> None:
        self._ctx = ctx
        self._options = options

    def format(self, result: EmbedResult) -> bytes:
        """Return the output line of an input."""
        from apiyi_cli.core.jsontext import write
        from apiyi_cli.decode.embed import with_error, with_vector

        item, options = result.item, self._options
        if result.line is not None:
            return result.line
        if result.error is not None:
            error = write(self.describe_error(result.error))
            if item.line:
                return with_error(item.line, error)
            text = b"" if options.text is False or not item.text else write(item.text)
            shown = b'"text":%s,' % text if text else b""
            return b'{"index":%d,%s"error":%s}\n' % (item.number, shown, error)
        assert result.vector is not None
        if options.jsonl is not None:
            return with_vector(item.line, result.vector)
        if options.text is False:
            return b'{"index":%d,"embedding":%s}\n' % (item.number, result.vector)
        text = write(item.text)
        return b'{"index":%d,"text":%s,"embedding":%s}\n' % (item.number, text, result.vector)

    def describe_error(self, error: ApiyiError) -> dict[str, Any]:
        """Return an error in the form of batch records."""
        from apiyi_cli.batch.state.record import name_class

        facts = error.facts
        message = f"{error.what}: {error.why}" if error.why else str(error.what)
        return {
            "code": facts.code or (str(facts.status) if facts.status is not None else None),
            "type": type(error).__name__,
            "message": map_text(message, self._ctx.messages.redact),
            "class": name_class(error),
            "maybe_billed": False,
        }

    def filter(self, result: EmbedResult) -> EmbedResult:
        """Return a result with its line through `--jq`; if that fails, the line is kept."""
        ctx = self._ctx
        if ctx.output.jq_filter is None or result.line is not None:
            return result
        line = self.format(result)
        try:
            return result._replace(line=b"".join(ctx.output.filter_lines([line])))
        except IncompleteError as failure:
            return result._replace(line=line, error=result.error or failure)


class EmbedFailures(ItemFailures):
    """Names the inputs without a vector on stderr."""

    def raise_any(self, succeeded: int, earlier: int = 0) -> None:
        """Raise what the run ends with: the refusal itself where all failed alike, else
        PartialError. `earlier` runs have failures in the file, too."""
        count = self.count + earlier
        if not count:
            return
        if isinstance(self.common, RejectedError) and not succeeded and not earlier:
            raise self.common
        raise PartialError(
            Text("{count} inputs have no vector", count=count),
            Text("they are named above")
            if not earlier
            else Text("their lines in the output say why"),
        )
