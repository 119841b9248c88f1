"""Random command lines against the sandbox: whatever is typed, the program says what is wrong.

No line may end with 1 (a bug), print a traceback, hang, or take more than 300 MB.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.server import Gateway
from tests.conftest import KEY
from tests.fuzz.lines import Line, lines

if TYPE_CHECKING:
    from tests.conftest import Program
    from tests.quick import Warm

MEMORY_MAX_KB = 300_000
CODES = frozenset(range(12)) - {1}
SAMPLE, MANY = 150, 3000


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Gateway]:
    with Gateway(key=KEY) as running:
        yield running


def prepared(apiyi: Program) -> None:
    """Put the files in place that the lines name, as they were before each line."""
    work = apiyi.work
    (work / "folder").mkdir(exist_ok=True)
    (work / "a.txt").write_text("some text\n")
    (work / "gbk.txt").write_bytes("中文内容".encode("gb18030"))
    (work / "rows.jsonl").write_text('{"id": "a", "prompt": "one"}\n{"prompt": "two"}\n{\n')
    (work / "table.csv").write_text("q,model\none,x\n\ntwo,y\n")
    (work / "talk.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + bytes(40))
    (work / "pic.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))


def check(apiyi: Program, warm: Warm, sandbox: Gateway, line: Line) -> None:
    prepared(apiyi)
    typed = shlex.join(line.words)
    env = {**apiyi.environ, "APIYI_BASE_URL": sandbox.base_url, "EDITOR": "true"}
    status, out, err = warm.run(line.words, apiyi.work, env, line.stdin)
    code = os.waitstatus_to_exitcode(status)
    assert code in CODES, (typed, line.stdin, code, err[-2000:])
    assert b"Traceback" not in err, (typed, line.stdin, err[-2000:])
    assert warm.memory_kb < MEMORY_MAX_KB, (typed, warm.memory_kb)
    if code and line.words[0] != "doctor":
        assert err.strip() or out.strip(), (typed, line.stdin, code, out[-500:])


@pytest.mark.parametrize("part", range(5))
def test_random_lines_are_answered_with_what_is_wrong(
    apiyi: Program, warm: Warm, sandbox: Gateway, part: int
) -> None:
    for number, line in enumerate(lines(SAMPLE, seed=1)):
        if number % 5 == part:
            check(apiyi, warm, sandbox, line)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(2, 32))
def test_thousands_of_random_lines_are_answered_with_what_is_wrong(
    apiyi: Program, warm: Warm, sandbox: Gateway, seed: int
) -> None:
    for line in lines(MANY // 30, seed=seed):
        check(apiyi, warm, sandbox, line)
