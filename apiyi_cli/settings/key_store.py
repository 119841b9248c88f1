"""The two stores of keys: the keyring of the operating system, and a 0600 file.

Each entry holds the key and the servers it may be sent to. The keyring is spoken to from a
thread that can be abandoned, because a locked or broken one may never answer. Who may
use which key is `settings.secrets`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
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
    """One place where a key may be, and what was found there: `present` is None for "cannot
    tell", and `note` then says why."""

    name: str
    present: bool | None
    note: str = ""


class Entry(NamedTuple):
    """A stored key and the origins it may go to; None: those that the profile names."""

    key: str
    origins: tuple[str, ...] | None = None


class NoKeyring(AuthError):
    """The machine has no keyring at all, which is normal for a server."""


def read_keyring(profile: str) -> Entry | None:
    """Return what the keyring has for the profile.

    A bare key that another program put there is an entry without origins. Raises AuthError
    when the keyring is locked, broken or silent, NoKeyring when there is none.
    """
    text = _ask_keyring("read", lambda ring: ring.get_password(SERVICE, profile))
    return _parse_entry(text, KEYRING) if text else None


def require_keyring(profile: str) -> None:
    """Raise AuthError unless the keyring can keep a key; NoKeyring when there is none.

    Nothing is written: a keyring that fails only then is told by `write_keyring`.
    """

    def look(ring: Any) -> bool:
        _refuse_plaintext(ring)
        if type(ring).__module__.endswith((".fail", ".null")):
            raise NoKeyring(Text("the keyring cannot be used"), Text("this machine has none"))
        ring.get_password(SERVICE, profile)
        return True

    _ask_keyring("read", look)


def _refuse_plaintext(ring: Any) -> None:
    first = next(iter(getattr(ring, "backends", ())), ring)
    if "Plaintext" in type(first).__name__ and not os.environ.get("PYTHON_KEYRING_BACKEND"):
        raise NoKeyring(
            Text("the keyring"), Text("its backend keeps passwords in the clear"), hint=LOGIN_HINT
        )


def write_keyring(profile: str, entry: Entry) -> None:
    """Put the entry into the keyring and read it back; raises AuthError.

    A backend that keeps passwords in a plain file is refused unless the user chose it by
    name (`PYTHON_KEYRING_BACKEND`): storing in the clear has its own option.
    """
    text = write_ascii(_as_json(entry))

    def write(ring: Any) -> bool:
        _refuse_plaintext(ring)
        ring.set_password(SERVICE, profile, text)
        # The null backend takes everything and keeps nothing.
        return bool(ring.get_password(SERVICE, profile) == text)

    if not _ask_keyring("written", write, Secret(entry.key)):
        raise AuthError(
            Text("the keyring did not keep the key"), Text("it gives back another"), hint=LOGIN_HINT
        )


def delete_keyring(profile: str) -> bool:
    """Remove the profile's entry; return whether there was one; raises like `read_keyring`."""

    def delete(ring: Any) -> bool:
        if ring.get_password(SERVICE, profile) is None:
            return False
        ring.delete_password(SERVICE, profile)
        return True

    return _ask_keyring("changed", delete)


def file_path(environ: Mapping[str, str]) -> Path:
    """Return where `auth login --insecure-storage` keeps keys; the file may not exist."""
    return config_dir(environ) / "keys.json"


def read_file(environ: Mapping[str, str], profile: str) -> Entry | None:
    """Return what the file has for the profile.

    Raises SetupError for a file that others can read or that is damaged.
    """
    return _read(file_path(environ)).get(profile)


def write_file(environ: Mapping[str, str], profile: str, entry: Entry) -> None:
    """Put the entry into the file, 0600 in a folder of mode 0700; raises SetupError."""
    path = file_path(environ)
    _write(path, {**_read(path), profile: entry})


def delete_file(environ: Mapping[str, str], profile: str) -> bool:
    """Remove the profile's entry from the file; return whether there was one."""
    path = file_path(environ)
    entries = _read(path)
    if entries.pop(profile, None) is None:
        return False
    _write(path, entries)
    return True


