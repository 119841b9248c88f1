"""What the manual's examples show is what happens: they are run, in order, on the sandbox."""

from __future__ import annotations

import re
import shutil
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from apiyi_cli.manual.handwritten import SECTIONS
from apiyi_cli.manual.markdown import Code, Heading, blocks
from tests.conftest import KEY, Program
from tests.test_readme import picture

ELSEWHERE = re.compile(
    r"auth (login|logout|token)"  # needs a keyring: tests/settings
    r"|Invoke-Expression"  # is PowerShell
    r"|sandbox --port|playground|apiyi mcp"  # stay in the foreground: tests/process
)
"""Examples that other tests run, or that none can."""

TEXTS = {
    "report.txt": "The year was good.\n",
    "readme.txt": "Read me.\n",
    "puzzle.txt": "Which number comes next: 1, 2, 4?\n",
    "news.txt": "Rain is expected.\n",
    "story.txt": "Once there was a fox.\n",
    "book.txt": "Once there was a fox.\n" * 200,
    "beginnings.txt": "Once upon\nIt was\n",
    "titles.txt": "first title\nsecond title\n",
    "docs.txt": "first line\nsecond line\n",
    "prompts.txt": "a lighthouse\na kite\n",
    "papers.ndjson": '{"id": 1, "abstract": "one"}\n{"id": 2, "abstract": "two"}\n',
    "rows.jsonl": '{"id": "a", "prompt": "one"}\n{"id": "b", "prompt": "two"}\n',
    "reviews.csv": "text\nIt is good.\nIt is bad.\n",
    "request.json": '{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}\n',
}
SYSTEM_TOKEN = "0123456789abcdef0123456789abcdef"
RECORDINGS = ("talk.mp3", "interview.mp4", "meeting.m4a")
STUBS = {
    "pass": f"printf '%s\\n' {KEY}",
    "aplay": "cat >/dev/null",
    "display": "cat >/dev/null",
    "ffmpeg": "cat talk.mp3",
    "generate-rows": "cat rows.jsonl",
    "vi": "true",
    "nano": "true",
}
"""Commands of others in the examples, as the tests have them."""

# The examples of these name no model, as a profile for such work has one.
MODELS = {"embed": "text-embedding-3-small", "complete": "gpt-3.5-turbo-instruct"}


def examples(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield the lines of each block under EXAMPLES."""
    heading = ""
    for block in blocks(path.read_text("utf-8")):
        if isinstance(block, Heading) and block.level == 1:
            heading = block.text
        elif isinstance(block, Code) and heading == "EXAMPLES":
            yield block.lines


@pytest.fixture
def desk(apiyi: Program) -> Program:
    """The program in a folder with everything that the examples name."""
    for name, text in TEXTS.items():
        (apiyi.work / name).write_text(text, "utf-8")
    for name in ("photo.png", "photo.jpg", "a.png", "b.png"):
        (apiyi.work / name).write_bytes(picture())
    for name in RECORDINGS:
        with wave.open(str(apiyi.work / name), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(b"\0\0" * 8000)
    subprocess.run(["git", "init", "-q"], cwd=apiyi.work, check=True)
    for name, script in STUBS.items():
        stub = apiyi.path.with_name(name)
        stub.write_text(f"#!/bin/sh\n{script}\n")
        stub.chmod(0o755)
    return apiyi


@pytest.mark.parametrize("path", sorted(SECTIONS.glob("*.md")), ids=lambda path: str(path.stem))
def test_the_examples_of_a_page_run(path: Path, desk: Program) -> None:
    lines = [one for lines in examples(path) for one in lines]
    runs = [one for one in lines if not ELSEWHERE.search(one)]
    if not runs:
        pytest.skip("this page has no example that a test can run")
    for tool in ("jq", "git"):
        if any(re.search(rf"\b{tool} ", one) for one in runs) and shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    script = "set -euo pipefail\n" + "\n".join(runs)
    # There is no terminal for vi, which is run all the same where a user names it.
    environ = {"APIYI_SYSTEM_TOKEN": SYSTEM_TOKEN, "EDITOR": "vi"}
    if path.stem in MODELS:
        environ["APIYI_MODEL"] = MODELS[path.stem]
    ran = desk.shell(script, env=environ)
    assert ran.code == 0, f"{script}\n{ran.err}"
    assert "Traceback" not in ran.err
