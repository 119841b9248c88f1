from __future__ import annotations

import errno
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[2])
START = """
import os, sys
from apiyi_cli.errors import ApiyiError, Interrupted
from apiyi_cli.output.console import Console
from apiyi_cli.output.rescue import Rescue
from pathlib import Path
console = Console.open()
def report(code):
    os.write(3, repr(code).encode())
"""


def run(
    body: str, redirections: str = "", *, environ: dict[str, str] | None = None
) -> tuple[bytes, bytes, str]:
    """Run a script with the shell's redirections; what it reports goes to a descriptor 3."""
    reading, writing = os.pipe()
    command = f'exec "$0" -c "$1" 3>&{writing} {redirections}'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable, START + body],
        capture_output=True,
        pass_fds=[writing],
        env={**os.environ, "PYTHONPATH": ROOT, **(environ or {})},
        check=False,
        timeout=30,
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as reports:
        return done.stdout, done.stderr, reports.read().decode()


FAILING = """
try:
    console.write(b"answer")
    console.finish()
except ApiyiError as error:
    report((error.exit_code, str(error)))
except Interrupted as stop:
    report(int(stop.signum))
else:
    report("written")
"""


def test_bytes_are_written_as_they_are_and_at_once() -> None:
    out, err, told = run('console.write("中\\r\\n\\x1b".encode()); os._exit(0)')
    assert (out, err, told) == ("中\r\n\x1b".encode(), b"", "")


@pytest.mark.parametrize(
    "environ",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
)
def test_output_is_utf_8_whatever_the_locale(environ: dict[str, str]) -> None:
    body = 'console.write("\\u4e2d".encode()); console.say("\\u4e2d\\ud800")'
    out, err, _ = run(body, environ=environ)
    assert out.decode() == "中"
    assert err.decode() == "中\ufffd\n"


def test_a_full_disk_is_an_output_error_that_names_it() -> None:
    _, _, told = run(FAILING, ">/dev/full")
    assert told == repr((11, f"cannot write to standard output: {os.strerror(errno.ENOSPC)}"))


def test_a_closed_stdout_is_an_output_error_and_known_before_anything_is_sent() -> None:
    _, _, told = run(FAILING, ">&-")
    assert told == repr((11, f"cannot write to standard output: {os.strerror(errno.EBADF)}"))
    _, _, told = run("report(console.stdout_closed)", ">&-")
    assert told == "True"
    _, _, told = run("report((console.stdout_closed, console.require_stdout()))")
    assert told == "(False, None)"


def test_a_stdout_that_is_open_for_reading_only_counts_as_closed() -> None:
    _, _, told = run("report(console.stdout_closed)", "1</dev/null")
    assert told == "True"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_gets_a_closed_standard_descriptor(closed: str) -> None:
    _, _, told = run('report(os.open("/dev/null", os.O_RDONLY) > 2)', closed)
    assert told == "True"


def test_a_closed_stdin_is_no_terminal() -> None:
    _, _, told = run("report(console.stdin_is_terminal)", "<&-")
    assert told == "False"


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_an_unusable_stderr_changes_nothing(redirection: str) -> None:
    out, _, told = run('console.say("notice"); console.status("x");' + FAILING, redirection)
    assert out == b"answer"
    assert told == "'written'"


def test_a_reader_that_went_away_is_sigpipe_and_not_an_error() -> None:
    gone = "reading, writing = os.pipe(); os.dup2(writing, 1); os.close(reading)"
    _, _, told = run(gone + FAILING)
    assert told == repr(int(signal.SIGPIPE))


def test_an_output_larger_than_a_pipe_waits_for_a_slow_reader() -> None:
    body = "os.set_blocking(1, False); console.write(bytes(range(256)) * 4096)"
    reading, writing = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-c", START + body],
        stdout=writing,
        env={**os.environ, "PYTHONPATH": ROOT},
    )
    os.close(writing)
    got = bytearray()
    while piece := os.read(reading, 1000):
        got += piece
    os.close(reading)
    assert child.wait() == 0
    assert bytes(got) == bytes(range(256)) * 4096


def test_the_answer_is_rescued_when_the_disk_is_full(tmp_path: Path) -> None:
    body = f"""
try:
    console.write_lines(iter([b"one", b"two"]), Rescue((Path({str(tmp_path)!r}),)))
except ApiyiError as error:
    report(error.hint)
"""
    _, _, told = run(body, ">/dev/full")
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == b"onetwo"
    assert told == repr(f"take the answer from {path}")


def test_what_is_said_is_redacted_first_and_made_safe_then() -> None:
    body = """
console.redact = lambda text: text.replace("sk-1", "***")
console.say("key sk-1 \\x1b[31m")
console.say("dim", style="2", end="")
"""
    _, err, _ = run(body)
    assert err.decode() == "key *** ␛[31m\n\x1b[2mdim\x1b[0m"


def test_what_is_said_or_written_goes_above_the_status_line() -> None:
    primary, replica = pty.openpty()
    body = """
console.status("1/2")
console.status("1/2")
console.say("notice")
console.write(b"answer\\n")
console.status("2/2")
console.status("")
console.status("")
console.say("end")
"""
    subprocess.run(
        [sys.executable, "-c", START + body],
        stdout=replica,
        stderr=replica,
        env={**os.environ, "PYTHONPATH": ROOT},
        check=True,
    )
    os.close(replica)
    seen = os.read(primary, 10_000)
    os.close(primary)
    erase = b"\r\x1b[K"
    assert seen == b"".join(
        [
            b"1/2",
            erase + b"notice\r\n1/2",
            erase + b"answer\r\n1/2",
            erase + b"2/2",
            erase,
            b"end\r\n",
        ]
    )


def test_the_three_streams_are_judged_each_on_its_own() -> None:
    primary, replica = pty.openpty()
    body = """
report((console.stdin_is_terminal, console.stdout_is_terminal, console.stderr_is_terminal))
"""
    tty = os.ttyname(replica)
    _, _, told = run(body, f"2>{tty} </dev/null")
    os.close(replica)
    os.close(primary)
    assert told == "(False, False, True)"


@pytest.mark.parametrize(
    ("columns", "width"), [("132", "132"), ("0", "80"), ("x", "80"), ("", "80")]
)
def test_the_width_is_columns_or_the_terminal_s_or_eighty(columns: str, width: str) -> None:
    _, _, told = run("report(console.width)", environ={"COLUMNS": columns})
    assert told == width


def test_a_stderr_that_nobody_reads_does_not_hold_up_the_run() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    while True:
        try:
            os.write(writing, b"x" * 4096)
        except BlockingIOError:
            break
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", START + 'console.say("lost"); console.write(b"done")'],
        stdout=subprocess.PIPE,
        stderr=writing,
        env={**os.environ, "PYTHONPATH": ROOT},
        check=False,
    )
    assert done.stdout == b"done"
    assert time.monotonic() - began < 10
    os.close(reading)
    os.close(writing)
