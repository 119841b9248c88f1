"""Finds the known word that a mistyped one probably means, for "did you mean"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_WORDS_OF_OTHERS: Mapping[str, str] = {
    "chat": "ask prompt run repl gpt",
    "complete": "completions",
    "respond": "response",
    "embed": "embedding embeddings embed-multi",
    "rank": "similar search rerank sort",
    "image": "draw edit generate images img picture vary",
    "video": "film videos",
    "transcribe": "audio stt whisper",
    "transcribe --translate": "translate",
    "speak": "say speech tts",
    "api POST moderations": "moderation moderations",
    "batch": "batches",
    "api": "curl request raw",
    "models": "model list ls",
    "models --update": "pricing prices",
    "auth login": "login set-key init setup configure",
    "auth logout": "logout clear",
    "auth status": "whoami key keys show",
    "doctor": "status test diagnose",
    "config": "settings",
    "doctor --brief": "ping",
    "sandbox": "mock serve server",
    "session": "history sessions logs log",
    "usage": "cost stats",
    "balance": "quota credit credits",
    "help": "man",
    "--version": "version",
    "--key-file": "--api-key --key --token",
    "--base-url": "--api-base --api --endpoint --host --url",
    "--proxy": "--http-proxy",
    "--system": "--system-prompt --role --instruction",
    "--temperature": "--temp",
    "--top-p": "--topp",
    "--max-tokens": "--max-completion-tokens --max-length",
    "--reasoning-effort": "--thinking --reasoning",
    "--no-markdown": "--no-md --raw --plain",
    "--markdown": "--md",
    "--hide-reasoning": "--no-reasoning --suppress-think",
    "--session": "--cid --conversation",
    "--template": "--pattern",
    "--param": "--variable --var",
    "--edit": "--editor",
    "--file": "--fragment --input-file",
    "--attach": "--image --attachment",
    "--schema": "--json-schema",
    "--json-mode": "--response-format",
    "--tool": "--functions --function",
    "--jq": "--transform --query --filter",
    "--ndjson": "--jsonl",
    "--output": "--out --output-file --image-file",
    "--size": "--image-size",
    "--quality": "--image-quality",
    "--n": "--number",
    "--jobs": "--concurrency --parallel --workers --threads",
    "--retries": "--max-retries --retry",
    "--verbose": "--debug",
    "--quiet": "--silent",
    "--force": "--overwrite",
    "--max-cost": "--budget",
    "--code": "--curl",
    "--language": "--lang",
    "--format": "--format-as",
}
"""Our words, and those that other tools have for the same."""

FOREIGN_WORDS: Mapping[str, str] = {
    foreign: own for own, words in _WORDS_OF_OTHERS.items() for foreign in words.split()
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
