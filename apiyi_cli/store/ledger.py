"""The usage ledger: one record for each request, kept on this machine only.

A run appends its records to a spool, one JSON line each: that costs a tenth of a
millisecond after the answer is out, where opening a database would cost every command ten.
Reading the ledger first moves the spool into the SQLite file. Neither prompts nor answers
are ever in it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apiyi_cli.core.disk import make_private_folder, open_regular, write_all
from apiyi_cli.core.jsontext import InvalidJSON, read_event, whole_characters, write
from apiyi_cli.errors import SetupError
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text

if TYPE_CHECKING:
    import sqlite3

MOST_SPOOLED = 4 << 20
MOST_COUNTED = 1 << 53
"""Larger counts and prices are not believed."""
PATIENCE_S = 10.0
QUICK_S = 0.2
"""Seconds that a finished run waits for a database locked by another process."""
LINGER_S = 60.0
"""Seconds that a renamed spool is kept: no process writes to it that late."""
GROUPINGS = {
    "model": "model",
    "day": "strftime('%Y-%m-%d', at, 'unixepoch', 'localtime')",
    "profile": "profile",
    "endpoint": "endpoint",
    "tag": "coalesce(tag, '')",
}


class Record(PlainValue):
    """One request: start (seconds since 1970), profile, model, usage, result.

    Tokens and cost (US dollars, an estimate) are None where they are not known. `exit` is
    the exit code that its failure has, 0 for none. `uncertain` is a request whose end is
    not known: it may have been billed, and its cost is what it would have been. `tag` is the
    user's own label.
    """

    at: float
    profile: str
    model: str
    endpoint: str
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    ms: int
    exit: int
    request_id: str | None
    cached: bool
    cost: float | None
    uncertain: bool = False
    tag: str = ""


class Total(PlainValue):
    """The sum over one group: requests, those that failed, those from the cache, tokens.

    `unknown` counts requests without token counts, `unpriced` those without a known price:
    their part is missing from the sums, which are None where nothing at all is known.
    `uncertain` requests may have been billed; `cost` holds `uncertain_cost` for them.
    """

    group: str
    requests: int
    failed: int
    cached: int
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    unknown: int
    cost: float | None
    unpriced: int
    uncertain: int = 0
    uncertain_cost: float | None = None


class SentRecord(PlainValue):
    """The fields of a record by which the gateway's log is searched."""

    at: float
    request_id: str | None
    endpoint: str
    model: str
    ms: int
    uncertain: bool


