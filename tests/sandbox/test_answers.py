"""What the endpoints answer beyond what the official client can ask."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import wave
import zlib
from base64 import b64decode
from collections.abc import Iterator
from http.client import HTTPConnection
from struct import unpack
from typing import Any

import pytest

from apiyi_cli.sandbox.audio_files import aac, flac, mp3, opus
from apiyi_cli.sandbox.endpoints.transcripts import duration_s
from apiyi_cli.sandbox.server import Gateway

CHAT = "/v1/chat/completions"
HI = [{"role": "user", "content": "hi"}]


MODELS = {
    "/v1/embeddings": "sandbox-embed-1",
    "/v1/images/generations": "sandbox-image-1",
    "/v1/audio/speech": "sandbox-speak-1",
    "/v1/rerank": "sandbox-rank-1",
    "/v1/moderations": "omni-moderation-latest",
}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running


def fetched(
    gateway: Gateway, method: str, path: str, body: bytes | None, kind: str
) -> tuple[int, str, bytes]:
    """Return status, type and body."""
    client = HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    client.request(method, path, body, {"Content-Type": kind})
    response = client.getresponse()
    read = response.read()
    client.close()
    return response.status, response.getheader("content-type") or "", read


def posted(gateway: Gateway, path: str, fields: Any) -> Any:
    """Return the answer to a JSON request, its status under `status`."""
    body = json.dumps(fields).encode()
    status, _, answer = fetched(gateway, "POST", path, body, "application/json")
    return {"status": status, **json.loads(answer)}


def formed(gateway: Gateway, path: str, *parts: tuple[str, str | None, bytes]) -> tuple[int, bytes]:
    body = b""
    for name, filename, content in parts:
        file = f'; filename="{filename}"' if filename else ""
        body += f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        body += content + b"\r\n"
    kind = "multipart/form-data; boundary=b"
    status, _, answer = fetched(gateway, "POST", path, body + b"--b--\r\n", kind)
    return status, answer


def pixels(png: bytes) -> tuple[int, int, bytes]:
    """Return width, height and unpacked rows of a PNG, its checksums verified."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, packed, size = 8, b"", (0, 0)
    while at < len(png):
        length, kind = unpack(">I4s", png[at : at + 8])
        data = png[at + 8 : at + 8 + length]
        assert unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + data)
        if kind == b"IHDR":
            size = unpack(">II", data[:8])
        packed += data if kind == b"IDAT" else b""
        at += 12 + length
    return (*size, zlib.decompress(packed))


def wav(seconds: float, rate: int = 16000) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(bytes(4 * int(rate * seconds)))
    return buffer.getvalue()


def ask_chat(gateway: Gateway, **fields: Any) -> str:
    answer = posted(gateway, CHAT, {"model": "sandbox-1", "messages": HI, **fields})
    return str(answer["choices"][0]["message"]["content"])


def test_all_that_came_with_the_prompt_is_told(gateway: Gateway) -> None:
    content = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:,"}},
    ]
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "before"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": content},
    ]
    assert ask_chat(gateway, messages=messages, temperature=0.5, stop=["x"]) == (
        "[sandbox] You said: look\nSystem: be brief\nAttachments: 2 image, 1 file\n"
        'Earlier messages: 2\nOptions: stop=["x"], temperature=0.5'
    )


def test_several_choices_differ_and_interleave(gateway: Gateway) -> None:
    fields = {"model": "sandbox-1", "messages": HI, "n": 2}
    texts = [c["message"]["content"] for c in posted(gateway, CHAT, fields)["choices"]]
    assert texts[0] == "[sandbox] You said: hi\nOptions: n=2"
    assert texts[1] == "[sandbox] (answer 2) You said: hi\nOptions: n=2"
    body = json.dumps({**fields, "stream": True}).encode()
    _, kind, wire = fetched(gateway, "POST", CHAT, body, "application/json")
    assert kind == "text/event-stream"
    chunks = [json.loads(line[6:]) for line in wire.split(b"\n\n")[:-2]]
    assert [chunk["choices"][0]["index"] for chunk in chunks[:6]] == [0, 1, 0, 1, 0, 1]


