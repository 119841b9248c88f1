"""Finds the key of a run and its system token: option, environment, command, stores.

A key found on the user's machine for a profile goes to that profile's servers only; one
that the user hands over for this run goes where this run goes. The keyring and the 0600 file
are in `settings.key_store`, which is imported only where no other place has a key.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from apiyi_cli.core.hosts import NODES, origins
from apiyi_cli.core.secret import (
    KEY_VARIABLE,
    LOGIN_HINT,
    SYSTEM_TOKEN_VARIABLE,
    Secret,
    holds_secret,
)
from apiyi_cli.errors import AuthError, Facts, SetupError
from apiyi_cli.settings.paths import refuse_readable
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.text import Text, system_reason

_KEY_VARIABLES = frozenset((KEY_VARIABLE, SYSTEM_TOKEN_VARIABLE, "OPENAI_API_KEY"))
_LONGEST = 8192
_PR_SET_DUMPABLE: Final = 4
SYSTEM_TOKEN_PAGE: Final = "https://api.apiyi.com/account/profile"
_SANDBOX_TOKEN = Secret("sandbox-system-token", Text("built in: the sandbox needs no key"))
_SANDBOX_KEY = Secret("sk-sandbox-needs-no-key", Text("built in: the sandbox needs no key"))


def find_key(settings: Settings) -> Secret:
    """Return the key of this run; its `source` says where it is from.

    Looked for in this order: `--key-file`, `APIYI_API_KEY`, the profile's `key_file`,
    its `key_command`, the keyring, the 0600 file of `auth login --insecure-storage`, the files
    of the vendor's own tools.
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
        # Before it runs: it may ask the user for something.
        _refuse_foreign("key_command", None, settings)
        return _run_key_command(command, settings)
    return _read_stored(settings)


def check_key(text: str, source: str) -> Secret:
    """Return the text as a key, without surrounding white space.

    Raises AuthError, which never repeats the text, when it is empty or holds what no HTTP
    header may carry or no key has: spaces, line breaks, quotes, anything but ASCII.
    """
    protect_memory()
    value = text.strip()
    if not value:
        raise AuthError(
            Text("no key from {source}", source=source), Text("it is empty"), hint=LOGIN_HINT
        )
    why = None
    if len(value) > _LONGEST:
        why = Text("it is longer than {longest} characters", longest=_LONGEST)
    elif not value.isascii():
        why = Text("it has characters that are not ASCII")
    elif any(character.isspace() for character in value):
        why = Text("it has white space inside")
        if value.lower().startswith("bearer "):
            why = Text("{lone} (leave out `Bearer`)", lone=why)
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


def protect_memory() -> bool:
    """Disable core dumps and tracing of this process; return True on success.

    Linux alone has it (prctl(2), PR_SET_DUMPABLE). A program that is started from here gets its
    own memory back. Called when a key is read: a core file, or a debugger of another program of
    the same user, must not find it.
    """
    if sys.platform != "linux":
        return False
    try:
        # The bare module: `ctypes` around it takes 10 ms to import, this one half of one.
        import _ctypes

        handle = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]
        prctl = _ctypes.dlsym(handle, "prctl")
        return bool(_ctypes.call_function(prctl, (_PR_SET_DUMPABLE, 0, 0, 0, 0)) == 0)
    except Exception:
        # A Python without it: the key is as safe as any other program's.
        return False


def read_key_file(path: Path, source: str) -> Secret:
    """Return the key that a file consists of.

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
    """Return the environment for child programs, without keys.

    Left out are the variables that hold keys for this gateway and its account by name, that of
    OpenAI, and every variable that holds one of the `secrets` of this run, however spelled.
    """
    known = tuple(secrets)
    return {
        name: value
        for name, value in environ.items()
        if name.upper() not in _KEY_VARIABLES and not holds_secret(value, known)
    }


def _run_key_command(command: tuple[str, ...], settings: Settings) -> Secret:
    from apiyi_cli.settings.key_command import read_printed_key

    what = Text("key_command of profile {profile}", profile=settings.profile)
    environ = child_environment(settings.environ)
    return check_key(read_printed_key(command, environ, settings.config_path.parent, what), what)


def _read_stored(settings: Settings) -> Secret:
    stored = _find_stored(settings, settings.profile, "key")
    if stored is None:
        raise AuthError(
            Text("no key for profile {profile}", profile=settings.profile),
            hint=Text(
                "{program} auth login, or set APIYI_API_KEY, or use --key-file PATH",
                program=settings.typed_program,
            ),
            facts=Facts(cause="no_key"),
        )
    return check_key(stored.value, stored.source)


def find_system_token(settings: Settings) -> Secret:
    """Return the token of the account: from the environment, the keyring, or a file.

    Raises AuthError as `find_key`.
    """
    if settings.sandbox:
        return _SANDBOX_TOKEN
    if text := settings.environ.get(SYSTEM_TOKEN_VARIABLE):
        source = Text("environment {key_variable}", key_variable=SYSTEM_TOKEN_VARIABLE)
        return check_system_token(text, source)
    from apiyi_cli.settings.key_store import system_user

    stored = _find_stored(settings, system_user(settings.profile), "system_token")
    if stored is None:
        raise AuthError(
            Text("no system token for profile {profile}", profile=settings.profile),
            Text("the key alone cannot read the account"),
            hint=Text(
                "apiyi auth login --system-token, or set {variable} "
                "(made at {page}, at the bottom of the page)",
                variable=SYSTEM_TOKEN_VARIABLE,
                page=SYSTEM_TOKEN_PAGE,
            ),
        )
    return check_system_token(stored.value, stored.source)


def check_system_token(text: str, source: str) -> Secret:
    """Return the text as a system token. Raise AuthError if it is invalid or an API key."""
    token = check_key(text, source)
    if token.value.startswith("sk-"):
        raise AuthError(
            Text("the system token from {source} cannot be one", source=source),
            Text("it is an API key"),
            hint=Text("make a system token at {page}", page=SYSTEM_TOKEN_PAGE),
        )
    return token


def _find_stored(settings: Settings, user: str, what: str) -> Secret | None:
    """Return the secret of a user's name, else `what` from the vendor's own files.

    Raises AuthError for a keyring that is there and fails, if the file has nothing either.
    """
    from apiyi_cli.settings import key_store
    from apiyi_cli.settings.vendor_files import find_in_vendor_files

    silent: AuthError | None = None
    entry, source = None, key_store.KEYRING
    try:
        entry = key_store.read_keyring(user)
    except AuthError as error:
        silent = error
    if entry is None:
        # The file exists only where the user asked for it by name, so reading it is not
        # a silent fallback.
        source = str(key_store.file_path(settings.environ))
        entry = key_store.read_file(settings.environ, user)
    if entry is None:
        # A machine without a keyring is normal; a keyring that fails is reported.
        if silent is not None and not isinstance(silent, key_store.NoKeyring):
            raise AuthError(
                Text("no key for profile {profile}", profile=settings.profile),
                silent.why,
                hint=LOGIN_HINT,
            )
        return find_in_vendor_files(settings, what)
    _refuse_foreign(source, entry.origins, settings)
    return Secret(entry.key, source)


def _refuse_foreign(source: str, allowed: Iterable[str] | None, settings: Settings) -> None:
    """Raise AuthError unless the key may be sent to all addresses of this run.

    Without a list these are the profile's.
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