class Ledger:
    """The ledger in a private folder, created with the first record; `path` is its database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spool = folder / "usage.spool"
        self.path = folder / "usage.sqlite3"

    def append(self, records: Iterable[Record]) -> None:
        """Add records; raises OSError, on which the run's result does not depend."""
        rows = ([getattr(record, name) for name in Record._fields] for record in records)
        lines = b"".join(write(sanitize_values(row)) + b"\n" for row in rows)
        make_private_folder(self._folder)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        fd = open_regular(self._spool, flags)
        try:
            write_all(fd, lines)
            full = os.fstat(fd).st_size > MOST_SPOOLED
        finally:
            os.close(fd)
        if full:
            with suppress(SetupError):
                self.settle(patience_s=QUICK_S)

    def settle(self, patience_s: float = PATIENCE_S) -> None:
        """Move the spool into the database; raises SetupError when the database is unusable."""
        import sqlite3

        taken = self._folder / f"usage.taken-{time.time_ns()}-{os.getpid()}"
        try:
            with closing(self._open(patience_s)) as database:
                with suppress(FileNotFoundError):
                    os.rename(self._spool, taken)
                for path in filter(Path.is_file, sorted(self._folder.glob("usage.taken-*"))):
                    with suppress(FileNotFoundError), _transaction(database):
                        _move_spool(database, path)
        except (sqlite3.Error, OSError) as failure:
            hint = Text("move {path} away to begin a new one", path=self.path)
            raise self._unreadable(failure).with_hint(hint) from None

    def totals(self, since: float, by: str) -> list[Total]:
        """Return the sums since a moment, grouped by a key of `GROUPINGS`.

        `since` is in seconds since 1970. The largest is first; days are in their order.
        Raises SetupError.
        """
        order = "1" if by == "day" else "coalesce(total(cost), 0) DESC, count(*) DESC, 1"
        query = _TOTALS.format(group=GROUPINGS[by], order=order)
        return [_total(row) for row in self._select(query, since)]

    def list_sent(self, since_s: float, profile: str) -> list[SentRecord]:
        """Return the profile's requests since a moment in their order. Raises SetupError."""
        query = (
            f"SELECT {', '.join(SentRecord._fields)} FROM calls "
            "WHERE at >= ? AND profile = ? AND NOT cached ORDER BY at"
        )
        return [
            SentRecord(*row)._replace(
                ms=int(_bound_number(row[4], int) or 0), uncertain=bool(row[5])
            )
            for row in self._select(query, since_s, profile)
        ]

    def _select(self, query: str, *values: Any) -> list[Sequence[Any]]:
        """Return the rows of a query on all records; raise SetupError."""
        import sqlite3

        self.settle()
        try:
            with closing(self._open()) as database:
                return list(database.execute(query, values))
        except (sqlite3.Error, OSError) as failure:
            raise self._unreadable(failure) from None

    def _unreadable(self, failure: Exception) -> SetupError:
        why = Text("{path}: {reason}", path=self.path, reason=failure)
        return SetupError(Text("cannot read the usage ledger"), why)

    def _open(self, patience_s: float = PATIENCE_S) -> sqlite3.Connection:
        import sqlite3

        make_private_folder(self._folder)
        os.close(open_regular(self.path, os.O_RDWR | os.O_CREAT))
        database = sqlite3.connect(self.path, timeout=patience_s, isolation_level=None)
        try:
            database.executescript(_SCHEMA)
            columns = {row[1] for row in database.execute("PRAGMA table_info(calls)")}
            for name in ("uncertain", "tag"):
                if name not in columns:
                    # Made by an older version, which still writes without that column.
                    database.execute(f"ALTER TABLE calls ADD COLUMN {name}")
        except BaseException:
            database.close()
            raise
        return database


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Lock the database from the reading of a spool to its removal."""
    database.execute("BEGIN IMMEDIATE")
    with database:
        yield


def _move_spool(database: sqlite3.Connection, path: Path) -> None:
    """Move a spool's new records into the database.

    A run that had opened the spool before it was taken may still add to it. So it stays
    for a while, and how much of it was taken is remembered together with its records.
    """
    row = database.execute("SELECT bytes FROM taken WHERE name = ?", (path.name,)).fetchone()
    with os.fdopen(open_regular(path), "rb") as file:
        begin = file.seek(row[0] if row else 0)
        lines = file.read()
        age_s = time.time() - os.fstat(file.fileno()).st_mtime
    whole = lines.rfind(b"\n") + 1
    database.executemany(_INSERT, _records(lines[:whole]))
    if abs(age_s) > LINGER_S:
        database.execute("DELETE FROM taken WHERE name = ?", (path.name,))
        path.unlink()
    else:
        database.execute("INSERT OR REPLACE INTO taken VALUES (?, ?)", (path.name, begin + whole))


def _records(lines: bytes) -> Iterator[list[Any]]:
    """Yield the records of a spool, without a line that a crash left incomplete."""
    for line in lines.split(b"\n"):
        with suppress(InvalidJSON):
            values = read_event(line)
            if isinstance(values, list) and _OLD_LENGTH <= len(values) <= len(Record._fields):
                values += (False, "")[len(values) - _OLD_LENGTH :]
                yield sanitize_values(values)


def sanitize_values(values: Sequence[Any]) -> list[Any]:
    """Return a record's values, limited to what the database and sums can hold.

    A gateway's counts may be anything: above 2**53 they are that, below 0 they are unknown.
    """
    named = dict(zip(Record._fields, values, strict=True))
    for name in ("prompt_tokens", "completion_tokens", "total_tokens", "ms"):
        named[name] = _bound_number(named[name], int)
    for name in ("at", "cost"):
        named[name] = _bound_number(named[name], float)
    for name in ("profile", "model", "endpoint", "tag"):
        named[name] = _clean(named[name])
    named["request_id"] = None if named["request_id"] is None else _clean(named["request_id"])
    code = named["exit"]
    named["exit"] = code if isinstance(code, int) and 0 <= code < 256 else 1
    for name in ("cached", "uncertain"):
        named[name] = bool(named[name])
    named["at"] = named["at"] or 0.0
    return list(named.values())


def _bound_number(value: Any, kind: type[int] | type[float]) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        return None
    return kind(min(value, MOST_COUNTED))


def _clean(value: Any) -> str:
    return whole_characters(value).replace("\0", "\ufffd") if isinstance(value, str) else ""


def _total(row: Sequence[Any]) -> Total:
    """Return one sum; the counts come as floats, because those never overflow."""
    named = dict(zip(Total._fields, row, strict=True))
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        named[name] = None if named[name] is None else int(named[name])
    for name in ("failed", "cached", "unknown", "unpriced", "uncertain"):
        named[name] = int(named[name] or 0)
    return Total(**named)


def _sum_of(column: str, when: str = "1") -> str:
    """Return SQL that sums what is a number of a column, bounded. NULL where nothing is known.

    Rows of version 0.1 may hold counts whose sum no integer can hold.
    """
    fits = f"typeof({column}) IN ('integer', 'real') AND {column} >= 0 AND {when}"
    return (
        f"CASE WHEN count(CASE WHEN {fits} THEN 1 END) "
        f"THEN total(CASE WHEN {fits} THEN min({column}, {MOST_COUNTED}) END) END"
    )


_OLD_LENGTH = 12
_COLUMNS = ", ".join(Record._fields)
_INSERT = f"INSERT INTO calls ({_COLUMNS}) VALUES ({', '.join('?' * len(Record._fields))})"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS calls ({_COLUMNS});
CREATE INDEX IF NOT EXISTS by_time ON calls (at);
CREATE TABLE IF NOT EXISTS taken (name TEXT PRIMARY KEY, bytes INTEGER);
"""
_TOTALS = f"""
SELECT {{group}}, count(*), sum(exit != 0), sum(cached), {_sum_of("prompt_tokens")},
  {_sum_of("completion_tokens")}, {_sum_of("total_tokens")},
  sum(total_tokens IS NULL AND exit = 0),
  {_sum_of("cost")}, sum(cost IS NULL AND exit = 0),
  sum(coalesce(uncertain, 0)), {_sum_of("cost", "uncertain")}
FROM calls WHERE at >= ? GROUP BY 1 ORDER BY {{order}}
"""
