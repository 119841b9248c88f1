"""Puts rows for embeddings together: one request has the texts of many rows.

A pack is a row with the rows in it. They differ in nothing but their texts, and each gets its
record, with its vectors and its share of the usage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.build.embed import BATCH_SIZE, RequestSize, divide_refused, measure_text
from apiyi_cli.core.call import Call
from apiyi_cli.core.endpoints import EMBED
from apiyi_cli.core.jsontext import write_canonical

ROOM_ROWS = 32
"""So many rows of a pack take the room of one other row while they wait for their records."""


class OpenPack(NamedTuple):
    """Rows that wait for more of their kind, and their request's size."""

    rows: list[Row]
    size: RequestSize


class Packer:
    """Collects rows for embeddings; `most_inputs` texts go into one request.

    Every other row is returned as it came, and so is a row that has no company.
    """

    def __init__(self, most_inputs: int = BATCH_SIZE) -> None:
        self._most_inputs = most_inputs
        self._open: dict[bytes, OpenPack] = {}

    def add(self, row: Row) -> list[Row]:
        """Take a row; return what is to be sent now."""
        if row.call is None or not self._is_packable(row):
            return [row]
        texts, key = list_texts(row.call), _find_key(row.call)
        pack = self._open.get(key)
        size = sum(map(measure_text, texts))
        ready: list[Row] = []
        if pack is not None and not pack.size.takes(len(texts), size):
            ready.append(make_pack(pack.rows))
            pack = None
        if pack is None:
            pack = self._open[key] = OpenPack([], RequestSize(self._most_inputs))
        pack.rows.append(row)
        pack.size.add(len(texts), size)
        if not pack.size.takes(1, 0):
            ready.append(make_pack(self._open.pop(key).rows))
        return ready

    def count_room(self, row: Row) -> int:
        """Return what the next row takes of the room for rows under way."""
        if row.call is None or not self._is_packable(row):
            return 1
        pack = self._open.get(_find_key(row.call))
        return int(pack is None or len(pack.rows) % ROOM_ROWS == 0)

    def flush(self) -> list[Row]:
        """Return the rows that wait."""
        packs = [make_pack(pack.rows) for pack in self._open.values()]
        self._open.clear()
        return packs

    def _is_packable(self, row: Row) -> bool:
        return self._most_inputs > 1 and row.unsaved is None and bool(list_texts(row.call))


def pack_rows(rows: Iterable[Row], packer: Packer) -> Iterator[Row]:
    """Yield rows as they are sent: those for embeddings in packs."""
    for row in rows:
        yield from packer.add(row)
    yield from packer.flush()


def make_pack(rows: Sequence[Row]) -> Row:
    """Return one row for the request of several; of one row the row itself."""
    first = rows[0]
    if len(rows) == 1:
        return first
    assert first.call is not None
    texts = [text for row in rows for text in list_texts(row.call)]
    call = first.call._replace(json={**first.call.json, "input": texts})
    return Row(first.index, first.id, first.place, "", first.endpoint, call, packed=tuple(rows))


def divide_pack(pack: Row, *, any_accepted: bool) -> list[Row]:
    """Return the packs, or single rows, in which to send refused rows again."""
    parts = divide_refused(pack.packed, _measure_row, any_accepted=any_accepted)
    return [make_pack(part) for part in parts]


def list_texts(call: Call | None) -> list[str]:
    """Return the texts that a request for embeddings has; nothing for any other request.

    One with numbers of tokens in place of texts, or that says anything of streams, goes alone.
    """
    if call is None or call.path != EMBED.path or not isinstance(call.json, dict):
        return []
    value: Any = call.json.get("input")
    texts = value if isinstance(value, list) else [value]
    if call.stream or not all(isinstance(text, str) for text in texts):
        return []
    return texts


def _find_key(call: Call) -> bytes:
    """Return what requests have in common that can be one: all but their texts."""
    body = {name: value for name, value in call.json.items() if name != "input"}
    return write_canonical([call.headers, body])


def _measure_row(row: Row) -> int:
    return sum(map(len, list_texts(row.call)))
