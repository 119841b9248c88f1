"""Every fault of the network, the gateway and the machine against every command it concerns.

Each cell of the matrix is a process of its own and a gateway that plays the fault. What a
cell must come to stands in its row; what holds for all cells is looked at in `judged`: a code
of the table, no more requests than were told, no payment twice that was not said, stdout the
right answer or a beginning of it, no key, no traceback, no unfinished file, an end in time.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import struct
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pytest

from apiyi_cli.errors import EXIT_CODES
from apiyi_cli.sandbox.play import DONE, Play, frame
from apiyi_cli.sandbox.server import Gateway
from tests.matrix.commands import (
    CHAT,
    COMMANDS,
    LISTED,
    PNG,
    RECORDING,
    TEXT,
    USAGE,
    VECTORS,
    WORDS,
    Command,
    completion,
    embeddings,
    pictures,
    response,
    whole_chat,
)

if TYPE_CHECKING:
    from tests.conftest import Program, Ran

IN_TIME_S = 12.0
"""Every wait of the gateway in here would be longer; a process on a busy machine is not."""

STREAMS = "chat complete respond"
EVENTS = f"chat-joined {STREAMS}"
OBJECTS = "chat-whole embed image transcribe models"
ALL = f"{EVENTS} {OBJECTS} speak api"


class Scene:
    """Where a cell plays, before its process starts: a fault may change all of it."""

    def __init__(self, apiyi: Program, gateway: Gateway, command: Command) -> None:
        self.apiyi = apiyi
        self.gateway = gateway
        self.command = command
        self.options: list[str] = []
        self.env: dict[str, str | None] = {}
        self.foreign: list[Gateway] = []
        self.before = ""
        self.stack = ExitStack()
        (apiyi.work / "talk.wav").write_bytes(RECORDING)

    def script(self, *plays: Play) -> None:
        """Have the gateway answer the command's requests so, and any other one as always."""
        self.gateway.script(*plays, path=self.command.path)

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


Value = Any
Stage = Callable[[Scene], object]
Made = Callable[[Command], Play | Sequence[Play]]


class Fault(NamedTuple):
    """One row: a fault, how it is played, the commands it is played to, what must come of it.

    `plays` makes the answers to the command's requests, `stage` changes the scene before.
    `code` and `asked` (requests that reach the gateway) are values, or tables by the names
    in `Command.kinds`. `out` is what stdout says where that is more than "a beginning".
    `said` are parts of stderr; `pays` is how often the gateway would charge.
    """

    number: int
    name: str
    on: str
    code: int | Mapping[str, int]
    plays: Made | None = None
    stage: Stage | None = None
    options: str = "--retries 0"
    asked: int | Mapping[str, int] = 1
    out: bytes | Mapping[str, bytes] | None = None
    said: tuple[str, ...] = ()
    within_s: float = IN_TIME_S


def looked_up(value: Value | Mapping[str, Value], command: Command) -> Value:
    if not isinstance(value, Mapping):
        return value
    return next((value[kind] for kind in command.kinds if kind in value), None)


def well(command: Command) -> Play:
    return command.well


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


# 1-5: before anything is sent


def dead_primary(scene: Scene) -> None:
    scene.addresses(f"http://127.0.0.1:{closed_port()}/v1", scene.gateway.base_url)
    scene.script(scene.command.well)


def both_dead(scene: Scene) -> None:
    scene.addresses(*(f"http://127.0.0.1:{closed_port()}/v1" for _ in range(2)))


def deaf(scene: Scene) -> str:
    """Return the address of a listener whose queue is full: it answers no SYN."""
    listener = scene.stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(4):
        waiting = scene.stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(listener.getsockname())
    return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


def deaf_primary(scene: Scene) -> None:
    scene.addresses(deaf(scene), scene.gateway.base_url)
    scene.script(scene.command.well)


def only_deaf(scene: Scene) -> None:
    scene.env["APIYI_BASE_URL"] = deaf(scene)


def no_such_name(scene: Scene) -> None:
    scene.env["APIYI_BASE_URL"] = "https://gateway.invalid/v1"


def two_addresses(scene: Scene) -> None:
    """Name the host by a name whose first address, `::1`, nobody listens on."""
    scene.env["APIYI_BASE_URL"] = f"http://localhost:{scene.gateway.port}/v1"
    scene.script(scene.command.well)


class Tls(NamedTuple):
    """A listener that shakes hands with a certificate and never gets to see a request."""


def tls(names: Sequence[str], *, expired: bool = False, trusted: bool = True) -> Stage:
    def stage(scene: Scene) -> None:
        import datetime
        import ssl
        import threading

        import trustme

        authority = trustme.CA()
        past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC) if expired else None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names, not_after=past).configure_cert(context)
        if trusted:
            path = scene.apiyi.home / "authority.pem"
            authority.cert_pem.write_to_path(str(path))
            scene.env["SSL_CERT_FILE"] = str(path)
        listener = scene.stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                    with sock, context.wrap_socket(sock, server_side=True) as secured:
                        secured.recv(1)
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        scene.stack.callback(listener.shutdown, socket.SHUT_RDWR)
        backup = scene.stranger()
        scene.addresses(f"https://127.0.0.1:{listener.getsockname()[1]}/v1", backup.base_url)

    return stage


def no_tls(scene: Scene) -> None:
    scene.env["APIYI_BASE_URL"] = scene.gateway.base_url.replace("http://", "https://")


UNSENT = [
    Fault(1, "refused, with a backup", ALL, 0, stage=dead_primary, options=""),
    Fault(
        1,
        "refused everywhere",
        "chat image models embed",
        5,
        stage=both_dead,
        options="--retries 1",
        asked=0,
        said=("connection refused", "retry 1 of 1"),
    ),
    Fault(
        2,
        "the connection hangs, with a backup",
        "chat image models",
        0,
        stage=deaf_primary,
        options="--timeout 1",
    ),
    Fault(
        2,
        "the connection hangs",
        "chat embed speak api",
        5,
        stage=only_deaf,
        options="--timeout 0.3 --retries 0",
        asked=0,
        said=("no connection in time",),
    ),
    Fault(
        3,
        "the name does not resolve",
        "chat respond image models",
        5,
        stage=no_such_name,
        asked=0,
        said=("gateway.invalid",),
    ),
    Fault(4, "the first address is dead", "chat embed models", 0, stage=two_addresses),
    Fault(
        5,
        "expired certificate",
        "chat image models",
        10,
        stage=tls(["127.0.0.1"], expired=True),
        options="",
        asked=0,
        said=("certificate",),
    ),
    Fault(
        5,
        "certificate of another host",
        "chat embed api",
        10,
        stage=tls(["elsewhere.example"]),
        options="",
        asked=0,
        said=("certificate",),
    ),
    Fault(
        5,
        "certificate that nobody trusts",
        "chat transcribe models",
        10,
        stage=tls(["127.0.0.1"], trusted=False),
        options="",
        asked=0,
        said=("certificate",),
    ),
    Fault(5, "no TLS where it is meant", "chat speak models", 5, stage=no_tls, asked=0),
]