def test_a_reasoner_thinks_first_unless_told_not_to(gateway: Gateway) -> None:
    fields = {"model": "deepseek-r1", "messages": HI}
    answer = posted(gateway, CHAT, fields)
    assert answer["choices"][0]["message"]["reasoning_content"].startswith("[sandbox]")
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    quick = posted(gateway, CHAT, {**fields, "reasoning_effort": "none"})
    assert "reasoning_content" not in quick["choices"][0]["message"]


def test_the_form_that_was_asked_for_is_kept(gateway: Gateway) -> None:
    assert json.loads(ask_chat(gateway, response_format={"type": "json_object"}))["sandbox"] is True
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert json.loads(ask_chat(gateway, response_format=wanted)) == {"n": 1}


def test_tools_are_chosen_by_name_or_not_at_all(gateway: Gateway) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("one", "two")]
    named = {"type": "function", "function": {"name": "two"}}
    fields = {"model": "sandbox-1", "messages": HI, "tools": tools}
    answer = posted(gateway, CHAT, {**fields, "tool_choice": named})
    calls = answer["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["name"] for call in calls] == ["two"]
    none = posted(gateway, CHAT, {**fields, "tool_choice": "none"})
    assert none["choices"][0]["finish_reason"] == "stop"


def test_log_probabilities_cover_the_text(gateway: Gateway) -> None:
    fields = {"model": "sandbox-1", "messages": HI, "logprobs": True, "top_logprobs": 2}
    choice = posted(gateway, CHAT, fields)["choices"][0]
    rows = choice["logprobs"]["content"]
    assert "".join(row["token"] for row in rows) == choice["message"]["content"]
    assert {len(row["top_logprobs"]) for row in rows} == {2}


def test_a_very_long_prompt_is_repeated_in_part(gateway: Gateway) -> None:
    text = ask_chat(gateway, messages=[{"role": "user", "content": "word " * 10_000}])
    assert len(text) < 9000
    assert "(50000 characters in all)" in text


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        (CHAT, {"messages": HI, "model": None}, "model"),
        (CHAT, {"messages": []}, "messages"),
        (CHAT, {"messages": "hi"}, "messages"),
        (CHAT, {"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        (CHAT, {"messages": [{"role": "user"}]}, "messages[0].content"),
        (
            CHAT,
            {"messages": [{"role": "user", "content": [{"type": "x"}]}]},
            "messages[0].content[0]",
        ),
        (CHAT, {"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        (CHAT, {"messages": HI, "temperature": 3}, "temperature"),
        (CHAT, {"messages": HI, "temperature": "1"}, "temperature"),
        (CHAT, {"messages": HI, "n": 1.5}, "n"),
        (CHAT, {"messages": HI, "stream": "yes"}, "stream"),
        (CHAT, {"messages": HI, "stop": ["a"] * 5}, "stop"),
        (CHAT, {"messages": HI, "stream_options": {}}, "stream_options"),
        (CHAT, {"messages": HI, "top_logprobs": 2}, "top_logprobs"),
        (CHAT, {"messages": HI, "tools": [{"type": "function"}]}, "tools[0]"),
        (CHAT, {"messages": HI, "response_format": {"type": "xml"}}, "response_format.type"),
        (CHAT, {"messages": HI, "model": "o3", "max_tokens": 5}, "max_tokens"),
        (CHAT, {"messages": HI, "model": "gpt-5", "temperature": 0}, "temperature"),
        ("/v1/completions", {"prompt": ""}, "prompt"),
        ("/v1/completions", {"prompt": "x", "n": 3, "best_of": 2}, "best_of"),
        ("/v1/responses", {"input": []}, "input"),
        ("/v1/responses", {"input": "x", "max_output_tokens": 8}, "max_output_tokens"),
        ("/v1/responses", {"input": "x", "tools": [{"type": "function"}]}, "tools[0].name"),
        ("/v1/embeddings", {"input": ["a", ""]}, "input"),
        ("/v1/embeddings", {"input": ["a"] * 2049}, "input"),
        ("/v1/embeddings", {"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ("/v1/embeddings", {"input": "a", "model": "bge-m3", "dimensions": 8}, "dimensions"),
        ("/v1/images/generations", {}, "prompt"),
        ("/v1/images/generations", {"prompt": "x", "size": "big"}, "size"),
        ("/v1/images/generations", {"prompt": "x", "n": 11}, "n"),
        ("/v1/images/generations", {"prompt": "x", "model": "dall-e-3", "n": 2}, "n"),
        (
            "/v1/images/generations",
            {"prompt": "x", "model": "gpt-image-1", "response_format": "url"},
            "response_format",
        ),
        (
            "/v1/images/generations",
            {"prompt": "x", "model": "gpt-image-1", "quality": "hd"},
            "quality",
        ),
        ("/v1/audio/speech", {"input": "x"}, "voice"),
        ("/v1/audio/speech", {"input": "x" * 4097, "voice": "alloy"}, "input"),
        ("/v1/audio/speech", {"input": "x", "voice": "alloy", "speed": 5}, "speed"),
        ("/v1/rerank", {"query": "x", "documents": [1]}, "documents"),
        ("/v1/moderations", {"input": 5}, "input"),
    ],
)
def test_a_malformed_request_is_400_and_names_the_parameter(
    gateway: Gateway, path: str, fields: dict[str, Any], param: str
) -> None:
    answer = posted(gateway, path, {"model": MODELS.get(path, "sandbox-1"), **fields})
    assert answer["status"] == 400
    assert answer["error"]["param"] == param
    assert answer["error"]["message"]


def test_a_body_that_is_no_json_object_is_400_and_no_json_type_is_503(gateway: Gateway) -> None:
    status, _, _ = fetched(gateway, "POST", CHAT, b"{", "application/json")
    assert status == 400
    status, _, _ = fetched(gateway, "POST", CHAT, b"[]", "application/json")
    assert status == 400
    status, _, body = fetched(gateway, "POST", CHAT, b"{}", "text/plain")
    assert (status, json.loads(body)["error"]["code"]) == (503, "model_not_found")


def test_what_nobody_thought_of_is_a_panic_and_not_a_dead_socket(gateway: Gateway) -> None:
    answer = posted(
        gateway, CHAT, {"model": "sandbox-1", "messages": HI, "stream_options": 5, "stream": True}
    )
    assert answer["status"] == 500
    assert answer["error"]["type"] == "one_api_panic"


def test_an_unknown_model_is_200_with_an_error_when_shown(gateway: Gateway) -> None:
    status, _, body = fetched(gateway, "GET", "/v1/models/gpt4o", None, "")
    assert (status, json.loads(body)["error"]["code"]) == (200, "model_not_found")


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"size": "64x48"}, (64, 48)),
        ({"size": "auto"}, (1024, 1024)),
        ({"aspect_ratio": "16:9"}, (1360, 768)),
        ({"size": "17x1"}, (17, 1)),
    ],
)
def test_a_picture_has_the_size_that_was_asked_for(
    gateway: Gateway, fields: dict[str, Any], size: tuple[int, int]
) -> None:
    answer = posted(
        gateway, "/v1/images/generations", {"model": "sandbox-image-1", "prompt": "a cat", **fields}
    )
    width, height, rows = pixels(b64decode(answer["data"][0]["b64_json"]))
    assert (width, height) == size
    assert len(rows) == height * (1 + 3 * width)
    assert set(rows[:: 1 + 3 * width]) == {0}


def test_pictures_differ_by_prompt_and_number_and_by_nothing_else(gateway: Gateway) -> None:
    def draw(prompt: str) -> list[str]:
        fields = {"model": "sandbox-image-1", "prompt": prompt, "n": 2, "size": "32x32"}
        answer = posted(gateway, "/v1/images/generations", fields)
        return [row["b64_json"] for row in answer["data"]]

    assert draw("a cat") == draw("a cat")
    assert len({*draw("a cat"), *draw("a dog")}) == 4


def test_a_flux_picture_comes_by_url_from_the_same_server(gateway: Gateway) -> None:
    fields = {"model": "flux-kontext-pro", "prompt": "a cat", "size": "48x32"}
    (row,) = posted(gateway, "/v1/images/generations", fields)["data"]
    assert row["url"].startswith(f"{gateway.origin}/files/")
    path = row["url"].removeprefix(gateway.origin)
    status, kind, picture = fetched(gateway, "GET", path, None, "")
    assert (status, kind) == (200, "image/png")
    assert pixels(picture)[:2] == (48, 32)
    assert fetched(gateway, "GET", "/files/no.png", None, "")[0] == 404
    assert fetched(gateway, "GET", path.replace("48x32", "9999x1"), None, "")[0] == 404


def test_an_edit_needs_a_picture_that_is_one(gateway: Gateway) -> None:
    model, prompt = ("model", None, b"gpt-image-1"), ("prompt", None, b"a hat")
    status, body = formed(gateway, "/v1/images/edits", model, prompt)
    assert (status, json.loads(body)["error"]["message"]) == (400, "image is required")
    text = ("image", "a.png", b"not a picture")
    status, body = formed(gateway, "/v1/images/edits", model, prompt, text)
    assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_image_file")
    assert posted(gateway, "/v1/images/edits", {"prompt": "x"})["status"] == 400


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("text", "[sandbox] a.wav, 12 seconds of audio, transcribed. Part 2. Part 3.\n"),
        ("srt", "1\n00:00:00,000 --> 00:00:04,000\n[sandbox] a.wav"),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:04.000\n[sandbox] a.wav"),
    ],
)
def test_plain_transcripts_are_plain_text(gateway: Gateway, form: str, start: str) -> None:
    status, answer = formed(
        gateway,
        "/v1/audio/transcriptions",
        ("model", None, b"whisper-1"),
        ("file", "a.wav", wav(12)),
        ("response_format", None, form.encode()),
    )
    assert status == 200
    assert answer.decode().startswith(start)


