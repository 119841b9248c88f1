"""The official clients of Anthropic and Google against the sandbox, strict where they can be."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.drawing import png
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    import anthropic
    from google import genai

KEY = "sk-of-the-test"
PNG = png(bytes(range(32)), 16, 16)
MODEL = "claude-opus-5"
GEMINI = "gemini-3.6-flash"
CITY: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
QUESTION: Any = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway(key=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def claude(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    # Here, because every worker collects the file and one runs its tests.
    import anthropic

    with anthropic.Anthropic(
        base_url=gateway.origin, api_key=KEY, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


@pytest.fixture(scope="module")
def gemini(gateway: Gateway) -> genai.Client:
    from google import genai

    options: Any = {"base_url": gateway.origin, "api_version": "v1beta"}
    return genai.Client(api_key=KEY, http_options=options)


def test_the_anthropic_client_reads_messages_and_streams(claude: anthropic.Anthropic) -> None:
    fields: Any = {"model": MODEL, "max_tokens": 2048, "messages": QUESTION}
    fields["thinking"] = {"type": "adaptive", "display": "summarized"}
    message = claude.messages.create(**fields)
    with claude.messages.stream(**fields) as stream:
        streamed = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert [block.type for block in streamed.content] == ["thinking", "text"]
    texts = [made.content[-1].text for made in (message, streamed)]
    assert texts == ["[sandbox] You said: hi"] * 2
    assert message.stop_reason == streamed.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0


def test_the_anthropic_client_calls_tools_and_sends_its_thoughts_back(
    claude: anthropic.Anthropic,
) -> None:
    tools: Any = [{"name": "weather", "description": "now", "input_schema": CITY}]
    fields: Any = {"model": MODEL, "max_tokens": 2048, "tools": tools}
    fields["thinking"] = {"type": "adaptive", "display": "summarized"}
    with claude.messages.stream(**fields, messages=QUESTION) as stream:
        turn = stream.get_final_message()
    assert [block.type for block in turn.content] == ["thinking", "tool_use"]
    assert turn.stop_reason == "tool_use"
    call: Any = turn.content[-1]
    assert (call.name, call.input) == ("weather", {"city": "[sandbox] hi"})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    history = [*QUESTION, {"role": "assistant", "content": turn.content}]
    history.append({"role": "user", "content": [result]})
    final: Any = claude.messages.create(**fields, messages=history)
    assert final.content[-1].text == "[sandbox] The tool weather answered: sunny"
    forced: Any = {"model": "claude-sonnet-5", "max_tokens": 99, "tools": tools}
    forced["tool_choice"] = {"type": "tool", "name": "weather"}
    assert claude.messages.create(**forced, messages=QUESTION).content[0].type == "tool_use"


def test_the_anthropic_client_sends_pictures_and_keeps_a_cache(
    claude: anthropic.Anthropic,
) -> None:
    picture = {"type": "base64", "media_type": "image/png", "data": b64encode(PNG).decode()}
    content: list[Any] = [
        {"type": "image", "source": picture},
        {"type": "text", "text": "what is it"},
    ]
    system = [{"type": "text", "text": "rule " * 3000, "cache_control": {"type": "ephemeral"}}]
    fields: Any = {"model": MODEL, "max_tokens": 99, "system": system}
    fields["messages"] = [{"role": "user", "content": content}]
    first: Any = claude.messages.create(**fields)
    assert "image" in first.content[0].text.lower()
    assert first.usage.cache_creation_input_tokens > 0
    fields["messages"] = [{"role": "user", "content": [*content, {**content[1], "text": "again"}]}]
    assert claude.messages.create(**fields).usage.cache_read_input_tokens


@pytest.mark.parametrize(
    ("changes", "error", "status"),
    [
        ({"model": "fault:401"}, "AuthenticationError", 401),
        ({"model": "fault:403"}, "PermissionDeniedError", 403),
        ({"model": "fault:404"}, "NotFoundError", 404),
        ({"model": "fault:429"}, "RateLimitError", 429),
        ({"model": "fault:500"}, "InternalServerError", 500),
        ({"model": "claude-9"}, "InternalServerError", 503),
        ({"extra_body": {"temperature": 0.5}}, "BadRequestError", 400),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "BadRequestError", 400),
        ({"messages": []}, "BadRequestError", 400),
    ],
)
def test_the_anthropic_client_tells_refusals_apart(
    claude: anthropic.Anthropic, changes: dict[str, Any], error: str, status: int
) -> None:
    import anthropic

    fields: Any = {"model": MODEL, "max_tokens": 2048, "messages": QUESTION, **changes}
    with pytest.raises(getattr(anthropic, error)) as caught:
        claude.messages.create(**fields)
    assert caught.value.status_code == status


def test_the_clients_try_again_what_passes(gateway: Gateway, claude: anthropic.Anthropic) -> None:
    import openai

    before = len(gateway.ledger)
    patient = claude.with_options(max_retries=1)
    fields: Any = {"model": "fault:503*1", "max_tokens": 99, "messages": QUESTION}
    assert patient.messages.create(**fields).content[0].type == "text"
    with openai.OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=1) as other:
        answer = other.chat.completions.create(model="fault:429*1", messages=QUESTION)
    assert answer.choices[0].message.content
    assert len(gateway.ledger) - before == 4


def test_the_google_client_reads_responses_and_streams(gemini: genai.Client) -> None:
    asked: Any = {"model": GEMINI, "contents": "hi"}
    whole = gemini.models.generate_content(**asked)
    texts = [piece.text or "" for piece in gemini.models.generate_content_stream(**asked)]
    assert whole.text == "".join(texts) == "[sandbox] You said: hi"
    assert whole.usage_metadata is not None and whole.usage_metadata.total_token_count


def test_the_google_client_calls_functions_and_sends_signatures_back(
    gemini: genai.Client,
) -> None:
    from google.genai import types

    declared: Any = {"name": "weather", "description": "now", "parameters_json_schema": CITY}
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(**declared)])
    config = types.GenerateContentConfig(tools=[tool])
    pieces = list(gemini.models.generate_content_stream(model=GEMINI, contents="hi", config=config))
    parts: Any = [
        part
        for piece in pieces
        for candidate in piece.candidates or ()
        if candidate.content
        for part in candidate.content.parts or ()
    ]
    (call,) = [part for part in parts if part.function_call]
    assert dict(call.function_call.args) == {"city": "[sandbox] hi"}
    assert call.thought_signature
    response = types.Part.from_function_response(name="weather", response={"result": "sunny"})
    history: Any = [
        types.Content(role="user", parts=[types.Part(text="hi")]),
        types.Content(role="model", parts=parts),
        types.Content(role="user", parts=[response]),
    ]
    final = gemini.models.generate_content(model=GEMINI, contents=history, config=config)
    assert "sunny" in (final.text or "")


def test_the_google_client_sends_pictures_gets_objects_and_draws(gemini: genai.Client) -> None:
    from google.genai import types

    picture = types.Part.from_bytes(data=PNG, mime_type="image/png")
    seen = gemini.models.generate_content(model=GEMINI, contents=[picture, "what is it"])
    assert "image" in (seen.text or "").lower()
    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_json_schema=CITY
    )
    told = gemini.models.generate_content(model=GEMINI, contents="hi", config=config)
    assert set(json.loads(told.text or "")) == {"city"}
    drawn: Any = gemini.models.generate_content(
        model="gemini-3-pro-image",
        contents=["a cat", picture],
        config=types.GenerateContentConfig(
            response_modalities=["IMAGE"],
            image_config=types.ImageConfig(aspect_ratio="16:9", image_size="2K"),
        ),
    )
    (data,) = [part.inline_data for part in drawn.parts if part.inline_data]
    content = data.data if isinstance(data.data, bytes) else b64decode(data.data)
    assert content.startswith((b"\x89PNG", b"\xff\xd8"))


@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("fault:401", "ClientError", 401),
        ("fault:429", "ClientError", 429),
        ("fault:500", "ServerError", 500),
        ("gemini-99", "ServerError", 503),
        ("gemini-2.5-pro", "ClientError", 404),
    ],
)
def test_the_google_client_tells_refusals_apart(
    gemini: genai.Client, model: str, error: str, status: int
) -> None:
    from google.genai import errors

    with pytest.raises(getattr(errors, error)) as caught:
        gemini.models.generate_content(model=model, contents="hi")
    assert caught.value.code == status


def test_what_the_gateway_does_not_open_is_not_there(
    gemini: genai.Client, claude: anthropic.Anthropic
) -> None:
    import anthropic

    with pytest.raises(Exception, match=r"."):
        gemini.models.count_tokens(model=GEMINI, contents="hi")
    with pytest.raises(anthropic.APIError):
        claude.messages.count_tokens(model=MODEL, messages=QUESTION)
