"""Each of the sandbox's models serves its own endpoints, and refuses and ignores what it does."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from apiyi_cli.core.families import PROPOSED, refusal
from apiyi_cli.sandbox.answers import answer
from apiyi_cli.sandbox.model_table import SERVED_AT
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import Refused, ScriptedReply

CHAT = "/v1/chat/completions"
HI = [{"role": "user", "content": "hi"}]
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (CHAT, {"messages": HI}),
    "respond": ("/v1/responses", {"input": "hi"}),
    "complete": ("/v1/completions", {"prompt": "hi"}),
    "embed": ("/v1/embeddings", {"input": "hi"}),
    "image": ("/v1/images/generations", {"prompt": "hi", "size": "32x32"}),
    "speak": ("/v1/audio/speech", {"input": "hi", "voice": "alloy"}),
    "rank": ("/v1/rerank", {"query": "hi", "documents": ["a"]}),
    "moderate": ("/v1/moderations", {"input": "hi"}),
}


def ask_model(model: str, endpoint: str, **more: Any) -> ScriptedReply:
    path, fields = ASKED[endpoint]
    body = json.dumps({"model": model, **fields, **more}).encode()
    headers = {"content-type": "application/json"}
    received = ReceivedRequest(0, 0.0, "POST", path, "", headers, body, origin="http://127.0.0.1:1")
    try:
        return answer(received, "stop")
    except Refused as refused:
        return refused.reply


def body(reply: ScriptedReply) -> Any:
    assert isinstance(reply.body, bytes)
    return json.loads(reply.body)


@pytest.mark.parametrize("model", SERVED_AT)
def test_a_model_serves_its_own_endpoints_and_no_other(model: str) -> None:
    for endpoint in ASKED:
        reply = ask_model(model, endpoint)
        assert (reply.status == 200) == (endpoint in SERVED_AT[model]), endpoint
        if reply.status != 200:
            assert body(reply)["error"]["type"] in ("invalid_request_error", "shell_api_error")


@pytest.mark.parametrize("model", SERVED_AT)
def test_the_program_refuses_no_model_that_is_served(model: str) -> None:
    assert [one for one in SERVED_AT[model] if refusal(model, one)] == []


@pytest.mark.parametrize(("command", "model"), PROPOSED.items())
def test_what_a_hint_proposes_is_not_refused(command: str, model: str) -> None:
    assert refusal(model, command) is None


def test_a_fault_is_served_everywhere() -> None:
    assert [ask_model("fault:200", endpoint).status for endpoint in ASKED] == [200] * len(ASKED)


@pytest.mark.parametrize(
    ("model", "fields", "param"),
    [
        ("gpt-5.4-mini", {"max_tokens": 5}, "max_tokens"),
        ("gpt-5.4-mini", {"presence_penalty": 0.5}, "presence_penalty"),
        ("gpt-6.1-terra", {"logprobs": True}, "logprobs"),
        ("gpt-5.6-luna", {"stop": "x"}, "stop"),
        ("gpt-5.6-luna", {"tools": [FUNCTION]}, "reasoning_effort"),
        ("grok-4", {"stop": "x"}, "stop"),
        ("grok-4", {"frequency_penalty": 0.5}, "frequency_penalty"),
    ],
)
def test_a_family_refuses_what_its_kind_refuses(
    model: str, fields: dict[str, Any], param: str
) -> None:
    reply = ask_model(model, "chat", **fields)
    assert (reply.status, body(reply)["error"]["param"]) == (400, param)


def test_tools_are_taken_where_reasoning_is_off() -> None:
    assert (
        ask_model("gpt-5.6-luna", "chat", tools=[FUNCTION], reasoning_effort="none").status == 200
    )


def test_a_family_ignores_what_its_kind_ignores() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
    reply = ask_model("deepseek-v4-flash-ga-260731", "chat", n=3, response_format=wanted)
    (choice,) = body(reply)["choices"]
    assert choice["message"]["content"].startswith("[sandbox] You said: hi")
    warm = ask_model("claude-opus-5", "chat", temperature=0.5)
    assert "temperature" not in body(warm)["choices"][0]["message"]["content"]


def test_a_text_model_refuses_pictures() -> None:
    parts = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    messages = [{"role": "user", "content": parts}]
    reply = ask_model("deepseek-v4-flash-ga-260731", "chat", messages=messages)
    assert body(reply)["error"]["message"] == "Model do not support image input"


def test_reasoning_ends_without_a_line_break_and_is_not_always_shown() -> None:
    message = body(ask_model("deepseek-r1", "chat"))["choices"][0]["message"]
    assert message["reasoning_content"][-1] not in "\n "
    assert "reasoning_content" not in body(ask_model("gpt-4o", "chat"))["choices"][0]["message"]


def test_the_first_chunk_has_an_id_and_a_role_and_no_content() -> None:
    reply = ask_model("gpt-4o", "chat", stream=True)
    assert isinstance(reply.body, tuple)
    first = json.loads(reply.body[0].removeprefix(b"data: "))
    assert first["id"].startswith("chatcmpl-")
    assert first["choices"][0]["delta"] == {
        "role": "assistant",
        "content": "",
        "refusal": None,
    }
    assert not any(b'"usage":{' in piece for piece in reply.body)


def test_a_model_that_draws_answers_a_chat_with_pictures() -> None:
    for stream in (False, True):
        answered = body(ask_model("gpt-image-2-vip", "chat", stream=stream))
        assert "choices" not in answered and answered["data"][0]["url"].startswith("http")


def test_a_series_of_pictures_is_as_long_as_the_model_likes() -> None:
    series = {"sequential_image_generation": "auto"}
    answered = body(ask_model("seedream-5-0-260128", "image", n=1, **series))
    assert len(answered["data"]) == answered["usage"]["generated_images"] == 3
    assert len(body(ask_model("seedream-5-0-260128", "image", n=4))["data"]) == 1
    assert ask_model("seedream-5-0-pro-260628", "image", **series).status == 400


def test_relayed_pictures_have_a_prefix_and_no_counts() -> None:
    answered = body(ask_model("gpt-image-2-all", "image", n=3))
    (picture,) = answered["data"]
    assert picture["b64_json"].startswith("data:image/png;base64,")
    assert "usage" not in answered
    plain = body(ask_model("gpt-image-2", "image"))["data"][0]["b64_json"]
    assert base64.b64decode(plain, validate=True).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("model", "fields", "status"),
    [
        ("gpt-image-2", {"quality": "max"}, 400),
        ("gpt-image-2.5-flare", {"quality": "max"}, 200),
        ("gpt-image-2.5-flare", {"input_fidelity": "high"}, 400),
        ("gpt-image-2.5-flare", {"response_format": "url"}, 400),
        ("gpt-image-2-all", {"response_format": "url"}, 200),
        ("seedream-5-0-260128", {"size": "2K"}, 200),
        ("gpt-image-2", {"size": "2K"}, 400),
    ],
)
def test_picture_models_differ_in_what_they_take(
    model: str, fields: dict[str, Any], status: int
) -> None:
    path = "/v1/images/generations"
    body = json.dumps({"model": model, "prompt": "a", **fields}).encode()
    headers = {"content-type": "application/json"}
    try:
        reply = answer(
            ReceivedRequest(0, 0.0, "POST", path, "", headers, body, origin="http://h"), "stop"
        )
    except Refused as refused:
        reply = refused.reply
    assert reply.status == status
