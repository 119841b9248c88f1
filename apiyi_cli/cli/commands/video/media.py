"""Input pictures, clips and sounds of a video, in the form of its request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal
from urllib.parse import urlsplit

from apiyi_cli.build.content import data_url
from apiyi_cli.build.upload import MB
from apiyi_cli.build.video import MediaInput, Role
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.inputs.uploads import read_upload
from apiyi_cli.core.filetypes import detect_type
from apiyi_cli.core.options.video import VideoOptions
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

Kind = Literal["image", "video", "audio"]

MOST_BYTES = 64 * MB
"""A larger file does not fit into a request; the families accept links."""
_SUFFIXES: dict[str, Kind] = {
    **dict.fromkeys(("mp4", "mov", "webm", "mkv", "avi", "m4v"), "video"),
    **dict.fromkeys(("mp3", "wav", "m4a", "aac", "ogg", "flac"), "audio"),
}
_URLS = ("https://", "http://", "data:")


def read_media(ctx: Context, options: VideoOptions, model: str) -> tuple[MediaInput, ...]:
    """Return the inputs of a video, in the order first, last, -i, references.

    One picture of `-i` is where the video begins; several, and clips and sounds, guide it, as all
    do for a model that takes references. Raises UsageError for a file that is none of them.
    """
    frames: tuple[tuple[Role, str | None], ...] = (("first", options.first), ("last", options.last))
    named = [(role, name) for role, name in frames if name is not None]
    media = [_read_frame(ctx, name, role) for role, name in named]
    media += _place_inputs([_read(ctx, name, "first") for name in options.input or ()], model)
    media += [_read(ctx, name, "reference") for name in options.reference or ()]
    if sum(item.role == "first" for item in media) > 1:
        raise UsageError(
            Text("cannot use these inputs"),
            Text("a video begins with one picture: -i or --first, not both"),
            hint=Text("--reference FILE for the others"),
        )
    return tuple(media)


def _place_inputs(items: Sequence[MediaInput], model: str) -> Iterator[MediaInput]:
    pictures = sum(item.kind == "image" for item in items)
    for item in items:
        guides = item.kind != "image" or pictures > 1 or "-r2v" in model
        yield item._replace(role="reference") if guides else item


def _read_frame(ctx: Context, name: str, role: Role) -> MediaInput:
    item = _read(ctx, name, role)
    if item.kind != "image":
        raise UsageError(
            Text("cannot use --{role}", role=role),
            Text("a video begins and ends with a picture"),
            hint=Text("--reference for clips and sounds"),
        )
    return item


def _read(ctx: Context, name: str, role: Role) -> MediaInput:
    if name.startswith(_URLS):
        item = MediaInput(role, _url_kind(name), name)
    else:
        file = read_upload(ctx.inputs, name)
        file.check_size(MOST_BYTES, hint=Text("give the link to it instead"))
        kind = detect_type(file.head)
        if kind is None or kind.family not in ("image", "video", "audio"):
            raise file.error(Text("it is no picture, clip or sound"))
        with open(file.path, "rb") as stream:
            url = data_url(kind, stream.read())
        family: Kind = kind.family
        item = MediaInput(role, family, url, None if file.name == "stdin" else file.path)
    return item


def _url_kind(url: str) -> Kind:
    if url.startswith("data:"):
        kind = url[5:].partition("/")[0]
        return kind if kind in ("video", "audio") else "image"  # type: ignore[return-value]
    return _SUFFIXES.get(urlsplit(url).path.rpartition(".")[2].lower(), "image")
