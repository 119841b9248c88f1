"""The response cache: stored answers for identical requests.

One SQLite file that many processes use at once. An entry counts only if its checksum is right;
any trouble with the file is a miss, never a failure of the request. The caller may store only
answers that were complete and successful.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from apiyi_cli.core.call import Reply
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.disk import EXCLUSIVE, read_regular
from apiyi_cli.core.jsontext import read_event, write
from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.settings.paths import private_dir
from apiyi_cli.text import Text, system_reason

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID: Final = 0x41505943
KEPT_HEADERS: Final = ("content-type", "x-request-id", "x-oneapi-request-id", "date")
LONGEST_TTL_S: Final = 3650 * 86_400.0

_BUSY_S: Final = 5.0
# An entry from the future has an unknown age; so much may be the difference of two clocks.
_CLOCK_SLACK_S: Final = 60.0
_TOUCH_EVERY_S: Final = 60.0
_NOT_A_DATABASE = 26

_SCHEMA: Final = (
    "CREATE TABLE replies (key TEXT PRIMARY KEY, stored REAL, used REAL, size INTEGER,"
    " status INTEGER, headers BLOB, body BLOB, checksum BLOB)",
    "CREATE INDEX by_use ON replies (used)",
    "CREATE TABLE total (bytes INTEGER, entries INTEGER)",
    "INSERT INTO total VALUES (0, 0)",
    "CREATE TRIGGER gained AFTER INSERT ON replies BEGIN"
    " UPDATE total SET bytes = bytes + new.size, entries = entries + 1; END",
    "CREATE TRIGGER lost AFTER DELETE ON replies BEGIN"
    " UPDATE total SET bytes = bytes - old.size, entries = entries - 1; END",
    f"PRAGMA application_id = {APPLICATION_ID}",
)
_LOOK: Final = "SELECT stored, used, status, headers, body, checksum FROM replies WHERE key = ?"


class CacheStats(NamedTuple):
    """Statistics of the cache. `is_damaged`: it is unreadable; `clear` repairs it."""

    path: Path
    entries: int
    bytes: int
    cap_bytes: int
    is_damaged: bool = False


def cache_key(method: str, path: str, canonical_body: bytes, base_family: str) -> str:
    """Return the cache key of a request, the same for all keys and URLs.

    `canonical_body` includes the model; `base_family` names the gateway.
    """
    digest = hashlib.sha256(b"apiyi reply 1")
    for part in (method.upper().encode(), path.encode(), base_family.encode(), canonical_body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def parse_ttl(text: str) -> float:
    """Return the seconds of `30d`, `12h`, `15m`, `90s`, `90` or `2w`.

    Raises UsageError for anything else, for 0 and for more than ten years.
    """
    units = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([smhdw]?)", text.strip(), re.ASCII)
    seconds = float(match[1]) * units[match[2]] if match else 0.0
    if not 0 < seconds <= LONGEST_TTL_S:
        why = Text("{text} is not a time to keep answers", text=repr(text))
        hint = Text("a number with s, m, h, d or w, up to ten years: --cache 30d")
        raise UsageError("--cache", why, hint=hint)
    return seconds


class Cache:
    """The answers in one file of at most about `cap_bytes`; least recently used go first.

    Opened at the first use. Any trouble with it is a miss. If the file or its folder belongs to
    somebody or something else, or cannot be created, that is a SetupError, which `find` and
    `store` report once to `tell` if it is given.
    """

    def __init__(
        self,
        path: Path,
        cap_bytes: int = 256 * 1024 * 1024,
        clock: Clock = CLOCK,
        *,
        tell: Callable[[str], object] | None = None,
    ) -> None:
        self.path = path
        self.cap_bytes = cap_bytes
        self._clock = clock
        self._tell = tell
        self._is_unusable = False
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def find(self, key: str, ttl_s: float) -> Reply | None:
        """Return a stored answer younger than `ttl_s` seconds, else None.

        Its one chunk is what arrived, byte for byte (a stream's events too). An entry that is not
        what was stored is removed.
        """
        import sqlite3

        with self._lock, self._report_trouble():
            now = self._clock.wall()
            row = self._open().execute(_LOOK, (key,)).fetchone()
            if row is None:
                return None
            stored, used, status, headers, body, checksum = row
            try:
                if _checksum(key, stored, status, headers, body) != checksum:
                    raise ValueError("checksum")
                reply = Reply(status, read_event(headers), (body,), from_cache=True)
            except (TypeError, ValueError):
                self._open().execute("DELETE FROM replies WHERE key = ?", (key,))
                return None
            if not -_CLOCK_SLACK_S <= now - stored < ttl_s:
                return None
            if not 0 <= now - used < _TOUCH_EVERY_S:
                with suppress(sqlite3.Error):
                    self._open().execute("UPDATE replies SET used = ? WHERE key = ?", (now, key))
            return reply
        return None

    def store(self, key: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Store a complete, successful answer, and make room for it."""
        kept = write({name: headers[name] for name in KEPT_HEADERS if name in headers})
        size = len(body) + len(kept) + 512
        if size > self.cap_bytes:
            return
        now = self._clock.wall()
        checksum = _checksum(key, now, status, kept, body)
        with self._lock, self._report_trouble():
            connection = self._open()
            with _transaction(connection):
                connection.execute("DELETE FROM replies WHERE key = ?", (key,))
                connection.execute(
                    "INSERT INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (key, now, now, size, status, kept, body, checksum),
                )
                self._shrink(connection, key)

    def stats(self) -> CacheStats:
        """Return the current statistics."""
        import sqlite3

        with self._lock:
            if not self.path.exists():
                return CacheStats(self.path, 0, 0, self.cap_bytes)
            try:
                connection = self._open()
                # Another version may have other tables of the same name.
                connection.execute(_LOOK, ("",))
                entries, size = connection.execute("SELECT entries, bytes FROM total").fetchone()
            except (sqlite3.Error, TypeError):
                return CacheStats(self.path, 0, 0, self.cap_bytes, is_damaged=True)
        return CacheStats(self.path, entries, size, self.cap_bytes)

    def clear(self) -> None:
        """Remove every answer; a damaged file is removed as a whole."""
        import sqlite3

        with self._lock:
            try:
                if self.path.exists():
                    self._open().execute(_LOOK, ("",))
                    self._open().execute("DELETE FROM replies")
                    self._open().execute("VACUUM")
            except sqlite3.Error:
                self._drop()
                self._remove()

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            self._drop()

    @contextmanager
    def _report_trouble(self) -> Iterator[None]:
        """Report a SetupError or a damaged file once; the request goes on without."""
        import sqlite3

        try:
            yield
        except SetupError as error:
            if self._tell is None:
                raise
            self._report(error.summary())
        except (sqlite3.OperationalError, sqlite3.InterfaceError):
            # In use by another process, or the disk is full: this passes.
            return
        except sqlite3.DatabaseError:
            self._report(Text("{path} is damaged: apiyi cache clear", path=self.path))

    def _report(self, why: str) -> None:
        if self._tell is not None and not self._is_unusable:
            self._tell(Text("going on without the cache: {why}", why=why))
        self._is_unusable = True

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            path = Path(f"{self.path}{suffix}")
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                why = Text("{path}: {reason}", path=path, reason=system_reason(error))
                raise SetupError(Text("the cache cannot be cleared"), why) from error

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _connect(self.path)
        return self._connection

    def _shrink(self, connection: sqlite3.Connection, newest: str) -> None:
        while connection.execute("SELECT bytes > ? FROM total", (self.cap_bytes,)).fetchone()[0]:
            deleted = connection.execute(
                "DELETE FROM replies WHERE rowid = "
                "(SELECT rowid FROM replies WHERE key != ? ORDER BY used, rowid LIMIT 1)",
                (newest,),
            )
            if deleted.rowcount < 1:
                return


def _connect(path: Path) -> sqlite3.Connection:
    import sqlite3

    _check_owner(path.parent)
    private_dir(path.parent)
    try:
        # Created here for its mode; SQLite gives the same one to the files beside it.
        with suppress(FileExistsError):
            os.close(os.open(path, EXCLUSIVE, 0o600))
    except OSError as error:
        raise _inaccessible(path, error) from error
    _check_owner(path)
    connection = sqlite3.connect(
        path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        if error.sqlite_errorcode == _NOT_A_DATABASE and not _was_ours(path):
            raise _foreign_error(path) from error
        raise
    except SetupError:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    import sqlite3

    if not _is_ours(connection):
        with _transaction(connection):
            # Another process may have created it since.
            if not _is_ours(connection):
                if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise _foreign_error(path)
                for statement in _SCHEMA:
                    connection.execute(statement)
    connection.execute("PRAGMA synchronous = NORMAL")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        # Refused while another process uses it; the next one will do it.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")


def _is_ours(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID)


def _was_ours(path: Path) -> bool:
    """Return True if byte 68 of a broken file has our cache's id."""
    head = b""
    with suppress(OSError):
        head = read_regular(path, 72)
    return head[68:] == APPLICATION_ID.to_bytes(4, "big")


def _foreign_error(path: Path) -> SetupError:
    hint = Text("move {path} away", path=path)
    return _unusable(Text("{path} is something else", path=path), hint)


def _inaccessible(path: Path, error: OSError) -> SetupError:
    return _unusable(Text("{path}: {reason}", path=path, reason=system_reason(error)))


def _unusable(why: Text, hint: str = "--no-cache") -> SetupError:
    return SetupError(Text("the cache cannot be used"), why, hint=hint)


def _check_owner(path: Path) -> None:
    try:
        if path.is_symlink() and not path.is_dir():
            # Its mode is set when it is opened, and a link may name any file of the user.
            raise _unusable(Text("{path} is a link", path=path))
        owner = path.stat().st_uid
    except FileNotFoundError:
        return
    except OSError as error:
        raise _inaccessible(path, error) from error
    if hasattr(os, "getuid") and owner != os.getuid():
        raise _unusable(Text("{path} belongs to user {owner}", path=path, owner=owner))


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        yield


def _checksum(key: str, stored: float, status: int, headers: bytes, body: bytes) -> bytes:
    digest = hashlib.sha256(f"{key} {stored!r} {status} {len(headers)} ".encode())
    digest.update(headers)
    digest.update(body)
    return digest.digest()
