""" "Did you mean …?": the known word that was probably meant by one that is not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

FOREIGN_WORDS: Mapping[str, str] = {
    "ask": "chat",
    "prompt": "chat",
    "completions": "complete",
    "responses": "respond",
    "embedding": "embed",
    "embeddings": "embed",
    "draw": "image",
    "images": "image",
    "stt": "transcribe",
    "whisper": "transcribe",
    "say": "speak",
    "tts": "speak",
    "login": "auth",
    "logout": "auth",
    "key": "auth",
    "keys": "auth",
    "settings": "config",
    "check": "doctor",
    "mock": "sandbox",
    "serve": "sandbox",
    "history": "session",
    "sessions": "session",
    "cost": "usage",
    "--api-key": "--key-file",
    "--key": "--key-file",
    "--api-base": "--base-url",
    "--endpoint": "--base-url",
    "--url": "--base-url",
    "--system-prompt": "--system",
    "--max-completion-tokens": "--max-tokens",
    "--effort": "--reasoning-effort",
    "--json-schema": "--schema",
    "--attachment": "--attach",
    "--out": "--output",
    "--concurrency": "--jobs",
    "--parallel": "--jobs",
    "--workers": "--jobs",
}
"""What users of other tools type, and our word for it."""


def find_nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant by this one, None without any."""
    return next(iter(find_several(word, known, 1)), None)


def find_several(word: str, known: Iterable[str], most: int) -> list[str]:
    """Return the known words that may be meant, the likeliest first.

    Our own word for one of another tool comes before all; case and `_` for `-` do not matter.
    """
    # Imported here: 0.5 ms that no run without a mistake needs.
    from difflib import get_close_matches

    by_plain = {_plain(item): item for item in known}
    plain = _plain(word)
    ours = FOREIGN_WORDS.get(plain, "")
    near = [ours] if ours in by_plain else []
    near += get_close_matches(plain, by_plain, most)
    return [by_plain[name] for name in dict.fromkeys(near)][:most]


def _plain(word: str) -> str:
    return word.lower().replace("_", "-")
