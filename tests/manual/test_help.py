"""`--help` and `apiyi help` as a user meets them."""

from __future__ import annotations

import sys

import pytest
from typer.main import get_command

from apiyi_cli.cli.app import app, describe_all
from apiyi_cli.cli.command_table import COMMANDS, ROOT
from apiyi_cli.cli.help.describe import describe
from apiyi_cli.manual.describe import Argument, Command, Option, ValueRule
from apiyi_cli.manual.handwritten import list_examples
from apiyi_cli.manual.helptext import helptext
from apiyi_cli.manual.markdown import Code
from apiyi_cli.manual.wrap import columns, fill_lines
from tests.conftest import Program

SMALL = Command(
    ("apiyi", "try"),
    "Try it.",
    "Try something out, with a sentence that is long.",
    "A second paragraph.",
    arguments=(Argument("FILE", "What to read.", required=True), Argument("REST", many=True)),
    options=(
        Option(("-m", "--model"), "Model.", metavar="NAME", envvar="APIYI_MODEL", panel="Model"),
        Option(("--on",), "On.", off=("--no-on",), panel="Model"),
        Option(
            ("--when",), "When.", metavar="W", rule=ValueRule("choice", ("a", "b")), default="a"
        ),
        Option(("-h", "--help"), "Show this help and exit."),
    ),
)


def test_help_has_one_structure() -> None:
    assert helptext(SMALL, 60) == (
        "Usage: apiyi try [OPTIONS] FILE [REST]...\n"
        "\n"
        "Try something out, with a sentence that is long.\n"
        "\n"
        "A second paragraph.\n"
        "\n"
        "Arguments:\n"
        "  FILE  What to read.\n"
        "\n"
        "Options:\n"
        "      --when W       When. [a, b; default: a]\n"
        "  -h, --help         Show this help and exit.\n"
        "\n"
        "Model:\n"
        "  -m, --model NAME   Model. [env: APIYI_MODEL]\n"
        "      --on, --no-on  On.\n"
    )


@pytest.mark.parametrize("width", [20, 40, 59, 60, 80, 300])
def test_help_is_no_wider_than_the_terminal_unless_a_word_is(width: int) -> None:
    for line in helptext(SMALL, width).split("\n"):
        assert columns(line) <= max(width, 26)
        assert columns(line) <= 100


def test_headings_are_bold_where_that_is_asked_for() -> None:
    plain, bold = helptext(SMALL, 60), helptext(SMALL, 60, bold=True)
    assert bold.startswith("\x1b[1mUsage:\x1b[22m apiyi")
    assert bold.replace("\x1b[1m", "").replace("\x1b[22m", "") == plain


def test_chinese_text_is_wrapped_between_characters_and_keeps_its_punctuation() -> None:
    assert fill_lines("你好，世界 and more", 10, "  ") == ["  你好，世", "  界 and", "  more"]


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", ["", "chat", "auth", "auth login", "sandbox", "completion"])
def test_every_command_has_its_help_on_stdout(apiyi: Program, command: str, flag: str) -> None:
    ran = apiyi(f"{command} {flag}")
    assert (ran.code, ran.err) == (0, "")
    assert ran.text.startswith(f"Usage: {f'apiyi {command}'.strip()} ")


def test_help_is_the_same_on_a_terminal_but_for_bold_headings(apiyi: Program) -> None:
    piped = apiyi("chat --help").text
    screen = apiyi.terminal("chat --help", columns=80)
    assert screen.code == 0
    shown = screen.raw.replace(b"\r\n", b"\n").decode()
    assert "\x1b[1mSampling:\x1b[22m" in shown
    assert "\x1b[1mExamples:\x1b[22m" in shown
    assert shown.replace("\x1b[1m", "").replace("\x1b[22m", "") == piped


def test_help_on_a_terminal_without_styles_has_none(apiyi: Program) -> None:
    assert b"\x1b" not in apiyi.terminal("--help", env={"NO_COLOR": "1"}).raw


def test_help_is_as_wide_as_the_terminal(apiyi: Program) -> None:
    lines = apiyi.terminal("chat --help", columns=64).lines
    assert max(map(len, lines)) <= 64


def test_help_is_utf8_whatever_the_locale(apiyi: Program) -> None:
    env = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    ran = apiyi("--help", env=env)
    assert ran.code == 0
    assert "API易" in ran.text


def test_help_into_a_full_disk_exits_11(apiyi: Program) -> None:
    ran = apiyi.shell("apiyi chat --help >/dev/full")
    assert ran.code == 11
    assert "cannot write" in ran.err


def test_help_loads_no_rich(apiyi: Program) -> None:
    ran = apiyi.shell(f"{sys.executable} -X importtime -m apiyi_cli chat --help >/dev/null")
    assert "apiyi_cli.manual.helptext" in ran.err
    assert " rich" not in ran.err


