"""Rows of the endpoints whose input or output is a file: pictures and recordings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from apiyi_cli.batch.asked import Answer, Asked, Misfit
from apiyi_cli.build.image import image_call
from apiyi_cli.build.transcribe import MOST_BYTES, transcribe_call
from apiyi_cli.build.upload import Upload
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.filetypes import HEAD_BYTES
from apiyi_cli.core.groups import Imaging, Transcribing
from apiyi_cli.core.jsontext import one_line, write
from apiyi_cli.decode.image import pictures
from apiyi_cli.decode.transcribe import transcript
from apiyi_cli.text import Text, system_reason

_URLS = ("https://", "http://", "data:")


def image_row(asked: Asked) -> Call:
    """Return the request of a row that draws, or edits the pictures that it names."""
    vary = bool(asked.take("vary"))
    given = asked.take("input") or []
    names = given if isinstance(given, list) else [given]
    mask = asked.text("mask")
    prompt = asked.text("prompt")
    if prompt is None and not vary:
        raise Misfit("", Text("the row has no prompt"))
    imaging = asked.group(Imaging).replace(vary=vary or None)
    return image_call(
        model=asked.model,
        prompt=prompt,
        imaging=imaging,
        inputs=[name if name.startswith(_URLS) else upload(name, whole=True) for name in names],
        mask=None if mask is None else upload(mask),
        options=[*asked.defaults.options, *asked.rest()],
    )


def transcribe_row(asked: Asked) -> Call:
    """Return the request of a row that names a recording."""
    recording = upload(asked.prompt("file"))
    recording.checked_size(MOST_BYTES, Text("apiyi transcribe --split cuts it at silences"))
    return transcribe_call(
        recording,
        model=asked.model,
        transcribing=asked.group(Transcribing),
        options=[*asked.defaults.options, *asked.rest()],
    )


def read_pictures(call: Call, reply: Reply) -> Iterator[Any]:
    """Read an answer with pictures; what becomes of them is decided where it can be saved."""
    found = pictures(reply, call.model)
    yield Answer(one_line(found.raw), "", found.usage)


def read_transcript(call: Call, reply: Reply) -> Iterator[Any]:
    """Read a transcript; one that is no JSON object is put into one, as `text`."""
    found = transcript(reply, call.model)
    if found.value is not None:
        yield Answer(one_line(found.raw), found.lines, found.usage)
        return
    text = found.raw.decode("utf-8", "replace")
    yield Answer(write({"text": text}), text, None)


def upload(name: str, *, whole: bool = False) -> Upload:
    """Return a file that a row names; `whole` with all of its content. Raises Misfit."""
    try:
        with open(name, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEAD_BYTES)
            return Upload(name, name, size, head, head + file.read() if whole else b"")
    except OSError as failure:
        raise Misfit(
            "", Text("cannot read {name}: {reason}", name=name, reason=system_reason(failure))
        ) from None
