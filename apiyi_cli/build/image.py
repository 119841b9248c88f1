"""Requests for pictures. What model families want is data: `FAMILIES`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

from apiyi_cli.build.body import extended, wired
from apiyi_cli.build.content import data_url
from apiyi_cli.build.upload import MB, Upload, form_fields
from apiyi_cli.core.call import Call, Part, Source
from apiyi_cli.core.filetypes import detect_type
from apiyi_cli.core.groups import Imaging
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

GENERATIONS = "/images/generations"
EDITS = "/images/edits"
VARIATIONS = "/images/variations"


class Family(NamedTuple):
    """What models with a name like `pattern` (shell wildcards) want of a request.

    `edits` is how pictures to edit are sent: `form` as files to /images/edits, `json` as data
    URLs in `input_image`, `input_image_2` ... of /images/generations, None not at all.
    `most_inputs` and `most_bytes` bound them, `inputs` are the types taken. `format` is the
    extension of what comes when none was asked for. `refuses` are fields, or `field=value`,
    that the gateway is known to answer with a 400.
    """

    pattern: str
    edits: Literal["form", "json"] | None = "form"
    most_inputs: int = 16
    most_bytes: int = 50 * MB
    inputs: tuple[str, ...] = ("png", "jpg", "webp")
    masks: bool = True
    format: str = "png"
    refuses: tuple[str, ...] = ()


_GPT = ("style", "seed", "aspect_ratio", "response_format", "quality=standard", "quality=hd")
_GPT_ONLY = ("background", "output_format", "output_compression", "moderation", "input_fidelity")
_LEVELS = ("quality=low", "quality=medium", "quality=high", "quality=auto")
_DALLE = (*_GPT_ONLY, *_LEVELS, "aspect_ratio", "seed")
_FLUX = ("style", "quality", "background", "output_format=webp", "output_compression")

FAMILIES = (
    # The relabelled ones differ: they know response_format.
    Family("gpt-image-2-all*", refuses=tuple(name for name in _GPT if name != "response_format")),
    Family("gpt-image-2-vip*", refuses=tuple(name for name in _GPT if name != "response_format")),
    Family("gpt-image-2*", refuses=(*_GPT, "input_fidelity")),
    Family("gpt-image*", refuses=_GPT),
    Family("chatgpt-image*", refuses=_GPT),
    Family(
        "dall-e-2",
        most_inputs=1,
        most_bytes=4 * MB,
        inputs=("png",),
        refuses=(*_DALLE, "style", "quality=hd"),
    ),
    Family("dall-e-3", edits=None, refuses=_DALLE),
    Family("flux-kontext*", "json", 1, 20 * MB, masks=False, format="jpg", refuses=_FLUX),
    Family("flux-2-klein*", "json", 4, 20 * MB, masks=False, format="jpg", refuses=_FLUX),
    Family("flux*", "json", 8, 20 * MB, masks=False, format="jpg", refuses=_FLUX),
    Family("grok*", format="jpg"),
)
"""In order of precedence: the first pattern that the model's name fits counts."""


def family(model: str) -> Family:
    """Return the family of a model; a provider's prefix (`openai/dall-e-3`) does not matter."""
    name = model.rsplit("/", 1)[-1].lower()
    return next((one for one in FAMILIES if fnmatchcase(name, one.pattern)), Family("*"))


def image_call(
    *,
    model: str,
    prompt: str | None,
    imaging: Imaging,
    inputs: Sequence[Upload | str] = (),
    mask: Upload | None = None,
    n: int | None = None,
    options: Sequence[str] | None = None,
) -> Call:
    """Return the request to draw, to edit `inputs` (files or URLs), or to vary the one input.

    `n` stands for `--n` where fewer pictures are missing. Raises UsageError for an input that
    the family does not take, by name, and for a mask where it takes none.
    """
    wanted = family(model)
    body: dict[str, Any] = {"model": model}
    if prompt is not None:
        body["prompt"] = prompt
    body |= wired(imaging)
    if n is not None:
        body["n"] = n
    files = _checked(wanted, model, inputs, mask, inline=not imaging.vary)
    extended(body, options)
    rest: dict[str, Any] = {
        "cost": "heavy",
        "model": body["model"],
        "notes": _warnings(wanted, body),
        "stream": body.get("stream") is True,
    }
    if not inputs:
        return Call("POST", GENERATIONS, json=body, **rest)
    if imaging.vary:
        parts = _parts("image", files)
        return Call("POST", VARIATIONS, parts=(*form_fields(body), *parts), **rest)
    if wanted.edits == "json":
        sources = _inlined(body, inputs)
        return Call("POST", GENERATIONS, json=body, sources=sources, **rest)
    parts = _parts("image" if len(files) == 1 else "image[]", files)
    if mask is not None:
        parts += _parts("mask", [mask])
    return Call("POST", EDITS, parts=(*form_fields(body), *parts), **rest)


