"""What a batch is made of: its rows, and what the options say about them."""

from __future__ import annotations

import os
import shlex
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apiyi_cli.batch.rows.endpoints import ENDPOINTS
from apiyi_cli.batch.rows.fields import CommandDefaults
from apiyi_cli.batch.rows.identity import IdAssigner
from apiyi_cli.batch.rows.options import RowDefaults
from apiyi_cli.batch.rows.row import RowReader
from apiyi_cli.batch.rows.shard import Shard
from apiyi_cli.batch.rows.source import FormChecker, RowSource, choose_form
from apiyi_cli.batch.rows.tables import TableLayout, parse_delimiter
from apiyi_cli.batch.rows.template import RowTemplate
from apiyi_cli.batch.state.answer_table import AnswerTable, is_table_path
from apiyi_cli.batch.state.resume import PREFIX_BYTES, ResumeState, hash_prefix
from apiyi_cli.core.encodings import show_name
from apiyi_cli.core.options import given
from apiyi_cli.core.options.batch import Batching
from apiyi_cli.core.options.request import Model
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context

BIG_FILE = 2 << 30


class BatchInputs:
    """The rows of the run, and all that the options say about them."""

    def __init__(self, ctx: Context, path: str, options: Batching, rows: RowDefaults) -> None:
        self.options = options
        self._ctx = ctx
        self._told: set[str] = set()
        delimiter = None if options.delimiter is None else parse_delimiter(options.delimiter)
        self._layout = TableLayout(delimiter, options.quote)
        self.form = choose_form(path, options.format, bool(options.lines), self._layout)
        self._template = self._filling()
        self._params = _names(options.params)
        self.source = _opened(ctx, FormChecker(path, self.form))
        ctx.process.on_exit(self.source.close)
        self.table = self._answer_table(ctx.settings.output.output)
        self.shard = None if options.shard is None else Shard(options.shard)
        self._given = {
            one.name: value
            for one, value in given(rows)
            if isinstance(value, (str, int, float, list, tuple))
        }
        self.allow_private = bool(rows.allow_private)  # type: ignore[attr-defined]
        self.defaults = _defaults(ctx, rows.replace(allow_private=None))

    def rows(self, past: ResumeState) -> RowReader:
        """Return the rows from the first on; those that earlier runs had keep their ids."""
        identities = IdAssigner(past.ids, past.old_ids, past.knows)
        return self.rows_by(identities, past.is_old or bool(past.old_ends))

    def rows_by(self, identities: IdAssigner, by_index: bool) -> RowReader:
        """Return the rows from the first on, with the ids that `identities` gives."""
        return RowReader(
            self.source,
            self.form,
            self.defaults,
            identities,
            layout=self._layout,
            endpoint=self.options.endpoint,
            template=self._template,
            params=self._params,
            shard=self.shard,
            strict=bool(self.options.strict),
            join=bool(self.options.join),
            columns=self.table,
            tell=self._tell_once,
            shards_by_index=by_index,
        )

    def _answer_table(self, output: str | None) -> AnswerTable | None:
        """Return the table that the answers go into, None where the output is no table."""
        options = self.options
        if output is None or not is_table_path(output):
            if options.answer is not None:
                raise UsageError(
                    Text("cannot use --answer"), Text("-o names no table"), hint="-o answers.csv"
                )
            return None
        if options.text:
            raise UsageError(
                Text("cannot use --text with -o {output}", output=output),
                Text("a table has each answer beside its row"),
                hint="-o answers.txt --text",
            )
        mark = self.source.has_mark()
        return AnswerTable(output, self.form, options.answer, has_mark=mark)

    def refuse_columns(self) -> None:
        """Raise UsageError where the output is a table that cannot have the input's columns.

        To be called before anything is opened; what can be read only once is judged later.
        """
        if self.table is None or not self.source.is_regular:
            return
        record = next(self.source.records(self.form, self._layout), None)
        if record is not None:
            self.table.begin(record.table)

    def _filling(self) -> RowTemplate | None:
        """Return the template. Raises UsageError for one that names no column."""
        given = self.options.template
        if given is None:
            return None
        text = self._ctx.inputs.at(given)
        filling = RowTemplate(text)
        if not filling.fields:
            bare = text.replace("{{", "{").replace("}}", "}") if "{{" in text else "{text}"
            if self.form == "lines":
                bare = "{line}"
            raise UsageError(
                Text("cannot use --template {given}", given=show_name(given)),
                Text("it names no column or field, so that every row would be the same request"),
                hint=f"--template {shlex.quote(bare)}",
            )
        return filling

    def _tell_once(self, text: str) -> None:
        """Print a notice about all rows, once though the rows are gone through twice."""
        if text not in self._told:
            self._told.add(text)
            self._ctx.messages.note(text)

    def header(self) -> dict[str, Any]:
        """Return what the journal says of the input."""
        prefix = self.source.prefix(PREFIX_BYTES)
        return {
            "input": {
                "name": self.source.name,
                "size": len(prefix),
                "sha": hash_prefix(prefix) if prefix else None,
            },
            "endpoint": self.options.endpoint,
            # What `batch verify --rows` needs to know the rows again.
            "rows": {
                "models": dict(self.defaults.models),
                "options": list(self.defaults.options),
                "defaults": self._given,
            },
            "options": {
                one.name: value
                for one, value in given(self.options)
                if isinstance(value, (str, int, float))
            },
        }

    def is_same(self, past: ResumeState) -> bool:
        """Tell whether the input may be the one that the output was begun with, or more of it.

        A pipe is believed.
        """
        known = past.header.get("input")
        if self.options.resume or not known or not self.source.is_regular:
            return True
        if not past.records:
            return True
        return bool(hash_prefix(self.source.prefix(known["size"])) == known["sha"])

    def has_replaced(self, past: ResumeState) -> bool:
        """Return True if this is the input that the output has, as it is now."""
        known = past.header.get("input") or {}
        return not self.options.resume and known.get("name") == self.source.name

    @property
    def total(self) -> int | None:
        """Return how many rows there are at a glance, None when that would be a guess."""
        if self.shard is not None or self.form in ("csv", "tsv") or not self.source.is_regular:
            return None
        if self.source.path != "-" and Path(self.source.path).stat().st_size > BIG_FILE:
            return None
        return self.source.line_count()


