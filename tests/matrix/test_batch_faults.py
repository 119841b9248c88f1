"""The faults against `apiyi batch`: one row of three suffers, and a second run makes it good.

After every first run each row has one terminal record or none was claimed for it; after a
second one, on a gateway that is well again, the output is that of an undisturbed run.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.matrix import bodies, connecting, refusals, streams
from tests.matrix.commands import COMMANDS
from tests.matrix.scenes import Made, well

if TYPE_CHECKING:
    from tests.conftest import Program

IDS = ("one", "two", "three")
LINE = "batch rows.jsonl -o out.jsonl -j 1"


class Fault(NamedTuple):
    """What the first row's request meets, and what the first run comes to."""

    number: int
    name: str
    replies: Made
    code: int
    asked: int = 3
    options: str = "--retries 0"


FAULTS = (
    Fault(6, "closed before the headers", connecting.dropped, 0, 4, "--retries 1"),
    Fault(7, "reset before the headers", connecting.reset, 3),
    Fault(9, "reset in the body", streams.torn, 3),
    Fault(9, "reset in the body, once", streams.torn_once, 0, 4, "--retries 1"),
    Fault(11, "half an object, and the end", streams.closed_early, 3),
    Fault(14, "headers one byte at a time", streams.dripping, 3, 3, "--timeout 0.4 --retries 0"),
    Fault(15, "one byte at a time", streams.split(split="bytes"), 0),
    Fault(18, "says brotli and is not", bodies.coded("br", bodies.as_it_is), 0),
    Fault(18, "brotli", bodies.coded("br", bodies.scrambled), 3),
    Fault(19, "a gzip bomb", bodies.bombed, 3),
    Fault(20, "a length too small", bodies.shortened, 3),
    Fault(22, "429 once", refusals.waiting("0"), 0, 4, "--retries 1"),
    Fault(24, "503 once", refusals.at_first(refusals.refused(503)), 0, 4, "--retries 1"),
    Fault(25, "504", refusals.page(504), 3),
    # The key works when it is asked for free, and there is money left.
    Fault(26, "401 once", refusals.refused(401, code="invalid_api_key"), 3),
    Fault(26, "401 once, then well", refusals.refused(401), 0, 4, "--retries 1"),
    Fault(27, "no quota, once", refusals.refused(403, code="insufficient_user_quota"), 3),
    Fault(28, "refused content", refusals.refused(400, code="content_policy_violation"), 3),
    Fault(29, "the website", bodies.answered(ScriptedReply.text(bodies.HOME_PAGE, "text/html")), 3),
    Fault(29, "nothing", bodies.answered(ScriptedReply()), 3),
    Fault(
        30,
        "a redirect",
        bodies.answered(ScriptedReply(status=307, headers=(("Location", "/"),))),
        3,
    ),
    Fault(32, "characters of all kinds", streams.text_of(streams.NASTY), 0),
    Fault(33, "another object", bodies.answered(ScriptedReply.json({"hello": "world"})), 3),
    Fault(
        44, "HTTP/1.0", lambda command: well(command).replace(version="1.0", transfer="close"), 0
    ),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.number:02} {fault.name}")
def test_a_batch_outlives_a_fault_and_a_second_run_completes_it(
    apiyi: Program, gateway: Gateway, fault: Fault
) -> None:
    rows = (json.dumps({"id": id, "prompt": id}) for id in IDS)
    (apiyi.work / "rows.jsonl").write_text("\n".join(rows) + "\n")
    made = fault.replies(COMMANDS["chat-whole"])
    gateway.script(*([made] if isinstance(made, ScriptedReply) else made))

    ran = apiyi(f"{LINE} {fault.options} --summary summary.json")
    assert ran.code == fault.code, ran.err
    summary = json.loads((apiyi.work / "summary.json").read_bytes())
    assert sent(gateway) == fault.asked == summary["requests"]
    assert len(gateway.posts) <= len(IDS) + summary["maybe_billed_twice"]
    suffered = recorded(apiyi)
    assert {id for id, failed in suffered.items() if failed} <= {"one"}
    assert len(suffered) == (3 if fault.code in (0, 3) else 1)

    again = apiyi(f"{LINE} --retry-failed")
    assert again.code == 0, again.err
    assert recorded(apiyi) == dict.fromkeys(IDS, False)
    assert sent(gateway) == fault.asked + sum(suffered.get(id, True) for id in IDS)
    assert json.loads(apiyi("batch verify out.jsonl").out)["problems"] == []


def sent(gateway: Gateway) -> int:
    """Return how many requests came that may cost something: the free questions do not."""
    return sum(request.method == "POST" for request in gateway.ledger)


def recorded(apiyi: Program) -> dict[str, bool]:
    """Return for each row that has a record whether it failed; the newest one counts."""
    found = {}
    for line in (apiyi.work / "out.jsonl").read_text().split("\n"):
        if line:
            record = json.loads(line)
            found[record["custom_id"]] = record["error"] is not None
    return found
