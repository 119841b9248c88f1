"""A process that may open few files: it works, or says so before anything is sent."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


@pytest.mark.parametrize("count", [6, 8, 10, 20])
@pytest.mark.parametrize(
    "line", ["chat hi", "chat hi -m gpt-4o -m gpt-4.1", "batch - --lines --text", "embed hi"]
)
def test_with_few_files_the_answer_comes_or_nothing_is_sent(
    apiyi: Program, gateway: Gateway, line: str, count: int
) -> None:
    # Without the shell of the launcher, which needs a descriptor above 9 of its own.
    program = f"{shlex.quote(sys.executable)} -m apiyi_cli"
    ran = apiyi.shell(f"ulimit -n {count}; exec {program} {line}", stdin=b"hi\n")
    if ran.code == 10:
        assert count < 10 and "ulimit -n" in ran.err and gateway.ledger == []
    else:
        assert ran.code == 0 and ran.out, ran.err
