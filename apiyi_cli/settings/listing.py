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
    profile, config = settings.in_profile, settings.config
    yield Setting("profile", settings.profile, settings.origin("profile"))
    yield Setting("base_urls", list(settings.base_urls), settings.origin("base_urls"))
    if profile.key_command:
        yield Setting("key_command", list(profile.key_command), settings.origin("key_command"))
    values: dict[str, Any] = {"group": profile.group}
    values |= {name: settings.value(name) for name in configurable_names()}
    for word, table in profile.commands.items():
        values |= {f"{word}.{name}": value for name, value in table.items()}
    values |= {f"limits.{name}": getattr(settings.limits, name) for name in Limits._fields}
    for name, value in values.items():
        if value is not None:
            yield Setting(name, value, settings.origin(name))
    program = {"registry_url": config.registry_url, "language": config.language}
    path = str(config.path)
    yield from (Setting(name, value, path) for name, value in program.items() if value is not None)
    ledger = "default" if config.usage_ledger is None else path
    yield Setting("usage_ledger", settings.usage_ledger, ledger)
    yield from (Setting(f"alias.{name}", model, path) for name, model in config.aliases.items())
    for pattern, fields in config.families.items():
        yield Setting(f'families."{pattern}"', dict(fields), path)
