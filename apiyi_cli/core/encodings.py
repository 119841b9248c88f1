"""Text encodings: detects the one of a text, and refuses text that is not UTF-8.

A byte order mark decides, then the encoding that the user named, then UTF-8. A text that
fits none of these is refused with the encoding in which it reads well (`core.charsets`).
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from apiyi_cli.core.filetypes import HEAD_BYTES, FileType, detect_type, find_byte_order_mark
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

SAMPLE_BYTES: Final = 1 << 16
"""Bytes of a text that are read to detect its encoding."""

UNPACKERS: Final = {"gz": "zcat", "bz2": "bzcat", "xz": "xzcat", "zst": "zstdcat"}
"""Programs that write what a compressed file holds to stdout, by the file's extension."""

# GB18030 reads whatever these can spell, and what they lack.
_WIDER: Final = {"gb2312": "gb18030", "gbk": "gb18030"}
_NOT_TEXT: Final = ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape")
_ERRORS: Final = "apiyi-byte-ff"
# At least so many of a hundred bytes are NUL in a text of two bytes a character.
_MANY_NULS: Final = 5
# How Python spells bytes of a file's name that are not UTF-8.
_HALVES: Final = "[\ud800-\udfff]"
_OTHER_HALVES: Final = "[\ud800-\udc7f\udd00-\udfff]"
_LONG_ENOUGH: Final = 64


def find_encoding(name: str) -> str:
    """Return Python's name of a named encoding. Raises UsageError."""
    try:
        codec = codecs.lookup(name.strip())
    except (LookupError, ValueError):
        codec = None
    # Python has no public sign of a codec that reads text; io.open looks at this one.
    is_text = codec is not None and getattr(codec, "_is_text_encoding", True)
    if codec is None or not is_text or codec.name.replace("-", "_") in _NOT_TEXT:
        raise UsageError(
            Text("cannot use --encoding {name}", name=name),
            Text("it names no encoding of text"),
            hint=Text("--encoding GB18030, Big5, UTF-16, Shift_JIS, EUC-KR or windows-1252"),
        )
    return _WIDER.get(codec.name, codec.name)


