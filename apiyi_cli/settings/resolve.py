"""`Settings`: every value of one run with its origin: flag, environment, profile, default.

Nothing is read before a value asks for it. The key is not a setting; see `settings.secrets`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import copy
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from apiyi_cli.core.families import OTHER_COMMANDS, Overrides
from apiyi_cli.core.hosts import NODES
from apiyi_cli.core.options import Flag, Group, list_given
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.settings.defaults import (
    BASE_URLS,
    BUILT_IN,
    DEFAULTS,
    LIMITS,
    STORES,
    TIMEOUTS,
    Config,
    Limits,
    Profile,
    Timeouts,
    default_of,
    is_profile_name,
    node_urls,
    unknown_profile,
)
from apiyi_cli.settings.paths import config_file
from apiyi_cli.settings.values import InvalidValue, convert_value, loaded_options, parse_value
from apiyi_cli.text import Text

G = TypeVar("G", bound=Group)
STORE_VARIABLE = "APIYI_LIMITS_STORE"


# A flag of such a set turns the others off, whatever the profile says.
_RIVALS = (
    frozenset(("json", "ndjson")),
    frozenset(("quiet", "verbose")),
    frozenset(("cache", "no_cache")),
    frozenset(("schema", "json_mode")),
)


class _Resolved(PlainValue):
    value: Any
    origin: str


_NOTHING = _Resolved(None, Text("not set"))


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
            option.name: (option, value) for option, value in list_given(*flags)
        }

    @property
    def config_path(self) -> Path:
        """Return where the configuration is, whether or not the file exists."""
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
        """Return the name of the profile in use, which may not exist: see `in_profile`."""
        return str(self._profile_found.value)

    @property
    def sandbox(self) -> bool:
        """Return True if the built-in offline gateway answers this run."""
        return self.profile == "sandbox"

    @cached_property
    def in_profile(self) -> Profile:
        """Return the profile in use as the file has it; raises SetupError for an unknown one."""
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

    @property
    def completed_base_url(self) -> str | None:
        """Return the base URL that was given as a bare host and got its `/v1`, else None."""
        option = Connection.flags["base_url"]
        for found in (self._flag(option), self._variable(option)):
            if found is not None:
                bare = found.value.strip().partition("://")[2].rstrip("/")
                return self.base_urls[0] if "/" not in bare and self.base_urls else None
        return None

    @property
    def is_at_node(self) -> bool:
        """Return True if a node of the gateway was named, and no base URL over it."""
        return self.base_urls in map(node_urls, NODES)

    @cached_property
    def limits(self) -> Limits:
        """Return the rate limits in force; the option `limits` says if they are kept."""
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
        """Return True if usage is recorded for `apiyi usage`."""
        return self.config.usage_ledger is not False

    def fill(self, group: G, *, defaults: bool = True) -> G:
        """Return the group with every option filled that something sets.

        What the group itself has is a flag and stays. Without `defaults` only what the user
        gave is filled, by flag, environment or profile.
        """
        values: dict[str, Any] = {}
        for option in group.flags.values():
            own = getattr(group, option.name)
            found = self._find(option) if own is None else _Resolved(own, "flag")
            values[option.name] = found.value if defaults or found.origin != "default" else None
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
        """Return where a value comes from: an option, `base_urls`, `limits.rpm`, `image.model`.

        The texts are `flag --model`, `environment APIYI_MODEL`, `profile work in PATH`,
        `default` and `not set`.
        """
        table, dot, inner = name.partition(".")
        if dot:
            in_table = self._limit_origin if table == "limits" else partial(self._table_text, table)
            return in_table(inner)
        if name == "base_urls":
            return self._base_urls_found.origin
        if name in ("key_command", "group"):
            return self._profile_text()
        return self._named(name).origin

    @cached_property
    def _profile_found(self) -> _Resolved:
        option = Connection.flags["profile"]
        found = self._flag(option) or self._variable(option)
        if found is None:
            return _Resolved(DEFAULTS["profile"], "default")
        if not is_profile_name(found.value):
            raise unknown_profile(found.value, self.profiles)
        return found

    @cached_property
    def _base_urls_found(self) -> _Resolved:
        option = Connection.flags["base_url"]
        flag, variable = self._flag(option), self._variable(option)
        if self.sandbox:
            if flag is not None:
                raise UsageError("--base-url", Text("the sandbox profile has its own address"))
            return _Resolved((), Text("built in"))
        typed_node = self._flag(Connection.flags["node"])
        if flag is not None and typed_node is not None:
            raise UsageError(
                Text("cannot use --node with --base-url"), Text("both say where requests go")
            )
        if typed_node is not None:
            return _Resolved(node_urls(typed_node.value), typed_node.origin)
        for found, source in ((flag, "--base-url"), (variable, "APIYI_BASE_URL")):
            if found is not None:
                from apiyi_cli.settings.base_url import normalize_base_url

                return _Resolved((normalize_base_url(found.value, source),), found.origin)
        node = self._find(Connection.flags["node"])
        if node is not _NOTHING:
            return _Resolved(node_urls(node.value), node.origin)
        profile = self.in_profile
        origin = self._profile_text() if profile.base_urls else "default"
        return _Resolved(self.configured_base_urls, origin)

    def _named(self, name: str) -> _Resolved:
        candidates = loaded_options(name)
        if not candidates:
            raise KeyError(name)
        for option in candidates:
            found = self._find(option)
            if found is not _NOTHING:
                return found
        return _NOTHING

    def _find(self, option: Flag) -> _Resolved:
        """Look an option up in the order that the contract gives."""
        if option.name == "profile":
            return self._profile_found
        found = self._flag(option) or self._variable(option) or self._in_profile(option)
        if found is None and (value := default_of(option.name, self._command)) is not None:
            found = _Resolved(value, "default")
        return found or _NOTHING

    def _flag(self, option: Flag) -> _Resolved | None:
        if option.name not in self._flags:
            return None
        declared_as, value = self._flags[option.name]
        spelled = declared_as.long
        for name in declared_as.names if value is False else ():
            spelled = name.split("/")[-1]
        return _Resolved(value, Text("flag {spelled}", spelled=spelled))

    def _variable(self, option: Flag) -> _Resolved | None:
        name = option.envvar
        if option.name == "model" and not self._is_text:
            return None
        if not name or not (text := self.environ.get(name)):
            return None
        try:
            return _Resolved(parse_value(option, text), Text("environment {name}", name=name))
        except InvalidValue as unfit:
            raise SetupError(Text("environment {name}", name=name), str(unfit)) from unfit

    def _in_profile(self, option: Flag) -> _Resolved | None:
        profile = self.in_profile
        if (found := self._in_tables(option, profile)) is not None:
            return found
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
            return _Resolved(convert_value(option, value), self._option_text(option.name))
        except InvalidValue:
            # Another command has an option of the same name, and the value is meant for it.
            return None

    def _in_tables(self, option: Flag, profile: Profile) -> _Resolved | None:
        """Look an option up in the profile's tables of single commands."""
        for word in self._tables:
            value = profile.commands.get(word, {}).get(option.name)
            if value is None or not option.config:
                continue
            try:
                return _Resolved(convert_value(option, value), self._table_text(word, option.name))
            except InvalidValue:
                continue
        return None

    def _table_text(self, word: str, name: str) -> str:
        own = self.config.profiles.get(self.profile)
        place = f"{self.profile}.{word}"
        if own is None or name not in own.commands.get(word, {}):
            return Text("profile {profile}, built in", profile=place)
        path = self.config_path
        return Text("profile {profile} in {config_path}", profile=place, config_path=path)

    def _option_text(self, name: str) -> str:
        own = self.config.profiles.get(self.profile)
        if own is not None and (name in own.options or name in own.limits):
            return self._profile_text()
        return Text("profile {profile}, built in", profile=self.profile)

    def _profile_text(self) -> str:
        return Text(
            "profile {profile} in {config_path}", profile=self.profile, config_path=self.config_path
        )

    def _limit_origin(self, name: str) -> str:
        if name in ("rpm", "tpm") and name in self._flags:
            return Text("flag --{name}", name=name)
        if name == "store" and self.environ.get(STORE_VARIABLE):
            return Text("environment {name}", name=STORE_VARIABLE)
        profile = self.in_profile
        return self._profile_text() if name in profile.limits else "default"
