"""Attachments: the parts of a message that carry files."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from apiyi_cli.core.call import Source
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import UsageError
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.core.filetypes import FileType

PICTURES_TEXT: Final = "Pictures in the results of the functions, in order:"
"""The text before pictures of function results, which can be text only."""


class Attachment(PlainValue):
    """The name of a file and its bytes, or a URL, which the gateway fetches."""

    name: str
    content: bytes | None = None

    @property
    def filename(self) -> str:
        """Return the name without folders, whichever slash they have."""
        return self.name.replace("\\", "/").rsplit("/", 1)[-1]


def content_parts(
    text: str, attachments: Sequence[Attachment], place: str
) -> tuple[list[dict[str, Any]], tuple[Source, ...]]:
    """Return the content parts of a user message, the text first, and the files' sources.

    `place` is where the content goes in the body ("messages.0.content"). Raises UsageError
    naming a file that chat models do not take.
    """
    content: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    sources = []
    for attachment in attachments:
        part, inner, prefix = _attachment_part(attachment)
        if attachment.content is not None:
            where = f"{place}.{len(content)}.{inner}"
            sources.append(Source(place=where, path=attachment.name, prefix=prefix))
        content.append(part)
    return content, tuple(sources)


def split_data_url(url: str) -> tuple[str, str] | None:
    """Return the media type and the base64 of a `data:` URL, None for another URL."""
    head, comma, data = url.partition(",")
    return (head[5:].partition(";")[0], data) if comma and head.startswith("data:") else None


def data_url(kind: FileType, content: bytes) -> str:
    """Return the bytes as a `data:` URL."""
    return f"data:{kind.mime};base64,{encode_base64(content)}"


def encode_base64(content: bytes) -> str:
    """Return the bytes in base64, on one line."""
    return binascii.b2a_base64(content, newline=False).decode("ascii")


def attachment_error(name: str, why: str, hint: str | None = None) -> UsageError:
    """Return the error for an attachment that cannot be sent."""
    return UsageError(Text("cannot attach {name}", name=name), why, hint=hint)


def detect_attachment_type(attachment: Attachment) -> FileType:
    """Return the type of a file to attach; raise UsageError for text and unknown types."""
    from apiyi_cli.core.filetypes import SVG, detect_type

    content = attachment.content or b""
    if not content:
        raise attachment_error(attachment.name, Text("it is empty"))
    kind = detect_type(content)
    if kind is SVG or (kind is not None and kind.family == "text"):
        raise _text_error(attachment.name)
    if kind is not None:
        return kind
    try:
        content[:4096].decode("utf-8", "strict" if len(content) <= 4096 else "ignore")
    except UnicodeDecodeError:
        why = Text("its type is not known by its content")
        raise attachment_error(attachment.name, why) from None
    raise _text_error(attachment.name)


def _text_error(name: str) -> UsageError:
    return attachment_error(name, Text("it is text"), hint=f"-f {quote_word(name)}")


def _attachment_part(attachment: Attachment) -> tuple[dict[str, Any], str, str]:
    """Return a content part, the place of its data, and the prefix of the base64."""
    if attachment.content is None:
        return _url_part(attachment.name)
    kind = detect_attachment_type(attachment)
    prefix = f"data:{kind.mime};base64,"
    if kind.family == "image":
        url = data_url(kind, attachment.content)
        return {"type": "image_url", "image_url": {"url": url}}, "image_url.url", prefix
    if kind.family == "audio":
        if kind.extension not in ("wav", "mp3"):
            raise attachment_error(
                attachment.name,
                Text(
                    "chat takes audio as wav or mp3, this is {extension}", extension=kind.extension
                ),
                hint=f"ffmpeg -i {quote_word(attachment.name)} audio.mp3",
            )
        audio = {"data": encode_base64(attachment.content), "format": kind.extension}
        return {"type": "input_audio", "input_audio": audio}, "input_audio.data", ""
    if kind.family == "document":
        file = {"filename": attachment.filename, "file_data": data_url(kind, attachment.content)}
        return {"type": "file", "file": file}, "file.file_data", prefix
    raise attachment_error(
        attachment.name,
        Text("{mime} is not something chat messages can carry", mime=kind.mime),
        hint=Text("attach pictures, wav or mp3 audio, or PDF"),
    )


def _url_part(url: str) -> tuple[dict[str, Any], str, str]:
    """Return the content part for a URL; raise UsageError unless it may be a picture."""
    path = url.split("?", 1)[0].split("#", 1)[0].lower()
    if path.endswith((".pdf", ".wav", ".mp3", ".mp4", ".m4a", ".ogg", ".flac", ".webm")):
        raise attachment_error(
            url,
            Text("only pictures can be attached by URL"),
            hint=Text("curl -O {url}, then attach the file", url=quote_word(url)),
        )
    return {"type": "image_url", "image_url": {"url": url}}, "image_url.url", ""
