"""What kind of picture bytes are, and whether they are all there."""

from __future__ import annotations

import pytest

from apiyi_cli.decode.image import AVIF, GIF, JPEG, PNG, SVG, WEBP, Kind, is_whole, kind_of
from apiyi_cli.sandbox.drawing import png

SOI, EOI, SOS = b"\xff\xd8\xff", b"\xff\xd9", b"\xff\xda"
A_PNG = png(b"x" * 64, 8, 8)
THUMBNAIL = b"\xff\xe1 exif " + SOI + SOS + b" small " + EOI


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (A_PNG, PNG),
        (SOI + b"\xe0", JPEG),
        (b"RIFF\x10\0\0\0WEBPVP8L", WEBP),
        (b"RIFF\x10\0\0\0WAVEfmt ", None),
        (b"GIF89a", GIF),
        (b"\0\0\0\x20ftypavif", AVIF),
        (b'<?xml version="1.0"?>\n<svg xmlns="...">', SVG),
        (b"\xef\xbb\xbf<svg>", SVG),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", None),
        (b"<!DOCTYPE html><svg></svg>", None),
        (b"", None),
        (b"{}", None),
    ],
)
def test_the_first_bytes_tell_the_kind(content: bytes, kind: Kind | None) -> None:
    assert kind_of(content) is kind


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (A_PNG, True),
        (A_PNG + b"trailing bytes", True),
        (A_PNG[:-1], False),
        (A_PNG[:40], False),
        (SOI + SOS + b"scan" + EOI, True),
        (SOI + SOS + b"scan" + EOI + b"\0\0", True),
        (SOI + THUMBNAIL + SOS + b"scan" + EOI, True),
        (SOI + THUMBNAIL + SOS + b"scan", False),
        (SOI + SOS + b"scan", False),
        (b"RIFF\x0c\0\0\0WEBPVP8 1234", True),
        (b"RIFF\x0c\0\0\0WEBPVP8 123", False),
        (b"GIF89a data\x3b", True),
        (b"GIF89a data", False),
        (b"<svg><g/></svg>\n", True),
        (b"<svg><g/>", False),
        (b"text", False),
    ],
)
def test_a_picture_without_its_end_is_not_whole(content: bytes, whole: bool) -> None:
    assert is_whole(content) is whole


def test_every_beginning_of_a_png_is_told_from_the_whole() -> None:
    assert [size for size in range(len(A_PNG) + 1) if is_whole(A_PNG[:size])] == [len(A_PNG)]
