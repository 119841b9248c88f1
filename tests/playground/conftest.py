from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

import pytest

from apiyi_cli.cli.commands.playground import PlaygroundOptions, make_program
from apiyi_cli.cli.process import Process
from apiyi_cli.cli.typer_options import make_context
from apiyi_cli.core.clock import CLOCK
from apiyi_cli.output.console import Console
from apiyi_cli.playground.server import PlaygroundServer
from tests.conftest import Program
from tests.playground.client import Playground

Serve = Callable[..., Playground]
"""Starts a playground; its argument changes the environment, None takes a variable away."""


@pytest.fixture
def serve(started: Program) -> Iterator[Serve]:
    """A function that starts a playground in front of the test's gateway.

    It runs in this process, where its branches are measured; its children are real ones. Each
    page has `close`, and is closed at the end.
    """
    servers: list[PlaygroundServer] = []
    pages: list[Playground] = []

    def start(changes: Mapping[str, str | None] | None = None) -> Playground:
        environ = started.environment(changes)
        context = make_context(Process(Console(), environ, CLOCK), PlaygroundOptions())
        server = PlaygroundServer(make_program(context, None, PlaygroundOptions()))
        server.start()
        servers.append(server)
        pages.append(Playground(server.url, os.getpid()))
        pages[-1].end = server.close
        return pages[-1]

    yield start
    for server in servers:
        server.close()
    assert not [data for page in pages for data in page.received if b"CANARY" in data]


@pytest.fixture
def playground(serve: Serve) -> Playground:
    """A playground that one browser has opened."""
    page = serve()
    page.open()
    return page
