"""The user's language, and translation into it.

English costs nothing: only strings are compared until Chinese is asked for. The Chinese
messages are a gettext catalogue, read by the standard library.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from apiyi_cli.text import Text

Translate = Callable[[str], str]
"""Translates a message into the user's language; a plain str is returned unchanged."""

LOCALE = Path(__file__).parents[1] / "locale"
DOMAIN = "apiyi"
CHINESE = "zh_CN"
_LANG_CHINESE = 0x04


def chinese(environ: Mapping[str, str], configured: str | None = None) -> bool:
    """Return True if messages are shown in Chinese.

    `APIYI_LANG` decides where it is set, then what is `configured`, then the locale as gettext
    reads it: the first of LC_ALL, LC_MESSAGES and LANG that is set, which LANGUAGE overrides
    unless that is C. On Windows, where none is set, the language of the user's menus decides.
    """
    if own := environ.get("APIYI_LANG") or configured:
        return _is_chinese(own)
    named = (environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, named), "C" if os.name != "nt" else _find_windows_language())
    if locale == "POSIX" or locale.split(".")[0] == "C":
        return False
    return _is_chinese(environ.get("LANGUAGE", "").split(":")[0] or locale)


def translator(environ: Mapping[str, str], configured: str | None = None) -> Translate:
    """Return the translator into the user's language; see `chinese`."""
    return to_chinese() if chinese(environ, configured) else as_is


def as_is(text: str) -> str:
    """Return the text unchanged: the translator into English."""
    return text


@cache
def to_chinese() -> Translate:
    """Return the translator into Chinese; without a catalogue messages stay English."""
    import gettext

    try:
        catalogue = gettext.translation(DOMAIN, LOCALE, [CHINESE])
    except OSError:
        return as_is
    return translate_by(catalogue.gettext)


def translate_by(lookup: Callable[[str], str]) -> Translate:
    """Return a translator of a Text by its template, and of values that are Texts."""

    def translate(text: str) -> str:
        if not isinstance(text, Text) or not text:
            return text
        template = lookup(text.template)
        if not text.values:
            return template
        values = {
            name: translate(value) if isinstance(value, Text) else value
            for name, value in text.values.items()
        }
        return template.format_map(values)

    return translate


def _find_windows_language() -> str:
    """Return the locale of the Windows user's interface, such as zh-CN."""
    import ctypes

    return read_windows_language(ctypes.windll.kernel32)  # type: ignore[attr-defined]


def read_windows_language(kernel: Any) -> str:
    """Return zh if the user's menus are Chinese, else C; `kernel` is kernel32.

    The lower ten bits of a language number are the language without its region.
    """
    return "zh" if kernel.GetUserDefaultUILanguage() & 0x3FF == _LANG_CHINESE else "C"


def _is_chinese(locale: str) -> bool:
    return locale.lower().startswith("zh")
