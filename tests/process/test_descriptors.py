"""Closed, full and odd descriptors: what was paid for is never lost, and nothing lies."""

from __future__ import annotations

import hashlib
import os
import signal
import textwrap
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


@pytest.mark.parametrize("form", ["", "--json", "--ndjson", "-x"])
def test_a_full_disk_is_no_success_and_the_answer_is_kept(
    apiyi: Program, gateway: Gateway, form: str
) -> None:
    ran = apiyi.shell(f"apiyi chat hi {form} >/dev/full")
    assert ran.code == 11
    assert "No space left on device" in ran.err
    (kept,) = (apiyi.home / "state" / "apiyi" / "rescue").iterdir()
    assert str(kept) in ran.err
    expected = apiyi(f"chat hi {form}")
    assert kept.read_bytes() == expected.out
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("redirect", [">&-", "1</dev/null", "<&- >&- 2>&-"])
@pytest.mark.parametrize("line", ["chat hi", "models"])
def test_without_an_output_nothing_is_sent(
    apiyi: Program, gateway: Gateway, redirect: str, line: str
) -> None:
    ran = apiyi.shell(f"apiyi {line} {redirect}")
    assert (ran.code, ran.out) == (11, b"")
    assert gateway.ledger == []


@pytest.mark.parametrize("redirect", ["2>&-", "2>/dev/full", "<&-", "<&- 2>&-"])
def test_the_other_descriptors_do_not_change_the_outcome(
    apiyi: Program, gateway: Gateway, redirect: str
) -> None:
    gateway.script(ScriptedReply.chat("fine"), ScriptedReply.error(401, "no"))
    ran = apiyi.shell(f"apiyi chat hi -u -v {redirect}")
    assert (ran.code, ran.out) == (0, b"fine\n")
    assert apiyi.shell(f"apiyi chat hi {redirect}").code == 4


def test_an_output_file_makes_up_for_a_closed_stdout(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi.shell("apiyi chat hi -o out.txt >&-").code == 0
    assert (apiyi.work / "out.txt").read_text() == "[sandbox] You said: hi\n"


def test_a_device_is_written_to_and_its_failure_told(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("chat hi -o /dev/null").code == 0
    assert apiyi("chat hi -o /dev/stdout").text == "[sandbox] You said: hi\n"
    ran = apiyi("chat hi -o /dev/full")
    assert ran.code == 11
    assert "/dev/full" in ran.err


@pytest.mark.parametrize("line", ["--version", "--help", "chat --help", "models"])
def test_nothing_that_is_printed_reports_a_full_disk_as_success(
    apiyi: Program, gateway: Gateway, line: str
) -> None:
    ran = apiyi.shell(f"apiyi {line} >/dev/full")
    assert ran.code == 11
    assert "No space left on device" in ran.err


@pytest.mark.parametrize("line", ["--version", "--help", "chat --help", "models", "chat hi"])
def test_a_reader_that_is_gone_ends_every_command_silently(apiyi: Program, line: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = apiyi.start(line, stdout=writer)
    os.close(writer)
    assert process.communicate(timeout=20)[1] == b""
    assert process.returncode == -signal.SIGPIPE


def test_a_slow_reader_gets_everything(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat(*["0123456789abcdef" * 64] * 300))
    ran = apiyi.shell("apiyi chat hi | (read -rn 1 first; sha256sum)")
    whole = "0123456789abcdef" * 64 * 300
    digest = hashlib.sha256(f"{whole[1:]}\n".encode()).hexdigest()
    assert ran.text.split()[0] == digest


def test_a_pipe_that_does_not_block_gets_everything(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat(*["0123456789abcdef" * 64] * 300))
    script = """
        import fcntl, os, subprocess, sys, time
        read, write = os.pipe()
        fcntl.fcntl(write, fcntl.F_SETFL, fcntl.fcntl(write, fcntl.F_GETFL) | os.O_NONBLOCK)
        process = subprocess.Popen(["apiyi", "chat", "hi"], stdout=write)
        os.close(write)
        size = 0
        while piece := os.read(read, 1000):
            size += len(piece)
        print(size, process.wait())
    """
    ran = apiyi.shell(f"python3 - <<'END'\n{textwrap.dedent(script)}\nEND\n")
    assert ran.text == f"{16 * 64 * 300 + 1} 0\n"
