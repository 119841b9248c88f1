"""Content-encodings undone, a bounded piece at a time.

Only gzip is ever asked for. A body that says gzip and is not, or is and does not say so, is
taken for what its first bytes are; a small body that would unfold into gigabytes is stopped
by the reader's own limit, because no piece is larger than `PIECE`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiyi_cli.errors import Facts, IncompleteError, RejectedError

PIECE = 1 << 20
_GZIP = b"\x1f\x8b\x08"


def decoded(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the body without its content-encoding (`encoding`: the header's value, "" for none).

    Raises RejectedError for an encoding that was not asked for, IncompleteError where a
    compressed body is cut or broken.
    """
    name = encoding.strip().lower()
    if name in ("", "identity", "gzip", "x-gzip"):
        yield from _sniffed(iter(chunks))
    elif name == "deflate":
        yield from _inflated(iter(chunks), b"", deflate=True)
    else:
        raise RejectedError(
            "cannot read the answer",
            f"its content-encoding {name[:40]} was not asked for",
            hint="check the proxy or gateway in between",
            facts=Facts(phase="opened", kind="protocol"),
        )


def _sniffed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(_GZIP) or not _GZIP.startswith(head):
            break
    if head.startswith(_GZIP):
        yield from _inflated(chunks, head, deflate=False)
        return
    if head:
        yield head
    yield from chunks


def _inflated(chunks: Iterator[bytes], head: bytes, *, deflate: bool) -> Iterator[bytes]:
    import zlib

    # 47: gzip or zlib by its header. Some servers send deflate without the zlib header (-15).
    inflater = zlib.decompressobj(47)
    first = True
    try:
        for chunk in _chained(head, chunks):
            data = chunk
            while data:
                try:
                    piece = inflater.decompress(data, PIECE)
                except zlib.error:
                    if not (deflate and first):
                        raise
                    inflater = zlib.decompressobj(-15)
                    piece = inflater.decompress(data, PIECE)
                first = False
                if piece:
                    yield piece
                data = inflater.unconsumed_tail
                if inflater.eof and inflater.unused_data:
                    data = inflater.unused_data
                    inflater = zlib.decompressobj(47)
    except zlib.error:
        raise IncompleteError(
            "the answer is broken",
            "its compressed body cannot be read",
            facts=Facts(phase="opened", kind="cut"),
        ) from None
    if not first and not inflater.eof:
        raise IncompleteError(
            "the answer was cut",
            "its compressed body ends early",
            facts=Facts(phase="opened", kind="cut"),
        )


def _chained(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from chunks