def test_a_diarized_transcript_tells_the_speakers(gateway: Gateway) -> None:
    _, answer = formed(
        gateway,
        "/v1/audio/transcriptions",
        ("model", None, b"gpt-4o-transcribe-diarize"),
        ("file", "a.wav", wav(6)),
        ("response_format", None, b"diarized_json"),
    )
    assert [row["speaker"] for row in json.loads(answer)["segments"]] == ["A", "B"]


@pytest.mark.parametrize(
    ("name", "content", "extra", "param"),
    [
        ("a.txt", b"x", (), "file"),
        ("a.wav", b"", (), "file"),
        ("a.wav", b"x", (("response_format", "xml"),), "response_format"),
        ("a.wav", b"x", (("timestamp_granularities[]", "word"),), "timestamp_granularities"),
        ("a.wav", b"x", (("temperature", "2"),), "temperature"),
        (
            "a.wav",
            b"x",
            (("model", "gpt-4o-transcribe"), ("response_format", "srt")),
            "response_format",
        ),
    ],
)
def test_a_bad_recording_or_option_is_400(
    gateway: Gateway, name: str, content: bytes, extra: tuple[tuple[str, str], ...], param: str
) -> None:
    fields: list[tuple[str, str | None, bytes]] = [(k, None, v.encode()) for k, v in extra]
    status, answer = formed(
        gateway,
        "/v1/audio/transcriptions",
        ("model", None, b"whisper-1"),
        ("file", name, content),
        *fields,
    )
    assert (status, json.loads(answer)["error"]["param"]) == (400, param)