def _defaults(ctx: Context, rows: RowDefaults) -> CommandDefaults:
    from apiyi_cli.build.schema import read_schema
    from apiyi_cli.build.tools import parse_tool_choice, read_tools
    from apiyi_cli.cli.conversation.request import body_options

    typed = frozenset(one.name for one, _ in given(rows))
    filled = {one.name: value for one, value in given(ctx.settings.fill(rows))}
    read = ctx.inputs
    system = filled.pop("system", None)
    wanted = filled.pop("schema", None)
    functions = read_tools(
        [read.text_or_file(one, "--tool") for one in filled.pop("tool", None) or ()]
    )
    chosen = filled.pop("tool_choice", None)
    of_endpoint = {name: ctx.settings.for_rows(name).fill(Model()).model for name in ENDPOINTS}
    return CommandDefaults(
        models={name: model for name, model in of_endpoint.items() if model is not None},
        force_model=bool(ctx.settings.fill(Model()).force_model),
        values=filled,
        typed=typed,
        system=None if system is None else read.at(system),
        schema=None if wanted is None else read_schema(read.text_or_file(wanted, "--schema")),
        json_mode=bool(filled.pop("json_mode", None)),
        functions=functions,
        tool_choice=None if chosen is None else parse_tool_choice(chosen, functions),
        options=body_options(ctx),
        families=ctx.settings.families,
    )


def _opened(ctx: Context, judge: FormChecker) -> RowSource:
    """Return the input once it has been judged: a file whole, a pipe by how it begins."""
    sources, path = ctx.inputs, judge.path
    if path != "-" and (os.path.isfile(path) or not os.path.exists(path)):
        source = RowSource(path, encoding=sources.encoding)
        source.judge(judge)
        return source
    pieces = sources.text_pieces(Text("the rows"), path, judge=judge)
    first = next(pieces, b"")
    return RowSource(path, lambda: chain((first,), pieces))


def _names(text: str | None) -> tuple[str, ...] | None:
    """Return the names in `a,b`, None where nothing was said."""
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip())
