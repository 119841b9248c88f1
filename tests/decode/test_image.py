"""Whether the bytes of a picture are all there."""

from __future__ import annotations

import pytest

from apiyi_cli.decode.image import is_whole
from apiyi_cli.sandbox.drawing import png

SOI, EOI, SOS = b"\xff\xd8\xff", b"\xff\xd9", b"\xff\xda"
A_PNG = png(b"x" * 64, 8, 8)
THUMBNAIL = b"\xff\xe1 exif " + SOI + SOS + b" small " + EOI


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
        (b"<svg a='>' width=\"1\"/>\n<!-- end -->", True),
        (b"<svg a='/>' width=\"1\">", False),
        (b"<s:svg></s:svg>", True),
        (b"text", False),
    ],
)
def test_a_picture_without_its_end_is_not_whole(content: bytes, whole: bool) -> None:
    assert is_whole(content) is whole


def test_every_beginning_of_a_png_is_told_from_the_whole() -> None:
    assert [size for size in range(len(A_PNG) + 1) if is_whole(A_PNG[:size])] == [len(A_PNG)]
