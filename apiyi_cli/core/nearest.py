"""Finds the known word that a mistyped one probably means, for "did you mean"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

FOREIGN_WORDS: Mapping[str, str] = {
    "ask": "chat",
    "prompt": "chat",
    "run": "chat",
    "repl": "chat",
    "gpt": "chat",
    "completions": "complete",
    "response": "respond",
    "embedding": "embed",
    "embeddings": "embed",
    "embed-multi": "embed",
    "similar": "rank",
    "search": "rank",
    "rerank": "rank",
    "sort": "rank",
    "draw": "image",
    "edit": "image",
    "generate": "image",
    "images": "image",
    "img": "image",
    "picture": "image",
    "vary": "image",
    "film": "video",
    "videos": "video",
    "audio": "transcribe",
    "stt": "transcribe",
    "whisper": "transcribe",
    "translate": "transcribe --translate",
    "say": "speak",
    "speech": "speak",
    "tts": "speak",
    "moderation": "api POST moderations",
    "moderations": "api POST moderations",
    "batches": "batch",
    "curl": "api",
    "request": "api",
    "raw": "api",
    "model": "models",
    "list": "models",
    "ls": "models",
    "pricing": "models --update",
    "prices": "models --update",
    "login": "auth login",
    "logout": "auth logout",
    "whoami": "auth status",
    "key": "auth status",
    "keys": "auth status",
    "set-key": "auth login",
    "show": "auth status",
    "clear": "auth logout",
    "status": "doctor",
    "init": "auth login",
    "setup": "auth login",
    "configure": "auth login",
    "settings": "config",
    "test": "doctor",
    "diagnose": "doctor",
    "ping": "doctor --brief",
    "mock": "sandbox",
    "serve": "sandbox",
    "server": "sandbox",
    "history": "session",
    "sessions": "session",
    "logs": "session",
    "log": "session",
    "cost": "usage",
    "stats": "usage",
    "quota": "balance",
    "credit": "balance",
    "credits": "balance",
    "man": "help",
    "version": "--version",
    "--api-key": "--key-file",
    "--key": "--key-file",
    "--token": "--key-file",
    "--api-base": "--base-url",
    "--api": "--base-url",
    "--endpoint": "--base-url",
    "--host": "--base-url",
    "--url": "--base-url",
    "--http-proxy": "--proxy",
    "--system-prompt": "--system",
    "--role": "--system",
    "--instruction": "--system",
    "--temp": "--temperature",
    "--topp": "--top-p",
    "--max-completion-tokens": "--max-tokens",
    "--max-length": "--max-tokens",
    "--thinking": "--reasoning-effort",
    "--reasoning": "--reasoning-effort",
    "--no-md": "--no-markdown",
    "--md": "--markdown",
    "--raw": "--no-markdown",
    "--plain": "--no-markdown",
    "--no-reasoning": "--hide-reasoning",
    "--suppress-think": "--hide-reasoning",
    "--cid": "--session",
    "--conversation": "--session",
    "--pattern": "--template",
    "--variable": "--param",
    "--var": "--param",
    "--editor": "--edit",
    "--fragment": "--file",
    "--input-file": "--file",
    "--image": "--attach",
    "--attachment": "--attach",
    "--json-schema": "--schema",
    "--response-format": "--json-mode",
    "--functions": "--tool",
    "--function": "--tool",
    "--transform": "--jq",
    "--query": "--jq",
    "--filter": "--jq",
    "--jsonl": "--ndjson",
    "--out": "--output",
    "--output-file": "--output",
    "--image-file": "--output",
    "--image-size": "--size",
    "--image-quality": "--quality",
    "--number": "--n",
    "--concurrency": "--jobs",
    "--parallel": "--jobs",
    "--workers": "--jobs",
    "--threads": "--jobs",
    "--max-retries": "--retries",
    "--retry": "--retries",
    "--debug": "--verbose",
    "--silent": "--quiet",
    "--overwrite": "--force",
    "--budget": "--max-cost",
    "--curl": "--code",
    "--lang": "--language",
    "--format-as": "--format",
}
"""Words of other tools, and our words for them."""


def find_nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that this one probably means, None if there is none."""
    return next(iter(find_several(word, known, 1)), None)


def find_several(word: str, known: Iterable[str], most: int) -> list[str]:
    """Return the known words that this one may mean, most likely first.

    Our own word for one of another tool comes before all; case and `_` for `-` do not matter.
    """
    # Imported here: 0.5 ms that no run without a mistake needs.
    from difflib import get_close_matches

    by_plain = {_plain(item): item for item in known}
    plain = _plain(word)
    ours = FOREIGN_WORDS.get(plain, "")
    # A word may stand for a command with its subcommand or an option.
    is_ours = ours.partition(" ")[0] in by_plain or ours == "--version"
    near = [ours] if is_ours else []
    near += get_close_matches(plain, by_plain, most)
    return [by_plain.get(name, name) for name in dict.fromkeys(near)][:most]


def _plain(word: str) -> str:
    return word.lower().replace("_", "-")
