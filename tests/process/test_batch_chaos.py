"""Chaos: every seventh reply is one of twenty faults, and the batch is killed now and then.

In the end all rows are answered, each with its own answer, and no request was sent that the
journal does not know of.
"""

from __future__ import annotations

import json
import random
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import KEY

if TYPE_CHECKING:
    from tests.conftest import Program

Fault = Callable[[ScriptedReply], ScriptedReply]


def refusing(status: int, **how: Any) -> Fault:
    return lambda play: ScriptedReply.error(status, "not now", **how)


FAULTS: tuple[Fault, ...] = (
    refusing(400, code="content_policy_violation"),
    refusing(408),
    refusing(429, headers=(("retry-after", "0.05"),)),
    refusing(500),
    refusing(502),
    refusing(503, headers=(("retry-after", "0"),)),
    refusing(504),
    refusing(529),
    lambda play: ScriptedReply.text("<html>busy</html>", "text/html").replace(billed=False),
    lambda play: ScriptedReply(),
    lambda play: ScriptedReply.json({"error": {"message": "no", "type": "server_error"}}).replace(
        billed=False
    ),
    lambda play: play.cut(),
    lambda play: play.reset(),
    lambda play: play.cut(at=150),
    lambda play: play.reset(at=250),
    lambda play: play.stall(at=200),
    lambda play: play.replace(length_off=-20),
    lambda play: play.replace(headers=(("content-encoding", "br"),)),
    lambda play: play.replace(version="1.0", transfer="close"),
    lambda play: play.replace(split="random", keep_alive=False),
)


class ChaoticGateway(Gateway):
    """Answers well, but for a `share` of the replies."""

    def __init__(self, share: float, seed: int) -> None:
        super().__init__(key=KEY)
        self._share = share
        self._chance = random.Random(seed)
        self._drawing = threading.Lock()
        self.played = 0

    def _reply_to(self, request: ReceivedRequest) -> ScriptedReply:
        play = super()._reply_to(request)
        with self._drawing:
            if self._chance.random() >= self._share:
                return play
            self.played += 1
            return self._chance.choice(FAULTS)(play)


@pytest.fixture
def chaotic() -> Iterator[ChaoticGateway]:
    with ChaoticGateway(0.15, seed=11) as gateway:
        yield gateway


def check(
    apiyi: Program,
    gateway: ChaoticGateway,
    stopped: list[subprocess.Popen[bytes]],
    *,
    rows: int,
    jobs: int,
    kill_after_s: float,
    kills: int,
) -> None:
    """Run a batch, killed again and again, at least `kills` times, until it is through."""
    chance = random.Random(13)
    lines = (json.dumps({"id": f"r{n}", "prompt": f"question {n} "}) for n in range(rows))
    (apiyi.work / "rows.jsonl").write_text("".join(f"{line}\n" for line in lines))
    env = {"APIYI_BASE_URL": gateway.base_url}
    line = f"batch rows.jsonl -o out.jsonl -j {jobs} --timeout 1 --no-limits --retry-failed"
    codes: list[int] = []
    while codes[-1:] != [0]:
        process = apiyi.start(line, env=env)
        stopped.append(process)
        # Ever longer, or a slow machine would never see an end.
        most_s = kill_after_s * 1.5 ** max(0, len(codes) + 1 - kills)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=chance.uniform(most_s / 2, most_s))
        process.kill()
        process.communicate(timeout=20)
        codes.append(process.returncode)
        assert codes[-1] in (0, 3, -9) and len(codes) < 100, codes
    assert codes.count(-9) >= kills, codes

    newest, counts = answers(apiyi, rows)
    assert newest == {f"r{n}": f"[sandbox] You said: question {n}" for n in range(rows)}
    assert gateway.played > rows // 20
    verified = apiyi("batch verify out.jsonl")
    assert verified.code == 0, verified.out
    assert verified.json["problems"] == [] and verified.json["complete"]
    whole = [one for one in gateway.ledger if one.body]
    sent = Counter(one.json["messages"][0]["content"].split()[1] for one in whole)
    assert all(sent[str(n)] <= counts[f"r{n}"] for n in range(rows))
    assert sum(counts.values()) == verified.json["requests"]
    paid = Counter(one.json["messages"][0]["content"].split()[1] for one in whole if one.billed)
    twice = sum(count - 1 for count in paid.values())
    assert 0 < twice <= verified.json["maybe_billed_twice"] <= verified.json["requests"] - rows


def answers(apiyi: Program, rows: int) -> tuple[dict[str, str], Counter[str]]:
    """Return the newest answer of each row, and how many claims the journal has of it."""
    newest = {}
    for line in (apiyi.work / "out.jsonl").read_bytes().splitlines():
        record = json.loads(line)
        if record["error"] is None:
            message = record["response"]["body"]["choices"][0]["message"]
            newest[record["custom_id"]] = message["content"].strip()
    counts: Counter[str] = Counter()
    for line in (apiyi.work / "out.jsonl.apiyi-journal").read_bytes().splitlines():
        entry = json.loads(line)
        counts[entry.get("id", "")] += entry["t"] == "S"
    return newest, counts


def test_a_batch_comes_through_chaos_complete_and_counted(
    apiyi: Program, chaotic: ChaoticGateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    check(apiyi, chaotic, stopped, rows=600, jobs=50, kill_after_s=0.9, kills=3)


@pytest.mark.nightly
def test_a_large_batch_comes_through_chaos_complete_and_counted(
    apiyi: Program, chaotic: ChaoticGateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    check(apiyi, chaotic, stopped, rows=10_000, jobs=100, kill_after_s=3, kills=5)
