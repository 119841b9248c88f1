"""Reads and checks `config.toml`: every mistake is reported with its file and line."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from apiyi_cli.core.disk import read_regular
from apiyi_cli.core.families import Family, PictureSupport, field_types
from apiyi_cli.core.hosts import is_private_way
from apiyi_cli.core.jsontext import write_text
from apiyi_cli.core.nearest import find_nearest
from apiyi_cli.errors import SetupError
from apiyi_cli.settings.base_url import normalize_base_url
from apiyi_cli.settings.defaults import STORES, Config, Limits, Profile, is_profile_name
from apiyi_cli.settings.values import (
    MODEL_COMMANDS,
    InvalidValue,
    configurable_names,
    convert_any,
    find_options,
    options,
)
from apiyi_cli.text import Text, system_reason

LOCALES = ("en", "zh")
TOP_KEYS = ("profile", "alias", "families", "language", "usage_ledger", "registry_url")
_LISTS = ("base_urls", "key_command")
_KEY_NAMES = frozenset(("key", "api_key", "apikey", "token", "secret"))


def load(path: Path, *, required: bool = False) -> Config:
    """Read the file.

    An absent one is empty unless `required`. Raises SetupError, which names file and line.
    """
    try:
        data = read_regular(path)
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        if required:
            raise SetupError(
                str(path), Text("there is no such file"), hint=Text("correct or unset APIYI_CONFIG")
            ) from error
        return Config(path)
    except OSError as error:
        raise SetupError(Text("cannot read {path}", path=path), system_reason(error)) from error
    config = parse(decode_text(path, data), path)
    _refuse_shared(path, mode, config)
    return config


def decode_text(path: Path, data: bytes) -> str:
    """Return the file's text without a byte order mark; raises SetupError with the line."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SetupError(f"{path}:{line}", Text("this is not UTF-8")) from error


def parse(text: str, path: Path) -> Config:
    """Check the text of the file that `path` names; raises SetupError with the line."""
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from error
    return _ConfigChecker(path, text).config(document)


def _refuse_shared(path: Path, mode: int, config: Config) -> None:
    """Refuse a file that other users can change if it names a program to run."""
    commands = any(profile.key_command for profile in config.profiles.values())
    if commands and stat.S_ISREG(mode) and mode & stat.S_IWOTH:
        from apiyi_cli.core.encodings import quote_path

        raise SetupError(
            str(path),
            Text("it has a key_command, and every user of this machine can change it"),
            hint=f"chmod 600 {quote_path(str(path))}",
        )


def _syntax_error(path: Path, text: str, message: str) -> SetupError:
    import re

    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    why = message[: place.start()] if place else message
    if place and place[1]:
        line, column = place[1], place[2]
    else:
        lines = text.split("\n")
        line, column = str(len(lines)), str(len(lines[-1]) + 1)
    return SetupError(f"{path}:{line}:{column}", Text("not valid TOML: {why}", why=why))


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """Return the line (from 1) of the statement that first defines the key.

    The standard parser gives no positions, so the shortest beginning of the text that
    parses and has the key is looked for; this runs only for a message.
    """
    import tomllib

    lines = text.split("\n")
    begin = 0
    for end in range(1, len(lines) + 1):
        # A line that does not name the key cannot begin its statement, except by escapes.
        if end == begin + 1 and keys[-1] not in lines[begin] and "\\" not in lines[begin]:
            whole = lines[begin].strip()
            if not whole or whole.startswith("#"):
                begin = end
                continue
        try:
            document = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        if find_nested(document, keys) is not None:
            return begin + 1
        begin = end
    return None


def find_nested(document: Any, keys: Sequence[str]) -> Any:
    """Return the value at a path of keys, None if there is none."""
    for key in keys:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


