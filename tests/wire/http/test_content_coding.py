"""Content-encodings: undone piece by piece, whatever the header says."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator

import pytest

from apiyi_cli.errors import IncompleteError, RejectedError
from apiyi_cli.wire.http.content_coding import PIECE, decode_body

TEXT = b'{"text": "0123456789"}' * 100
ZIPPED = gzip.compress(TEXT, mtime=0)
RAW_DEFLATE = zlib.compressobj(wbits=-15)
RAW = RAW_DEFLATE.compress(TEXT) + RAW_DEFLATE.flush()


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", ZIPPED),
        ("GZIP ", ZIPPED),
        ("x-gzip", ZIPPED),
        ("", ZIPPED),
        ("gzip", TEXT),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", RAW),
        ("gzip", gzip.compress(TEXT[:100], mtime=0) + gzip.compress(TEXT[100:], mtime=0)),
        ("gzip, gzip", gzip.compress(ZIPPED, mtime=0)),
        ("deflate, gzip", gzip.compress(zlib.compress(TEXT), mtime=0)),
    ],
)
def test_a_body_is_decoded_however_it_is_cut(size: int, encoding: str, body: bytes) -> None:
    assert b"".join(decode_body(pieces(body, size), encoding)) == TEXT


@pytest.mark.parametrize("body", [b"", b"\x1f", b"\x1f\x8b", b"x"])
def test_short_bodies_are_what_they_are(body: bytes) -> None:
    assert b"".join(decode_body(pieces(body, 1), "gzip")) == body


@pytest.mark.parametrize("length", [5, 12, len(ZIPPED) - 1])
def test_a_cut_body_is_incomplete(length: int) -> None:
    seen: list[bytes] = []
    with pytest.raises(IncompleteError) as caught:
        seen.extend(decode_body(pieces(ZIPPED[:length], 10), "gzip"))
    assert TEXT.startswith(b"".join(seen))
    assert caught.value.facts.kind == "cut"


def test_a_broken_body_is_incomplete() -> None:
    broken = ZIPPED[:20] + b"\xff" * 20 + ZIPPED[40:]
    with pytest.raises(IncompleteError):
        b"".join(decode_body([broken], "gzip"))


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", "compress"])
def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(RejectedError, match=encoding):
        list(decode_body([b"\x8b\x06\x80hello world\x03"], encoding))


@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "deflate", "utf-8", "none", "aws-chunked", "a, b"]
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    "body", [b"", b"{}", '{"a": "中文中文中文中文"}'.encode(), ZIPPED], ids=len
)
def test_a_word_that_does_not_tell_the_truth_leaves_the_body_as_it_is(
    encoding: str, size: int, body: bytes
) -> None:
    if encoding == "deflate" and len(body) < 24:
        return
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    assert b"".join(decode_body(pieces, encoding)) == (TEXT if body is ZIPPED else body)


@pytest.mark.parametrize("encoding", ["", "gzip", "utf-8"])
def test_what_zstd_has_packed_is_refused_by_its_first_bytes(encoding: str) -> None:
    with pytest.raises(RejectedError, match="content-encoding"):
        list(decode_body([b"\x28\xb5", b"\x2f\xfd\x00"], encoding))


def test_no_piece_is_larger_than_the_limit_however_much_unfolds() -> None:
    packed = gzip.compress(bytes(12 * PIECE))
    sizes = [len(piece) for piece in decode_body([packed], "gzip")]
    assert max(sizes) <= PIECE
    assert sum(sizes) == 12 * PIECE


@pytest.mark.parametrize("encoding", ["gzip", ""])
def test_a_body_that_unfolds_beyond_measure_is_refused(encoding: str) -> None:
    bomb = gzip.compress(bytes(8 * PIECE)) * 8
    came = 0
    with pytest.raises(RejectedError, match="unfolds to more than"):
        for piece in decode_body([bomb], encoding):
            came += len(piece)
    assert came < 32 * PIECE
