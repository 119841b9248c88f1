"""The two stores of keys: the keyring of the operating system, and a 0600 file.

Each entry holds a key and the origins that it may be sent to. The keyring is called in a
daemon thread, because a locked or broken one may never answer. Which key a request uses is
decided in `settings.secrets`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from apiyi_cli.core.disk import open_regular
from apiyi_cli.core.hosts import origins
from apiyi_cli.core.jsontext import read_strict, write_ascii
from apiyi_cli.core.secret import KEY_VARIABLE, LOGIN_HINT, Secret, redact
from apiyi_cli.errors import AuthError, SetupError
from apiyi_cli.settings.paths import config_dir, private_dir, private_write, refuse_readable
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.settings.vendor_files import find_in_vendor_files, list_vendor_files
from apiyi_cli.text import Text, system_reason

T = TypeVar("T")

SERVICE = "apiyi"
KEYRING = "keyring"
KEYRING_LIMIT_S = 3.0


class KeyPlace(NamedTuple):
    """A place where a key may be. `present` is None if that is unknown, and `note` says why."""

    name: str
    present: bool | None
    note: str = ""


class Entry(NamedTuple):
    """A stored key and the origins it may be sent to. None means those of the profile."""

    key: str
    origins: tuple[str, ...] | None = None


class NoKeyring(AuthError):
    """This machine has no keyring, which is normal for a server."""


def read_keyring(profile: str) -> Entry | None:
    """Return the profile's entry in the keyring, None if it has none.

    A bare key that another program stored is an entry without origins. Raises AuthError if the
    keyring is locked, broken or does not answer, NoKeyring if there is none.
    """
    text = _ask_keyring("read", lambda ring: ring.get_password(SERVICE, profile))
    return _parse_entry(text, KEYRING) if text else None


def require_keyring(profile: str) -> None:
    """Raise AuthError unless the keyring can keep a key; NoKeyring if there is none.

    Nothing is written: a keyring that fails only on writing is reported by `write_keyring`.
    """

    def check(ring: Any) -> bool:
        _refuse_plaintext(ring)
        if type(ring).__module__.endswith((".fail", ".null")):
            raise NoKeyring(Text("the keyring cannot be used"), Text("this machine has none"))
        ring.get_password(SERVICE, profile)
        return True

    _ask_keyring("read", check)


def _refuse_plaintext(ring: Any) -> None:
    first = next(iter(getattr(ring, "backends", ())), ring)
    if "Plaintext" in type(first).__name__ and not os.environ.get("PYTHON_KEYRING_BACKEND"):
        raise NoKeyring(
            Text("the keyring"), Text("its backend keeps passwords in the clear"), hint=LOGIN_HINT
        )


def write_keyring(profile: str, entry: Entry) -> None:
    """Store the entry in the keyring and read it back; raises AuthError.

    A backend that keeps passwords in a plain file is refused unless the user chose it by name
    (`PYTHON_KEYRING_BACKEND`): plain text has its own option, `--insecure-storage`.
    """
    text = write_ascii(_as_json(entry))

    def write(ring: Any) -> bool:
        _refuse_plaintext(ring)
        ring.set_password(SERVICE, profile, text)
        # The null backend accepts every password and stores none.
        return bool(ring.get_password(SERVICE, profile) == text)

    if not _ask_keyring("written", write, Secret(entry.key)):
        raise AuthError(
            Text("the keyring did not keep the key"), Text("it gives back another"), hint=LOGIN_HINT
        )


def delete_keyring(profile: str) -> bool:
    """Remove the profile's entry; return True if there was one. Raises like `read_keyring`."""

    def delete(ring: Any) -> bool:
        if ring.get_password(SERVICE, profile) is None:
            return False
        ring.delete_password(SERVICE, profile)
        return True

    return _ask_keyring("changed", delete)


def file_path(environ: Mapping[str, str]) -> Path:
    """Return the path of the file of `auth login --insecure-storage`; it may not exist."""
    return config_dir(environ) / "keys.json"


