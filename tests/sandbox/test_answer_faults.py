"""The faults inside a paid answer, in every endpoint, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from apiyi_cli.sandbox.answers import answer
from apiyi_cli.sandbox.faults.answer_faults import CHANGES, HUGE
from apiyi_cli.sandbox.faults.faults import Faults
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import Refused, ScriptedReply

ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "one two three"}]},
    "/v1/completions": {"prompt": "one two three"},
    "/v1/responses": {"input": "one two three"},
    "/v1/embeddings": {"input": ["one", "two"]},
    "/v1/images/generations": {"prompt": "one"},
    "/v1/audio/speech": {"input": "one", "voice": "alloy"},
    "/v1/moderations": {"input": ["one", "two"]},
    "/v1/rerank": {"query": "one", "documents": ["one", "two"]},
}
STREAMED = tuple(ASKED)[:3]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}


def apply_fault(fault: str, path: str, **more: Any) -> ScriptedReply:
    body = json.dumps({"model": "fault:200", **ASKED[path], **more}).encode()
    headers = {"content-type": "application/json"}
    return Faults(fault).reply(ReceivedRequest(0, 0.0, "POST", path, "", headers, body), answer)


def events(reply: ScriptedReply) -> list[Any]:
    assert isinstance(reply.body, tuple)
    data = [piece.partition(b"data: ")[2].decode().strip() for piece in reply.body]
    return [one if one == "[DONE]" else json.loads(one) for one in data]


def whole(reply: ScriptedReply) -> Any:
    assert isinstance(reply.body, bytes)
    return json.loads(reply.body)


def join_content(found: list[Any], name: str = "content") -> str:
    chunks = [event for event in found if event != "[DONE]" and event.get("choices")]
    return "".join(c["choices"][0].get("delta", {}).get(name) or "" for c in chunks)


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("fault", [*CHANGES, "saturated*1", "upstream-401*1"])
def test_every_endpoint_suffers_every_fault(fault: str, path: str) -> None:
    for stream in (False, True) if path in STREAMED else (False,):
        good, reply = (apply_fault(name, path, stream=stream) for name in ("200", fault))
        assert reply.status in (200, 401, 429)
        left_well = fault == "restart" or (fault == "huge-usage" and path not in USES)
        assert stream or left_well == (reply.body == good.body)


USES = tuple(path for path in ASKED if path not in ("/v1/audio/speech", "/v1/moderations"))


@pytest.mark.parametrize("path", STREAMED)
def test_an_error_after_the_role_comes_before_any_text(path: str) -> None:
    found = events(apply_fault("error-after-role", path, stream=True))
    assert found[-1] == "[DONE]" and found[-2]["error"]["type"] == "upstream_error"
    assert join_content(found) == ""
    assert len(found) == {"/v1/chat/completions": 3, "/v1/completions": 2}.get(path, 4)


def test_a_restart_repeats_the_first_events_of_the_stream() -> None:
    good = events(apply_fault("200", "/v1/chat/completions", stream=True))
    found = events(apply_fault("restart@3", "/v1/chat/completions", stream=True))
    assert found == good[:3] + good
    roles = [event for event in found[:-1] if "role" in event["choices"][0]["delta"]]
    assert len(roles) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_an_empty_answer_is_whole_and_without_content(stream: bool) -> None:
    reply = apply_fault("empty", "/v1/chat/completions", stream=stream, tools=tool())
    if stream:
        found = events(reply)
        assert [event["choices"][0]["finish_reason"] for event in found[:-1]] == [None, "stop"]
        assert join_content(found) == ""
    else:
        choice = whole(reply)["choices"][0]
        assert choice["message"] == {"role": "assistant", "content": ""}
        assert choice["finish_reason"] == "stop"
        assert whole(reply)["usage"]["completion_tokens"] > 0


def tool() -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": "f", "parameters": {}}}]


@pytest.mark.parametrize(
    ("spec", "message"),
    [("empty@1", {"role": "assistant", "content": None}), ("empty@2", {"role": "assistant"})],
)
def test_no_content_can_be_null_or_absent(spec: str, message: dict[str, Any]) -> None:
    assert whole(apply_fault(spec, "/v1/chat/completions"))["choices"][0]["message"] == message


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/responses", "output"),
        ("/v1/embeddings", "data"),
        ("/v1/images/generations", "data"),
        ("/v1/rerank", "results"),
        ("/v1/moderations", "results"),
    ],
)
def test_other_endpoints_answer_with_an_empty_list(path: str, name: str) -> None:
    assert whole(apply_fault("empty", path))[name] == []


def test_an_empty_response_streams_no_item() -> None:
    found = events(apply_fault("empty", "/v1/responses", stream=True))
    assert [event["type"].rpartition(".")[2] for event in found] == [
        "created",
        "in_progress",
        "completed",
    ]


def test_reasoning_alone_is_an_answer_without_content() -> None:
    path = "/v1/chat/completions"
    found = events(apply_fault("reasoning-only", path, stream=True))
    assert join_content(found, "reasoning_content") and not join_content(found)
    message = whole(apply_fault("reasoning-only", path))["choices"][0]["message"]
    assert message["reasoning_content"] and message["content"] == ""
    items = whole(apply_fault("reasoning-only", "/v1/responses"))["output"]
    assert [item["type"] for item in items] == ["reasoning"]


@pytest.mark.parametrize(("spec", "count"), [("huge-usage", HUGE), ("huge-usage@30", 10**30)])
@pytest.mark.parametrize("path", USES)
def test_huge_counts_stand_in_every_answer_that_counts(spec: str, count: int, path: str) -> None:
    assert whole(apply_fault(spec, path))["usage"]["total_tokens"] == count
    if path in STREAMED:
        found = events(apply_fault(spec, path, stream=True))
        counted = [e.get("response", e).get("usage") for e in found if isinstance(e, dict)]
        assert [u["total_tokens"] for u in counted if u] == [count]


def test_blanks_never_end() -> None:
    body = apply_fault("blanks", "/v1/chat/completions").body
    assert isinstance(body, Callable)  # type: ignore[arg-type]
    assert b"".join(islice(body(), 1000)).strip() == b""  # type: ignore[operator]


def test_a_misfit_has_other_json_than_its_schema_wants() -> None:
    path = "/v1/chat/completions"
    text = whole(apply_fault("misfit", path, response_format=SCHEMA))["choices"][0]["message"][
        "content"
    ]
    assert isinstance(json.loads(text), list)
    found = events(apply_fault("misfit", path, response_format=SCHEMA, stream=True))
    assert isinstance(json.loads(join_content(found)), list)
    mode = {"type": "json_object"}
    text = whole(apply_fault("misfit", path, response_format=mode))["choices"][0]["message"][
        "content"
    ]
    with pytest.raises(ValueError):
        json.loads(text)


def test_a_misfit_without_a_wish_speaks_another_dialect() -> None:
    assert whole(apply_fault("misfit", "/v1/chat/completions"))["object"] == "response"
    assert whole(apply_fault("misfit", "/v1/responses"))["object"] == "chat.completion"
    found = events(apply_fault("misfit", "/v1/completions", stream=True))
    assert found[-1]["type"] == "response.completed"


def test_misfitting_vectors_differ_in_number_size_and_place() -> None:
    data = whole(apply_fault("misfit", "/v1/embeddings", dimensions=8))["data"]
    assert [(len(item["embedding"]), item["index"]) for item in data] == [(4, 0)] * 3


def test_other_misfits_are_of_their_endpoint() -> None:
    assert "index" in whole(apply_fault("misfit", "/v1/rerank"))["results"][0]
    assert whole(apply_fault("misfit", "/v1/rerank"))["results"][0]["index"] >= 1000
    assert len(whole(apply_fault("misfit", "/v1/moderations"))["results"]) == 4
    picture = whole(apply_fault("misfit", "/v1/images/generations"))["data"][0]
    assert picture["b64_json"] and "url" not in picture
    assert "sound" in whole(apply_fault("misfit", "/v1/audio/speech"))


def test_refusals_that_are_not_about_the_caller() -> None:
    full = apply_fault("saturated", "/v1/embeddings")
    assert (full.status, whole(full)["error"]["code"]) == (429, "content-type-not-allowed")
    assert "负载已饱和" in whole(full)["error"]["message"]
    foreign = apply_fault("upstream-401", "/v1/embeddings")
    assert foreign.status == 401
    assert not whole(foreign)["error"]["type"].endswith("_api_error")
    assert not full.is_billed and not foreign.is_billed


def test_a_refusal_comes_even_where_the_request_has_mistakes() -> None:
    assert apply_fault("saturated", "/v1/chat/completions", messages=3).status == 429
    with pytest.raises(Refused):
        apply_fault("empty", "/v1/chat/completions", messages=3)


def test_faults_of_the_answer_combine_with_those_of_its_end() -> None:
    reply = apply_fault("cut@2+restart@3*1", "/v1/chat/completions", stream=True)
    assert reply.stop is not None and reply.stop.k == 2
    again = apply_fault("saturated*1+misfit", "/v1/embeddings")
    assert again.status == 429
