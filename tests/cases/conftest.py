"""The fixture that plays raw replies to typed lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cases.raw import Case, Replaying

if TYPE_CHECKING:
    from tests.conftest import Program


@pytest.fixture
def case(apiyi: Program) -> Iterator[Case]:
    """The program against a server on loopback that plays raw replies and keeps the requests."""
    with Replaying() as gateway:
        yield Case(apiyi, gateway)
