"""The limits that several hosts share, against a real Redis server."""

from __future__ import annotations

import heapq
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import SetupError
from apiyi_cli.sandbox.server import Gateway
from apiyi_cli.sandbox.server import GatewayLimits as Enforced
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits import rates
from apiyi_cli.wire.limits.redis_limiter import RedisLimiter
from apiyi_cli.wire.limits.redis_store import without_credentials
from apiyi_cli.wire.limits.windows import Counters
from tests.conftest import KEY, Program
from tests.rates import find_best_rate
from tests.redis_server import SERVER, Redis, Relay

pytestmark = pytest.mark.skipif(SERVER is None, reason="redis-server is not installed")
pytest.importorskip("redis", reason="the Python package redis is not installed")
SECRET = "CANARY-of-redis"


@pytest.fixture(scope="module")
def running() -> Iterator[Redis]:
    server = Redis()
    yield server
    server.stop()


@pytest.fixture
def store(running: Redis) -> str:
    with running.client() as client:
        client.flushall()
    return running.url


@pytest.fixture
def mortal() -> Iterator[Redis]:
    """A server that the test may stop."""
    server = Redis()
    yield server
    server.stop()


class GaveUpError(Exception):
    """Raised by a sleep that does not want to wait."""


def give_up(seconds: float) -> None:
    raise GaveUpError


class ScriptBooking(NamedTuple):
    """A booking: its moment, what was found before, and both as the script tells them."""

    start: float
    tokens: int
    found: rates.RateSnapshot
    told: list[float]


class Script:
    """The script in the server, on a clock that is given; steps as `rates` has them."""

    def __init__(self, server: Redis, limits: Limits) -> None:
        limiter = RedisLimiter(server.url, "differential", limits)
        self.ask = limiter._server.ask
        client = limiter._server.client
        lua: str = limiter._server._script.script
        given = lua.replace("redis.call('TIME')", "{ table.remove(ARGV), '0' }")
        assert given != lua
        limiter._server._script = client.register_script(given)
        client.flushall()

    def book(self, now: float, tokens: int) -> list[float]:
        return [float(number) for number in self.ask("book", tokens, now)[1:]]

    def admit(self, now: float, start: float, tokens: int) -> float:
        return float(self.ask("admit", start, tokens, now)[1])


def admitted(counters: Counters, limits: Limits, now: float, start: float, tokens: int) -> float:
    """Return what the script says: 0 started, seconds to wait, -1 to be booked again."""
    if start > now:
        return start - now
    wait_s = rates.admit(counters, limits, now, start, tokens)
    return -1.0 if wait_s is None else wait_s


@pytest.mark.parametrize("seed", range(6))
def test_the_script_books_as_the_arithmetic_of_one_host_does(
    running: Redis, store: str, seed: int
) -> None:
    chance = random.Random(seed)
    limits = Limits(rpm=chance.choice([6, 40, 3000]), tpm=4000, window_s=chance.choice([2.0, 60.0]))
    script, counters = Script(running, limits), array("d", bytes(8 * rates.SIZE))
    now, booked = 1_790_000_000.0, list[ScriptBooking]()
    for _ in range(250):
        now += chance.choice([0.0, 0.001, 0.01, 0.3]) * limits.window_s * chance.random()
        step = chance.random()
        if step < 0.5 or not booked:
            tokens = chance.choice([0, 1, 50, 700, 9000])
            found = rates.snapshot(counters, now)
            start = rates.book(counters, limits, now, tokens)
            expected = admitted(counters, limits, now, start, tokens)
            told = script.book(now, tokens)
            assert told == pytest.approx([start, expected, *found], abs=2e-6)
            if expected > 0:
                booked.append(ScriptBooking(start, tokens, found, told))
        elif step < 0.75:
            first = booked.pop(0)
            expected = admitted(counters, limits, now, first.start, first.tokens)
            told_s = script.admit(now, first.told[0], first.tokens)
            assert told_s == pytest.approx(expected, abs=2e-6)
            if expected > 0:
                booked.insert(0, first)
        elif step < 0.85:
            gone = booked.pop(chance.randrange(len(booked)))
            rates.cancel(counters, limits, now, gone.start, gone.tokens, gone.found)
            script.ask("cancel", gone.told[0], gone.tokens, *gone.told[2:], now)
        elif step < 0.9:
            late_s, tokens = chance.random() * limits.window_s / 8, chance.choice([0, 50, 9000])
            rates.count_late(counters, limits, now, tokens, late_s)
            script.ask("late", tokens, late_s, now)
        elif step < 0.97:
            estimated, actual = chance.randrange(800), chance.randrange(800)
            ago_s = chance.random() * limits.window_s / 4
            rates.settle(counters, limits, now, estimated, actual, ago_s)
            script.ask("settle", estimated, actual, ago_s, now)
        else:
            wait_s = chance.random() * limits.window_s / 10
            rates.pause(counters, now, wait_s)
            script.ask("pause", wait_s, now)


