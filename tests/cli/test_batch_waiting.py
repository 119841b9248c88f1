"""`apiyi batch`: rows that wait to be tried again, and the concurrency slots of the others."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


def test_rows_that_are_to_wait_let_the_others_pass(
    started: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    busy = ScriptedReply.error(503, "busy", headers=(("Retry-After", "30"),))
    gateway.script(busy, busy)
    rows = "".join(json.dumps({"id": str(n), "prompt": f"row {n}"}) + "\n" for n in range(8))
    (started.work / "rows.jsonl").write_text(rows)
    stopped.append(started.start("batch rows.jsonl -m gpt-4o -j 2 -o out.jsonl"))
    # All others are answered while the two wait; it is killed before they are tried again.
    assert gateway.wait_for(lambda: sum(one.status == 200 for one in gateway.ledger) == 6)
    refused = [one.json for one in gateway.ledger if one.status == 503]
    assert len(refused) == 2 and len(gateway.ledger) == 8
    assert all(one.json not in refused for one in gateway.ledger if one.status == 200)
