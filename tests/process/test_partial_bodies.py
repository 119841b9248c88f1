"""A signal in the middle of an answer that is shown whole: what has come is kept."""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

HEAD = b'{"id":"partial-1","text":"'
PIECES = (HEAD, *(b"x" * (1 << 20) for _ in range(20)))
"""More than the buffers of a connection hold: when all is sent, much of it was received."""


def interrupt(
    apiyi: Program,
    gateway: Gateway,
    stopped: list[subprocess.Popen[bytes]],
    line: str,
    signum: signal.Signals,
) -> tuple[int, str]:
    """Send the signal once most of a body was sent; return the exit code and stderr."""
    is_sent = threading.Event()

    def wait(piece: int) -> None:
        if piece == len(PIECES) - 1:
            is_sent.set()

    gateway.script(ScriptedReply(body=PIECES, wait=wait).stall(len(PIECES)))
    process = apiyi.start(line)
    stopped.append(process)
    assert is_sent.wait(30)
    process.send_signal(signum)
    _, err = process.communicate(timeout=30)
    return process.returncode, err.decode()


@pytest.mark.parametrize(
    "line, signum",
    [
        ("chat hi --no-stream", signal.SIGINT),
        ("chat hi --json", signal.SIGTERM),
        ("chat hi --json -m gpt-4o", signal.SIGINT),
        ("respond hi --json -m gpt-5.4", signal.SIGTERM),
        ("chat hi -m gpt-4o -m gpt-4o-mini --no-stream", signal.SIGTERM),
        ("respond hi --no-stream --schema name", signal.SIGHUP),
        ("complete hi --no-stream", signal.SIGTERM),
        ("image hi -m gpt-image-1", signal.SIGINT),
        ("transcribe a.wav -m whisper-1", signal.SIGTERM),
    ],
)
def test_a_body_that_a_signal_cuts_is_kept_and_named(
    apiyi: Program,
    gateway: Gateway,
    stopped: list[subprocess.Popen[bytes]],
    line: str,
    signum: signal.Signals,
) -> None:
    (apiyi.work / "a.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + bytes(28))
    code, err = interrupt(apiyi, gateway, stopped, line, signum)
    assert code == -signum
    path = Path(err.rpartition("what came of the answer is in ")[2].strip())
    assert path.parent == apiyi.home / "state" / "apiyi" / "rescue"
    assert path.read_bytes().startswith(HEAD)
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_kept_where_nothing_came(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    gateway.script(ScriptedReply(body=PIECES).stall(0))
    process = apiyi.start("chat hi --no-stream")
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) == 1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (-signal.SIGTERM, b"")
