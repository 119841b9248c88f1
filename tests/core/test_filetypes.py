"""What a file is by its first bytes."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from apiyi_cli.core.filetypes import (
    HEAD_BYTES,
    SVG,
    detect_picture,
    detect_type,
    find_byte_order_mark,
    is_multi_picture,
)
from apiyi_cli.sandbox.drawing import png

BITMAP = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"


def packed(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "application/epub+zip" if name == "mimetype" else "x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (png(b"x" * 64, 8, 8), "image/png"),
        (b"\xff\xd8\xff\xdb", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", "audio/wav"),
        (b"RF64\0\0\0\0WAVE", "audio/wav"),
        (b"\0\0\0\x1cftypavif", "image/avif"),
        (b"\0\0\0\x1cftypavis", "image/avif"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "image/avif"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", "image/heic"),
        (b"\0\0\0\x14ftypmif1\0\0\0\0mif1avif", "image/heif"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"\0\0\0\x18ftypheix", "image/heic"),
        (b"\0\0\0\x18ftypM4A ", "audio/mp4"),
        (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"\0\0\1\0ftypisom", "video/mp4"),
        (b"\0\0\0\x14ftypqt  ", "video/quicktime"),
        (BITMAP, "image/bmp"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"%PDF-1.4", "application/pdf"),
        (b"\r\n%PDF-1.4\n", "application/pdf"),
        (b"\xef\xbb\xbf%PDF-1.4\r\n", "application/pdf"),
        (b"\x1b%-12345X@PJL\r\n" * 9 + b"%PDF-1.7\n", "application/pdf"),
        (b"ID3\x03", "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xf3\x44\xc4", "audio/mpeg"),
        (b"\xff\xf1P\x80", "audio/aac"),
        (b"fLaC\0", "audio/flac"),
        (b"OggS\0", "audio/ogg"),
        (b"FORM\0\0\0\0AIFF", "audio/aiff"),
        (b"\x1aE\xdf\xa3", "video/webm"),
        (b"RIFF\0\0\0\0AVI ", "video/x-msvideo"),
        (gzip.compress(b"rows", mtime=0), "application/gzip"),
        (b"PAR1\x15\x04", "application/vnd.apache.parquet"),
        (packed("a.txt"), "application/zip"),
        (
            packed("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"),
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        (
            packed("[Content_Types].xml", "word/document.xml"),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (packed("mimetype", "META-INF/container.xml"), "application/epub+zip"),
        ("hé".encode("utf-16"), "text/plain;charset=utf-16"),
        ("hé".encode("utf-32"), "text/plain;charset=utf-32"),
        (b"\xfe\xff\0h", "text/plain;charset=utf-16"),
        (b"<svg>", "image/svg+xml"),
        (b"<svg/>", "image/svg+xml"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg xmlns="...">', "image/svg+xml"),
        (b"<!-- made > by <svg> -->\n<svg>", "image/svg+xml"),
        (b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x">\n<svg>', "image/svg+xml"),
        (
            b'<!DOCTYPE svg [\n<!ENTITY svg "http://www.w3.org/2000/svg">\n]>\n<svg>',
            "image/svg+xml",
        ),
        (b'<s:svg xmlns:s="...">', "image/svg+xml"),
        (b"<!--" + b"x" * 9000 + b"--><svg>", "image/svg+xml"),
        ("<svg>".encode("utf-16"), "image/svg+xml"),
    ],
)
def test_a_file_is_known_by_its_first_bytes(head: bytes, mime: str) -> None:
    kind = detect_type(head)
    assert kind is not None and kind.mime == mime
    if len(head) < HEAD_BYTES and kind is not SVG:
        assert detect_type(head + bytes(9000)) == kind


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"R",
        b"RIFF\0\0\0\0ABCD",
        b"xxxxxxxxWEBP",
        b"text",
        b"BMW builds cars, and BM is no bitmap",
        b"ID3 is what tags are called",
        b"FORM 12 of the AIFF",
        b"\xff\xff\xff",
        b"A file of PDF begins with %PDF-1.7\n",
        bytes(1024) + b"\n%PDF-1.7\n",
        b"<?xml version='1.0'?><Error>AccessDenied</Error>",
        b"<!DOCTYPE html><svg></svg>",
        b"<html><svg></svg></html>",
        b"<!-- <svg>",
        b"<svgx>",
        b"{}",
    ],
)
def test_other_bytes_are_not_known(content: bytes) -> None:
    assert detect_type(content) is None


def test_a_picture_is_told_from_other_files() -> None:
    assert detect_picture(b"GIF89a") is not None
    assert detect_picture(b"%PDF-1.4") is None


def test_a_byte_order_mark_names_the_encoding() -> None:
    assert find_byte_order_mark(b"\xff\xfeh\0") == ("utf-16-le", 2)
    assert find_byte_order_mark(b"\xff\xfe\0\0h\0\0\0") == ("utf-32-le", 4)
    assert find_byte_order_mark(b"\xef\xbb\xbfh") == ("utf-8", 3)
    assert find_byte_order_mark(b"hi") is None


def test_hostile_beginnings_are_judged_at_once() -> None:
    for start in (b"<!--", b"<?", b"<!DOCTYPE svg [", b"<!DOCTYPE svg [" + b"]" * 1000, b" ", b"<"):
        assert detect_type(start + start * (2_000_000 // len(start))) is None


def jpeg(*segments: bytes) -> bytes:
    """Return the start of a JPEG with these segments (marker and content) before its picture."""
    parts = (b"\xff" + seg[:1] + (len(seg) + 1).to_bytes(2, "big") + seg[1:] for seg in segments)
    return b"\xff\xd8" + b"".join(parts) + b"\xff\xda\x00\x08" + b"MPF\0" * 9


EXIF = b"\xe1Exif\0\0" + bytes(60_000)


@pytest.mark.parametrize(
    ("content", "several"),
    [
        (jpeg(EXIF, b"\xe2MPF\0II*\0"), True),
        (jpeg(b"\xe2ICC_PROFILE\0", b"\xe2MPF\0MM\0*"), True),
        (jpeg(EXIF, b"\xe2ICC_PROFILE\0"), False),
        (jpeg(), False),
        (jpeg(EXIF, b"\xe2MPF\0II*\0")[:60_010], False),
        (b"\xff\xd8\xff\xe1\0\0MPF\0MPF\0", False),
        (b"\x89PNG\r\n\x1a\n\xff\xe2\0\x08MPF\0", False),
        (b"", False),
    ],
)
def test_a_jpeg_of_several_pictures_is_known_by_its_segment(content: bytes, several: bool) -> None:
    assert is_multi_picture(content) is several
