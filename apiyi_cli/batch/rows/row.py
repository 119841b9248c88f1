"""Rows: the input's records as requests, each with id, place and hash.

A row that cannot be used is still a row: it has an `error` and no `call`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from apiyi_cli.batch.rows.endpoints import RowEndpoint
from apiyi_cli.batch.rows.fields import InvalidField, MissingModel, find_schema
from apiyi_cli.batch.rows.identity import IdAssigner, read_id
from apiyi_cli.batch.rows.requests import (
    RowOptions,
    build_request,
    describe_params,
    refuse_bad_columns,
)
from apiyi_cli.batch.rows.source import RowSource, SourceRecord
from apiyi_cli.core.call import Call
from apiyi_cli.core.jsontext import Verbatim, is_strict, write_canonical
from apiyi_cli.errors import ApiyiError, UsageError
from apiyi_cli.text import Text


@dataclass(slots=True)
class Row:
    """One row. `index` counts rows from 0, `place` is `FILE:LINE`, `sha` the request's hash.

    `seq` is its turn among the rows that this run writes a record for. `unsaved` is an answer
    from an earlier run whose pictures must be saved, `joined` the input that goes into the
    record, `cells` what comes before the answer in a table. `packed` are the rows that one
    request is for (see `packing`), `room` is what a row takes of the room for rows under way.
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
    packed: tuple[Row, ...] = ()
    room: int = 1

    @property
    def rows(self) -> tuple[Row, ...]:
        """Return the rows that this one is sent for: itself, or those in the pack."""
        return self.packed or (self,)


class RowReader:
    """Reads the rows of an input once.

    `shards_by_index` assigns rows without an id to shards as version 0.1 did.
    """

    def __init__(
        self,
        source: RowSource,
        options: RowOptions,
        ids: IdAssigner,
        *,
        shards_by_index: bool = False,
    ) -> None:
        self._source = source
        self._options = options
        self._ids = ids
        self._shards_by_index = shards_by_index
        self._is_first = True
        self._noted_schema: Any = None
        self._records = enumerate(source.records(options.form, options.layout))
        endpoint = options.short_endpoint
        # Refuses flags that the endpoint does not have.
        options.defaults.of(endpoint.name, endpoint.options)

    def __iter__(self) -> Iterator[Row]:
        for index, record in self._records:
            if self._is_first and record.fields is not None:
                self._is_first = False
                self._check_first(record)
            row = self._read(index, record)
            if row is not None:
                yield row

    def count_rest(self) -> int:
        """Count the unread rows, if possible without building their requests."""
        return sum(1 for _ in (self._records if self._options.shard is None else self))

    def _check_first(self, record: SourceRecord) -> None:
        """Check the columns, and report which of them are sent as fields."""
        options = self._options
        if record.table is not None:
            refuse_bad_columns(record.table, options, f"{self._source.name}:1")
        if options.table is not None:
            options.table.begin(record.table)
        if message := describe_params(record.fields or {}, options):
            options.note(message)

    def _read(self, index: int, record: SourceRecord) -> Row | None:
        """Return the row of a record, None if it belongs to another shard."""
        place = f"{self._source.name}:{record.line}"
        named, error = self._read_id(record, place)
        home = str(index) if named is None and self._shards_by_index else named
        if home is not None and self._is_elsewhere(home):
            return None
        if named is not None and (why := self._ids.take(named)) is not None:
            # A separate id: under the same one its record would replace the other row's.
            error, named = _refuse(record, place, why, "id", "custom_id"), None
        endpoint, call = None, None
        if error is None and record.fields is None:
            error = UsageError(f"{place}:{record.column}", record.why)
        elif error is None:
            try:
                endpoint, request = build_request(record, self._options)
                self._note_unchecked(request)
                call = request
            except (InvalidField, MissingModel, UsageError) as failure:
                if index == 0 and isinstance(failure, MissingModel):
                    raise _describe_missing(failure, place) from None
                error = _describe(failure, record, place)
        sha = hash_call(call) if call is not None else hashlib.sha256(record.raw).hexdigest()[:16]
        id = self._ids.make(sha) if named is None else named
        if home is None and self._is_elsewhere(id):
            return None
        joined = _input_of(record) if self._options.join else None
        row = Row(index, id, place, sha, endpoint, call, error, joined=joined)
        if self._options.table is not None and error is None:
            row.cells = self._options.table.cells_of(record, id)
        return row

    def _read_id(self, record: SourceRecord, place: str) -> tuple[str | None, UsageError | None]:
        try:
            return read_id(record.fields or {}), None
        except InvalidField as invalid:
            return None, _describe(invalid, record, place)

    def _is_elsewhere(self, home: str) -> bool:
        return self._options.shard is not None and not self._options.shard.has(home)

    def _note_unchecked(self, call: Call) -> None:
        """Report once which parts of the answer's schema are not checked.

        Raises UsageError for a schema that no answer can be checked by.
        """
        schema = find_schema(call)
        if not isinstance(schema, dict) or schema is self._noted_schema:
            return
        from apiyi_cli.build.schemas.json_schema import describe_unchecked

        self._noted_schema = schema
        for text in describe_unchecked(schema, "--schema"):
            self._options.note(text)


def hash_call(call: Call) -> str:
    """Return 16 hex digits that identify a request, whatever the order of its fields."""
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


def _refuse(record: SourceRecord, place: str, why: str, *names: str) -> UsageError:
    """Return the error for a record, with the column (from 1) of a field."""
    for name in names:
        at = record.raw.find(b'"' + name.encode() + b'"') if name else -1
        if at >= 0:
            return UsageError(f"{place}:{at + 1}", why)
    return UsageError(f"{place}:1", why)


def _describe(
    failure: InvalidField | MissingModel | UsageError, record: SourceRecord, place: str
) -> UsageError:
    """Return the error for a record without a valid request, with its place."""
    if isinstance(failure, UsageError):
        return _refuse(record, place, failure.summary())
    if isinstance(failure, MissingModel):
        why = failure.why or Text("the row has no model, and none is set")
        return _refuse(record, place, why)
    why = failure.why
    if failure.name:
        why = Text("{field}: {why}", field=failure.name, why=why)
    return _refuse(record, place, why, failure.name)


def _describe_missing(missing: MissingModel, place: str) -> UsageError:
    """Return the error that ends a batch whose first row has no usable model."""
    if missing.model:
        hint = Text("-m MODEL, --endpoint NAME, or --force-model")
        what = Text("cannot use the model {model}", model=missing.model)
        return UsageError(what, missing.why, hint=hint)
    why = Text("{place} names none and none is set", place=place)
    hint = Text("-m MODEL, APIYI_MODEL, or apiyi config set model MODEL")
    return UsageError(Text("no model"), why, hint=hint)


def _input_of(record: SourceRecord) -> Any:
    """Return the input row for its record: JSON, or a table's cells by column.

    A broken line is its text.
    """
    if record.table is not None and record.cells is not None and not record.why:
        return record.table.named_cells(record.cells)
    if record.fields is not None and "line" in record.fields and len(record.fields) == 1:
        return record.fields
    if record.fields is not None:
        return Verbatim(record.raw) if is_strict(record.raw) else record.fields
    return record.raw.decode("utf-8", "replace")
