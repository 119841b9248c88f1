"""The command line itself: help, version, names before the command, mistyped words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apiyi_cli.cli.command_table import COMMANDS
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

BARE = dict.fromkeys(("HOME", "APIYI_BASE_URL", "APIYI_API_KEY", "APIYI_MODEL", "LANG", "TERM"))


@pytest.mark.parametrize("line", ["--version", "-V", "--profile x --version"])
def test_the_version_is_one_line(apiyi: Program, line: str) -> None:
    ran = apiyi(line, env=BARE)
    assert (ran.code, ran.err) == (0, "")
    assert ran.text.startswith("apiyi ") and ran.text.count("\n") == 1


@pytest.mark.parametrize("line", ["--help", "-h"])
def test_help_lists_every_command_on_stdout(apiyi: Program, line: str) -> None:
    ran = apiyi(line, env=BARE)
    assert (ran.code, ran.err) == (0, "")
    for name in COMMANDS:
        assert f" {name} " in ran.text


@pytest.mark.parametrize("name", ["chat", "models"])
@pytest.mark.parametrize("option", ["--help", "-h", "--help-all"])
def test_help_of_a_command_reads_no_configuration(
    apiyi: Program, gateway: Gateway, name: str, option: str
) -> None:
    (apiyi.home / "broken.toml").write_text("[[[")
    ran = apiyi(f"{name} {option}", env={"APIYI_CONFIG": str(apiyi.home / "broken.toml")})
    assert (ran.code, ran.err) == (0, "")
    assert "--help-all" in ran.text
    assert ("--timeout" in ran.text) == (option == "--help-all")
    assert gateway.ledger == []


def test_no_command_at_all_shows_the_help_and_exits_2(apiyi: Program) -> None:
    ran = apiyi("")
    assert ran.code == 2
    assert "chat" in ran.err


@pytest.mark.parametrize(
    ("line", "near", "hint"),
    [
        ("chta hi", "did you mean chat?", "apiyi chat hi, or apiyi chat 'chta hi'"),
        ("model", "did you mean models?", "apiyi models"),
        ("chat hi --temprature 1", "did you mean --temperature?", "apiyi chat --help"),
        ("chat hi --ndjosn", "did you mean --ndjson?", "apiyi chat --help"),
        ("chat hi --no-strem", "did you mean --no-stream?", "apiyi chat --help"),
        ("--profil x chat", "did you mean --profile?", "apiyi --help"),
        ("auth logn", "did you mean login?", "apiyi auth --help"),
    ],
)
def test_a_mistyped_word_suggests_the_nearest(
    apiyi: Program, gateway: Gateway, line: str, near: str, hint: str
) -> None:
    ran = apiyi(line)
    assert (ran.code, ran.out) == (2, b"")
    first, second = ran.err.splitlines()
    assert first.startswith("apiyi: no such ") and first.endswith(near)
    assert second == f"  try: {hint}"
    assert gateway.ledger == []


@pytest.mark.parametrize("line", ["zzz", "chat hi --zzz", "chat hi --timeout", "chat hi -m"])
def test_a_word_like_nothing_is_refused_in_two_lines(apiyi: Program, line: str) -> None:
    ran = apiyi(line)
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 2


def test_profile_quiet_and_verbose_may_stand_before_the_command(
    apiyi: Program, gateway: Gateway
) -> None:
    assert "> POST" in apiyi("-v chat hi").err
    assert "> POST" in apiyi("chat hi -v").err
    assert apiyi("--profile nowhere chat hi").code == 10
    line = "chat hi -m o3 --seed 1 --presence-penalty 0"
    assert "o3 is known to refuse" in apiyi(line).err
    assert "o3 is known to refuse" not in apiyi(f"-q {line}").err
    assert "o3 is known to refuse" not in apiyi(f"{line} -q").err


def test_an_option_after_the_command_beats_one_before_it(apiyi: Program) -> None:
    assert apiyi("--profile nowhere chat hi --profile sandbox", env=BARE).code == 0


def test_words_after_two_dashes_are_the_prompt(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("chat -- --json -n").code == 0
    assert gateway.posts[0].json["messages"][-1]["content"] == "--json -n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[profile.default]\nmodle = 'x'\n", "model"),
        ("[profile.default]\ntemperature = 'hot'\n", "temperature"),
        ("[[[", "config.toml:1"),
        ("[profile.default]\nbase_urls = ['http://evil.example/v1']\n", "plain http"),
    ],
)
def test_a_broken_configuration_is_named_by_file_and_line(
    apiyi: Program, gateway: Gateway, content: str, why: str
) -> None:
    folder = apiyi.home / "config" / "apiyi"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(content)
    ran = apiyi("chat hi", env={"APIYI_MODEL": None})
    assert ran.code == 10
    assert "config.toml" in ran.err and why in ran.err
    assert gateway.ledger == []


def test_an_unknown_profile_is_told_with_the_nearest(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi --profile sandbx")
    assert ran.code == 10
    assert "sandbox" in ran.err
    assert gateway.ledger == []


def test_a_key_for_another_server_is_never_taken_from_openais_variable(
    apiyi: Program, gateway: Gateway
) -> None:
    env = {"APIYI_API_KEY": None, "OPENAI_API_KEY": "sk-of-another-service-0123456789"}
    assert apiyi("chat hi", env=env).code == 4
    assert gateway.ledger == []
