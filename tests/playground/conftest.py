from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Program
from tests.playground.client import Playground


@pytest.fixture
def playground(started: Program) -> Iterator[Playground]:
    """A playground in front of the test's gateway, opened by one browser."""
    page = Playground(started.start("playground --no-open"))
    page.open()
    yield page
    page.close()
    assert not [data for data in page.received if b"CANARY" in data]
