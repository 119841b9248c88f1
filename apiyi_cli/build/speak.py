"""Requests for text to speech."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiyi_cli.build.body import apply_options, describe_unknown_value, option_fields
from apiyi_cli.build.speech_parts import MOST_CHARACTERS
from apiyi_cli.core.call import Call
from apiyi_cli.core.endpoints import SPEAK
from apiyi_cli.core.options.speak import SpeakOptions
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

VOICE = "alloy"
FORMATS = {
    "mp3": "mp3",
    "opus": "opus",
    "ogg": "opus",
    "aac": "aac",
    "flac": "flac",
    "wav": "wav",
    "pcm": "pcm",
}
"""The format for each file extension."""


def speak_call(
    *, model: str, text: str, speak_options: SpeakOptions, options: Sequence[str] | None = None
) -> Call:
    """Return the request, with the default voice if none was given (the API requires one).

    Raises UsageError for a text that is longer than the API takes.
    """
    if len(text) > MOST_CHARACTERS:
        raise UsageError(
            Text("the text is too long to be read in one go"),
            Text(
                "it has {count} characters, the API takes {most_characters}",
                count=len(text),
                most_characters=MOST_CHARACTERS,
            ),
            hint=Text("--split (reads it in parts that end with sentences, and joins them)"),
        )
    body: dict[str, Any] = {
        "model": model,
        "input": text,
        "voice": VOICE,
        **option_fields(speak_options),
    }
    apply_options(body, options)
    notes: tuple[str, ...] = ()
    if (asked := body.get("response_format")) not in (None, *FORMATS.values()):
        notes = (describe_unknown_value("--format", str(asked), FORMATS.values()),)
    if str(model).startswith("tts-1") and "instructions" in body:
        refusal = Text("{model} is known to refuse instructions; sent as asked", model=model)
        notes = (*notes, refusal)
    is_stream = body.get("stream_format") == "sse"
    return SPEAK.call(json=body, stream=is_stream, model=body["model"], notes=notes)
