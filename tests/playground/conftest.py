from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from apiyi_cli.cli.commands.playground import PlaygroundOptions, make_program
from apiyi_cli.cli.process import Process
from apiyi_cli.cli.typer_options import make_context
from apiyi_cli.core.clock import CLOCK
from apiyi_cli.output.console import Console
from apiyi_cli.playground.server import PlaygroundServer
from tests.conftest import Program
from tests.playground.client import Playground


@pytest.fixture
def playground(started: Program) -> Iterator[Playground]:
    """A playground in front of the test's gateway, opened by one browser.

    It runs in this process, where its branches are measured; its children are real ones.
    """
    context = make_context(Process(Console(), started.environ, CLOCK), PlaygroundOptions())
    server = PlaygroundServer(make_program(context, None, PlaygroundOptions()))
    server.start()
    page = Playground(server.url, os.getpid())
    try:
        page.open()
        yield page
    finally:
        server.close()
    assert not [data for data in page.received if b"CANARY" in data]
