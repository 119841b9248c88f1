"""Lists every setting of a run with its origin, for `apiyi config list`; never keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from apiyi_cli.settings.defaults import Limits
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.settings.values import configurable_names


class Setting(NamedTuple):
    """One row: a dotted name, its value, its origin."""

    name: str
    value: Any
    origin: str


def list_settings(settings: Settings) -> Iterator[Setting]:
    """Yield settings with a value, in the order of the table."""
    profile = settings.in_profile
    yield Setting("profile", settings.profile, settings.origin("profile"))
    yield Setting("base_urls", list(settings.base_urls), settings.origin("base_urls"))
    if profile.key_command:
        yield Setting("key_command", list(profile.key_command), settings.origin("key_command"))
    if profile.group:
        yield Setting("group", profile.group, settings.origin("group"))
    for name in configurable_names():
        value = settings.value(name)
        if value is not None:
            yield Setting(name, value, settings.origin(name))
    for word, table in profile.commands.items():
        for name, value in table.items():
            yield Setting(f"{word}.{name}", value, settings.origin(f"{word}.{name}"))
    for name in Limits._fields:
        if (value := getattr(settings.limits, name)) is not None:
            yield Setting(f"limits.{name}", value, settings.origin(f"limits.{name}"))
    yield from _list_program(settings)


def _list_program(settings: Settings) -> Iterator[Setting]:
    config = settings.config
    if config.registry_url is not None:
        yield Setting("registry_url", config.registry_url, str(config.path))
    if config.language is not None:
        yield Setting("language", config.language, str(config.path))
    ledger = "default" if config.usage_ledger is None else str(config.path)
    yield Setting("usage_ledger", settings.usage_ledger, ledger)
    for name, model in config.aliases.items():
        yield Setting(f"alias.{name}", model, str(config.path))
    for pattern, fields in config.families.items():
        yield Setting(f'families."{pattern}"', dict(fields), str(config.path))
