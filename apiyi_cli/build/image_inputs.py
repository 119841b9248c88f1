"""Input pictures of a request: checked, and put into the body of each route."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from apiyi_cli.build.content import data_url, encode_base64, split_data_url
from apiyi_cli.build.upload import MB, Upload
from apiyi_cli.core.call import Part, Source
from apiyi_cli.core.families import PictureSupport
from apiyi_cli.core.filetypes import JPEG, FileType, detect_type, is_multi_picture
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

_SPELLINGS: dict[str, str | tuple[str, ...]] = {"jpg": (".jpg", ".jpeg")}
_STRICT_ROUTES = ("openai", "repeated")
_SEGMENTS_BYTES = 1 << 19
"""Bytes read to find a picture's size: past Exif, thumbnail and colour profiles."""
_SMALLER = Text("make it smaller: 1.5 MB is plenty")


def check_inputs(
    picture: PictureSupport,
    model: str,
    inputs: Sequence[Upload | str],
    mask: Upload | None,
    *,
    inline: bool,
) -> list[Upload]:
    """Return the inputs that are files; raise UsageError for those the family refuses.

    `inline` is True where they go into a JSON body, which takes URLs, too.
    """
    if inputs and not picture.edits:
        raise UsageError(
            Text("{model} cannot edit pictures", model=model),
            Text("leave out -i, or choose another model"),
        )
    if len(inputs) > picture.inputs_most:
        raise UsageError(
            Text("too many pictures to edit"),
            Text(
                "{model} takes {most_inputs}, {count} were given",
                model=model,
                most_inputs=picture.inputs_most,
                count=len(inputs),
            ),
        )
    files = []
    for item in inputs:
        if isinstance(item, Upload):
            item.check_size(picture.input_mb * MB, _SMALLER)
            _check_type(item, picture.input_types, model)
            _refuse_multi_picture(item, picture, model)
            files.append(item)
        elif not inline:
            raise _url_error(item, model)
    _check_total(picture, model, files)
    if mask is not None:
        _check_mask(mask, model, taken=picture.masks and not inline)
    return files


def file_parts(name: str, uploads: Sequence[Upload]) -> tuple[Part, ...]:
    """Return the form parts of pictures, each named by what its bytes are."""
    parts = []
    for upload in uploads:
        kind = _kind_of(upload)
        filename = upload.filename
        # The gateway judges by the name: a JPEG that is called .png is refused there.
        if not filename.lower().endswith(_SPELLINGS.get(kind.extension, f".{kind.extension}")):
            filename = f"{filename.rpartition('.')[0] or filename}.{kind.extension}"
        parts.append(Part(name, path=upload.path, filename=filename, type=kind.mime))
    return tuple(parts)


def inline_urls(
    inputs: Sequence[Upload | str], places: Sequence[str]
) -> tuple[list[str], tuple[Source, ...]]:
    """Return each picture as a URL (files as data URLs), and the files' sources.

    `places` says where each one goes in the body.
    """
    urls = [
        item if isinstance(item, str) else data_url(_kind_of(item), item.content) for item in inputs
    ]
    sources = (
        Source(place, item.path, prefix=f"data:{_kind_of(item).mime};base64,")
        for item, place in zip(inputs, places, strict=True)
        if isinstance(item, Upload)
    )
    return urls, tuple(sources)


def generate_parts(
    inputs: Sequence[Upload | str], first: int
) -> tuple[list[dict[str, Any]], tuple[Source, ...]]:
    """Return the pictures as parts of generateContent, the first one at index `first`."""
    parts: list[dict[str, Any]] = []
    sources = []
    for place, item in enumerate(inputs, first):
        if isinstance(item, Upload):
            data = {"mimeType": _kind_of(item).mime, "data": encode_base64(item.content)}
            parts.append({"inlineData": data})
            sources.append(Source(f"contents.0.parts.{place}.inlineData.data", item.path))
            continue
        if inline := split_data_url(item):
            parts.append({"inlineData": {"mimeType": inline[0] or "image/png", "data": inline[1]}})
        else:
            parts.append({"fileData": {"fileUri": item}})
    return parts, tuple(sources)


def flux_places(count: int) -> Iterator[str]:
    """Yield the fields of FLUX's pictures: input_image, input_image_2, input_image_3 …"""
    yield from ("input_image" if n == 1 else f"input_image_{n}" for n in range(1, count + 1))


def _check_mask(mask: Upload, model: str, *, taken: bool) -> None:
    if not taken:
        raise UsageError(Text("cannot use --mask"), Text("{model} takes none", model=model))
    mask.check_size(4 * MB)
    _check_type(mask, ("png",), Text("a mask"))


def _check_total(picture: PictureSupport, model: str, files: Sequence[Upload]) -> None:
    """Raise UsageError for files that are too large together, counted in base64."""
    size = sum(-(-file.size // 3) * 4 for file in files)
    if picture.inputs_total_mb and size > picture.inputs_total_mb * MB:
        raise UsageError(
            Text("the pictures to edit are too large"),
            Text(
                "they have {size} MB in base64 together, {model} takes {most} MB",
                size=f"{size / MB:.1f}",
                model=model,
                most=picture.inputs_total_mb,
            ),
            hint=Text("make them smaller, or give their URLs: -i https://…"),
        )


def _url_error(url: str, model: str) -> UsageError:
    return UsageError(
        Text("cannot edit {item}", item=url),
        Text("{model} takes files, no URLs", model=model),
        hint=Text("curl -LO {item}, then -i FILE", item=quote_word(url)),
    )


def _check_type(upload: Upload, taken: Sequence[str], taker: str) -> None:
    kind = detect_type(upload.head)
    if kind is None or kind.extension not in taken:
        description = Text("no picture")
        if kind is not None and kind.family == "image":
            description = Text("a {extension}", extension=kind.extension)
        names = ", ".join(taken)
        raise upload.error(
            Text(
                "it is {message}; {taker} takes {names}",
                message=description,
                taker=taker,
                names=names,
            ),
            hint=Text("ffmpeg -i {upload} picture.png", upload=quote_word(upload.name)),
        )


def _refuse_multi_picture(upload: Upload, picture: PictureSupport, model: str) -> None:
    """Raise UsageError for a phone's JPEG of several pictures, which gets a 400."""
    if picture.route not in _STRICT_ROUTES or detect_type(upload.head) is not JPEG:
        return
    start = upload.content
    if not start:
        with open(upload.path, "rb") as file:
            start = file.read(_SEGMENTS_BYTES)
    if is_multi_picture(start):
        raise upload.error(
            Text("it is a JPEG of several pictures (MPO), which {model} refuses", model=model),
            hint=Text("ffmpeg -i {upload} -frames:v 1 picture.png", upload=quote_word(upload.name)),
        )


def _kind_of(upload: Upload) -> FileType:
    kind = detect_type(upload.head)
    assert kind is not None, "checked before"
    return kind
