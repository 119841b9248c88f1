"""The sandbox's film: two seconds of colours, 160 x 96, H.264, made with ffmpeg."""

from __future__ import annotations

import struct
from pathlib import Path


def make_movie(prompt: str) -> bytes:
    """Return an MP4 file that players show; its last box has the prompt."""
    words = f"[sandbox] {prompt}".encode()
    free_box = struct.pack(">I", len(words) + 8) + b"free" + words
    return Path(__file__).with_name("film.mp4").read_bytes() + free_box
