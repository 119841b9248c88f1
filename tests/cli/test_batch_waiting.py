"""`apiyi batch`: rows that wait to be tried again, and the concurrency slots of the others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from apiyi_cli.sandbox.play import Play
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


def test_rows_that_are_to_wait_let_the_others_pass(apiyi: Program, gateway: Gateway) -> None:
    busy = Play.error(503, "busy", headers=(("Retry-After", "0.6"),))
    gateway.script(busy, busy)
    rows = "".join(json.dumps({"id": str(n), "prompt": f"row {n}"}) + "\n" for n in range(8))
    (apiyi.work / "rows.jsonl").write_text(rows)
    ran = apiyi("batch rows.jsonl -m gpt-4o -j 2 -o out.jsonl")
    assert ran.code == 0, ran.err
    statuses = [one.status or 0 for one in gateway.ledger]
    assert sorted(statuses) == [200] * 8 + [503] * 2
    refused = [one.json for one in gateway.ledger if one.status == 503]
    assert all(one.json in refused for one in gateway.ledger[-2:])
