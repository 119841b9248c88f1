"""Reads the key files of the vendor's own tools: last in order, never written.

They count only if no other user can read them, and only for the gateway's own hosts.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from apiyi_cli.core.disk import open_regular
from apiyi_cli.core.hosts import bare_host
from apiyi_cli.core.jsontext import read_strict
from apiyi_cli.core.secret import Secret
from apiyi_cli.settings.resolve import Settings

MOST_FILE_BYTES: Final = 1 << 20
VENDOR_FILES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    ".config/apiyi/config.json": {"key": ("apiKey",), "system_token": ("systemToken",)},
    ".openclaw/openclaw.json": {"key": ("skills", "entries", "apiyi", "apiKey")},
}
"""The files below the home folder, and the place of each secret in them."""


def find_in_vendor_files(
    settings: Settings, what: str, *, only: Path | None = None
) -> Secret | None:
    """Return the `key` or `system_token` of the first file that has it, None without any."""
    if not is_for_gateway(settings.base_urls):
        return None
    for path, places in list_vendor_files(settings.environ):
        is_asked = what in places and only in (None, path)
        value: Any = _read(path) if is_asked else None
        for name in places.get(what, ()):
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, str) and value.strip():
            return Secret(value, str(path))
    return None


def list_vendor_files(
    environ: Mapping[str, str],
) -> Iterator[tuple[Path, Mapping[str, tuple[str, ...]]]]:
    """Yield each file that may exist, with the places of its secrets."""
    home = environ.get("HOME") or environ.get("USERPROFILE") or ""
    if Path(home).is_absolute():
        for name, places in VENDOR_FILES.items():
            yield Path(home, name), places


def is_for_gateway(base_urls: Sequence[str]) -> bool:
    """Return True if all addresses are hosts of the gateway, over https."""
    parts = [urlsplit(url) for url in base_urls]
    hosts = [bare_host(part.hostname or "") for part in parts]
    return bool(parts) and all(
        part.scheme == "https" and (host == "apiyi.com" or host.endswith(".apiyi.com"))
        for part, host in zip(parts, hosts, strict=True)
    )


def _read(path: Path) -> Any:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            status = os.fstat(file.fileno())
            if not _is_private(status) or status.st_size > MOST_FILE_BYTES:
                return None
            return read_strict(file.read(MOST_FILE_BYTES))
    except (OSError, ValueError):
        # A file of another program: whatever it is, it is not an error of ours.
        return None


def _is_private(status: os.stat_result) -> bool:
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o077