def read_file(environ: Mapping[str, str], profile: str) -> Entry | None:
    """Return the profile's entry in the file, None if it has none.

    Raises SetupError if other users can read the file or if it is damaged.
    """
    return _read(file_path(environ)).get(profile)


def write_file(environ: Mapping[str, str], profile: str, entry: Entry) -> None:
    """Store the entry in the file, mode 0600 in a folder of mode 0700. Raises SetupError."""
    path = file_path(environ)
    _write(path, {**_read(path), profile: entry})


def delete_file(environ: Mapping[str, str], profile: str) -> bool:
    """Remove the profile's entry from the file; return True if there was one."""
    path = file_path(environ)
    entries = _read(path)
    if entries.pop(profile, None) is None:
        return False
    _write(path, entries)
    return True


def find_storage(settings: Settings, *, insecure: bool = False) -> str | None:
    """Return the store for the profile's key: `KEYRING`, the file's path, or None.

    None means that this machine has no keyring and the user must decide whether the 0600 file
    may be used. Raises AuthError if there is a keyring and it does not answer.
    """
    if insecure:
        return str(file_path(settings.environ))
    try:
        require_keyring(settings.profile)
    except NoKeyring:
        return None
    except AuthError as failure:
        hint = Text("apiyi auth login --insecure-storage, or set APIYI_API_KEY")
        raise failure.with_hint(hint) from failure.__cause__
    return KEYRING


def system_user(profile: str) -> str:
    """Return the user name under which the stores keep a profile's system token."""
    # A profile's name cannot contain a slash.
    return f"{profile}/system"


def store_key(
    settings: Settings, key: Secret, *, insecure: bool = False, user: str | None = None
) -> str:
    """Store the key of the current profile, bound to its origins; return where it is.

    `user` is the name of another secret of the profile (`system_user`). The key goes into the
    keyring or, only if `insecure`, into the 0600 file; a copy in the other store is removed, so
    that no old key is used later. Raises AuthError if the keyring cannot keep it: there is no
    automatic fallback to the file.
    """
    entry = Entry(key.value, tuple(origins(settings.base_urls)))
    user = user or settings.profile
    if insecure:
        write_file(settings.environ, user, entry)
        with suppress(AuthError):
            # Expected: --insecure-storage is for machines whose keyring does not work.
            delete_keyring(user)
        return str(file_path(settings.environ))
    write_keyring(user, entry)
    delete_file(settings.environ, user)
    return KEYRING


def forget_key(settings: Settings) -> list[str]:
    """Remove the profile's key and system token from both stores; return those that had any.

    If the keyring does not answer, AuthError is raised after the file was cleaned: a key may
    still be in the keyring.
    """
    users = (settings.profile, system_user(settings.profile))
    in_file = [delete_file(settings.environ, user) for user in users]
    removed = [str(file_path(settings.environ))] if any(in_file) else []
    # Nothing can be in a store that does not exist.
    with suppress(NoKeyring):
        in_keyring = [delete_keyring(user) for user in users]
        removed += [KEYRING] if any(in_keyring) else []
    return removed


def list_places(settings: Settings) -> list[KeyPlace]:
    """Return the places of a key in the order in which `find_key` looks at them."""
    key_file = settings.value("key_file")
    command = settings.in_profile.key_command
    places = [
        KeyPlace(Text("key file"), bool(key_file), str(key_file or "")),
        KeyPlace(
            Text("environment {key_variable}", key_variable=KEY_VARIABLE),
            bool(settings.environ.get(KEY_VARIABLE)),
        ),
        KeyPlace("key_command", bool(command), " ".join(command[:1])),
    ]
    try:
        entry = read_keyring(settings.profile)
        places.append(KeyPlace(KEYRING, entry is not None))
    except AuthError as error:
        places.append(KeyPlace(KEYRING, None, error.why))
    entry = read_file(settings.environ, settings.profile)
    places.append(KeyPlace(str(file_path(settings.environ)), entry is not None))
    for path, _ in list_vendor_files(settings.environ):
        if path.exists():
            secret = find_in_vendor_files(settings, "key", only=path)
            places.append(KeyPlace(str(path), secret is not None))
    return places


