"""Reads answers in other encodings than UTF-8."""

from __future__ import annotations

from apiyi_cli.core.call import Reply
from apiyi_cli.core.jsontext import trim

_SAMPLE_BYTES = 1 << 16


def as_utf8(reply: Reply, data: bytes) -> bytes:
    """Return data in UTF-8, from the charset that the reply declares or reads well in."""
    declared = reply.headers.get("content-type", "").lower()
    if "audio/" in declared or data.isascii() or is_utf8(data):
        return data
    from apiyi_cli.decode.errors.error_body import find_charset

    charset = find_charset(declared) if "charset" in declared else None
    if charset is None and trim(data)[:1] in (b"{", b"["):
        from apiyi_cli.core.charsets import guess_encoding

        charset = guess_encoding(data[:_SAMPLE_BYTES])
    return data if charset is None else data.decode(charset, "replace").encode("utf-8", "replace")


def is_utf8(data: bytes) -> bool:
    """Return True for bytes that are UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
