"""What `config.toml` holds: profiles, model families, and a few settings of the program.

`settings.config_file` reads and checks the file, `settings.edit` changes it; which value wins
over which is `settings.resolve`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

_EMPTY: Mapping[str, Any] = MappingProxyType({})


class Profile(NamedTuple):
    """One `[profile.NAME]`: only what the file says, nothing filled in.

    `options` has the values of the option table by name; `limits` the table of that name;
    `commands` the like of `options` for single commands, which count before. `group` is the
    key's group at the gateway, whose prices its estimates are made with.
    """

    name: str
    base_urls: tuple[str, ...] = ()
    key_command: tuple[str, ...] = ()
    options: Mapping[str, Any] = _EMPTY
    limits: Mapping[str, Any] = _EMPTY
    commands: Mapping[str, Mapping[str, Any]] = _EMPTY
    group: str | None = None


class Config(NamedTuple):
    """The whole file; an absent one is the same as an empty one."""

    path: Path
    profiles: Mapping[str, Profile] = _EMPTY
    families: Mapping[str, Mapping[str, Any]] = {}
    language: str | None = None
    usage_ledger: bool | None = None


BUILT_IN: Mapping[str, Profile] = {
    "default": Profile("default"),
    "sandbox": Profile(
        "sandbox",
        options={"model": "sandbox-1"},
        commands={
            "embed": {"model": "sandbox-embed-1"},
            "image": {"model": "sandbox-image-1"},
            "transcribe": {"model": "sandbox-transcribe-1"},
            "speak": {"model": "sandbox-speak-1"},
            "rank": {"model": "sandbox-rank-1"},
        },
    ),
}
"""The profiles that need no file."""


def is_profile_name(name: str) -> bool:
    """Return True if a profile may have this name: a keyring user and a word to type."""
    rest = name.replace("-", "").replace(".", "").replace("_", "")
    return rest.isalnum() and len(name) <= 64 and name[0] not in "-."
