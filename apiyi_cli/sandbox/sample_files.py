"""The files that the documentation's examples name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from apiyi_cli.sandbox.audio_files import wav
from apiyi_cli.sandbox.drawing import png
from apiyi_cli.sandbox.endpoints.speech import tone

TEXTS = Path(__file__).parent / "samples"
SECONDS = 2.0
SIDE = 128


def sample_files() -> Iterator[tuple[str, bytes]]:
    """Yield each file's path below the folder and its content: texts, a picture, recordings."""
    for path in sorted(TEXTS.iterdir()):
        yield path.name, path.read_bytes()
    yield "photo.png", png(hashlib.sha256(b"photo").digest(), SIDE, SIDE)
    recording = wav(tone(SECONDS))
    for name in ("talk.wav", "calls/monday.wav", "calls/tuesday.wav"):
        yield name, recording


def write_samples(folder: Path) -> Iterator[Path]:
    """Write the missing files, and yield the path of each."""
    for name, content in sample_files():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(content)
        yield path
