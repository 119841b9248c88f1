"""A call on its way: what is asked again, where it goes, what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.clock import Clock
from apiyi_cli.core.events import Delta, EventBatch, Usage
from apiyi_cli.decode.chat import events
from apiyi_cli.decode.frames.reply_body import read_json
from apiyi_cli.errors import ApiyiError, IncompleteError, RejectedError, TemporaryError
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.cache import Cache
from apiyi_cli.wire.limits.limiter import Limiter
from apiyi_cli.wire.retry.failover import CircuitBreaker, Failover
from apiyi_cli.wire.send import MOST_CACHED_BYTES, Plan, Sender, SentRequest, find_usage

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "stream": True}
CALL = Call("POST", "/chat/completions", json=BODY, stream=True, model="gpt-4o")
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


@pytest.fixture
def server() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running


@pytest.fixture
def second() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    made = Cache(tmp_path / "cache" / "replies.sqlite3")
    yield made
    made.close()


class SenderSetup:
    """A plan for some gateways that never really waits, and all that it was told."""

    def __init__(self, *base_urls: str, state: Path | None = None, **more: Any) -> None:
        self.told: list[str] = []
        self.sent: list[SentRequest] = []
        self.waits: list[float] = []
        plan = Plan(
            base_urls=base_urls,
            key="key",
            tell=self.told.append,
            environ={},
            clock=Clock(sleep=self.waits.append),
            on_sent=self.sent.append,
        )
        if state is not None:
            breaker = CircuitBreaker(state / "breaker.json")
            hosts = Failover(base_urls, breaker, probe=lambda url: True, tell=self.told.append)
            plan = plan._replace(failover=hosts)
        self.plan = plan._replace(**more)

    def text(self, call: Call = CALL, **how: Any) -> str:
        sender = Sender(self.plan)
        try:
            bursts = sender.answer(call, lambda reply: events(reply), shows=lambda burst: False)
            self.from_cache = sender.from_cache
            said = "".join(e.text for burst in bursts for e in burst if isinstance(e, Delta))
            self.from_cache = sender.from_cache
            return said
        finally:
            sender.close()

    def raw(self, call: Call) -> bytes:
        sender = Sender(self.plan)
        try:
            return b"".join(sender.answer(call, lambda reply: iter(reply.chunks), shows=bool))
        finally:
            sender.close()


def test_every_attempt_of_a_request_has_its_id_and_each_request_another(server: Gateway) -> None:
    setup = SenderSetup(server.base_url)
    server.script(ScriptedReply.error(500, "x"), ScriptedReply.error(429, "y"))
    assert setup.text().startswith("[sandbox]")
    setup.text()
    ids = [one.headers["idempotency-key"] for one in server.ledger]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert len(setup.waits) == len(setup.told) == 2


def test_nothing_is_asked_again_once_a_part_was_shown(server: Gateway) -> None:
    server.script(ScriptedReply.chat("one ", "two").cut(2))
    sender = Sender(SenderSetup(server.base_url).plan)
    seen: list[EventBatch] = []
    with pytest.raises(IncompleteError):
        seen.extend(sender.answer(CALL, lambda reply: events(reply), shows=bool))
    sender.close()
    assert [e.text for burst in seen for e in burst if isinstance(e, Delta)] == ["one "]
    assert len(server.ledger) == 1


def test_a_reader_who_goes_away_ends_the_request(server: Gateway) -> None:
    server.script(ScriptedReply.chat("one ", "two").stall(2))
    sender = Sender(SenderSetup(server.base_url).plan)
    answer = sender.answer(CALL, lambda reply: events(reply), shows=bool)
    next(answer)
    answer.close()  # type: ignore[attr-defined]
    assert server.wait_for(lambda: server.ledger[0].closed_by_client_at)
    sender.close()


def test_a_dead_address_is_left_and_remembered(
    server: Gateway, second: Gateway, tmp_path: Path
) -> None:
    dead = server.base_url
    server.close()
    setup = SenderSetup(dead, second.base_url, state=tmp_path)
    assert setup.text().startswith("[sandbox]")
    assert any("going on with" in text for text in setup.told)
    assert second.ledger[0].headers["authorization"] == "Bearer key"
    again = SenderSetup(dead, second.base_url, state=tmp_path)
    again.text()
    assert again.told == [] and again.waits == []


@pytest.mark.parametrize("status", [502, 503, 520])
def test_trouble_in_front_moves_on_after_a_second_try(
    server: Gateway, second: Gateway, tmp_path: Path, status: int
) -> None:
    trouble = ScriptedReply.text("<html>", "text/html", status=status)
    server.script(trouble, trouble)
    SenderSetup(server.base_url, second.base_url, state=tmp_path).text()
    assert (len(server.ledger), len(second.ledger)) == (2, 1)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 429])
def test_a_refusal_of_the_api_stays_where_it_is(
    server: Gateway, second: Gateway, tmp_path: Path, status: int
) -> None:
    server.script(*[ScriptedReply.error(status, "no")] * 3)
    with pytest.raises(ApiyiError):
        SenderSetup(server.base_url, second.base_url, state=tmp_path).text()
    assert second.ledger == []


def test_what_may_have_been_billed_is_not_sent_to_the_other_address(
    server: Gateway, second: Gateway, tmp_path: Path
) -> None:
    server.script(ScriptedReply.chat("x").cut(1), ScriptedReply.chat("x").cut(1))
    with pytest.raises(IncompleteError):
        SenderSetup(server.base_url, second.base_url, state=tmp_path).text()
    assert second.ledger == []


def test_a_complete_answer_is_kept_and_replayed_byte_for_byte(
    server: Gateway, cache: Cache
) -> None:
    setup = SenderSetup(server.base_url, cache=cache, cache_ttl_s=60.0)
    play = ScriptedReply.chat("a", "b", usage=USAGE, split="random", seed=3)
    server.script(play)
    first = setup.raw(CALL)
    assert setup.raw(CALL) == first == b"".join(play.body)  # type: ignore[arg-type]
    assert len(server.ledger) == 1
    assert setup.text() == "ab" and setup.from_cache
    assert [one.from_cache for one in setup.sent] == [False, True, True]


def test_neither_another_key_nor_another_order_of_fields_makes_another_request(
    server: Gateway, cache: Cache
) -> None:
    setup = SenderSetup(server.base_url, cache=cache, cache_ttl_s=60.0)
    setup.text()
    other = SenderSetup(
        server.base_url, cache=cache, cache_ttl_s=60.0, key=lambda url: "other", extra=("X: 1",)
    )
    other.text(CALL._replace(json=dict(reversed(BODY.items()))))
    assert other.from_cache
    other.text(CALL._replace(json={**BODY, "seed": 1}))
    assert not other.from_cache


def test_another_gateway_has_answers_of_its_own(
    server: Gateway, second: Gateway, cache: Cache
) -> None:
    SenderSetup(server.base_url, cache=cache, cache_ttl_s=60.0).text()
    SenderSetup(second.base_url, cache=cache, cache_ttl_s=60.0).text()
    assert len(second.ledger) == 1
    for running in (server, second):
        SenderSetup(running.base_url, cache=cache, cache_ttl_s=60.0, family="sandbox").text()
    assert (len(server.ledger), len(second.ledger)) == (2, 1)


@pytest.mark.parametrize(
    "play",
    [
        ScriptedReply.chat("x").cut(2),
        ScriptedReply.chat("x", finish=None),
        ScriptedReply.json({"error": {"message": "no", "code": "invalid_value"}}),
        ScriptedReply.error(400, "no"),
        ScriptedReply.text("<html>", "text/html"),
    ],
    ids=["cut", "unproved", "error in a 200", "refused", "page"],
)
def test_only_complete_and_successful_answers_are_kept(
    server: Gateway, cache: Cache, play: ScriptedReply
) -> None:
    policy = SenderSetup(server.base_url).plan.policy._replace(attempts=1)
    setup = SenderSetup(server.base_url, cache=cache, cache_ttl_s=60.0, policy=policy)
    server.script(play)
    with pytest.raises(ApiyiError):
        setup.text()
    assert cache.stats().entries == 0
    assert setup.text().startswith("[sandbox]")


def test_of_several_attempts_only_the_last_ones_bytes_are_kept(
    server: Gateway, cache: Cache
) -> None:
    setup = SenderSetup(server.base_url, cache=cache, cache_ttl_s=60.0)
    server.script(ScriptedReply.chat("first").cut(2), ScriptedReply.chat("second"))
    assert setup.text() == "second"
    assert setup.text() == "second"
    assert len(server.ledger) == 2


def test_an_answer_too_large_to_keep_is_not_kept_in_part(server: Gateway, cache: Cache) -> None:
    piece = bytes(1 << 20)
    server.script(ScriptedReply(body=lambda: (piece for _ in range((MOST_CACHED_BYTES >> 20) + 1))))
    setup = SenderSetup(server.base_url, cache=cache, cache_ttl_s=60.0)
    assert len(setup.raw(CALL)) == MOST_CACHED_BYTES + (1 << 20)
    assert cache.stats().entries == 0


def test_lists_are_never_answered_from_the_cache(server: Gateway, cache: Cache) -> None:
    setup = SenderSetup(server.base_url, cache=cache, cache_ttl_s=60.0)
    call = Call("GET", "/models", cost="free")
    setup.raw(call)
    setup.raw(call)
    assert len(server.ledger) == 2


def test_the_ledger_is_told_of_every_request_once(server: Gateway) -> None:
    setup = SenderSetup(server.base_url)
    server.script(
        ScriptedReply.error(500, "x"),
        ScriptedReply.chat("a", usage=USAGE),
        ScriptedReply.error(400, "no"),
    )
    setup.text()
    with pytest.raises(RejectedError):
        setup.text()
    good, bad = setup.sent
    assert (good.call, good.host, good.error) == (CALL, "127.0.0.1", None)
    assert good.usage is not None and good.usage.total_tokens == 5
    assert good.request_id == "2025010100000000000001"
    assert isinstance(bad.error, RejectedError) and bad.usage is None


def test_a_request_that_reached_nothing_is_told_too(server: Gateway) -> None:
    setup = SenderSetup(server.base_url)
    server.close()
    with pytest.raises(TemporaryError):
        setup.text()
    (sent,) = setup.sent
    assert (sent.host, sent.request_id, type(sent.error)) == ("", None, TemporaryError)


def test_of_many_long_waits_for_the_limits_the_first_is_told(
    server: Gateway, tmp_path: Path
) -> None:
    now = [1000.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    clock = Clock(monotonic=lambda: now[0], sleep=sleep)
    limits = Limits(rpm=1, tpm=10**6, concurrency=9, window_s=60.0)
    setup = SenderSetup(
        server.base_url, clock=clock, limiter=Limiter(tmp_path, "k", limits, clock=clock)
    )
    sender = Sender(setup.plan)
    for _ in range(4):
        list(sender.answer(CALL, lambda reply: events(reply), shows=bool))
    sender.close()
    assert now[0] > 1150
    (told,) = setup.told
    assert told.split(" for ")[1] == (
        "the key's limit of 1 requests in 60 s (--rpm N or --no-limits goes on)"
    )


def test_usage_is_found_in_bursts_objects_and_values() -> None:
    usage = Usage(3, 2, 5, raw=USAGE)

    class Valued:
        def __init__(self, usage: Any) -> None:
            self.usage = usage

    assert find_usage([Delta("a"), usage, Delta("b")]) == usage
    assert find_usage({"choices": [], "usage": USAGE}) == usage
    assert find_usage(Valued(usage)) == usage
    assert find_usage([Delta("a")]) is find_usage({"usage": None}) is find_usage(Valued(3)) is None
    assert find_usage(b"bytes") is None


def test_a_whole_object_tells_its_usage(server: Gateway) -> None:
    setup = SenderSetup(server.base_url)
    sender = Sender(setup.plan)

    def decode(reply: Reply) -> Iterator[Any]:
        yield read_json(reply)[0]

    whole = CALL._replace(json={**BODY, "stream": False}, stream=False)
    list(sender.answer(whole, decode, shows=lambda found: False))
    sender.close()
    assert setup.sent[0].usage is not None
    assert setup.sent[0].usage.prompt_tokens
