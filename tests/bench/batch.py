"""Batches, in parts: rate, memory, limits and refusals, against what a user would write instead."""

from __future__ import annotations

import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.goals import ratio as _ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

HERE = Path(__file__).parent
PYTHON = sys.executable
APIYI = str(Path(PYTHON).with_name("apiyi"))
ROWS = 3_000
JOBS = 100
MANY_ROWS = 200_000
ROUNDS = 3
WEATHER_ROWS = 1_000
WEATHER_JOBS = 32
OTHERS = {"lm-deluge": "bare_deluge.py", "bespokelabs-curator": "bare_curator.py"}
"""Tools for the same work, each with its own environment, which `make others` makes."""
ANSWER_S = "0.2"


@contextmanager
def _gateway(program: str, *arguments: str) -> Iterator[dict[str, str]]:
    """Run a server as a process; yield the environment that leads to it."""
    command = [PYTHON, str(HERE / program), *arguments]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield _environ(server.stdout.readline().strip())
    finally:
        server.terminate()
        server.wait()


def _report(environ: Mapping[str, str]) -> dict[str, float]:
    """Return what the server of `weather.py` has counted since the last report."""
    import json
    import urllib.request

    with urllib.request.urlopen(environ["APIYI_BASE_URL"]) as reply:
        numbers: dict[str, float] = json.load(reply)
    return numbers


def _limits(folder: Path) -> None:
    """Print what limits cost that are never reached."""
    rows, out = _rows(folder, ROWS), str(folder / "out")
    batch = [*_batch(rows, out), "-j", str(JOBS)]
    unreached = [*batch, "--rpm", str(10**7), "--tpm", str(10**10)]
    unreached.remove("--no-limits")
    commands = {"apiyi batch --no-limits": batch, "apiyi batch, limits not reached": unreached}
    times: dict[str, list[float]] = {name: [] for name in commands}
    with _gateway("weather.py", "0") as environ:
        began_s, busy_s = time.perf_counter(), _report(environ)["busy_s"]
        for _ in range(ROUNDS + 2):
            for name, command in commands.items():
                times[name].append(_measured(command, environ)[0])
        busy = (_report(environ)["busy_s"] - busy_s) / (time.perf_counter() - began_s)
    print(f"\n{ROWS} requests, {JOBS} at once ({ROUNDS + 2} rounds); server busy {busy:.0%}")
    free, limited = (statistics.median(found) for found in times.values())
    for name, took_s in zip(commands, (free, limited), strict=True):
        print(f"  {name:34} {ROWS / took_s:9.0f} requests/s")
    _ratio("with limits / without", free / limited, ">= 0.9")


def _single_refusals(folder: Path) -> None:
    """Print what three rows in a hundred cost whose first request is answered 429."""
    rows, out = _rows(folder, WEATHER_ROWS), str(folder / "out")
    commands = {"apiyi batch": [*_batch(rows, out), "-j", str(WEATHER_JOBS)]}
    print(f"\n{WEATHER_ROWS} rows of {ANSWER_S} s, {WEATHER_JOBS} at once")
    for name, script in OTHERS.items():
        python = HERE.parents[1] / ".venv" / "others" / name / "bin" / "python"
        if python.exists():
            commands[name] = [str(python), str(HERE / script), rows, out, str(WEATHER_JOBS)]
        else:
            print(f"  {name} is not measured: make others")
    times: dict[tuple[str, str], float] = {}
    for weather, percent in (("never", "0"), ("sparse", "3")):
        for name, command in list(commands.items()):
            # A server for each: it counts the refusals of one run.
            with _gateway("weather.py", ANSWER_S, weather, percent) as environ:
                try:
                    times[name, weather] = _measured(command, environ)[0]
                except SystemExit as failure:
                    if name == "apiyi batch":
                        raise
                    print(f"  {name} is not measured: {failure}")
                    del commands[name]
                    continue
                refused = _report(environ)["refused"]
            print(f"  {name:26} {refused:4.0f} refused once {times[name, weather]:9.1f} s")
    ours = times["apiyi batch", "sparse"]
    _ratio("with refusals / without", ours / times["apiyi batch", "never"], "<= 1.2")
    for name in commands.keys() & OTHERS.keys():
        theirs = times[name, "sparse"]
        print(f"     the same of {name:34} {theirs / times[name, 'never']:5.2f}")
        _ratio(f"apiyi / {name}", ours / theirs, "<= 1")


def _distant_store(folder: Path) -> None:
    """Print the time of a batch whose limits are in a Redis at a distance of 50 ms."""
    sys.path.insert(0, str(HERE.parents[1]))
    from tests.redis_server import SERVER, Redis, Relay

    if SERVER is None:
        print("\nLimits in a distant Redis: needs redis-server")
        return
    rows = _rows(folder, WEATHER_ROWS)
    command = _batch(rows, str(folder / "out"))
    command[command.index("--no-limits")] = "--rpm=100000"
    store = Redis()
    try:
        with Relay(store.port, 0.025) as relay, _gateway("weather.py", "0") as environ:
            took_s, _ = _measured(command, {**environ, "APIYI_LIMITS_STORE": relay.url})
            print(f"\n{WEATHER_ROWS} rows, limits in a Redis 50 ms away: {relay.requests} trips")
    finally:
        store.stop()
    _ratio("seconds", took_s, "<= 12")


