"""Sliding windows on a given clock."""

from __future__ import annotations

import json
from http.client import HTTPConnection

from apiyi_cli.core.clock import Clock
from apiyi_cli.core.endpoints import EMBED, RERANK
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway, GatewayLimits, Windows, refuse_crowd


class ManualClock:
    """A clock whose hands are moved by the test."""

    def __init__(self) -> None:
        self.now = 100.0

    @property
    def clock(self) -> Clock:
        return Clock(monotonic=lambda: self.now)


def test_the_window_slides() -> None:
    hands = ManualClock()
    windows = Windows(GatewayLimits(rpm=2, window_s=10), hands.clock)
    assert windows.refusal(1, 1) is None
    hands.now += 6
    assert windows.refusal(1, 1) is None
    refused = windows.refusal(1, 1)
    assert isinstance(refused, ScriptedReply)
    assert refused.status == 429
    hands.now += 4
    assert windows.refusal(1, 1) is None
    assert windows.refusal(1, 1) is not None


def test_tokens_are_counted_and_one_big_request_passes_alone() -> None:
    hands = ManualClock()
    windows = Windows(GatewayLimits(tpm=100, window_s=10), hands.clock)
    assert windows.refusal(500, 1) is None
    assert windows.refusal(1, 1) is not None
    hands.now += 10
    assert windows.refusal(60, 1) is None
    assert windows.refusal(41, 1) is not None
    assert windows.refusal(40, 1) is None


def test_what_is_refused_is_not_counted() -> None:
    windows = Windows(GatewayLimits(rpm=1, concurrency=2), ManualClock().clock)
    assert windows.refusal(1, 3) is not None
    assert windows.refusal(1, 2) is None


def test_the_gateway_answers_429_and_bills_only_what_it_admitted() -> None:
    hands = ManualClock()
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]})
    with Gateway(limits=GatewayLimits(rpm=3), clock=hands.clock) as gateway:
        client = HTTPConnection("127.0.0.1", gateway.port, timeout=10)
        for _ in range(5):
            headers = {"Content-Type": "application/json"}
            client.request("POST", "/v1/chat/completions", body, headers)
            client.getresponse().read()
        client.request("GET", "/v1/models")
        assert client.getresponse().status == 200
        client.close()
    assert [one.status for one in gateway.ledger] == [200] * 3 + [429] * 2 + [200]
    assert len(gateway.posts) == 3


def test_rerank_takes_five_requests_at_once_whatever_the_key_may() -> None:
    assert refuse_crowd(RERANK, 5) is None and refuse_crowd(EMBED, 50) is None
    refusal = refuse_crowd(RERANK, 6)
    assert refusal is not None and refusal.status == 429
