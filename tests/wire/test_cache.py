from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import orjson
import pytest

import apiyi_cli
from apiyi_cli.core.call import Reply
from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.wire.cache import (
    APPLICATION_ID,
    Cache,
    CacheStats,
    cache_key,
    parse_ttl,
)

# Where orjson lies: the processes start without the folder of all packages, for speed.
PACKAGES = Path(orjson.__file__).parent.parent
ROOT = Path(apiyi_cli.__file__).parents[1]
DAY_S = 86_400.0
STREAM = b'data: {"id":1}\r\n\r\ndata: [DONE]\n\n'


class FixedClock:
    """A wall clock that stands still."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0

    def cache(self, path: Path, cap_bytes: int = 1_000_000) -> Cache:
        return Cache(path, cap_bytes, Clock(wall=lambda: self.wall))


@pytest.fixture
def now() -> FixedClock:
    return FixedClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "apiyi" / "replies.db"


def test_what_was_kept_comes_back_byte_for_byte(path: Path, now: FixedClock) -> None:
    headers = {"content-type": "text/event-stream", "x-request-id": "r-1", "set-cookie": "s=1"}
    with closing(now.cache(path)) as cache:
        assert cache.find("k", DAY_S) is None
        cache.store("k", 200, headers, STREAM)
    with closing(now.cache(path)) as cache:
        kept = {"content-type": "text/event-stream", "x-request-id": "r-1"}
        assert cache.find("k", DAY_S) == Reply(200, kept, (STREAM,), from_cache=True)
        assert cache.find("other", DAY_S) is None


@pytest.mark.parametrize("body", [b"", b"\0" * 10, bytes(range(256)) * 5000], ids=len)
def test_every_body_is_kept_exactly(path: Path, now: FixedClock, body: bytes) -> None:
    with closing(now.cache(path, 10_000_000)) as cache:
        cache.store("k", 201, {}, body)
        found = cache.find("k", 1)
        assert found is not None
        assert (found.status, found.chunks) == (201, (body,))


def test_an_entry_is_used_until_its_time_is_over(path: Path, now: FixedClock) -> None:
    with closing(now.cache(path)) as cache:
        cache.store("k", 200, {}, b"x")
        now.wall += 99.9
        assert cache.find("k", 100)
        now.wall += 0.1
        assert cache.find("k", 100) is None
        assert cache.find("k", 200)
        cache.store("k", 200, {}, b"y")
        found = cache.find("k", 100)
        assert found is not None
        assert found.chunks == (b"y",)
        assert cache.stats().entries == 1


def test_an_entry_from_the_future_is_not_used_but_kept(path: Path, now: FixedClock) -> None:
    with closing(now.cache(path)) as cache:
        cache.store("k", 200, {}, b"x")
        now.wall -= 59
        assert cache.find("k", 100)
        now.wall -= 3600
        assert cache.find("k", 100) is None
        now.wall += 3700
        assert cache.find("k", 100)


def test_the_least_recently_used_go_first_when_it_is_full(path: Path, now: FixedClock) -> None:
    with closing(now.cache(path, cap_bytes=10_000)) as cache:
        for name in "abc":
            cache.store(name, 200, {}, bytes(2000))
            now.wall += 100
        assert cache.find("a", DAY_S)
        now.wall += 100
        cache.store("d", 200, {}, bytes(2000))
        assert [name for name in "abcd" if cache.find(name, DAY_S)] == ["a", "c", "d"]
        stats = cache.stats()
        assert stats.entries == 3
        assert 6000 < stats.bytes <= 10_000


def test_a_new_entry_stays_though_the_clock_went_back(path: Path, now: FixedClock) -> None:
    with closing(now.cache(path, cap_bytes=10_000)) as cache:
        for name in "abc":
            cache.store(name, 200, {}, bytes(2000))
        now.wall -= 10_000
        cache.store("d", 200, {}, bytes(2000))
        assert cache.find("d", DAY_S)


def test_an_answer_larger_than_the_cache_is_not_kept(path: Path, now: FixedClock) -> None:
    with closing(now.cache(path, cap_bytes=10_000)) as cache:
        cache.store("a", 200, {}, b"a")
        cache.store("b", 200, {}, bytes(10_000))
        assert cache.find("a", DAY_S)
        assert cache.find("b", DAY_S) is None


def test_the_file_stays_small_when_much_passes_through(path: Path, now: FixedClock) -> None:
    with closing(now.cache(path, cap_bytes=100_000)) as cache:
        for number in range(300):
            cache.store(str(number), 200, {}, os.urandom(5000))
        assert cache.stats().bytes <= 100_000
    assert path.stat().st_size < 300_000


def test_clear_removes_everything_and_stats_count(path: Path, now: FixedClock) -> None:
    with closing(now.cache(path)) as cache:
        assert cache.stats() == CacheStats(path, 0, 0, 1_000_000)
        cache.clear()
        assert not path.exists()
        cache.store("a", 200, {}, b"abc")
        cache.store("b", 200, {}, b"abc")
        assert cache.stats().entries == 2
        cache.clear()
        assert cache.stats() == CacheStats(path, 0, 0, 1_000_000)
        assert cache.find("a", DAY_S) is None
        cache.store("a", 200, {}, b"abc")
        assert cache.find("a", DAY_S)
        cache.close()


def test_folder_and_files_are_private_whatever_the_umask(path: Path, now: FixedClock) -> None:
    before = os.umask(0)
    try:
        with closing(now.cache(path)) as cache:
            cache.store("a", 200, {}, b"secret")
            names = sorted(path.parent.iterdir())
            assert [name.name for name in names][:2] == ["replies.db", "replies.db-shm"]
            assert {name.stat().st_mode & 0o777 for name in names} == {0o600}
    finally:
        os.umask(before)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def _sound(path: Path, now: FixedClock) -> bytes:
    with closing(now.cache(path)) as cache:
        cache.store("first", 200, {"content-type": "text/plain"}, b"the first answer " * 9)
        cache.store("second", 200, {"content-type": "text/plain"}, b"the second answer " * 9)
    assert not Path(f"{path}-wal").exists()
    return path.read_bytes()


def _flipped(path: Path, sound: bytes, offset: int) -> None:
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    damaged = bytearray(sound)
    damaged[offset] ^= 0x41
    path.write_bytes(damaged)


def test_a_flipped_byte_of_an_answer_is_a_miss_and_the_answer_is_removed(
    path: Path, now: FixedClock
) -> None:
    sound = _sound(path, now)
    at = sound.index(b"the first answer")
    for offset in range(at, at + 17 * 9, 3):
        _flipped(path, sound, offset)
        with closing(now.cache(path)) as cache:
            assert cache.find("first", DAY_S) is None
            assert cache.stats().entries == 1
            assert cache.find("second", DAY_S)


def test_no_flipped_byte_anywhere_gives_a_wrong_answer(path: Path, now: FixedClock) -> None:
    sound = _sound(path, now)
    with closing(now.cache(path)) as cache:
        right = (cache.find("first", DAY_S), cache.find("second", DAY_S))
    assert all(right)
    at = sound.index(b"the second answer")
    missed = refused = 0
    # The file's header, the row that holds the answers, and a sample of everything else.
    for offset in (*range(100), *range(at - 90, at), *range(100, len(sound), 211)):
        _flipped(path, sound, offset)
        with closing(now.cache(path)) as cache:
            try:
                found = (cache.find("first", DAY_S), cache.find("second", DAY_S))
            except SetupError:
                refused += 1
                continue
            assert all(one in (None, whole) for one, whole in zip(found, right, strict=True))
            missed += None in found
    assert missed > 75
    # The four bytes that say whose file it is.
    assert refused <= 4


@pytest.mark.parametrize("offset", [0, 16, 21, 100])
def test_a_damaged_file_is_told_by_stats_and_mended_by_clear(
    path: Path, now: FixedClock, offset: int
) -> None:
    sound = _sound(path, now)
    _flipped(path, sound, offset)
    with closing(now.cache(path)) as cache:
        assert cache.find("first", DAY_S) is None
        assert cache.stats().is_damaged
        cache.clear()
        cache.store("first", 200, {}, b"again")
        assert cache.find("first", DAY_S)
        assert not cache.stats().is_damaged


def test_a_damaged_cache_that_cannot_be_removed_is_a_setup_error(
    path: Path, now: FixedClock
) -> None:
    _flipped(path, _sound(path, now), 16)
    beside = path.with_name(f"{path.name}-shm")
    beside.mkdir()
    (beside / "kept").touch()
    with closing(now.cache(path)) as cache, pytest.raises(SetupError, match="cannot be cleared"):
        cache.clear()
    assert (beside / "kept").exists()


def test_a_cache_damaged_while_it_is_open_is_mended_by_clear(path: Path, now: FixedClock) -> None:
    with closing(now.cache(path)) as cache:
        cache.store("a", 200, {}, b"x")
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("DROP TABLE replies")
            other.execute("DELETE FROM total")
        assert cache.find("a", DAY_S) is None
        assert cache.stats().is_damaged
        cache.clear()
        cache.store("a", 200, {}, b"x")
        assert cache.find("a", DAY_S)


def test_a_total_that_is_wrong_does_not_hang(path: Path, now: FixedClock) -> None:
    with closing(now.cache(path)) as cache:
        cache.store("a", 200, {}, b"x")
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("UPDATE total SET bytes = 9000000000")
        cache.store("b", 200, {}, b"x")
        assert cache.find("b", DAY_S)


def test_a_row_of_other_types_is_a_miss(path: Path, now: FixedClock) -> None:
    with closing(now.cache(path)) as cache:
        for column in ("stored", "status", "headers", "body", "checksum"):
            cache.store("a", 200, {}, b"x")
            with closing(sqlite3.connect(path)) as other, other:
                other.execute(f"UPDATE replies SET {column} = 'text'")
            assert cache.find("a", DAY_S) is None
            assert cache.stats().entries == 0


def test_a_database_of_somebody_else_is_refused_and_left_alone(path: Path, now: FixedClock) -> None:
    path.parent.mkdir(parents=True)
    for application_id in (0, APPLICATION_ID + 1):
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("CREATE TABLE photos (name TEXT)")
            other.execute(f"PRAGMA application_id = {application_id}")
        before = path.read_bytes()
        with closing(now.cache(path)) as cache:
            for act in (
                lambda: cache.find("a", 1),
                lambda: cache.store("a", 200, {}, b"x"),
                cache.stats,
                cache.clear,
            ):
                with pytest.raises(SetupError, match="something else"):
                    act()
        assert path.read_bytes() == before


@pytest.mark.parametrize("text", [b"a diary, not a cache " * 100, b"diary"], ids=["long", "short"])
def test_a_file_that_is_no_database_is_refused_and_left_alone(
    path: Path, now: FixedClock, text: bytes
) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    with closing(now.cache(path)) as cache:
        with pytest.raises(SetupError, match="something else"):
            cache.find("a", 1)
        with pytest.raises(SetupError, match="something else"):
            cache.clear()
    assert path.read_bytes() == text


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", ["folder", "file"])
def test_a_cache_of_another_user_is_refused(path: Path, now: FixedClock, name: str) -> None:
    with closing(now.cache(path)) as cache:
        cache.store("a", 200, {}, b"x")
    os.chown(path.parent if name == "folder" else path, 12345, 12345)
    with closing(now.cache(path)) as cache, pytest.raises(SetupError, match="user 12345"):
        cache.find("a", DAY_S)


def test_a_link_in_the_place_of_the_cache_is_not_followed(path: Path, now: FixedClock) -> None:
    other = path.parents[2] / "mine.db"
    other.write_bytes(b"")
    other.chmod(0o640)
    path.parent.mkdir(parents=True)
    path.symlink_to(other)
    with closing(now.cache(path)) as cache, pytest.raises(SetupError, match="is a link"):
        cache.store("k", 200, {}, b"x")
    assert other.read_bytes() == b"" and other.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_cannot_be_made_is_a_setup_error(tmp_path: Path, now: FixedClock) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with closing(now.cache(folder / "replies.db")) as cache, pytest.raises(SetupError):
            cache.store("a", 200, {}, b"x")


def test_a_file_that_cannot_be_made_is_a_setup_error(tmp_path: Path, now: FixedClock) -> None:
    path = tmp_path / ("x" * 300)
    with closing(now.cache(path)) as cache, pytest.raises(SetupError, match="too long"):
        cache.find("a", DAY_S)


def test_a_full_disk_is_a_miss(path: Path, now: FixedClock) -> None:
    import resource

    with closing(now.cache(path)) as cache:
        cache.store("a", 200, {}, b"x")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
        try:
            cache.store("b", 200, {}, bytes(500_000))
            assert cache.find("b", DAY_S) is None
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert cache.find("a", DAY_S)
        cache.store("b", 200, {}, bytes(500_000))
        assert cache.find("b", DAY_S)


def test_while_another_process_writes_a_look_succeeds_all_the_same(
    path: Path, now: FixedClock
) -> None:
    with closing(now.cache(path)) as cache:
        cache.store("a", 200, {}, b"x")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert cache.find("a", DAY_S)
            other.execute("ROLLBACK")


def test_a_cache_that_another_process_makes_at_the_same_time_is_used(
    path: Path, tmp_path: Path, now: FixedClock
) -> None:
    with closing(now.cache(tmp_path / "model" / "replies.db")) as cache:
        cache.store("a", 200, {}, b"x")
        with closing(sqlite3.connect(cache.path)) as model:
            schema = model.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL").fetchall()
    path.parent.mkdir(parents=True)
    looked: list[Reply | None] = []
    with closing(now.cache(path)) as cache, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        looking = threading.Thread(target=lambda: looked.append(cache.find("a", DAY_S)))
        looking.start()
        looking.join(0.2)
        assert looking.is_alive()
        for (statement,) in schema:
            other.execute(statement)
        other.execute("INSERT INTO total VALUES (0, 0)")
        other.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        other.commit()
        looking.join()
        assert looked == [None]
        cache.store("a", 200, {}, b"x")
        assert cache.find("a", DAY_S)


def test_threads_share_one_cache(path: Path, now: FixedClock) -> None:
    with closing(now.cache(path)) as cache:
        wrong: list[str] = []

        def work(name: str) -> None:
            for number in range(20):
                cache.store(f"{name}{number}", 200, {}, name.encode())
                found = cache.find(f"{name}{number}", DAY_S)
                if found is None or found.chunks != (name.encode(),):
                    wrong.append(name)

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcdefgh"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert cache.stats().entries == 160


PROCESSES = """
import os, sys
from pathlib import Path
from apiyi_cli.wire.cache import Cache