class _ConfigChecker:
    """Checks a parsed document; errors name the line of the key."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text

    def place(self, keys: Sequence[str]) -> str:
        line = line_of(self.text, keys)
        return f"{self.path}:{line}" if line else str(self.path)

    def fail(self, keys: Sequence[str], why: str, hint: str | None = None) -> NoReturn:
        raise SetupError(
            self.place(keys), Text("{key}: {why}", key=format_dotted(keys), why=why), hint=hint
        )

    def refuse_unknown(self, keys: Sequence[str], known: Sequence[str]) -> NoReturn:
        """Refuse an unknown name; its value may be a key and is not quoted."""
        name = keys[-1]
        if name.lower().replace("-", "_") in _KEY_NAMES:
            self.fail(keys, Text("keys do not belong in this file"), "apiyi auth login")
        meant = Text("known here: {known}", known=", ".join(known))
        if close := find_nearest(name, known):
            meant = Text("did you mean {close}?", close=close)
        self.fail(keys, Text("unknown setting; {meant}", meant=meant))

    def table(self, keys: Sequence[str], value: object) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            self.fail(keys, Text("expected a table, found {value}", value=_describe(value)))
        return value

    def texts(self, keys: Sequence[str], value: object) -> tuple[str, ...]:
        texts = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
        if not texts or texts != value or "" in texts:
            kind = _describe(value)
            why = Text('expected a list of texts such as ["…", "…"], found {value}', value=kind)
            self.fail(keys, why)
        return tuple(texts)

    def config(self, document: Mapping[str, Any]) -> Config:
        for key in document:
            if key not in TOP_KEYS:
                self.refuse_unknown([key], [*TOP_KEYS, *_LISTS, "limits", *configurable_names()])
        language = document.get("language")
        if language not in (None, *LOCALES):
            why = Text("expected one of {languages}", languages=", ".join(LOCALES))
            self.fail(["language"], why)
        ledger = document.get("usage_ledger")
        if not isinstance(ledger, bool | None):
            why = Text("expected true or false, found {ledger}", ledger=_describe(ledger))
            self.fail(["usage_ledger"], why)
        url = document.get("registry_url")
        # Plain http only on this machine.
        if url is not None and not (isinstance(url, str) and is_private_way(url)):
            self.fail(["registry_url"], Text("expected an https:// address"))
        profiles = self.table(["profile"], document.get("profile", {}))
        families = self.table(["families"], document.get("families", {}))
        return Config(
            self.path,
            {name: self.profile(name, value) for name, value in profiles.items()},
            {pattern: self.family(pattern, value) for pattern, value in families.items()},
            language,
            ledger,
            url,
            self.aliases(document.get("alias", {})),
        )

    def aliases(self, value: object) -> Mapping[str, str]:
        """Check the aliases of models: each is for a model, not for another alias."""
        table = self.table(["alias"], value)
        for name, model in table.items():
            if not isinstance(model, str) or not model or not name:
                self.fail(["alias", name], Text("expected the name of a model"))
            if model != name and model in table:
                self.fail(["alias", name], Text("{model} is an alias itself", model=model))
        return table

    def profile(self, name: str, value: object) -> Profile:
        at = ["profile", name]
        if not is_profile_name(name):
            self.fail(at, Text("a profile's name has letters, digits, - . and _ only, at most 64"))
        table = dict(self.table(at, value))
        bare = Profile(name)
        if name == "sandbox" and (own := [item for item in _LISTS if item in table]):
            self.fail([*at, own[0]], Text("the sandbox profile is built in and has its own"))
        urls, command, limits = (table.pop(item, None) for item in (*_LISTS, "limits"))
        group = table.pop("group", None)
        if group is not None and not (isinstance(group, str) and group):
            self.fail([*at, "group"], Text("expected the name of a group of the gateway's"))
        # A command's table may have any option, but no list and no limit.
        commands = {
            word: self.options([*at, word], table.pop(word))
            for word in MODEL_COMMANDS
            if isinstance(table.get(word), dict)
        }
        return Profile(
            name,
            bare.base_urls if urls is None else self.base_urls([*at, "base_urls"], urls),
            bare.key_command if command is None else self.texts([*at, "key_command"], command),
            self.options(at, table),
            bare.limits if limits is None else self.limits([*at, "limits"], limits),
            commands,
            group,
        )

    def base_urls(self, keys: Sequence[str], value: object) -> tuple[str, ...]:
        texts = self.texts(keys, value)
        place = self.place(keys)
        return tuple(dict.fromkeys(normalize_base_url(text, place) for text in texts))

    def options(self, keys: Sequence[str], table: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: self.option([*keys, name], value) for name, value in table.items()}

    def option(self, keys: Sequence[str], value: object) -> Any:
        name = keys[-1]
        if name in ("rpm", "tpm"):
            self.fail(keys, Text("stands in {dotted}", dotted=format_dotted([*keys[:2], "limits"])))
        candidates = find_options(name)
        if not candidates:
            self.refuse_unknown(keys, [*_LISTS, "limits", "group", *configurable_names()])
        if not any(item.config for item in (*candidates, *options(name))):
            long = candidates[0].long
            why = Text("{long} is for one command, a profile cannot set it", long=long)
            self.fail(keys, why, 'base_urls = ["https://…/v1"]' if name == "base_url" else None)
        try:
            return convert_any(name, value)
        except InvalidValue as unfit:
            self.fail(keys, Text("{unfit}, found {value}", unfit=unfit, value=_describe(value)))

    def limits(self, keys: Sequence[str], value: object) -> Mapping[str, Any]:
        table = self.table(keys, value)
        for name, limit in table.items():
            at = [*keys, name]
            kind = _describe(limit)
            if name not in Limits._fields:
                self.refuse_unknown(at, Limits._fields)
            if name == "store":
                fits = isinstance(limit, str) and limit.startswith(STORES)
                why = Text("expected the address of a Redis server, redis://HOST:PORT/DB")
            elif name in ("window_s", "store_wait_s"):
                least = 1 if name == "window_s" else 0
                fits = type(limit) in (int, float) and least <= limit <= 86400
                why = Text(
                    "expected seconds from {least} to 86400, found {limit}", least=least, limit=kind
                )
            else:
                fits = type(limit) is int and 1 <= limit <= 10**12
                why = Text("expected a whole number of at least 1, found {limit}", limit=kind)
            if not fits:
                self.fail(at, why)
        return table

    def family(self, pattern: str, value: object) -> Mapping[str, Any]:
        """Check a family's fields in the file; `core.families` has their types."""
        at = ["families", pattern]
        table = dict(self.table(at, value))
        picture = table.pop("picture", None)
        self._check_fields(at, table, field_types(Family), "picture")
        if picture is None:
            return table
        at = [*at, "picture"]
        picture = self.table(at, picture)
        self._check_fields(at, picture, field_types(PictureSupport))
        return {**table, "picture": picture}

    def _check_fields(
        self, at: Sequence[str], table: Mapping[str, Any], known: Mapping[str, str], *further: str
    ) -> None:
        for name, value in table.items():
            if name not in known:
                self.refuse_unknown([*at, name], (*known, *further))
            expected, *types = _EXPECTED[known[name]]
            is_list = known[name].startswith("Sequence")
            items = value if is_list and isinstance(value, list) else [value]
            if isinstance(value, list) != is_list or any(type(item) not in types for item in items):
                self.fail([*at, name], Text("expected {kind}", kind=expected))


_EXPECTED: dict[str, tuple[Text, *tuple[type, ...]]] = {
    "str": (Text("a text"), str),
    "bool": (Text("true or false"), bool),
    "int": (Text("a number"), int),
    "float": (Text("a number"), int, float),
    "Sequence[str]": (Text("a list of texts"), str),
    "Sequence[int]": (Text("a list of numbers"), int),
}
"""What the fields of a family hold, by their declared type: its name, and TOML's types."""


def format_dotted(keys: Sequence[str]) -> str:
    """Return the keys as a dotted TOML key, quoted if needed."""
    return ".".join(
        key
        if key.isascii() and key.replace("-", "").replace("_", "").isalnum()
        else write_text(key)
        for key in keys
    )


def _describe(value: object) -> str:
    """Return a description of the value. A text is not quoted, it may be a key."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    kinds: dict[type, str] = {str: Text("a text"), list: Text("a list"), dict: Text("a table")}
    return kinds.get(type(value), Text("a date or time"))
