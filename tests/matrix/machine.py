"""Faults 41 and 42: the machine that the program runs on."""

from __future__ import annotations

import os
from email.utils import formatdate

from tests.matrix.commands import Command
from tests.matrix.scenes import ALL, OBJECTS, STREAMS, Fault, Made, Scene, Stage

from apiyi_cli.sandbox.play import Play

HOUR_S = 3600


def dated(shift_s: float) -> Made:
    """Play the right answer of a gateway whose clock is elsewhere."""

    def made(command: Command) -> Play:
        import time

        return command.well.but(headers=(("Date", formatdate(time.time() + shift_s, usegmt=True)),))

    return made


def under(shell: str) -> Stage:
    """Make the stage on which the shell does something first."""

    def stage(scene: Scene) -> None:
        scene.shell = shell
        scene.script(scene.command.well)

    return stage


def to(target: str) -> Stage:
    """Make the stage on which the answer goes to a file."""

    def stage(scene: Scene) -> None:
        scene.options = ["-o", target.format(home=scene.apiyi.home)]
        scene.script(scene.command.well)

    return stage


FULL = to("/dev/full")
FAULTS = (
    Fault(41, "the gateway's clock is an hour behind", "chat image models", 0, dated(-HOUR_S)),
    Fault(41, "the gateway's clock is an hour ahead", "chat embed api", 0, dated(HOUR_S)),
    Fault(42, "a full disk behind stdout", f"{STREAMS} {OBJECTS} api", 11, stage=under("exec >/dev/full;"), out=b""),
)
