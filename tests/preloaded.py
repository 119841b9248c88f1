"""A process that has imported the program, and becomes it whenever it is asked to.

A run then costs what the run does, not another start of the interpreter. Each request is a
line of JSON on the socket whose number is the only argument: the words, the environment and
the folder, with stdin, stdout and stderr beside it; the answers are a line with the number
of the process, and one with its wait status. What depends on how an
interpreter starts (locale, modules imported, signals, terminals) needs a real process.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

LEFT_OUT = ("apiyi_cli.__main__", "apiyi_cli.cli.generate")


def imported() -> None:
    """Import the program, and what it imports only when it needs it."""
    import apiyi_cli

    for module in pkgutil.walk_packages(apiyi_cli.__path__, "apiyi_cli."):
        if module.name not in LEFT_OUT:
            importlib.import_module(module.name)
    for name in ("jsonschema", "sqlite3", "typer", "httpcore", "jq"):
        importlib.import_module(name)
    # Typer reads its settings and makes its commands at the first use.
    from apiyi_cli.cli.app import COMMANDS, command

    for name in COMMANDS:
        command(name)


def become(request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Turn this process into a run of the program."""
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
    os.closerange(3, 64)
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["cwd"])
    sys.argv = ["apiyi", *request["words"]]
    from apiyi_cli.main import run

    run()


def serve(channel: socket.socket) -> None:
    while True:
        data, descriptors, _, _ = socket.recv_fds(channel, 1 << 16, 3)
        if not data:
            return
        while not data.endswith(b"\n"):
            data += channel.recv(1 << 16)
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                become(json.loads(data), descriptors)
            os._exit(70)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.sendall(b"%d\n" % pid)
        channel.sendall(b"%d\n" % os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    os.environ["TYPER_USE_RICH"] = "0"
    imported()
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
