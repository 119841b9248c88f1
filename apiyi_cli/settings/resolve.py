"""`Settings`: every value of one run with its origin: flag, environment, profile, default.

The defaults are in `settings.defaults`. Nothing is read before a value asks for it. The key
is no setting; `settings.secrets` finds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from apiyi_cli.core.families import OTHER_COMMANDS, Overrides
from apiyi_cli.core.options import Flag, Group, given
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.settings.base_url import normal_base_url
from apiyi_cli.settings.config import (
    STORES,
    Config,
    Profile,
    is_profile_name,
    load,
    nearest,
)
from apiyi_cli.settings.defaults import (
    BASE_URLS,
    DEFAULTS,
    LIMITS,
    TIMEOUTS,
    Limits,
    Timeouts,
    default_of,
)
from apiyi_cli.settings.paths import config_file
from apiyi_cli.settings.values import Unfit, fitted, loaded_options, parsed
from apiyi_cli.text import Text

G = TypeVar("G", bound=Group)


STORE_VARIABLE = "APIYI_LIMITS_STORE"

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

# Setting one of these by flag says no to the others, whatever the profile holds.
_RIVALS = (
    frozenset(("json", "ndjson")),
    frozenset(("quiet", "verbose")),
    frozenset(("cache", "no_cache")),
    frozenset(("schema", "json_mode")),
)


class Setting(NamedTuple):
    """One row of `config list`: a dotted name, its value, where it comes from."""

    name: str
    value: Any
    origin: str


class _Found(NamedTuple):
    value: Any
    origin: str


_NOTHING = _Found(None, Text("not set"))


class Settings:
    """The values of one run, looked up lazily.

    `flags` are the option groups as the command line filled them. Values are found in the
    order flag, environment, profile, default (which may be the `command`'s own); an empty
    variable counts as unset. Broken configuration raises SetupError from whatever first needs
    the file.
    """

    def __init__(
        self,
        *flags: Group,
        environ: Mapping[str, str] | None = None,
        command: str | None = None,
    ) -> None:
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self._command = command
        self._tables: tuple[str, ...] = (command,) if command else ()
        self._flags: dict[str, tuple[Flag, Any]] = {
            one.name: (one, value) for one, value in given(*flags)
        }

    @property
    def config_path(self) -> Path:
        """Return where the configuration is, whether or not the file exists."""
        return config_file(self.environ)

    @cached_property
    def config(self) -> Config:
        """Return the configuration file, read once; raises SetupError."""
        return load(self.config_path, required=bool(self.environ.get("APIYI_CONFIG")))

    @property
    def profile(self) -> str:
        """Return the name of the profile in use, which may not exist: see `in_profile`."""
        return str(self._profile_found.value)

    @property
    def sandbox(self) -> bool:
        """Tell whether the built-in offline gateway answers this run."""
        return self.profile == "sandbox"

    @cached_property
    def in_profile(self) -> Profile:
        """Return the profile in use as the file has it; raises SetupError for an unknown one."""
        name = self.profile
        built_in = BUILT_IN.get(name)
        own = self.config.profiles.get(name)
        if own is None:
            if built_in is None:
                raise self._unknown_profile(name)
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

    @property
    def base_urls(self) -> tuple[str, ...]:
        """Return where requests go: the primary address, then the backups in their order.

        `--base-url` and `APIYI_BASE_URL` replace them all and have no backups. Empty for the
        sandbox, whose address is known once it runs.
        """
        return self._base_urls_found.value  # type: ignore[no-any-return]

    @cached_property
    def configured_base_urls(self) -> tuple[str, ...]:
        """Return the profile's own addresses, whatever flags and environment say."""
        return () if self.sandbox else self.in_profile.base_urls or BASE_URLS

    @cached_property
    def limits(self) -> Limits:
        """Return the rate limits in force; the option `limits` tells whether to keep them."""
        values = {**self.in_profile.limits}
        for name in ("rpm", "tpm"):
            if name in self._flags:
                values[name] = self._flags[name][1]
        if store := self.environ.get(STORE_VARIABLE):
            if not store.startswith(STORES):
                raise SetupError(
                    Text("environment {name}", name=STORE_VARIABLE),
                    Text("expected the address of a Redis server, redis://HOST:PORT/DB"),
                )
            values["store"] = store
        return LIMITS._replace(**values)

    @cached_property
    def timeouts(self) -> Timeouts:
        """Return the silences to bear; `--timeout` sets those after connecting."""
        silence = self.value("timeout")
        if silence is None:
            return TIMEOUTS
        return Timeouts(min(TIMEOUTS.connect_s, silence), silence, silence, silence)

    @property
    def families(self) -> Overrides:
        """Return the user's own table of model families, in the order of the file."""
        return self.config.families

    @property
    def language(self) -> str | None:
        """Return the language that the file sets for messages, None when it does not."""
        return self.config.language

    @property
    def usage_ledger(self) -> bool:
        """Tell whether usage is recorded for `apiyi usage`."""
        return self.config.usage_ledger is not False

    def fill(self, group: G, *, defaults: bool = True) -> G:
        """Return the group with every option filled that something sets.

        What the group itself has is a flag and stays. Without `defaults` only what the user
        gave is filled, by flag, environment or profile.
        """
        values: dict[str, Any] = {}
        for one in group.flags.values():
            own = getattr(group, one.name)
            found = self._find(one) if own is None else _Found(own, "flag")
            values[one.name] = found.value if defaults or found.origin != "default" else None
        for rivals in _RIVALS:
            flags = [name for name in rivals if getattr(group, name, None) is not None]
            for name in rivals & values.keys() if flags else ():
                values[name] = getattr(group, name)
        return type(group)(**values)

    def for_rows(self, command: str) -> Settings:
        """Return the values for rows of a batch that are for this command.

        The batch's own table of the profile counts before the command's.
        """
        view = copy(self)
        view._tables = (*self._tables, command)
        return view

    @property
    def _is_text(self) -> bool:
        """Return False where the model that was chosen for text means nothing."""
        return not self._tables or self._tables[-1] not in OTHER_COMMANDS

    def value(self, name: str) -> Any:
        """Return the value of one option; KeyError for a name that the table does not have."""
        return self._named(name).value

    def origin(self, name: str) -> str:
        """Tell where the value of an option, `base_urls` or a dotted limit comes from.

        The texts are `flag --model`, `environment APIYI_MODEL`, `profile work in PATH`,
        `default` and `not set`.
        """
        rows = {"base_urls": self._base_urls_found, "profile": self._profile_found}
        if name.startswith("limits."):
            return self._limit_origin(name.removeprefix("limits."))
        return rows[name].origin if name in rows else self._named(name).origin

    def listing(self) -> Iterator[Setting]:
        """Yield what is set or has a default, in the order of the table; keys never."""
        yield Setting("profile", *self._profile_found)
        yield Setting("base_urls", list(self.base_urls), self._base_urls_found.origin)
        profile = self.in_profile
        if profile.key_command:
            yield Setting("key_command", list(profile.key_command), self._profile_text(profile))
        if profile.group:
            yield Setting("group", profile.group, self._profile_text(profile))
        from apiyi_cli.settings.values import configurable

        for name in configurable():
            found = self._named(name)
            if found.value is not None:
                yield Setting(name, *found)
        for word, table in profile.commands.items():
            for name, value in table.items():
                yield Setting(f"{word}.{name}", value, self._table_text(profile, word, name))
        for name, value in zip(Limits._fields, self.limits, strict=True):
            if value is not None:
                yield Setting(f"limits.{name}", value, self._limit_origin(name))
        yield from self._program_listing()

    def _program_listing(self) -> Iterator[Setting]:
        config = self.config
        if config.language is not None:
            yield Setting("language", config.language, str(config.path))
        ledger = "default" if config.usage_ledger is None else str(config.path)
        yield Setting("usage_ledger", self.usage_ledger, ledger)
        for pattern, fields in config.families.items():
            yield Setting(f'families."{pattern}"', dict(fields), str(config.path))

    @cached_property
    def _profile_found(self) -> _Found:
        one = Connection.flags["profile"]
        found = self._flag(one) or self._variable(one)
        if found is None:
            return _Found(DEFAULTS["profile"], "default")
        if not is_profile_name(found.value):
            raise self._unknown_profile(found.value)
        return found

    @cached_property
    def _base_urls_found(self) -> _Found:
        one = Connection.flags["base_url"]
        flag, variable = self._flag(one), self._variable(one)
        if self.sandbox:
            if flag is not None:
                raise UsageError("--base-url", Text("the sandbox profile has its own address"))
            return _Found((), Text("built in"))
        if flag is not None:
            return _Found((normal_base_url(flag.value, "--base-url"),), flag.origin)
        if variable is not None:
            return _Found((normal_base_url(variable.value, "APIYI_BASE_URL"),), variable.origin)
        profile = self.in_profile
        origin = self._profile_text(profile) if profile.base_urls else "default"
        return _Found(self.configured_base_urls, origin)

    def _named(self, name: str) -> _Found:
        candidates = loaded_options(name)
        if not candidates:
            raise KeyError(name)
        for one in candidates:
            found = self._find(one)
            if found is not _NOTHING:
                return found
        return _NOTHING

    def _find(self, one: Flag) -> _Found:
        """Look an option up in the order that the contract gives."""
        if one.name == "profile":
            return self._profile_found
        found = self._flag(one) or self._variable(one) or self._in_profile(one)
        if found is None and (value := default_of(one.name, self._command)) is not None:
            found = _Found(value, "default")
        return found or _NOTHING

    def _flag(self, one: Flag) -> _Found | None:
        if one.name not in self._flags:
            return None
        declared_as, value = self._flags[one.name]
        spelled = declared_as.long
        for name in declared_as.names if value is False else ():
            spelled = name.split("/")[-1]
        return _Found(value, Text("flag {spelled}", spelled=spelled))

    def _variable(self, one: Flag) -> _Found | None:
        name = one.envvar
        if one.name == "model" and not self._is_text:
            return None
        if not name or not (text := self.environ.get(name)):
            return None
        try:
            return _Found(parsed(one, text), Text("environment {name}", name=name))
        except Unfit as unfit:
            raise SetupError(Text("environment {name}", name=name), str(unfit)) from unfit

    def _in_profile(self, one: Flag) -> _Found | None:
        profile = self.in_profile
        if (found := self._in_tables(one, profile)) is not None:
            return found
        if one.name in ("rpm", "tpm"):
            value = profile.limits.get(one.name)
        elif one.name == "model" and not self._is_text:
            return None
        elif one.config:
            value = profile.options.get(one.name)
        else:
            return None
        if value is None:
            return None
        try:
            return _Found(fitted(one, value), self._option_text(profile, one.name))
        except Unfit:
            # Another command has an option of the same name, and the value is meant for it.
            return None

    def _in_tables(self, one: Flag, profile: Profile) -> _Found | None:
        """Look an option up in the profile's tables of single commands."""
        for word in self._tables:
            value = profile.commands.get(word, {}).get(one.name)
            if value is None or not one.config:
                continue
            try:
                return _Found(fitted(one, value), self._table_text(profile, word, one.name))
            except Unfit:
                continue
        return None

    def _table_text(self, profile: Profile, word: str, name: str) -> str:
        own = self.config.profiles.get(profile.name)
        place = f"{profile.name}.{word}"
        if own is None or name not in own.commands.get(word, {}):
            return Text("profile {profile}, built in", profile=place)
        path = self.config_path
        return Text("profile {profile} in {config_path}", profile=place, config_path=path)

    def _option_text(self, profile: Profile, name: str) -> str:
        own = self.config.profiles.get(profile.name)
        written = own is not None and (name in own.options or name in own.limits)
        return (
            self._profile_text(profile)
            if written
            else Text("profile {profile}, built in", profile=profile.name)
        )

    def _profile_text(self, profile: Profile) -> str:
        return Text(
            "profile {profile} in {config_path}", profile=profile.name, config_path=self.config_path
        )

    def _limit_origin(self, name: str) -> str:
        if name in ("rpm", "tpm") and name in self._flags:
            return Text("flag --{name}", name=name)
        if name == "store" and self.environ.get(STORE_VARIABLE):
            return Text("environment {name}", name=STORE_VARIABLE)
        profile = self.in_profile
        return self._profile_text(profile) if name in profile.limits else "default"

    def _unknown_profile(self, name: str) -> SetupError:
        known = self.profiles
        close = nearest(name, known)
        why = (
            Text("did you mean {close}?", close=close)
            if close
            else Text("known are {known}", known=", ".join(known))
        )
        return SetupError(
            Text("there is no profile {name}", name=repr(name)),
            why,
            hint=Text("apiyi config list, or --profile NAME"),
        )
