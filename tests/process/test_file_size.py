"""A limit on the size of files (`ulimit -f`): what is paid for is kept as far as it can be."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Program

BLOCK = 1024
PNG = b"\x89PNG\r\n\x1a\n" + bytes(3000)
EMBED = "apiyi embed -m text-embedding-3-small --dimensions 8 --lines"


def limited(program: Program, line: str, blocks: int = 1) -> tuple[int, str]:
    # Else the limit would cut the interpreter's own files as well.
    program.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    ran = program.shell(f"(ulimit -f {blocks}; {line}) 2>&1 | cat; exit ${{PIPESTATUS[0]}}")
    return ran.code, ran.out.decode()


def read_rescued(said: str) -> bytes:
    found = re.search(r"(?:kept, in|in|from) (/\S*rescue/\S+)", said)
    assert found, said
    return Path(found[1]).read_bytes()


def test_the_beginning_of_an_answer_is_kept_and_named_as_that(
    started: Program, gateway: Gateway
) -> None:
    text = "word " * 1000
    choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
    gateway.script(*[ScriptedReply.json({"choices": [choice]})] * 2)
    for target in ("-o out", "> out"):
        code, said = limited(started, f"apiyi chat hi -m gpt-4o --no-stream {target}")
        assert code == 11 and "only the beginning of the answer" in said, said
        assert read_rescued(said) == text.encode()[:BLOCK]
        assert not (started.work / "out").exists() or "-o" not in target
        (started.work / "out").unlink(missing_ok=True)


def test_what_fits_elsewhere_is_kept_whole(started: Program, gateway: Gateway) -> None:
    (started.work / "out").write_bytes(bytes(BLOCK - 3))
    code, said = limited(started, "apiyi chat hello -m gpt-4o >> out")
    assert code == 11 and "take the answer from" in said
    assert b"hello" in read_rescued(said)


def test_vectors_that_no_file_takes_are_kept_and_the_run_says_so(
    started: Program, gateway: Gateway
) -> None:
    line = f"seq 40 | {EMBED} --batch-size 2 -j 2 -o v"
    code, said = limited(started, line)
    assert code == 11 and "lines that could not be written are in" in said, said
    lines = [json.loads(one) for one in read_rescued(said).splitlines()]
    there = [json.loads(one) for one in (started.work / "v").read_bytes().splitlines()]
    journal = (started.work / "v.apiyi-journal").read_bytes().splitlines()
    waiting = [one for one in map(json.loads, journal) if one["t"] == "W"]
    answered = sum(len(one.json["input"]) for one in gateway.posts if one.billed)
    assert len(lines) + len(there) + len(waiting) == answered
    again = started.shell(line)
    assert again.code == 0, again.err
    assert len((started.work / "v").read_bytes().splitlines()) == 40
    assert "may be billed twice" in again.err


@pytest.mark.parametrize("blocks", [2, 3])
def test_a_run_that_met_the_limit_goes_on_without_it(
    started: Program, gateway: Gateway, blocks: int
) -> None:
    line = f"seq 40 | {EMBED} --batch-size 2 -j 3 -o v"
    code, said = limited(started, line, blocks)
    assert code == 11, said
    again = started.shell(line)
    assert again.code == 0, again.err
    texts = [json.loads(one)["text"] for one in (started.work / "v").read_bytes().splitlines()]
    assert texts == [str(number) for number in range(1, 41)]
