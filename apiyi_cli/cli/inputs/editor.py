"""Runs the user's editor, `$VISUAL`, `$EDITOR` or vi, on a text or a file."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from apiyi_cli.cli.process import Process
from apiyi_cli.core.disk import write_new
from apiyi_cli.errors import SetupError
from apiyi_cli.output.user_terminal import UserTerminal, has_user_terminal
from apiyi_cli.text import Text, system_reason

STDERR: Final = 2


def edit_text(process: Process, text: str, unchanged: str) -> str:
    """Return the text as edited by the user, without the last newline.

    `unchanged` says in the error what a failure of the editor means. Raises SetupError.
    """
    folder = process.make_scratch_folder()
    path = folder / "prompt.md"
    try:
        write_new(path, (text.encode("utf-8", "replace"),))
        edit_file(process, path, unchanged)
        return path.read_text("utf-8", "replace").removesuffix("\n")
    except OSError as failure:
        raise SetupError(unchanged, system_reason(failure)) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def edit_file(process: Process, path: Path, unchanged: str) -> None:
    """Run the editor on a file, without keys in its environment.

    It gets the terminal even where stdin or stdout is a pipe. Raises SetupError when it cannot
    be run, or says `unchanged` when it ends with an error. Without a terminal only an editor that
    the user named is run: vi would wait for ever.
    """
    environ = process.environ
    chosen = environ.get("VISUAL") or environ.get("EDITOR") or None
    named = chosen or "vi"
    if chosen is None and not (process.console.stdin_is_terminal or has_user_terminal()):
        raise SetupError(
            Text("cannot start the editor {named}", named=repr(named)),
            Text("there is no terminal for it"),
            hint=Text("set EDITOR"),
        )
    try:
        status = _run_editor(process, [*shlex.split(named), str(path)])
    except (OSError, ValueError) as failure:
        why = system_reason(failure) if isinstance(failure, OSError) else str(failure)
        what = Text("cannot start the editor {named}", named=repr(named))
        raise SetupError(what, why, hint=Text("set EDITOR")) from None
    if status:
        raise SetupError(
            unchanged,
            Text(
                "the editor {named} ended with status {returncode}",
                named=repr(named),
                returncode=status,
            ),
        )


def _run_editor(process: Process, words: Sequence[str]) -> int:
    """Run the editor and return its exit status; it handles Ctrl-C itself."""
    console = process.console
    with ExitStack() as stack:
        reader: Any = None
        writer: Any = STDERR
        if not (console.stdin_is_terminal and console.stdout_is_terminal):
            with suppress(OSError):
                terminal = stack.enter_context(UserTerminal())
                reader, writer = terminal.reader, terminal.writer
        before = signal.getsignal(signal.SIGINT)
        editor = subprocess.Popen(
            words,
            stdin=None if console.stdin_is_terminal else reader,
            stdout=None if console.stdout_is_terminal else writer,
            env=process.child_environment(),
        )
        with editor:
            # After it has started, which would inherit this.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                return editor.wait()
            finally:
                signal.signal(signal.SIGINT, before)
