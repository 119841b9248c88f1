"""The message language in the configuration file.

It is asked for when something is about to be said, perhaps that the file is wrong: so
nothing here fails, and a file that does not speak of a language is not parsed.
"""

from __future__ import annotations

from collections.abc import Mapping

from apiyi_cli.core.disk import read_regular
from apiyi_cli.errors import ApiyiError


def find_configured(environ: Mapping[str, str]) -> str | None:
    """Return the file's `language`, None if it has none."""
    from apiyi_cli.settings.paths import config_file

    try:
        path = config_file(environ)
        if b"language" not in read_regular(path):
            return None
        from apiyi_cli.settings.config_file import load

        return load(path).language
    except (ApiyiError, OSError):
        return None
