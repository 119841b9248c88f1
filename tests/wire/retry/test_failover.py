from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from apiyi_cli.core.call import Cost
from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import (
    ApiyiError,
    AuthError,
    Facts,
    IncompleteError,
    RejectedError,
    SetupError,
    TemporaryError,
    UnknownModelError,
)
from apiyi_cli.wire.retry.failover import CircuitBreaker, Failover, Route

A, B, C = "https://a.example/v1", "https://b.example/v1", "https://c.example/v1"


class Scene:
    """A breaker file, two deadlines and a probe whose answers are scripted by address."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "breaker.json"
        self.wall = 1_000_000.0
        self.monotonic = 5000.0
        self.clock = Clock(lambda: self.monotonic, lambda: self.wall, lambda seconds: None)
        self.healthy: set[str] = set()
        self.probed: list[str] = []
        self.told: list[str] = []

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def breaker(self) -> CircuitBreaker:
        return CircuitBreaker(self.path, self.clock)

    def probe(self, address: str) -> bool:
        self.probed.append(address)
        return address in self.healthy

    def hosts(self, *addresses: str) -> Failover:
        return Failover(addresses, self.breaker(), probe=self.probe, tell=self.told.append)

    def route(self, *addresses: str, cost: Cost = "text") -> Route:
        return self.hosts(*addresses).route(cost)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "state")


def _failure(error: type[ApiyiError], /, **facts: object) -> ApiyiError:
    return error("failed", "because", facts=Facts()._replace(**facts))


UNREACHED = _failure(TemporaryError, phase="connect", kind="refused")


def _status(
    status: int, error: type[ApiyiError] = TemporaryError, /, **facts: object
) -> ApiyiError:
    return _failure(error, phase="status", status=status, **facts)


@pytest.mark.parametrize("kind", ["dns", "refused", "timeout", "reset", "tls"])
@pytest.mark.parametrize("cost", ["free", "light", "text", "heavy"])
def test_what_was_not_sent_goes_to_the_backup_at_once(scene: Scene, kind: str, cost: Cost) -> None:
    route = scene.route(A, B, cost=cost)
    assert route.url == A
    route.note_failure(_failure(TemporaryError, phase="connect", kind=kind))
    assert route.url == B
    assert not scene.told, "told before there is another attempt"
    assert [route.begin(), route.begin()] == [B, B]
    assert scene.told == [f"{A} is in trouble (because), going on with {B}"]


STAYS = [
    _failure(SetupError, phase="connect", kind="certificate"),
    _failure(SetupError, phase="connect", kind="proxy"),
    _failure(TemporaryError, phase="connect", kind="certificate"),
    _failure(TemporaryError, phase="connect", kind="proxy"),
    _failure(AuthError, phase="connect"),
    _failure(IncompleteError, phase="sent", kind="timeout"),
    _failure(TemporaryError, phase="sent", kind="reset", reused=True, after_s=0.1),
    _failure(IncompleteError, phase="opened", kind="cut", status=200),
    _failure(IncompleteError, phase="content", kind="reset", status=200),
    _failure(TemporaryError, phase="opened", status=200, code="server_error"),
    TemporaryError("nothing known"),
    _status(500, code="internal_error"),
    _status(429),
    _status(408),
    _status(409),
    _status(425),
    _status(504, IncompleteError),
    _status(524, IncompleteError),
    _status(524),
    _status(529),
    _status(503, UnknownModelError, code="model_not_found"),
    _status(401, AuthError),
    *(_status(status, RejectedError) for status in (307, 400, 403, 404, 413, 422, 501)),
]


@pytest.mark.parametrize("error", STAYS, ids=lambda error: str(error.facts)[:70])
@pytest.mark.parametrize("cost", ["text", "heavy"])
def test_nothing_else_leaves_the_primary(scene: Scene, error: ApiyiError, cost: Cost) -> None:
    route = scene.route(A, B, cost=cost)
    for _ in range(5):
        route.note_failure(error)
    assert route.url == A
    assert scene.breaker().state(A) == "up"
    assert not scene.told


@pytest.mark.parametrize("status", [500, 502, 503, 520, 521, 522, 523, 525, 526, 527])
def test_what_stands_in_front_gets_one_retry_first(scene: Scene, status: int) -> None:
    route = scene.route(A, B)
    route.note_failure(_status(status))
    assert route.url == A
    route.note_failure(_status(status))
    assert route.begin() == B
    assert scene.told == [f"{A} is in trouble (HTTP {status}), going on with {B}"]
    assert scene.route(A, B).url == B


def test_only_failures_in_a_row_count(scene: Scene) -> None:
    route = scene.route(A, B)
    for _ in range(4):
        route.note_failure(_status(502))
        route.note_failure(_status(429))
    assert route.url == A
    route.note_failure(_status(502))
    route.note_failure(_status(503))
    assert route.url == B


@pytest.mark.parametrize("cost", ["free", "light"])
def test_a_cheap_request_without_an_answer_moves_but_says_nothing_of_the_host(
    scene: Scene, cost: Cost
) -> None:
    route = scene.route(A, B, cost=cost)
    route.note_failure(_failure(IncompleteError, phase="sent", kind="timeout"))
    assert route.url == B
    assert scene.breaker().state(A) == "up"


def test_one_address_is_kept_whatever_happens(scene: Scene) -> None:
    route = scene.route(A)
    for _ in range(3):
        route.note_failure(UNREACHED)
    route.note_success()
    assert route.url == A
    assert not scene.path.exists()
    assert not scene.told


def test_the_addresses_are_tried_in_order_and_then_the_first_again(scene: Scene) -> None:
    route = scene.route(A, B, C)
    seen = []
    for _ in range(4):
        seen.append(route.begin())
        route.note_failure(UNREACHED)
    assert seen == [A, B, C, A]
    assert not scene.probed
    assert len(scene.told) == 3


def test_a_reason_without_words_is_what_failed(scene: Scene) -> None:
    route = scene.route(A, B)
    route.note_failure(TemporaryError("no way", facts=Facts(phase="connect", kind="reset")))
    route.begin()
    assert "(no way)" in scene.told[0]


def test_a_down_primary_is_left_alone_by_all_processes_for_a_minute(scene: Scene) -> None:
    scene.route(A, B).note_failure(UNREACHED)
    scene.pass_time(59.9)
    assert scene.route(A, B).url == B
    assert not scene.probed


def test_after_a_minute_the_primary_is_asked_for_free_before_it_is_used(scene: Scene) -> None:
    scene.route(A, B).note_failure(UNREACHED)
    scene.pass_time(60)
    assert scene.route(A, B).url == B
    assert scene.probed == [A]
    assert scene.route(A, B).url == B
    assert scene.probed == [A], "asked once a minute"
    scene.pass_time(60)
    scene.healthy.add(A)
    assert scene.route(A, B).url == A
    assert scene.probed == [A, A]
    assert scene.route(A, B).url == A
    assert scene.probed == [A, A]


def test_others_use_the_backup_while_one_asks(scene: Scene) -> None:
    scene.route(A, B).note_failure(UNREACHED)
    scene.pass_time(60)
    meanwhile: list[str] = []

    def probe(address: str) -> bool:
        meanwhile.append(scene.route(A, B).url)
        return True

    hosts = Failover((A, B), scene.breaker(), probe=probe)
    assert hosts.route("text").url == A
    assert meanwhile == [B]


def test_an_answer_brings_an_address_back_that_was_used_for_want_of_a_better(scene: Scene) -> None:
    for address in (A, B):
        scene.breaker().mark(address)
    route = scene.route(A, B)
    assert route.url == A
    route.note_success()
    assert scene.breaker().state(A) == "up"
    assert scene.breaker().state(B) == "down"
    route.note_success()
    assert scene.breaker().state(A) == "up"


JUMPS: list[tuple[str, Callable[[Scene], None]]] = [
    ("an hour on", lambda scene: setattr(scene, "wall", scene.wall + 3600)),
    ("an hour back", lambda scene: setattr(scene, "wall", scene.wall - 3600)),
    ("reboot", lambda scene: setattr(scene, "monotonic", 3.0)),
]


@pytest.mark.parametrize(("name", "jump"), JUMPS, ids=[name for name, _ in JUMPS])
def test_no_clock_keeps_a_host_down(scene: Scene, name: str, jump: Callable[[Scene], None]) -> None:
    breaker = scene.breaker()
    breaker.mark(A)
    jump(scene)
    assert breaker.state(A) == "half-open"


def test_a_wall_clock_that_creeps_back_keeps_a_host_down_for_a_minute_only(scene: Scene) -> None:
    breaker = scene.breaker()
    breaker.mark(A)
    for _ in range(6):
        scene.pass_time(10)
        scene.wall -= 9
    assert breaker.state(A) == "half-open"


MARKS: tuple[object, ...] = (
    None,
    5,
    "xy",
    [1],
    [1, 2, 3],
    ["a", "b"],
    {},
    [None, None],
    [10**400, 1],
)
DAMAGED = (
    b"",
    b"{",
    b"\xff\xfe\x00",
    b"[1, 2]",
    b"null",
    b'"text"',
    b"[" * 60_000,
    b"{" + b" " * 100_000 + b"}",
    b'{"https://a.example/v1": [NaN, NaN]}',
    b'{"https://a.example/v1": [1e999, 0]}',
    *(json.dumps({A: mark}).encode() for mark in MARKS),
)


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_never_keeps_a_host_down(scene: Scene, text: bytes) -> None:
    scene.path.parent.mkdir()
    scene.path.write_bytes(text)
    breaker = scene.breaker()
    assert breaker.state(A) in ("up", "half-open")
    breaker.mark(A)
    assert scene.breaker().state(A) == "down"
    breaker.clear(A)
    assert scene.breaker().state(A) == "up"


def test_a_file_that_cannot_be_written_leaves_the_knowledge_to_the_process(scene: Scene) -> None:
    scene.path.mkdir(parents=True)
    route = scene.route(A, B)
    route.note_failure(UNREACHED)
    assert route.url == B
    breaker = scene.breaker()
    breaker.mark(A)
    assert breaker.state(A) == "down"
    breaker.clear(A)
    breaker.clear(A)
    assert breaker.state(A) == "up"


def test_the_file_is_private_and_names_addresses_only(scene: Scene) -> None:
    scene.breaker().mark(A)
    scene.breaker().mark(B)
    assert scene.path.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(scene.path.read_bytes())) == {A, B}


def test_a_mark_of_another_process_is_newer_than_ones_own(scene: Scene) -> None:
    breaker = scene.breaker()
    breaker.mark(A)
    scene.pass_time(50)
    scene.breaker().mark(A)
    scene.pass_time(20)
    assert breaker.state(A) == "down"


def test_without_anybody_to_tell_a_request_moves_on_silently(scene: Scene) -> None:
    route = Failover((A, B), scene.breaker(), probe=scene.probe).route("text")
    route.note_failure(UNREACHED)
    assert route.url == B
