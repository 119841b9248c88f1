"""Which language a person reads: English, or Chinese where the environment asks for it.

Only strings are compared here, so that English costs nothing; the messages themselves are
`core.catalogue`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Translate = Callable[[str], str]


def chinese(environ: Mapping[str, str], configured: str | None = None) -> bool:
    """Tell whether people are spoken to in Chinese.

    `APIYI_LANG` decides where it is set, then what is `configured`, then the locale as gettext
    reads it: the first of LC_ALL, LC_MESSAGES and LANG that is set, which LANGUAGE overrides
    unless that is C.
    """
    if own := environ.get("APIYI_LANG") or configured:
        return _is_chinese(own)
    named = (environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, named), "C")
    if locale == "POSIX" or locale.split(".")[0] == "C":
        return False
    return _is_chinese(environ.get("LANGUAGE", "").split(":")[0] or locale)


def translator(environ: Mapping[str, str], configured: str | None = None) -> Translate:
    """Return what puts a message into the language of the user; see `chinese`."""
    if not chinese(environ, configured):
        return as_is
    from apiyi_cli.core.catalogue import installed

    return installed().translate


def as_is(text: str) -> str:
    """Return the text: what translates into English."""
    return text


def _is_chinese(locale: str) -> bool:
    return locale.lower().startswith("zh")