def _sustained_limit(folder: Path) -> None:
    """Print what a batch makes of a gateway that allows half of the configured rate."""
    rows, allowed = _rows(folder, WEATHER_ROWS), 25.0
    command = _batch(rows, str(folder / "out"))
    command[command.index("--no-limits")] = "--rpm=3000"
    with _gateway("weather.py", ANSWER_S, "bucket", str(allowed)) as environ:
        _measured(command, environ)
        report = _report(environ)
    print(f"\n{WEATHER_ROWS} rows at 50 requests/s, of which the gateway allows {allowed:.0f}")
    rate = report["accepted"] / report["seconds"]
    _ratio("answered / allowed", rate / allowed, ">= 0.9")
    _ratio("refused / answered", report["refused"] / report["accepted"], "<= 0.15")


def _environ(base_url: str) -> dict[str, str]:
    import os

    home = HERE.parent.parent / ".venv" / "bench-home"
    return {
        **os.environ,
        "APIYI_BASE_URL": base_url,
        "APIYI_API_KEY": "sk-bench-0123456789abcdef",
        "APIYI_MODEL": "m",
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
    }


def _rates(folder: Path) -> None:
    with _gateway("tiny.py") as environ:
        _print_rates(folder, environ)


def _print_rates(folder: Path, environ: Mapping[str, str]) -> None:
    rows = _rows(folder, ROWS)
    out = str(folder / "out")
    body = '{"model":"m","messages":[{"role":"user","content":"hi"}]}'
    curl = (
        f"seq {ROWS} | xargs -P {JOBS} -I{{}} curl -s -o /dev/null "
        f"-H 'content-type: application/json' -d {shlex.quote(body)} "
        f"{environ['APIYI_BASE_URL']}/chat/completions"
    )
    commands: dict[str, Sequence[str]] = {
        "threads, an httpx client each": [PYTHON, str(HERE / "bare_batch.py"), rows, out, "100"],
        "openai's AsyncOpenAI": [PYTHON, str(HERE / "bare_openai.py"), rows, out, "100"],
        "xargs -P 100 curl": ["sh", "-c", curl],
        "apiyi batch -j 100": [*_batch(rows, out), "-j", str(JOBS)],
        "apiyi batch -j 100 --ordered": [*_batch(rows, out), "-j", str(JOBS), "--ordered"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            times[name].append(_measured(command, environ)[0])
    rates = {name: ROWS / statistics.median(found) for name, found in times.items()}
    print(f"\n{ROWS} requests, {JOBS} at once ({ROUNDS} rounds)")
    for name, rate in rates.items():
        print(f"  {name:34} {rate:9.0f} requests/s")
    ours = rates["apiyi batch -j 100"]
    _ratio("apiyi / bare threads", ours / rates["threads, an httpx client each"], ">= 0.6")
    _ratio("apiyi / openai", ours / rates["openai's AsyncOpenAI"], "> 1")
    _ratio("apiyi / xargs curl", ours / rates["xargs -P 100 curl"], "> 1")


def _memory(folder: Path) -> None:
    rows = _rows(folder, MANY_ROWS)
    with _gateway("tiny.py") as environ:
        took_s, peak_mb = _measured(_batch(rows, str(folder / "many")), environ)
    print(f"\n{MANY_ROWS} rows in {took_s:.0f} s")
    _ratio("memory, MB", peak_mb, "< 120")
    took_s, peak_mb = _measured([*_batch(rows, str(folder / "none")), "--dry-run"], environ)
    print(f"{MANY_ROWS} rows --dry-run in {took_s:.0f} s: {peak_mb:.0f} MB")


def _batch(rows: str, out: str) -> list[str]:
    return [APIYI, "batch", rows, "-o", out, "--force", "--no-limits", "-q"]


def _rows(folder: Path, count: int) -> str:
    path = folder / f"rows-{count}.jsonl"
    with path.open("w") as file:
        for number in range(count):
            file.write(f'{{"id":"row-{number}","prompt":"question number {number}"}}\n')
    return str(path)


def _measured(command: Sequence[str], environ: Mapping[str, str]) -> tuple[float, float]:
    """Run a command; return its seconds and its peak memory in MB."""
    import os

    began_s = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, env=dict(environ), stdout=subprocess.DEVNULL, stderr=said
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            last = said.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise SystemExit(f"{command[:2]} ended with {process.returncode}: {last[:200]}")
    return time.perf_counter() - began_s, used.ru_maxrss / 1024


def _part(measure: Callable[[Path], None]) -> Callable[[], None]:
    """Return a part of the benchmark, which gets a folder for its files."""

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder))

    return run


PARTS = {
    "batch-rates": _part(_rates),
    "batch-memory": _part(_memory),
    "batch-limits": _part(_limits),
    "batch-weather": _part(_single_refusals),
    "batch-sustained": _part(_sustained_limit),
    "batch-distance": _part(_distant_store),
}
