"""Attachments: the parts of a message that carry files."""

from __future__ import annotations

import binascii
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from apiyi_cli.core.call import Source
from apiyi_cli.core.filetypes import SVG, FileType, detect_type
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


class Attachment(NamedTuple):
    """A file's name (or a URL) and its bytes; a URL has none, the gateway fetches it."""

    name: str
    content: bytes | None = None


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


def data_url(kind: FileType, content: bytes) -> str:
    """Return the bytes as a `data:` URL."""
    return f"data:{kind.mime};base64,{base64(content)}"


def base64(content: bytes) -> str:
    """Return the bytes in base64, on one line."""
    return binascii.b2a_base64(content, newline=False).decode("ascii")


def refused(name: str, why: str, hint: str | None = None) -> UsageError:
    """Return the error for an attachment that cannot be sent."""
    return UsageError(Text("cannot attach {name}", name=name), why, hint=hint)


def classified(attachment: Attachment) -> FileType:
    """Return the type of an attachment that has bytes; raise UsageError when it is not usable."""
    content = attachment.content or b""
    if not content:
        raise refused(attachment.name, Text("it is empty"))
    kind = detect_type(content)
    if kind is SVG or (kind is not None and kind.family == "text"):
        raise refused(
            attachment.name, Text("it is text"), hint=f"-f {shlex.quote(attachment.name)}"
        )
    if kind is not None:
        return kind
    try:
        content[:4096].decode("utf-8", "strict" if len(content) <= 4096 else "ignore")
    except UnicodeDecodeError:
        raise refused(attachment.name, Text("its type is not known by its content")) from None
    raise refused(attachment.name, Text("it is text"), hint=f"-f {shlex.quote(attachment.name)}")


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
                Text(
                    "chat takes audio as wav or mp3, this is {extension}", extension=kind.extension
                ),
                hint=f"ffmpeg -i {shlex.quote(attachment.name)} audio.mp3",
            )
        audio = {"data": base64(attachment.content), "format": kind.extension}
        return {"type": "input_audio", "input_audio": audio}, "input_audio.data", ""
    if kind.family == "document":
        name = attachment.name.replace("\\", "/").rsplit("/", 1)[-1]
        file = {"filename": name, "file_data": data_url(kind, attachment.content)}
        return {"type": "file", "file": file}, "file.file_data", prefix
    raise refused(
        attachment.name,
        Text("{mime} is not something chat messages can carry", mime=kind.mime),
        hint=Text("attach pictures, wav or mp3 audio, or PDF"),
    )


def _linked(url: str) -> tuple[dict[str, Any], str, str]:
    """Return the part for a URL that the gateway will fetch: messages carry only image URLs."""
    path = url.split("?", 1)[0].split("#", 1)[0].lower()
    if path.endswith((".pdf", ".wav", ".mp3", ".mp4", ".m4a", ".ogg", ".flac", ".webm")):
        raise refused(
            url,
            Text("only pictures can be attached by URL"),
            hint=Text("curl -O {url}, then attach the file", url=shlex.quote(url)),
        )
    return {"type": "image_url", "image_url": {"url": url}}, "image_url.url", ""
