"""The official client against every endpoint: what it accepts, other clients do."""

from __future__ import annotations

import io
import wave
from base64 import b64decode
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    import openai

KEY = "sk-of-the-test"


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway(key=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    # Here, because every worker collects the file and one runs its tests.
    import openai

    with openai.OpenAI(
        base_url=gateway.base_url, api_key=KEY, max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


@pytest.fixture(scope="module")
def lenient(client: openai.OpenAI) -> openai.OpenAI:
    """The client as it is by default, for two answers of the API that are not as it models them.

    A chunk of a streamed completion has no `finish_reason` yet, and vectors come in base64.
    """
    made = client.copy()
    made._strict_response_validation = False
    return made


def wav_file(seconds: float = 1.0) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(2 * int(8000 * seconds)))
    return "note.wav", buffer.getvalue()


def tool(name: str) -> Any:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


HELLO: Any = [{"role": "user", "content": "hello there"}]


def test_chat_repeats_the_prompt(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert answer.choices[0].message.content == "[sandbox] You said: hello there"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_streamed_chat_gives_the_same_text_and_usage(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert len(chunks) > 5
    assert chunks[-1].usage == whole.usage


def test_every_tool_is_called_with_fitting_arguments(client: openai.OpenAI) -> None:
    ask: Any = [{"role": "user", "content": "use every tool"}]
    tools = [tool("weather"), tool("time")]
    answer = client.chat.completions.create(model="gpt-4o", messages=ask, tools=tools)
    calls: Any = answer.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["weather", "time"]
    assert answer.choices[0].finish_reason == "tool_calls"
    turn = answer.choices[0].message.model_dump(exclude_none=True)
    results = [{"role": "tool", "tool_call_id": c.id, "content": c.function.name} for c in calls]
    ask = [*ask, turn, *results]
    final = client.chat.completions.create(model="gpt-4o", messages=ask, tools=tools)
    assert final.choices[0].message.content == (
        "[sandbox] The tool weather answered: weather\n[sandbox] The tool time answered: time"
    )


def test_streamed_tool_calls_come_in_pieces(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="gpt-4o", messages=HELLO, tools=[tool("weather")]
    ) as stream:
        final = stream.get_final_completion()
    call: Any = (final.choices[0].message.tool_calls or [])[0]
    assert call.function.name == "weather"
    assert call.function.arguments == '{"city":"[sandbox] hello there"}'


@pytest.fixture(scope="module")
def person(client: openai.OpenAI) -> Any:
    """A class whose schema the client sends and whose object it makes."""
    import pydantic

    return pydantic.create_model(
        "Person", name=(str, ...), age=(int, ...), friends=(list[str], ...)
    )


def test_a_parsed_answer_fits_its_model(client: openai.OpenAI, person: Any) -> None:
    answer = client.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=person)
    assert isinstance(answer.choices[0].message.parsed, person)


def test_completions_answer_each_prompt(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model="gpt-3.5-turbo-instruct", prompt=["one", "two"], n=2, echo=True
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert [choice.text[:3] for choice in answer.choices] == ["one", "one", "two", "two"]


def test_streamed_completions_interleave(lenient: openai.OpenAI) -> None:
    stream = lenient.completions.create(model="sandbox-1", prompt=["one", "two"], stream=True)
    texts = {0: "", 1: ""}
    for chunk in stream:
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == {0: "[sandbox] You said: one", 1: "[sandbox] You said: two"}


def test_responses_answer_whole_and_streamed(client: openai.OpenAI) -> None:
    options: Any = {
        "model": "o3",
        "input": "hello",
        "instructions": "be brief",
        "reasoning": {"effort": "low", "summary": "auto"},
        "tools": [{"type": "web_search"}],
    }
    whole = client.responses.create(**options)
    assert whole.output_text.startswith("[sandbox] You said: hello\nSystem: be brief")
    assert [item.type for item in whole.output] == ["reasoning", "web_search_call", "message"]
    with client.responses.stream(**options) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == whole.output_text
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "response.reasoning_summary_text.delta" in kinds
    assert "response.web_search_call.searching" in kinds
    assert "response.output_text.annotation.added" in kinds


def test_responses_parse_and_call_functions(client: openai.OpenAI, person: Any) -> None:
    parsed = client.responses.parse(model="gpt-4o", input="hello", text_format=person)
    assert isinstance(parsed.output_parsed, person)
    function: Any = {**tool("weather")["function"], "type": "function", "strict": False}
    with client.responses.stream(model="gpt-4o", input="hi", tools=[function]) as stream:
        final: Any = stream.get_final_response()
    call = final.output[0]
    assert (call.type, call.name, call.arguments) == (
        "function_call",
        "weather",
        '{"city":"[sandbox] hi"}',
    )
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    history: Any = [{"role": "user", "content": "hi"}, call.model_dump(exclude_none=True), result]
    after = client.responses.create(model="gpt-4o", input=history, tools=[function])
    assert after.output_text == "[sandbox] The tool weather answered: sunny"


def test_embeddings_are_the_same_in_both_encodings(lenient: openai.OpenAI) -> None:
    texts = ["the quick brown fox", "a quick brown fox", "tax law of 1987"]
    model = "text-embedding-3-small"
    plain = lenient.embeddings.create(model=model, input=texts, encoding_format="float")
    packed = lenient.embeddings.create(model=model, input=texts)
    for first, second in zip(plain.data, packed.data, strict=True):
        assert len(first.embedding) == 1536
        assert first.embedding == pytest.approx(second.embedding)
        assert sum(x * x for x in first.embedding) == pytest.approx(1, abs=1e-6)
    a, b, c = (row.embedding for row in plain.data)
    assert _dot(a, b) > 0.6 > 0.3 > _dot(a, c)


def _dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    ("model", "size"),
    [("text-embedding-3-large", 3072), ("text-embedding-ada-002", 1536), ("bge-m3", 1024)],
)
def test_each_embedding_model_has_its_dimensions(
    client: openai.OpenAI, model: str, size: int
) -> None:
    answer = client.embeddings.create(model=model, input="x", encoding_format="float")
    assert len(answer.data[0].embedding) == size


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_images_are_generated_and_edited(client: openai.OpenAI) -> None:
    made: Any = client.images.generate(model="gpt-image-1", prompt="a cat", size="1024x1536")
    picture = b64decode(made.data[0].b64_json)
    assert picture.startswith(b"\x89PNG")
    edited: Any = client.images.edit(
        model="gpt-image-1", image=[("a.png", picture), ("b.png", picture)], prompt="a hat"
    )
    assert b64decode(edited.data[0].b64_json) != picture
    assert edited.usage.input_tokens_details.image_tokens == 170
    hers: Any = client.images.generate(
        model="dall-e-3", prompt="a cat", quality="hd", response_format="b64_json"
    )
    assert b64decode(hers.data[0].b64_json).startswith(b"\x89PNG")
    varied: Any = client.images.create_variation(model="dall-e-2", image=("a.png", picture), n=2)
    assert len({row.url for row in varied.data}) == 2


def test_an_image_stream_shows_coarse_pictures_first(client: openai.OpenAI) -> None:
    stream: Any = client.images.generate(
        model="gpt-image-1", prompt="a cat", stream=True, partial_images=2, size="256x256"
    )
    kinds = [event.type for event in stream]
    assert kinds == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_recordings_are_transcribed_and_translated(client: openai.OpenAI) -> None:
    heard = client.audio.transcriptions.create(model="whisper-1", file=wav_file(2.5))
    assert heard.text == "[sandbox] note.wav, 2.5 seconds of audio, transcribed."
    english = client.audio.translations.create(model="whisper-1", file=wav_file())
    assert "translated into English" in english.text
    verbose = client.audio.transcriptions.create(
        model="whisper-1",
        file=wav_file(12),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert verbose.duration == 12
    assert verbose.segments is not None
    assert verbose.segments[-1].end == pytest.approx(12)
    assert verbose.words


def test_a_transcription_streams_its_deltas(client: openai.OpenAI) -> None:
    stream = client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=wav_file(), stream=True
    )
    events: Any = list(stream)
    assert "".join(e.delta for e in events[:-1]) == events[-1].text


def test_speech_is_a_real_wav_whose_length_follows_the_text(client: openai.OpenAI) -> None:
    def seconds(text: str) -> float:
        answer = client.audio.speech.create(
            model="tts-1", voice="alloy", input=text, response_format="wav"
        )
        with wave.open(io.BytesIO(answer.content)) as audio:
            assert set(audio.readframes(100)) != {0}
            return float(audio.getnframes() / audio.getframerate())

    assert seconds("hello " * 20) == pytest.approx(4 * seconds("hello " * 5))


def test_models_are_listed(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert {"sandbox-1", "gpt-4o", "claude-sonnet-4", "flux-kontext-pro"} <= set(names)
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"


def test_moderations_flag_violence(client: openai.OpenAI) -> None:
    answer = client.moderations.create(input=["hello", "I will kill the process"])
    assert [result.flagged for result in answer.results] == [False, True]


def test_a_wrong_key_is_refused_without_an_echo(gateway: Gateway) -> None:
    import openai

    with (
        openai.OpenAI(base_url=gateway.base_url, api_key="sk-SECRET", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        stranger.models.list()
    assert "SECRET" not in str(caught.value)


def test_an_unknown_model_has_no_channel(client: openai.OpenAI) -> None:
    import openai

    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="gpt4o", messages=HELLO)
    assert caught.value.status_code == 503
    assert caught.value.code == "model_not_found"
