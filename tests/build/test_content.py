"""What a file is by its bytes, and the part of a message that carries it."""

from __future__ import annotations

import pytest

from apiyi_cli.build.content import Attachment, classified, parts, sniffed
from apiyi_cli.errors import UsageError


@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xdb", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", "audio/wav"),
        (b"\0\0\0\x1cftypavif", "image/avif"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"\0\0\0\x18ftypM4A ", "audio/mp4"),
        (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"BM\x46\0", "image/bmp"),
        (b"II*\0", "image/tiff"),
        (b"%PDF-1.4", "application/pdf"),
        (b"ID3\x03", "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xf3\x44\xc4", "audio/mpeg"),
        (b"fLaC\0", "audio/flac"),
        (b"OggS\0", "audio/ogg"),
        (b"\x1aE\xdf\xa3", "video/webm"),
    ],
)
def test_a_file_is_known_by_its_first_bytes(head: bytes, mime: str) -> None:
    kind = sniffed(head + bytes(100))
    assert kind is not None and kind.mime == mime


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"R",
        b"RIFF\0\0\0\0AVI ",
        b"xxxxxxxxWEBP",
        b"text",
        b"\xff\xfe\0\0",
        b"\xff\xff\xff",
        b"\xff\xf1P\x80",
    ],
)
def test_other_bytes_are_not_known(content: bytes) -> None:
    assert sniffed(content) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"plain", "text"),
        ("é".encode() * 3000, "text"),
        (b"\xe4\xb8" + bytes(10), "not known"),
    ],
)
def test_what_is_no_attachment_is_said(content: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        classified(Attachment("a.png", content))


@pytest.mark.parametrize(
    "content", [b"OggS" + bytes(9), b"fLaC" + bytes(9), b"\0\0\0\x18ftypisom", b"BM" + bytes(9)]
)
def test_audio_and_films_that_chat_does_not_take_are_refused(content: bytes) -> None:
    if sniffed(content).family == "image":  # type: ignore[union-attr]
        assert parts("", [Attachment("a", content)], "x")[0][0]["type"] == "image_url"
        return
    with pytest.raises(UsageError):
        parts("", [Attachment("a", content)], "x")


def test_a_documents_name_is_its_own_without_its_folders() -> None:
    for path in ("/a/b/c.pdf", "C:\\a\\c.pdf"):
        (part,), _ = parts("", [Attachment(path, b"%PDF-1.7")], "x")
        assert part["file"]["filename"] == "c.pdf"


@pytest.mark.parametrize("url", ["https://h/a.png", "https://h/a", "data:image/png;base64,AA"])
def test_a_url_is_left_to_the_gateway(url: str) -> None:
    (part,), sources = parts("", [Attachment(url)], "x")
    assert (part["image_url"]["url"], sources) == (url, ())
