"""Requests for pictures. What model families want is data: `core/families.toml`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from apiyi_cli.build.body import apply_options, family_warnings, option_fields, post
from apiyi_cli.build.content import data_url
from apiyi_cli.build.upload import MB, Upload, form_fields
from apiyi_cli.core.call import Call, Part, Source
from apiyi_cli.core.endpoints import IMAGE, IMAGE_EDIT, IMAGE_VARIATION
from apiyi_cli.core.families import Family, Overrides, Picture, find_family
from apiyi_cli.core.filetypes import detect_type
from apiyi_cli.core.options.image import Imaging
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


def image_call(
    *,
    model: str,
    prompt: str | None,
    imaging: Imaging,
    inputs: Sequence[Upload | str] = (),
    mask: Upload | None = None,
    n: int | None = None,
    options: Sequence[str] | None = None,
    families: Overrides | None = None,
) -> Call:
    """Return the request to draw, to edit `inputs` (files or URLs), or to vary one input.

    `n` replaces `--n` if fewer pictures are missing. Raises UsageError naming an input that
    the family does not take, and for a mask if it takes none.
    """
    family = find_family(model, families)
    picture = family.picture
    body: dict[str, Any] = {"model": model}
    if prompt is not None:
        body["prompt"] = prompt
    body |= option_fields(imaging) | ({} if n is None else {"n": n})
    files = _check_inputs(picture, model, inputs, mask, inline=not imaging.vary)
    apply_options(body, options)
    notes = _collect_notes(family, body)
    if not inputs or (picture.route == "flux" and not imaging.vary):
        sources = _inline_inputs(body, inputs)
        return post(IMAGE, body, notes=notes, sources=sources)
    is_single = imaging.vary or len(files) == 1 or picture.route == "repeated"
    parts = _file_parts("image" if is_single else "image[]", files)
    if mask is not None and not imaging.vary:
        parts += _file_parts("mask", [mask])
    endpoint = IMAGE_VARIATION if imaging.vary else IMAGE_EDIT
    parts = (*form_fields(body), *parts)
    stream = body.get("stream") is True
    return endpoint.call(parts=parts, model=body["model"], notes=notes, stream=stream)


def expected_extension(model: str, imaging: Imaging) -> str:
    """Return the extension that pictures will probably have; their bytes decide."""
    name = imaging.output_format or find_family(model).picture.format
    return {"jpeg": "jpg"}.get(name, name)


def _check_inputs(
    picture: Picture,
    model: str,
    inputs: Sequence[Upload | str],
    mask: Upload | None,
    *,
    inline: bool,
) -> list[Upload]:
    """Return the inputs that are files; raise UsageError for what the family does not take."""
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
            item.check_size(picture.input_mb * MB, Text("make it smaller: 1.5 MB is plenty"))
            _check_type(item, picture.input_types, model)
            files.append(item)
        elif not inline or picture.route != "flux":
            raise _url_error(item, model)
    if mask is not None:
        if not picture.masks:
            raise UsageError(Text("cannot use --mask"), Text("{model} takes none", model=model))
        mask.check_size(4 * MB)
        _check_type(mask, ("png",), Text("a mask"))
    return files


def _url_error(url: str, model: str) -> UsageError:
    return UsageError(
        Text("cannot edit {item}", item=url),
        Text("{model} takes files, no URLs", model=model),
        hint=Text("curl -LO {item}, then -i FILE", item=shlex.quote(url)),
    )


def _check_type(upload: Upload, taken: Sequence[str], taker: str) -> None:
    kind = detect_type(upload.head)
    if kind is None or kind.extension not in taken:
        found = (
            Text("no picture")
            if kind is None or kind.family != "image"
            else Text("a {extension}", extension=kind.extension)
        )
        names = ", ".join(taken)
        raise upload.error(
            Text("it is {message}; {taker} takes {names}", message=found, taker=taker, names=names),
            hint=Text("ffmpeg -i {upload} picture.png", upload=shlex.quote(upload.name)),
        )


def _file_parts(name: str, uploads: Sequence[Upload]) -> tuple[Part, ...]:
    parts = []
    for upload in uploads:
        kind = detect_type(upload.head)
        assert kind is not None, "checked before"
        filename = upload.filename
        # The gateway judges by the name: a JPEG that is called .png is refused there.
        if not filename.lower().endswith(_SPELLINGS.get(kind.extension, f".{kind.extension}")):
            filename = f"{filename.rpartition('.')[0] or filename}.{kind.extension}"
        parts.append(Part(name, path=upload.path, filename=filename, type=kind.mime))
    return tuple(parts)


_SPELLINGS: dict[str, str | tuple[str, ...]] = {"jpg": (".jpg", ".jpeg")}


def _inline_inputs(body: dict[str, Any], inputs: Sequence[Upload | str]) -> tuple[Source, ...]:
    """Put the pictures into the body in order; return the source of each file."""
    sources = []
    for number, item in enumerate(inputs, 1):
        place = "input_image" if number == 1 else f"input_image_{number}"
        if isinstance(item, str):
            body[place] = item
            continue
        kind = detect_type(item.head)
        assert kind is not None, "checked before"
        body[place] = data_url(kind, item.content)
        sources.append(Source(place, item.path, prefix=f"data:{kind.mime};base64,"))
    return tuple(sources)


def _collect_notes(family: Family, body: dict[str, Any]) -> tuple[str, ...]:
    warnings = family_warnings(body, family)
    if family.picture.one_each and body.get("n", 1) != 1:
        note = Text("{model} makes one picture at a time; sent as asked", model=body["model"])
        return (*warnings, note)
    return warnings
