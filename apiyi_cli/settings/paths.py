"""The paths of configuration, state and cache; writes private files.

Linux and macOS both follow the XDG base directory specification; Windows has APPDATA and
LOCALAPPDATA. Nothing is ever looked for in the working directory.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from apiyi_cli.core.disk import make_private_folder, replace_private
from apiyi_cli.errors import SetupError
from apiyi_cli.text import Text, system_reason

_NAME = "apiyi"
_WINDOWS = sys.platform == "win32"


def config_file(environ: Mapping[str, str]) -> Path:
    """Return the configuration file: `APIYI_CONFIG`, else `config.toml` in the config folder."""
    if named := environ.get("APIYI_CONFIG"):
        return Path(named).expanduser().absolute()
    return config_dir(environ) / "config.toml"


def config_dir(environ: Mapping[str, str]) -> Path:
    """Return the configuration folder; it may not exist yet."""
    return _place(environ, "XDG_CONFIG_HOME", ".config", "APPDATA")


def state_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder of conversations, ledger and crash files; it may not exist yet."""
    return _place(environ, "XDG_STATE_HOME", ".local/state", "LOCALAPPDATA")


def cache_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder of data that can be fetched again; it may not exist yet."""
    return _place(environ, "XDG_CACHE_HOME", ".cache", "LOCALAPPDATA", "Cache")


def runtime_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder that running processes share; it may not exist yet.

    Without `XDG_RUNTIME_DIR` it is in the state folder: unlike /tmp, no other user can
    have made it first.
    """
    folder = environ.get("XDG_RUNTIME_DIR", "")
    if not _WINDOWS and Path(folder).is_absolute():
        return Path(folder) / _NAME
    return state_dir(environ) / "run"


def _place(environ: Mapping[str, str], xdg: str, below_home: str, windows: str, *more: str) -> Path:
    if _WINDOWS:
        root = environ.get(windows, "")
        base = Path(root) if Path(root).is_absolute() else _home(environ) / "AppData" / "Local"
        return base.joinpath(_NAME, *more)
    # "All paths set in these environment variables must be absolute. If an implementation
    # encounters a relative path […] it should consider the path invalid and ignore it."
    folder = environ.get(xdg, "")
    return (Path(folder) if Path(folder).is_absolute() else _home(environ) / below_home) / _NAME


def _home(environ: Mapping[str, str]) -> Path:
    variable = "USERPROFILE" if _WINDOWS else "HOME"
    folder = environ.get(variable, "")
    if Path(folder).is_absolute():
        return Path(folder)
    if not _WINDOWS:
        with suppress(KeyError, ImportError):
            import pwd

            return Path(pwd.getpwuid(os.getuid()).pw_dir)
    raise SetupError(
        Text("no home folder"),
        Text("{variable} is not set", variable=variable),
        hint=Text("set {variable} or APIYI_CONFIG", variable=variable),
    )


def private_dir(path: Path) -> Path:
    """Create the private folder and its missing parents; return it.

    A folder that others could read is closed to them. Raises SetupError, also when something
    that is not a folder is in the way.
    """
    try:
        make_private_folder(path)
        if not path.is_dir():
            raise NotADirectoryError(20, os.strerror(20))
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise SetupError(
            Text("cannot use the folder {path}", path=path), system_reason(error)
        ) from error
    return path


def private_write(path: Path, data: bytes) -> None:
    """Replace the file by `data` as `replace_private` does. Raises SetupError."""
    try:
        replace_private(path, data)
    except OSError as error:
        raise SetupError(Text("cannot write {path}", path=path), system_reason(error)) from error


def refuse_readable(path: Path, status: os.stat_result) -> None:
    """Raise SetupError with the chmod line for a regular file that others may access."""
    if not _WINDOWS and stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
        from apiyi_cli.core.shells import quote_word

        raise SetupError(
            Text("{path} holds a key", path=path),
            Text(
                "others can read it (mode {st_mode})", st_mode=f"{stat.S_IMODE(status.st_mode):04o}"
            ),
            hint=f"chmod 600 {quote_word(str(path))}",
        )
