"""What the READMEs show is what happens: every shell block is run, on the sandbox."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import wave
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.server import Gateway
from tests.screen import taken

if TYPE_CHECKING:
    from tests.quick import Warm

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
VIDEO = "apiyi video --poll 0.1"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, int, str]]:
    found = []
    for name in READMES:
        text = (ROOT / name).read_text("utf-8")
        for match in BLOCK.finditer(text):
            found.append((name, text.count("\n", 0, match.start()) + 1, match[1]))
    return found


def picture() -> bytes:
    """Return a small PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + check

    side = 64
    head = side.to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    rows = zlib.compress((b"\0" + b"\x40\x80\xc0" * side) * side)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with everything that the examples name."""
    texts = {
        "README.md": "# Project\n",
        "notes.md": "Some notes.\n",
        "prompt.txt": "Why is the sky blue?\n",
        "docs.txt": "first line\nsecond line\n",
        "ideas.txt": "a lighthouse\na kite\n",
        "cities.txt": "Chengdu\nHarbin\n",
        "records.jsonl": '{"id": 1, "body": "one"}\n{"id": 2, "body": "two"}\n',
        "rows.jsonl": '{"id": "a", "prompt": "one"}\n{"id": "b", "prompt": "two"}\n',
        "people.csv": "name,city\nAnna,Ulm\n小明,成都\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "photo.png").write_bytes(picture())
    with wave.open(str(tmp_path / "talk.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * 8000)
    (tmp_path / "calls").mkdir()
    shutil.copy(tmp_path / "talk.wav", tmp_path / "calls" / "monday.wav")
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "Begin"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "line", "block"), blocks(), ids=lambda value: str(value).partition("\n")[0][:40]
)
def test_a_shown_block_runs(name: str, line: int, block: str, desk: Path, warm: Warm) -> None:
    for tool in ("jq", "git"):
        if re.search(rf"\b{tool} ", block) and shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    path = f"{warm.launcher(desk / 'bin', measured=False)}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=desk,
        env={**os.environ, "APIYI_PROFILE": "sandbox", "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{name}:{line}\n{done.stderr.decode()}"
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("name", READMES)
@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_shown_configuration_makes_the_cookbook_work(name: str, desk: Path, warm: Warm) -> None:
    shown = re.search(r"^```toml\n(.*?)^```$", (ROOT / name).read_text("utf-8"), re.M | re.S)
    assert shown is not None
    config = desk / "config.toml"
    config.write_text(shown[1] + "[profile.default.limits]\nrpm = 100000\n", "utf-8")
    config.chmod(0o600)
    path = f"{warm.launcher(desk / 'bin', measured=False)}:{os.environ['PATH']}"
    # Its models serve their own endpoints only, and it knows one key.
    with Gateway(key="sk-readme-0123456789abcdef") as gateway:
        named = {"BASE_URL": gateway.base_url, "API_KEY": gateway.key, "CONFIG": str(config)}
        env = {**os.environ, "PATH": path, **{f"APIYI_{key}": str(named[key]) for key in named}}
        for block in (text for file, _, text in blocks() if file == name):
            if "completion" in block or "fault" in block:
                continue
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.replace("apiyi video", VIDEO)],
                cwd=desk,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, f"{block}\n{done.stderr.decode()}"


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_picture_shows_what_the_program_does() -> None:
    shown = _text((ROOT / "man" / "screen.svg").read_text("utf-8"))
    assert shown == _text(taken()), "run python -m tests.screen"


def _text(svg: str) -> str:
    """Return a picture's text without blanks, with 0 for every time that was measured.

    How it is divided depends on jq, whose versions have their own colours.
    """
    texts = re.findall(r"<text [^>]*>([^<]*)</text>", svg)
    told = "".join(html.unescape("".join(texts)).split())
    return re.sub(r"\d+\.\d+s", "0s", told)


def test_the_cookbook_has_fifteen_pipes_and_more() -> None:
    shown = [block for name, _, block in blocks() if name == READMES[0]]
    assert sum(block.count("apiyi ") for block in shown) >= 25
    assert len(shown) >= 15