def test_a_duration_is_exact_for_wav_and_guessed_for_the_rest() -> None:
    assert duration_s(wav(3.5)) == 3.5
    piped = wav(2)
    piped = piped[:40] + b"\xff\xff\xff\xff" + piped[44:]
    assert duration_s(piped) == 2
    assert duration_s(bytes(32000)) == 2
    assert duration_s(b"RIFF\0\0\0\0WAVE") == 0


def test_pcm_is_the_wavs_samples_and_speed_shortens_them(gateway: Gateway) -> None:
    def spoken(**fields: Any) -> bytes:
        body = json.dumps({"model": "tts-1", "input": "hello there", "voice": "alloy", **fields})
        return fetched(gateway, "POST", "/v1/audio/speech", body.encode(), "application/json")[2]

    with wave.open(io.BytesIO(spoken(response_format="wav"))) as audio:
        samples = audio.readframes(audio.getnframes())
        assert (audio.getnchannels(), audio.getsampwidth()) == (1, 2)
    assert spoken(response_format="pcm") == samples
    assert len(spoken(response_format="pcm", speed=2.0)) == pytest.approx(len(samples) / 2, abs=2)
    assert spoken().startswith(b"\xff\xfb")


def test_speech_streams_its_bytes_as_events(gateway: Gateway) -> None:
    fields = {
        "model": "gpt-4o-mini-tts",
        "input": "hello there",
        "voice": "alloy",
        "response_format": "wav",
        "stream_format": "sse",
    }
    body = json.dumps(fields).encode()
    _, _, wire = fetched(gateway, "POST", "/v1/audio/speech", body, "application/json")
    events = [json.loads(e.partition(b"data: ")[2]) for e in wire.split(b"\n\n")[:-1]]
    audio = b"".join(b64decode(event["audio"]) for event in events[:-1])
    assert audio.startswith(b"RIFF")
    assert events[-1]["type"] == "speech.audio.done"


