"""The usage ledger: one record for each request, kept on this machine only.

A run appends its records to a spool, one JSON line each: that costs a tenth of a
millisecond after the answer is out, where opening a database would cost every command ten.
Reading the ledger first moves the spool into the SQLite file. Neither prompts nor answers
are ever in it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from apiyi_cli.core.disk import make_private_folder, write_all
from apiyi_cli.core.jsontext import InvalidJSON, read_event, write
from apiyi_cli.errors import SetupError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    import sqlite3

MOST_SPOOLED = 4 << 20
LINGER_S = 60.0
"""How long a spool that was taken is kept: nothing writes to it that long after opening it."""
GROUPS = {
    "model": "model",
    "day": "strftime('%Y-%m-%d', at, 'unixepoch', 'localtime')",
    "profile": "profile",
    "endpoint": "endpoint",
}


class Record(NamedTuple):
    """One request: when it began (seconds since 1970), for whom, what it used, how it ended.

    Tokens and cost (US dollars, an estimate) are None where they are not known. `exit` is
    the exit code that its failure has, 0 for none.
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


class Total(NamedTuple):
    """The sum over one group: requests, those that failed, those from the cache, tokens.

    `unknown` is how many requests told no tokens, `unpriced` how many have no known price:
    their part is missing from the sums, which are None where nothing at all is known.
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


class Ledger:
    """The ledger in a folder of the user's own, made when the first record is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spool = folder / "usage.spool"

    @property
    def path(self) -> Path:
        """Return the SQLite file."""
        return self._folder / "usage.sqlite3"

    def append(self, records: Iterable[Record]) -> None:
        """Add records; raises OSError, and the run's outcome does not depend on it."""
        lines = b"".join(write(list(record)) + b"\n" for record in records)
        make_private_folder(self._folder)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        fd = os.open(self._spool, flags, 0o600)
        try:
            write_all(fd, lines)
            full = os.fstat(fd).st_size > MOST_SPOOLED
        finally:
            os.close(fd)
        if full:
            with suppress(SetupError):
                self.settle()

    def settle(self) -> None:
        """Move the spool into the database; raises SetupError when the database is unusable."""
        import sqlite3

        taken = self._folder / f"usage.taken-{time.time_ns()}-{os.getpid()}"
        try:
            with closing(self._opened()) as database:
                with suppress(FileNotFoundError):
                    os.rename(self._spool, taken)
                for path in sorted(self._folder.glob("usage.taken-*")):
                    with suppress(FileNotFoundError), _writing(database):
                        _take(database, path)
        except (sqlite3.Error, OSError) as failure:
            raise SetupError(
                Text("cannot read the usage ledger"),
                Text("{path}: {reason}", path=self.path, reason=failure),
                hint=Text("move {path} away to begin a new one", path=self.path),
            ) from None

    def totals(self, since: float, by: str) -> list[Total]:
        """Return the sums since a moment (seconds since 1970), by a key of `GROUPS`, the
        largest first (days in their order). Raises SetupError."""
        import sqlite3

        order = "1" if by == "day" else "coalesce(sum(cost), 0) DESC, count(*) DESC, 1"
        query = _TOTALS.format(group=GROUPS[by], order=order)
        self.settle()
        try:
            with closing(self._opened()) as database:
                return [Total(*row) for row in database.execute(query, (since,))]
        except (sqlite3.Error, OSError) as failure:
            raise SetupError(
                Text("cannot read the usage ledger"),
                Text("{path}: {reason}", path=self.path, reason=failure),
            ) from None

    def _opened(self) -> sqlite3.Connection:
        import sqlite3

        make_private_folder(self._folder)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        os.close(fd)
        database = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        database.executescript(_SCHEMA)
        return database


@contextmanager
def _writing(database: sqlite3.Connection) -> Iterator[None]:
    """Hold the database for this process alone, from the reading of a spool to its removal."""
    database.execute("BEGIN IMMEDIATE")
    with database:
        yield


def _take(database: sqlite3.Connection, path: Path) -> None:
    """Move what is new in a spool into the database.

    A run that had opened the spool before it was taken may still add to it. So it stays
    for a while, and how much of it was taken is remembered together with its records.
    """
    row = database.execute("SELECT bytes FROM taken WHERE name = ?", (path.name,)).fetchone()
    with path.open("rb") as file:
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
    """Yield the records of a spool; a line that a crash left half-written is left out."""
    for line in lines.split(b"\n"):
        with suppress(InvalidJSON):
            values = read_event(line)
            if isinstance(values, list) and len(values) == len(Record._fields):
                yield values


_COLUMNS = ", ".join(Record._fields)
_INSERT = f"INSERT INTO calls ({_COLUMNS}) VALUES ({', '.join('?' * len(Record._fields))})"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS calls ({_COLUMNS});
CREATE INDEX IF NOT EXISTS by_time ON calls (at);
CREATE TABLE IF NOT EXISTS taken (name TEXT PRIMARY KEY, bytes INTEGER);
"""
_TOTALS = """
SELECT {group}, count(*), sum(exit != 0), sum(cached), sum(prompt_tokens),
  sum(completion_tokens), sum(total_tokens), sum(total_tokens IS NULL AND exit = 0),
  sum(cost), sum(cost IS NULL AND exit = 0)
FROM calls WHERE at >= ? GROUP BY 1 ORDER BY {order}
"""
