"""Every fault of the network, the gateway and the machine against the commands it concerns.

Each cell of the matrix is a process of its own and a gateway that replies the fault. What a
cell must come to stands in its row; what holds for all of them is judged in `scenes`: a code
of the table, no payment that was not told, stdout the right answer or a beginning of it, no
key and no traceback in sight, no unfinished file, an end in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.server import Gateway
from tests.matrix import bodies, connecting, machine, refusals, streams
from tests.matrix.commands import COMMANDS, Command
from tests.matrix.refusals import echoing
from tests.matrix.scenes import Fault, Scene
from tests.sampled import sampled

if TYPE_CHECKING:
    from tests.conftest import Program

FAULTS = (*connecting.FAULTS, *streams.FAULTS, *bodies.FAULTS, *refusals.FAULTS, *machine.FAULTS)
CELLS = [(fault, COMMANDS[name]) for fault in FAULTS for name in fault.on.split()]


NAMES = [f"{fault.number:02} {fault.name}-{command.name}" for fault, command in CELLS]


@pytest.mark.parametrize(("fault", "command"), sampled(CELLS, every=2, ids=NAMES))
def test_a_fault_has_one_right_outcome(
    apiyi: Program, gateway: Gateway, fault: Fault, command: Command
) -> None:
    fault.played(Scene(apiyi, gateway, command))


def test_every_fault_of_the_plan_is_played() -> None:
    assert {fault.number for fault in FAULTS} == set(range(1, 45))
    assert {fault.number for fault, _ in CELLS[::2]} == set(range(1, 45))
    assert len(CELLS[::2]) >= 220


@pytest.mark.parametrize(
    "line",
    [
        "chat hi -m gpt-4o -m gpt-4.1",
        "batch rows.jsonl",
        "batch rows.jsonl -o out.jsonl",
    ],
)
def test_no_record_holds_the_key_that_a_refusal_repeats(
    apiyi: Program, gateway: Gateway, line: str
) -> None:
    reply = echoing(COMMANDS["chat"])
    gateway.script(reply, reply)
    (apiyi.work / "rows.jsonl").write_text('{"prompt": "one"}\n{"prompt": "two"}\n')
    ran = apiyi(line)
    recorded = apiyi.work / "out.jsonl"
    records = recorded.read_text() if recorded.exists() else ran.text
    assert "[key …3c2a]" in records
    assert ran.code in (3, 6)
