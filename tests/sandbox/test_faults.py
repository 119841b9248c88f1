"""Fault specs: what they mean, how they combine, and that each reaches the wire."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any, NamedTuple

import pytest

from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import UsageError
from apiyi_cli.sandbox.faults.faults import Fault, parse_faults
from apiyi_cli.sandbox.server import Gateway

CHAT = "/v1/chat/completions"


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running


def body_of(model: str, **rest: Any) -> bytes:
    messages = [{"role": "user", "content": "one two three four"}]
    return json.dumps({"model": model, "messages": messages, **rest}).encode()


class Answer(NamedTuple):
    """A reply as far as it came; `whole` is false when its body broke off."""

    status: int
    content_type: str
    body: bytes
    whole: bool

    @property
    def error(self) -> Any:
        return json.loads(self.body)["error"]


def posted(gateway: Gateway, body: bytes, path: str = CHAT) -> Answer:
    client = HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    try:
        client.request("POST", path, body, {"Content-Type": "application/json"})
        response = client.getresponse()
        kind = response.getheader("content-type") or ""
        try:
            return Answer(response.status, kind, response.read(), True)
        except http.client.IncompleteRead as error:
            return Answer(response.status, kind, error.partial, False)
        finally:
            response.close()
    finally:
        client.close()


def events(answer: Answer) -> list[str]:
    """Return the data of the events that came, as many as did."""
    lines = answer.body.split(b"\n")
    return [line[6:].decode() for line in lines if line.startswith(b"data: ")]


@pytest.mark.parametrize(
    ("spec", "faults"),
    [
        ("503", (Fault("503"),)),
        ("429*2", (Fault("429", times=2),)),
        ("cut@3", (Fault("cut", at=3),)),
        ("slow@0.5+cut@3", (Fault("slow", at=0.5), Fault("cut", at=3))),
        ("503*2%15", (Fault("503", times=2, percent=15),)),
        ("html%0.5", (Fault("html", percent=0.5),)),
        ("upstream-401*3", (Fault("upstream-401", times=3),)),
        ("error-after-role+slow", (Fault("error-after-role"), Fault("slow"))),
    ],
)
def test_a_spec_is_read_into_its_terms(spec: str, faults: tuple[Fault, ...]) -> None:
    assert parse_faults(spec) == faults


@pytest.mark.parametrize(
    "spec", ["", "nope", "42", "1000", "503@", "503*x", "503++html", "199", "html-", "-html"]
)
def test_what_is_not_a_fault_is_named(spec: str) -> None:
    with pytest.raises(ValueError, match="not a fault"):
        parse_faults(spec)


def test_a_bad_spec_of_the_server_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="'nope'"):
        Gateway(fault="nope")


def test_a_bad_fault_of_a_model_name_is_a_bad_request(gateway: Gateway) -> None:
    answer = posted(gateway, body_of("fault:nope"))
    assert (answer.status, answer.error["param"]) == (400, "model")


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 451])
@pytest.mark.parametrize("stream", [False, True])
def test_any_status_can_be_asked_for(gateway: Gateway, status: int, stream: bool) -> None:
    response = posted(gateway, body_of(f"fault:{status}", stream=stream))
    assert response.status == status
    assert gateway.posts == []


@pytest.mark.parametrize("status", [502, 504, 520, 524, 529])
def test_what_a_proxy_would_say_is_html(gateway: Gateway, status: int) -> None:
    response = posted(gateway, body_of(f"fault:{status}"))
    assert response.status == status
    assert b"<title>" in response.body


@pytest.mark.parametrize(("status", "paid"), [(500, 0), (503, 0), (504, 1), (524, 1)])
def test_a_gateway_timeout_is_billed_and_an_error_is_not(
    gateway: Gateway, status: int, paid: int
) -> None:
    posted(gateway, body_of(f"fault:{status}"))
    assert len(gateway.posts) == paid


def test_times_counts_each_distinct_request_by_itself(gateway: Gateway) -> None:
    first, second = body_of("fault:429*2"), body_of("fault:429*2", seed=1)
    statuses = [posted(gateway, body).status for body in (first, second, first, first, second)]
    assert statuses == [429, 429, 429, 200, 429]
    assert posted(gateway, second).status == 200


@pytest.mark.parametrize("k", range(4))
def test_a_stream_is_cut_after_event_k(gateway: Gateway, k: int) -> None:
    whole = events(posted(gateway, body_of("sandbox-1", stream=True)))
    cut = events(posted(gateway, body_of(f"fault:cut@{k}", stream=True)))
    assert len(cut) == k
    assert [json.loads(event)["choices"] for event in cut] == [
        json.loads(event)["choices"] for event in whole[:k]
    ]


def test_a_whole_reply_is_cut_in_its_middle(gateway: Gateway) -> None:
    whole = posted(gateway, body_of("sandbox-1"))
    cut = posted(gateway, body_of("fault:cut@3"))
    assert (cut.status, cut.whole) == (200, False)
    assert len(cut.body) == pytest.approx(len(whole.body) / 2, abs=2)


def test_reset_and_drop_end_before_the_headers(gateway: Gateway) -> None:
    with pytest.raises(ConnectionResetError):
        posted(gateway, body_of("fault:reset"))
    with pytest.raises(http.client.RemoteDisconnected):
        posted(gateway, body_of("fault:drop"))


def test_html_and_nothing_are_200(gateway: Gateway) -> None:
    page = posted(gateway, body_of("fault:html"))
    assert (page.status, page.content_type) == (200, "text/html; charset=utf-8")
    assert page.body.startswith(b"<!doctype html>")
    nothing = posted(gateway, body_of("fault:nothing"))
    assert (nothing.status, nothing.body) == (200, b"")


def test_an_error_comes_as_an_event_and_ends_with_done(gateway: Gateway) -> None:
    found = events(posted(gateway, body_of("fault:error@2", stream=True)))
    assert len(found) == 4
    assert json.loads(found[2])["error"]["code"] == "rate_limit_exceeded"
    assert found[3] == "[DONE]"
    whole = posted(gateway, body_of("fault:error@2"))
    assert whole.status == 200
    assert whole.error["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("spec", "status", "code"),
    [("quota", 403, "insufficient_user_quota"), ("quota429", 429, "insufficient_quota")],
)
def test_an_empty_account_has_two_faces(
    gateway: Gateway, spec: str, status: int, code: str
) -> None:
    answer = posted(gateway, body_of(f"fault:{spec}"))
    assert (answer.status, answer.error["code"]) == (status, code)
    assert gateway.posts == []


@pytest.mark.parametrize(("spec", "reason"), [("length", "length"), ("filter", "content_filter")])
@pytest.mark.parametrize("stream", [False, True])
def test_length_and_filter_shorten_the_answer(
    gateway: Gateway, spec: str, reason: str, stream: bool
) -> None:
    response = posted(gateway, body_of(f"fault:{spec}", stream=stream))
    if stream:
        chunks = [json.loads(event)["choices"][0] for event in events(response)[:-1]]
        text = "".join(chunk["delta"].get("content") or "" for chunk in chunks)
        assert chunks[-1]["finish_reason"] == reason
    else:
        choice = json.loads(response.body)["choices"][0]
        text = choice["message"]["content"]
        assert choice["finish_reason"] == reason
    assert "[sandbox] You said: one two three four".startswith(text)
    assert bool(text) == (spec == "length")


def test_the_proofs_of_an_end_can_be_left_out(gateway: Gateway) -> None:
    undone = events(posted(gateway, body_of("fault:nodone", stream=True)))
    assert '"finish_reason":"stop"' in undone[-1]
    unfinished = events(posted(gateway, body_of("fault:nofinish", stream=True)))
    assert unfinished[-1] == "[DONE]"
    assert '"finish_reason":"' not in "".join(unfinished)


def test_a_torn_event_is_half_of_one_and_the_others_stay(gateway: Gateway) -> None:
    torn = events(posted(gateway, body_of("fault:torn@2", stream=True)))
    broken = [data for data in torn if not data.endswith(("}", "[DONE]"))]
    assert broken == [torn[2]] and torn[2].startswith('{"object"')
    assert not posted(gateway, body_of("fault:torn")).body.endswith(b"}")


def test_slow_waits_before_each_event_or_once_for_a_whole_reply() -> None:
    naps: list[float] = []
    with Gateway(clock=Clock(monotonic=lambda: 0.0, sleep=naps.append)) as gateway:
        count = len(events(posted(gateway, body_of("fault:slow@2", stream=True))))
        assert naps == [2.0] * count
        naps.clear()
        posted(gateway, body_of("fault:slow"))
        assert naps == [0.2]


def test_terms_combine(gateway: Gateway) -> None:
    found = events(posted(gateway, body_of("fault:pings+cut@2", stream=True)))
    assert len(found) == 2
    assert posted(gateway, body_of("fault:html+503*1")).status == 200
    assert posted(gateway, body_of("fault:slow@0.001+503")).status == 503


def test_the_servers_spec_holds_for_every_request() -> None:
    with Gateway(fault="503*1") as gateway:
        client = HTTPConnection("127.0.0.1", gateway.port, timeout=10)
        statuses = []
        for path in ("/v1/models", "/v1/models", "/api/pricing"):
            client.request("GET", path)
            response = client.getresponse()
            response.read()
            statuses.append(response.status)
        client.close()
    assert statuses == [503, 200, 503]


def test_a_share_of_requests_suffers_and_the_same_one_for_a_seed() -> None:
    def list_statuses(seed: int) -> list[int]:
        with Gateway(fault="503%30", seed=seed) as gateway:
            return [posted(gateway, body_of("sandbox-1")).status for _ in range(100)]

    first = list_statuses(1)
    assert 15 <= first.count(503) <= 45
    assert first == list_statuses(1)
    assert first != list_statuses(2)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/embeddings", {"input": "x"}),
        ("/v1/images/generations", {"prompt": "x"}),
        ("/v1/audio/speech", {"input": "x", "voice": "alloy"}),
        ("/v1/responses", {"input": "x"}),
        ("/v1/completions", {"prompt": "x"}),
    ],
)
def test_every_endpoint_plays_faults_and_is_well_again(
    gateway: Gateway, path: str, fields: dict[str, Any]
) -> None:
    body = json.dumps({"model": "fault:500*1", **fields}).encode()
    assert [posted(gateway, body, path).status for _ in range(2)] == [500, 200]
    cut = json.dumps({"model": "fault:cut", **fields}).encode()
    assert not posted(gateway, cut, path).whole


def test_a_response_can_be_incomplete(gateway: Gateway) -> None:
    body = json.dumps({"model": "fault:length", "input": "hello", "stream": True}).encode()
    final = json.loads(events(posted(gateway, body, "/v1/responses"))[-1])
    assert final["type"] == "response.incomplete"
    assert final["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
