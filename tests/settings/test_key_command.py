"""Programs that print the key, and what else they may do."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from apiyi_cli.errors import AuthError
from apiyi_cli.settings.key_command import read_printed_key


def run_command(folder: Path, code: str, limit_s: float = 20.0) -> str:
    return read_printed_key([sys.executable, "-c", code], {}, folder, "key_command", limit_s)


def test_a_program_that_leaves_an_agent_behind_is_not_waited_for_longer(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(8)'])\n"
        "print('sk-from-an-agent')\n"
    )
    assert run_command(tmp_path, code, limit_s=7.0) == "sk-from-an-agent\n"


def test_a_program_that_never_stops_printing_is_not_listened_to_for_ever(tmp_path: Path) -> None:
    began_s = time.monotonic()
    with pytest.raises(AuthError, match="key_command failed"):
        run_command(tmp_path, "while True: print('y' * 1000)")
    assert time.monotonic() - began_s < 10


def test_more_than_any_key_comes_whole_to_be_refused(tmp_path: Path) -> None:
    assert len(run_command(tmp_path, "print('k' * 60_000)")) == 60_001
