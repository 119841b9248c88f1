"""The keyring as a process of its own sees it: silent, absent, and a real Secret Service."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KEY = "sk-CANARY9f3c0123456789abcdef"

LOGIN_HINT = "set APIYI_API_KEY for that server, or log in with a profile of its own"

SILENT = """
import time
from keyring.backend import KeyringBackend

class Keyring(KeyringBackend):
    priority = 10

    def get_password(self, service, username):
        time.sleep(60)

    set_password = delete_password = get_password
"""

FIND = """
import os, time
from apiyi_cli.errors import AuthError
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.settings.secrets import find_key
begin = time.monotonic()
try:
    print(find_key(Settings()).value)
except AuthError as error:
    print(error.exit_code, error.why, error.hint, sep="|")
print(time.monotonic() - begin < 3.5)
"""

STORE = """
from apiyi_cli.core.secret import Secret
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.settings.key_store import store_key
print(store_key(Settings(), Secret("sk-CANARY9f3c0123456789abcdef")))
"""

FORGET = """
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.settings.key_store import forget_key
print(forget_key(Settings()))
"""


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """Return an environment without bus or desktop, in which nothing of the user's is seen."""
    paths = os.pathsep.join((str(ROOT), str(tmp_path)))
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": paths, **more}


def run(program: str, environ: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_silent_keyring_is_given_up_after_three_seconds(tmp_path: Path) -> None:
    (tmp_path / "silent_ring.py").write_text(SILENT)
    begin = time.monotonic()
    done = run(FIND, environment(tmp_path, PYTHON_KEYRING_BACKEND="silent_ring.Keyring"), tmp_path)
    assert time.monotonic() - begin < 5
    first, quick = done.stdout.splitlines()
    assert first.startswith("4|it gave no answer within 3 s")
    assert "--key-file" in first
    assert quick == "True"
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a keyring")
def test_a_machine_without_a_keyring_is_told_the_ways_to_give_a_key(tmp_path: Path) -> None:
    done = run(FIND, environment(tmp_path), tmp_path)
    first, _ = done.stdout.splitlines()
    assert first.startswith("4||apiyi auth login, or set APIYI_API_KEY, or use --key-file")
    assert done.stderr == ""


def test_a_key_in_the_environment_needs_neither_keyring_nor_toml_writer(tmp_path: Path) -> None:
    loaded = (
        "import sys\n"
        "heavy = ('keyring', 'tomlkit', 'rich', 'click', 'pydantic', 'sqlite3', 'asyncio')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = run(FIND + loaded, environment(tmp_path, APIYI_API_KEY=KEY), tmp_path)
    assert done.stdout.splitlines() == [KEY, "True", "[]"]


@pytest.mark.secretservice
def test_a_real_secret_service_keeps_finds_binds_and_forgets_a_key(tmp_path: Path) -> None:
    missing = [name for name in ("dbus-run-session", "gnome-keyring-daemon") if not which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    bare = (
        "import keyring; print(keyring.get_password('apiyi', 'default')); "
        "keyring.set_password('apiyi', 'default', 'sk-bare-0123456789')"
    )
    elsewhere = "import os; os.environ['APIYI_BASE_URL'] = 'https://evil.example/v1'\n" + FIND
    steps = [STORE, FIND, elsewhere, bare, FIND, elsewhere, FORGET, FIND]
    for number, step in enumerate(steps):
        (tmp_path / f"step{number}.py").write_text(step)
    script = "printf '\\n' | gnome-keyring-daemon --unlock --components=secrets >/dev/null\n"
    script += "".join(
        f"'{sys.executable}' '{tmp_path}/step{number}.py'\n" for number in range(len(steps))
    )
    done = subprocess.run(
        ["dbus-run-session", "--", "sh", "-ec", script],
        env=environment(tmp_path, XDG_RUNTIME_DIR=str(runtime)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line != "True"]
    kept, first, refused, raw, second, refused_bare, forgotten, none = lines
    assert (kept, first) == ("keyring", KEY)
    servers = ["https://api.apiyi.com:443", "https://vip.apiyi.com:443"]
    assert json.loads(raw) == {"key": KEY, "origins": servers}
    assert second == "sk-bare-0123456789"
    assert refused == refused_bare == f"4|it belongs to {', '.join(servers)}|{LOGIN_HINT}"
    assert forgotten == "['keyring']"
    assert none.startswith("4||")


def which(name: str) -> str | None:
    return shutil.which(name)
