"""Every multipart request fits the official schema: names, values, and files where files belong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.audio_files import wav
from apiyi_cli.sandbox.drawing import png
from apiyi_cli.sandbox.endpoints.speech import tone
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

SCHEMAS = Path(__file__).parents[3] / "shared" / "reference" / "openai-request-schemas.json"
pytestmark = pytest.mark.skipif(not SCHEMAS.exists(), reason="the schemas are not here")

LINES = [
    "image hat -i a.png -m gpt-image-1 --quality high --background transparent --n 2 --size auto"
    " --output-format webp --output-compression 7 -O input_fidelity=high -O user=ann",
    "image hat -i a.png -i b.png --mask a.png -m gpt-image-1 -O partial_images=1 -O stream=true",
    "image --vary -i a.png -m dall-e-2 --n 3 --size 256x256",
    "transcribe a.wav -m whisper-1 --language de --prompt x --temperature 0.25 --format srt",
    "transcribe a.wav -m whisper-1 --timestamps word,segment",
    "transcribe a.wav -m gpt-4o-transcribe --stream -O include='[\"logprobs\"]'",
    "transcribe a.wav -m gpt-4o-transcribe-diarize --diarize",
    "transcribe a.wav -m whisper-1 --translate --prompt x --temperature 0 --format verbose_json",
]


def value_of(request: ReceivedRequest) -> dict[str, Any]:
    """Return a form as the object that the schema describes."""
    found: dict[str, Any] = {}
    for part in request.parts:
        value: Any = "file" if part.filename else part.text
        if part.name in ("n", "temperature", "stream", "output_compression", "partial_images"):
            value = json.loads(value)
        if part.name.endswith("[]"):
            found.setdefault(part.name.removesuffix("[]"), []).append(value)
        else:
            assert part.name not in found, f"{part.name} twice"
            found[part.name] = value
    return found


@pytest.mark.parametrize("line", LINES)
def test_a_form_fits_the_official_schema(apiyi: Program, gateway: Gateway, line: str) -> None:
    import jsonschema

    for name in ("a.png", "b.png"):
        (apiyi.work / name).write_bytes(png(name.encode() * 32, 16, 16))
    (apiyi.work / "a.wav").write_bytes(wav(tone(0.2)))
    ran = apiyi(line)
    assert ran.code == 0, ran.err
    (request,) = gateway.posts
    known = json.loads(SCHEMAS.read_bytes())
    schema = {**known["requests"][request.path], "components": known["components"]}
    form = value_of(request)
    errors = list(jsonschema.Draft202012Validator(schema).iter_errors(form))
    assert errors == []
    whole = schema
    while "$ref" in whole:
        whole = known["components"]["schemas"][whole["$ref"].rpartition("/")[2]]
    assert form.keys() <= whole["properties"].keys()
    for part in request.parts:
        described = json.dumps(whole["properties"][part.name.removesuffix("[]")])
        assert ("binary" in described) is (part.filename is not None), part.name
