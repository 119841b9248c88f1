"""Finds code blocks of a prompt that are still open."""

from __future__ import annotations

import re

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.M)


def has_open_fence(text: str) -> bool:
    """Return True if a fenced block of the text is not closed."""
    opened = ""
    for match in _FENCE.finditer(text):
        fence = match[1]
        if not opened:
            opened = fence
        elif fence[0] == opened[0] and len(fence) >= len(opened):
            opened = ""
    return bool(opened)
