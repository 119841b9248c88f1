"""Make man/screen.svg: a terminal with real runs of the program, on the sandbox."""

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

ROOT = Path(__file__).parents[1]
WIDTH = 96
LINES = (
    'apiyi chat "Name three rivers"',
    "apiyi chat \"Invent a person\" --schema 'name, age int, hobbies list' | jq -c .",
    "printf 'cat\\ndog\\n' | apiyi embed --lines | jq -c '{text, n: (.embedding|length)}'",
    "apiyi chat -m gpt-4o -m claude-sonnet-4 'Tabs or spaces?'",
    'apiyi chat hi -m fault:cut@3; echo "exit code $?"',
    "printf 'one\\ntwo\\n' | apiyi batch - --lines --text --ordered",
    "apiyi models claude-sonnet",
)


def run(line: str, folder: str) -> str:
    """Run a line in a shell on a terminal and return what was shown."""
    leader, follower = pty.openpty()
    environ = {
        **os.environ,
        "APIYI_PROFILE": "sandbox",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": folder,
        "COLUMNS": str(WIDTH),
        "TERM": "xterm-256color",
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
    return shown.decode().replace("\r\n", "\n")


def taken() -> str:
    """Return the picture of a terminal in which every line was run, as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory() as folder:
        for line in LINES:
            console.print(Text.assemble(("$ ", "bold green"), line))
            console.print(Text.from_ansi(run(line, folder)))
    svg = console.export_svg(title="apiyi", unique_id="apiyi")
    # The picture must not fetch anything: the reader's own monospace font will do.
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    (ROOT / "man" / "screen.svg").write_text(taken(), "utf-8")
