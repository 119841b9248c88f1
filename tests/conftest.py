"""What the tests share: an isolated user, the gateway, and the program as a real process.

No test may reach anything but loopback. The key that the processes get is a canary: it is
looked for in all they print and in every file they leave behind.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import os
import pty
import select
import shlex
import signal
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import settings
from pytest_socket import socket_allow_hosts

from apiyi_cli.sandbox.server import Gateway
from tests import order
from tests.quick import Quick, Warm
from tests.warm import KEY as KEY

settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.load_profile("fixed")

ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT.parent / "shared" / "reference" / "openai-request-schemas.json"
MODEL = "gpt-4o"
MODELS = {
    "embed": "text-embedding-3-small",
    "image": "gpt-image-1",
    "transcribe": "whisper-1",
    "speak": "tts-1",
    "video": "wan2.7-t2v",
}
"""What the user of the tests has chosen for the commands that are not about text."""
LIMIT_S = 30.0
_FOREIGN = ("APIYI_", "OPENAI_", "XDG_", "SSL_CERT_", "PYTHON_KEYRING_", "CLICOLOR", "LC_")
_ALIEN = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "DBUS_SESSION_BUS_ADDRESS", "LANGUAGE")
_numbers = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(order)
    config.addinivalue_line(
        "markers", "off_schema: sends on purpose what the official request schemas rule out"
    )
    # A shell lets its background jobs ignore these, nohup the third, and whoever they start; the
    # program keeps to that, and tests that interrupt it would wait for ever.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without looking for garbage, and never look through what was collected."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Have a test run while another one waits."""
    return 2 * len(os.sched_getaffinity(0))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes that are not text by their place: packed ones may hold the time.

    Workers that collect other names than each other run nothing.
    """
    is_binary = isinstance(val, bytes) and not (val.isascii() and val.decode().isprintable())
    return argname if is_binary else None


def pytest_runtest_setup() -> None:
    socket_allow_hosts(["127.0.0.0/8", "::1"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that every test's HOME lies in."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def home(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A HOME of the test's own, with nothing of the real user's environment left."""
    own = homes / str(next(_numbers))
    own.mkdir(mode=0o700)
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name in _ALIEN or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, value in _user(own).items():
        monkeypatch.setenv(name, value)
    return own


