"""Content-encodings undone, a bounded piece at a time.

Only gzip is ever asked for. A body that says gzip and is not, or is and does not say so, is
taken for what its first bytes are; a small body that would unfold into gigabytes is stopped
before it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiyi_cli.errors import Facts, IncompleteError, RejectedError
from apiyi_cli.text import Text

PIECE = 1 << 20
UNFOLDED_FREE = 16 << 20
FOLDED_MOST = 100
"""A body may unfold to so many bytes, and to so many times the size that it came in. Text and
numbers reach a tenth of that; what is beyond was made to fill the memory."""
_GZIP = b"\x1f\x8b\x08"
_GZIP_BITS = 31


def decoded(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the body without its content-encoding (`encoding`: the header's value, "" for none).

    No piece is larger than `PIECE`. Raises RejectedError for an encoding that was not asked
    for and for a body that unfolds beyond measure, IncompleteError where a compressed body is
    cut or broken.
    """
    name = encoding.strip().lower()
    if name in ("", "identity", "gzip", "x-gzip"):
        yield from _sniffed(iter(chunks))
    elif name == "deflate":
        yield from _deflated(iter(chunks))
    else:
        raise RejectedError(
            Text("cannot read the answer"),
            Text("its content-encoding {name} was not asked for", name=name[:40]),
            hint=Text("check the proxy or gateway in between"),
            facts=Facts(phase="opened", kind="protocol"),
        )


def _sniffed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(_GZIP) or not _GZIP.startswith(head):
            break
    if head.startswith(_GZIP):
        yield from _inflated(chunks, head, _GZIP_BITS)
        return
    if head:
        yield head
    yield from chunks


def _deflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a deflated body: with a zlib header as RFC 9110 has it, or raw as some servers do."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) > 1:
            break
    has_header = len(head) > 1 and head[0] & 15 == 8 and int.from_bytes(head[:2]) % 31 == 0
    yield from _inflated(chunks, head, 15 if has_header else -15)


def _inflated(chunks: Iterator[bytes], head: bytes, bits: int) -> Iterator[bytes]:
    import zlib

    inflater = zlib.decompressobj(bits)
    came = unfolded = 0
    try:
        for chunk in _chained(head, chunks):
            data = chunk
            came += len(chunk)
            while data:
                if piece := inflater.decompress(data, PIECE):
                    unfolded += len(piece)
                    if unfolded > FOLDED_MOST * came + UNFOLDED_FREE:
                        raise _bomb(unfolded)
                    yield piece
                data = inflater.unconsumed_tail
                if inflater.eof and inflater.unused_data:
                    # Several compressed parts may follow one another (RFC 1952, 2.2).
                    data = inflater.unused_data
                    inflater = zlib.decompressobj(bits)
    except zlib.error:
        raise IncompleteError(
            Text("the answer is broken"),
            Text("its compressed body cannot be read"),
            facts=Facts(phase="opened", kind="cut"),
        ) from None
    if head and not inflater.eof:
        raise IncompleteError(
            Text("the answer was cut"),
            Text("its compressed body ends early"),
            facts=Facts(phase="opened", kind="cut"),
        )


def _bomb(unfolded: int) -> RejectedError:
    return RejectedError(
        Text("cannot read the answer"),
        Text("its compressed body unfolds to more than {unfolded} MB", unfolded=unfolded >> 20),
        hint=Text("check what answers at --base-url"),
        facts=Facts(phase="opened", kind="protocol"),
    )


def _chained(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from chunks
