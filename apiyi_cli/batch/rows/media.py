"""Builds requests whose input or output is a file: pictures, recordings, speech."""

from __future__ import annotations

from apiyi_cli.batch.rows.fields import InvalidField, RowFields
from apiyi_cli.build.image import image_call
from apiyi_cli.build.speak import speak_call
from apiyi_cli.build.transcribe import RECORDING_BYTES, transcribe_call
from apiyi_cli.build.upload import Upload
from apiyi_cli.core.call import Call
from apiyi_cli.core.disk import read_sample
from apiyi_cli.core.encodings import show_name
from apiyi_cli.core.families import find_family
from apiyi_cli.core.filetypes import HEAD_BYTES
from apiyi_cli.core.options.image import ImageOptions
from apiyi_cli.core.options.speak import SpeakOptions
from apiyi_cli.core.options.transcribe import TranscribeOptions
from apiyi_cli.text import Text

_URLS = ("https://", "http://", "data:")


def build_image(row: RowFields) -> Call:
    """Return the request to draw pictures, or to edit those that the row names."""
    vary = bool(row.take("vary"))
    inputs = row.files("input", "image", "images", "image_url", "picture")
    mask = row.text("mask")
    if mask is not None and not inputs:
        raise InvalidField("mask", Text("it belongs to a picture, and the row has no image"))
    prompt = row.text("prompt")
    if prompt is None and not vary:
        raise InvalidField("", Text("the row has no prompt"))
    image_options = row.group(ImageOptions).replace(vary=vary or None)
    _refuse_count(row, image_options.n)
    return image_call(
        model=row.model,
        prompt=prompt,
        image_options=image_options,
        inputs=[
            name if name.startswith(_URLS) else _read_upload(name, field, whole=True)
            for field, name in inputs
        ],
        mask=None if mask is None else _read_upload(mask, "mask"),
        options=[*row.defaults.options, *row.rest()],
        families=row.defaults.families,
    )


def _refuse_count(row: RowFields, count: int | None) -> None:
    """Raise InvalidField for several pictures if the model draws one: a row is one request."""
    if count is None or count < 2:
        return
    if find_family(row.model, row.defaults.families).picture.one_each:
        why = Text(
            "{model} makes one picture a request: write the row {count} times",
            model=row.model,
            count=count,
        )
        raise InvalidField("n", why)


def build_transcript(row: RowFields) -> Call:
    """Return the request of a row that names a recording."""
    fields = ("file", "audio", "path", "input")
    named = next((name for name in fields if row.fields.get(name) is not None), "file")
    recording = _read_upload(row.prompt(*fields), named)
    recording.check_size(RECORDING_BYTES, Text("apiyi transcribe --split cuts it at silences"))
    return transcribe_call(
        recording,
        model=row.model,
        transcribe_options=row.group(TranscribeOptions),
        options=[*row.defaults.options, *row.rest()],
    )


def build_speech(row: RowFields) -> Call:
    """Return the request of a row for speech."""
    return speak_call(
        model=row.model,
        text=row.prompt("input", "text", "prompt"),
        speak_options=row.group(SpeakOptions),
        options=[*row.defaults.options, *row.rest()],
    )


def _read_upload(name: str, field: str, *, whole: bool = False) -> Upload:
    """Return the file that a row's field names; `whole` with all of its content.

    Raises InvalidField with the field's name.
    """
    try:
        return Upload(name, name, *read_sample(name, HEAD_BYTES, whole=whole))
    except (OSError, ValueError) as failure:
        why = getattr(failure, "strerror", None) or str(failure)
        raise InvalidField(
            field, Text("cannot read {name}: {why}", name=show_name(name), why=why)
        ) from None