def _user(own: Path) -> dict[str, str]:
    folders = {"CONFIG": "config", "STATE": "state", "CACHE": "cache", "DATA": "data"}
    named = {f"XDG_{name}_HOME": str(own / folder) for name, folder in folders.items()}
    # What `make cover` hands to the processes that it measures.
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return {
        **measured,
        **named,
        "HOME": str(own),
        "XDG_RUNTIME_DIR": str(own / "run"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
    }


@pytest.fixture
def gateway(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    """A gateway that accepts `KEY`; all it was sent must fit the official schemas."""
    with Gateway(key=KEY) as running:
        yield running
    assert running.complaints == []
    if request.node.get_closest_marker("off_schema") is None:
        for received in running.ledger:
            kind = received.headers.get("content-type", "")
            if received.complete and kind.startswith("application/json"):
                misfits = _misfits(received.path, received.body)
                assert misfits == [], f"{received.path} was sent {received.body[:2000]!r}"


@cache
def _schemas() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCHEMAS.read_bytes()) if SCHEMAS.exists() else {}
    return found


@cache
def _validator(path: str) -> Any:
    import jsonschema

    schema = {**_schemas()["requests"][path], "components": _schemas()["components"]}
    return jsonschema.Draft202012Validator(schema)


# Many tests send the same.
@lru_cache(maxsize=512)
def _misfits(path: str, body: bytes) -> list[str]:
    if path not in _schemas().get("requests", {}):
        return []
    errors = _validator(path).iter_errors(json.loads(body))
    return [f"{error.json_path}: {error.message}" for error in errors]


class Ran(NamedTuple):
    """How a process ended: its code (negative: the signal), stdout, stderr."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def signal(self) -> int | None:
        return -self.code if self.code < 0 else None


class Program:
    """The installed program, run as a process of its own in an empty folder.

    Lines are typed as in a shell; a sequence of words is taken as it is. `env` adds to the
    environment, None takes a variable away.
    """

    def __init__(self, home: Path, work: Path, base_url: str) -> None:
        self.home = home
        self.work = work
        self._searched: set[tuple[int, ...]] = set()
        launcher = work.with_name("bin") / "apiyi"
        launcher.parent.mkdir(exist_ok=True)
        launcher.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m apiyi_cli "$@"\n')
        launcher.chmod(0o755)
        self.path = launcher
        self.environ = {
            **_user(home),
            "PATH": f"{launcher.parent}:{os.environ['PATH']}",
            "APIYI_BASE_URL": base_url,
            "APIYI_API_KEY": KEY,
            "APIYI_MODEL": MODEL,
        }
        config = home / "config" / "apiyi" / "config.toml"
        config.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        tables = (f'[profile.default.{word}]\nmodel = "{name}"\n' for word, name in MODELS.items())
        # The gateway's families are asked every few seconds; no test waits so long.
        config.write_text("".join(tables) + "poll = 0.1\n")
        config.chmod(0o600)

    def __call__(
        self,
        line: str | Sequence[str],
        *,
        stdin: bytes | IO[bytes] | int = subprocess.DEVNULL,
        env: Mapping[str, str | None] | None = None,
    ) -> Ran:
        return self._ran(self._words(line), stdin, env)

    def shell(
        self, script: str, *, stdin: bytes = b"", env: Mapping[str, str | None] | None = None
    ) -> Ran:
        """Run a bash script that may call `apiyi`."""
        return self._ran(["bash", "-c", script], stdin, env)

    def start(
        self,
        line: str | Sequence[str],
        *,
        env: Mapping[str, str | None] | None = None,
        **how: Any,
    ) -> subprocess.Popen[bytes]:
        """Start a line and leave it running; stdout and stderr are pipes, stdin is empty."""
        settings = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **how,
        }
        return subprocess.Popen(
            self._words(line), cwd=self.work, env=self.environment(env), bufsize=0, **settings
        )

    def terminal(
        self,
        line: str,
        *,
        columns: int = 80,
        redirect: str = "",
        keys: bytes = b"",
        env: Mapping[str, str | None] | None = None,
    ) -> Screen:
        """Run a line on a terminal of its own; `redirect` is shell syntax such as `2>err`.

        `keys` are typed before it starts.
        """
        return self.shown(self._words(line), columns, redirect, keys, self.environment(env))

    def shown(
        self,
        words: Sequence[str],
        columns: int,
        redirect: str,
        keys: bytes,
        env: Mapping[str, str],
        *,
        leads: bool = True,
    ) -> Screen:
        """Run a command on a terminal; it `leads` the terminal's session, or leaves that to it."""
        import fcntl
        import struct
        import termios

        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        os.write(master, keys)
        # A session leader that opens a terminal gets it as its controlling one.
        script = f'exec "$@" <{os.ttyname(slave)} >{os.ttyname(slave)} 2>&1 {redirect}'
        process = subprocess.Popen(
            ["sh", "-c", script, "sh", *words],
            cwd=self.work,
            env=env,
            start_new_session=leads,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with process:
                raw = _read_terminal(master, slave, process)
        finally:
            os.close(master)
        self.check_silence(raw)
        return Screen(process.returncode, raw, columns)

    def check_silence(self, *shown: bytes) -> None:
        """Fail when the key stands in what was shown, or in a file that was left behind."""
        for data in shown:
            assert _spelling_in(data) is None, data
        for folder in (self.home, self.work):
            for path, state in _files(folder):
                if state not in self._searched:
                    assert _spelling_in(Path(path).read_bytes()) is None, path
                    self._searched.add(state)

    def terminal_words(self, line: str) -> tuple[list[str], bool]:
        """Return the words of a line on a terminal, and whether they need a new session."""
        return self._words(line), True

    def _words(self, line: str | Sequence[str]) -> list[str]:
        words = shlex.split(line) if isinstance(line, str) else line
        return [sys.executable, "-m", "apiyi_cli", *words]

    def environment(self, env: Mapping[str, str | None] | None) -> dict[str, str]:
        """Return the variables of a run: the program's, added to or taken away from."""
        wanted = {**self.environ, **(env or {})}
        return {name: value for name, value in wanted.items() if value is not None}

    def _ran(
        self,
        words: Sequence[str],
        stdin: bytes | IO[bytes] | int,
        env: Mapping[str, str | None] | None,
    ) -> Ran:
        given: dict[str, Any] = {"input" if isinstance(stdin, bytes) else "stdin": stdin}
        done = subprocess.run(
            words,
            cwd=self.work,
            env=self.environment(env),
            capture_output=True,
            timeout=LIMIT_S,
            **given,
        )
        return self.seen(done.returncode, done.stdout, done.stderr)

    def seen(self, code: int, out: bytes, err: bytes) -> Ran:
        """Check what a process left behind, and return how it ended."""
        self.check_silence(out, err)
        text = err.decode("utf-8", "surrogateescape")
        assert "Traceback (most recent call last)" not in text
        return Ran(code, out, text)


class Screen:
    """What a person saw: the rendered lines and, in `raw`, the bytes that made them."""

    def __init__(self, code: int, raw: bytes, columns: int) -> None:
        import pyte

        self.code = code
        self.raw = raw
        self.rendered = pyte.HistoryScreen(columns, 50, history=10_000)
        stream = pyte.ByteStream(self.rendered)
        stream.feed(raw)

    @property
    def lines(self) -> list[str]:
        """The lines of the screen without the blank ones below the last."""
        return "\n".join(line.rstrip() for line in self.rendered.display).rstrip().split("\n")


def _read_terminal(master: int, slave: int, process: subprocess.Popen[bytes]) -> bytes:
    """Return all that is written to a terminal until the process has ended."""
    pieces = []
    with contextlib.suppress(OSError):
        while True:
            ended = process.poll() is not None
            if select.select([master], [], [], 0.05)[0]:
                pieces.append(os.read(master, 65536))
            elif ended:
                break
    os.close(slave)
    return b"".join(pieces)


def _files(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the files below a folder, each with what changes when it is written to."""
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            with contextlib.suppress(FileNotFoundError):
                state = os.lstat(path)
                if stat.S_ISREG(state.st_mode):
                    yield path, (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@cache
def _spellings() -> tuple[bytes, ...]:
    """The key as it is, as a URL or JSON spells it, and in base64 at the three alignments."""
    raw = KEY.encode()
    encoded = (b64encode(bytes(shift) + raw)[4:-4] for shift in range(3))
    plain = (raw, quote(KEY, safe="").encode(), KEY.replace("/", "\\/").encode())
    return (*plain, raw[::-1], *encoded)


def _spelling_in(data: bytes) -> bytes | None:
    return next((one for one in _spellings() if one in data), None)


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    server = Warm()
    yield server
    server.close()


@pytest.fixture(scope="session")
def warm_mcp() -> Iterator[Warm]:
    """A warm process with `mcp`, which takes a second to import."""
    server = Warm("mcp")
    yield server
    server.close()


@pytest.fixture
def started(home: Path, tmp_path: Path, gateway: Gateway) -> Iterator[Program]:
    """The program as a process that starts like the user's, pointed at the test's gateway."""
    work = tmp_path / "work"
    work.mkdir()
    program = Program(home, work, gateway.base_url)
    yield program
    program.check_silence()


@pytest.fixture
def apiyi(started: Program, warm: Warm) -> Program | Quick:
    """The program, pointed at the test's gateway and given its key."""
    return Quick(started, warm)


@pytest.fixture
def stopped() -> Iterator[list[subprocess.Popen[bytes]]]:
    """A list for processes that must not outlive their test."""
    running: list[subprocess.Popen[bytes]] = []
    yield running
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
