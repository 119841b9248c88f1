"""The estimate of tokens: text by its bytes, pictures by tiles, sound by seconds."""

from __future__ import annotations

import base64
import struct
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.build.mediasize import picture_size, sound_seconds
from apiyi_cli.build.tokens import estimate_tokens, picture_tokens
from apiyi_cli.core.call import Call, Part


def chat(content: Any, **more: Any) -> Call:
    body = {"messages": [{"role": "user", "content": content}], **more}
    return Call("POST", "/chat/completions", json=body, model="m")


def png(width: int, height: int, size: int = 3_000_000) -> bytes:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    return head + b"\x5a" * (size - len(head))


def wav(seconds: float, rate: int = 32_000) -> bytes:
    length = int(seconds * rate)
    head = (
        b"RIFF"
        + struct.pack("<I", 36 + length)
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, 1, rate // 2, rate, 2, 16)
        + b"data"
        + struct.pack("<I", length)
    )
    return head + bytes(length)


def url(content: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def picture(content: bytes, **more: Any) -> list[dict[str, Any]]:
    part = {"type": "image_url", "image_url": {"url": url(content, "image/png"), **more}}
    return [{"type": "text", "text": "what?"}, part]


@pytest.mark.parametrize("text", ["x" * 3000, "文" * 1000])
def test_text_counts_a_third_of_its_bytes_and_the_answer_as_many_as_it_may_have(text: str) -> None:
    bounded, open_ended = chat(text, max_tokens=50), chat(text)
    assert 1050 <= estimate_tokens(bounded) <= 1070
    assert 1256 <= estimate_tokens(open_ended) <= 1280
    assert estimate_tokens(open_ended, 900.0) - estimate_tokens(open_ended, 100.0) == 800
    assert estimate_tokens(bounded, 900.0) == estimate_tokens(bounded)


def test_vectors_have_no_answer_and_token_numbers_are_tokens() -> None:
    call = Call("POST", "/embeddings", json={"model": "m", "input": ["x" * 300]}, cost="light")
    assert 100 <= estimate_tokens(call) <= 110
    numbers = Call("POST", "/embeddings", json={"input": list(range(900))}, cost="light")
    assert 900 <= estimate_tokens(numbers) <= 905


@pytest.mark.parametrize(
    ("size", "expected"),
    [((512, 512), 255), ((1024, 1024), 765), ((4096, 2048), 1105), ((10, 9000), 765)],
)
def test_a_picture_counts_its_tiles(size: tuple[int, int], expected: int) -> None:
    assert picture_tokens(*size) == expected


def test_a_photo_is_not_its_base64() -> None:
    bare = estimate_tokens(chat([{"type": "text", "text": "what?"}]))
    photo = png(1024, 1024)
    assert 765 <= estimate_tokens(chat(picture(photo))) - bare <= 790
    assert 85 <= estimate_tokens(chat(picture(photo, detail="low"))) - bare <= 110
    parts = [{"type": "input_image", "image_url": "https://example.com/a.png"}]
    assert estimate_tokens(chat(parts)) < 1100


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "{}"}},
        {"inlineData": {"mimeType": "image/png", "data": "{}"}},
        {"b64_json": "{}"},
    ],
)
def test_pictures_of_other_protocols_count_alike(part: dict[str, Any]) -> None:
    text = base64.b64encode(png(512, 512)).decode()
    filled = {
        name: {k: v.replace("{}", text) for k, v in value.items()}
        if isinstance(value, dict)
        else value.replace("{}", text)
        for name, value in part.items()
    }
    assert estimate_tokens(chat([filled], max_tokens=1)) < 400


def test_sound_counts_its_seconds() -> None:
    data = base64.b64encode(wav(30)).decode()
    part = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    assert 300 <= estimate_tokens(chat([part], max_tokens=1)) <= 330
    assert sound_seconds(b"\xff\xfb\x90\x00", 160_000) == pytest.approx(10.0)


def test_a_recording_that_is_uploaded_counts_its_seconds(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(wav(60))
    parts = (Part("file", path=str(file), filename="a.wav"), Part("model", value="whisper-1"))
    call = Call("POST", "/audio/transcriptions", parts=parts, cost="heavy")
    assert 600 <= estimate_tokens(call, 0.0) <= 610


def test_long_text_without_spaces_stays_text() -> None:
    assert estimate_tokens(chat("a" * 30_000, max_tokens=1)) >= 10_000


@pytest.mark.parametrize(
    "head",
    [
        png(640, 480)[:64],
        b"GIF89a" + struct.pack("<HH", 640, 480),
        b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08" + struct.pack(">HH", 480, 640),
        b"RIFF\0\0\0\0WEBPVP8X"
        + bytes(8)
        + (639).to_bytes(3, "little")
        + (479).to_bytes(3, "little"),
        b"BM" + bytes(12) + b"\x28\0\0\0" + struct.pack("<ii", 640, -480),
    ],
)
def test_the_size_of_a_picture_is_read_from_its_head(head: bytes) -> None:
    assert picture_size(head) == (640, 480)


@pytest.mark.parametrize("head", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a\0\0\0\0"])
def test_a_picture_that_tells_no_size_has_none(head: bytes) -> None:
    assert picture_size(head) is None
