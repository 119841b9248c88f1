"""Results of an MCP server's tools: text for the model, and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from apiyi_cli.build.content import Attachment
from apiyi_cli.core.jsontext import write_text
from apiyi_cli.tools.run import ToolResult, cut_result

MOST_PICTURE_BYTES: Final = 8 << 20


def read_result(result: Any, most_bytes: int) -> ToolResult:
    """Return the parts of a result as text and pictures, at most `most_bytes` of text."""
    pictures: list[Attachment] = []
    texts = [text for item in result.content for text in _read_part(item, pictures)]
    if not result.content and result.structured_content is not None:
        texts = [write_text(result.structured_content)]
    text = "\n".join(texts)
    if result.is_error:
        text = f"error: {text}"
    return ToolResult(cut_result(text, most_bytes), tuple(pictures))


def _read_part(item: Any, pictures: list[Attachment]) -> Iterator[str]:
    """Yield the text of one part of a result; a picture is added to `pictures`."""
    match item.type:
        case "text":
            yield item.text
        case "image":
            yield _read_picture(item, pictures)
        case "resource" if hasattr(item.resource, "text"):
            yield item.resource.text
        case "resource":
            kind = item.resource.mime_type or "application/octet-stream"
            yield f"[{item.resource.uri}: {kind}, not shown]"
        case "resource_link":
            yield f"[{item.name}: {item.uri}]"
        case kind:
            yield f"[{kind}: {getattr(item, 'mime_type', '')}, not shown]"


def _read_picture(item: Any, pictures: list[Attachment]) -> str:
    import base64

    try:
        content = base64.b64decode(item.data, validate=True)
    except ValueError:
        return f"[{item.mime_type}: its base64 is broken]"
    if sum(len(picture.content or b"") for picture in pictures) + len(content) > MOST_PICTURE_BYTES:
        return f"[{item.mime_type}, {len(content)} bytes: too large, not shown]"
    pictures.append(Attachment(f"{len(pictures) + 1}", content))
    return f"[{item.mime_type}, {len(content)} bytes: shown in the next message]"
