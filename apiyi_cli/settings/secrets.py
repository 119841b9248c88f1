"""Finding the key of a run: an option's file, the environment, a command, then the stores.

A key found on the user's machine for a profile goes to that profile's servers only; one
that the user hands over for this run goes where this run goes. What the keyring and the
0600 file are is `settings.key_store`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from apiyi_cli.core.hosts import NODES, origin
from apiyi_cli.core.secret import Secret, holds_secret
from apiyi_cli.errors import AuthError, SetupError
from apiyi_cli.settings import key_store
from apiyi_cli.settings.key_store import WAYS
from apiyi_cli.settings.paths import refuse_readable
from apiyi_cli.settings.process_memory import protect_memory
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.text import Text, system_reason

KEY_VARIABLE = "APIYI_API_KEY"
_KEY_VARIABLES = frozenset((KEY_VARIABLE, "APIYI_SYSTEM_TOKEN", "OPENAI_API_KEY"))
_LONGEST = 8192
_SANDBOX_KEY = Secret("sk-sandbox-needs-no-key", Text("built in: the sandbox needs no key"))


class KeyPlace(NamedTuple):
    """One place where a key may be, and what was found there: `present` is None for "cannot
    tell", and `note` then says why."""

    name: str
    present: bool | None
    note: str = ""


def find_key(settings: Settings) -> Secret:
    """Return the key of this run; its `source` says where it came from.

    Looked for in this order: `--key-file`, `APIYI_API_KEY`, the profile's `key_file`,
    its `key_command`, the keyring, the 0600 file of `auth login --insecure-storage`.
    Raises AuthError when there is none, when it cannot be a key, or when it belongs to
    other servers than this run's; SetupError for a key file that others can read.
    """
    if settings.sandbox:
        return _SANDBOX_KEY
    named = settings.value("key_file")
    from_flag = settings.origin("key_file").startswith("flag")
    if named and from_flag:
        return read_key_file(Path(named).expanduser(), "--key-file")
    if text := settings.environ.get(KEY_VARIABLE):
        return check_key(text, Text("environment {key_variable}", key_variable=KEY_VARIABLE))
    if named:
        path = settings.config_path.parent / Path(named).expanduser()
        source = settings.origin("key_file")
        _refuse_foreign(source, None, settings)
        return read_key_file(path, source)
    if command := settings.in_profile.key_command:
        # Before it runs: it may ask a person for something.
        _refuse_foreign("key_command", None, settings)
        return _run_key_command(command, settings)
    return _read_stored(settings)


def check_key(text: str, source: str) -> Secret:
    """Return the text as a key, without the white space around it.

    Raises AuthError, which never repeats the text, when it is empty or holds what no HTTP
    header may carry or no key has: spaces, line breaks, quotes, anything but ASCII.
    """
    protect_memory()
    value = text.strip()
    if not value:
        raise AuthError(Text("no key from {source}", source=source), Text("it is empty"), hint=WAYS)
    why = None
    if len(value) > _LONGEST:
        why = Text("it is longer than {longest} characters", longest=_LONGEST)
    elif not value.isascii():
        why = Text("it has characters that are not ASCII")
    elif any(character.isspace() for character in value):
        lone = Text("it has white space inside")
        why = (
            Text("{lone} (leave out `Bearer`)", lone=lone)
            if value.lower().startswith("bearer ")
            else lone
        )
    elif not value.isprintable():
        why = Text("it has control characters")
    elif any(quote in value for quote in "\"'`"):
        why = Text("it has quotes")
    if why:
        raise AuthError(
            Text("the key from {source} cannot be a key", source=source),
            why,
            hint=Text("copy the key again"),
        )
    return Secret(value, source)


def read_key_file(path: Path, source: str) -> Secret:
    """Return the key that is all of a file's content.

    Raises SetupError when the file cannot be read or others can read it (the rule of ssh),
    AuthError when the content cannot be a key.
    """
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            refuse_readable(path, status)
            data = file.read(_LONGEST * 2)
    except OSError as error:
        raise SetupError(
            Text("cannot read the key file {path}", path=path), system_reason(error)
        ) from error
    return check_key(data.decode("utf-8", "replace"), f"{source} ({path})")


def child_environment(environ: Mapping[str, str], secrets: Iterable[Secret] = ()) -> dict[str, str]:
    """Return the environment for a program that this one starts: without keys.

    Left out are the variables that hold keys for this gateway and its account by name, that of
    OpenAI, and every variable that holds one of the `secrets` of this run, however spelled.
    """
    known = tuple(secrets)
    return {
        name: value
        for name, value in environ.items()
        if name.upper() not in _KEY_VARIABLES and not holds_secret(value, known)
    }


def find_storage(settings: Settings, *, insecure: bool = False) -> str | None:
    """Return where a key of the profile can be kept, None where only the user may say so.

    None means that there is no keyring: the 0600 file is then for the user to choose. Raises
    AuthError when the keyring is there and does not answer.
    """
    if insecure:
        return str(key_store.file_path(settings.environ))
    try:
        key_store.require_keyring(settings.profile)
    except key_store.NoKeyring:
        return None
    except AuthError as failure:
        failure.hint = Text("apiyi auth login --insecure-storage, or set APIYI_API_KEY")
        raise
    return key_store.KEYRING