def expected_extension(model: str, imaging: Imaging) -> str:
    """Return the extension that the pictures will probably have; their bytes decide."""
    asked = imaging.output_format
    return {"jpeg": "jpg"}.get(asked, asked) if asked else family(model).format


def _checked(
    wanted: Family,
    model: str,
    inputs: Sequence[Upload | str],
    mask: Upload | None,
    *,
    inline: bool,
) -> list[Upload]:
    """Return the inputs that are files, once everything about the inputs is known to be fine."""
    if inputs and wanted.edits is None:
        raise UsageError(
            Text("{model} cannot edit pictures", model=model),
            Text("leave out -i, or choose another model"),
        )
    if len(inputs) > wanted.most_inputs:
        raise UsageError(
            Text("too many pictures to edit"),
            Text(
                "{model} takes {most_inputs}, {count} were given",
                model=model,
                most_inputs=wanted.most_inputs,
                count=len(inputs),
            ),
        )
    files = []
    for one in inputs:
        if isinstance(one, Upload):
            one.checked_size(wanted.most_bytes, Text("make it smaller: 1.5 MB is plenty"))
            _check_type(one, wanted.inputs, model)
            files.append(one)
        elif not inline or wanted.edits != "json":
            raise UsageError(
                Text("cannot edit {item}", item=one),
                Text("{model} takes files, no URLs", model=model),
                hint=Text("curl -LO {item}, then -i FILE", item=shlex.quote(one)),
            )
    if mask is not None:
        if not wanted.masks:
            raise UsageError(Text("cannot use --mask"), Text("{model} takes none", model=model))
        mask.checked_size(4 * MB)
        _check_type(mask, ("png",), Text("a mask"))
    return files


def _check_type(upload: Upload, taken: tuple[str, ...], taker: str) -> None:
    kind = detect_type(upload.head)
    if kind is None or kind.extension not in taken:
        told = (
            Text("no picture")
            if kind is None or kind.family != "image"
            else Text("a {extension}", extension=kind.extension)
        )
        names = ", ".join(taken)
        raise upload.refused(
            Text("it is {message}; {taker} takes {names}", message=told, taker=taker, names=names),
            hint=Text("ffmpeg -i {upload} picture.png", upload=shlex.quote(upload.name)),
        )


def _parts(name: str, uploads: Sequence[Upload]) -> tuple[Part, ...]:
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


def _inlined(body: dict[str, Any], inputs: Sequence[Upload | str]) -> tuple[Source, ...]:
    """Put the pictures into the body in their order, and return where each file went."""
    sources = []
    for number, one in enumerate(inputs, 1):
        place = "input_image" if number == 1 else f"input_image_{number}"
        if isinstance(one, str):
            body[place] = one
            continue
        kind = detect_type(one.head)
        assert kind is not None, "checked before"
        body[place] = data_url(kind, one.content)
        sources.append(Source(place, one.path, prefix=f"data:{kind.mime};base64,"))
    return tuple(sources)


def _warnings(wanted: Family, body: dict[str, Any]) -> tuple[str, ...]:
    told = []
    for one in wanted.refuses:
        name, equals, value = one.partition("=")
        if name in body and (not equals or body[name] == value):
            shown = one.replace("=", " ")
            told.append(
                Text(
                    "{model} is known to refuse {shown}; sent as asked",
                    model=body["model"],
                    shown=shown,
                )
            )
    if wanted.pattern == "dall-e-3" and body.get("n", 1) != 1:
        told.append(Text("dall-e-3 makes one picture at a time; sent as asked"))
    return tuple(told)
