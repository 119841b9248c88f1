from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoBackend
from keyring.errors import PasswordDeleteError

from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.secret import Secret
from apiyi_cli.errors import ApiyiError, AuthError, SetupError
from apiyi_cli.settings import key_store
from apiyi_cli.settings.key_command import read_printed_key
from apiyi_cli.settings.key_store import forget_key, list_places, store_key
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.settings.secrets import child_environment, find_key

KEY = "sk-CANARY9f3c0123456789abcdef"
OTHER = "sk-OTHER-0123456789abcdef"
BOUND = ["https://api.apiyi.com:443", "https://vip.apiyi.com:443"]


class MemoryRing(KeyringBackend):
    """A keyring that works."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.kept:
            raise PasswordDeleteError
        del self.kept[service, username]


class ForgetfulRing(MemoryRing):
    """Takes everything and keeps nothing."""

    def set_password(self, service: str, username: str, password: str) -> None:
        pass


class LockedRing(MemoryRing):
    """Raises, with whatever it was given in the text."""

    def get_password(self, service: str, username: str) -> str | None:
        raise RuntimeError("the collection is locked")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError(f"cannot keep {password}")


class PlaintextKeyring(MemoryRing):
    """Stands for keyrings.alt.file.PlaintextKeyring."""


@pytest.fixture
def ring() -> MemoryRing:
    backend = MemoryRing()
    keyring.set_keyring(backend)
    return backend


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND", raising=False)
    nothing = NoBackend()  # type: ignore[no-untyped-call]
    keyring.set_keyring(nothing)
    yield
    keyring.set_keyring(nothing)


def settings(
    tmp_path: Path,
    text: str = "",
    *,
    key_path: Path | None = None,
    node: str | None = None,
    **environ: str,
) -> Settings:
    folder = tmp_path / "apiyi"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(text)
    (folder / "config.toml").chmod(0o600)
    flags = Connection(key_file=str(key_path) if key_path else None, node=node)
    return Settings(
        flags, environ={"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), **environ}
    )


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def command(code: str) -> str:
    return f"[profile.default]\nkey_command = {json.dumps([sys.executable, '-c', code])}\n"


def stored(key: str, origins: list[str] | None = None) -> str:
    return json.dumps({"key": key, "origins": BOUND if origins is None else origins})


def test_the_first_place_that_has_a_key_gives_it(tmp_path: Path, ring: MemoryRing) -> None:
    keys = private(tmp_path / "apiyi-keys", f"{KEY}-flag\n")
    by_command = command(f"print('{KEY}-command')")
    made = settings(tmp_path, by_command, key_path=keys, APIYI_API_KEY=f"{KEY}-variable")
    store_key(made, Secret(f"{KEY}-file"), insecure=True)
    ring.kept["apiyi", "default"] = stored(f"{KEY}-keyring")

    def found(text: str = "", *, key_path: Path | None = None, **environ: str) -> tuple[str, str]:
        secret = find_key(settings(tmp_path, text, key_path=key_path, **environ))
        return secret.value.removeprefix(f"{KEY}-"), secret.source

    variable = f"{KEY}-variable"
    by_flag = found(by_command, key_path=keys, APIYI_API_KEY=variable)
    assert by_flag == ("flag", f"--key-file ({keys})")
    by_variable = found(by_command, APIYI_API_KEY=variable)
    assert by_variable == ("variable", "environment APIYI_API_KEY")
    assert found(by_command) == ("command", "key_command of profile default")
    assert found() == ("keyring", "keyring")
    del ring.kept["apiyi", "default"]
    assert found() == ("file", str(tmp_path / "apiyi" / "keys.json"))
    assert found(APIYI_API_KEY="")[0] == "file"


def test_the_key_file_of_a_profile_comes_after_the_variable(tmp_path: Path) -> None:
    made = settings(tmp_path, "[profile.default]\nkey_file = 'my-key'\n")
    private(tmp_path / "apiyi" / "my-key", KEY)
    assert find_key(made).value == KEY
    made = settings(tmp_path, "[profile.default]\nkey_file = 'my-key'\n", APIYI_API_KEY=OTHER)
    assert find_key(made).value == OTHER


def test_the_openai_variable_is_never_read(tmp_path: Path) -> None:
    with pytest.raises(AuthError, match="no key for profile default"):
        find_key(settings(tmp_path, OPENAI_API_KEY=KEY))


def test_no_key_at_all_tells_the_three_ways(tmp_path: Path) -> None:
    with pytest.raises(AuthError) as caught:
        find_key(settings(tmp_path))
    hint = caught.value.hint or ""
    assert caught.value.why == ""
    assert all(way in hint for way in ("apiyi auth login", "APIYI_API_KEY", "--key-file"))


def test_the_sandbox_needs_no_key_and_looks_for_none(tmp_path: Path) -> None:
    made = settings(tmp_path, APIYI_PROFILE="sandbox", APIYI_API_KEY=KEY)
    assert find_key(made).value != KEY


@pytest.mark.parametrize("text", [f" {KEY}\n", f"\t{KEY}\r\n", f"\n\n{KEY}", KEY])
def test_white_space_around_a_key_is_taken_off(tmp_path: Path, text: str) -> None:
    assert find_key(settings(tmp_path, APIYI_API_KEY=text)).value == KEY
    path = private(tmp_path / "key", text)
    assert find_key(settings(tmp_path, key_path=path)).value == KEY


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{KEY}\n{KEY}", "white space inside"),
        (f"{KEY} {KEY}", "white space inside"),
        (f"Bearer {KEY}", "leave out `Bearer`"),
        (f'"{KEY}"', "quotes"),
        (f"'{KEY}'", "quotes"),
        (f"`{KEY}`", "quotes"),
        (f"{KEY}é", "not ASCII"),
        (f"“{KEY}”", "not ASCII"),
        (f"{KEY}\x1b[0m", "control characters"),
        (f"{KEY}\x7f", "control characters"),
        (KEY * 400, "longer than"),
        ("  \n", "empty"),
    ],
)
def test_what_cannot_be_a_key_is_refused_and_never_repeated(
    tmp_path: Path, text: str, why: str
) -> None:
    for made in (
        settings(tmp_path, APIYI_API_KEY=text),
        settings(tmp_path, key_path=private(tmp_path / "key", text)),
    ):
        with pytest.raises(AuthError) as caught:
            find_key(made)
        assert why in caught.value.why
        assert "CANARY" not in describe_error(caught.value)


def describe_error(error: ApiyiError) -> str:
    """Return all that the error and what it hangs on would show."""
    return f"{error} {error.hint} {error!r} {error.__cause__!r}"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o660])
def test_a_key_file_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / "my key", KEY)
    path.chmod(mode)
    with pytest.raises(SetupError, match="others can read it") as caught:
        find_key(settings(tmp_path, key_path=path))
    assert caught.value.hint == f"chmod 600 '{path}'"
    assert caught.value.exit_code == 10


def test_a_missing_key_file_is_a_setup_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot read the key file"):
        find_key(settings(tmp_path, key_path=tmp_path / "none"))


def test_a_key_file_may_be_a_pipe(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, KEY.encode())
    os.close(writer)
    try:
        assert find_key(settings(tmp_path, key_path=Path(f"/dev/fd/{reader}"))).value == KEY
    finally:
        os.close(reader)


def test_a_key_command_has_no_key_in_its_environment_and_no_stdin(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "names = [name for name in os.environ if 'API_KEY' in name]\n"
        "print('read', len(sys.stdin.read()), *names, os.path.basename(os.getcwd()), sep='-')\n"
    )
    environ = child_environment({"APIYI_API_KEY": KEY, "HOME": str(tmp_path)})
    folder = tmp_path / "apiyi"
    folder.mkdir()
    text = read_printed_key([sys.executable, "-c", code], environ, folder, "key_command")
    assert text == "read-0-apiyi\n"


def test_a_key_command_is_no_shell(tmp_path: Path) -> None:
    with pytest.raises(AuthError, match="did not start"):
        find_key(settings(tmp_path, '[profile.default]\nkey_command = ["echo k; echo x"]'))


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (
            f"import sys; print('{KEY}'); sys.exit('bad vault,\\n {KEY} stays')",
            "status 1: bad vault, [key …cdef] stays",
        ),
        ("import sys; print('hush-hush'); sys.exit('no hush-hush')", "status 1: no [key …]"),
        ("import sys; sys.exit(3)", "status 3"),
        ("import sys; sys.exit('x' * 1000)", "x" * 300 + "…"),
        ("pass", "it is empty"),
        (f"print('{KEY}\\n{KEY}')", "white space inside"),
        ("import sys; sys.stdout.buffer.write(b'\\xff' * 20)", "not ASCII"),
    ],
)
def test_a_key_command_that_fails_tells_its_own_words_without_the_key(
    tmp_path: Path, code: str, why: str
) -> None:
    with pytest.raises(AuthError) as caught:
        find_key(settings(tmp_path, command(code)))
    assert caught.value.why.endswith(why)
    assert "CANARY" not in describe_error(caught.value)


def test_a_key_command_that_hangs_is_stopped_with_all_it_holds_open(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(5)'])\n"
        "time.sleep(60)\n"
    )
    begin = time.monotonic()
    with pytest.raises(AuthError, match=r"no key within 0\.5 s"):
        read_printed_key([sys.executable, "-c", code], {}, tmp_path, "key_command", limit_s=0.5)
    assert time.monotonic() - begin < 3


def test_a_stored_key_goes_to_its_own_servers_only(tmp_path: Path, ring: MemoryRing) -> None:
    store_key(settings(tmp_path), Secret(KEY))
    assert json.loads(ring.kept["apiyi", "default"]) == {"key": KEY, "origins": BOUND}
    assert find_key(settings(tmp_path)).value == KEY
    same = settings(tmp_path, APIYI_BASE_URL="https://vip.apiyi.com:443/other/v1")
    assert find_key(same).value == KEY
    for other in ("https://evil.example/v1", "https://api.apiyi.com:8443/v1"):
        with pytest.raises(AuthError, match="is not sent to") as caught:
            find_key(settings(tmp_path, APIYI_BASE_URL=other))
        assert "CANARY" not in describe_error(caught.value)


def test_a_key_of_the_gateway_goes_to_all_of_its_nodes_by_their_names(
    tmp_path: Path, ring: MemoryRing
) -> None:
    store_key(settings(tmp_path), Secret(KEY))
    assert find_key(settings(tmp_path, node="b")).value == KEY
    with pytest.raises(AuthError, match="is not sent to"):
        find_key(settings(tmp_path, APIYI_BASE_URL="https://b.apiyi.com/v1"))
    ring.kept["apiyi", "default"] = json.dumps({"key": KEY, "origins": ["https://own.example:443"]})
    with pytest.raises(AuthError, match="is not sent to"):
        find_key(settings(tmp_path, node="b"))


def test_a_backup_that_joined_after_the_login_does_not_get_the_key(
    tmp_path: Path, ring: MemoryRing
) -> None:
    text = '[profile.default]\nbase_urls = ["https://api.apiyi.com/v1", "https://new.example/v1"]'
    store_key(settings(tmp_path), Secret(KEY))
    with pytest.raises(AuthError, match=r"not sent to https://new\.example:443"):
        find_key(settings(tmp_path, text))
    store_key(settings(tmp_path, text), Secret(KEY))
    assert find_key(settings(tmp_path, text)).value == KEY


@pytest.mark.parametrize("place", ["keyring", "file", "key_command", "key_file"])
def test_every_key_of_a_profile_is_bound_and_only_a_handed_one_is_free(
    tmp_path: Path, ring: MemoryRing, place: str
) -> None:
    text = ""
    if place == "keyring":
        ring.kept["apiyi", "default"] = KEY
    elif place == "file":
        store_key(settings(tmp_path), Secret(KEY), insecure=True)
    elif place == "key_command":
        text = command(f"print('{KEY}')")
    else:
        private(tmp_path / "apiyi-key", KEY)
        text = f"[profile.default]\nkey_file = '{tmp_path / 'apiyi-key'}'"
    assert find_key(settings(tmp_path, text)).value == KEY
    local = "http://127.0.0.1:9/v1"
    with pytest.raises(AuthError, match=r"not sent to http://127\.0\.0\.1:9"):
        find_key(settings(tmp_path, text, APIYI_BASE_URL=local))
    assert (
        find_key(settings(tmp_path, text, APIYI_API_KEY=OTHER, APIYI_BASE_URL=local)).value == OTHER
    )
    handed = private(tmp_path / "handed", OTHER)
    assert find_key(settings(tmp_path, text, key_path=handed, APIYI_BASE_URL=local)).value == OTHER


def test_each_profile_has_its_own_key(tmp_path: Path, ring: MemoryRing) -> None:
    text = '[profile.work]\nbase_urls = ["https://work.example/v1"]'
    store_key(settings(tmp_path, text, APIYI_PROFILE="work"), Secret(KEY))
    with pytest.raises(AuthError, match="no key for profile default"):
        find_key(settings(tmp_path, text))
    assert find_key(settings(tmp_path, text, APIYI_PROFILE="work")).value == KEY


@pytest.mark.parametrize("text", ["{", '{"key": 1}', '{"key": "k", "origins": "x"}', "{}"])
def test_a_damaged_entry_is_told_without_its_content(
    tmp_path: Path, ring: MemoryRing, text: str
) -> None:
    ring.kept["apiyi", "default"] = text
    with pytest.raises(AuthError, match="no key") as caught:
        find_key(settings(tmp_path))
    assert "damaged" in caught.value.why


def test_login_without_a_keyring_never_falls_to_a_file(tmp_path: Path) -> None:
    with pytest.raises(AuthError, match="this machine has none") as caught:
        store_key(settings(tmp_path), Secret(KEY))
    assert "--insecure-storage" in (caught.value.hint or "")
    assert not key_store.file_path({"HOME": "", "XDG_CONFIG_HOME": str(tmp_path)}).exists()


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        (ForgetfulRing, "gives back another"),
        (LockedRing, "cannot keep"),
        (PlaintextKeyring, "in the clear"),
    ],
)
def test_a_keyring_that_does_not_keep_is_told_without_the_key(
    tmp_path: Path, backend: type[MemoryRing], why: str
) -> None:
    keyring.set_keyring(backend())
    with pytest.raises(AuthError) as caught:
        store_key(settings(tmp_path), Secret(KEY))
    assert why in caught.value.why
    assert "CANARY" not in describe_error(caught.value)


def test_a_locked_keyring_is_the_reason_when_no_key_is_found(tmp_path: Path) -> None:
    keyring.set_keyring(LockedRing())
    with pytest.raises(AuthError) as caught:
        find_key(settings(tmp_path))
    assert caught.value.why == "the collection is locked"


def test_a_locked_keyring_does_not_hide_the_file_that_was_asked_for(tmp_path: Path) -> None:
    keyring.set_keyring(LockedRing())
    store_key(settings(tmp_path), Secret(KEY), insecure=True)
    assert find_key(settings(tmp_path)).value == KEY


def test_the_file_is_private_and_refused_when_others_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = Path(store_key(settings(tmp_path), Secret(KEY), insecure=True))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    with pytest.raises(SetupError, match="others can read it") as caught:
        find_key(settings(tmp_path))
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"default": 3}', "\udcff"])
def test_a_damaged_file_is_a_setup_or_auth_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "apiyi").mkdir()
    path = tmp_path / "apiyi" / "keys.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    path.chmod(0o600)
    with pytest.raises((SetupError, AuthError)):
        find_key(settings(tmp_path))


def test_a_new_login_leaves_no_old_key_in_the_other_store(tmp_path: Path, ring: MemoryRing) -> None:
    made = settings(tmp_path)
    store_key(made, Secret(KEY), insecure=True)
    store_key(made, Secret(OTHER))
    assert key_store.read_file(made.environ, "default") is None
    store_key(made, Secret(KEY), insecure=True)
    assert ring.kept == {}


def test_logout_removes_the_key_from_every_store(tmp_path: Path, ring: MemoryRing) -> None:
    made = settings(tmp_path)
    store_key(made, Secret(KEY), insecure=True)
    ring.kept["apiyi", "default"] = stored(KEY)
    ring.kept["apiyi", "work"] = stored(OTHER)
    assert forget_key(made) == [str(tmp_path / "apiyi" / "keys.json"), "keyring"]
    assert forget_key(made) == []
    assert list(ring.kept) == [("apiyi", "work")]
    assert KEY not in (tmp_path / "apiyi" / "keys.json").read_text()


def test_logout_works_without_a_keyring_and_tells_of_a_locked_one(tmp_path: Path) -> None:
    made = settings(tmp_path)
    store_key(made, Secret(KEY), insecure=True)
    assert len(forget_key(made)) == 1
    store_key(made, Secret(KEY), insecure=True)
    keyring.set_keyring(LockedRing())
    with pytest.raises(AuthError, match="the collection is locked"):
        forget_key(made)
    assert key_store.read_file(made.environ, "default") is None


def test_places_tell_where_keys_are_and_show_none(tmp_path: Path) -> None:
    text = command(f"print('{KEY}')")
    made = settings(tmp_path, text, APIYI_API_KEY=KEY)
    store_key(made, Secret(KEY), insecure=True)
    rows = list_places(made)
    assert [(row.present) for row in rows] == [False, True, True, None, True]
    assert "CANARY" not in repr(rows)


def test_a_child_does_not_get_the_key() -> None:
    assert child_environment({"APIYI_API_KEY": KEY, "PATH": "/bin"}) == {"PATH": "/bin"}
