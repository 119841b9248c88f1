"""Attachments: what a file is by its bytes, and the message part that carries it."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from typing import Any, NamedTuple

from apiyi_cli.core.call import Source
from apiyi_cli.errors import UsageError


class Kind(NamedTuple):
    """A file type: its family (image, audio, document, video), MIME type and extension."""

    family: str
    mime: str
    extension: str


class Attachment(NamedTuple):
    """A file's name (or a URL) and its bytes; a URL has none, the gateway fetches it."""

    name: str
    content: bytes | None = None


_STARTS: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", Kind("image", "image/png", "png")),
    (0, b"\xff\xd8\xff", Kind("image", "image/jpeg", "jpg")),
    (0, b"GIF87a", Kind("image", "image/gif", "gif")),
    (0, b"GIF89a", Kind("image", "image/gif", "gif")),
    (8, b"WEBP", Kind("image", "image/webp", "webp")),
    (0, b"BM", Kind("image", "image/bmp", "bmp")),
    (0, b"II*\x00", Kind("image", "image/tiff", "tiff")),
    (0, b"MM\x00*", Kind("image", "image/tiff", "tiff")),
    (4, b"ftypavif", Kind("image", "image/avif", "avif")),
    (4, b"ftypheic", Kind("image", "image/heic", "heic")),
    (4, b"ftypmif1", Kind("image", "image/heif", "heif")),
    (0, b"%PDF-", Kind("document", "application/pdf", "pdf")),
    (8, b"WAVE", Kind("audio", "audio/wav", "wav")),
    (0, b"ID3", Kind("audio", "audio/mpeg", "mp3")),
    (0, b"fLaC", Kind("audio", "audio/flac", "flac")),
    (0, b"OggS", Kind("audio", "audio/ogg", "ogg")),
    (4, b"ftypM4A", Kind("audio", "audio/mp4", "m4a")),
    (4, b"ftyp", Kind("video", "video/mp4", "mp4")),
    (0, b"\x1aE\xdf\xa3", Kind("video", "video/webm", "webm")),
)


def sniffed(content: bytes) -> Kind | None:
    """Return what a file is by its first bytes, None when they are not known."""
    head = content[:64]
    for offset, mark, kind in _STARTS:
        if head.startswith(mark, offset):
            if mark in (b"WEBP", b"WAVE") and not head.startswith(b"RIFF"):
                continue
            return kind
    if len(head) > 2 and _is_mp3_frame(head[0], head[1], head[2]):
        return Kind("audio", "audio/mpeg", "mp3")
    return None


def _is_mp3_frame(sync: int, kind: int, rate: int) -> bool:
    """Tell an MPEG audio frame, layer III, without a tag before it (ISO 11172-3, 2.4.1.3).

    The looser rule of eleven set bits would take UTF-16 text for music.
    """
    is_frame = sync == 0xFF and kind & 0xE6 == 0xE2 and kind & 0x18 != 0x08
    return is_frame and rate & 0xF0 != 0xF0 and rate & 0x0C != 0x0C


def parts(
    text: str, attachments: Sequence[Attachment], place: str
) -> tuple[list[dict[str, Any]], tuple[Source, ...]]:
    """Return the content parts of a user message, the text first, and where big ones came from.

    `place` is where the content will stand in the body ("messages.0.content"). Raises
    UsageError for a file that chat models cannot take, by name.
    """
    found: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    sources = []
    for attachment in attachments:
        part, inner, prefix = _part(attachment)
        if attachment.content is not None:
            where = f"{place}.{len(found)}.{inner}"
            sources.append(Source(place=where, path=attachment.name, prefix=prefix))
        found.append(part)
    return found, tuple(sources)


def data_url(kind: Kind, content: bytes) -> str:
    """Return the bytes as a `data:` URL."""
    return f"data:{kind.mime};base64,{base64(content)}"


def base64(content: bytes) -> str:
    """Return the bytes in base64, on one line."""
    return binascii.b2a_base64(content, newline=False).decode("ascii")


def refused(name: str, why: str, hint: str | None = None) -> UsageError:
    """Return the error for an attachment that cannot be sent."""
    return UsageError(f"cannot attach {name}", why, hint=hint)


def classified(attachment: Attachment) -> Kind:
    """Return the kind of an attachment that has bytes; raise UsageError when it is not usable."""
    content = attachment.content or b""
    if not content:
        raise refused(attachment.name, "it is empty")
    kind = sniffed(content)
    if kind is None:
        try:
            content[:4096].decode("utf-8", "strict" if len(content) <= 4096 else "ignore")
        except UnicodeDecodeError:
            raise refused(attachment.name, "its type is not known by its content") from None
        raise refused(attachment.name, "it is text", hint=f"-f {attachment.name}")
    return kind


def _part(attachment: Attachment) -> tuple[dict[str, Any], str, str]:
    """Return a part, the place of its data inside it, and what stands before the base64."""
    if attachment.content is None:
        return _linked(attachment.name)
    kind = classified(attachment)
    prefix = f"data:{kind.mime};base64,"
    if kind.family == "image":
        url = data_url(kind, attachment.content)
        return {"type": "image_url", "image_url": {"url": url}}, "image_url.url", prefix
    if kind.family == "audio":
        if kind.extension not in ("wav", "mp3"):
            raise refused(
                attachment.name,
                f"chat takes audio as wav or mp3, this is {kind.extension}",
                hint=f"ffmpeg -i {attachment.name} audio.mp3",
            )
        audio = {"data": base64(attachment.content), "format": kind.extension}
        return {"type": "input_audio", "input_audio": audio}, "input_audio.data", ""
    if kind.family == "document":
        name = attachment.name.replace("\\", "/").rsplit("/", 1)[-1]
        file = {"filename": name, "file_data": data_url(kind, attachment.content)}
        return {"type": "file", "file": file}, "file.file_data", prefix
    raise refused(
        attachment.name,
        f"{kind.mime} is not something chat messages can carry",
        hint="attach pictures, wav or mp3 audio, or PDF",
    )


def _linked(url: str) -> tuple[dict[str, Any], str, str]:
    """Return the part for a URL that the gateway will fetch: messages carry only image URLs."""
    path = url.split("?", 1)[0].split("#", 1)[0].lower()
    if path.endswith((".pdf", ".wav", ".mp3", ".mp4", ".m4a", ".ogg", ".flac", ".webm")):
        raise refused(
            url,
            "only pictures can be attached by URL",
            hint=f"curl -O '{url}', then attach the file",
        )
    return {"type": "image_url", "image_url": {"url": url}}, "image_url.url", ""
