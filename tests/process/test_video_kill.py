"""`apiyi video` killed between any two steps: nothing paid is lost, nothing submitted twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.sandbox.endpoints.videos import make_movie
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import KEY, Program
from tests.quick import Quick

KILLED_AT_A_STEP = """
import os, signal, sys

place, steps = int(sys.argv.pop(1)), 0
STEPS = ("open", "os.rename", "os.link", "os.remove", "socket.connect")

def count(event, args):
    global steps
    if event not in STEPS:
        return
    if event != "socket.connect":
        path = os.fsdecode(args[0]) if isinstance(args[0], (str, bytes, os.PathLike)) else ""
        if not ("/video/" in path or path.endswith((".mp4", ".part"))):
            return
    steps += 1
    if steps == place:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
from apiyi_cli.main import run
run()
"""
MOVIE = make_movie("cat")


def start(apiyi: Program, place: int, line: str) -> int:
    """Run a line that is killed before its step of this number; return its code."""
    words = [sys.executable, "-c", KILLED_AT_A_STEP, str(place), *line.split()]
    environ = apiyi.environment(None)
    ran = subprocess.run(words, cwd=apiyi.work, env=environ, capture_output=True, timeout=30)
    return ran.returncode


def list_videos(apiyi: Program | Quick) -> list[dict[str, Any]]:
    return [json.loads(line) for line in apiyi("video list").out.splitlines()]


def submissions(gateway: Gateway) -> int:
    return sum(received.method == "POST" for received in gateway.ledger)


def clear(apiyi: Program | Quick, gateway: Gateway, work: Path) -> None:
    for row in list_videos(apiyi):
        apiyi(f"video forget {row['id']}")
    (work / "cat.mp4").unlink(missing_ok=True)
    gateway.ledger.clear()


@pytest.mark.parametrize(
    ("model", "places"),
    [
        pytest.param("wan2.7-t2v", range(2, 60, 3), id="every third step"),
        pytest.param("wan2.7-t2v", range(1, 60), id="wan", marks=pytest.mark.nightly),
        pytest.param("grok-imagine-video", range(1, 60), id="grok", marks=pytest.mark.nightly),
    ],
)
def test_kill_9_before_any_step_loses_no_video_and_submits_nothing_twice(
    apiyi: Quick, started: Program, gateway: Gateway, model: str, places: range
) -> None:
    stages = []
    for place in places:
        code = start(started, place, f"video cat -m {model} -o cat.mp4")
        if code == 0:
            break
        assert code == -signal.SIGKILL, place
        sent = submissions(gateway)
        rows = list_videos(apiyi)
        stages.append(rows[0]["state"] if rows else "")
        if stages[-1] in ("", "unknown"):
            assert not (started.work / "cat.mp4").exists()
        else:
            ran = apiyi("video resume")
            assert ran.code == 0, ran.err
            assert (started.work / "cat.mp4").read_bytes() == MOVIE, place
            assert list_videos(apiyi)[0]["state"] == "saved"
        assert sent <= 1 and submissions(gateway) == sent, place
        # A task that may be billed is never forgotten.
        assert rows or not sent
        clear(apiyi, gateway, started.work)
    assert code == 0 and {"", "unknown", "running", "done"} <= set(stages)


class KillingGateway(Gateway):
    """Kills its client as soon as a request has come, before it is answered."""

    victim = 0
    path = ""

    def _reply_to(self, request: ReceivedRequest) -> ScriptedReply:
        reply = super()._reply_to(request)
        if not self.victim or not request.path.endswith(self.path):
            return reply
        victim, self.victim = self.victim, 0
        return reply.replace(wait=lambda piece: _kill(victim))


def _kill(number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


@pytest.mark.parametrize(
    ("path", "state"), [("video-synthesis", "unknown"), ("/tasks/", "running"), (".mp4", "done")]
)
def test_kill_9_while_a_request_is_answered(
    apiyi: Quick,
    started: Program,
    stopped: list[subprocess.Popen[bytes]],
    path: str,
    state: str,
) -> None:
    class At(KillingGateway):
        def _reply_to(self, request: ReceivedRequest) -> ScriptedReply:
            self.path = request.path if path in request.path else "\0"
            return super()._reply_to(request)

    with At(key=KEY) as gateway:
        environ = {"APIYI_BASE_URL": gateway.base_url}
        # It waits for a line, so that the gateway knows whom to kill before anything is sent.
        process = started.start("video --lines -o cat.mp4", env=environ, stdin=subprocess.PIPE)
        stopped.append(process)
        gateway.victim = process.pid
        process.communicate(b"cat\n", timeout=30)
        assert process.returncode == -signal.SIGKILL
        assert [row["state"] for row in list_videos(apiyi)] == [state]
        ran = apiyi("video resume", env=environ)
        assert ran.code == 0
        assert (started.work / "cat.mp4").exists() == (state != "unknown")
        assert submissions(gateway) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("lines", [False, True])
def test_a_signal_leaves_the_task_running_and_says_how_to_go_on(
    started: Program,
    gateway: Gateway,
    stopped: list[subprocess.Popen[bytes]],
    number: int,
    lines: bool,
) -> None:
    model = "-m fault:running/wan2.7-t2v"
    line = f"video --lines -j 2 {model}" if lines else f"video cat {model}"
    process = started.start(line, stdin=subprocess.PIPE)
    stopped.append(process)
    assert process.stdin is not None
    process.stdin.write(b"cat\ndog\n")
    process.stdin.close()
    process.stdin = None
    looks = 2 if lines else 1

    def is_looked_at() -> bool:
        asked = {received.path for received in gateway.ledger if received.method == "GET"}
        return len(asked) == looks

    assert gateway.wait_for(is_looked_at)
    process.send_signal(number)
    process.wait(timeout=20)
    assert process.stderr is not None
    error = process.stderr.read().decode()
    assert process.returncode == -number
    rows = list_videos(started)
    assert [row["state"] for row in rows] == ["running"] * looks
    assert ("apiyi video resume" if lines else f"apiyi video resume {rows[0]['id']}") in error
    assert submissions(gateway) == looks
