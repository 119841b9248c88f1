"""The usage ledger: one record for each request, kept on this machine only.

A run appends its records to a spool, one JSON line each: that costs a tenth of a
millisecond after the answer is out, where opening a database would cost every command ten.
Reading the ledger first moves the spool into the SQLite file. Neither prompts nor answers
are ever in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from apiyi_cli.errors import SetupError

if TYPE_CHECKING:
    import sqlite3

MOST_SPOOLED = 4 << 20
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
        lines = b"".join(orjson.dumps(list(record)) + b"\n" for record in records)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        fd = os.open(self._spool, flags, 0o600)
        try:
            os.write(fd, lines)
            full = os.fstat(fd).st_size > MOST_SPOOLED
        finally:
            os.close(fd)
        if full:
            with suppress(SetupError):
                self.settle()

    def settle(self) -> None:
        """Move the spool into the database; raises SetupError when the database is unusable."""
        import sqlite3

        taken = self._folder / f"usage.taken-{os.getpid()}"
        try:
            with closing(self._opened()) as database:
                with suppress(FileNotFoundError):
                    os.rename(self._spool, taken)
                for path in sorted(self._folder.glob("usage.taken-*")):
                    with database:
                        # The name goes in with its records: a spool is never counted twice.
                        fresh = database.execute(
                            "INSERT OR IGNORE INTO taken VALUES (?)", (_identity(path),)
                        ).rowcount
                        if fresh:
                            database.executemany(_INSERT, _spooled(path))
                    path.unlink(missing_ok=True)
        except (sqlite3.Error, OSError) as failure:
            raise SetupError(
                "cannot read the usage ledger",
                f"{self.path}: {failure}",
                hint=f"move {self.path} away to begin a new one",
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
        except sqlite3.Error as failure:
            raise SetupError("cannot read the usage ledger", f"{self.path}: {failure}") from None

    def _opened(self) -> sqlite3.Connection:
        import sqlite3

        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        os.close(fd)
        database = sqlite3.connect(self.path, timeout=10)
        database.executescript(_SCHEMA)
        return database


def _identity(path: Path) -> str:
    status = path.stat()
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


def _spooled(path: Path) -> Iterator[list[Any]]:
    """Yield the records of a spool; a line that a crash left half-written is left out."""
    for line in path.read_bytes().split(b"\n"):
        with suppress(orjson.JSONDecodeError):
            values = orjson.loads(line)
            if isinstance(values, list) and len(values) == len(Record._fields):
                yield values


_COLUMNS = ", ".join(Record._fields)
_INSERT = f"INSERT INTO calls ({_COLUMNS}) VALUES ({', '.join('?' * len(Record._fields))})"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS calls ({_COLUMNS});
CREATE INDEX IF NOT EXISTS by_time ON calls (at);
CREATE TABLE IF NOT EXISTS taken (identity TEXT PRIMARY KEY);
"""
_TOTALS = """
SELECT {group}, count(*), sum(exit != 0), sum(cached), sum(prompt_tokens),
  sum(completion_tokens), sum(total_tokens), sum(total_tokens IS NULL AND exit = 0),
  sum(cost), sum(cost IS NULL AND exit = 0)
FROM calls WHERE at >= ? GROUP BY 1 ORDER BY {order}
"""
