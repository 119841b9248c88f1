"""Looks up the value of an option and its origin: flag, environment, profile, default.

Nothing is read before a value asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

from apiyi_cli.core.families import OTHER_COMMANDS
from apiyi_cli.core.options import Flag, Group, list_given
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.errors import SetupError
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.settings.defaults import (
    BUILT_IN,
    DEFAULTS,
    Config,
    Profile,
    default_of,
    is_profile_name,
    unknown_profile,
)
from apiyi_cli.settings.paths import config_file
from apiyi_cli.settings.values import InvalidValue, convert_value, find_options, parse_value
from apiyi_cli.text import Text

G = TypeVar("G", bound=Group)

# A flag of such a set turns the others off, whatever the profile says.
_RIVALS = (
    frozenset(("json", "ndjson")),
    frozenset(("quiet", "verbose")),
    frozenset(("cache", "no_cache")),
    frozenset(("schema", "json_mode")),
)


class Resolved(PlainValue):
    """A value and its origin."""

    value: Any
    origin: str


NOT_SET = Resolved(None, Text("not set"))


class OptionLookup:
    """The values of one run, looked up lazily.

    `flags` are the option groups as the command line filled them. Values are found in the
    order flag, environment, profile, default (which may be the `command`'s own); an empty
    variable counts as unset. Broken configuration raises SetupError from whatever first needs
    the file.
    """

    def __init__(
        self, *flags: Group, environ: Mapping[str, str] | None = None, command: str | None = None
    ) -> None:
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self._command = command
        self._tables: tuple[str, ...] = (command,) if command else ()
        self._flags: dict[str, tuple[Flag, Any]] = {
            option.name: (option, value) for option, value in list_given(*flags)
        }

    @property
    def config_path(self) -> Path:
        """Return the configuration file's path; the file may not exist."""
        return config_file(self.environ)

    @cached_property
    def config(self) -> Config:
        """Return the configuration file, read once; raises SetupError."""
        path, required = self.config_path, bool(self.environ.get("APIYI_CONFIG"))
        try:
            os.stat(path)
        except FileNotFoundError:
            if not required:
                return Config(path)
        except OSError:
            pass
        from apiyi_cli.settings.config_file import load

        return load(path, required=required)

    @property
    def profile(self) -> str:
        """Return the name of the current profile, which may not exist: see `in_profile`."""
        return str(self._resolved_profile.value)

    @property
    def sandbox(self) -> bool:
        """Return True if the built-in offline gateway answers this run."""
        return self.profile == "sandbox"

    @cached_property
    def in_profile(self) -> Profile:
        """Return the current profile's values in the file; raises SetupError if unknown."""
        name = self.profile
        built_in = BUILT_IN.get(name)
        own = self.config.profiles.get(name)
        if own is None:
            if built_in is None:
                raise unknown_profile(name, self.profiles)
            return built_in
        if built_in is None:
            return own
        tables = {
            word: {**built_in.commands.get(word, {}), **own.commands.get(word, {})}
            for word in {**built_in.commands, **own.commands}
        }
        return own._replace(options={**built_in.options, **own.options}, commands=tables)

    @property
    def profiles(self) -> tuple[str, ...]:
        """Return the names of all profiles, the built-in ones first."""
        return tuple(dict.fromkeys((*BUILT_IN, *self.config.profiles)))

    def fill(self, group: G, *, defaults: bool = True) -> G:
        """Return the group with every option filled that has a value.

        The group's own values are flags and stay. Without `defaults` only what the user
        gave is filled, by flag, environment or profile.
        """
        values: dict[str, Any] = {}
        for option in group.flags.values():
            own = getattr(group, option.name)
            resolved = self._find(option) if own is None else Resolved(own, "flag")
            is_default = resolved.origin == "default"
            values[option.name] = None if is_default and not defaults else resolved.value
        for rivals in _RIVALS:
            flags = [name for name in rivals if getattr(group, name, None) is not None]
            for name in rivals & values.keys() if flags else ():
                values[name] = getattr(group, name)
        return type(group)(**values)

    def for_rows(self, command: str) -> Self:
        """Return the values for a batch's rows of this command.

        The batch's own table of the profile counts before the command's.
        """
        view = copy(self)
        view._tables = (*self._tables, command)
        return view

    @property
    def _is_text(self) -> bool:
        """Return False for commands that do not use the model chosen for text."""
        return not self._tables or self._tables[-1] not in OTHER_COMMANDS

    def value(self, name: str) -> Any:
        """Return an option's value; KeyError if the table does not have it."""
        return self._find_named(name).value

    def origin(self, name: str) -> str:
        """Return the origin of a value: an option, `image.model`, `key_command`.

        The texts are `flag --model`, `environment APIYI_MODEL`, `profile work in PATH`,
        `default` and `not set`.
        """
        table, dot, inner = name.partition(".")
        if dot:
            return self._table_text(table, inner)
        if name in ("key_command", "group"):
            return self._profile_text(self.profile)
        return self._find_named(name).origin

    @cached_property
    def _resolved_profile(self) -> Resolved:
        option = Connection.flags["profile"]
        resolved = self._flag(option) or self._variable(option)
        if resolved is None:
            return Resolved(DEFAULTS["profile"], "default")
        if not is_profile_name(resolved.value):
            raise unknown_profile(resolved.value, self.profiles)
        return resolved

    def _find_named(self, name: str) -> Resolved:
        candidates = find_options(name)
        if not candidates:
            raise KeyError(name)
        resolved = map(self._find, candidates)
        return next((value for value in resolved if value is not NOT_SET), NOT_SET)

    def _find(self, option: Flag) -> Resolved:
        if option.name == "profile":
            return self._resolved_profile
        resolved = self._flag(option) or self._variable(option) or self._in_profile(option)
        if resolved is None and (value := default_of(option.name, self._command)) is not None:
            resolved = Resolved(value, "default")
        return resolved or NOT_SET

    def _flag(self, option: Flag) -> Resolved | None:
        if option.name not in self._flags:
            return None
        declared_as, value = self._flags[option.name]
        spelled = declared_as.long
        for name in declared_as.names if value is False else ():
            spelled = name.split("/")[-1]
        return Resolved(value, Text("flag {spelled}", spelled=spelled))

    def _variable(self, option: Flag) -> Resolved | None:
        name = option.envvar
        if option.name == "model" and not self._is_text:
            return None
        if not name or not (text := self.environ.get(name)):
            return None
        try:
            return Resolved(parse_value(option, text), Text("environment {name}", name=name))
        except InvalidValue as unfit:
            raise SetupError(Text("environment {name}", name=name), str(unfit)) from unfit

    def _in_profile(self, option: Flag) -> Resolved | None:
        profile = self.in_profile
        if (resolved := self._in_tables(option, profile)) is not None:
            return resolved
        if option.name in ("rpm", "tpm"):
            value = profile.limits.get(option.name)
        elif option.name == "model" and not self._is_text:
            return None
        elif option.config:
            value = profile.options.get(option.name)
        else:
            return None
        if value is None:
            return None
        try:
            return Resolved(convert_value(option, value), self._option_text(option.name))
        except InvalidValue:
            # Another command has an option of the same name, and the value is meant for it.
            return None

    def _in_tables(self, option: Flag, profile: Profile) -> Resolved | None:
        for word in self._tables:
            value = profile.commands.get(word, {}).get(option.name)
            if value is None or not option.config:
                continue
            try:
                return Resolved(convert_value(option, value), self._table_text(word, option.name))
            except InvalidValue:
                continue
        return None

    def _table_text(self, word: str, name: str) -> str:
        own = self.config.profiles.get(self.profile)
        is_own = own is not None and name in own.commands.get(word, {})
        return self._profile_text(f"{self.profile}.{word}", is_own=is_own)

    def _option_text(self, name: str) -> str:
        own = self.config.profiles.get(self.profile)
        is_own = own is not None and (name in own.options or name in own.limits)
        return self._profile_text(self.profile, is_own=is_own)

    def _profile_text(self, place: str, *, is_own: bool = True) -> str:
        if not is_own:
            return Text("profile {profile}, built in", profile=place)
        path = self.config_path
        return Text("profile {profile} in {config_path}", profile=place, config_path=path)
