"""Speed and memory as ratios against references measured in the same run.

`make bench PARTS="start token"` runs parts of it, which `main` names. Commands of one table are
run in turn, so that a machine whose speed drifts slows all of them alike; figures are medians.
Servers are processes of their own that send prepared answers. Each table says how busy its
server was: below half of a processor it has limited nobody. A reference is the best that its tool
can do. Nothing here fails: the numbers are for people, and the last lines name the goals that
were missed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench import batch
from tests.bench.goals import note_rows, print_summary, ratio

HERE = Path(__file__).parent
PYTHON = sys.executable
APIYI = str(Path(PYTHON).with_name("apiyi"))
EVENTS = 100_000
EVENT_MB = 35
LINES = 20_000
DIMENSIONS = 1536
DOCUMENTS = 3_000
PEAKS_MB: dict[str, float] = {}
"""The highest memory of each command that a table has measured."""
PROCESSOR_MS: dict[str, float] = {}
"""The median of each command's processor time; other programs on the machine do not change it."""


@contextmanager
def gateway(*arguments: str) -> Iterator[dict[str, str]]:
    """Run a gateway and yield the environment that points at it."""
    process = subprocess.Popen(
        [PYTHON, str(HERE / "server.py"), *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    base_url = process.stdout.readline().strip()
    home = HERE.parent.parent / ".venv" / "bench-home"
    try:
        yield {
            **os.environ,
            "APIYI_BASE_URL": base_url,
            "APIYI_API_KEY": "sk-bench-0123456789abcdef",
            "APIYI_MODEL": "gpt-4o",
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home),
            # As installed, from compiled modules: compiling all of it takes twice the time.
            "PYTHONDONTWRITEBYTECODE": "",
            "BENCH_SERVER": str(process.pid),
        }
    finally:
        process.terminate()
        process.wait()


def server_busy_s(environ: Mapping[str, str]) -> float | None:
    """Return the processor time that the server has used, None where the system does not say."""
    try:
        fields = (
            Path(f"/proc/{environ['BENCH_SERVER']}/stat").read_text().rpartition(")")[2].split()
        )
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return None


def measured(
    command: Sequence[str] | str, environ: Mapping[str, str], stdin: Path | None = None
) -> tuple[float, float, float]:
    """Run a command once; return its wall and processor time in ms and its peak memory in MB."""
    source = stdin.open("rb") if stdin else subprocess.DEVNULL
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        shell=isinstance(command, str),
        env=dict(environ),
        stdin=source,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, status, used = os.wait4(process.pid, 0)
    took_ms = (time.perf_counter() - began) * 1000
    told = process.stderr.read().decode() if process.stderr else ""
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed with {process.returncode}: {told}")
    return took_ms, (used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss / 1024


def table(
    title: str,
    commands: Mapping[str, Sequence[str] | str],
    environ: Mapping[str, str],
    rounds: int,
    stdin: Path | None = None,
) -> dict[str, float]:
    """Run the commands in turn and print their medians; return these (ms)."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    spent: dict[str, list[float]] = {name: [] for name in commands}
    peaks: dict[str, float] = dict.fromkeys(commands, 0.0)
    began_s, busy_s = time.perf_counter(), server_busy_s(environ)
    for number in range(rounds + 1):
        for name, command in commands.items():
            took, processor, peak = measured(command, environ, stdin)
            if number:
                times[name].append(took)
                spent[name].append(processor)
            peaks[name] = max(peaks[name], peak)
    medians = {name: statistics.median(values) for name, values in times.items()}
    PROCESSOR_MS.update({name: statistics.median(values) for name, values in spent.items()})
    PEAKS_MB.update(peaks)
    busy = ""
    if busy_s is not None and (now_s := server_busy_s(environ)) is not None:
        busy = f"; server busy {(now_s - busy_s) / (time.perf_counter() - began_s):.0%}"
    print(f"\n{title} ({rounds} rounds){busy}")
    for name, median in medians.items():
        print(
            f"  {name:34} {median:9.1f} ms  {PROCESSOR_MS[name]:9.1f} ms of a processor"
            f"  {peaks[name]:6.1f} MB"
        )
    return medians


def start_up() -> None:
    with gateway() as environ:
        medians = table(
            "One chat against an instant gateway",
            {
                "python -I -c pass": [PYTHON, "-I", "-c", "pass"],
                "bare httpx script": [PYTHON, str(HERE / "bare_chat.py"), "hi"],
                "apiyi chat": [APIYI, "chat", "hi"],
                "apiyi --help": [APIYI, "--help"],
                "apiyi --version": [APIYI, "--version"],
            },
            environ,
            rounds=21,
        )
    python, bare = medians["python -I -c pass"], medians["bare httpx script"]
    ratio("apiyi chat / python -I -c pass", medians["apiyi chat"] / python, "<= 8")
    ratio("apiyi --help / python -I -c pass", medians["apiyi --help"] / python, "<= 4")
    ratio("apiyi --version / python -I -c pass", medians["apiyi --version"] / python, "<= 4")
    ratio("apiyi chat / bare httpx script", medians["apiyi chat"] / bare, "<= 1")
    spent = PROCESSOR_MS["apiyi chat"] / PROCESSOR_MS["python -I -c pass"]
    ratio("processor time of chat / python -I -c pass", spent, "<= 8")


def streaming() -> None:
    curl = (
        'curl -sN -H \'Content-Type: application/json\' -d \'{"model":"m","stream":true,'
        '"messages":[{"role":"user","content":"hi"}]}\' "$APIYI_BASE_URL/chat/completions"'
    )
    bare = [PYTHON, str(HERE / "bare_chat.py"), "hi"]
    commands: dict[str, Sequence[str] | str] = {
        "bare loop": bare,
        "apiyi chat": [APIYI, "chat", "-n", "hi"],
        "bare loop --ndjson": [*bare, "--ndjson"],
        "apiyi chat --ndjson": [APIYI, "chat", "-n", "--ndjson", "hi"],
        # Nobody can be faster: what the server takes to send is in every row.
        "curl -sN": curl,
    }
    jq = f"{curl} | sed -n 's/^data: {{/{{/p' | jq -j '.choices[0].delta.content // empty'"
    with gateway("events", str(EVENTS)) as environ:
        medians = table(
            f"{EVENTS} streamed events",
            {**commands, "curl -sN | sed | jq -j": jq},
            environ,
            rounds=5,
        )
    chat = medians["apiyi chat"]
    ndjson = medians["apiyi chat --ndjson"] / medians["bare loop --ndjson"]
    ratio("apiyi chat / bare httpx + orjson loop", chat / medians["bare loop"], "<= 1.2")
    ratio("apiyi chat --ndjson / bare loop --ndjson", ndjson, "<= 1.3")
    ratio("apiyi chat / curl | sed | jq", chat / medians["curl -sN | sed | jq -j"], "<= 1")
    with gateway("event", str(EVENT_MB)) as environ:
        medians = table(f"One event of {EVENT_MB} MB", commands, environ, rounds=5)
    for name in ("", " --ndjson"):
        ours, reference = f"apiyi chat{name}", f"bare loop{name}"
        ratio(f"{ours} / {reference}", medians[ours] / medians[reference], "<= 1.3")
        ratio("memory of the same", PEAKS_MB[ours] / PEAKS_MB[reference], "<= 2")


def first_token() -> None:
    """Print the time to the first byte of an answer from afar, against curl."""
    import shutil

    if sys.platform != "linux" or shutil.which("unshare") is None:
        print("\nFirst token at a distance: needs Linux and unshare")
        return
    script = ["unshare", "-n", PYTHON, str(HERE / "distance.py"), APIYI]
    done = subprocess.run(script, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")
    note_rows(done.stdout)
    if done.returncode:
        print("\nFirst token at a distance: needs the rights to make a network namespace")


def picture() -> None:
    target = HERE.parent.parent / ".venv" / "bench-picture.png"
    model = "gemini-3-pro-image"
    bare = [PYTHON, str(HERE / "bare_picture.py"), str(target)]
    with gateway("picture", "35") as environ:
        medians = table(
            "A picture of 35 MB base64 saved",
            {
                "bare httpx + base64": bare,
                "apiyi image": [APIYI, "image", "cat", "-m", model, "-o", str(target), "--force"],
            },
            environ,
            rounds=7,
        )
    name, reference = "apiyi image", "bare httpx + base64"
    ratio("apiyi image / bare httpx + base64", medians[name] / medians[reference], "<= 1.3")
    ratio("memory of the same", PEAKS_MB[name] / PEAKS_MB[reference], "<= 1.5")


def embedding() -> None:
    lines = HERE.parent.parent / ".venv" / "bench-lines.txt"
    lines.write_text("".join(f"line {number} of the text\n" for number in range(LINES)))
    with gateway("vectors", str(DIMENSIONS)) as environ:
        medians = table(
            f"{LINES} lines embedded at {DIMENSIONS} dimensions",
            {
                "bare httpx + orjson loop": [PYTHON, str(HERE / "bare_embed.py")],
                "apiyi embed --lines": [APIYI, "embed", "-m", "bge-m3", "--lines"],
                "apiyi embed --lines -j 1": [APIYI, "embed", "-m", "bge-m3", "--lines", "-j", "1"],
            },
            environ,
            rounds=3,
            stdin=lines,
        )
    bare = medians["bare httpx + orjson loop"]
    ratio("apiyi embed / bare loop", medians["apiyi embed --lines"] / bare, "<= 1.8")


def ranking() -> None:
    documents = HERE.parent.parent / ".venv" / "bench-documents.txt"
    documents.write_text("".join(f"document {n} {'word ' * 400}\n" for n in range(DOCUMENTS)))
    with gateway("scores") as environ:
        medians = table(
            f"{DOCUMENTS} documents of 2 kB ranked",
            {
                "bare httpx + orjson loop": [PYTHON, str(HERE / "bare_rank.py")],
                "apiyi rank": [APIYI, "rank", "q", "--lines", "--no-limits"],
                "apiyi rank -j 1": [APIYI, "rank", "q", "--lines", "--no-limits", "-j", "1"],
            },
            environ,
            rounds=5,
            stdin=documents,
        )
    name, reference = "apiyi rank", "bare httpx + orjson loop"
    ratio("apiyi rank / bare loop", medians[name] / medians[reference], "<= 1.8")
    ratio("memory of the same", PEAKS_MB[name] / PEAKS_MB[reference], "<= 1.3")


def limiting() -> None:
    import tempfile

    from apiyi_cli.settings.defaults import Limits
    from apiyi_cli.wire.limits.limiter import Limiter

    rounds = 20_000
    with tempfile.TemporaryDirectory() as folder:
        limits = Limits(rpm=10**9, tpm=10**12)
        limiter = Limiter(Path(folder), "sk-bench", limits)

        def per_call(function: Callable[[], object]) -> float:
            began = time.perf_counter()
            for _ in range(rounds):
                function()
            return (time.perf_counter() - began) / rounds * 1000

        acquire = per_call(lambda: limiter.acquire(10))
        slot = per_call(lambda: limiter.release_slot(limiter.take_slot()))
    print(f"\nLimits ({rounds} rounds)")
    ratio("acquire, ms", acquire, "< 0.1")
    ratio("occupy and vacate a slot, ms", slot, "< 0.1")


def completing() -> None:
    import shutil

    from tests.tabs import tab

    print("\nOne TAB, the shell's own time, where every option of chat is offered")
    for shell in filter(shutil.which, ("bash", "fish")):
        count, spent_s = tab(shell, HERE.parents[1] / "completions", os.environ)
        ratio(f"{shell}, {count} words, ms", spent_s * 1000, "< 5")


def main() -> None:
    wanted = sys.argv[1:]
    parts: dict[str, Callable[[], None]] = {
        "start": start_up,
        "token": first_token,
        "stream": streaming,
        "picture": picture,
        "embed": embedding,
        "rank": ranking,
        "limits": limiting,
        **batch.PARTS,
        "tab": completing,
    }
    began_s = time.monotonic()
    for name, part in parts.items():
        # `batch` is all of its parts.
        if not wanted or {name, name.partition("-")[0]} & set(wanted):
            part()
    print_summary()
    print(f"{time.monotonic() - began_s:.0f} s")


if __name__ == "__main__":
    main()
