"""A resolver that keeps silent: bounded by the run's own limits, and no signal waits for it."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.core.clock import CLOCK
from apiyi_cli.errors import LimitError, TemporaryError
from apiyi_cli.settings.defaults import Timeouts
from apiyi_cli.wire.http.client import Client
from apiyi_cli.wire.http.request import HttpRequest

if TYPE_CHECKING:
    import subprocess

    from tests.conftest import Program

# As the C library: whoever asks hears no signal meanwhile.
DEAF = """
import os, signal, socket, threading
def getaddrinfo(*arguments, **named):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    os.write(2, b"asked\\n")
    threading.Event().wait(60)
socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    release = threading.Event()

    def getaddrinfo(*arguments: Any, **named: Any) -> Any:
        release.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "late")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    release.set()


def asked(timeouts: Timeouts) -> None:
    client = Client(environ={})
    request = HttpRequest("GET", "http://silent.example/v1", (), b"", stream=False, free=True)
    try:
        client.send(request, timeouts)
    finally:
        client.close()


@pytest.mark.usefixtures("silent")
def test_the_limit_for_connecting_holds_for_the_name_as_well() -> None:
    with pytest.raises(TemporaryError, match="its name cannot be resolved") as failure:
        asked(Timeouts(connect_s=0.2))
    assert (failure.value.facts.phase, failure.value.facts.kind) == ("connect", "dns")


@pytest.mark.usefixtures("silent")
def test_so_does_the_limit_of_the_whole_run() -> None:
    with pytest.raises(LimitError, match="had not been sent"):
        asked(Timeouts(total_at=CLOCK.monotonic() + 0.2))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_for_a_name(
    apiyi: Program, stopped: list[subprocess.Popen[bytes]], number: signal.Signals
) -> None:
    (apiyi.work / "sitecustomize.py").write_text(DEAF)
    paths = os.pathsep.join((str(apiyi.work), os.environ.get("PYTHONPATH", "")))
    env = {"PYTHONPATH": paths, "APIYI_BASE_URL": "https://silent.example/v1"}
    process = apiyi.start("chat hi", env=env)
    stopped.append(process)
    assert process.stderr is not None
    assert process.stderr.readline() == b"asked\n"
    began_s = time.monotonic()
    process.send_signal(number)
    assert process.wait(20) == -number
    assert time.monotonic() - began_s < 5