def test_packed_audio_is_as_long_as_it_should_be() -> None:
    frame = 417
    packed = mp3(2.0)
    assert len(packed) % frame == 0
    assert {packed[at : at + 4] for at in range(0, len(packed), frame)} == {b"\xff\xfb\x90\xc4"}
    assert len(packed) // frame * 1152 / 44100 == pytest.approx(2, abs=0.03)
    adts = aac(2.0)
    size = (adts[3] & 3) << 11 | adts[4] << 3 | adts[5] >> 5
    assert adts[:2] == b"\xff\xf1"
    assert len(adts) % size == 0
    assert len(adts) // size * 1024 / 24000 == pytest.approx(2, abs=0.05)
    pages = opus(5.0).split(b"OggS")[1:]
    assert unpack("<q", pages[-1][2:10])[0] == 5 * 48000
    assert pages[-1][1] == 4
    stream = flac(2.0)
    assert stream.startswith(b"fLaC")
    total = int.from_bytes(stream[18:26], "big") & ((1 << 36) - 1)
    assert total / 24000 == pytest.approx(2, abs=0.2)


def test_rerank_puts_the_likest_first(gateway: Gateway) -> None:
    documents = ["tax law", "the red apple tree", "an apple"]
    fields = {"model": "bge-reranker-v2-m3", "query": "apple tree", "documents": documents}
    answer = posted(gateway, "/v1/rerank", {**fields, "top_n": 2})
    assert [row["index"] for row in answer["results"]] == [1, 2]
    scores = [row["relevance_score"] for row in answer["results"]]
    assert 1 >= scores[0] > scores[1] > 0


def test_shortened_embeddings_stay_unit_vectors(gateway: Gateway) -> None:
    fields = {"model": "text-embedding-3-large", "input": [[1, 2], [3]], "dimensions": 64}
    answer = posted(gateway, "/v1/embeddings", fields)
    assert [row["index"] for row in answer["data"]] == [0, 1]
    for row in answer["data"]:
        assert len(row["embedding"]) == 64
        assert sum(x * x for x in row["embedding"]) == pytest.approx(1, abs=1e-6)


def test_starting_the_gateway_loads_no_endpoint() -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from apiyi_cli.sandbox.server import Gateway; Gateway().start();"
            "print([m for m in sys.modules if 'sandbox.' in m], 'http.client' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout
    assert "sandbox.server" in told
    absents = "endpoints.chat", "endpoints.images", "endpoints.speech", "answers", "example_value"
    for absent in absents:
        assert f"sandbox.{absent}'" not in told
    assert told.strip().endswith("False")
