"""`Process`: the state of one run before the typed command is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apiyi_cli.cli.messages import Messages
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.secret import Secret, redact
from apiyi_cli.errors import SetupError
from apiyi_cli.output.console import Console
from apiyi_cli.output.rescue import Rescue
from apiyi_cli.settings.paths import state_dir

if TYPE_CHECKING:
    from apiyi_cli.wire.http.preconnect import Preconnection


class Process:
    """Console, environment, clock, exit code and clean-up of one run.

    A command that can stop softly sets `on_signal`. The signal's handler calls it with the name
    and number of each signal that would end the process otherwise. It returns the seconds after
    which the process must end anyway, None when that needs no watching.
    """

    def __init__(self, console: Console, environ: Mapping[str, str], clock: Clock) -> None:
        self.console = console
        self.environ = environ
        self.clock = clock
        self.messages = Messages(console, environ)
        self.started_s = clock.monotonic()
        self.root_options: dict[str, Any] = {}
        """The options before the command, by name; None if not given."""
        self.secrets: list[Secret] = []
        self.preconnection: Preconnection | None = None
        """A connection to the gateway, begun before the command is known."""
        self.exit_code = 0
        self.is_long = False
        """True for a long run: its requests are recorded at once, not at its end."""
        self.ended_by: int | None = None
        self.on_signal: Callable[[str, int], float | None] | None = None
        self._clean_ups: list[Callable[[], None]] = [console.end_speech]
        console.redact = lambda text: redact(text, self.secrets)

    @classmethod
    def start(cls, environ: Mapping[str, str]) -> Process:
        """Take over the standard streams; call it before any file is opened."""
        process = cls(Console.open(), environ, CLOCK)
        if key := environ.get("APIYI_API_KEY", "").strip():
            # Known before anything can fail with it in its message.
            process.secrets.append(Secret(key))
        return process

    @cached_property
    def rescue(self) -> Rescue:
        """Return the rescue folders for an answer whose output fails."""
        folders: tuple[Path, ...] = ()
        with suppress(SetupError):
            folders = (state_dir(self.environ) / "rescue",)
        return Rescue(folders, spare=_temporary_directory)

    def make_scratch_folder(self) -> Path:
        """Return a new private folder, removed when the run ends."""
        import shutil

        from apiyi_cli.core.temporary_files import make_scratch_folder

        folder = make_scratch_folder()
        self.on_exit(lambda: shutil.rmtree(folder, ignore_errors=True))
        return folder

    def child_environment(self) -> dict[str, str]:
        """Return the environment for child programs, without keys."""
        from apiyi_cli.settings.secrets import child_environment

        return child_environment(self.environ, self.secrets)

    def run_program(self, words: Sequence[str]) -> tuple[int, str]:
        """Run a program without input; return its exit status and what it says on stderr."""
        import subprocess

        child = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self.child_environment(),
        )
        self.on_exit(child.kill)
        report = child.communicate()[1].decode("utf-8", "replace").strip()
        return child.returncode, report

    def on_exit(self, clean_up: Callable[[], None]) -> None:
        """Add a function to call when the run ends in any way."""
        self._clean_ups.append(clean_up)

    def close(self) -> None:
        """Call the clean-up functions, the newest first; never raises."""
        while self._clean_ups:
            with suppress(Exception):
                self._clean_ups.pop()()


def find_grace_s(signal_name: str) -> float:
    """Return the seconds that requests in flight get after a signal.

    Who typed ^C can type it again; SIGTERM is followed by SIGKILL soon.
    """
    return 30.0 if signal_name == "SIGINT" else 5.0


def _temporary_directory() -> Iterator[Path]:
    import tempfile

    yield Path(tempfile.gettempdir())
