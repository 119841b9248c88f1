"""Rows: the records of the input as requests, each with its id, its place and its hash.

Three forms of a row: the OpenAI batch line (`body` as it is), a short row (fields, with the
command line's options as defaults), and a text or table filled into a template. A row that
cannot be used is still a row: it has an `error` and no `call`.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from apiyi_cli.batch.rows.endpoints import ENDPOINTS, RowEndpoint, find_by_url
from apiyi_cli.batch.rows.fields import CommandDefaults, InvalidField, MissingModel
from apiyi_cli.batch.rows.identity import IdAssigner, InvalidId, read_id
from apiyi_cli.batch.rows.shard import Shard
from apiyi_cli.batch.rows.source import Form, RowSource, SourceRecord
from apiyi_cli.batch.rows.tables import InputTable, TableLayout
from apiyi_cli.batch.rows.template import RowTemplate
from apiyi_cli.batch.run.judging import wanted_schema
from apiyi_cli.build.body import post
from apiyi_cli.core.call import Call
from apiyi_cli.core.jsontext import Verbatim, is_strict, write_canonical
from apiyi_cli.errors import ApiyiError, UsageError
from apiyi_cli.text import Text


@dataclass(slots=True)
class Row:
    """One row. `index` counts rows from 0, `place` is `FILE:LINE`, `sha` the request's hash.

    `seq` is its turn among the rows that this run writes a record for. `unsaved` is an answer
    that is here already and whose pictures have to be saved, `joined` the input that goes into
    the record, `cells` what stands before the answer in a table.
    """

    index: int
    id: str
    place: str
    sha: str
    endpoint: RowEndpoint | None = None
    call: Call | None = None
    error: ApiyiError | None = None
    seq: int = 0
    unsaved: bytes | None = None
    joined: Any = None
    cells: Sequence[str] = ()


class Columns(Protocol):
    """The columns of an output table; `answer_table.AnswerTable` in real runs."""

    def begin(self, table: InputTable | None) -> None:
        """Take the columns from the input; raise if they cannot be written."""

    def cells_of(self, record: SourceRecord, id: str) -> Sequence[str]:
        """Return what stands before the answer of a record."""


class RowReader:
    """The rows of an input, once through. `ids` learns each id (its flag SEEN).

    `endpoint` is the word of a command; None is chat for short rows, and whatever the `url`
    says for OpenAI's. `strict` refuses fields that nobody knows. With a `template` all fields
    are its data but those that `params` names; without one all are the request's, or the input
    and `params` alone. `tell` is told once what becomes of columns that could be either.
    `columns` are those of the output, where it is a table.
    """

    def __init__(
        self,
        source: RowSource,
        form: Form,
        defaults: CommandDefaults,
        identities: IdAssigner,
        *,
        layout: TableLayout = TableLayout(),
        endpoint: str | None = None,
        template: RowTemplate | None = None,
        params: tuple[str, ...] | None = None,
        shard: Shard | None = None,
        strict: bool = False,
        shards_by_index: bool = False,
        join: bool = False,
        columns: Columns | None = None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._columns = columns
        self._source = source
        self._form = form
        self._defaults = defaults
        self._identities = identities
        self._shards_by_index = shards_by_index
        self._named = ENDPOINTS[endpoint] if endpoint is not None else None
        self._layout = layout
        self._template = template
        self._params = params
        self._shard = shard
        self._strict = strict
        self._join = join
        self._tell = tell
        self._is_noted = False
        self._noted_schema: Any = None
        self._records = enumerate(source.records(form, layout))
        first = self._named or ENDPOINTS["chat"]
        defaults.of(first.name, first.options)

    def __iter__(self) -> Iterator[Row]:
        for index, record in self._records:
            if not self._is_noted and record.fields is not None:
                self._is_noted = True
                if record.table is not None:
                    self._check_columns(record.table)
                if self._columns is not None:
                    self._columns.begin(record.table)
                self._note_params(record.fields)
            row = self._row(index, record)
            if row is not None:
                yield row

    def count_rest(self) -> int:
        """Count the rows that were not taken, without making requests of them if possible."""
        return sum(1 for _ in (self._records if self._shard is None else self))

    def _row(self, index: int, record: SourceRecord) -> Row | None:
        """Return the row of a record, None when it belongs to another shard."""
        place = f"{self._source.name}:{record.line}"
        named: str | None = None
        error: ApiyiError | None = None
        try:
            named = read_id(record.fields or {})
        except InvalidId as invalid:
            column = _column(record, invalid.name)
            told = Text("{field}: {why}", field=invalid.name, why=invalid.why)
            error = _refused(f"{place}:{column}", told)
        home = str(index) if named is None and self._shards_by_index else named
        if home is not None and self._is_elsewhere(home):
            return None
        if named is not None and (why := self._identities.take(named)) is not None:
            # A record of its own: under the same id it would replace the other row's answer.
            error, named = _refused(f"{place}:{_column(record, 'id', 'custom_id')}", why), None
        endpoint, call = None, None
        if error is None and record.fields is None:
            error = _refused(f"{place}:{record.column}", record.why)
        elif error is None:
            try:
                endpoint, made = self._request(record)
                self._note_unchecked(made)
                call = made
            except (InvalidField, MissingModel, UsageError) as failure:
                error = self._told(index, record, place, failure)
        sha = _sha(record.raw) if call is None else hash_call(call)
        id = self._identities.make(sha) if named is None else named
        if home is None and self._is_elsewhere(id):
            return None
        joined = _input_of(record) if self._join else None
        row = Row(index, id, place, sha, endpoint, call, error, joined=joined)
        if self._columns is not None and error is None:
            row.cells = self._columns.cells_of(record, id)
        return row

    def _is_elsewhere(self, home: str) -> bool:
        """Return True if what a row is assigned by belongs to another shard."""
        return self._shard is not None and not self._shard.has(home)

    def _told(
        self,
        index: int,
        record: SourceRecord,
        place: str,
        failure: InvalidField | MissingModel | UsageError,
    ) -> ApiyiError:
        """Return why there is no request, with the place. Raises where that holds for all."""
        if isinstance(failure, InvalidField):
            told = failure.why
            if failure.name:
                told = Text("{field}: {why}", field=failure.name, why=failure.why)
            return _refused(f"{place}:{_column(record, failure.name)}", told)
        if isinstance(failure, UsageError):
            return _refused(f"{place}:1", failure.summary())
        if index == 0:
            raise _no_model(failure, place) from None
        why = failure.why or Text("the row has no model, and none is set")
        return _refused(f"{place}:1", why)

    def _request(self, record: SourceRecord) -> tuple[RowEndpoint, Call]:
        fields = dict(record.fields or {})
        fields.pop("custom_id", None)
        if isinstance(fields.get("body"), dict) and self._form == "jsonl":
            return self._ready(fields)
        fields.pop("id", None)
        endpoint = self._named or ENDPOINTS["chat"]
        if "url" in fields and "body" in fields:
            raise InvalidField("body", Text("it is not an object"))
        if self._template is not None:
            filled = self._template.text(record.fields or {})
            fields = {endpoint.input: filled, **_picked(fields, self._params or ())}
        elif self._form == "lines":
            fields = {endpoint.input: fields["line"]}
        elif self._params is not None:
            fields = _picked(fields, (endpoint.input, "messages", *self._params))
        if self._strict and (name := endpoint.unknown(fields)):
            raise InvalidField(
                name, Text("apiyi {endpoint} has no such option or field", endpoint=endpoint.name)
            )
        return endpoint, endpoint.call(fields, self._defaults, as_text=self._form in ("csv", "tsv"))

    def _check_columns(self, table: InputTable) -> None:
        """Raise UsageError when the table lacks a column that every row needs, or has two."""
        endpoint = self._named or ENDPOINTS["chat"]
        if self._template is not None:
            needed: tuple[str, ...] = self._template.fields
        else:
            needed = (endpoint.input,)
        used = {*needed, *(self._params or ()), "id", "custom_id"}
        if self._template is None and self._params is None:
            used |= {"model", *endpoint.options}
        place = f"{self._source.name}:1"
        if doubled := sorted(used & table.doubled):
            raise UsageError(
                Text("{place} has the column {doubled} twice", place=place, doubled=doubled[0]),
                Text("one of the two must be renamed"),
            )
        columns = [name for name in table.columns if name]
        for name in (*needed, *(self._params or ())):
            if name not in table.usable:
                example = "{" + (columns[-1] if columns else "text") + "}"
                raise UsageError(
                    Text("{place} has no column {name}", place=place, name=name),
                    Text("its columns are {columns}", columns=", ".join(columns)),
                    hint=f"--template {shlex.quote('Translate: ' + example)}",
                )

    def _note_params(self, fields: Mapping[str, Any]) -> None:
        """Say once which columns are request fields, or which are not though they could be."""
        endpoint = self._named or ENDPOINTS["chat"]
        could = [name for name in fields if name == "model" or name in endpoint.options]
        if self._params is not None or self._form == "lines" or not could:
            return
        names = ", ".join(could)
        if self._template is None:
            if self._form != "jsonl":
                self._tell(
                    Text(
                        "columns sent as request fields: {names} (--params names them)", names=names
                    )
                )
        elif unused := [name for name in could if name not in self._template.fields]:
            names = ",".join(unused)
            self._tell(
                Text(
                    "columns not sent: {names} (--params {names} makes them request fields)",
                    names=names,
                )
            )

    def _note_unchecked(self, call: Call) -> None:
        """Say what of the schema for an answer cannot be checked here.

        Raises UsageError for one that no answer can be held against.
        """
        schema = wanted_schema(call.json)
        if not isinstance(schema, dict) or schema is self._noted_schema:
            return
        from apiyi_cli.build.json_schema import describe_unchecked

        self._noted_schema = schema
        for text in describe_unchecked(schema, "--schema"):
            self._tell(text)

    def _ready(self, fields: dict[str, Any]) -> tuple[RowEndpoint, Call]:
        """Return the request of a row that has its whole body."""
        url, method, body = fields.get("url"), fields.get("method", "POST"), fields["body"]
        endpoint = self._named or ENDPOINTS["chat"]
        if url is not None:
            found = find_by_url(url) if isinstance(url, str) else None
            if found is None:
                raise InvalidField("url", Text("no endpoint is known for {url}", url=repr(url)))
            if self._named is not None and found is not self._named:
                raise InvalidField(
                    "url",
                    Text(
                        "{url} is a row for apiyi {found}, not {endpoint}",
                        url=url,
                        found=found.name,
                        endpoint=endpoint.name,
                    ),
                )
            endpoint = found
        if endpoint.name == "transcribe":
            raise InvalidField(
                "body", Text('it cannot hold a recording; a row names one: {"file": "a.mp3"}')
            )
        if not isinstance(method, str) or method.upper() != "POST":
            raise InvalidField("method", Text("it is not POST"))
        if self._strict:
            known = ("id", "method", "url", "body")
            name = next((name for name in fields if name not in known), None)
            if name is not None:
                raise InvalidField(name, Text("OpenAI's batch rows have no such field"))
        own = body.get("model") or None
        if not isinstance(own, str | None):
            raise InvalidField("body", Text("its model is no text"))
        model = self._defaults.checked_model(own, endpoint.name)
        return endpoint, post(endpoint.at, {**body, "model": model})


def hash_call(call: Call) -> str:
    """Return 16 hex digits that stand for a request, whatever the order of its fields."""
    digest = hashlib.sha256(f"{call.method} {call.path}\0".encode())
    if call.json is not None:
        digest.update(write_canonical(call.json))
    for part in call.parts:
        digest.update(f"{part.name}\0{part.value}\0{part.filename}\0".encode())
        if part.path is not None:
            with open(part.path, "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        elif part.content is not None:
            digest.update(part.content)
    return digest.hexdigest()[:16]


def _sha(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:16]


def _column(record: SourceRecord, *names: str) -> int:
    """Return the column (from 1) at which one of the fields stands in the line."""
    for name in names:
        at = record.raw.find(b'"' + name.encode() + b'"') if name else -1
        if at >= 0:
            return at + 1
    return 1


def _no_model(missing: MissingModel, place: str) -> UsageError:
    """Return the error that ends a batch whose first row has no model that can do it."""
    if missing.model:
        return UsageError(
            Text("cannot use the model {model}", model=missing.model),
            missing.why,
            hint=Text("-m MODEL, --endpoint NAME, or --force-model"),
        )
    return UsageError(
        Text("no model"),
        Text("{place} names none and none is set", place=place),
        hint=Text("-m MODEL, APIYI_MODEL, or apiyi config set model MODEL"),
    )


def _input_of(record: SourceRecord) -> Any:
    """Return the input row for its record: JSON as it stands, a table's cells by their columns.

    What is broken is its text.
    """
    if record.table is not None and record.cells is not None and not record.why:
        return record.table.named_cells(record.cells)
    if record.fields is not None and "line" in record.fields and len(record.fields) == 1:
        return record.fields
    if record.fields is not None:
        return Verbatim(record.raw) if is_strict(record.raw) else record.fields
    return record.raw.decode("utf-8", "replace")


def _picked(fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: fields[name] for name in names if name in fields}


def _refused(place: str, why: str) -> UsageError:
    return UsageError(place, why)
