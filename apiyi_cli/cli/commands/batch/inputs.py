"""The input of a batch: its rows, and the options that apply to them."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path
from typing import Any

from apiyi_cli.batch.rows.answer_table import AnswerTable, is_table_path
from apiyi_cli.batch.rows.endpoints import ROW_ENDPOINTS
from apiyi_cli.batch.rows.fields import CommandDefaults
from apiyi_cli.batch.rows.identity import IdAssigner
from apiyi_cli.batch.rows.options import RowDefaults
from apiyi_cli.batch.rows.packing import Packer
from apiyi_cli.batch.rows.requests import RowOptions, RowTemplate
from apiyi_cli.batch.rows.row import RowReader
from apiyi_cli.batch.rows.shard import Shard
from apiyi_cli.batch.rows.source import FormChecker, RowSource, choose_form
from apiyi_cli.batch.rows.tables import TableLayout, parse_delimiter
from apiyi_cli.batch.state.resume import PREFIX_BYTES, ResumeState, hash_prefix
from apiyi_cli.build.embed import BATCH_SIZE
from apiyi_cli.build.stream_underneath import stream_underneath
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.client import describe_assembly
from apiyi_cli.core.call import Call
from apiyi_cli.core.encodings import show_name
from apiyi_cli.core.filetypes import find_byte_order_mark
from apiyi_cli.core.options import list_given
from apiyi_cli.core.options.batch import BatchOptions
from apiyi_cli.core.options.embed import EmbedOptions
from apiyi_cli.core.options.request import Model
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

BIG_FILE_BYTES = 2 << 30


class BatchInputs:
    """The rows of a run, and the options that apply to them."""

    def __init__(self, ctx: Context, path: str, options: BatchOptions, rows: RowDefaults) -> None:
        self.options = options
        self._messages = ctx.messages
        self._has_streamed = False
        delimiter = None if options.delimiter is None else parse_delimiter(options.delimiter)
        self._layout = TableLayout(delimiter, options.quote)
        self.form = choose_form(path, options.format, bool(options.lines), self._layout)
        self._template = None
        if options.template is not None:
            text = ctx.inputs.expand_file(options.template)
            self._template = _parse_template(options.template, text, is_lines=self.form == "lines")
        self._params: tuple[str, ...] | None = None
        if options.params is not None:
            names = options.params.split(",")
            self._params = tuple(name.strip() for name in names if name.strip())
        self.source = _open_source(ctx, FormChecker(path, self.form))
        ctx.process.on_exit(self.source.close)
        self.table = self._make_table(ctx.settings.output.output)
        self.shard = None if options.shard is None else Shard(options.shard)
        self._given = {
            option.name: value
            for option, value in list_given(rows)
            if isinstance(value, (str, int, float, list, tuple))
        }
        self.allow_private = bool(rows.allow_private)  # type: ignore[attr-defined]
        self.defaults = _read_defaults(ctx, rows.replace(allow_private=None))

    @property
    def writes_texts(self) -> bool:
        """Return True if the output holds answers only, without their records."""
        return bool(self.options.text) or self.table is not None

    def prepare(self, call: Call) -> Call:
        """Return the request to send for a row's request: long answers are streamed.

        The row is known by its own request, whatever way it is sent.
        """
        if self.options.stream is False:
            return call
        sent = stream_underneath(call, self.defaults.families)
        if sent.assembled and not self._has_streamed:
            self._has_streamed = True
            self._messages.debug(describe_assembly())
        return sent

    def make_packer(self) -> Packer:
        """Return what puts rows for embeddings together."""
        return Packer(self.defaults.pack_size)

    def rows(self, past: ResumeState) -> RowReader:
        """Return the rows from the first; rows of earlier runs keep their ids."""
        ids = IdAssigner(past.ids, past.old_ids.find, past.knows)
        return self.read_rows(ids, past.is_old or bool(past.old_ends))

    def read_rows(self, ids: IdAssigner, by_index: bool) -> RowReader:
        """Return the rows from the first, with ids from an assigner."""
        options = self.options
        row_options = RowOptions(
            self.form,
            self.defaults,
            layout=self._layout,
            endpoint=options.endpoint,
            template=self._template,
            params=self._params,
            shard=self.shard,
            strict=bool(options.strict),
            join=bool(options.join),
            table=self.table,
            note=self._messages.note_once,
        )
        return RowReader(self.source, row_options, ids, shards_by_index=by_index)

    def refuse_columns(self) -> None:
        """Raise UsageError if the output is a table that cannot have the input's columns.

        To be called before anything is opened; what can be read only once is checked later.
        """
        if self.table is None or not self.source.is_regular:
            return
        record = next(self.source.records(self.form, self._layout), None)
        if record is not None:
            self.table.begin(record.table)

    def header(self) -> dict[str, Any]:
        """Return what the journal's header says about the input."""
        prefix = self.source.prefix(PREFIX_BYTES)
        return {
            "input": {
                "name": self.source.name,
                "size": len(prefix),
                "sha": hash_prefix(prefix) if prefix else None,
            },
            "endpoint": self.options.endpoint,
            # `batch verify --rows` reads the same rows with these.
            "rows": {
                "models": dict(self.defaults.models),
                "options": list(self.defaults.options),
                "defaults": self._given,
            },
            "options": {
                option.name: value
                for option, value in list_given(self.options)
                if isinstance(value, (str, int, float))
            },
        }

    def is_same(self, past: ResumeState) -> bool:
        """Return True if this may be the input of the output's first run, possibly longer.

        A pipe is believed.
        """
        known = past.header.get("input")
        if self.options.resume or not known or not self.source.is_regular or not past.records:
            return True
        return bool(hash_prefix(self.source.prefix(known["size"])) == known["sha"])

    def has_replaced(self, past: ResumeState) -> bool:
        """Return True if this is the output's input, unchanged."""
        known = past.header.get("input") or {}
        return not self.options.resume and known.get("name") == self.source.name

    @property
    def total(self) -> int | None:
        """Return the approximate number of rows, None if that would be a guess."""
        if self.shard is not None or self.form in ("csv", "tsv") or not self.source.is_regular:
            return None
        if self.source.path != "-" and Path(self.source.path).stat().st_size > BIG_FILE_BYTES:
            return None
        return self.source.count_lines()

    def _make_table(self, output: str | None) -> AnswerTable | None:
        """Return the table for the answers, None if the output is not a table."""
        options = self.options
        if output is None or not is_table_path(output):
            if options.answer is not None:
                why = Text("-o names no table")
                raise UsageError(Text("cannot use --answer"), why, hint="-o answers.csv")
            return None
        if options.text:
            raise UsageError(
                Text("cannot use --text with -o {output}", output=output),
                Text("a table has each answer beside its row"),
                hint="-o answers.txt --text",
            )
        has_mark = find_byte_order_mark(self.source.prefix(4)) is not None
        return AnswerTable(output, self.form, options.answer, has_mark=has_mark)


