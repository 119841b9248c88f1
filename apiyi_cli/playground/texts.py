"""The page's texts that are not from the option table.

The scripts of the page name them in English; `make messages` collects them from there.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

_PAGE_FILES: Final = Path(__file__).parent / "page"
_WORD: Final = re.compile(r"\b(?:t|word)\('((?:[^'\\]|\\.)*)'")


def find_words(script: str) -> list[str]:
    """Return the texts that a script of the page shows: `t('…')`, and `word('…')` for later."""
    return [text.replace("\\'", "'") for text in _WORD.findall(script)]


@cache
def page_words() -> frozenset[str]:
    """Return the texts of all scripts of the page."""
    scripts = (path.read_text("utf-8") for path in _PAGE_FILES.glob("*.js"))
    return frozenset(word for script in scripts for word in find_words(script))