def decode_text(content: bytes, name: str, encoding: str | None = None) -> str:
    """Return the text of a file without its byte order mark.

    `encoding` is what `find_encoding` returned. Raises UsageError that names the file, the
    offset of the first byte that cannot be read, and the way out.
    """
    chosen, length = _choose(content, encoding)
    if chosen == "utf-8" and encoding is None:
        _refuse_wide(content, name)
    try:
        return content[length:].decode(chosen)
    except UnicodeDecodeError as failure:
        at = failure.start
        around = content[max(0, at - SAMPLE_BYTES // 2) & ~3 :][:SAMPLE_BYTES]
        raise _undecodable(name, at + length, content[:HEAD_BYTES], around, encoding) from None


def refuse_undecodable(
    arriving: Iterable[bytes], name: str, encoding: str | None = None, *, whole: bool = True
) -> None:
    """Raise UsageError unless all of a text can be decoded; reads it in pieces.

    Without `whole` the pieces are only the beginning, which may end within a character.
    """
    decoder: codecs.IncrementalDecoder | None = None
    head = before = b""
    offset = 0
    ends = (b"",) if whole else ()
    for piece in chain(filter(None, arriving), ends):
        if decoder is None:
            chosen, offset = _choose(piece, encoding)
            if chosen == "utf-8" and encoding is None:
                _refuse_wide(piece, name)
            head, before, piece = piece[:HEAD_BYTES], b"", piece[offset:]
            decoder = codecs.getincrementaldecoder(chosen)()
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(piece, not piece)
        except UnicodeDecodeError as failure:
            at = offset - pending + failure.start
            around = before + bytes(failure.object)[: failure.start + SAMPLE_BYTES // 2]
            raise _undecodable(name, at, head, around, encoding) from None
        offset += len(piece)
        # An even number of bytes, so that characters of two bytes stay whole.
        before = piece[-(SAMPLE_BYTES // 2) :]


def convert_to_utf8(arriving: Iterable[bytes], encoding: str | None = None) -> Iterator[bytes]:
    """Yield a text in UTF-8, piece by piece as it arrives; empty pieces stay.

    A byte order mark of the first piece decides (and is left out), else `encoding`. Pieces of a
    text that is UTF-8 already go through as they are. Undecodable input becomes the byte
    0xFF, which is not UTF-8 either, so that it makes only its own line a bad one.
    """
    decoder: codecs.IncrementalDecoder | None = None
    has_begun = False
    for piece in arriving:
        if piece and not has_begun:
            has_begun = True
            chosen, length = _choose(piece, encoding)
            piece = piece[length:]
            if chosen != "utf-8":
                codecs.register_error(_ERRORS, _byte_ff)
                decoder = codecs.getincrementaldecoder(chosen)(_ERRORS)
        yield decoder.decode(piece).encode("utf-8", "surrogateescape") if decoder else piece
    if decoder is not None and (rest := decoder.decode(b"", True)):
        yield rest.encode("utf-8", "surrogateescape")


def explain_binary(name: str, kind: FileType) -> UsageError:
    """Return the error for a binary file, with the way to send or unpack it."""
    what = Text("cannot read {name} as text", name=show_name(name))
    path = "-" if is_stdin(name) else quote_path(name)
    attachable = {
        "image": Text("it is a picture ({mime})", mime=kind.mime),
        "audio": Text("it is a recording ({mime})", mime=kind.mime),
        "document": Text("it is a document ({mime})", mime=kind.mime),
    }
    if kind.family in attachable:
        return UsageError(what, attachable[kind.family], hint=f"apiyi chat -a {path}")
    if kind.extension in UNPACKERS and not is_stdin(name):
        unpacked = quote_path(name.removesuffix(f".{kind.extension}") + ".txt")
        hint = f"{UNPACKERS[kind.extension]} {path} > {unpacked}"
        return UsageError(what, Text("it is compressed ({mime})", mime=kind.mime), hint=hint)
    return UsageError(what, Text("its type is {mime}", mime=kind.mime))


def explain_argument(what: Text, text: str) -> UsageError:
    """Return the error for an argument that is not UTF-8, with the way out."""
    from apiyi_cli.core.charsets import guess_encoding

    content = re.sub(_OTHER_HALVES, "?", text).encode("utf-8", "surrogateescape")
    offset = len(content.decode("utf-8", "replace").partition("\ufffd")[0].encode())
    why = Text("not UTF-8 at byte {offset}", offset=offset)
    guessed = guess_encoding(content)
    way = Text("give it in a file or a pipe, with --encoding {name}", name=guessed or "NAME")
    return UsageError(what, why, hint=way)


def show_name(name: str) -> str:
    """Return a file's name for messages and records; bytes that are not UTF-8 as `\\xca`."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return name


def send_name(name: str) -> str:
    """Return a file's name in characters of every encoding; other bytes become `_`."""
    return re.sub(_HALVES, "_", name)


def quote_path(path: str) -> str:
    """Return a path as a word for a shell. Bytes that are not UTF-8 are spelled `$'\\312'`."""
    if path.startswith("-"):
        path = f"./{path}"
    try:
        path.encode()
    except UnicodeEncodeError:
        spelled = (
            chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\{byte:03o}"
            for byte in path.encode("utf-8", "surrogateescape")
        )
        return f"$'{''.join(spelled)}'"
    return quote_word(path)


def is_stdin(name: str) -> bool:
    """Return True for the names of standard input in messages: `-`, `stdin`, `stdin:7`."""
    return name == "-" or name.partition(":")[0] == "stdin"


def _choose(head: bytes, encoding: str | None) -> tuple[str, int]:
    """Return the encoding of a text and the length of its byte order mark.

    A mark weighs more than the user's word: https://encoding.spec.whatwg.org/#decode.
    """
    return find_byte_order_mark(head) or (encoding or "utf-8", 0)


def _byte_ff(failure: UnicodeError) -> tuple[str, int]:
    assert isinstance(failure, UnicodeDecodeError)
    return "\udcff", failure.end


def _undecodable(
    name: str, offset: int, head: bytes, around: bytes, encoding: str | None
) -> UsageError:
    """Return the error for a text that cannot be decoded at an offset.

    `around` are some of the bytes there, by which the encoding can be recognised.
    """
    if encoding is not None:
        return UsageError(
            Text("cannot read {name}", name=show_name(name)),
            Text("not {encoding} at byte {offset}", encoding=encoding, offset=offset),
        )
    if kind := _binary_type(head):
        return explain_binary(name, kind)
    from apiyi_cli.core.charsets import guess_encoding

    return _foreign(name, Text("not UTF-8 at byte {offset}", offset=offset), guess_encoding(around))


def _refuse_wide(content: bytes, name: str) -> None:
    """Raise UsageError for text of two or four bytes a character that has no mark.

    Its NULs are UTF-8, too, and would be sent and paid for. A NUL here and there is let through:
    bytes in are bytes sent.
    """
    head = content[:SAMPLE_BYTES]
    nuls = head.count(0)
    if not nuls or nuls * 100 < len(head) * _MANY_NULS:
        return
    if kind := _binary_type(content):
        raise explain_binary(name, kind)
    from apiyi_cli.core.charsets import guess_wide_encoding

    if guessed := guess_wide_encoding(head):
        raise _foreign(name, Text("NUL at byte {index}", index=head.index(0)), guessed)
    if len(head) >= _LONG_ENOUGH and nuls * 2 > len(head):
        raise UsageError(
            Text("cannot read {name}", name=show_name(name)), Text("it is binary data, not text")
        )


def _foreign(name: str, why: str, guessed: str | None) -> UsageError:
    what = Text("cannot read {name}", name=show_name(name))
    if guessed is None:
        why = Text("{why}; if it has another encoding: --encoding NAME", why=why)
        # Bytes that belong to nothing, in a text that is UTF-8 otherwise.
        convert = "iconv -c -f UTF-8 -t UTF-8"
    else:
        why = Text(
            "{why}; it reads well as {guessed}: --encoding {guessed}", why=why, guessed=guessed
        )
        convert = f"iconv -f {guessed} -t UTF-8"
    if is_stdin(name):
        hint = f"… | {convert} | apiyi …" if guessed is None else f"--encoding {guessed}"
        return UsageError(what, why, hint=hint)
    # With its extension: that is how a table is known.
    stem, suffix = os.path.splitext(name)
    path, converted = quote_path(name), quote_path(f"{stem}.utf8{suffix}")
    return UsageError(what, why, hint=f"{convert} {path} > {converted}")


def _binary_type(content: bytes) -> FileType | None:
    kind = detect_type(content[:HEAD_BYTES])
    return None if kind is None or kind.family == "text" else kind
