"""Speech by several requests: parts are kept on disk until the whole is written."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from apiyi_cli.cli.context import Context
from apiyi_cli.core.call import Call
from apiyi_cli.core.disk import make_private_folder, replace_private
from apiyi_cli.core.jsontext import write
from apiyi_cli.decode.speech_join import join_audio
from apiyi_cli.errors import ApiyiError, IncompleteError, UsageError
from apiyi_cli.text import Text

_NUMBERED = {"opus": ("-c", "copy", "-f", "ogg"), "flac": ("-c:a", "flac", "-f", "flac")}
"""The formats whose frames are numbered, and how ffmpeg joins them."""


class SpeechParts:
    """The audio of several requests in the order of the text.

    Each part is a file in the rescue folder from the moment it is whole: the same command run
    again does not buy it twice. `discard` removes them once the speech is written.
    """

    def __init__(self, ctx: Context, calls: Sequence[Call]) -> None:
        self._ctx = ctx
        self._calls = calls
        self._format = str(calls[0].json.get("response_format", "mp3"))
        if self._format in _NUMBERED and shutil.which("ffmpeg") is None:
            raise UsageError(
                Text("cannot join parts of {format}", format=self._format),
                Text("there is no ffmpeg to do it"),
                hint=Text("--format mp3, or install ffmpeg"),
            )
        self._folder = self._make_folder()

    def read(self, speech: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
        """Yield the joined audio; `speech` has the audio of each call, requested when read.

        Before an error it is said which parts are kept.
        """
        done = 0

        def parts() -> Iterator[Iterable[bytes]]:
            nonlocal done
            for number, audio in enumerate(speech):
                yield self._read_part(number, audio)
                done += 1

        try:
            if self._format in _NUMBERED:
                for part in parts():
                    for _ in part:
                        pass
                yield from self._join_numbered()
            else:
                yield from join_audio(parts())
        except ApiyiError:
            if done:
                # The error's own hint may be replaced by one about the answer so far.
                kept = Text(
                    "parts 1 to {done} of {count} are in {folder}; "
                    "the same command goes on from there",
                    done=done,
                    count=len(self._calls),
                    folder=self._folder,
                )
                self._ctx.messages.note(kept)
            raise

    def discard(self) -> None:
        """Remove the files of the parts."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read_part(self, number: int, audio: Iterable[bytes]) -> Iterator[bytes]:
        """Yield a part's audio: from its file, else from the gateway and into its file."""
        path = self._part_path(number)
        with suppress(FileNotFoundError):
            content = path.read_bytes()
            self._ctx.messages.note(Text("{path} was there already", path=path))
            yield content
            return
        pieces: list[bytes] = []
        for piece in audio:
            pieces.append(piece)
            yield piece
        replace_private(path, b"".join(pieces))

    def _part_path(self, number: int) -> Path:
        return self._folder / f"{number + 1:04}.{self._format}"

    def _make_folder(self) -> Path:
        """Return the folder of these requests, a temporary one if the usual cannot be made."""
        name = hashlib.sha256(b"\n".join(write(call.json) for call in self._calls)).hexdigest()
        for folder in self._ctx.process.rescue.directories:
            with suppress(OSError):
                path = folder / f"speech-{name[:16]}"
                make_private_folder(path)
                return path
        return self._ctx.process.make_scratch_folder()

    def _join_numbered(self) -> Iterator[bytes]:
        """Yield what ffmpeg makes of the parts' files."""
        lines = (f"file '{self._part_path(number).name}'" for number in range(len(self._calls)))
        parts_list, joined = self._folder / "parts.txt", self._folder / "joined"
        parts_list.write_text("\n".join(lines), "utf-8")
        read = ("-f", "concat", "-protocol_whitelist", "file,pipe", "-i", f"file:{parts_list}")
        how = _NUMBERED[self._format]
        process = subprocess.Popen(
            # Into a file, because the length goes into its head at the end.
            ["ffmpeg", "-nostdin", "-v", "error", "-y", *read, *how, f"file:{joined}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self._ctx.process.child_environment(),
        )
        self._ctx.process.on_exit(process.kill)
        report = process.communicate()[1].decode("utf-8", "replace").strip()
        if process.returncode:
            raise IncompleteError(
                Text("cannot join the parts"), Text("ffmpeg says: {report}", report=report)
            )
        yield joined.read_bytes()
