"""Make man/screen.svg and its Chinese twin: a terminal with real runs, on the sandbox."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from apiyi_cli.sandbox.sample_files import write_samples

ROOT = Path(__file__).parents[1]
WIDTH = 100
ENGLISH = (
    "apiyi chat \"Invent a person\" --schema 'name, age int, hobbies list' | jq -c .",
    'apiyi rank "how do I reset my password?" -n 2 < docs.txt',
    "head -2 docs.txt | apiyi embed --lines | jq -r '\"\\(.embedding|length): \\(.text[:30])\"'",
    "apiyi batch rows.jsonl -o out.jsonl && apiyi batch rows.jsonl -o out.jsonl   # goes on",
    'apiyi chat -m fault:503*2 "Try again" -q    # overloaded twice, not billed',
    'apiyi chat -m fault:cut@3 "Cut me off"; echo "exit code $?"',
    'apiyi chat "What is sent?" --temperature 0.2 --dry-run | jq -c .body',
)
CHINESE = (
    "apiyi chat \"虚构一个人\" --schema 'name, age int, hobbies list' | jq -c .",
    'apiyi rank "how do I reset my password?" -n 2 < docs.txt',
    "head -2 docs.txt | apiyi embed --lines | jq -r '\"\\(.embedding|length): \\(.text[:30])\"'",
    "apiyi batch rows.jsonl -o out.jsonl && apiyi batch rows.jsonl -o out.jsonl   # 续跑",
    'apiyi chat -m fault:503*2 "再试一次" -q    # 过载两次：自动重试，没有计费',
    'apiyi chat -m fault:cut@3 "中途断开"; echo "退出码 $?"',
    'apiyi chat "会发送什么？" --temperature 0.2 --dry-run | jq -c .body',
)
PICTURES = {"screen.svg": ("en_GB.UTF-8", ENGLISH), "screen.zh_CN.svg": ("zh_CN.UTF-8", CHINESE)}
"""Each picture with the language of its terminal and the lines that are typed."""


def run(line: str, folder: str, language: str) -> str:
    """Run a line in a shell on a terminal and return what was shown."""
    leader, follower = pty.openpty()
    environ = {
        **os.environ,
        "APIYI_PROFILE": "sandbox",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": folder,
        "XDG_STATE_HOME": f"{folder}/state",
        "COLUMNS": str(WIDTH),
        "TERM": "xterm-256color",
        "LANG": language,
        "LC_ALL": "",
        "LANGUAGE": "",
    }
    process = subprocess.Popen(
        ["bash", "-c", line],
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        env=environ,
        cwd=folder,
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    process.wait()
    return _last_frames(shown.decode().replace("\r\n", "\n"))


def _last_frames(shown: str) -> str:
    """Return what stays on the screen: a line that was drawn again, as it was drawn last."""
    lines = (re.split(r"\r|\x1b\[2?K", line) for line in shown.split("\n"))
    return "\n".join(([piece for piece in pieces if piece] or [""])[-1] for pieces in lines)


def take_picture(name: str) -> str:
    """Return the picture of a terminal in which every line was run, as SVG."""
    language, lines = PICTURES[name]
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory() as folder:
        list(write_samples(Path(folder)))
        for line in lines:
            console.print(Text.assemble(("$ ", "bold green"), line))
            console.print(Text.from_ansi(run(line, folder, language)))
    svg = console.export_svg(title="apiyi", unique_id="apiyi")
    # The picture must not fetch anything: the reader's own monospace font will do.
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    for picture in PICTURES:
        (ROOT / "man" / picture).write_text(take_picture(picture), "utf-8")
