"""Every n-th open, write, fsync, rename, link and connect fails in turn, in twelve scenarios.

By day every second one does.

Whatever fails, the run ends with a code of the table that is no bug, leaves no unfinished
file, shows no traceback and no key, and an answer that was paid for is somewhere: on stdout,
in its file, or kept where the error says; else the error says that it is lost.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from apiyi_cli.core.exit_codes import EXIT_CODES
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import KEY, MODEL, ROOT
from tests.matrix.commands import RECORDING

RUNNER = Path(__file__).with_name("torture.py")
CODES = {row.code for row in EXIT_CODES} - {1}
UNFINISHED = re.compile(r"(^|/)\.[^/]*(\.part|\.[0-9]+\.[0-9a-f]+)$")
FOLDERS = {
    "HOME": "home",
    "XDG_CONFIG_HOME": "home/config",
    "XDG_STATE_HOME": "home/state",
    "XDG_CACHE_HOME": "home/cache",
    "XDG_DATA_HOME": "home/data",
    "XDG_RUNTIME_DIR": "home/run",
    "TMPDIR": "tmp",
}
CONFIG = '# mine\n[profile.default]\nmodel = "gpt-4o" # the usual one\n'
ROWS = "".join(f'{{"id": "{word}", "prompt": "{word}"}}\n' for word in ("one", "two", "three"))
SPOOLED = '[1.5,"default","gpt-4o","/chat/completions",5,6,11,30,0,"id",false,null]\n'


class RunFiles(NamedTuple):
    """How a run ended, and the files that it left."""

    code: int
    out: bytes
    err: str
    files: dict[str, bytes]

    @classmethod
    def of(cls, code: int, files: dict[str, str]) -> RunFiles:
        found = {name: base64.b64decode(content) for name, content in files.items()}
        found.pop("stdin")
        return cls(code, found.pop("out"), found.pop("err").decode(), found)

    def below(self, folder: str) -> dict[str, bytes]:
        return {k: v for k, v in self.files.items() if k.startswith(f"{folder}/")}


class Scenario(NamedTuple):
    """A line to run; the requests it `sends` are marked. `files` are there before.

    `answers` finds in an undisturbed run what was paid for, one by one. `appends` are files
    that grow by whole lines and that the line of `again` completes.
    """

    name: str
    line: str
    answers: Callable[[RunFiles], list[bytes]] = lambda left: []
    stdin: str = ""
    files: dict[str, str] = {}  # noqa: RUF012 - never written to
    sends: bool = True
    appends: tuple[str, ...] = ()
    again: str = ""


def printed(left: RunFiles) -> list[bytes]:
    return [left.out]


def lines(left: RunFiles) -> list[bytes]:
    return left.out.splitlines(keepends=True)


def saved(left: RunFiles) -> list[bytes]:
    return [v for k, v in left.below("work").items() if k != "work/talk.wav"]


def recorded(left: RunFiles) -> list[bytes]:
    records = map(json.loads, left.files["work/out.jsonl"].splitlines())
    done = {one["custom_id"] for one in records if one["error"] is None}
    return [f'"{id}"'.encode() for id in sorted(done)]


TALK = {"work/talk.wav": RECORDING.decode("latin-1")}
SCENARIOS = (
    Scenario("chat", "chat hi --retries 0", printed),
    Scenario("chat -o", "chat hi -o answer.txt --retries 0", saved),
    Scenario("chat --session", "chat hi --session mine --retries 0", printed),
    Scenario("image", "image a cat -m gpt-image-1 --size 16x16 --retries 0", saved),
    Scenario(
        "image --lines",
        "image --lines -j 1 -m gpt-image-1 --size 16x16 --retries 0",
        saved,
        stdin="a cat\na dog\n",
    ),
    Scenario("transcribe -o", "transcribe talk.wav -m whisper-1 -o {stem}.txt", saved, files=TALK),
    Scenario("speak -o", "speak hi -m tts-1 -o hi.mp3 --retries 0", saved),
    Scenario(
        "embed",
        "embed rivers seas -m text-embedding-3-small --dimensions 8 --batch-size 1 -j 1"
        " --retries 0",
        lines,
    ),
    Scenario(
        "config set",
        "config set temperature 0.5",
        files={"home/config/apiyi/config.toml": CONFIG},
        sends=False,
        again="config set temperature 0.5",
    ),
    Scenario(
        "auth login",
        "auth login --with-token --insecure-storage --retries 0",
        stdin=f"{KEY}\n",
    ),
    Scenario("models", "models --retries 0"),
    Scenario(
        "batch",
        "batch rows.jsonl -o out.jsonl -j 1 --retries 0",
        recorded,
        files={"work/rows.jsonl": ROWS},
        appends=("work/out.jsonl", "work/out.jsonl.apiyi-journal"),
        again="batch rows.jsonl -o out.jsonl -j 1 --retry-failed",
    ),
    Scenario("cache", "chat hi --cache 1h --retries 0", printed),
    Scenario(
        "usage",
        "usage --json --since 1970-01-01",
        files={"home/state/apiyi/usage.spool": SPOOLED},
        sends=False,
    ),
)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(key=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    home = str(tmp_path_factory.mktemp("runner"))
    with subprocess.Popen(
        [sys.executable, str(RUNNER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": home},
    ) as started:
        yield started
        assert started.stdin is not None
        started.stdin.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_whatever_call_fails_nothing_is_lost_silently(
    tmp_path: Path, gateway: Gateway, scenario: Scenario, runner: subprocess.Popen[str]
) -> None:
    check(scenario, gateway, tmp_path, runner, each=False)


@pytest.mark.nightly
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_whatever_call_fails_in_whatever_way_nothing_is_lost_silently(
    tmp_path: Path, gateway: Gateway, scenario: Scenario, runner: subprocess.Popen[str]
) -> None:
    check(scenario, gateway, tmp_path, runner, each=True)


def check(
    scenario: Scenario,
    gateway: Gateway,
    folder: Path,
    runner: subprocess.Popen[str],
    *,
    each: bool,
) -> None:
    """Have each call fail, with `each` of its errors or one of them, and judge every run."""
    clean, *runs = tortured(scenario, gateway, folder, runner, each=each)
    undisturbed = RunFiles.of(clean["code"], clean["files"])
    assert undisturbed.code == 0, undisturbed.err
    paid = Counter(one.headers.get("x-run") for one in gateway.posts)
    for told in runs:
        where = told["operation"]
        left = RunFiles.of(told["code"], told["files"])
        judge_end(scenario, where, undisturbed, left, met=told["met"])
        judge_files(scenario, where, undisturbed, left)
        judge_answers(scenario, where, undisturbed, left, paid[where])
        if told["again"] is not None:
            judge_again(scenario, where, undisturbed, RunFiles.of(told["again"], told["after"]))
    met = sum(told["met"] for told in runs)
    assert met >= (5 if each else 3)


def tortured(
    scenario: Scenario,
    gateway: Gateway,
    folder: Path,
    runner: subprocess.Popen[str],
    *,
    each: bool,
) -> list[Any]:
    """Give the runner a task; return what it tells of each run."""
    task = {
        "root": str(folder / "runs"),
        "argv": shlex.split(scenario.line),
        "again": shlex.split(scenario.again),
        "stdin": scenario.stdin,
        "files": scenario.files,
        "sends": scenario.sends,
        "each": each,
        "folders": FOLDERS,
        "env": {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "LANG": "C.UTF-8",
            "APIYI_BASE_URL": gateway.base_url,
            "APIYI_API_KEY": KEY,
            "APIYI_MODEL": MODEL,
        },
    }
    assert runner.stdin is not None and runner.stdout is not None
    runner.stdin.write(json.dumps(task) + "\n")
    runner.stdin.flush()
    told = []
    while (line := runner.stdout.readline()).strip():
        told.append(json.loads(line))
    assert line, "the runner has ended"
    return told


def judge_end(
    scenario: Scenario, where: str, clean: RunFiles, left: RunFiles, *, met: bool
) -> None:
    assert left.code in CODES, (where, left.code, left.err)
    assert "Traceback" not in left.err, (where, left.err)
    assert left.code == 0 or left.err, where
    if not met:
        assert (left.code, left.out) == (clean.code, clean.out), where
    assert clean.out.startswith(left.out) or set(lines(left)) <= set(lines(clean)), where
    shown = {"out": left.out, "err": left.err.encode(), **left.files}
    for name, content in shown.items():
        assert KEY.encode() not in content or name.endswith("apiyi/keys.json"), (where, name)


def judge_files(scenario: Scenario, where: str, clean: RunFiles, left: RunFiles) -> None:
    for name, content in left.files.items():
        assert not UNFINISHED.search(name), (where, name)
        assert not name.startswith("tmp/"), (where, name)
        if name in scenario.appends or not name.startswith(("work/", "home/config/")):
            continue
        before = scenario.files.get(name, "").encode("latin-1")
        assert content in (before, clean.files.get(name)), (where, name)
    if left.code == 0:
        assert left.out == clean.out, where
        assert left.below("work").keys() == clean.below("work").keys(), where


def judge_answers(
    scenario: Scenario, where: str, clean: RunFiles, left: RunFiles, paid: int
) -> None:
    """Find what was paid for; an error may say that it is gone, but has to say it."""
    places = (left.out, *left.files.values())
    found = sum(any(one in place for place in places) for one in scenario.answers(clean))
    said = "could not be kept" in left.err or "lost" in left.err
    assert found >= paid or said, (where, paid, left.err)


def judge_again(scenario: Scenario, where: str, clean: RunFiles, left: RunFiles) -> None:
    assert left.code == 0, (where, left.err)
    assert scenario.answers(left) == scenario.answers(clean), where
