"""The process, from arguments to exit code; the only place that prints errors.

Everything below raises; here an `ApiyiError` becomes a line, a hint and a code, a signal
becomes death by that signal, and anything unexpected becomes one line and a crash file.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from apiyi_cli.deferred import defer_logging, defer_module, defer_modules, defer_names
from apiyi_cli.errors import ApiyiError, Interrupted, UsageError
from apiyi_cli.text import Text, join_texts

if TYPE_CHECKING:
    from apiyi_cli.cli.process import Process
    from apiyi_cli.wire.http.preconnect import Preconnection

_STOPPING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_REPORTING = ("SIGUSR1",)

_RARELY_USED = (
    "base64",  # ssl, httpcore
    "ipaddress",  # urllib.parse: for hosts in brackets
    "bz2",  # shutil: for archives
    "lzma",
    "tokenize",  # inspect, linecache: for source code
    "linecache",  # inspect, traceback
    "token",  # inspect
    "shellingham",  # typer: to complete
    "subprocess",  # typer: to open files
    "textwrap",  # traceback
    "selectors",  # socket: to send files
    "ssl",  # httpcore: a gateway on this machine has no certificate
    "certifi",  # httpcore: for a trust store that is not ours
)
"""Modules that libraries import and few runs use."""
_RARELY_CALLED = {
    "difflib": ("get_close_matches",),
    "gettext": ("gettext",),
    "shutil": ("get_terminal_size",),
    "traceback": ("FrameSummary", "StackSummary"),
}
"""What typer takes from modules for its help and its errors, which are not ours."""


def run() -> NoReturn:
    """Run the process from `sys.argv` and end it."""
    _end(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code; after a signal, die by it."""
    if list(argv) in (["--version"], ["-V"]) and _print_version():
        return 0
    # A run is short and makes few cycles; commands that run long switch it on again.
    gc.disable()
    _defer_rarely_used()
    # Until the run can clean up, a signal ends the process at once.
    _restore_signals()
    preconnection = _begin_connecting(argv)
    try:
        from apiyi_cli.cli.process import Process
    except Exception as bug:
        return _report_broken_start(bug)
    process = Process.start(os.environ)
    if preconnection is not None:
        process.preconnection = preconnection
        process.on_exit(preconnection.discard)
    # For errors in the line itself; a command that gets its options knows better.
    process.messages.as_json = not {"--json", "--ndjson"}.isdisjoint(argv)
    process.messages.is_verbose = not {"-v", "--verbose"}.isdisjoint(argv)
    _catch_signals((*_STOPPING, *_REPORTING), _make_signal_handler(process))
    sys.unraisablehook = _repeat_lost_interrupt
    try:
        return _run_to_death(argv, process)
    except Interrupted as stop:
        # A second signal, before the first one's death had begun.
        return _die(stop.signum, process, stop.note)
    finally:
        _restore_signals()
        process.close()


def _run_to_death(argv: Sequence[str], process: Process) -> int:
    """Run the command; die by the signal that stops it."""
    try:
        return _run_command(argv, process)
    except Interrupted as stop:
        return _die(stop.signum, process, stop.note)
    except KeyboardInterrupt:
        return _die(signal.SIGINT, process)


def _defer_rarely_used() -> None:
    """Let the modules that few runs use be loaded on first use."""
    defer_modules(*_RARELY_USED)
    defer_logging()
    if hasattr(os, "uname"):
        # uuid asks it for the system's name, but it compiles ten patterns when it is loaded.
        defer_module("platform", system=lambda: os.uname().sysname)


def _begin_connecting(argv: Sequence[str]) -> Preconnection | None:
    """Begin to connect to the gateway during the import, if the address is certain."""
    if len(argv) < 2 or not {"-h", "--help"}.isdisjoint(argv):
        return None
    if os.environ.get("APIYI_BASE_URL", "").startswith("http:"):
        # A server on this machine: there is nothing to wait for.
        return None
    try:
        from apiyi_cli.wire.http.preconnect import preconnect
    except Exception:
        # Reported when the command needs it.
        return None
    return preconnect(argv, os.environ)


def _run_command(argv: Sequence[str], process: Process) -> int:
    """Run the command and report its failure; a signal may come even during the report."""
    try:
        return _run_typer(argv, process)
    except ApiyiError as failure:
        return _report_failure(failure, process)
    except OSError as failure:
        if failure.errno not in (errno.EMFILE, errno.ENFILE):
            return _report_crash(failure, process)
        from apiyi_cli.wire.http.descriptors import too_few_descriptors

        return _report_failure(too_few_descriptors(), process)
    except Exception as bug:
        try:
            return _report_crash(bug, process)
        except Exception:
            return _report_broken_start(bug)


