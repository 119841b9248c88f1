"""A cell of the fault matrix: the row that it belongs to, where it replies, how it is judged."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from apiyi_cli.core.exit_codes import EXIT_CODES
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.matrix.commands import PNG, RECORDING, Command

if TYPE_CHECKING:
    from tests.conftest import Program, Ran

IN_TIME_S = 15.0
"""All that is waited for in a fault would take longer; a process on a busy machine does not."""

STREAMS = "chat complete respond"
EVENTS = f"{STREAMS} chat-joined"
OBJECTS = "chat-whole embed image transcribe models"
ALL = f"{EVENTS} {OBJECTS} speak api"

_CODES = frozenset(row.code for row in EXIT_CODES)


class Scene:
    """Where a cell replies, before its process starts; a fault may change all of it.

    `shell` goes before the command line, in bash. `foreign` are hosts that must not hear of
    anything.
    """

    def __init__(self, apiyi: Program, gateway: Gateway, command: Command) -> None:
        self.apiyi = apiyi
        self.gateway = gateway
        self.command = command
        self.scratch = apiyi.home / "tmp"
        self.scratch.mkdir()
        self.env: dict[str, str | None] = {"TMPDIR": str(self.scratch)}
        self.options: list[str] = []
        self.shell = ""
        self.foreign: list[Gateway] = []
        self.stack = ExitStack()
        (apiyi.work / "talk.wav").write_bytes(RECORDING)

    def script(self, *replies: ScriptedReply) -> None:
        """Have the gateway answer the command's requests so, and any other one as always."""
        self.gateway.script(*replies, path=self.command.path)

    def addresses(self, *base_urls: str) -> None:
        """Give the profile these addresses, the first one preferred."""
        config = self.apiyi.home / "config.toml"
        config.write_text(f"[profile.default]\nbase_urls = {json.dumps(base_urls)}\n")
        self.env |= {"APIYI_CONFIG": str(config), "APIYI_BASE_URL": None}

    def stranger(self) -> Gateway:
        """Return a host that must not hear of anything."""
        other = self.stack.enter_context(Gateway())
        self.foreign.append(other)
        return other

    def run(self, options: str) -> Ran:
        """Run the command's line as a process."""
        words = [*shlex.split(self.command.line), *shlex.split(options), *self.options]
        if self.shell:
            return self.apiyi.shell(f"{self.shell} apiyi {shlex.join(words)}", env=self.env)
        return self.apiyi(words, env=self.env, stdin=subprocess.DEVNULL)


Made = Callable[[Command], ScriptedReply | Sequence[ScriptedReply]]
Stage = Callable[[Scene], object]


class Fault(NamedTuple):
    """One row: a fault, the commands that it is played to, what must come of it.

    `replies` makes the answers to the command's requests, `stage` changes the scene before.
    `code`, `asked` (requests that reach the gateway), `out` (what stdout says, where that is
    more than "a beginning of the right answer") and `truth` (the right answer, where it is
    not the command's) are values, or tables by `Command.kinds`. `needs` is how many requests
    the command makes when all is well. `said` are parts of stderr.
    """

    number: int
    name: str
    on: str
    code: int | Mapping[str, int]
    replies: Made | None = None
    stage: Stage | None = None
    options: str = "--retries 0"
    asked: int | Mapping[str, int] = 1
    needs: int = 1
    out: bytes | Mapping[str, bytes] | None = None
    truth: bytes | Mapping[str, bytes | None] | None = None
    said: tuple[str, ...] = ()
    within_s: float = IN_TIME_S

    def played(self, scene: Scene) -> Ran:
        """Play the fault, run the command, and hold what came of it against the row."""
        if self.stage is not None:
            self.stage(scene)
        if self.replies is not None:
            made = self.replies(scene.command)
            scene.script(*([made] if isinstance(made, ScriptedReply) else made))
        began_s = time.monotonic()
        with scene.stack:
            ran = scene.run(self.options)
            took_s = time.monotonic() - began_s
            self._judged(scene, ran)
        assert took_s < self.within_s
        return ran

    def _judged(self, scene: Scene, ran: Ran) -> None:
        command, gateway = scene.command, scene.gateway
        assert ran.code == _of(self.code, command), (ran.out[-500:], ran.err)
        assert ran.code in _CODES
        for part in self.said:
            assert part in ran.err
        assert not set("\x1b\x9b\u202e") & set(ran.err), ran.err

        asked = [one for one in gateway.ledger if one.path.endswith(command.path)]
        assert len(asked) == _of(self.asked, command), ran.err
        tries = self.needs + ran.err.count("apiyi: retry ")
        assert len(asked) <= tries if self.stage else len(asked) == tries, ran.err
        paid = sum(one.billed for one in asked)
        assert paid <= self.needs + paid_twice(ran.err), f"paid {paid} times: {ran.err}"
        assert [one.ledger for one in scene.foreign] == [[]] * len(scene.foreign)

        truth = _of(self.truth, command)
        truth = command.out if truth is None else truth
        said = command.said(ran.out)
        if ran.code == 0:
            assert said == truth
        else:
            assert ran.err
            assert truth.startswith((said, said.removesuffix(b"\n"))), said[-500:]
        if self.out is not None:
            assert said == _of(self.out, command)
        for path in scene.apiyi.work.iterdir():
            assert path.name == "talk.wav" or path.read_bytes() == PNG, path
        assert list(scene.scratch.iterdir()) == []


def paid_twice(err: str) -> int:
    """Return how many requests the user was told may be billed twice."""
    return len(re.findall("possibly billed twice", err))


def _of(value: Any, command: Command) -> Any:
    if not isinstance(value, Mapping):
        return value
    return next((value[kind] for kind in command.kinds if kind in value), None)


def well(command: Command) -> ScriptedReply:
    """Play the right answer."""
    return command.well


def closed_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