def use(name):
    cache = Cache(Path(sys.argv[1]), 10_000_000)
    wrong = 0
    for number in range(10):
        cache.store(f"own {name} {number}", 200, {}, name.encode() * 100)
        found = cache.find(f"own {name} {number}", 60.0)
        wrong += found is not None and found.chunks != (name.encode() * 100,)
        cache.store(f"shared {number}", 200, {}, b"same" * 100)
        found = cache.find(f"shared {number}", 60.0)
        wrong += found is not None and found.chunks != (b"same" * 100,)
    cache.close()
    return wrong

gate, opener = os.pipe()
for number in range(50):
    if os.fork() == 0:
        os.close(opener)
        os.read(gate, 1)
        sys.exit(use(str(number)))
os.close(opener)
print([os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(50)])
"""


def test_fifty_processes_at_once_do_each_other_no_harm(path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-S", "-c", PROCESSES, str(path)],
        capture_output=True,
        env={"PYTHONPATH": os.pathsep.join((str(ROOT), str(PACKAGES)))},
        text=True,
        timeout=60,
    )
    assert (ran.stdout, ran.stderr) == (f"{[0] * 50}\n", "")
    with closing(Cache(path, 10_000_000)) as cache:
        names = [f"own {process} {number}" for process in range(50) for number in range(10)]
        names += [f"shared {number}" for number in range(10)]
        assert sum(cache.find(name, 600) is not None for name in names) == 510


def test_the_key_depends_on_what_is_asked_and_where_and_on_nothing_else() -> None:
    asked = ("POST", "/chat/completions", b'{"model":"a"}', "api.apiyi.com")
    others = [
        ("GET", *asked[1:]),
        (asked[0], "/completions", *asked[2:]),
        (*asked[:2], b'{"model":"b"}', asked[3]),
        (*asked[:3], "elsewhere"),
        ("POST", "/chat/completions{", b'"model":"a"}', "api.apiyi.com"),
    ]
    assert cache_key(*asked) == cache_key("post", *asked[1:])
    assert len({cache_key(*one) for one in (asked, *others)}) == 6
    assert len(cache_key(*asked)) == 64


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("12h", 43_200),
        ("30d", 2_592_000),
        ("2w", 1_209_600),
        (" 1.5h ", 5400),
        ("0.5", 0.5),
        ("3650d", 315_360_000),
    ],
)
def test_a_time_to_keep_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert parse_ttl(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "d", "-1d", "+1d", "0", "0d", "1y", "1 d", "1e3", "nan", "inf", "3651d"),
        *("9" * 30, "1d1h", "٣d", "1.", ".5h", "1,5h", "30D", "1d\n2"),
    ],
)
def test_any_other_time_to_keep_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a time to keep answers"):
        parse_ttl(text)