def _run_typer(argv: Sequence[str], process: Process) -> int:
    if list(argv) in (["--help"], ["-h"]):
        from apiyi_cli.cli.command_table import COMMANDS, ROOT
        from apiyi_cli.cli.help.print_help import print_help

        print_help(ROOT, ("apiyi",), COMMANDS, process, everything=False)
        process.console.finish()
        return 0
    # Rich is for people: without a terminal, help and usage errors do not pay for it.
    if not (process.console.stdout_is_terminal and process.console.stderr_is_terminal):
        os.environ.setdefault("TYPER_USE_RICH", "0")
    with defer_names(_RARELY_CALLED):
        import typer

    from apiyi_cli.cli.app import app, fill_optional_values
    from apiyi_cli.cli.typed_words import rewrite_words

    words = rewrite_words(fill_optional_values(argv))
    try:
        result = app(args=words, prog_name="apiyi", obj=process, standalone_mode=False)
    except typer.Exit as done:
        return int(done.exit_code)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except typer.TyperException as refused:
        message = refused.format_message()
        if message.startswith(process.messages.translate(Text("Usage: "))):
            process.messages.print(message)
            return UsageError.exit_code
        from apiyi_cli.cli.usage_errors import make_usage_error

        raise make_usage_error(refused, words) from None
    process.console.finish()
    return result if isinstance(result, int) else process.exit_code


def _print_version() -> bool:
    """Print the version without loading anything; return True if that succeeded."""
    from apiyi_cli import __version__

    try:
        os.write(1, f"apiyi {__version__}\n".encode())
    except OSError:
        return False
    return True


def _report_failure(failure: ApiyiError, process: Process) -> int:
    process.messages.error(failure)
    return failure.exit_code


def _report_crash(bug: Exception, process: Process) -> int:
    from apiyi_cli.cli.crash import crash_file

    path = crash_file(bug, process)
    what: str = Text("internal error: {name}: {bug}", name=type(bug).__name__, bug=bug)
    if path is not None:
        what = join_texts((what, Text("details: {path}", path=path)), "; ")
    process.messages.print_line(what)
    process.messages.print(Text("this is a defect of apiyi, please report it with that file"))
    return 1


def _report_broken_start(bug: Exception) -> int:
    """Print one line about a library that cannot be imported."""
    line = f"apiyi: internal error: {type(bug).__name__}: {bug}"
    if key := os.environ.get("APIYI_API_KEY"):
        line = line.replace(key, "[key]")
    with contextlib.suppress(OSError):
        os.write(2, f"{line}\napiyi: it is not installed right: reinstall it\n".encode())
    return 1


def _restore_signals() -> None:
    """Restore the default signals: nothing is left that an abrupt end could spoil."""
    _catch_signals(_STOPPING, signal.SIG_DFL)


def _catch_signals(
    names: Sequence[str], handle: Callable[[int, FrameType | None], None] | signal.Handlers
) -> None:
    """Install the signal handlers; an ignored signal stays ignored."""
    for name in names:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            with contextlib.suppress(ValueError, OSError):
                signal.signal(number, handle)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise Interrupted(signum)


def _make_signal_handler(process: Process) -> Callable[[int, FrameType | None], None]:
    """Return the handler that asks the command first, and otherwise ends the run."""

    def handle(signum: int, frame: FrameType | None) -> None:
        if process.on_signal is None:
            raise Interrupted(signum)
        left_s = process.on_signal(signal.Signals(signum).name, signum)
        if left_s is not None:
            _interrupt_after(left_s, signum)

    return handle


def _interrupt_after(left_s: float, signum: int) -> None:
    """Interrupt the run after `left_s`: it may block on a full pipe."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, lambda *_: _interrupt(signum, None))
        signal.setitimer(signal.ITIMER_REAL, left_s)


def _repeat_lost_interrupt(lost: sys.UnraisableHookArgs) -> None:
    """Interrupt the run again if a finalizer swallowed the signal's exception.

    A library's `__del__` may run at any moment, and Python only prints what is raised in it.
    """
    if isinstance(lost.exc_value, Interrupted):
        _interrupt_after(0.01, lost.exc_value.signum)
    else:
        sys.__unraisablehook__(lost)


def _die(signum: int, process: Process, note: str = "") -> int:
    """End the process by the signal, so that a shell loop around it stops too.

    An exit code of 128 + n would not do: bash continues a loop whose child merely says
    so. Returns only where the system cannot send the signal.
    """
    _restore_signals()
    process.ended_by = signum
    process.close()
    # After the ^C that the terminal shows, and after a line that has no end yet.
    interrupted = signum == getattr(signal, "SIGINT", None)
    console = process.console
    if console.line_is_open or (interrupted and console.stderr_is_terminal):
        process.messages.print("")
    if note:
        process.messages.print_line(note)
    from apiyi_cli.core.processes import exit_status

    # Windows has no signals to die by: os.kill would end the process with the number as status.
    if os.name != "nt":
        with contextlib.suppress(ValueError, OSError):
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
    return exit_status(signum)


def _end(code: int) -> NoReturn:
    """Exit without the interpreter's teardown, after everything is written.

    Nothing waits for the teardown: stdout is written unbuffered, files are closed by their
    owners.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
