"""Chaos: every fifth request meets one of the sandbox's faults, and the batch is killed.

Run again until it is through, all rows are answered with their own answers, and each answered
row was paid once, or as often more as the journal tells.
"""

from __future__ import annotations

import json
import random
import subprocess
import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.answers import answer
from apiyi_cli.sandbox.faults.faults import Faults
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import Refused, ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import KEY

if TYPE_CHECKING:
    from tests.conftest import Program

FAULTS = (
    *("error-after-role", "restart", "empty", "reasoning-only", "saturated", "upstream-401"),
    *("huge-usage", "huge-usage@30", "misfit", "nothing", "html", "503", "cut", "reset", "blanks"),
)
SLOW = {"saturated", "blanks"}
"""Faults that cost seconds each: nightly."""


class FaultyGateway(Gateway):
    """Answers well, but for a share of the requests, which meet one of the faults."""

    def __init__(self, share: float, seed: int, faults: tuple[str, ...]) -> None:
        super().__init__(key=KEY)
        self._share = share
        self._chance = random.Random(seed)
        self._drawing = threading.Lock()
        self._faults_by_name = {spec: Faults(spec) for spec in faults}
        self.played: Counter[str] = Counter()

    def await_more(self, count: int) -> None:
        """Wait until so many more requests have come."""
        until = len(self.ledger) + count
        self.wait_for(lambda: len(self.ledger) >= until, timeout_s=60)

    def _reply_to(self, request: ReceivedRequest) -> ScriptedReply:
        with self._drawing:
            drawn = self._chance.random()
            spec = self._chance.choice(list(self._faults_by_name)) if drawn < self._share else None
            if request.method == "POST" and spec is not None:
                self.played[spec] += 1
        if request.method != "POST" or spec is None:
            return super()._reply_to(request)
        try:
            return self._faults_by_name[spec].reply(request, answer)
        except Refused as refused:
            return refused.reply


def run(
    apiyi: Program,
    stopped: list[subprocess.Popen[bytes]],
    gateway: FaultyGateway,
    *,
    rows: int,
    kills: int,
) -> None:
    """Run a batch, killed `kills` times and more, until all its rows have their answers."""
    chance = random.Random(17)
    lines = (json.dumps({"id": f"r{n}", "prompt": f"question {n} "}) for n in range(rows))
    (apiyi.work / "rows.jsonl").write_text("".join(f"{line}\n" for line in lines))
    env = {"APIYI_BASE_URL": gateway.base_url}
    line = "batch rows.jsonl -o out.jsonl -j 16 --timeout 2 --no-limits --retry-failed"
    codes: list[int] = []
    while codes[-1:] != [0]:
        process = apiyi.start(line, env=env)
        stopped.append(process)
        # The first runs are killed in the midst of their requests, however fast the machine is.
        if len(codes) < kills:
            gateway.await_more(chance.randrange(rows // 8, rows // 4))
        else:
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=120)
        process.kill()
        _, told = process.communicate(timeout=20)
        codes.append(process.returncode)
        assert codes[-1] in (0, 3, -9) and len(codes) < 100, told.decode()[-1500:]
    assert codes.count(-9) >= kills, codes
    check(apiyi, gateway, rows)


def text_of(body: dict[str, Any]) -> str:
    """Return the text of an answer; one in another dialect has been taken as it is."""
    if "choices" not in body:
        return str(body["output"][0]["content"][0]["text"])
    return (body["choices"][0]["message"].get("content") or "").strip()


def check(apiyi: Program, gateway: FaultyGateway, rows: int) -> None:
    """Hold what was recorded against what the gateway was sent and charged for."""
    answers: dict[str, str] = {}
    unfit: Counter[str] = Counter()
    for line in (apiyi.work / "out.jsonl").read_bytes().splitlines():
        record = json.loads(line)
        if record["error"] is None:
            answers[record["custom_id"]] = text_of(record["response"]["body"])
        elif record["error"].get("class", record["error"].get("code")) == "incomplete":
            unfit[record["custom_id"]] += 1
    assert set(answers) == {f"r{n}" for n in range(rows)}
    for name, text in answers.items():
        # An empty answer is whole and paid for; it is counted, and asked for once.
        own = f"[sandbox] You said: question {name[1:]}"
        assert text in (own, "", "[sandbox] this is not what was asked for")
    verified = apiyi("batch verify out.jsonl")
    assert verified.code == 0, verified.out
    assert verified.json["problems"] == [] and verified.json["complete"]
    whole = [one for one in gateway.ledger if one.body]
    sent = Counter(one.json["messages"][0]["content"].split()[1] for one in whole)
    assert sum(sent.values()) <= verified.json["requests"]
    paid = Counter(one.json["messages"][0]["content"].split()[1] for one in whole if one.billed)
    assert len(paid) == rows
    twice = sum(count - 1 for count in paid.values())
    told = verified.json["maybe_billed_twice"]
    assert 0 < twice <= told, [
        (n, count, answers[f"r{n}"]) for n, count in paid.items() if count > 1
    ]


def test_a_batch_comes_through_the_sandboxs_faults(
    apiyi: Program, stopped: list[subprocess.Popen[bytes]]
) -> None:
    quick = tuple(spec for spec in FAULTS if spec not in SLOW)
    with FaultyGateway(0.2, seed=5, faults=quick) as gateway:
        run(apiyi, stopped, gateway, rows=200, kills=2)
        assert gateway.played.total() > 20


@pytest.mark.nightly
def test_a_large_batch_comes_through_the_sandboxs_faults(
    apiyi: Program, stopped: list[subprocess.Popen[bytes]]
) -> None:
    with FaultyGateway(0.2, seed=6, faults=FAULTS) as gateway:
        run(apiyi, stopped, gateway, rows=10_000, kills=5)
        assert set(gateway.played) == set(FAULTS)
