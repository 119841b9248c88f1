"""Here the program's branches are not measured: hundreds of runs would take the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.quick import Quick

if TYPE_CHECKING:
    from tests.conftest import Program
    from tests.quick import Preloaded


@pytest.fixture
def apiyi(started: Program, preloaded: Preloaded) -> Quick:
    return Quick(started, preloaded, measured=False)
