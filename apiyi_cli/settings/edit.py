"""Edits `config.toml`: one key at a time, comments and layout are kept.

The new text is checked as a whole before it takes the old one's place, so no edit leaves a
file behind that the next command refuses.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from apiyi_cli.core.disk import read_regular
from apiyi_cli.core.options import Flag
from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.settings.config_file import TOP_KEYS, decode_text, find_nested, format_dotted, parse
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.settings.paths import private_write
from apiyi_cli.settings.values import (
    MODEL_COMMANDS,
    InvalidValue,
    describe_expected,
    options,
    parse_value,
)
from apiyi_cli.text import Text, system_reason

_LISTS = frozenset(("base_urls", "key_command", "refuses"))


def locate_key(key: str, profile: str) -> tuple[str, ...]:
    """Return the full path of a key of `config set`.

    `model` and `limits.rpm` belong to the profile in use, `profile.work.model` to another;
    hyphens may stand for underscores in an option's name. Raises UsageError.
    """
    import tomllib

    try:
        node: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            Text("{key} is not a key", key=repr(key)),
            hint=Text("a key is like model or limits.rpm"),
        ) from (error)
    keys: list[str] = []
    while isinstance(node, dict):
        if len(node) != 1:
            raise UsageError(Text("{key} is not one key", key=repr(key)))
        ((name, node),) = node.items()
        keys.append(name)
    if keys[0] not in TOP_KEYS:
        keys = ["profile", profile, *keys]
    if keys[0] == "profile":
        keys[2:] = [name.replace("-", "_") for name in keys[2:]]
        if len(keys) == 3 and keys[2] in Limits._fields:
            keys.insert(2, "limits")
    return tuple(keys)


def parse_words(keys: Sequence[str], words: Sequence[str]) -> object:
    """Return the value that words of a command line mean for that key.

    Lists take several words, or one that is a TOML array. A key's value is checked
    with the whole file, later. Raises UsageError.
    """
    name = keys[-1]
    candidates = _options_at(keys)
    many = name in _LISTS or any(option.many for option in candidates)
    if many and len(words) == 1 and words[0].lstrip().startswith("["):
        try:
            return list(_parse_toml(words[0]))
        except ValueError as error:
            raise UsageError(Text("{name}: not a TOML array", name=name), str(error)) from error
    if name in _LISTS:
        return list(words)
    if many and len(words) > 1:
        return [_single(keys, word) for word in words]
    if len(words) != 1:
        raise UsageError(
            Text("{keys} takes one value", keys=format_dotted(keys)),
            Text("{count} were given", count=len(words)),
        )
    return _single(keys, words[0])


def write(path: Path, keys: Sequence[str], value: object) -> None:
    """Set one key; creates the file if it is missing, mode 0600.

    Raises UsageError when the key or its value is wrong, SetupError when the file was
    broken before or cannot be written.
    """
    write_several(path, [(keys, value)])


def write_several(path: Path, values: Sequence[tuple[Sequence[str], object]]) -> None:
    """Set several keys at once, all or none. Raises like `write`."""
    old = _text(path)
    document = _document(path, old)
    for keys, value in values:
        _set(document, keys, value)
    if values:
        _replace(path, old, document.as_string(), *values[-1])


def _set(document: Any, keys: Sequence[str], value: object) -> None:
    import tomlkit

    node = document
    for at, key in enumerate(keys[:-1]):
        if key not in node:
            # [profile.work] alone, without an empty [profile] before it.
            node[key] = tomlkit.table(is_super_table=at + 2 < len(keys))
        node = node[key]
        if not isinstance(node, MutableMapping):
            raise UsageError(
                Text("cannot set {keys}", keys=format_dotted(keys)),
                Text("{dotted} is a value", dotted=format_dotted(keys[: at + 1])),
            )
    node[keys[-1]] = value


def remove(path: Path, keys: Sequence[str]) -> bool:
    """Remove one key or a whole table; return True if it was there. Raises like `write`."""
    old = _text(path)
    document = _document(path, old)
    node = find_nested(document, keys[:-1])
    if not isinstance(node, MutableMapping) or keys[-1] not in node:
        return False
    del node[keys[-1]]
    _replace(path, old, document.as_string(), keys, None)
    return True


def find_written(path: Path, keys: Sequence[str]) -> Any:
    """Return the file's own value of the key, None if it has none; raises SetupError."""
    import tomllib

    text = _text(path)
    parse(text, path)
    return find_nested(tomllib.loads(text), keys)


def _options_at(keys: Sequence[str]) -> tuple[Flag, ...]:
    """Return the options that a key can mean: a profile's, or those of its commands."""
    of_command = len(keys) == 4 and keys[2] in MODEL_COMMANDS
    at_option = keys[0] == "profile" and (len(keys) == 3 or of_command)
    return options(keys[-1]) if at_option else ()


def _single(keys: Sequence[str], word: str) -> object:
    name = keys[-1]
    candidates = _options_at(keys)
    for option in candidates:
        try:
            value = parse_value(option, word)
        except InvalidValue:
            continue
        return value[0] if option.many else value
    if candidates:
        raise UsageError(
            Text("cannot set {keys}", keys=format_dotted(keys)),
            Text("expected {expected}", expected=describe_expected(candidates[0])),
        )
    if name in Limits._fields or name == "usage_ledger":
        # A number or boolean; any other word is a text.
        with suppress(ValueError):
            return _parse_toml(word)
    return word


def _parse_toml(word: str) -> Any:
    import tomllib

    return tomllib.loads(f"x = {word}")["x"]


def _text(path: Path) -> str:
    try:
        return decode_text(path, read_regular(path))
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SetupError(Text("cannot read {path}", path=path), system_reason(error)) from error


def _document(path: Path, text: str) -> Any:
    import tomllib

    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        tomllib.loads(text)
        return tomlkit.parse(text)
    except tomllib.TOMLDecodeError:
        parse(text, path)
        raise
    except TOMLKitError as error:
        raise _make_manual_error(path) from error


def _replace(path: Path, old: str, new: str, keys: Sequence[str], value: object) -> None:
    import tomllib

    try:
        document = tomllib.loads(new)
    except tomllib.TOMLDecodeError as error:
        raise _make_manual_error(path) from error
    if find_nested(document, keys) != value:
        raise _make_manual_error(path)
    try:
        parse(new, path)
    except SetupError as error:
        # Told as a mistake in the file only if the file had it before.
        parse(old, path)
        name = format_dotted(keys)
        why = error.why.removeprefix(f"{name}: ")
        raise UsageError(Text("cannot set {name}", name=name), why, hint=error.hint) from error
    private_write(path, new.encode())


def _make_manual_error(path: Path) -> SetupError:
    return SetupError(
        Text("cannot edit {path}", path=path),
        Text("its layout needs a person"),
        hint="apiyi config edit",
    )