def _read(path: Path) -> dict[str, Entry]:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            refuse_readable(path, os.fstat(file.fileno()))
            document = read_strict(file.read())
            return {name: _check_entry(value, str(path)) for name, value in document.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SetupError(Text("cannot read {path}", path=path), system_reason(error)) from error
    # The parser's own message would quote the file, and so a key.
    except (ValueError, AttributeError):
        raise SetupError(
            Text("{path} is damaged", path=path),
            hint=Text("remove it, then: apiyi auth login --insecure-storage"),
        ) from None


def _write(path: Path, entries: Mapping[str, Entry]) -> None:
    private_dir(path.parent)
    document = {name: _as_json(entry) for name, entry in entries.items()}
    private_write(path, write_ascii(document, indent=2).encode() + b"\n")


def _as_json(entry: Entry) -> dict[str, object]:
    return {"key": entry.key, "origins": None if entry.origins is None else list(entry.origins)}


def _parse_entry(text: str, source: str) -> Entry:
    """Return the entry in a text: JSON, or a bare key without brace."""
    if not text.lstrip().startswith("{"):
        return Entry(text)
    try:
        value = read_strict(text)
    except ValueError:
        value = None
    return _check_entry(value, source)


def _check_entry(value: Any, source: str) -> Entry:
    """Return the entry of a JSON value; raises AuthError, which does not quote it."""
    fields = value if isinstance(value, dict) else {}
    key, origins = fields.get("key"), fields.get("origins")
    if not isinstance(key, str) or not isinstance(origins, list | None):
        raise AuthError(
            Text("no usable key"), Text("the entry in {source} is damaged", source=source)
        )
    return Entry(key, None if origins is None else tuple(map(str, origins)))


def _ask_keyring(verb: str, ask: Callable[[Any], T], *secrets: Secret) -> T:
    """Return the result of `ask(keyring)`; AuthError if it fails or exceeds `KEYRING_LIMIT_S`.

    `verb` completes "the keyring cannot be …". `secrets` are redacted in the keyring's message.
    The import runs in the thread too, because choosing a backend already uses the desktop's bus.
    """
    import threading

    answers: list[T] = []
    failures: list[Exception] = []

    def run() -> None:
        try:
            import keyring

            answers.append(ask(keyring.get_keyring()))
        except Exception as error:
            failures.append(error)

    # A daemon thread: the process must be able to end while the keyring does not answer.
    thread = threading.Thread(target=run, name="keyring", daemon=True)
    thread.start()
    thread.join(KEYRING_LIMIT_S)
    if answers:
        return answers[0]
    what = Text("the keyring cannot be {verb}", verb=verb)
    if not failures:
        limit = Text(
            "it gave no answer within {keyring_limit_s} s (is it locked?)",
            keyring_limit_s=f"{KEYRING_LIMIT_S:g}",
        )
        raise AuthError(what, limit, hint=LOGIN_HINT)
    # The cause is cut off: a traceback through the backend would show the arguments.
    raise _keyring_error(what, failures[0], secrets) from None


def _keyring_error(what: Text, error: Exception, secrets: Iterable[Secret]) -> AuthError:
    if isinstance(error, AuthError):
        return error
    why = redact(" ".join(str(error).split()) or type(error).__name__, secrets)
    if type(error).__name__ in ("NoKeyringError", "ModuleNotFoundError"):
        return NoKeyring(what, Text("this machine has none"), hint=LOGIN_HINT)
    if type(error).__name__ == "KeyringLocked":
        why = Text("it is locked: {why}", why=why)
    return AuthError(what, why, hint=LOGIN_HINT)
