"""Shows a saved picture on the terminal."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from apiyi_cli.cli.process import Process
from apiyi_cli.core.filetypes import PNG, detect_picture
from apiyi_cli.render.preview import chafa, find_room, iterm, kitty, protocol
from apiyi_cli.text import Text

DRAWING_S = 20.0


def show_picture(process: Process, path: str) -> None:
    """Show a file on the terminal; a failure is reported, not raised."""
    content = Path(path).read_bytes()
    room = find_room(*process.console.window.size)
    used = protocol(process.environ)
    if used == "iterm":
        process.console.write(iterm(content, room), "raw")
    elif used == "kitty" and detect_picture(content) is PNG:
        process.console.write(kitty(content, room), "raw")
    elif drawn := _draw(process, path, room):
        process.console.write(drawn, "raw")
    else:
        process.messages.note(
            Text("cannot show it here: needs kitty (PNG), iTerm2 or the program chafa")
        )


def _draw(process: Process, path: str, room: tuple[int, int]) -> bytes:
    if shutil.which("chafa") is None:
        return b""
    try:
        result = subprocess.run(
            chafa(path, room),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=DRAWING_S,
            check=False,
            env=process.child_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return result.stdout if result.returncode == 0 else b""
