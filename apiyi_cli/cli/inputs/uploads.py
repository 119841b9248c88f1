"""Files that are uploaded with a request."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from apiyi_cli.build.upload import Upload
from apiyi_cli.cli.inputs.prompt import Inputs
from apiyi_cli.core.disk import read_sample
from apiyi_cli.core.filetypes import HEAD_BYTES
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text, system_reason

UPLOAD_READ_BYTES = 1 << 18


def read_upload(inputs: Inputs, name: str, *, whole: bool = False) -> Upload:
    """Return a file as an upload; `-` is standard input.

    Stdin and pipes are copied to a temporary file that is kept until the run ends.
    `whole` reads all of it into memory. Raises UsageError naming a file that cannot be read.
    """
    path, shown = name, name
    if name == "-" and inputs.for_program:
        raise UsageError(
            Text("cannot write a program about stdin"),
            Text("it needs a file to read"),
            hint=Text("name the file"),
        )
    try:
        if name == "-":
            shown = "stdin"
            path = _spool(inputs, inputs.pieces("-"))
        mode = os.stat(path).st_mode
        if stat.S_ISCHR(mode):
            raise UsageError(
                Text("cannot read {shown}", shown=shown), Text("it is a device, not a file")
            )
        if not stat.S_ISREG(mode):
            path = _spool(inputs, _read_pieces(path))
        return Upload(shown, path, *read_sample(path, HEAD_BYTES, whole=whole))
    except OSError as failure:
        raise UsageError(Text("cannot read {shown}", shown=shown), system_reason(failure)) from None


def _spool(inputs: Inputs, pieces: Iterable[bytes]) -> str:
    from apiyi_cli.core.temporary_files import ScratchFile

    file = ScratchFile(pieces)
    inputs.on_exit(file.close)
    return file.path


def _read_pieces(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(UPLOAD_READ_BYTES):
            yield piece
