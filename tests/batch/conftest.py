"""What the tests of batches share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.batch.crash_runner import CrashServer


@pytest.fixture(scope="session")
def crashes() -> Iterator[CrashServer]:
    server = CrashServer()
    yield server
    server.close()