def _parse_template(name: str, text: str, *, is_lines: bool) -> RowTemplate:
    """Return the template. Raises UsageError for one that names no column."""
    template = RowTemplate(text)
    if not template.fields:
        example = text.replace("{{", "{").replace("}}", "}") if "{{" in text else "{text}"
        if is_lines:
            example = "{line}"
        raise UsageError(
            Text("cannot use --template {given}", given=show_name(name)),
            Text("it names no column or field, so that every row would be the same request"),
            hint=f"--template {quote_word(example)}",
        )
    return template


def _read_defaults(ctx: Context, rows: RowDefaults) -> CommandDefaults:
    from apiyi_cli.build.schemas.schema import read_schema
    from apiyi_cli.build.tools import parse_tool_choice, read_tools

    inputs, settings = ctx.inputs, ctx.settings
    values = {option.name: value for option, value in list_given(settings.fill(rows))}
    system = values.pop("system", None)
    schema = values.pop("schema", None)
    tools = values.pop("tool", None) or ()
    functions = read_tools([inputs.text_or_file(tool, "--tool") for tool in tools])
    tool_choice = values.pop("tool_choice", None)
    in_embed = settings.for_rows("embed").fill(EmbedOptions()).batch_size
    models = {name: settings.for_rows(name).fill(Model()).model for name in ROW_ENDPOINTS}
    return CommandDefaults(
        models={name: model for name, model in models.items() if model is not None},
        force_model=bool(settings.fill(Model()).force_model),
        values=values,
        typed=frozenset(option.name for option, _ in list_given(rows)),
        system=None if system is None else inputs.expand_file(system),
        schema=None if schema is None else read_schema(inputs.text_or_file(schema, "--schema")),
        protocol=values.pop("protocol", None) or "auto",
        json_mode=bool(values.pop("json_mode", None)),
        functions=functions,
        tool_choice=None if tool_choice is None else parse_tool_choice(tool_choice, functions),
        options=ctx.inputs.read_options(ctx.settings.request),
        families=settings.families,
        aliases=settings.config.aliases,
        refuse=settings.find_refusal,
        pack_size=values.pop("batch_size", None) or in_embed or BATCH_SIZE,
    )


def _open_source(ctx: Context, checker: FormChecker) -> RowSource:
    """Return the checked input: of a file all of it, of a pipe the beginning."""
    path = checker.path
    if path != "-" and (os.path.isfile(path) or not os.path.exists(path)):
        source = RowSource(path, encoding=ctx.inputs.encoding)
        source.check(checker)
        return source
    pieces = ctx.inputs.text_pieces(Text("the rows"), path, judge=checker)
    first = next(pieces, b"")
    return RowSource(path, lambda: chain((first,), pieces))
