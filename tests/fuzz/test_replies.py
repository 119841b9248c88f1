"""Random replies through typed lines of every endpoint: no defect, and nothing paid is lost."""

from __future__ import annotations

import json
import os
import re
import shlex
from base64 import b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import KEY
from tests.fuzz.replies import PAID, Cell, cells
from tests.fuzz.test_lines import CODES, MEMORY_MAX_KB, prepared

if TYPE_CHECKING:
    from tests.conftest import Program
    from tests.quick import Warm

UNSAFE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]")
FREE = ("models", "balance", "usage", "check", "doctor", "video", "api")
PICTURES = ("image", "batch rows.jsonl -o out.jsonl --endpoint image")
"""Their words are not what is paid for."""
SPELLINGS = (PAID, *(b64encode(bytes(shift) + PAID)[4:-4] for shift in range(3)))
BOUNDS = {
    **dict.fromkeys(("usage", "check", "doctor", "models"), "--timeout 0.5"),
    "video list": "",
    "video cat": "--retries 0 --max-time 0.5",
}
FILES = {
    "b.txt": "other\n",
    "t.json": '{"name": "f", "parameters": {"type": "object", "properties": {}}}',
    "rows.jsonl": '{"id": "a", "prompt": "x"}\n{"id": "b", "prompt": "y"}\n',
}


class SameReply(Gateway):
    """Answers every request with one reply."""

    reply = ScriptedReply()

    def _reply_to(self, request: ReceivedRequest) -> ScriptedReply:
        return self.reply


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SameReply]:
    with SameReply(key=KEY) as running:
        yield running


def run(apiyi: Program, warm: Warm, sandbox: SameReply, cell: Cell, line: str) -> int:
    own = {"APIYI_BASE_URL": sandbox.base_url, "APIYI_SYSTEM_TOKEN": "sys123456789"}
    env = {**apiyi.environ, **own}
    sent = len(sandbox.ledger)
    status, out, err = warm.run(shlex.split(line), apiyi.work, env, b"")
    code = os.waitstatus_to_exitcode(status)
    where = (line, code, err[-1500:], out[-500:], cell.reply)
    assert code in CODES, where
    assert b"Traceback" not in err, where
    assert warm.memory_kb < MEMORY_MAX_KB, where
    assert not code or err.strip() or out.strip(), where
    assert not UNSAFE.search(err), where
    assert KEY.encode() not in err + out, where
    assert len(sandbox.ledger) == sent or is_kept(apiyi, cell, out + err), where
    return code


def is_kept(apiyi: Program, cell: Cell, shown: bytes) -> bool:
    """Return True if the words of a paid answer are shown, or in a file."""
    if not cell.is_paid or cell.line.startswith((*FREE, *PICTURES)):
        return True
    files = (path for folder in (apiyi.work, apiyi.home) for path in folder.rglob("*"))
    places = (shown, *(path.read_bytes() for path in files if path.is_file()))
    return any(spelling in place for place in places for spelling in SPELLINGS)


def check(apiyi: Program, warm: Warm, sandbox: SameReply, cell: Cell) -> None:
    prepared(apiyi)
    for name, text in FILES.items():
        (apiyi.work / name).write_text(text)
    for path in (*apiyi.work.glob("out.*"), *apiyi.home.glob("state/apiyi/*/*")):
        path.unlink()
    sandbox.reply = cell.reply
    typed = (bounds for start, bounds in BOUNDS.items() if cell.line.startswith(start))
    line = f"{cell.line} {next(typed, '--retries 0 --timeout 0.5')}"
    run(apiyi, warm, sandbox, cell, line)
    if cell.line.startswith("batch"):
        check_batch(apiyi, warm, sandbox, cell, line)


def check_batch(apiyi: Program, warm: Warm, sandbox: SameReply, cell: Cell, line: str) -> None:
    """Read what a batch has written, and run it again."""
    if "--text" not in line:
        for record in (apiyi.work / "out.jsonl").read_bytes().splitlines():
            json.loads(record)
    again = run(apiyi, warm, sandbox, cell, line)
    verified = run(apiyi, warm, sandbox, cell, "batch verify out.jsonl")
    assert again != 10 and verified in (0, 3), (cell, again, verified)


@pytest.mark.parametrize("seed", range(4))
def test_random_replies_are_no_defect(
    apiyi: Program, warm: Warm, sandbox: SameReply, seed: int
) -> None:
    for cell in cells(12, seed=seed):
        check(apiyi, warm, sandbox, cell)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(10, 50))
def test_thousands_of_random_replies_are_no_defect(
    apiyi: Program, warm: Warm, sandbox: SameReply, seed: int
) -> None:
    for cell in cells(250, seed=seed):
        check(apiyi, warm, sandbox, cell)
