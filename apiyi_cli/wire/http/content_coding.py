"""Decodes content-encodings in bounded pieces.

Only gzip is requested. The first bytes of a body decide, not its header; a small body that would
unfold into gigabytes is stopped before it does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain

from apiyi_cli.errors import BOMB, ApiyiError, Facts, IncompleteError, RejectedError
from apiyi_cli.text import Text

PIECE = 1 << 20
MOST_KEPT_BYTES = 64 << 20
UNFOLDED_FREE = 16 << 20
FOLDED_MOST = 100
"""A body may unfold to so many bytes plus so many times its size. Text and numbers reach a tenth
of that; a larger factor is an attack on the memory."""
_GZIP = b"\x1f\x8b\x08"
_ZSTD = b"\x28\xb5\x2f\xfd"
_REFUSED = frozenset(("br", "zstd", "compress", "x-compress"))
_FILE_TYPES = r"application/(?:(?:x-)?(?:gzip|zstd|tar|gtar|compressed)|octet-stream)\b"
_PLAIN_BYTES = 24
_GZIP_BITS = 31
_CUT = Facts(phase="opened", kind="cut")


def decode_body(chunks: Iterable[bytes], encoding: str, kind: str = "") -> Iterator[bytes]:
    """Yield the body without its content-encoding (`encoding`: the header's value, "" for none).

    A body without one whose type, `kind`, is that of a compressed or unknown file stays as it is.

    A word that is not a coding (`utf-8`, `none`, `aws-chunked`) means that the body is plain. No
    piece is larger than `PIECE`. Raises RejectedError for a coding that was not requested and
    cannot be decoded, and for a body that unfolds too far, IncompleteError if a compressed body
    is cut or broken.
    """
    names = [name.strip() for name in encoding.lower().split(",")]
    if {*names} <= {"", "identity"} and re.match(_FILE_TYPES, kind, re.IGNORECASE):
        yield from chunks
        return
    codings = [name for name in names if name in ("gzip", "x-gzip", "deflate")]
    if len(codings) > 1:
        # A proxy compressed what was compressed already; the last one is undone first.
        yield from decode_body(decode_body(chunks, codings[-1]), codings[-2])
        return
    pieces = _decode_by_first_bytes(iter(chunks), encoding) if not _REFUSED & {*names} else None
    if pieces is None:
        yield from _decode_unrequested(iter(chunks), encoding)
    elif "deflate" in names:
        yield from _decode_deflate(iter(chunks))
    else:
        yield from pieces


def _decode_unrequested(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yield a body with an unsupported coding in its header, if it has none really."""
    head = _read_head(chunks, _PLAIN_BYTES)
    if head and not _is_plain(head):
        raise _coding_error(encoding, _chain(head, chunks))
    yield from _decode_by_first_bytes(_chain(head, chunks), encoding)


def _coding_error(encoding: str, body: Iterable[bytes]) -> RejectedError:
    """Return the error for an unknown coding, with what came to be kept."""
    received = bytearray()
    with suppress(ApiyiError):
        for chunk in body:
            received += chunk
            if len(received) > MOST_KEPT_BYTES:
                break
    return RejectedError(
        Text("cannot read the answer"),
        Text("its content-encoding {name} was not asked for", name=encoding.strip().lower()[:40]),
        hint=Text("check the proxy or gateway in between"),
        facts=Facts(phase="opened", kind="protocol"),
        received=bytes(received),
    )


def _read_head(chunks: Iterator[bytes], size: int) -> bytes:
    head = b""
    while len(head) < size and (chunk := next(chunks, None)) is not None:
        head += chunk
    return head


def _is_plain(head: bytes) -> bool:
    """Return True if a body begins like text, gzip, sound or a picture."""
    if head.startswith(_GZIP):
        return True
    shown = (byte >= 32 or byte in b"\t\r\n" for byte in head[:_PLAIN_BYTES])
    if all(shown) and 127 not in head[:_PLAIN_BYTES] and _is_utf8(head[:_PLAIN_BYTES]):
        return True
    from apiyi_cli.core.filetypes import detect_type

    kind = detect_type(head)
    return kind is not None and kind.family in ("audio", "image")


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character may be cut.
        return error.start >= len(head) - 3
    return True


def _decode_by_first_bytes(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(_ZSTD) or not (_GZIP.startswith(head) or _ZSTD.startswith(head)):
            break
    if head.startswith(_ZSTD):
        raise _coding_error(encoding or "zstd", _chain(head, chunks))
    whole = _chain(head, chunks)
    yield from _inflate(whole, _GZIP_BITS) if head.startswith(_GZIP) else whole


def _decode_deflate(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a deflated body, with a zlib header (RFC 9110) or without."""
    head = _read_head(chunks, _PLAIN_BYTES)
    if _is_plain(head) and len(head) >= _PLAIN_BYTES:
        yield from _decode_by_first_bytes(_chain(head, chunks), "deflate")
        return
    has_header = len(head) > 1 and head[0] & 15 == 8 and int.from_bytes(head[:2]) % 31 == 0
    yield from _inflate(_chain(head, chunks), 15 if has_header else -15)


def _inflate(chunks: Iterator[bytes], bits: int) -> Iterator[bytes]:
    import zlib

    inflater = zlib.decompressobj(bits)
    came = unfolded = 0
    try:
        for data in chunks:
            came += len(data)
            while data:
                if piece := inflater.decompress(data, PIECE):
                    unfolded += len(piece)
                    if unfolded > FOLDED_MOST * came + UNFOLDED_FREE:
                        raise _bomb_error(unfolded)
                    yield piece
                data = inflater.unconsumed_tail
                if inflater.eof and inflater.unused_data:
                    # Several compressed parts may follow one another (RFC 1952, 2.2).
                    data = inflater.unused_data
                    inflater = zlib.decompressobj(bits)
    except zlib.error:
        what, why = Text("the answer is broken"), Text("its compressed body cannot be read")
        received = b"" if unfolded else data
        raise IncompleteError(what, why, facts=_CUT, received=received) from None
    if came and not inflater.eof:
        what, why = Text("the answer was cut"), Text("its compressed body ends early")
        raise IncompleteError(what, why, facts=_CUT)


def _bomb_error(unfolded: int) -> RejectedError:
    return RejectedError(
        Text("cannot read the answer"),
        Text("its compressed body unfolds to more than {unfolded} MB", unfolded=unfolded >> 20),
        hint=Text("check what answers at --base-url"),
        facts=Facts(phase="opened", kind="protocol", cause=BOMB),
    )


def _chain(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    return chain((head,) if head else (), chunks)
