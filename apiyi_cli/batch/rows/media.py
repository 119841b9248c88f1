"""Rows of the endpoints whose input or output is a file: pictures and recordings."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from typing import Any

from apiyi_cli.batch.rows.fields import InvalidField, RowAnswer, RowFields
from apiyi_cli.build.image import image_call
from apiyi_cli.build.speak import speak_call
from apiyi_cli.build.transcribe import MOST_BYTES, asks_json, transcribe_call
from apiyi_cli.build.upload import Upload
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.disk import open_regular
from apiyi_cli.core.encodings import show_name
from apiyi_cli.core.filetypes import HEAD_BYTES
from apiyi_cli.core.jsontext import one_line, write
from apiyi_cli.core.options.image import Imaging
from apiyi_cli.core.options.speak import Speaking
from apiyi_cli.core.options.transcribe import Transcribing
from apiyi_cli.decode.image import pictures
from apiyi_cli.decode.speak import audio
from apiyi_cli.decode.transcribe import transcript
from apiyi_cli.text import Text

_URLS = ("https://", "http://", "data:")


def build_image(asked: RowFields) -> Call:
    """Return the request of a row that draws, or edits the pictures that it names."""
    vary = bool(asked.take("vary"))
    inputs = asked.files("input", "image", "images", "image_url", "picture")
    mask = asked.text("mask")
    if mask is not None and not inputs:
        raise InvalidField("mask", Text("it belongs to a picture, and the row has no image"))
    prompt = asked.text("prompt")
    if prompt is None and not vary:
        raise InvalidField("", Text("the row has no prompt"))
    imaging = asked.group(Imaging).replace(vary=vary or None)
    return image_call(
        model=asked.model,
        prompt=prompt,
        imaging=imaging,
        inputs=[
            name if name.startswith(_URLS) else upload(name, field, whole=True)
            for field, name in inputs
        ],
        mask=None if mask is None else upload(mask, "mask"),
        options=[*asked.defaults.options, *asked.rest()],
    )


def build_transcript(asked: RowFields) -> Call:
    """Return the request of a row that names a recording."""
    fields = ("file", "audio", "path", "input")
    named = next((name for name in fields if asked.fields.get(name) is not None), "file")
    recording = upload(asked.prompt(*fields), named)
    recording.checked_size(MOST_BYTES, Text("apiyi transcribe --split cuts it at silences"))
    return transcribe_call(
        recording,
        model=asked.model,
        transcribing=asked.group(Transcribing),
        options=[*asked.defaults.options, *asked.rest()],
    )


def build_speech(asked: RowFields) -> Call:
    """Return the request of a row that is read aloud."""
    return speak_call(
        model=asked.model,
        text=asked.prompt("input", "text", "prompt"),
        speaking=asked.group(Speaking),
        options=[*asked.defaults.options, *asked.rest()],
    )


def read_speech(call: Call, reply: Reply) -> Iterator[Any]:
    """Read speech to its end; the answer holds it as base64 until it is saved."""
    pieces: list[bytes] = []
    for piece in audio(reply, call.model):
        pieces.append(piece)
        yield []
    content = base64.b64encode(b"".join(pieces)).decode("ascii")
    yield RowAnswer(write({"b64_json": content}), "", None)


def read_pictures(call: Call, reply: Reply) -> Iterator[Any]:
    """Read an answer with pictures; what becomes of them is decided where it can be saved."""
    found = pictures(reply, call.model)
    yield RowAnswer(one_line(found.raw), "", found.usage)


def read_transcript(call: Call, reply: Reply) -> Iterator[Any]:
    """Read a transcript; one that is no JSON object is put into one, as `text`."""
    found = transcript(reply, call.model, asks_json=asks_json(call))
    if found.value is not None:
        yield RowAnswer(one_line(found.raw), found.lines, found.usage)
        return
    text = found.raw.decode("utf-8", "replace")
    yield RowAnswer(write({"text": text}), text, None)


def upload(name: str, field: str, *, whole: bool = False) -> Upload:
    """Return the file that a row's field names; `whole` with all of its content.

    Raises Misfit with the field's name.
    """
    try:
        with os.fdopen(open_regular(name), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEAD_BYTES)
            return Upload(name, name, size, head, head + file.read() if whole else b"")
    except (OSError, ValueError) as failure:
        why = getattr(failure, "strerror", None) or str(failure)
        raise InvalidField(
            field, Text("cannot read {name}: {why}", name=show_name(name), why=why)
        ) from None