def test_nothing_typed_shows_the_commands_and_exits_2(apiyi: Program) -> None:
    for line in ("", "auth"):
        ran = apiyi(line)
        assert (ran.code, ran.out) == (2, b"")
        assert ran.err.startswith("Usage: apiyi")


def test_own_options_and_two_examples_come_first_and_shared_ones_with_help_all(
    apiyi: Program,
) -> None:
    own, everything = apiyi("chat --help").text, apiyi("chat --help-all").text
    assert own.index("Examples:") < own.index("Sampling:")
    assert "--temperature" in own
    assert "apiyi chat --help-all" in own
    for shared in ("--proxy", "--ndjson", "--dry-run"):
        assert shared not in own
        assert shared in everything
    assert "--temperature" in everything


def test_jobs_are_an_own_option_of_the_commands_that_have_them(apiyi: Program) -> None:
    assert "--jobs" in apiyi("embed --help").text


@pytest.mark.parametrize("command", list(describe_all().walk()), ids=lambda command: command.title)
def test_every_help_has_two_examples_of_its_command(command: Command) -> None:
    lines = [
        line
        for block in list_examples(command.path)
        if isinstance(block, Code)
        for line in block.lines
    ]
    assert len(lines) == 2, lines
    assert all(command.title in line for line in lines)


def test_nothing_typed_ends_with_the_topics_and_the_first_steps(apiyi: Program) -> None:
    last = apiyi("").err.rstrip().split("\n")[-4:]
    assert "exit-codes" in " ".join(last)
    assert last[-1] == "first time? apiyi auth login, or apiyi --profile sandbox chat hi"


def test_help_alone_is_what_the_option_prints(apiyi: Program) -> None:
    assert apiyi("help").out == apiyi("--help").out


def test_help_of_a_command_is_its_manual(apiyi: Program) -> None:
    ran = apiyi("help chat")
    assert (ran.code, ran.err) == (0, "")
    assert ran.text.startswith("Usage: apiyi chat ")
    order = ["DESCRIPTION", "Sampling:", "--proxy", "EXAMPLES", "lisezmoi"]
    assert [ran.text.index(text) for text in order] == sorted(map(ran.text.index, order))
    assert "Serve" not in apiyi("help auth login").text
    assert "--with-token" in apiyi("help auth login").text


def test_help_of_a_command_is_shown_by_the_pager_of_a_terminal(apiyi: Program) -> None:
    pager = apiyi.work / "pager"
    pager.write_text("#!/bin/sh\necho PAGED $APIYI_API_KEY; cat\n")
    pager.chmod(0o755)
    screen = apiyi.terminal("help chat", env={"PAGER": str(pager), "APIYI_API_KEY": "sk-secret"})
    assert screen.raw.startswith(b"PAGED\r\n")
    assert "lisezmoi" in screen.raw.decode()
    gone = apiyi.terminal("help exit-codes", env={"PAGER": "no-such-pager"})
    assert (gone.code, "may pay twice" in gone.raw.decode()) == (0, True)


@pytest.mark.parametrize(
    ("name", "telling"),
    [
        ("exit-codes", "may pay twice"),
        ("environment", "APIYI_CONFIG"),
        ("config", "key_command"),
        ("formatting", "--ndjson"),
        ("retries", "--retry-ambiguous"),
        ("batch", "--on-unknown"),
    ],
)
def test_a_topic_is_printed_as_wide_as_the_terminal(
    apiyi: Program, name: str, telling: str
) -> None:
    ran = apiyi(f"help {name}", env={"COLUMNS": "60"})
    assert (ran.code, ran.err) == (0, "")
    assert telling in ran.text
    prose = [line for line in ran.text.split("\n") if not line.startswith("    ")]
    assert max(map(len, prose)) <= 60


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("help bacth", "apiyi help batch"),
        ("help exit-code", "apiyi help exit-codes"),
        ("help auth lgoin", "apiyi help auth login"),
        ("help chat extra", "apiyi help chat"),
        ("help zzz", "apiyi help"),
    ],
)
def test_an_unknown_topic_exits_2_with_the_nearest(apiyi: Program, line: str, hint: str) -> None:
    ran = apiyi(line)
    assert (ran.code, ran.out) == (2, b"")
    assert ran.err.rstrip().endswith(f"try: {hint}")


def test_completion_of_an_unknown_shell_exits_2(apiyi: Program) -> None:
    ran = apiyi("completion tcsh")
    assert (ran.code, ran.out) == (2, b"")
    assert "'bash', 'zsh', 'fish', 'powershell'" in ran.err


def test_the_program_has_the_same_help_with_and_without_typer() -> None:
    built, listed = (describe(root, ("apiyi",), COMMANDS) for root in (get_command(app), ROOT))
    assert listed == built
    assert listed._replace(commands=()) == describe_all()._replace(commands=())
