"""Makes a row's request from short fields, a template, or OpenAI's batch line."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apiyi_cli.batch.rows.answer_table import AnswerTable
from apiyi_cli.batch.rows.endpoints import (
    ROW_ENDPOINTS,
    RowEndpoint,
    build_whole,
    find_by_url,
    find_model,
)
from apiyi_cli.batch.rows.fields import CommandDefaults, InvalidField
from apiyi_cli.batch.rows.shard import Shard
from apiyi_cli.batch.rows.source import Form, SourceRecord
from apiyi_cli.batch.rows.tables import InputTable, TableLayout
from apiyi_cli.core.call import Call
from apiyi_cli.core.jsontext import write_text
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


class RowTemplate:
    """A text with fields, `Translate: {text}`; `{{` and `}}` are braces."""

    def __init__(self, text: str) -> None:
        what = Text("cannot use --template {text}", text=repr(text))
        hint = Text("write {{ for a brace")
        try:
            pieces = list(string.Formatter().parse(text))
        except ValueError as failure:
            raise UsageError(what, str(failure), hint=hint) from None
        self._pieces = [(literal, name) for literal, name, _, _ in pieces]
        self.fields = tuple(dict.fromkeys(name for _, name in self._pieces if name is not None))
        if any(spec or conversion for _, _, spec, conversion in pieces) or "" in self.fields:
            why = Text("braces hold the name of a column or field, nothing else")
            raise UsageError(what, why, hint=hint)

    def text(self, fields: Mapping[str, Any]) -> str:
        """Return the text for one row. Raises InvalidField if the row lacks a field."""
        parts = []
        for literal, name in self._pieces:
            parts.append(literal)
            if name is not None:
                if name not in fields:
                    why = Text(
                        "the template wants {{{name}}}, and the row has no {name}", name=name
                    )
                    raise InvalidField("", why)
                value = fields[name]
                parts.append(value if isinstance(value, str) else write_text(value))
        return "".join(parts)


@dataclass(frozen=True)
class RowOptions:
    """What the options of the same names say about all rows.

    Without an `endpoint` short rows ask chat, and OpenAI's rows what their `url` says. With a
    `template` all fields are its data but those in `params`; without one all are fields of the
    request, or the input and `params` alone. `table` is the output if it is a table; `note`
    prints notes about all rows.
    """

    form: Form
    defaults: CommandDefaults
    layout: TableLayout = TableLayout()
    endpoint: str | None = None
    template: RowTemplate | None = None
    params: tuple[str, ...] | None = None
    shard: Shard | None = None
    strict: bool = False
    join: bool = False
    table: AnswerTable | None = None
    note: Callable[[str], None] = lambda text: None

    @property
    def short_endpoint(self) -> RowEndpoint:
        """Return the endpoint that short rows ask."""
        return ROW_ENDPOINTS[self.endpoint or "chat"]


def build_request(record: SourceRecord, options: RowOptions) -> tuple[RowEndpoint, Call]:
    """Return the endpoint and the request of a record that has fields.

    Raises InvalidField, MissingModel, and the UsageError of what builds the request.
    """
    fields = dict(record.fields or {})
    fields.pop("custom_id", None)
    aliases = options.defaults.aliases
    if isinstance(fields.get("body"), dict) and options.form == "jsonl":
        fields["body"] = _with_real_model(fields["body"], aliases)
        return _read_openai_row(fields, options)
    fields = _with_real_model(fields, aliases)
    fields.pop("id", None)
    endpoint = options.short_endpoint
    if "url" in fields and "body" in fields:
        raise InvalidField("body", Text("it is not an object"))
    if options.template is not None:
        text = options.template.text(record.fields or {})
        fields = {endpoint.input: text, **_pick(fields, options.params or ())}
    elif options.form == "lines":
        fields = {endpoint.input: fields["line"]}
    elif options.params is not None:
        fields = _pick(fields, (endpoint.input, "messages", *options.params))
    if options.strict and (name := endpoint.find_unknown(fields)):
        why = Text("apiyi {endpoint} has no such option or field", endpoint=endpoint.name)
        raise InvalidField(name, why)
    is_table = options.form in ("csv", "tsv")
    return endpoint, endpoint.call(fields, options.defaults, as_text=is_table)


def _with_real_model(fields: dict[str, Any], aliases: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a row with the model behind the user's own name."""
    name = fields.get("model")
    if not aliases or not isinstance(name, str) or name not in aliases:
        return fields
    return {**fields, "model": aliases[name]}


def refuse_bad_columns(table: InputTable, options: RowOptions, place: str) -> None:
    """Raise UsageError if a column that every row needs is missing or ambiguous."""
    endpoint = options.short_endpoint
    if options.template is not None:
        needed: tuple[str, ...] = options.template.fields
    else:
        needed = (endpoint.input,)
    needed += options.params or ()
    used = {*needed, "id", "custom_id"}
    if options.template is None and options.params is None:
        used |= {"model", *endpoint.options}
    if doubled := sorted(used & table.doubled):
        what = Text("{place} has the column {doubled} twice", place=place, doubled=doubled[0])
        raise UsageError(what, Text("one of the two must be renamed"))
    columns = [name for name in table.columns if name]
    for name in needed:
        if name not in table.usable:
            example = "{" + (columns[-1] if columns else "text") + "}"
            what = Text("{place} has no column {name}", place=place, name=name)
            why = Text("its columns are {columns}", columns=", ".join(columns))
            raise UsageError(what, why, hint=f"--template {quote_word('Translate: ' + example)}")


def describe_params(fields: Mapping[str, Any], options: RowOptions) -> str | None:
    """Return which columns are request fields, or which could be and are not."""
    known = options.short_endpoint.options
    names = [name for name in fields if name == "model" or name in known]
    if options.params is not None or options.form == "lines" or not names:
        return None
    if options.template is None:
        if options.form == "jsonl":
            return None
        return Text(
            "columns sent as request fields: {names} (--params names them)", names=", ".join(names)
        )
    unused = [name for name in names if name not in options.template.fields]
    if not unused:
        return None
    return Text(
        "columns not sent: {names} (--params {names} makes them request fields)",
        names=",".join(unused),
    )


def _read_openai_row(fields: dict[str, Any], options: RowOptions) -> tuple[RowEndpoint, Call]:
    url, method, body = fields.get("url"), fields.get("method", "POST"), fields["body"]
    endpoint = options.short_endpoint
    if url is not None:
        known = find_by_url(url) if isinstance(url, str) else None
        if known is None:
            raise InvalidField("url", Text("no endpoint is known for {url}", url=repr(url)))
        if options.endpoint is not None and known.name != endpoint.name:
            why = Text(
                "{url} is a row for apiyi {found}, not {endpoint}",
                url=url,
                found=known.name,
                endpoint=endpoint.name,
            )
            raise InvalidField("url", why)
        endpoint = known
    if endpoint.name == "transcribe":
        why = Text('it cannot hold a recording; a row names one: {"file": "a.mp3"}')
        raise InvalidField("body", why)
    if not isinstance(method, str) or method.upper() != "POST":
        raise InvalidField("method", Text("it is not POST"))
    if options.strict:
        for name in fields:
            if name not in ("id", "method", "url", "body"):
                raise InvalidField(name, Text("OpenAI's batch rows have no such field"))
    address = url if isinstance(url, str) else ""
    own = find_model(endpoint, address, body)
    if not isinstance(own, str | None):
        raise InvalidField("body", Text("its model is no text"))
    model = options.defaults.check_model(own, endpoint.name)
    return endpoint, build_whole(endpoint, address, body, model)


def _pick(fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: fields[name] for name in names if name in fields}
