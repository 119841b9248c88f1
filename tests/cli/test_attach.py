"""Attachments: told by their bytes, sent in the part that chat models take."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
FILES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0" + bytes(60),
    "image/gif": b"GIF89a" + bytes(60),
    "image/webp": b"RIFF\x24\0\0\0WEBPVP8 " + bytes(60),
}
PDF = b"%PDF-1.7\n" + bytes(range(200))
WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(60)
MP3 = b"ID3\x04" + bytes(60)


def parts(gateway: Gateway) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = gateway.posts[-1].json["messages"][-1]["content"]
    return content


@pytest.mark.parametrize("mime", FILES)
def test_a_picture_is_sent_as_a_data_url_whatever_its_name(
    apiyi: Program, gateway: Gateway, mime: str
) -> None:
    (apiyi.work / "holiday.txt").write_bytes(FILES[mime])
    assert apiyi("chat 'what is this' -a holiday.txt").code == 0
    text, picture = parts(gateway)
    assert text == {"type": "text", "text": "what is this"}
    head, data = picture["image_url"]["url"].split(",")
    assert (picture["type"], head) == ("image_url", f"data:{mime};base64")
    assert b64decode(data) == FILES[mime]


def test_sound_and_documents_have_parts_of_their_own(apiyi: Program, gateway: Gateway) -> None:
    for name, content in (("a", WAV), ("b", MP3), ("c.pdf", PDF)):
        (apiyi.work / name).write_bytes(content)
    assert apiyi("chat hi -a a -a b -a ./c.pdf").code == 0
    _, wav, mp3, pdf = parts(gateway)
    assert (wav["type"], wav["input_audio"]["format"]) == ("input_audio", "wav")
    assert (b64decode(wav["input_audio"]["data"]), mp3["input_audio"]["format"]) == (WAV, "mp3")
    assert (pdf["type"], pdf["file"]["filename"]) == ("file", "c.pdf")
    head, data = pdf["file"]["file_data"].split(",")
    assert (head, b64decode(data)) == ("data:application/pdf;base64", PDF)


def test_order_is_kept_and_urls_are_passed_on(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "b.png").write_bytes(PNG)
    urls = ["https://example.com/a.jpg?size=2", "data:image/png;base64,AAAA"]
    assert apiyi(["chat", "hi", "-a", urls[0], "-a", "b.png", "-a", urls[1]]).code == 0
    sent = [part["image_url"]["url"] for part in parts(gateway)[1:]]
    assert [sent[0], sent[2]] == urls
    assert sent[1].startswith("data:image/png;base64,iVBOR")


def test_an_attachment_alone_is_a_prompt_and_may_come_from_stdin(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "b.png").write_bytes(PNG)
    assert apiyi("chat -a b.png").code == 0
    assert [part["type"] for part in parts(gateway)] == ["image_url"]
    assert apiyi("chat hi -n -a b.png").code == 0
    assert apiyi.shell("cat b.png | apiyi chat -a - 'what is this'").code == 0
    assert [part["type"] for part in parts(gateway)] == ["text", "image_url"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"plain text\n", "it is text"),
        ("中文".encode() * 2000, "it is text"),
        (b"\0\1\2\3\xff\xfe", "not known by its content"),
        (b"OggS" + bytes(60), "this is ogg"),
        (b"\0\0\0\x18ftypisom" + bytes(60), "video/mp4"),
    ],
    ids=["empty", "text", "long text", "unknown", "ogg", "mp4"],
)
def test_what_chat_models_cannot_take_is_refused_by_name(
    apiyi: Program, gateway: Gateway, content: bytes, why: str
) -> None:
    (apiyi.work / "thing.png").write_bytes(content)
    ran = apiyi("chat hi -a thing.png")
    assert ran.code == 2
    assert "cannot attach thing.png" in ran.err and why in ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere.png", "cannot read nowhere.png"),
        (".", "Is a directory"),
        ("https://example.com/a.pdf", "only pictures can be attached by URL"),
        ("http://example.com/a.mp3?x=1", "only pictures can be attached by URL"),
    ],
)
def test_what_cannot_be_read_or_linked_is_refused(
    apiyi: Program, gateway: Gateway, name: str, why: str
) -> None:
    ran = apiyi(["chat", "hi", "-a", name])
    assert ran.code == 2
    assert why in ran.err
    assert gateway.ledger == []


def test_a_pdf_may_have_bytes_before_its_mark(apiyi: Program, gateway: Gateway) -> None:
    for command in ("chat", "respond"):
        for start in (b"\r\n\r\n", b"\xef\xbb\xbf", b"\x1b%-12345X@PJL JOB\r\n"):
            content = start + PDF
            (apiyi.work / "a.pdf").write_bytes(content)
            ran = apiyi(f"{command} q -a a.pdf --dry-run")
            assert ran.code == 0, ran.err
            body = ran.json["body"]
            part = (body.get("messages") or body.get("input"))[-1]["content"][-1]
            head, data = part.get("file", part)["file_data"].split(",")
            assert (head, b64decode(data)) == ("data:application/pdf;base64", content)


def test_a_hint_can_be_pasted_whatever_the_files_name(apiyi: Program) -> None:
    (apiyi.work / "a b';id;'.txt").write_bytes(b"plain text")
    ran = apiyi(["chat", "q", "-a", "a b';id;'.txt"])
    assert ran.code == 2
    assert "-f 'a b'\"'\"';id;'\"'\"'.txt'" in ran.err
