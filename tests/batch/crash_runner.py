"""The near end of `killed.py`: command lines that are killed, or fail, at a byte they record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import KEY, ROOT


class RunResult(NamedTuple):
    code: int
    recorded: int
    err: str
    summary: dict[str, Any]


class CrashServer:
    """The process that has imported the program; it starts when the first run is asked for."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, command: dict[str, Any]) -> dict[str, int]:
        """Return the exit code of a command, and how many bytes it recorded."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("killed.py"))],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate()


class Runner:
    """Runs lines of one command in a folder, in forks of the process that has imported it."""

    def __init__(
        self, server: CrashServer, folder: Path, base_url: str, command: str = "batch"
    ) -> None:
        self.folder = folder
        self._server = server
        self._command = command
        self._environ = {
            **os.environ,
            "APIYI_BASE_URL": base_url,
            "APIYI_API_KEY": KEY,
            "APIYI_MODEL": "gpt-4o",
        }

    def __call__(
        self,
        *words: str,
        kill_at: int | None = None,
        fail_at: int | None = None,
        error: str = "ENOSPC",
        sync: bool = False,
    ) -> RunResult:
        summary = self.folder / "summary"
        summary.unlink(missing_ok=True)
        more = ["--summary", "summary"] if self._command == "batch" else []
        command = {
            "argv": [self._command, *words, *more, "--no-limits"],
            "folder": str(self.folder),
            "env": self._environ,
            "kill_at": kill_at,
            "fail_at": fail_at,
            "error": error,
            "sync": sync,
        }
        answer = self._server.run(command)
        err = (self.folder / "stderr").read_text()
        assert KEY not in err and "Traceback" not in err, err
        told = json.loads(summary.read_text()) if summary.exists() else {}
        return RunResult(answer["code"], answer["recorded"], err, told)
