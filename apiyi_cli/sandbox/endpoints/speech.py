"""POST /v1/audio/speech: a tone for wav and pcm, silence that decodes for the packed formats.

The duration follows from the length of the text and the speed.
"""

from __future__ import annotations

import math
from array import array
from base64 import b64encode
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from apiyi_cli.sandbox import checks
from apiyi_cli.sandbox.audio_files import RATE_HZ, aac, flac, mp3, opus, wav
from apiyi_cli.sandbox.endpoints.catalogue import model_of
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.request_summary import tokens
from apiyi_cli.sandbox.scripted_reply import ScriptedReply, invalid

INPUT_MAX_CHARACTERS = 4096
SECONDS_PER_CHARACTER = 0.06
_TONE_HZ = 240
_LOUDNESS = 6000
_DELTA_BYTES = 8192
_FORMATS: dict[str, tuple[str, Callable[[float], bytes]]] = {
    "mp3": ("audio/mpeg", mp3),
    "opus": ("audio/ogg", opus),
    "aac": ("audio/aac", aac),
    "flac": ("audio/flac", flac),
    "wav": ("audio/wav", lambda seconds: wav(tone(seconds))),
    "pcm": ("audio/pcm", lambda seconds: tone(seconds)),
}


def speech(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer with audio bytes, or with its events for `stream_format: sse`."""
    fields = checks.json_fields(request)
    model = model_of(fields, "speak")
    text = checks.require_field(fields, "input")
    if not isinstance(text, str):
        raise invalid("Invalid type for 'input': expected a string", "input", "invalid_type")
    if len(text) > INPUT_MAX_CHARACTERS:
        raise invalid(f"'input' must have at most {INPUT_MAX_CHARACTERS} characters", "input")
    checks.require_field(fields, "voice")
    checks.check_bounds(fields, {"speed": (float, 0.25, 4)})
    form = checks.check_choice(fields, "response_format", *_FORMATS) or "mp3"
    streamed = checks.check_choice(fields, "stream_format", "audio", "sse") == "sse"
    if model.startswith("tts-1") and (streamed or fields.get("instructions")):
        name = "stream_format" if streamed else "instructions"
        raise invalid(f"'{name}' is not supported with this model", name, "unsupported_parameter")
    content_type, make = _FORMATS[form]
    audio = make(seconds_of(text, fields.get("speed") or 1.0))
    if not streamed:
        return ScriptedReply(body=audio, content_type=content_type, tokens=tokens(text))
    return _stream_audio(audio, tokens(text))


def seconds_of(text: str, speed: float) -> float:
    """Return how long a text takes to say, at least a tenth of a second."""
    return max(0.1, len(text) * SECONDS_PER_CHARACTER / speed)


@lru_cache(maxsize=1)
def _period() -> bytes:
    size = RATE_HZ // _TONE_HZ
    wave = (round(_LOUDNESS * math.sin(2 * math.pi * k / size)) for k in range(size))
    samples = array("h", wave)
    if memoryview(array("H", [1])).tobytes()[0] == 0:
        samples.byteswap()
    return samples.tobytes()


def tone(seconds: float) -> bytes:
    """Return 16-bit little-endian mono samples of a steady tone."""
    size = 2 * round(seconds * RATE_HZ)
    period = _period()
    return (period * (size // len(period) + 1))[:size]


def _stream_audio(audio: bytes, input_tokens: int) -> ScriptedReply:
    events: list[dict[str, Any]] = [
        {"type": "speech.audio.delta", "audio": b64encode(audio[at : at + _DELTA_BYTES]).decode()}
        for at in range(0, len(audio), _DELTA_BYTES)
    ]
    usage = {
        "input_tokens": input_tokens,
        "output_tokens": len(events),
        "total_tokens": input_tokens + len(events),
    }
    events.append({"type": "speech.audio.done", "usage": usage})
    return ScriptedReply.sse(*events, named=True, tokens=input_tokens)
