"""The way of a call: attempts, what is held back, what is closed, cached and recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.clock import Clock
from apiyi_cli.core.events import Burst, Delta
from apiyi_cli.decode.chat import events
from apiyi_cli.errors import ApiyiError, IncompleteError, RejectedError, TemporaryError
from apiyi_cli.sandbox.play import Play
from apiyi_cli.sandbox.server import Gateway
from apiyi_cli.wire.cache import Cache
from apiyi_cli.wire.send import Plan, Sender, Sent

CHAT = Call(
    "POST",
    "/chat/completions",
    json={"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "stream": True},
    stream=True,
    model="gpt-4o",
)


class Days:
    """A clock on which waiting takes no time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self.clock = Clock(lambda: self.now, lambda: self.now, self.wait)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def server() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running


def plan(server: Gateway, days: Days, **more: Any) -> Plan:
    return Plan(
        base_urls=(server.base_url,),
        key=lambda base_url: "sk-of-the-test",
        tell=more.pop("tell", lambda text: None),
        environ={},
        clock=days.clock,
        **more,
    )


def spoken(burst: Burst) -> bool:
    return any(isinstance(event, Delta) for event in burst)


def text(bursts: list[Burst]) -> str:
    return "".join(event.text for burst in bursts for event in burst if isinstance(event, Delta))


def asked(sender: Sender, call: Call = CHAT) -> str:
    try:
        return text(list(sender.answer(call, events, shows=spoken)))
    finally:
        sender.close()


def test_attempts_are_one_request_to_the_gateway_s_books(server: Gateway) -> None:
    days, told = Days(), list[str]()
    server.script(Play.error(503, "overloaded"), Play.error(500, "oops"))
    assert asked(Sender(plan(server, days, tell=told.append))) == "[sandbox] You said: hi"
    assert len({received.headers["idempotency-key"] for received in server.ledger}) == 1
    assert len({received.body for received in server.ledger}) == 1
    assert [line[:12] for line in told] == ["retry 1 of 2", "retry 2 of 2"]
    assert len(days.waits) == 2


def test_two_calls_are_two_requests(server: Gateway) -> None:
    sender = Sender(plan(server, Days()))
    call = CHAT._replace(json={**CHAT.json, "stream": False}, stream=False)
    for _ in range(2):
        list(sender.answer(call, events, shows=spoken))
    sender.close()
    assert len({received.headers["idempotency-key"] for received in server.ledger}) == 2
    assert server.connections == 1


def test_an_error_in_a_stream_that_has_shown_nothing_is_retried(server: Gateway) -> None:
    days = Days()
    busy = {"error": {"message": "负载已饱和", "type": "rate_limit_error"}}
    server.script(Play.sse(busy))
    assert asked(Sender(plan(server, days))) == "[sandbox] You said: hi"
    assert len(server.ledger) == 2


def test_nothing_is_sent_again_once_text_was_shown(server: Gateway) -> None:
    days = Days()
    server.script(Play.chat("one", "two").cut(3))
    sender = Sender(plan(server, days))
    seen: list[Burst] = []
    with pytest.raises(IncompleteError):
        seen.extend(sender.answer(CHAT, events, shows=spoken))
    sender.close()
    assert text(seen) == "onetwo"
    assert (len(server.ledger), days.waits) == (1, [])


@pytest.mark.parametrize(
    ("play", "kind", "requests"),
    [
        (Play.error(400, "no"), RejectedError, 1),
        (Play.error(503, "overloaded"), TemporaryError, 3),
        (Play.error(504, "late"), IncompleteError, 2),
    ],
)
def test_what_cannot_help_is_not_repeated(
    server: Gateway, play: Play, kind: type[ApiyiError], requests: int
) -> None:
    server.script(*[play] * 5)
    with pytest.raises(kind):
        asked(Sender(plan(server, Days())))
    assert len(server.ledger) == requests


def test_a_reader_that_stops_ends_the_request(server: Gateway) -> None:
    server.script(Play.chat("one", "two").stall(2))
    sender = Sender(plan(server, Days()))
    bursts = sender.answer(CHAT, events, shows=spoken)
    while "one" not in text([next(bursts)]):
        pass
    bursts.close()  # type: ignore[attr-defined]
    assert server.wait_for(lambda: server.ledger[0].closed_by_client_at)
    sender.close()


def test_an_answer_is_cached_only_when_it_is_complete(server: Gateway, tmp_path: Path) -> None:
    days = Days()
    cache = Cache(tmp_path / "cache.sqlite3", clock=days.clock)
    made = plan(server, days, cache=cache, cache_ttl_s=60.0)
    server.script(Play.chat("part").cut(2))
    with pytest.raises(IncompleteError):
        asked(Sender(made))
    answers = [asked(Sender(made)) for _ in range(3)]
    assert answers == ["[sandbox] You said: hi"] * 3
    assert len(server.ledger) == 2
    days.now += 61
    asked(Sender(made))
    assert len(server.ledger) == 3


def test_every_request_that_ended_is_recorded(server: Gateway) -> None:
    records: list[Sent] = []
    made = plan(server, Days(), sent=records.append)
    call = CHAT._replace(json={**CHAT.json, "stream_options": {"include_usage": True}})
    asked(Sender(made), call)
    server.script(Play.error(400, "no"))
    with pytest.raises(RejectedError):
        asked(Sender(made))
    good, bad = records
    assert good.usage is not None and good.usage.total_tokens
    assert (good.error, good.host, good.from_cache) == (None, "127.0.0.1", False)
    assert good.request_id is not None
    assert isinstance(bad.error, RejectedError)


def test_the_key_is_asked_for_by_address(server: Gateway) -> None:
    asked_for: list[str] = []

    def key(base_url: str) -> str:
        asked_for.append(base_url)
        return "sk-x"

    asked(Sender(plan(server, Days())._replace(key=key)))
    assert asked_for == [server.base_url]
    assert server.ledger[0].headers["authorization"] == "Bearer sk-x"


def test_any_decoder_will_do(server: Gateway) -> None:
    def statuses(reply: Reply) -> Iterator[int]:
        yield reply.status

    sender = Sender(plan(server, Days()))
    assert list(sender.answer(Call("GET", "/models", cost="free"), statuses, shows=bool)) == [200]
    sender.close()
