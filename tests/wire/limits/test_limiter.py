from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import pytest

import apiyi_cli
from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import SetupError
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits import rates
from apiyi_cli.wire.limits.limiter import Limiter
from apiyi_cli.wire.limits.slots import Sleep
from tests.rates import find_best_rate
from tests.wire.limits.booking import reserve

ROOT = Path(apiyi_cli.__file__).parents[1]


class SleeplessClock:
    """A clock on which sleeping takes no time. Its wall clock jumps by an hour at every look."""

    def __init__(self, now: float = 5000.0) -> None:
        self.now = now
        self.slept: list[float] = []
        jumps = itertools.cycle((0.0, 3600.0, -3600.0))
        self.clock = Clock(lambda: self.now, lambda: next(jumps), self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class GaveUpError(Exception):
    """Raised by a sleep that does not want to wait."""


@contextmanager
def hold_slot(limiter: Limiter, sleep: Sleep | None = None) -> Iterator[None]:
    """Hold one of the concurrency slots."""
    slot = limiter.take_slot(sleep)
    try:
        yield
    finally:
        limiter.release_slot(slot)


def _give_up(seconds: float) -> None:
    raise GaveUpError


def _script(text: str, *values: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", text, *map(str, values)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


class Counter:
    """A gateway on loopback that keeps limits as the real one does, by the time of arrival."""

    def __init__(self, limits: Limits, hold_s: float) -> None:
        self.limits = limits
        self.hold_s = hold_s
        self.arrivals: list[float] = []
        self.refused = self.in_flight = self.most_in_flight = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        # Closing alone does not wake a thread in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while connection.recv(1):
                now = time.monotonic()
                with self._lock:
                    since = now - self.limits.window_s
                    recent = sum(moment > since for moment in self.arrivals[-self.limits.rpm :])
                    self.arrivals.append(now)
                    self.in_flight += 1
                    self.most_in_flight = max(self.most_in_flight, self.in_flight)
                    is_over = self.in_flight > self.limits.concurrency
                    is_refused = recent >= self.limits.rpm or is_over
                    self.refused += is_refused
                threading.Event().wait(self.hold_s)
                with self._lock:
                    self.in_flight -= 1
                connection.sendall(b"n" if is_refused else b"y")


@contextmanager
def _counter(limits: Limits, hold_s: float) -> Iterator[Counter]:
    counter = Counter(limits, hold_s)
    try:
        yield counter
    finally:
        counter.close()


CLIENT = """
import json, socket, sys, threading
from pathlib import Path
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits.limiter import Limiter

folder, limits, port, count, threads = sys.argv[1:]
limiter = Limiter(Path(folder), "sk-shared", Limits(**json.loads(limits)))
connections = [socket.create_connection(("127.0.0.1", int(port))) for _ in range(int(threads))]

def client(connection):
    for _ in range(int(count)):
        slot = limiter.take_slot()
        limiter.acquire()
        connection.sendall(b"r")
        connection.recv(1)
        limiter.release_slot(slot)

print("ready", flush=True)
sys.stdin.readline()
workers = [threading.Thread(target=client, args=(one,)) for one in connections]
for worker in workers: worker.start()
for worker in workers: worker.join()
"""


def _four_processes(folder: Path, counter: Counter, count: int, threads: int) -> None:
    values = json.dumps(vars(counter.limits))
    with ExitStack() as stack:
        clients = [
            stack.enter_context(_script(CLIENT, folder, values, counter.port, count, threads))
            for _ in range(4)
        ]
        for client in clients:
            assert client.stdout is not None
            assert client.stdout.readline() == "ready\n"
        for client in clients:
            assert client.stdin is not None
            client.stdin.write("\n")
            client.stdin.flush()
        assert [client.wait(60) for client in clients] == [0] * 4


def test_four_processes_get_no_429_and_95_percent_of_the_rate(tmp_path: Path) -> None:
    # A request takes 0.1 s, which is longer than a busy machine lets a process wait. What much
    # later ones do to the rate is shown in simulated time, beside the arithmetic.
    limits = Limits(rpm=40, concurrency=8, window_s=4.0)
    with _counter(limits, hold_s=0.01) as counter:
        _four_processes(tmp_path, counter, count=6, threads=3)
    assert counter.refused == 0
    assert len(counter.arrivals) == 72
    best = find_best_rate(counter.arrivals, limits.window_s)
    assert best >= 0.95 * limits.rpm / limits.window_s


def test_four_processes_never_have_more_in_flight_than_allowed(tmp_path: Path) -> None:
    limits = Limits(rpm=100_000, concurrency=3, window_s=1.0)
    with _counter(limits, hold_s=0.01) as counter:
        _four_processes(tmp_path, counter, count=10, threads=3)
    assert counter.refused == 0
    assert len(counter.arrivals) == 120
    assert counter.most_in_flight == 3


HOLDER = """
import sys
from pathlib import Path
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits.limiter import Limiter
from apiyi_cli.wire.limits.slots import Sleep
limiter = Limiter(Path(sys.argv[1]), "sk-shared", Limits(concurrency=2))
limiter.take_slot(), limiter.take_slot()
print("holds", flush=True)
sys.stdin.readline()
"""


def test_a_killed_process_gives_its_places_back(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path, "sk-shared", Limits(concurrency=2))
    with _script(HOLDER, tmp_path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holds\n"
        with pytest.raises(GaveUpError):
            limiter.take_slot(_give_up)
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
    assert {limiter.take_slot(_give_up), limiter.take_slot(_give_up)} == {0, 1}
    limiter.release_slot(0)
    limiter.release_slot(1)


LOCKER = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
print("holds", flush=True)
sys.stdin.readline()
"""


def test_a_process_killed_while_it_books_holds_up_nobody(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path, "sk-shared", Limits())
    (path,) = tmp_path.glob("*.rates")
    waited: list[float] = []
    with _script(LOCKER, path) as locker:
        assert locker.stdout is not None
        assert locker.stdout.readline() == "holds\n"
        booking = threading.Thread(target=lambda: waited.append(reserve(limiter)))
        booking.start()
        booking.join(0.05)
        assert booking.is_alive()
        locker.send_signal(signal.SIGKILL)
        booking.join(10)
    assert waited == [0.0]


def test_the_files_are_the_users_alone_and_do_not_name_the_key(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "apiyi"
    Limiter(folder, "sk-secret-key", Limits()).acquire()
    files = sorted(folder.iterdir())
    assert [file.suffix for file in files] == [".rates", ".slots"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all("secret" not in file.name for file in files)
    assert all(b"secret" not in file.read_bytes() for file in files[:1])


def test_limiters_of_one_key_share_and_those_of_others_do_not(tmp_path: Path) -> None:
    hours = SleeplessClock()
    limits = Limits(rpm=6)
    one, same, other, tighter = (
        Limiter(tmp_path, key, limit, clock=hours.clock)
        for key, limit in (("a", limits), ("a", limits), ("b", limits), ("a", Limits(rpm=2)))
    )
    assert reserve(one) == 0
    assert reserve(same) > 9
    assert reserve(other) == 0
    assert reserve(tighter) == 0


def test_a_file_that_another_boot_left_after_three_days_holds_nobody_up(tmp_path: Path) -> None:
    limits = Limits(rpm=6)
    before = Limiter(tmp_path, "a", limits, clock=SleeplessClock(now=3 * 86_400.0).clock)
    assert max(reserve(before) for _ in range(4)) > 20
    after = Limiter(tmp_path, "a", limits, clock=SleeplessClock(now=20.0).clock)
    assert reserve(after) == 0


def test_a_place_is_given_once_in_a_process_and_after_an_error_again(tmp_path: Path) -> None:
    limits = Limits(concurrency=2)
    one, same = Limiter(tmp_path, "a", limits), Limiter(tmp_path, "a", limits)
    with hold_slot(one):
        with hold_slot(same), pytest.raises(GaveUpError):
            one.take_slot(_give_up)
        with pytest.raises(KeyError), hold_slot(same, _give_up):
            raise KeyError
        with hold_slot(same, _give_up):
            pass


def test_a_newcomer_does_not_overtake_who_waits_for_a_place(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path, "a", Limits(concurrency=1))
    held = limiter.take_slot()
    newcomers_waits: list[float] = []
    waits: list[float] = []

    def newcomer_sleeps(seconds: float) -> None:
        newcomers_waits.append(seconds)
        if len(newcomers_waits) == 9:
            raise GaveUpError

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            limiter.release_slot(held)
            with pytest.raises(GaveUpError):
                limiter.take_slot(newcomer_sleeps)

    limiter.release_slot(limiter.take_slot(sleep))
    assert waits == [0.001, 0.001]
    # Who is not next asks less and less often.
    assert newcomers_waits == [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.05, 0.05, 0.05]


def test_three_simulated_minutes_of_four_limiters_fill_no_window(tmp_path: Path) -> None:
    hours = SleeplessClock()
    limits = Limits()
    limiters = [Limiter(tmp_path, "a", limits, clock=hours.clock) for _ in range(4)]
    starts: list[float] = []
    for limiter in itertools.cycle(limiters):
        limiter.acquire(300)
        starts.append(hours.now)
        if hours.now > 5180:
            break
    for first in range(len(starts) - limits.rpm):
        assert starts[first + limits.rpm] - starts[first] > limits.window_s
    assert len(starts) >= 0.95 * 3 * limits.rpm


def test_the_wall_clock_is_never_looked_at(tmp_path: Path) -> None:
    def wall() -> float:
        raise AssertionError

    hours = SleeplessClock()
    clock = Clock(lambda: hours.now, wall, hours.sleep)
    limiter = Limiter(tmp_path, "a", Limits(rpm=2), clock=clock)
    limiter.pause(3.0)
    assert limiter.acquire(10) == pytest.approx(3.0)
    limiter.settle(10, 20)
    assert limiter.acquire(10) > 29


def test_a_429_holds_up_all_who_wait_once(tmp_path: Path) -> None:
    hours = SleeplessClock()
    limiter = Limiter(tmp_path, "a", Limits(rpm=60), clock=hours.clock)
    other = Limiter(tmp_path, "a", Limits(rpm=60), clock=hours.clock)
    limiter.acquire()

    def sleep(seconds: float) -> None:
        if not hours.slept:
            other.pause(20.0)
        hours.sleep(seconds)

    began = hours.now
    assert limiter.acquire(sleep=sleep) == pytest.approx(20.0, abs=2.5)
    assert began + 20 <= hours.now
    assert other.acquire() < 2.5


def test_a_pause_is_ten_minutes_at_most(tmp_path: Path) -> None:
    hours = SleeplessClock()
    limiter = Limiter(tmp_path, "a", Limits(), clock=hours.clock)
    limiter.pause(1e9)
    assert reserve(limiter) == 600


def test_a_process_that_was_stopped_books_again(tmp_path: Path) -> None:
    hours = SleeplessClock()
    limiter = Limiter(tmp_path, "a", Limits(rpm=60), clock=hours.clock)
    stopped = Limiter(tmp_path, "a", Limits(rpm=60), clock=hours.clock)
    limiter.acquire()
    starts = []

    def sleep(seconds: float) -> None:
        if not hours.slept:
            seconds += 300
        hours.sleep(seconds)

    stopped.acquire(sleep=sleep)
    starts.append(hours.now)
    limiter.acquire()
    starts.append(hours.now)
    # One request takes 1.035 s, of which it may be 0.3 s ahead.
    assert starts[1] - starts[0] > 0.7


def test_a_request_that_is_paid_for_waits_while_late_ones_fill_the_window(tmp_path: Path) -> None:
    hours = SleeplessClock()
    limiter = Limiter(tmp_path, "a", Limits(rpm=3, window_s=3.0), clock=hours.clock)
    for _ in range(3):
        limiter.acquire()
        hours.now += 1.1
    # The first one leaves only now: the window has no room until the second one is out of it.
    limiter.note_sent(0, late_s=3.3)
    assert limiter.acquire() > 0.7


def test_a_sleep_that_ends_early_is_continued(tmp_path: Path) -> None:
    hours = SleeplessClock()
    limiter = Limiter(tmp_path, "a", Limits(rpm=6), clock=hours.clock)
    limiter.acquire()
    waited = limiter.acquire(sleep=lambda seconds: hours.sleep(min(seconds, 3.0)))
    assert waited > 10
    assert len(hours.slept) == 4


def test_a_sleep_that_gives_up_ends_the_wait(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path, "a", Limits(rpm=1), clock=SleeplessClock().clock)
    limiter.acquire()
    with pytest.raises(GaveUpError):
        limiter.acquire(sleep=_give_up)


def test_an_estimate_that_was_right_changes_nothing(tmp_path: Path) -> None:
    hours = SleeplessClock()
    limiter = Limiter(tmp_path, "a", Limits(), clock=hours.clock)
    limiter.acquire(100_000)
    (path,) = tmp_path.glob("*.rates")
    before = path.read_bytes()
    limiter.settle(100_000, 100_000)
    assert path.read_bytes() == before
    limiter.settle(100_000, 0)
    assert path.read_bytes() != before


def test_the_means_are_shared(tmp_path: Path) -> None:
    Limiter(tmp_path, "a", Limits()).learn("gpt-4o", 900)
    assert Limiter(tmp_path, "a", Limits()).mean_tokens("gpt-4o") == 900


def test_absurd_limits_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="rpm is -3"):
        Limiter(tmp_path / "run", "a", Limits(rpm=-3))
    assert not (tmp_path / "run").exists()


def _works_alone(limiter: Limiter, hours: SleeplessClock) -> None:
    assert limiter.acquire(10) == 0
    assert limiter.acquire(10) > 9
    with hold_slot(limiter), pytest.raises(GaveUpError):
        limiter.take_slot(_give_up)
    with hold_slot(limiter, _give_up):
        pass


def _blocked_by_a_file(folder: Path) -> None:
    folder.write_text("in the way")


def _blocked_by_folders(folder: Path) -> None:
    Limiter(folder, "a", Limits(rpm=6, concurrency=1))
    for file in folder.glob("*.rates"):
        file.unlink()
        file.mkdir()


def _blocked_by_a_link(folder: Path) -> None:
    Limiter(folder, "a", Limits(rpm=6, concurrency=1))
    for file in folder.glob("*.rates"):
        file.unlink()
        file.symlink_to("/etc/hostname")


def _blocked_by_a_pipe(folder: Path) -> None:
    Limiter(folder, "a", Limits(rpm=6, concurrency=1))
    for file in folder.glob("*.rates"):
        file.unlink()
        os.mkfifo(file)


@pytest.mark.parametrize(
    "block", [_blocked_by_a_file, _blocked_by_folders, _blocked_by_a_link, _blocked_by_a_pipe]
)
def test_without_usable_files_the_limits_hold_in_the_process(tmp_path: Path, block: object) -> None:
    folder = tmp_path / "run"
    block(folder)  # type: ignore[operator]
    told: list[str] = []
    hours = SleeplessClock()
    limits = Limits(rpm=6, concurrency=1)
    limiter = Limiter(folder, "a", limits, clock=hours.clock, tell=told.append)
    assert len(told) == 1
    assert told[0].startswith("rate limits are kept within this process only: ")
    _works_alone(limiter, hours)


def test_without_fcntl_the_limits_hold_in_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    told: list[str] = []
    hours = SleeplessClock()
    limits = Limits(rpm=6, concurrency=1)
    limiter = Limiter(tmp_path, "a", limits, clock=hours.clock, tell=told.append)
    assert told == ["rate limits are kept within this process only: this system has no file locks"]
    _works_alone(limiter, hours)
    _works_alone(Limiter(tmp_path, "b", limits, clock=hours.clock), hours)


def test_a_full_disk_is_noticed_before_the_file_is_mapped(tmp_path: Path) -> None:
    told: list[str] = []
    hours = SleeplessClock()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limits = Limits(rpm=6, concurrency=1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        limiter = Limiter(tmp_path, "a", limits, clock=hours.clock, tell=told.append)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "No space left" in told[0]
    _works_alone(limiter, hours)
    # What was begun is completed by the next one.
    told.clear()
    Limiter(tmp_path, "a", limits, tell=told.append).acquire()
    assert not told


@pytest.mark.parametrize(
    "text",
    [b"", b"\0" * 100, b"\xff" * 8 * rates.SIZE, b"x" * 100_000],
    ids=["empty", "short", "garbage", "long"],
)
def test_a_damaged_file_is_begun_anew(tmp_path: Path, text: bytes) -> None:
    Limiter(tmp_path, "a", Limits())
    (path,) = tmp_path.glob("*.rates")
    path.write_bytes(text)
    told: list[str] = []
    limiter = Limiter(tmp_path, "a", Limits(), clock=SleeplessClock().clock, tell=told.append)
    assert reserve(limiter, 900_000) == 0
    assert reserve(limiter, 900_000) > 50
    assert not told


class AlarmError(Exception):
    """Raised by the signal handler of a test."""


def test_a_signal_while_waiting_for_the_file_leaves_no_lock_behind(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path, "a", Limits())
    (path,) = tmp_path.glob("*.rates")

    def ring(signum: int, frame: FrameType | None) -> None:
        raise AlarmError

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with _script(LOCKER, path) as locker:
            assert locker.stdout is not None
            assert locker.stdout.readline() == "holds\n"
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            with pytest.raises(AlarmError):
                reserve(limiter)
            locker.communicate("\n", timeout=10)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert reserve(limiter) == 0


def test_with_the_last_slot_all_is_written_that_was_noted(tmp_path: Path) -> None:
    hours = SleeplessClock()
    limits = Limits(tpm=1000)
    limiter = Limiter(tmp_path, "a", limits, clock=hours.clock)
    first, second = limiter.take_slot(), limiter.take_slot()
    limiter.settle(1, 2)
    limiter.acquire(900)
    limiter.settle(900, 1)
    limiter.release_slot(first)
    other = Limiter(tmp_path, "a", limits, clock=hours.clock)
    # The last one itself has nothing to note.
    limiter.release_slot(second)
    assert reserve(other, 900) < 1
