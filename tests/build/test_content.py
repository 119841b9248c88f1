"""The part of a message that carries a file."""

from __future__ import annotations

import pytest

from apiyi_cli.build.content import Attachment, content_parts, detect_attachment_type
from apiyi_cli.errors import UsageError


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"plain", "text"),
        ("é".encode() * 3000, "text"),
        (b"\xe4\xb8" + bytes(10), "not known"),
        ("plain".encode("utf-16"), "text"),
        (b"<svg/>", "text"),
    ],
)
def test_what_is_not_an_attachment_is_said(content: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        detect_attachment_type(Attachment("a.png", content))


@pytest.mark.parametrize(
    "content", [b"OggS" + bytes(9), b"fLaC" + bytes(9), b"\0\0\0\x18ftypisom", b"PAR1", b"PK\3\4"]
)
def test_what_chat_does_not_take_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError):
        content_parts("", [Attachment("a", content)], "x")


def test_a_documents_name_is_its_own_without_its_folders() -> None:
    for path in ("/a/b/c.pdf", "C:\\a\\c.pdf"):
        (part,), _ = content_parts("", [Attachment(path, b"%PDF-1.7")], "x")
        assert part["file"]["filename"] == "c.pdf"


@pytest.mark.parametrize("url", ["https://h/a.png", "https://h/a", "data:image/png;base64,AA"])
def test_a_url_is_left_to_the_gateway(url: str) -> None:
    (part,), sources = content_parts("", [Attachment(url)], "x")
    assert (part["image_url"]["url"], sources) == (url, ())