def test_a_server_clock_that_was_put_back_forgets_the_bookings(running: Redis, store: str) -> None:
    script = Script(running, Limits(rpm=6))
    now = 1_790_000_000.0
    assert script.book(now, 0)[1] == 0
    assert script.book(now, 0)[1] > 9
    assert script.book(now - 3600, 0)[1] == 0


CLIENT = """
import json, socket, sys, threading
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits.redis_limiter import RedisLimiter

url, limits, port, count, threads = sys.argv[1:]
limiter = RedisLimiter(url, "sk-shared", Limits(**json.loads(limits)))
connections = [socket.create_connection(("127.0.0.1", int(port))) for _ in range(int(threads))]

def client(connection):
    for _ in range(int(count)):
        place = limiter.take_slot()
        limiter.acquire()
        connection.sendall(b"r")
        connection.recv(1)
        limiter.release_slot(place)

print("ready", flush=True)
sys.stdin.readline()
workers = [threading.Thread(target=client, args=(one,)) for one in connections]
for worker in workers: worker.start()
for worker in workers: worker.join()
"""


class Arrivals:
    """A gateway on loopback that notes when requests arrive and how many are there at once."""

    def __init__(self, hold_s: float) -> None:
        self.moments: list[float] = []
        self.most = self._now = 0
        self._hold_s = hold_s
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while connection.recv(1):
                with self._lock:
                    self.moments.append(time.monotonic())
                    self._now += 1
                    self.most = max(self.most, self._now)
                threading.Event().wait(self._hold_s)
                with self._lock:
                    self._now -= 1
                connection.sendall(b"y")


@pytest.mark.parametrize("seed", range(3))
def test_machines_on_a_given_clock_fill_no_window_and_use_95_percent_of_the_rate(
    running: Redis, store: str, seed: int
) -> None:
    chance, limits = random.Random(seed), Limits(rpm=40, window_s=2.0)
    script = Script(running, limits)
    began_s = 1_790_000_000.0
    # Nine threads of three machines: when each goes on, and the start that it has booked.
    waiting = [(began_s + chance.random(), thread, 0.0) for thread in range(9)]
    starts = list[float]()
    while len(starts) < 400:
        now, thread, start = heapq.heappop(waiting)
        if start:
            wait_s = script.admit(now, start, 0)
        else:
            start, wait_s, *_ = script.book(now, 0)
        if wait_s == 0:
            starts.append(now)
            start, wait_s = 0.0, 0.02
        elif wait_s < 0:
            start, wait_s = 0.0, 0.0
        # A machine is late by what the other half of the reserve is for.
        late_s = chance.random() * rates.JITTER * limits.window_s / 2
        heapq.heappush(waiting, (now + wait_s + late_s, thread, start))
    windows = zip(starts, starts[limits.rpm :], strict=False)
    assert all(late - early > limits.window_s for early, late in windows)
    allowed = limits.rpm * (starts[-1] - starts[0]) / limits.window_s
    assert (len(starts) - 1) / allowed >= 0.95


@pytest.mark.nightly
def test_three_machines_fill_no_window_and_use_95_percent_of_the_rate(store: str) -> None:
    limits = Limits(rpm=200, concurrency=5, window_s=10.0)
    gateway = Arrivals(hold_s=0.02)
    with ExitStack() as stack:
        stack.callback(gateway.close)
        words = [store, json.dumps(vars(limits)), str(gateway.port), "60", "3"]
        hosts = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", CLIENT, *words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for _ in range(3)
        ]
        for host in hosts:
            assert host.stdout is not None
            assert host.stdout.readline() == b"ready\n"
        for host in hosts:
            assert host.stdin is not None
            host.stdin.write(b"\n")
            host.stdin.flush()
        assert [host.wait(60) for host in hosts] == [0] * 3
    moments = gateway.moments
    assert len(moments) == 540
    assert gateway.most <= 5
    windows = zip(moments, moments[limits.rpm :], strict=False)
    assert all(late - early > limits.window_s for early, late in windows)
    allowed = limits.rpm * (moments[-1] - moments[0]) / limits.window_s
    assert (len(moments) - 1) / allowed >= 0.95


