"""Requests for pictures. The rules of model families are data: `core/families.toml`.

A route is how a family is asked: `openai` (generations, edits as a form), `repeated` (the same
with `image` for each input), `flux` and `seedream` (JSON on generations), `gemini`
(generateContent) and `chat`. A route that is not known is asked like `openai`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from apiyi_cli.build.body import (
    apply_options,
    describe_losses,
    family_warnings,
    option_fields,
    post,
)
from apiyi_cli.build.image_inputs import (
    check_inputs,
    file_parts,
    flux_places,
    generate_parts,
    inline_urls,
)
from apiyi_cli.build.upload import Upload, form_fields
from apiyi_cli.core.call import Call, Part, Source
from apiyi_cli.core.endpoints import (
    CHAT,
    GENERATE,
    IMAGE,
    IMAGE_EDIT,
    IMAGE_VARIATION,
    Endpoint,
    generate_path,
)
from apiyi_cli.core.families import Family, Overrides, PictureSupport, find_family
from apiyi_cli.core.options.image import ImageOptions
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

_JSON_ROUTES = ("flux", "seedream", "gemini", "chat")
_PIXELS = re.compile(r"\d+x\d+")
_KNOWN_VALUES = (
    ("size", "--size", "sizes"),
    ("aspect_ratio", "--aspect-ratio", "ratios"),
    ("quality", "--quality", "qualities"),
    ("output_format", "--output-format", "formats"),
)


def image_call(
    *,
    model: str,
    prompt: str | None,
    image_options: ImageOptions,
    inputs: Sequence[Upload | str] = (),
    mask: Upload | None = None,
    n: int | None = None,
    options: Sequence[str] | None = None,
    families: Overrides | None = None,
) -> Call:
    """Return the request to draw, to edit `inputs` (files or URLs), or to vary.

    `n` replaces `--n` if fewer pictures are missing; where a family makes one picture a request
    a 1 is not sent. Raises UsageError naming an input that the family does not take, and for a
    mask if it takes none.
    """
    family = find_family(model, families)
    picture = family.picture
    inline = takes_inline(picture)
    if inline and image_options.vary:
        raise UsageError(Text("cannot use --vary"), Text("{model} makes none", model=model))
    files = check_inputs(picture, model, inputs, mask, inline=inline)
    body: dict[str, Any] = {"model": model} | ({} if prompt is None else {"prompt": prompt})
    body |= option_fields(image_options) | ({} if n is None else {"n": n})
    if picture.one_each and body.get("n") == 1:
        del body["n"]
    if picture.route == "gemini":
        return _generate_call(family, body, inputs, options)
    if picture.route == "chat":
        return _chat_call(family, body, inputs, options)
    if inline or not inputs:
        sources = _add_inputs(body, picture, inputs) if inputs else ()
        apply_options(body, options)
        return post(IMAGE, body, notes=_collect_notes(family, body), sources=sources)
    apply_options(body, options)
    is_single = image_options.vary or len(files) == 1 or picture.route == "repeated"
    parts = file_parts("image" if is_single else "image[]", files)
    parts += file_parts("mask", [mask] if mask else [])
    return _form_call(family, IMAGE_VARIATION if image_options.vary else IMAGE_EDIT, body, parts)


def takes_inline(picture: PictureSupport) -> bool:
    """Return True if input pictures go into the JSON body, files and URLs alike."""
    return picture.route in _JSON_ROUTES


def expected_extension(
    model: str, image_options: ImageOptions, families: Overrides | None = None
) -> str:
    """Return the probable extension of the pictures; their bytes decide in the end."""
    name = image_options.output_format or find_family(model, families).picture.format
    return {"jpeg": "jpg"}.get(name, name)


def _add_inputs(
    body: dict[str, Any], picture: PictureSupport, inputs: Sequence[Upload | str]
) -> tuple[Source, ...]:
    """Put the pictures into a body for generations, in order; return the sources of files."""
    if picture.route == "seedream":
        body["image"], sources = inline_urls(inputs, [f"image.{k}" for k in range(len(inputs))])
        return sources
    places = list(flux_places(len(inputs)))
    urls, sources = inline_urls(inputs, places)
    body |= zip(places, urls, strict=True)
    return sources


def _form_call(
    family: Family, endpoint: Endpoint, body: dict[str, Any], parts: tuple[Part, ...]
) -> Call:
    """Return the request with a multipart body, before its pictures are added."""
    notes = _collect_notes(family, body)
    stream = body.get("stream") is True
    parts = (*form_fields(body), *parts)
    return endpoint.call(parts=parts, model=body["model"], notes=notes, stream=stream)


def _generate_call(
    family: Family,
    asked: dict[str, Any],
    inputs: Sequence[Upload | str],
    options: Sequence[str] | None,
) -> Call:
    """Return the request to a Gemini image model; options without a field are left out."""
    model = asked.pop("model")
    text = asked.pop("prompt", None)
    notes = list(_unknown_values(family.picture, asked))
    parts: list[dict[str, Any]] = [] if text is None else [{"text": text}]
    pictures, sources = generate_parts(inputs, len(parts))
    config: dict[str, Any] = {"responseModalities": ["IMAGE"]}
    fields = (("aspect_ratio", "aspectRatio"), ("size", "imageSize"))
    if image := {name: asked.pop(own) for own, name in fields if own in asked}:
        config["imageConfig"] = image
    notes += describe_losses(asked, (), "generateContent")
    contents = [{"role": "user", "parts": parts + pictures}]
    body = apply_options({"contents": contents, "generationConfig": config}, options)
    call = GENERATE.call(json=body, model=model, notes=tuple(notes), sources=sources)
    return call._replace(path=generate_path(model, stream=False), cost=IMAGE.cost)


def _chat_call(
    family: Family,
    body: dict[str, Any],
    inputs: Sequence[Upload | str],
    options: Sequence[str] | None,
) -> Call:
    text = body.pop("prompt", "")
    content: Any = text
    sources: tuple[Source, ...] = ()
    if inputs:
        places = [f"messages.0.content.{k}.image_url.url" for k in range(1, len(inputs) + 1)]
        urls, sources = inline_urls(inputs, places)
        pictures = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        content = [{"type": "text", "text": text}, *pictures]
    model = body.pop("model")
    body = {"model": model, "messages": [{"role": "user", "content": content}], **body}
    apply_options(body, options)
    call = post(CHAT, body, notes=_collect_notes(family, body), sources=sources)
    return call._replace(cost=IMAGE.cost)


def _collect_notes(family: Family, body: dict[str, Any]) -> tuple[str, ...]:
    warnings = family_warnings(body, family)
    refused = {rule.partition("=")[0] for rule in (*family.refuses, *family.ignores)}
    picture = family.picture
    notes = [*warnings, *_unknown_values(picture, body, without=refused if warnings else ())]
    if picture.one_each and body.get("n", 1) != 1 and "n" not in refused:
        notes.append(
            Text("{model} makes one picture at a time; sent as asked", model=body["model"])
        )
    return tuple(notes)


def _unknown_values(
    picture: PictureSupport, body: Mapping[str, Any], *, without: Sequence[str] | set[str] = ()
) -> Iterator[Text]:
    """Yield a warning for each value that a family is not known to take. It is still sent."""
    for field, option, name in _KNOWN_VALUES:
        value, known = body.get(field), getattr(picture, name)
        if value is None or not known or value in known or field in without or value == "auto":
            continue
        if field == "size" and picture.route != "gemini" and _PIXELS.fullmatch(str(value)):
            continue
        yield Text(
            "{option} {value} is not among what the family is known to take ({known}); "
            "sent as asked",
            option=option,
            value=str(value),
            known=", ".join(known),
        )
