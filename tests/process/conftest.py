"""Here `apiyi` is never quick: what is asked depends on how the interpreter starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Program


@pytest.fixture
def apiyi(started: Program) -> Program:
    return started
