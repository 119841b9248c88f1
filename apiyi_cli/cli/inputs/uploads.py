"""Files that are uploaded with a request."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from apiyi_cli.build.upload import Upload
from apiyi_cli.core.filetypes import HEAD_BYTES
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text, system_reason

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context

UPLOAD_READ_BYTES = 1 << 18


def read_upload(ctx: Context, name: str, *, whole: bool = False) -> Upload:
    """Return a file as something to be sent; `-` is standard input.

    What can be read only once (stdin, a pipe) is kept in a temporary file until the run ends.
    `whole` reads all of it into memory. Raises UsageError naming a file that cannot be read.
    """
    path, shown = name, name
    if name == "-" and ctx.settings.request.code:
        raise UsageError(
            Text("cannot write a program about stdin"),
            Text("it needs a file to read"),
            hint=Text("name the file"),
        )
    try:
        if name == "-":
            shown = "stdin"
            path = _spool(ctx, ctx.inputs.pieces("-"))
        if not stat.S_ISREG(os.stat(path).st_mode):
            if stat.S_ISCHR(os.stat(path).st_mode):
                raise UsageError(
                    Text("cannot read {shown}", shown=shown), Text("it is a device, not a file")
                )
            path = _spool(ctx, _read_pieces(path))
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEAD_BYTES)
            content = head + file.read() if whole else b""
    except OSError as failure:
        raise UsageError(Text("cannot read {shown}", shown=shown), system_reason(failure)) from None
    return Upload(shown, path, size, head, content)


def make_scratch_folder(ctx: Context) -> Path:
    """Return a new folder that only the user can look into, removed when the run ends."""
    import shutil

    from apiyi_cli.core.scratch import make_scratch_folder as make_folder

    folder = make_folder()
    ctx.process.on_exit(lambda: shutil.rmtree(folder, ignore_errors=True))
    return folder


def refuse_terminal(ctx: Context, what: str, hint: str) -> None:
    """Raise UsageError when bytes that are no text would go to the terminal."""
    ctx.process.console.require_stdout()
    if ctx.process.console.stdout_is_terminal:
        raise UsageError(
            Text("cannot write {what} to the terminal", what=what), Text("it is no text"), hint=hint
        )


def _spool(ctx: Context, pieces: Iterable[bytes]) -> str:
    from apiyi_cli.core.scratch import ScratchFile

    file = ScratchFile(pieces)
    ctx.process.on_exit(file.close)
    return file.path


def _read_pieces(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(UPLOAD_READ_BYTES):
            yield piece