HOLDER = """
import sys
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits.redis_limiter import RedisLimiter
limiter = RedisLimiter(sys.argv[1], "sk-shared", Limits(concurrency=2), lease_s=float(sys.argv[2]))
limiter.take_slot(), limiter.take_slot()
print("holds", flush=True)
sys.stdin.readline()
"""


def test_the_places_of_a_killed_host_come_back_when_their_lease_is_over(store: str) -> None:
    lease_s = 0.6
    limiter = RedisLimiter(store, "sk-shared", Limits(concurrency=2))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, store, str(lease_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"holds\n"
        with pytest.raises(GaveUpError):
            limiter.take_slot(give_up)
        # Held for longer than a lease: it was renewed.
        until = time.monotonic() + 2 * lease_s

        def sleep(seconds: float) -> None:
            time.sleep(seconds)
            if time.monotonic() > until:
                raise GaveUpError

        with pytest.raises(GaveUpError):
            limiter.take_slot(sleep)
        host.kill()
        host.wait()
    killed_at = time.monotonic()
    places = {limiter.take_slot(), limiter.take_slot()}
    assert len(places) == 2
    assert time.monotonic() - killed_at < 3 * lease_s
    for place in places:
        limiter.release_slot(place)


def test_a_place_is_never_given_twice_however_they_come_and_go(running: Redis, store: str) -> None:
    limiter = RedisLimiter(store, "a", Limits(concurrency=3))
    held = [limiter.take_slot(give_up) for _ in range(3)]
    for index in (0, 2, 1):
        with pytest.raises(GaveUpError):
            limiter.take_slot(give_up)
        limiter.release_slot(held[index])
        held[index] = limiter.take_slot(give_up)
    assert len(set(held)) == 3
    with running.client() as client:
        (places,) = [name for name in client.scan_iter() if name.endswith(b":places")]
        assert client.zcard(places) == 3
        for place in held:
            limiter.release_slot(place)
        assert client.zcard(places) == 0


def test_the_server_is_told_no_key_and_keeps_nothing_for_ever(running: Redis, store: str) -> None:
    limiter = RedisLimiter(store, KEY, Limits())
    limiter.acquire(10)
    limiter.learn("gpt-4o", 30)
    limiter.release_slot(limiter.take_slot())
    place = limiter.take_slot()
    with running.client() as client:
        names = client.keys()
        assert len(names) == 4
        for name in names:
            assert KEY.encode() not in name
            assert 0 < client.ttl(name) <= 30 * 86_400
    limiter.release_slot(place)


def test_keys_and_other_limits_count_on_their_own_and_means_are_shared(store: str) -> None:
    one, same, other, tighter = (
        RedisLimiter(store, key, limits)
        for key, limits in (
            ("a", Limits(rpm=6)),
            ("a", Limits(rpm=6)),
            ("b", Limits(rpm=6)),
            ("a", Limits(rpm=2)),
        )
    )
    one.acquire(sleep=give_up)
    with pytest.raises(GaveUpError):
        same.acquire(sleep=give_up)
    other.acquire(sleep=give_up)
    tighter.acquire(sleep=give_up)
    assert one.mean_tokens("gpt-4o") == 256
    one.learn("gpt-4o", 900)
    assert tighter.mean_tokens("gpt-4o") == 900


def test_a_pause_holds_up_all_hosts_and_ten_minutes_at_most(store: str) -> None:
    waits: list[float] = []

    def note(seconds: float) -> None:
        waits.append(seconds)
        raise GaveUpError

    RedisLimiter(store, "a", Limits()).pause(1e9)
    with pytest.raises(GaveUpError):
        RedisLimiter(store, "a", Limits()).acquire(sleep=note)
    assert waits == [pytest.approx(600, abs=5)]


def test_a_single_request_waits_for_a_pause_and_starts_then(store: str) -> None:
    waits: list[tuple[float, str]] = []
    limiter = RedisLimiter(store, "a", Limits())
    limiter.pause(0.2)
    waited_s = limiter.acquire(single=True, on_wait=lambda *wait: waits.append(wait))
    assert waits[0][0] == pytest.approx(0.2, abs=0.1)
    assert waits[0][1] == "pause"
    assert waited_s == pytest.approx(sum(seconds for seconds, _ in waits), abs=0.2)


def test_a_turn_that_a_pause_has_overtaken_is_booked_again(store: str) -> None:
    limiter = RedisLimiter(store, "a", Limits(rpm=2, window_s=0.4))
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        if not waits:
            limiter.pause(seconds + 0.3)
        waits.append(seconds)
        time.sleep(seconds)

    while not waits:
        began = time.monotonic()
        limiter.acquire(sleep=sleep)
    assert len(waits) >= 2
    assert time.monotonic() - began >= waits[0] + 0.25


def test_a_booking_that_is_given_up_holds_nobody_up(store: str) -> None:
    limits = Limits(rpm=60, tpm=60_000)
    limiter, other = (RedisLimiter(store, "given up", limits) for _ in range(2))
    limiter.acquire(50_000)
    with pytest.raises(GaveUpError):
        limiter.acquire(55_000, give_up)
    waits: list[float] = []

    def told(seconds: float) -> None:
        waits.append(seconds)
        raise GaveUpError

    with pytest.raises(GaveUpError):
        other.acquire(100, told)
    # As if the second had never come: with it this one would wait for most of two windows.
    assert waits[0] < 60


def test_a_server_that_is_gone_is_not_waited_for_to_give_up(mortal: Redis) -> None:
    limiter = RedisLimiter(mortal.url, "gone", Limits(rpm=1))
    limiter.acquire()

    def stops(seconds: float) -> None:
        if seconds > 1:
            mortal.stop()
        else:
            raise GaveUpError

    with pytest.raises(GaveUpError):
        limiter.acquire(0, stops)


def test_a_place_is_held_for_longer_than_a_lease_and_given_back_at_once(store: str) -> None:
    lease_s = 0.3
    limits = Limits(concurrency=1)
    holding = RedisLimiter(store, "a", limits, lease_s=lease_s)
    waiting = RedisLimiter(store, "a", limits, lease_s=lease_s)
    place = holding.take_slot()
    until = time.monotonic() + 3 * lease_s

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if time.monotonic() > until:
            raise GaveUpError

    with pytest.raises(GaveUpError):
        waiting.take_slot(sleep)
    holding.release_slot(place)
    # While another thread sends a renewal, that one sends this as well, right after it.
    until = time.monotonic() + lease_s / 2
    waiting.take_slot(sleep)


def test_a_run_holds_several_outputs(store: str) -> None:
    one, other = (RedisLimiter(store, "a", Limits()) for _ in range(2))
    assert [one.hold_output(name, "one") for name in ("x", "y")] == [None, None]
    assert [other.hold_output(name, "other") for name in ("x", "y")] == ["one", "one"]
    one.release_output()


def test_requests_start_in_the_order_in_which_they_were_booked(store: str) -> None:
    limiter = RedisLimiter(store, "a", Limits(rpm=6))
    limiter.acquire()
    starts = [limiter._step(give_up, "book", 0)[1] for _ in range(4)]
    assert all(late - early > 9.9 for early, late in pairwise(starts))


def test_the_clocks_of_the_hosts_do_not_matter(store: str) -> None:
    def off(seconds: float) -> Clock:
        return Clock(lambda: time.monotonic() + seconds, lambda: time.time() + seconds, give_up)

    RedisLimiter(store, "a", Limits(rpm=1), clock=off(3600)).acquire()
    for seconds in (-3600, 3600, 1e6):
        with pytest.raises(GaveUpError):
            RedisLimiter(store, "a", Limits(rpm=1), clock=off(seconds)).acquire()


class SleeplessClock:
    """A clock on which sleeping takes no time; what happens meanwhile is given."""

    def __init__(self) -> None:
        self.now = 100.0
        self.meanwhile: list[Any] = []
        self.clock = Clock(lambda: self.now, lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.meanwhile:
            self.meanwhile.pop(0)()


def test_a_server_that_goes_away_is_waited_for_and_then_ends_the_run(mortal: Redis) -> None:
    patient, told = SleeplessClock(), list[str]()
    limits = Limits(concurrency=2, store_wait_s=40.0)
    limiter = RedisLimiter(mortal.url, "a", limits, clock=patient.clock, tell=told.append)
    place = limiter.take_slot()
    mortal.stop()
    # What is over costs nothing: neither the place nor the tokens are worth an answer.
    limiter.settle(10, 10)
    assert told == []
    limiter.settle(10, 20)
    limiter.learn("gpt-4o", 3)
    limiter.pause(1.0)
    limiter.release_slot(place)
    assert limiter.mean_tokens("gpt-4o") == 256
    began = patient.now
    for step in (limiter.acquire, limiter.take_slot):
        with pytest.raises(SetupError, match="cannot share the limits between machines") as ended:
            step()
        assert patient.now - began == pytest.approx(40.0)
        # One machine of many that counts on its own would take more than its share.
        assert "unset" not in (ended.value.hint or "")
        assert "limits.store_wait_s" in (ended.value.hint or "")
    assert len(told) == 1
    assert "waiting up to 40 s" in told[0]
    assert f"redis://127.0.0.1:{mortal.port}/3 does not answer" in told[0]


def test_a_server_that_comes_back_is_gone_on_with(mortal: Redis) -> None:
    patient, told = SleeplessClock(), list[str]()
    limiter = RedisLimiter(mortal.url, "a", Limits(), clock=patient.clock, tell=told.append)
    for _ in range(2):
        mortal.stop()
        patient.meanwhile = [lambda: None, mortal.start]
        limiter.acquire(5)
        limiter.release_slot(limiter.take_slot())
    assert ["answers again" in one for one in told] == [False, True] * 2


def test_a_server_that_is_away_at_the_start_is_waited_for(mortal: Redis) -> None:
    mortal.stop()
    patient, told = SleeplessClock(), list[str]()
    limits = Limits(store_wait_s=40.0)
    limiter = RedisLimiter(mortal.url, "late", limits, clock=patient.clock, tell=told.append)
    began = patient.now
    assert limiter.mean_tokens("gpt-4o") == 256
    with pytest.raises(SetupError) as ended:
        limiter.take_slot()
    assert patient.now - began == pytest.approx(40.0)
    assert "unset" not in (ended.value.hint or "")
    assert len(told) == 1 and "waiting up to 40 s" in told[0]
    limiter = RedisLimiter(mortal.url, "late", limits, clock=patient.clock, tell=told.append)
    patient.meanwhile = [lambda: None, mortal.start]
    other = Limits(rpm=9)
    limiter.release_slot(limiter.take_slot())
    RedisLimiter(mortal.url, "late", other)
    assert len(told) == 3 and "answers again" in told[-1]
    # What it could not learn when it began is told as soon as the server is there.
    mortal.stop()
    limiter = RedisLimiter(mortal.url, "late", limits, clock=patient.clock, tell=told.append)
    mortal.start()
    RedisLimiter(mortal.url, "late", other)
    limiter.acquire()
    assert "with other limits: 9/" in told[-1]


def test_a_wrong_password_is_not_waited_for_however_late_it_shows(mortal: Redis) -> None:
    mortal.stop()
    patient = SleeplessClock()
    limiter = RedisLimiter(mortal.url, "late", Limits(), clock=patient.clock)
    guarded = Redis("--requirepass", "another", "--port", str(mortal.port))
    try:
        with pytest.raises(SetupError) as ended:
            limiter.take_slot()
    finally:
        guarded.stop()
        mortal.start()
    assert patient.now < 101
    assert "limits.store" in (ended.value.hint or "")


def unusable(url: str, store_wait_s: float = 300.0) -> SetupError:
    with pytest.raises(SetupError) as caught:
        RedisLimiter(url, "a", Limits(store_wait_s=store_wait_s))
    assert "unset" not in (caught.value.hint or "")
    assert "limits.store" in (caught.value.hint or "")
    assert SECRET not in str(caught.value)
    return caught.value


def test_a_server_that_cannot_be_used_is_an_error_at_the_start(store: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # Nobody waits who does not want to; a refusal does not change with time.
    assert "refused" in unusable(f"redis://user:{SECRET}@127.0.0.1:{port}", 0.0).why
    guarded = Redis("--requirepass", "another")
    try:
        for url in (guarded.url, guarded.url.replace("//", f"//:{SECRET}@")):
            assert guarded.url.rpartition("/")[0] in unusable(url).why
    finally:
        guarded.stop()
    copy = Redis("--replicaof", "127.0.0.1", str(port))
    try:
        unusable(copy.url)
    finally:
        copy.stop()
    unusable(f"redis://:{SECRET}@127.0.0.1:notaport/0")


def test_a_web_server_is_no_redis() -> None:
    class Page(BaseHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as page:
        thread = threading.Thread(target=page.serve_forever)
        thread.start()
        try:
            unusable(f"redis://127.0.0.1:{page.server_port}/0", 0.0)
        finally:
            page.shutdown()
            thread.join()


def test_without_the_package_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(SetupError) as caught:
        RedisLimiter("redis://127.0.0.1", "a", Limits())
    assert caught.value.hint == "pip install 'apiyi-cli[redis]'"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://me:pass@host:7000/2", "redis://host:7000/2"),
        ("rediss://:pass@[::1]/0", "rediss://[::1]/0"),
        ("unix://me:pass@/run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("redis://:pass@host:port/0", "limits.store"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, text: str) -> None:
    assert without_credentials(url) == text


def shared(apiyi: Program, store: str, more: str = "") -> None:
    folder = apiyi.home / "config" / "apiyi"
    folder.mkdir(parents=True, exist_ok=True)
    text = f"[profile.default.limits]\nstore = {json.dumps(store)}\n{more}"
    (folder / "config.toml").write_text(text)


def test_two_machines_in_batches_get_no_429(apiyi: Program, store: str) -> None:
    shared(apiyi, store, "rpm = 80\ntpm = 8000\nconcurrency = 6\nwindow_s = 4\n")
    rows = [json.dumps({"id": str(n), "prompt": "hi", "max_tokens": 20}) for n in range(60)]
    (apiyi.work / "rows.jsonl").write_text("\n".join(rows))
    # A busy machine is late by more than the reserve of so short a window.
    enforced = Enforced(88, 8800, 6, 4.0)
    with Gateway(key=KEY, limits=enforced) as strict, ExitStack() as stack:
        environ = {"APIYI_BASE_URL": strict.base_url}
        machines = [
            stack.enter_context(
                apiyi.start(
                    f"batch rows.jsonl -o {name}.jsonl -j 20 --summary {name}.json",
                    env={**environ, "XDG_RUNTIME_DIR": str(apiyi.home / name)},
                )
            )
            for name in ("one", "two")
        ]
        for machine in machines:
            _, err = machine.communicate()
            assert machine.returncode == 0, err
        assert [one.status for one in strict.ledger] == [200] * 120
        assert strict.max_in_flight <= 6
        assert find_best_rate([one.at for one in strict.ledger], 4.0) >= 0.8 * 80 / 4.0
    for name in ("one", "two"):
        assert json.loads((apiyi.work / f"{name}.json").read_bytes())["retries"] == 0


def test_an_unreachable_server_stops_a_command_before_anything_is_sent(
    apiyi: Program, gateway: Gateway
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shared(apiyi, f"redis://:{SECRET}@127.0.0.1:{port}/0")
    (apiyi.work / "rows.txt").write_text("hi\n")
    apiyi.environ["APIYI_LIMITS_STORE_WAIT"] = "0.2"
    for line in ("chat hi", "batch rows.txt --lines -o out.jsonl", "embed hi -m bge-m3"):
        ran = apiyi(line)
        assert (ran.code, ran.out) == (10, b""), ran.err
        assert "waiting up to 0.2 s for it" in ran.err
        assert "cannot share the limits between machines" in ran.err
        assert f"redis://127.0.0.1:{port}/0" in ran.err
    listed = apiyi("config list")
    assert SECRET not in listed.text + listed.err + ran.err
    assert gateway.ledger == []
    assert apiyi("chat hi --no-limits").code == 0


def test_a_run_begins_when_its_server_does(apiyi: Program, gateway: Gateway, mortal: Redis) -> None:
    shared(apiyi, mortal.url)
    (apiyi.work / "rows.txt").write_text("one\ntwo\n")
    mortal.stop()
    with apiyi.start("batch rows.txt --lines -o out.jsonl") as run:
        assert run.stderr is not None
        assert b"waiting up to 300 s for it" in run.stderr.readline()
        assert gateway.ledger == []
        mortal.start()
        assert run.wait(30) == 0
    assert len(gateway.ledger) == 2


def test_max_time_and_a_signal_end_the_wait_for_a_server(
    apiyi: Program, gateway: Gateway, mortal: Redis
) -> None:
    shared(apiyi, mortal.url)
    (apiyi.work / "rows.txt").write_text("one\n")
    mortal.stop()
    for line in ("chat hi", "batch rows.txt --lines", "batch rows.txt --lines -o out.jsonl"):
        began = time.monotonic()
        ran = apiyi(f"{line} --max-time 1")
        assert (ran.code, ran.out) == (9, b""), ran.err
        assert time.monotonic() - began < 8
        with apiyi.start(line) as run:
            assert run.stderr is not None
            assert b"waiting up to" in run.stderr.readline()
            run.send_signal(signal.SIGINT)
            assert run.wait(10) in (-signal.SIGINT, 130)
    assert gateway.ledger == []


def test_doctor_looks_at_the_server(apiyi: Program, gateway: Gateway, mortal: Redis) -> None:
    shared(apiyi, mortal.url)
    assert f"shared through {mortal.url} (" in apiyi("doctor").text
    mortal.stop()
    findings = [json.loads(line) for line in apiyi("doctor --json").text.splitlines()]
    told = json.dumps(findings)
    assert "cannot share the limits between machines" in told
    assert apiyi("doctor").code == 10


def test_a_distant_server_delays_each_request_but_throttles_nobody(
    running: Redis, store: str
) -> None:
    count, threads = 256, 32
    with Relay(running.port, 0.01) as relay:
        limiter = RedisLimiter(relay.url, "far", Limits(rpm=100_000, tpm=10**8))
        before = relay.requests

        def send() -> None:
            for _ in range(count // threads):
                limiter.mean_tokens("gpt-4o")
                slot = limiter.take_slot()
                limiter.acquire(10, slot=slot)
                limiter.release_slot(slot)
                limiter.settle(10, 20)
                limiter.learn("gpt-4o", 20)

        workers = [threading.Thread(target=send) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        # One after the other they would be six for each request.
        assert relay.requests - before < count / 2
    _, places, means, *_ = limiter._server._keys
    with running.client() as client:
        assert (client.hlen(means), client.zcard(places)) == (1, 0)


def test_a_server_that_was_restarted_gets_the_script_again(mortal: Redis) -> None:
    limiter = RedisLimiter(mortal.url, "a", Limits())
    limiter.acquire()
    mortal.stop()
    mortal.start()
    limiter.release_slot(limiter.take_slot(give_up))
    limiter.acquire(sleep=give_up)


def test_other_limits_in_one_store_are_told(store: str) -> None:
    # A key of its own: limiters of earlier tests may still give back under theirs.
    told = list[str]()
    RedisLimiter(store, "told", Limits(), tell=told.append)
    RedisLimiter(store, "told", Limits(), tell=told.append)
    RedisLimiter(store, "b", Limits(rpm=9), tell=told.append)
    assert told == []
    RedisLimiter(store, "told", Limits(rpm=10, concurrency=5), tell=told.append)
    assert len(told) == 1 and "3000/1000000/60/100" in told[0] and "here 10/1000000/60/5" in told[0]


def test_a_user_with_the_rights_that_the_manual_names_suffices() -> None:
    from importlib.resources import files

    page = files("apiyi_cli.manual").joinpath("sections/batch.md").read_text("utf-8")
    (rights,) = [line for line in page.splitlines() if line.startswith("user apiyi ")]
    rights = rights.replace("SECRET", SECRET)
    guarded = Redis("--user", *rights.split()[1:])
    try:
        url = guarded.url.replace("//", f"//apiyi:{SECRET}@")
        limiter = RedisLimiter(url, "a", Limits())
        slot = limiter.take_slot(give_up)
        limiter.acquire(10, give_up, slot)
        limiter.note_sent(10, 0.1)
        limiter.settle(10, 20)
        limiter.learn("gpt-4o", 20)
        limiter.pause(0.0)
        limiter.note_throttled()
        limiter.release_slot(slot)
        limiter.acquire(1, give_up, single=True)
        assert limiter.mean_tokens("gpt-4o") == 20
        assert not limiter._server.is_missed
    finally:
        guarded.stop()
