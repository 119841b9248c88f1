"""Drafts of prompts: open fences, and the user's editor."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from apiyi_cli.errors import SetupError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.process import Process

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.M)


def has_open_fence(text: str) -> bool:
    """Return True if a fenced block of the text has no end yet."""
    opened = ""
    for found in _FENCE.finditer(text):
        fence = found[1]
        if not opened:
            opened = fence
        elif fence[0] == opened[0] and len(fence) >= len(opened):
            opened = ""
    return bool(opened)


def edit_text(process: Process, text: str) -> str:
    """Return the text as the user left it in $VISUAL or $EDITOR, without the last newline.

    Raises SetupError if the editor cannot be started or fails.
    """
    import shlex
    import shutil

    from apiyi_cli.core.disk import write_new

    named = process.environ.get("VISUAL") or process.environ.get("EDITOR") or "vi"
    folder = process.make_scratch_folder()
    path = folder / "prompt.md"
    try:
        write_new(path, (text.encode("utf-8", "replace"),))
        words = [*shlex.split(named), str(path)]
        status = _run_editor(words, process.child_environment())
        if status:
            raise SetupError(
                Text("the draft is unchanged"),
                Text(
                    "the editor {named} ended with status {returncode}",
                    named=repr(named),
                    returncode=status,
                ),
            )
        return path.read_text("utf-8", "replace").removesuffix("\n")
    except (OSError, ValueError) as failure:
        why = getattr(failure, "strerror", None) or str(failure)
        raise SetupError(
            Text("cannot start the editor {named}", named=repr(named)), why, hint=Text("set EDITOR")
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_editor(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Return the exit status of an editor; Ctrl-C is its own matter while it runs."""
    import signal
    import subprocess

    before = signal.getsignal(signal.SIGINT)
    with subprocess.Popen(words, env=environ) as editor:
        # After it has started, which would inherit this.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return editor.wait()
        finally:
            signal.signal(signal.SIGINT, before)
