"""Commands that answer function calls: what they get, what the model is told, what ends them."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.build.schemas.answer_check import check_answer
from apiyi_cli.core.events import ToolCall
from apiyi_cli.errors import UsageError
from apiyi_cli.tools.run import AT_ONCE, Tool, parse_run_options, run_tools

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
FUNCTIONS = [
    {"type": "function", "function": {"name": "now", "parameters": SCHEMA}},
    {"type": "function", "function": {"name": "bare"}},
]


def python(code: str, *words: str) -> Tool:
    return Tool("t", (sys.executable, "-c", code, *words), None)


def refuse(schema: dict[str, Any], text: str) -> str | None:
    return check_answer(schema, text).misfit


def told(tool: Tool, arguments: str = "{}", **how: Any) -> str:
    settings: dict[str, Any] = {"environ": dict(os.environ), "refuse": refuse, **how}
    ((text, _),) = run_tools([(tool, ToolCall("c", tool.name, arguments))], **settings)
    return text


def test_a_command_line_is_split_as_a_shell_would_and_belongs_to_a_function() -> None:
    found = parse_run_options(["now=sh -c 'date; echo $HOME'", "bare=/bin/true"], FUNCTIONS)
    assert found["now"] == Tool("now", ("sh", "-c", "date; echo $HOME"), SCHEMA)
    assert found["bare"] == Tool("bare", ("/bin/true",), None)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["date"], "it is not NAME=COMMAND"),
        (["now="], "it is not NAME=COMMAND"),
        (["=date"], "it is not NAME=COMMAND"),
        (["now='date"], "no closing quotation"),
        (["noww=date"], "there are: now, bare"),
        (["now=date", "now=date"], "it is given twice"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_sent(values: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_run_options(values, FUNCTIONS)


def test_the_arguments_are_its_stdin_and_its_stdout_is_the_result() -> None:
    arguments = '{"text": "文\\n", "n": 12345678901234567890}'
    assert told(Tool("t", ("cat",), None), arguments) == arguments


def test_there_is_no_shell() -> None:
    tool = python("import sys; print(sys.argv[1:])", "$(id)", "*", "; id", "`id`")
    assert told(tool) == "['$(id)', '*', '; id', '`id`']\n"


def test_the_environment_is_the_one_that_was_given() -> None:
    tool = python("import os; print(sorted(os.environ)[:2], os.environ['GIVEN'])")
    assert told(tool, environ={"GIVEN": "1", "A": "", "B": ""}) == "['A', 'B'] 1\n"


def test_a_command_that_does_not_read_its_arguments_is_no_failure() -> None:
    arguments = json.dumps({"a": "x" * 1_000_000})
    assert told(python("print('done')"), arguments) == "done\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [("{", "not JSON"), ('{"a": 1', "not JSON"), ('{"a":"x"}', "at a"), ("[]", "array|object")],
)
def test_arguments_that_do_not_fit_run_nothing(tmp_path: Path, arguments: str, why: str) -> None:
    touched = tmp_path / "touched"
    text = told(Tool("t", ("touch", str(touched)), SCHEMA), arguments)
    assert text.startswith("error: the arguments were not used: ")
    assert any(part in text for part in why.split("|")), text
    assert not touched.exists()


def test_arguments_of_a_function_without_a_schema_must_be_an_object() -> None:
    assert told(Tool("t", ("cat",), None), "[1]").startswith("error: the arguments were not used")


def test_a_failure_is_told_with_the_end_of_its_stderr() -> None:
    code = "import sys; print('part'); sys.stderr.write('x' * 5000 + 'the reason\\n'); sys.exit(3)"
    text = told(python(code))
    assert text.startswith("error: exit status 3: xxx")
    assert text.endswith("the reason\npart")
    assert len(text) < 2100


def test_a_command_that_cannot_start_is_told() -> None:
    text = told(Tool("t", ("/nonexistent/program",), None))
    assert text == "error: /nonexistent/program cannot be run: No such file or directory"


def test_output_that_is_no_text_is_made_one() -> None:
    assert told(python("import os; os.write(1, b'a\\xffb')")) == "a\ufffdb"


def test_an_endless_output_is_cut_and_ended() -> None:
    began_s = time.monotonic()
    text = told(Tool("t", ("yes",), None), most_bytes=1000)
    assert text == "y\n" * 500 + "\n[cut: a result may have 1000 bytes]"
    assert time.monotonic() - began_s < 10


def test_an_output_of_just_the_allowed_size_is_whole() -> None:
    assert told(python("print('x' * 99)"), most_bytes=100) == "x" * 99 + "\n"


def test_one_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = f"sleep 1000 & echo $! > {shlex.quote(str(mark))}; wait"
    assert told(Tool("t", ("sh", "-c", script), None), timeout_s=0.5) == (
        "error: t did not end within 0.5 s"
    )
    assert ends(int(mark.read_text()))


def test_what_is_left_in_the_background_does_not_hold_up_the_answer(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = f"sleep 1000 & echo $! > {shlex.quote(str(mark))}; echo done"
    assert told(Tool("t", ("sh", "-c", script), None)) == "done\n"
    assert ends(int(mark.read_text()))


def test_results_are_in_the_order_of_the_calls_and_run_at_the_same_time(tmp_path: Path) -> None:
    # Each waits for all of them: one after the other they would never end.
    code = (
        "import pathlib, sys, time\n"
        "folder, mine, all = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])\n"
        "(folder / mine).touch()\n"
        "while len(list(folder.iterdir())) < all: time.sleep(0.01)\n"
        "print(mine)"
    )
    calls = [
        (python(code, str(tmp_path), str(number), str(AT_ONCE)), ToolCall("c", "t", "{}"))
        for number in range(AT_ONCE)
    ]
    found = run_tools(
        calls,
        environ=dict(os.environ),
        refuse=refuse,
    )
    assert [result.text for result in found] == [f"{number}\n" for number in range(AT_ONCE)]


def test_no_more_run_at_once_than_allowed(tmp_path: Path) -> None:
    script = 'touch "$0/$$"; ls "$0" | wc -l; sleep 0.05; rm "$0/$$"'
    calls = [
        (Tool("t", ("sh", "-c", script, str(tmp_path)), None), ToolCall("c", "t", "{}"))
        for _ in range(2 * AT_ONCE + 1)
    ]
    found = run_tools(
        calls,
        environ=dict(os.environ),
        refuse=refuse,
    )
    assert max(int(result.text) for result in found) <= AT_ONCE


class Stop(BaseException):
    """What the program's handlers raise for a signal."""


def test_a_signal_ends_the_commands_and_all_that_they_started(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    # The command itself sends the signal, so it is certain that it runs by then.
    script = f"sleep 1000 & echo $! > {shlex.quote(str(mark))}; kill -USR1 $PPID; wait"

    def stop(number: int, frame: object) -> None:
        raise Stop

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(Stop):
            told(Tool("t", ("sh", "-c", script), None))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ends(int(mark.read_text()))


def ends(pid: int) -> bool:
    """Wait until a process is gone; tell whether that came about."""
    give_up_s = time.monotonic() + 10
    while time.monotonic() < give_up_s:
        shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True)
        if not shown.stdout.strip() or shown.stdout.startswith(b"Z"):
            return True
    return False