def find_storage(settings: Settings, *, insecure: bool = False) -> str | None:
    """Return where a key of the profile can be kept, None where only the user may say so.

    None means that this machine has no keyring: the 0600 file is then for the user to choose.
    Raises AuthError when the keyring is there and does not answer.
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
    """Return the name under which the stores keep the system token of a profile."""
    # No profile has a slash in its name.
    return f"{profile}/system"


def store_key(
    settings: Settings, key: Secret, *, insecure: bool = False, user: str | None = None
) -> str:
    """Keep the key for the profile in use, bound to its servers; return where it is kept.

    `user` is the name of another secret of the profile (`system_user`).

    It goes into the keyring, or, only when `insecure`, into a 0600 file; the copy in the
    other place is removed, so that no old key is left to be found. Raises AuthError when
    the keyring cannot keep it: nothing falls back to a file by itself.
    """
    entry = Entry(key.value, tuple(origins(settings.base_urls)))
    user = user or settings.profile
    if insecure:
        write_file(settings.environ, user, entry)
        _quietly_forget_keyring(user)
        return str(file_path(settings.environ))
    write_keyring(user, entry)
    delete_file(settings.environ, user)
    return KEYRING


def forget_key(settings: Settings) -> list[str]:
    """Remove the profile's key and system token from every store; return the stores that had any.

    Raises AuthError after the file was cleaned when the keyring does not answer: a key may
    still be in it.
    """
    removed: list[str] = []
    users = (settings.profile, system_user(settings.profile))
    in_file = [delete_file(settings.environ, user) for user in users]
    if any(in_file):
        removed.append(str(file_path(settings.environ)))
    try:
        in_keyring = [delete_keyring(user) for user in users]
        if any(in_keyring):
            removed.append(KEYRING)
    except NoKeyring:
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
        entry = read_keyring(settings.profile)
        found.append(KeyPlace(KEYRING, entry is not None))
    except AuthError as error:
        found.append(KeyPlace(KEYRING, None, error.why))
    entry = read_file(settings.environ, settings.profile)
    found.append(KeyPlace(str(file_path(settings.environ)), entry is not None))
    for path, _ in list_vendor_files(settings.environ):
        if path.exists():
            secret = find_in_vendor_files(settings, "key", only=path)
            found.append(KeyPlace(str(path), secret is not None))
    return found


def _quietly_forget_keyring(user: str) -> None:
    try:
        delete_keyring(user)
    except AuthError:
        # --insecure-storage is for machines whose keyring does not work.
        return


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
    # The parser's own message would repeat what it found.
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
    """Read an entry of the keyring, or a bare key, which never begins with a brace."""
    if not text.lstrip().startswith("{"):
        return Entry(text)
    try:
        value = read_strict(text)
    except ValueError:
        value = None
    return _check_entry(value, source)


def _check_entry(value: Any, source: str) -> Entry:
    """Return the entry that was written as this JSON value.

    Raises AuthError, which never repeats the value, if it is not an entry.
    """
    fields = value if isinstance(value, dict) else {}
    key, origins = fields.get("key"), fields.get("origins")
    known = origins is None or isinstance(origins, list)
    if not isinstance(key, str) or not known:
        raise AuthError(
            Text("no usable key"), Text("the entry in {source} is damaged", source=source)
        )
    return Entry(key, None if origins is None else tuple(map(str, origins)))


def _ask_keyring(verb: str, ask: Callable[[Any], T], *secrets: Secret) -> T:
    """Return what `ask` says of the keyring, or raise AuthError after `KEYRING_LIMIT_S`.

    The import is part of it: choosing a backend already talks to the desktop's bus.
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

    # A daemon: the process must be able to end while the keyring stays silent.
    thread = threading.Thread(target=run, name="keyring", daemon=True)
    thread.start()
    thread.join(KEYRING_LIMIT_S)
    if answers:
        return answers[0]
    what = Text("the keyring cannot be {verb}", verb=verb)
    why: str
    if not failures:
        why = Text(
            "it gave no answer within {keyring_limit_s} s (is it locked?)",
            keyring_limit_s=f"{KEYRING_LIMIT_S:g}",
        )
        raise AuthError(what, why, hint=LOGIN_HINT)
    error = failures[0]
    if isinstance(error, AuthError):
        raise error
    why = redact(" ".join(str(error).split()) or type(error).__name__, secrets)
    if type(error).__name__ in ("NoKeyringError", "ModuleNotFoundError"):
        raise NoKeyring(what, Text("this machine has none"), hint=LOGIN_HINT) from None
    if type(error).__name__ == "KeyringLocked":
        why = Text("it is locked: {why}", why=why)
    # The cause is cut off: a traceback through the backend would show the arguments.
    raise AuthError(what, why, hint=LOGIN_HINT) from None
