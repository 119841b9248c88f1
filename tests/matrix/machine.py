"""Faults 8, 41 and 42: connections that died unseen, wrong clocks, and a machine that is full."""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.utils import formatdate

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from tests.matrix.commands import TYPED, VECTORS, Command, embeddings
from tests.matrix.scenes import OBJECTS, STREAMS, Fault, Made, Scene, Stage

HOUR_S = 3600
PRINTING = f"{STREAMS} chat-joined {OBJECTS} api"
"""The commands that print while, or after, they have got an answer; audio is told apart below."""


def dead_between(command: Command) -> Sequence[ScriptedReply]:
    """Play two right answers; the connection of the first is dead when the second is asked."""
    dead = ScriptedReply(billed=False).cut()
    if command.name == "embed":
        return embeddings(VECTORS[0]), dead, embeddings(VECTORS[1])
    return command.well, dead, command.well


def second_file(scene: Scene) -> None:
    if scene.command.name == "transcribe":
        scene.options = ["talk.wav", "-j", "1"]
    else:
        scene.options = ["--batch-size", "1", "-j", "1"]


def dated(shift_s: float) -> Made:
    """Play the right answer of a gateway whose clock is elsewhere."""

    def made(command: Command) -> ScriptedReply:
        return command.well.replace(
            headers=(("Date", formatdate(time.time() + shift_s, usegmt=True)),)
        )

    return made


def under(shell: str) -> Stage:
    """Make the stage on which the shell does something first."""

    def stage(scene: Scene) -> None:
        scene.shell = shell
        scene.script(scene.command.well)

    return stage


def into(target: str) -> Stage:
    """Make the stage on which the answer goes to this file, below the test's home."""

    def stage(scene: Scene) -> None:
        (scene.apiyi.home / "there.mp3").write_bytes(b"mine")
        scene.options = ["-o", str(scene.apiyi.home / target)]
        scene.script(scene.command.well)

    return stage


def small_files(scene: Scene) -> None:
    """Let no file grow beyond a kilobyte: neither the output nor what would be rescued."""
    scene.options = ["-o", "out.mp3"]
    # Python 3.11 would leave the first kilobyte of each module that it compiles.
    scene.env["PYTHONDONTWRITEBYTECODE"] = "1"
    scene.shell = "ulimit -f 1;"
    scene.script(scene.command.well)


def no_place(scene: Scene) -> None:
    """Have a file where the program's own folders should be."""
    (scene.apiyi.home / "file").write_bytes(b"")
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME"):
        scene.env[name] = str(scene.apiyi.home / "file")
    scene.script(scene.command.well)


FAULTS = (
    Fault(
        8,
        "the kept connection is dead when it is used again",
        "embed transcribe",
        0,
        dead_between,
        second_file,
        options="--retries 1",
        asked=3,
        needs=2,
        truth={"transcribe": TYPED * 2, "embed": None},
        said=("retry 1 of 1",),
    ),
    Fault(41, "the gateway's clock is an hour behind", "chat models", 0, dated(-HOUR_S)),
    Fault(41, "the gateway's clock is an hour ahead", "chat embed api", 0, dated(HOUR_S)),
    Fault(
        42,
        "a full disk behind stdout",
        f"{PRINTING} speak",
        11,
        stage=under("exec >/dev/full;"),
        out=b"",
        said=("No space left on device",),
    ),
    Fault(
        42,
        "no stdout at all",
        "chat embed image speak models",
        11,
        stage=under("exec >&-;"),
        asked=0,
        out=b"",
    ),
    Fault(
        42,
        "a full disk behind stderr",
        "chat image transcribe",
        0,
        stage=under("exec 2>/dev/full;"),
    ),
    Fault(42, "no stderr and no stdin", "chat image embed", 0, stage=under("exec <&- 2>&-;")),
    Fault(
        42, "an output that exists", "chat speak models embed", 11, stage=into("there.mp3"), asked=0
    ),
    Fault(42, "an output in no folder", "chat speak api", 11, stage=into("no/where.mp3"), asked=0),
    Fault(
        42,
        "no file may grow",
        "speak",
        11,
        stage=small_files,
        out=b"",
        said=("File too large",),
    ),
    Fault(42, "few descriptors", "chat embed image", 0, stage=under("ulimit -n 20;")),
    Fault(
        42,
        "no place for state, cache and limits",
        "chat embed image models speak",
        0,
        stage=no_place,
    ),
)
