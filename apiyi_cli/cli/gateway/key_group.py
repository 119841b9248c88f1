"""The group (分组) of a profile's key, by the profile or the key's log."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from apiyi_cli.core.disk import read_regular
from apiyi_cli.errors import SetupError
from apiyi_cli.settings.paths import cache_dir, private_dir, private_write

if TYPE_CHECKING:
    from apiyi_cli.decode.account import Charge
    from apiyi_cli.settings.resolve import Settings


def find_group(settings: Settings) -> str | None:
    """Return the key's group, None if neither profile nor log names it."""
    own = settings.in_profile.group
    if own is not None:
        return own
    with suppress(OSError, UnicodeDecodeError):
        return read_regular(_group_file(settings)).decode().strip() or None
    return None


def keep_group(settings: Settings, charges: Sequence[Charge]) -> str | None:
    """Keep and return the group that the key's newest charge names, or None."""
    newest = max(charges, key=lambda charge: charge.created_at, default=None)
    if newest is None or not newest.group:
        return None
    path = _group_file(settings)
    # What cannot be kept is asked for again.
    with suppress(OSError, ValueError, SetupError):
        private_dir(path.parent)
        private_write(path, newest.group.encode())
    return newest.group


def _group_file(settings: Settings) -> Path:
    return cache_dir(settings.environ) / "groups" / settings.profile
