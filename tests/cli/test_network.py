"""Reaching the gateway: refusals, silences, addresses."""

from __future__ import annotations

import socket
from itertools import repeat
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


def closed_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_a_refused_connection_was_free(apiyi: Program) -> None:
    ran = apiyi(f"chat hi --retries 0 --base-url http://127.0.0.1:{closed_port()}/v1")
    assert (ran.code, ran.out) == (5, b"")
    assert "connection refused" in ran.err
    assert "apiyi doctor" in ran.err


def test_a_name_that_does_not_resolve_was_free(apiyi: Program) -> None:
    ran = apiyi("chat hi --retries 0 --base-url https://nowhere.invalid/v1")
    assert ran.code == 5
    assert "its name cannot be resolved" in ran.err


def test_a_failure_that_passes_is_retried_and_told(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.error(503, "overloaded"))
    ran = apiyi("chat hi --retries 1")
    assert (ran.code, ran.out) == (0, b"[sandbox] You said: hi\n")
    assert ran.err.startswith("apiyi: retry 1 of 1 in ")
    first, second = gateway.ledger
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body


def test_nothing_is_retried_once_text_was_shown(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("one").cut(2))
    ran = apiyi("chat hi")
    assert (ran.code, ran.out, len(gateway.ledger)) == (8, b"one\n", 1)


@pytest.mark.parametrize(
    ("reply", "code", "why", "out"),
    [
        (ScriptedReply.chat("x").stall(), 8, "no answer within", ""),
        (ScriptedReply.chat("one", "two").stall(2), 8, "no event for", "one\n"),
        (ScriptedReply.json({"choices": []}).stall(at=5), 8, "for 0.3", ""),
    ],
    ids=["headers", "event", "byte"],
)
def test_a_silence_longer_than_timeout_may_have_been_billed(
    apiyi: Program, gateway: Gateway, reply: ScriptedReply, code: int, why: str, out: str
) -> None:
    gateway.script(reply)
    stream = "--no-stream" if why.startswith("for ") else ""
    ran = apiyi(f"chat hi --timeout 0.3 --retries 0 {stream}")
    assert (ran.code, ran.text) == (code, out)
    assert why in ran.err
    assert gateway.wait_for(lambda: gateway.ledger[0].done)


def test_comments_are_no_events(apiyi: Program, gateway: Gateway) -> None:
    pings = ScriptedReply(
        body=lambda: repeat(b": PING\n\n"), content_type="text/event-stream", gap_s=0.02
    )
    gateway.script(pings)
    ran = apiyi("chat hi --timeout 0.4 --retries 0")
    assert ran.code == 8
    assert "no event for" in ran.err


def test_a_silent_list_of_models_was_free(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply().stall())
    ran = apiyi("models --timeout 0.3 --retries 0")
    assert ran.code == 5


def test_the_whole_time_is_a_limit_of_the_user(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("one", "two").stall(2))
    ran = apiyi("chat hi --max-time 1.2 --retries 0")
    assert (ran.code, ran.out) == (9, b"one\n")
    assert "--max-time" in ran.err
    assert "had been sent" in ran.err


def test_no_wait_between_attempts_outlasts_the_whole_time(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.error(429, "slow down", headers=(("Retry-After", "20"),)))
    ran = apiyi("chat hi --max-time 2 --retries 3")
    assert ran.code == 5
    assert "no time for another attempt in 2 s" in ran.err
    assert len(gateway.ledger) == 1


def test_an_address_may_be_ipv6(apiyi: Program) -> None:
    with Gateway(host="::1") as gateway:
        assert apiyi(f"chat hi --base-url {gateway.base_url}").code == 0
        assert gateway.ledger[0].headers["host"] == f"[::1]:{gateway.port}"


def test_a_name_with_several_addresses_is_tried_to_the_last(
    apiyi: Program, gateway: Gateway
) -> None:
    assert apiyi(f"chat hi --base-url http://localhost:{gateway.port}/v1").code == 0


@pytest.mark.parametrize(
    ("url", "code", "why"),
    [
        ("http://127.0.0.1:9/api", 2, "ends in /v1"),
        ("http://127.0.0.1:9/v1/v1", 2, "twice"),
        ("http://127.0.0.1:9/v1/chat/completions", 2, "is an endpoint"),
        ("ftp://127.0.0.1/v1", 2, "starts with https://"),
        ("https://user:pw@127.0.0.1/v1", 2, "no user or password"),
        ("https://127.0.0.1:0/v1", 2, "the port is a number"),
        ("http://192.0.2.1/v1", 10, "plain http"),
    ],
)
def test_a_base_url_that_cannot_be_is_refused(
    apiyi: Program, url: str, code: int, why: str
) -> None:
    ran = apiyi(["chat", "hi", "--base-url", url])
    assert ran.code == code
    assert why in ran.err
    assert apiyi("chat hi", env={"APIYI_BASE_URL": url}).code == 10


def test_a_slash_at_the_end_of_a_base_url_does_not_matter(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi(f"chat hi --base-url {gateway.base_url}/").code == 0
    assert gateway.ledger[0].path == "/v1/chat/completions"


def test_a_node_is_named_and_the_one_for_short_texts_warns_of_pictures(apiyi: Program) -> None:
    ran = apiyi(["chat", "hi", "-m", "gpt-4o", "--node", "vip", "--dry-run"])
    assert ran.json["url"] == "https://vip.apiyi.com/v1/chat/completions"
    assert ran.err == ""
    drawn = apiyi(["image", "a cat", "-m", "gpt-image-2", "--node", "cf", "--dry-run"])
    assert drawn.json["url"].startswith("https://api-cf.apiyi.com/v1/")
    assert "the node cf is for short texts" in drawn.err
    assert apiyi(["chat", "hi", "-m", "gpt-4o", "--node", "eu", "--dry-run"]).code == 2


def test_a_bare_host_gets_its_v1_which_is_said_once(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(f"chat hi --base-url http://127.0.0.1:{gateway.port}")
    assert ran.code == 0
    assert ran.err == f"apiyi: the base URL gets its /v1: http://127.0.0.1:{gateway.port}/v1\n"
