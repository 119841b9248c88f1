"""What several tests of commands use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.conversations import ConversationStarter

if TYPE_CHECKING:
    from tests.conftest import Program


@pytest.fixture
def talks(started: Program, apiyi: Program) -> Iterator[ConversationStarter]:
    """Starts conversations on terminals."""
    running = ConversationStarter(started, apiyi)
    yield running
    running.close()