def store_key(settings: Settings, key: Secret, *, insecure: bool = False) -> str:
    """Keep the key for the profile in use, bound to its servers; return where it is kept.

    It goes into the keyring, or, only when `insecure`, into a 0600 file; the copy in the
    other place is removed, so that no old key is left to be found. Raises AuthError when
    the keyring cannot keep it: nothing falls back to a file by itself.
    """
    entry = key_store.Entry(key.value, tuple(origins(settings.base_urls)))
    if insecure:
        key_store.write_file(settings.environ, settings.profile, entry)
        _quietly_forget_keyring(settings)
        return str(key_store.file_path(settings.environ))
    key_store.write_keyring(settings.profile, entry)
    key_store.delete_file(settings.environ, settings.profile)
    return key_store.KEYRING


def forget_key(settings: Settings) -> list[str]:
    """Remove the profile's key from every store; return the stores that had one.

    Raises AuthError after the file was cleaned when the keyring does not answer: a key may
    still be in it.
    """
    removed: list[str] = []
    if key_store.delete_file(settings.environ, settings.profile):
        removed.append(str(key_store.file_path(settings.environ)))
    try:
        if key_store.delete_keyring(settings.profile):
            removed.append(key_store.KEYRING)
    except key_store.NoKeyring:
        # Nothing can be in a store that does not exist.
        pass
    return removed


def list_places(settings: Settings) -> list[KeyPlace]:
    """Return every place of a key in the order of `find_key`, and whether it has one."""
    named = settings.value("key_file")
    command = settings.in_profile.key_command
    found = [
        KeyPlace(Text("key file"), bool(named), str(named or "")),
        KeyPlace(
            Text("environment {key_variable}", key_variable=KEY_VARIABLE),
            bool(settings.environ.get(KEY_VARIABLE)),
        ),
        KeyPlace("key_command", bool(command), " ".join(command[:1])),
    ]
    try:
        entry = key_store.read_keyring(settings.profile)
        found.append(KeyPlace(key_store.KEYRING, entry is not None))
    except AuthError as error:
        found.append(KeyPlace(key_store.KEYRING, None, error.why))
    entry = key_store.read_file(settings.environ, settings.profile)
    return [*found, KeyPlace(str(key_store.file_path(settings.environ)), entry is not None)]


def origins(base_urls: Iterable[str]) -> list[str]:
    """Return the servers of the addresses, each once, in their order."""
    return list(dict.fromkeys(origin(url) for url in base_urls))


def _run_key_command(command: tuple[str, ...], settings: Settings) -> Secret:
    from apiyi_cli.settings.key_command import printed_key

    what = Text("key_command of profile {profile}", profile=settings.profile)
    environ = child_environment(settings.environ)
    return check_key(printed_key(command, environ, settings.config_path.parent, what), what)


def _read_stored(settings: Settings) -> Secret:
    silent: AuthError | None = None
    entry, source = None, key_store.KEYRING
    try:
        entry = key_store.read_keyring(settings.profile)
    except AuthError as error:
        silent = error
    if entry is None:
        # The file exists only where the user asked for it by name, so reading it is no
        # silent fallback.
        source = str(key_store.file_path(settings.environ))
        entry = key_store.read_file(settings.environ, settings.profile)
    if entry is None:
        # That a machine has no keyring is normal; one that is there and fails is told.
        why = "" if silent is None or isinstance(silent, key_store.NoKeyring) else silent.why
        raise AuthError(
            Text("no key for profile {profile}", profile=settings.profile), why, hint=WAYS
        )
    _refuse_foreign(source, entry.origins, settings)
    return check_key(entry.key, source)


def _refuse_foreign(source: str, allowed: Iterable[str] | None, settings: Settings) -> None:
    """Raise AuthError unless all addresses of this run are among the key's servers.

    Without a list of their own these are the profile's.
    """
    home = set(origins(settings.configured_base_urls) if allowed is None else allowed)
    nodes = set(origins(NODES.values()))
    if settings.is_at_node and home & nodes:
        # All of them are the one gateway that the key was made for.
        home |= nodes
    foreign = [server for server in origins(settings.base_urls) if server not in home]
    if foreign:
        raise AuthError(
            Text(
                "the key from {source} is not sent to {foreign}", source=source, foreign=foreign[0]
            ),
            Text("it belongs to {home}", home=", ".join(sorted(home))),
            hint=Text(
                "set {key_variable} for that server, or log in with a profile of its own",
                key_variable=KEY_VARIABLE,
            ),
        )


def _quietly_forget_keyring(settings: Settings) -> None:
    try:
        key_store.delete_keyring(settings.profile)
    except AuthError:
        # --insecure-storage is for machines whose keyring does not work.
        return
